//! What proxies are answered that keep the traffic to themselves.

use crate::{
    pki,
    support::{BASIC, FORM, Files, Gateway, Message, WRONG, call, config, owned},
};

fn gateway(settings: &str) -> Gateway {
    Gateway::start(
        &config(&format!("[[route]]\nprefix = \"/check\"\nforward_auth = true\n{settings}")),
        1,
    )
}

#[test]
fn who_is_calling_is_in_the_answer() {
    let gateway = gateway("");
    // What the caller says of itself is none of it.
    let lines = [BASIC, "x_client_id: admin", "x-client-auth-method: none", "x-other: a"];
    let expected = Message {
        first: "HTTP/1.1 200 OK".to_owned(),
        lines: owned(&[
            "cache-control: no-store",
            "content-length: 0",
            "x-client-auth-method: client_secret_basic",
            "x-client-id: demo-basic",
        ]),
        body: String::new(),
    };
    assert_eq!(call(gateway.address(), "GET /check", &lines, ""), expected);
    // Envoy puts the path of the request behind that of the check.
    assert_eq!(call(gateway.address(), "PUT /check/api/v2?a=b", &lines, ""), expected);
}

#[test]
fn failure_is_refused_and_logged_with_what_was_asked_for() {
    let gateway = gateway("");
    let lines = [WRONG, "x-original-method: POST", "x-original-uri: /api/v2?secret=gu3ss3d"];
    let answer = call(gateway.address(), "GET /check", &lines, "");
    assert_eq!(answer.status(), 401);
    let challenge = Some(r#"Basic realm="OAuth", charset="UTF-8""#);
    assert_eq!(answer.header("www-authenticate"), challenge);
    let event = gateway.wait_for(&[("reason", "wrong_secret")]);
    assert_eq!((&event["path"], &event["route"]), (&"/api/v2".into(), &"/check/*".into()));
    assert!(!event.to_string().contains("gu3ss3d"));
    assert_eq!(call(gateway.address(), "GET /check", &[], "").status(), 401);
}

#[test]
fn form_is_refused_because_it_is_not_seen() {
    let gateway = gateway("");
    for form in [
        FORM,
        "content-type: APPLICATION/x-www-form-urlencoded ;charset=utf-8",
        // Where the name ends for PHP.
        "content-type: application/x-www-form-urlencoded x",
        "content-type: application/x-www-form-urlencoded\t;a=b",
        "content-type: application/x-www-form-urlencoded,text/plain",
        "content-type: text/plain; a=b, application/x-www-form-urlencoded x",
        "content-type: multipart/form-data; boundary=a",
        "content-type: Multipart/Mixed",
        "content-type: text/plain;a=b, multipart/form-data; boundary=a",
        // Servers look for the beginning of a name, or for a word anywhere.
        "content-type: application/x-www-form-urlencoded2",
        "content-type: application/x-www-form-URLencoded+x",
        "content-type: application/x-url-encoded",
        "content-type: text/x-urlencoded",
        "content-type: application/x-multipart; boundary=a",
        "content-type: application/json; a=urlencoded",
        "content-type: application/ld+json; profile=\"http://a/b, multipart/x\"",
    ] {
        let answer = call(gateway.address(), "GET /check", &[BASIC, form], "");
        assert_eq!(answer.status(), 415, "{form}");
        let body = r#"{"error":"invalid_request","error_description":"A form may hold credentials, and this check does not see it"}"#;
        assert_eq!(answer.body, body);
    }
    let joined = [BASIC, "content-type: text/plain, application/x-www-form-urlencoded"];
    assert_eq!(call(gateway.address(), "GET /check", &joined, "").status(), 415);
    let two = [BASIC, "content-type: text/plain", FORM];
    assert_eq!(call(gateway.address(), "GET /check", &two, "").status(), 415);
    let asked = ["x-original-method: PUT", "x-original-uri: /api/v2?secret=gu3ss3d", FORM];
    assert_eq!(call(gateway.address(), "GET /check", &asked, "").status(), 415);
    let event = gateway.wait_for(&[("reason", "form_not_seen"), ("path", "/api/v2")]);
    assert_eq!(event["route"], "/check/*");
    assert!(!event.to_string().contains("gu3ss3d"));
}

#[test]
fn media_type_is_one_or_the_request_is_refused() {
    let gateway = gateway("");
    let status = |content_type: &str| {
        let line = format!("content-type: {content_type}");
        call(gateway.address(), "GET /check", &[BASIC, &line], "").status()
    };
    for other in [
        "application/json",
        "application/json ; charset=utf-8;",
        "application/soap+xml; action=\"urn:a,b c\"",
        "application/ld+json; profile=\"https://www.w3.org/ns/activitystreams\"",
        "x!#$%&'*+-.^_`|~/0",
    ] {
        assert_eq!(status(other), 200, "{other}");
    }
    for unclear in [
        "",
        ";",
        "form",
        "/json",
        "text/",
        "text/plain/x",
        "text/plain x",
        "text /plain",
        "text/plain, text/html",
        "\"text/plain\"",
        "text/pl\u{e4}in",
    ] {
        assert_eq!(status(unclear), 415, "{unclear}");
    }
}

#[test]
fn method_is_that_of_the_request() {
    let gateway = gateway("methods = [\"GET\", \"PUT\"]");
    for (name, method, status) in [
        ("x-original-method", "PUT", 200),
        ("x-original-method", "DELETE", 405),
        ("x-forwarded-method", "PUT", 200),
        ("x-forwarded-method", "DELETE", 405),
    ] {
        let line = format!("{name}: {method}");
        let answer = call(gateway.address(), "GET /check", &[BASIC, &line], "");
        assert_eq!(answer.status(), status, "{line}");
    }
    assert_eq!(call(gateway.address(), "DELETE /check/x", &[BASIC], "").status(), 405);
}

#[test]
fn caller_cannot_say_which_method_it_uses() {
    let gateway = gateway("methods = [\"GET\"]");
    let status = |lines: &[&str]| call(gateway.address(), "GET /check", lines, "").status();
    // The proxy writes one name, and the caller sends the other, or more of the same.
    for lines in [
        ["x-forwarded-method: DELETE", "x-original-method: GET"],
        ["x-original-method: GET", "x-original-method: DELETE"],
        ["x-forwarded-uri: /a", "x-original-uri: /b"],
        ["x-other: a", "x-original-method: a b"],
        // What is no URI must not give way to that of the question.
        ["x-other: a", "x-original-uri: /a b"],
        ["x-forwarded-uri: /<", "x-original-uri: /<"],
    ] {
        assert_eq!(status(&[BASIC, lines[0], lines[1]]), 400, "{lines:?}");
    }
    gateway.wait_for(&[("reason", "unclear_question"), ("route", "/check/*")]);
    assert_eq!(status(&[BASIC, "x-forwarded-method: GET", "x-original-method: GET"]), 200);
}

#[test]
fn proxy_that_knows_two_refusals_gets_no_other() {
    let gateway = gateway("methods = [\"GET\"]\nonly_401_403 = true");
    let status = |lines: &[&str]| call(gateway.address(), "GET /check", lines, "").status();
    assert_eq!(status(&[BASIC]), 200);
    assert_eq!(status(&[WRONG]), 401);
    assert_eq!(status(&[BASIC, FORM]), 403);
    assert_eq!(status(&[BASIC, "x-original-method: DELETE"]), 403);
}

#[test]
fn nobody_has_no_headers() {
    let gateway = gateway("optional = true");
    let answer = call(gateway.address(), "GET /check", &["x-client-id: admin"], "");
    assert_eq!((answer.status(), answer.header("x-client-id")), (200, None));
}

#[test]
fn identity_is_signed_for_its_audience() {
    let signed = "audience = \"https://api.example\"\n[identity.signed]\nkey = \"identity.pem\"\n\
        issuer = \"https://gateway.example\"\n[admin]\naddress = \"127.0.0.1:0\"\n";
    // Nor do the keys come from whoever answers for all other paths.
    let route = "[[route]]\nprefix = \"/\"\nupstream = \"http://127.0.0.1:9\"\n\
        audience = \"https://other.example\"\noptional = true\n\
        [[route]]\npath = \"/check\"\nforward_auth = true\n";
    let files = Files::new(&config(&format!("{route}{signed}")));
    pki::issue(&files);
    let gateway = Gateway::start_in(files, 2);
    let answer = call(gateway.address(), "GET /check", &[BASIC], "");
    let token = answer.header("x-client-identity").unwrap();
    assert_eq!(token.split('.').count(), 3);
    let keys = call(gateway.address(), "GET /.well-known/jwks.json", &[], "");
    assert_eq!(keys.header("content-type"), Some("application/jwk-set+json"));
    assert!(keys.body.contains(r#""kty":"EC""#), "{}", keys.body);
    assert_eq!(call(gateway.admin(), "GET /.well-known/jwks.json", &[], "").body, keys.body);
}
