//! The server as a client meets it, without a socket: whole answers, a clock that stands still.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::Request,
};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use mcp_authorization_server::{Settings, Store, router};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::time::timeout;
use tower::ServiceExt;

use crate::support::{
    BACK, Client, DAY, ISSUER, METHODS, MINUTE, NOW, Server, Tokens, VERIFIER, initialize, mcp,
};

const ALL_METHODS: [&str; 4] =
    ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];

// RFC 8414 §2, RFC 9728 §2: what is announced is what is there.
#[tokio::test]
async fn metadata_announces_endpoints_and_methods() {
    let server = Server::new().await;
    let algs = json!(["ES256", "EdDSA", "Ed25519", "PS256", "RS256"]);
    assert_eq!(
        server.get("/.well-known/oauth-authorization-server").await.json(),
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://as.example/authorize",
            "token_endpoint": "https://as.example/token",
            "token_endpoint_auth_methods_supported": ALL_METHODS,
            "token_endpoint_auth_signing_alg_values_supported": algs,
            "revocation_endpoint": "https://as.example/revoke",
            "revocation_endpoint_auth_methods_supported": ALL_METHODS,
            "revocation_endpoint_auth_signing_alg_values_supported": algs,
            "client_id_metadata_document_supported": true,
            "registration_endpoint": "https://as.example/register",
            "scopes_supported": ["mcp", "notes:read"],
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        })
    );
    assert_eq!(
        server.get("/.well-known/oauth-protected-resource/mcp").await.json(),
        json!({
            "resource": "https://as.example/mcp",
            "authorization_servers": [ISSUER],
            "scopes_supported": ["mcp", "notes:read"],
            "bearer_methods_supported": ["header"],
        })
    );
}

// RFC 8414 §2. Browsers send `Origin: null` for pages that have none, which is the origin of all other schemes, too.
#[tokio::test]
async fn issuer_is_the_url_of_a_web_site() {
    let store = Store::open(None).await.unwrap();
    for issuer in [
        "",
        "as.example",
        "https://",
        "as.example:443",
        "app://as.example",
        "data:text/html,x",
        "https://as.example?x=y",
        "https://as.example/#f",
        "https://user@as.example",
        "https://as.example/",
    ] {
        let settings = Settings::new(issuer).unwrap();
        assert!(router(store.clone(), settings).is_err(), "{issuer}");
    }
    for issuer in ["https://as.example", "http://127.0.0.1:8080", "https://as.example/tenant"] {
        let settings = Settings::new(issuer).unwrap();
        assert!(router(store.clone(), settings).is_ok(), "{issuer}");
    }
}

// RFC 6749 §2.2: ids are compared as they are, also where the database ignores case.
#[tokio::test]
async fn id_in_another_case_is_unknown() {
    let file = std::env::temp_dir().join(format!("mcp-{}.sqlite", std::process::id()));
    let name = file.to_str().unwrap();
    let options = SqliteConnectOptions::new().filename(name).create_if_missing(true);
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    let schema = include_str!("../../src/schema.sql")
        .replace("client_id TEXT PRIMARY KEY", "client_id TEXT COLLATE NOCASE PRIMARY KEY");
    assert!(schema.contains("NOCASE"));
    sqlx::raw_sql(sqlx::AssertSqlSafe(schema)).execute(&mut database).await.unwrap();
    let store = Store::open(Some(name)).await.unwrap();
    let server = Server::of(store);

    for method in METHODS {
        let mut client = server.client(method).await;
        assert_eq!(server.revoke(&client, "any").await.status, 200);
        client.id = match client.id.to_ascii_uppercase() {
            upper if upper == client.id => client.id.to_ascii_lowercase(),
            upper => upper,
        };
        let answer = server.revoke(&client, "any").await;
        assert_eq!(answer.error(), (401, "invalid_client".to_owned()), "{method}");
    }
    drop(server);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{name}{suffix}"));
    }
}

// RFC 7591 §3.2.1.
#[tokio::test]
async fn registration_echoes_the_metadata() {
    let server = Server::new().await;
    let asked = json!({
        "redirect_uris": [BACK], "client_name": "Café",
        "token_endpoint_auth_method": "client_secret_basic",
    });
    let answer = server.register(&asked).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let mut body = answer.json();
    let members = body.as_object_mut().unwrap();
    // 256 bits in base64url.
    assert_eq!(members.remove("client_secret").unwrap().as_str().unwrap().len(), 43);
    assert!(!members.remove("client_id").unwrap().as_str().unwrap().is_empty());
    assert_eq!(
        body,
        json!({
            "client_id_issued_at": NOW,
            "client_secret_expires_at": NOW + 90 * DAY,
            "token_endpoint_auth_method": "client_secret_basic",
            "client_name": "Café",
            "redirect_uris": [BACK],
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "scope": "mcp notes:read",
        })
    );
    // RFC 7591 §3.2.1: the server may choose another method than was asked for.
    let public = server.register(&json!({ "redirect_uris": [BACK] })).await.json();
    assert_eq!(public["token_endpoint_auth_method"], "none");
    assert_eq!(public.get("client_secret"), None);
    assert_eq!(public.get("client_secret_expires_at"), None);
}

// RFC 7591 §3.2.2; RFC 8252 §7, §8.
#[tokio::test]
async fn unsupported_metadata_is_refused() {
    let server = Server::for_programs().await;
    let uris = |uri: &str| json!({ "redirect_uris": [uri] });
    let with = |name: &str, value: Value| json!({ "redirect_uris": [BACK], name: value });
    for (metadata, code) in [
        (json!([]), "invalid_client_metadata"),
        (json!({}), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [] }), "invalid_redirect_uri"),
        (uris("http://client.example/"), "invalid_redirect_uri"),
        (uris("https://client.example/#f"), "invalid_redirect_uri"),
        (uris("javascript:alert(1)"), "invalid_redirect_uri"),
        (uris("data:text/html,x"), "invalid_redirect_uri"),
        (uris("/callback"), "invalid_redirect_uri"),
        (uris("ht\ntps://client.example/"), "invalid_redirect_uri"),
        (uris(" https://client.example/"), "invalid_redirect_uri"),
        (uris("https:client.example/"), "invalid_redirect_uri"),
        (uris(r"https:\\client.example/"), "invalid_redirect_uri"),
        (uris("https://user@client.example/"), "invalid_redirect_uri"),
        (uris("http://localhost.client.example/"), "invalid_redirect_uri"),
        (uris("steam://run/1"), "invalid_redirect_uri"),
        (uris(&format!("https://client.example/{}", "x".repeat(1024))), "invalid_redirect_uri"),
        (json!({ "redirect_uris": vec![BACK; 17] }), "invalid_redirect_uri"),
        (with("jwks_uri", json!("x".repeat(2049))), "invalid_client_metadata"),
        (with("client_name", json!("x".repeat(257))), "invalid_client_metadata"),
        (with("client_name", json!("a\u{0}b")), "invalid_client_metadata"),
        (with("grant_types", json!(["client_credentials"])), "invalid_client_metadata"),
        (with("grant_types", json!(["refresh_token"])), "invalid_client_metadata"),
        (with("token_endpoint_auth_method", json!("private_key_jwt")), "invalid_client_metadata"),
        (with("token_endpoint_auth_method", json!("tls_client_auth")), "invalid_client_metadata"),
        (with("grant_types", json!(["implicit"])), "invalid_client_metadata"),
        (with("response_types", json!(["token"])), "invalid_client_metadata"),
    ] {
        assert_eq!(server.register(&metadata).await.error(), (400, code.into()), "{metadata}");
    }
    for uri in [
        "http://localhost:1/c",
        "http://127.0.0.1/c",
        "http://[::1]/c",
        "com.example.app:/c",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "vscode://a.b/c",
    ] {
        assert_eq!(server.register(&uris(uri)).await.status, 201, "{uri}");
    }
}

// RFC 6749 §4.1, §6; RFC 7009.
#[tokio::test]
async fn every_method_from_registration_to_revocation() {
    for method in METHODS {
        let server = Server::new().await;
        let client = server.client(method).await;
        let first = server.tokens(&client).await;
        assert_eq!(server.call(&first.access).await.status, 200, "{method}");
        let second = Tokens::of(&server.refresh(&client, &first.refresh).await);
        assert_eq!(server.call(&second.access).await.status, 200, "{method}");
        assert_eq!(server.revoke(&client, &second.refresh).await.status, 200, "{method}");
        for token in [first.access, second.access] {
            assert_eq!(server.call(&token).await.status, 401, "{method}");
        }
        let refused = server.refresh(&client, &second.refresh).await;
        assert_eq!(refused.error(), (400, "invalid_grant".into()), "{method}");
    }
}

// RFC 6749 §2.3: the layer is in front of both endpoints.
#[tokio::test]
async fn wrong_secret_is_refused_at_both_endpoints() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let server = Server::new().await;
        let client = server.client(method).await;
        let code = server.code(&client).await;
        for secret in [Some("wrong".to_owned()), None] {
            let thief = Client { id: client.id.clone(), secret, method };
            let refused = server.redeem(&thief, &code, VERIFIER).await;
            assert_eq!(refused.error(), (401, "invalid_client".into()), "{method}");
        }
        // The code is still good, so it was never looked at.
        let tokens = Tokens::of(&server.redeem(&client, &code, VERIFIER).await);
        let thief = Client { id: client.id.clone(), secret: None, method: "none" };
        let refused = server.revoke(&thief, &tokens.access).await;
        assert_eq!(refused.error(), (401, "invalid_client".into()), "{method}");
        assert_eq!(server.call(&tokens.access).await.status, 200, "{method}");
    }
}

// RFC 7591 §3.2.1, `client_secret_expires_at`.
#[tokio::test]
async fn registered_secret_expires() {
    let server = Server::new().await;
    let client = server.client("client_secret_basic").await;
    let late = server.at(NOW + 90 * DAY);
    let refused = late.revoke(&client, "any").await;
    assert_eq!(refused.error(), (401, "invalid_client".into()));
    let in_time = server.at(NOW + 90 * DAY - 1);
    assert_eq!(in_time.revoke(&client, "any").await.status, 200);
}

// RFC 6749 §4.1.2, §4.1.3; RFC 7636 §4.6.
#[tokio::test]
async fn code_is_bound_to_client_verifier_and_time() {
    let server = Server::new().await;
    let (client, other) = (server.client("none").await, server.client("none").await);
    let refused = (400, "invalid_grant".to_owned());

    let code = server.code(&client).await;
    assert_eq!(server.redeem(&other, &code, VERIFIER).await.error(), refused, "another client");
    let late = server.at(NOW + MINUTE);
    assert_eq!(late.redeem(&client, &code, VERIFIER).await.error(), refused, "expired");
    assert_eq!(server.redeem(&client, &code, "another").await.error(), refused, "verifier");
    let tokens = Tokens::of(&server.redeem(&client, &code, VERIFIER).await);
    assert_eq!(server.call(&tokens.access).await.status, 200);
    assert_eq!(server.redeem(&client, &code, VERIFIER).await.error(), refused, "again");
    assert_eq!(server.call(&tokens.access).await.status, 401, "its tokens go with it");
}

// RFC 9700 §4.14.2.
#[tokio::test]
async fn reused_refresh_token_revokes_successors() {
    let server = Server::new().await;
    let (client, other) = (server.client("none").await, server.client("none").await);
    let refused = (400, "invalid_grant".to_owned());
    let first = server.tokens(&client).await;
    assert_eq!(server.refresh(&other, &first.refresh).await.error(), refused, "another client");
    assert_eq!(server.refresh(&client, &first.access).await.error(), refused, "an access token");
    let late = server.at(NOW + 30 * DAY);
    assert_eq!(late.refresh(&client, &first.refresh).await.error(), refused, "expired");
    let second = Tokens::of(&server.refresh(&client, &first.refresh).await);
    assert_eq!(server.refresh(&client, &first.refresh).await.error(), refused, "again");
    assert_eq!(server.call(&second.access).await.status, 401);
    assert_eq!(server.refresh(&client, &second.refresh).await.error(), refused);
}

// RFC 7009 §2.1, §2.2.
#[tokio::test]
async fn only_the_owner_revokes_a_token() {
    let server = Server::new().await;
    let (client, other) = (server.client("none").await, server.client("none").await);
    let tokens = server.tokens(&client).await;
    for token in [&tokens.access, &tokens.refresh, "unknown"] {
        assert_eq!(server.revoke(&other, token).await.status, 200);
    }
    assert_eq!(server.call(&tokens.access).await.status, 200);
    assert_eq!(server.revoke(&client, &tokens.access).await.status, 200);
    assert_eq!(server.call(&tokens.access).await.status, 401);
    Tokens::of(&server.refresh(&client, &tokens.refresh).await);
}

// RFC 6749 §4.1.2.1; RFC 9700 §4.11.2: nobody is sent anywhere who has not agreed to it.
#[tokio::test]
async fn authorization_request_is_checked() {
    let server = Server::new().await;
    let client = server.client("none").await;
    for parameters in [
        [("client_id", "nobody")],
        [("client_id", "")],
        [("client_id", "a\u{0}")],
        [("redirect_uri", "https://evil.example/callback")],
        [("redirect_uri", "https://client.example/callback/x")],
    ] {
        let page = server.authorize(&client, &parameters).await;
        assert_eq!(page.status, 400, "{parameters:?}");
        assert!(!page.text.contains("href"), "{parameters:?}");
    }
    for (parameter, code) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge", "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!"), "invalid_request"),
        (("scope", "admin"), "invalid_scope"),
        (("resource", "https://other.example/mcp"), "invalid_target"),
    ] {
        let page = server.authorize(&client, &[parameter]).await;
        assert_eq!((page.status.as_u16(), page.headers.get("location")), (400, None));
        let link =
            format!("{BACK}?iss=https%3A%2F%2Fas.example&amp;state=s+%26+t&amp;error={code}");
        assert!(page.text.contains(&format!("id=\"continue\" href=\"{link}\"")), "{}", page.text);
        let again = server.decide(&page, "allow", ISSUER).await;
        assert_eq!((again.status.as_u16(), again.headers.get("location")), (400, None));
    }
}

// RFC 6749 §3.1: parameters without a value are omitted; §3.3: unknown scopes may be ignored.
#[tokio::test]
async fn empty_parameters_and_unknown_scopes_are_ignored() {
    let server = Server::new().await;
    let client = server.client("none").await;
    for more in [
        &[("scope", "")][..],
        &[("resource", "")],
        &[("scope", "mcp offline_access")],
        &[("resource", "https://as.example/mcp"), ("prompt", "consent")],
    ] {
        let code = server.code_for(&client, more).await;
        Tokens::of(&server.redeem(&client, &code, VERIFIER).await);
    }
}

// RFC 6749 §10.12: another site must not decide for whoever visits it.
#[tokio::test]
async fn decision_is_taken_on_the_page_alone() {
    let server = Server::new().await;
    let client = server.client("none").await;
    let page = server.authorize(&client, &[]).await;
    for origin in ["https://evil.example", "null", "http://as.example", "https://as.example:8443"] {
        let answer = server.decide(&page, "allow", origin).await;
        assert_eq!(
            (answer.status.as_u16(), answer.headers.get("location")),
            (403, None),
            "{origin}"
        );
    }
    let denied = server.decide(&page, "deny", ISSUER).await;
    assert_eq!(
        denied.headers["location"],
        format!("{BACK}?iss=https%3A%2F%2Fas.example&state=s+%26+t&error=access_denied")
    );
    assert_eq!(page.headers["referrer-policy"], "same-origin");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(policy.ends_with("; base-uri 'none'; frame-ancestors 'none'"), "{policy}");
}

// The registration, or the document, may have another redirect URI when somebody agrees.
#[tokio::test]
async fn redirect_uri_that_was_left_out_is_the_one_that_was_shown() {
    let server = Server::new().await;
    let client = server.client("none").await;
    let page = server.authorize(&client, &[("redirect_uri", "")]).await;
    let input = format!(r#"<input type="hidden" name="redirect_uri" value="{BACK}">"#);
    assert!(page.text.contains(&input), "{}", page.text);
}

// RFC 7591 §2: a client uses the grants that it is registered for.
#[tokio::test]
async fn client_without_codes_is_not_asked_for() {
    let server = Server::for_programs().await;
    let metadata = json!({
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["client_credentials", "refresh_token", "client_credentials"],
    });
    let answer = server.register(&metadata).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let answer = answer.json();
    assert_eq!(answer["grant_types"], json!(["refresh_token", "client_credentials"]));
    let id = answer["client_id"].as_str().unwrap().to_owned();
    let client = Client { id, secret: None, method: "none" };
    let page = server.authorize(&client, &[]).await;
    assert_eq!(page.status, 400);
    assert!(page.text.contains("not known for this grant"), "{}", page.text);
}

// RFC 7636 Appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

// RFC 6749 §3.1; RFC 8707 §2.
#[tokio::test]
async fn repeated_parameter_is_malformed_but_for_resource() {
    let server = Server::new().await;
    let client = server.client("none").await;
    for (more, status) in [("state=a&state=b", 400), ("resource=x&resource=x", 200)] {
        let more = more.replace('x', "https%3A%2F%2Fas.example%2Fmcp");
        let page = server
            .get(&format!(
                "/authorize?client_id={}&response_type=code&code_challenge_method=S256&code_challenge={CHALLENGE}&{more}",
                client.id,
            ))
            .await;
        assert_eq!(page.status, status, "{more}: {}", page.text);
    }
}

// RFC 8252 §7.3: the port is the one that was free when the program started.
#[tokio::test]
async fn loopback_redirect_has_any_port() {
    let server = Server::new().await;
    let registered =
        ["http://127.0.0.1/callback", "http://[::1]/callback", "http://localhost/callback"];
    let metadata = json!({ "redirect_uris": registered });
    let id = server.register(&metadata).await.json()["client_id"].as_str().unwrap().to_owned();
    let client = Client { id, secret: None, method: "none" };
    for host in ["127.0.0.1", "[::1]", "localhost"] {
        let back = format!("http://{host}:54321/callback");
        let code = server.code_for(&client, &[("redirect_uri", &back)]).await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", &back),
        ];
        assert_eq!(server.post("/token", &client, &form).await.status, 200, "{host}");
        let page = server.authorize(&client, &[("redirect_uri", &back)]).await.text;
        assert!(page.contains("a program on this device"), "{page}");
    }
}

// The name comes from the caller that registers.
#[tokio::test]
async fn client_name_is_escaped_in_html() {
    let server = Server::new().await;
    let metadata = json!({ "redirect_uris": [BACK], "client_name": "<script>'\"&\u{202e}" });
    let id = server.register(&metadata).await.json()["client_id"].as_str().unwrap().to_owned();
    let client = Client { id, secret: None, method: "none" };
    let page = server.authorize(&client, &[("state", "\"><script>")]).await.text;
    assert!(!page.contains("<script>"), "{page}");
    assert!(page.contains("“<bdi>&lt;script&gt;&#39;&quot;&amp;</bdi>”"), "{page}");
}

// RFC 6750 §3, RFC 9728 §5.1.
#[tokio::test]
async fn resource_names_its_authorization_server() {
    let server = Server::new().await;
    let metadata = "https://as.example/.well-known/oauth-protected-resource/mcp";
    let bare = server.get("/mcp").await;
    assert_eq!(bare.status, 401);
    assert_eq!(
        bare.headers["www-authenticate"],
        format!(r#"Bearer scope="mcp", resource_metadata="{metadata}""#)
    );
    let wrong = server.call("wrong").await;
    assert_eq!(
        wrong.headers["www-authenticate"],
        format!(r#"Bearer error="invalid_token", scope="mcp", resource_metadata="{metadata}""#)
    );
    let client = server.client("none").await;
    let tokens = server.tokens(&client).await;
    assert_eq!(server.call(&tokens.refresh).await.status, 401, "a refresh token is none");
    let late = server.at(NOW + 10 * MINUTE);
    assert_eq!(late.call(&tokens.access).await.status, 401, "expired");
}

// What is not there is 404 to anybody: clients probe for it.
#[tokio::test]
async fn unknown_path_is_not_found() {
    let server = Server::new().await;
    for path in [
        "/nowhere",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-authorization-server/mcp",
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.headers.get("www-authenticate")), (404, None));
    }
}

// MCP, "Scope Challenge Handling"; RFC 6750 §3.1.
#[tokio::test]
async fn tool_that_needs_more_says_what() {
    let server = Server::new().await;
    let client = server.client("none").await;
    let read = |token: String| {
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "read_note" },
        });
        let app = server.app.clone();
        async move { app.oneshot(mcp(&token, None, &call)).await.unwrap() }
    };
    let refused = read(server.tokens(&client).await.access).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(
        refused.headers()["www-authenticate"],
        r#"Bearer error="insufficient_scope", scope="mcp notes:read", resource_metadata="https://as.example/.well-known/oauth-protected-resource/mcp""#
    );
    let code = server.code_for(&client, &[("scope", "mcp notes:read")]).await;
    let answer = server.redeem(&client, &code, VERIFIER).await.json();
    assert_eq!(answer["scope"], "mcp notes:read");
    let token = answer["access_token"].as_str().unwrap().to_owned();
    assert_ne!(read(token).await.status(), 403);
}

// MCP, "Streamable HTTP", "Sending Messages to the Server"; JSON-RPC 2.0 §5.1.
#[tokio::test]
async fn message_that_cannot_be_read_is_refused() {
    let server = Server::new().await;
    let token = server.tokens(&server.client("none").await).await.access;
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let (parse, invalid, params) =
        ((-32700, "Parse error"), (-32600, "Invalid Request"), (-32602, "Invalid params"));
    let call = |params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
    };
    for (body, (code, message)) in [
        (String::new(), parse),
        ("{".to_owned(), parse),
        (format!("\u{feff}{}", call(r#"{"name":"read_note"}"#)), parse),
        (format!("{}{{}}", call(r#"{"name":"read_note"}"#)), parse),
        (call(&format!(r#"{{"name":"read_note","arguments":{deep}}}"#)), parse),
        (format!("[{}]", call(r#"{"name":"read_note"}"#)), invalid),
        (r#"["2.0",1,"tools/call",{"name":"read_note"}]"#.to_owned(), invalid),
        (r#""tools/call""#.to_owned(), invalid),
        (r#"{"jsonrpc":"2.0","id":1,"method":["tools/call"]}"#.to_owned(), invalid),
        (r#"{"jsonrpc":"2.0","id":1,"method":null}"#.to_owned(), invalid),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#.to_owned(), params),
        (call(r#"["read_note"]"#), params),
        (call("{}"), params),
        (call(r#"{"name":["read_note"]}"#), params),
    ] {
        let mut request = mcp(&token, None, &json!({}));
        *request.body_mut() = body.clone().into();
        let answer = server.send(request).await;
        assert_eq!(answer.status, 400, "{body}");
        let whole = json!({ "jsonrpc": "2.0", "error": { "code": code, "message": message } });
        assert_eq!(answer.json(), whole, "{body}");
    }
}

// RFC 8259 §4: of two members of one name either may count, so the MCP server must see the one that was judged.
#[tokio::test]
async fn scope_is_that_of_the_member_that_counts() {
    let server = Server::new().await;
    let client = server.client("none").await;
    let token = server.tokens(&client).await.access;
    let call = async |method: &str, name: &str| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,{method},"params":{{{name},"_meta":{{
                "io.modelcontextprotocol/protocolVersion":"2026-07-28",
                "io.modelcontextprotocol/clientInfo":{{"name":"test","version":"1"}},
                "io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
        );
        let mut request = mcp(&token, None, &json!({}));
        for (name, value) in [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "whoami"),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        *request.body_mut() = body.into();
        server.send(request).await
    };
    let (method, name) = (r#""method":"tools/call""#, r#""name":"read_note""#);
    for (method, name) in [
        (r#""method":"ping","method":"tools/call""#, name),
        (method, r#""name":"whoami","name":"read_note""#),
        (r#""m\u0065thod":"tools/c\u0061ll""#, r#""n\u0061me":"read\u005fnote""#),
    ] {
        assert_eq!(call(method, name).await.status, 403, "{method} {name}");
    }
    let answer = call(method, r#""name":"read_note","name":"whoami""#).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.text.contains(&client.id), "{}", answer.text);
}

// MCP, "Streamable HTTP": "Servers MUST validate the `Origin` header".
#[tokio::test]
async fn origin_of_another_site_is_refused() {
    let server = Server::new().await;
    let token = server.tokens(&server.client("none").await).await.access;
    for (origin, status) in [
        ("https://evil.example", 403),
        ("http://as.example", 403),
        ("null", 403),
        ("https://as.example", 200),
        ("http://localhost:6274", 200),
    ] {
        let request = mcp(&token, Some(origin), &initialize());
        let answer = server.app.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "{origin}");
    }
}

// Fetch standard, "CORS protocol".
#[tokio::test]
async fn browsers_may_call_all_but_the_page_of_consent() {
    let server = Server::new().await;
    let ask = |path: &str| {
        Request::options(path)
            .header("origin", "https://app.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,mcp-protocol-version")
            .body(Body::empty())
            .unwrap()
    };
    for path in
        ["/token", "/revoke", "/register", "/mcp", "/.well-known/oauth-authorization-server"]
    {
        let answer = server.send(ask(path)).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.headers["access-control-allow-origin"], "*", "{path}");
    }
    let answer = server.send(ask("/authorize")).await;
    assert_eq!(answer.headers.get("access-control-allow-origin"), None);
    let refused = Request::post("/mcp").header("origin", "https://app.example");
    let refused = server.send(refused.body(Body::empty()).unwrap()).await;
    assert_eq!(refused.headers["access-control-allow-origin"], "*");
    assert_eq!(refused.headers["access-control-expose-headers"], "www-authenticate,mcp-session-id");
}

// RFC 9112 §9.6: a connection that is closed under a body takes the answer with it.
#[tokio::test]
async fn body_of_a_refused_call_is_read() {
    let server = Server::new().await;
    let read = Arc::new(AtomicBool::new(false));
    let body = Full::from("{}").map_frame({
        let read = Arc::clone(&read);
        move |frame: Frame<Bytes>| {
            read.store(true, Ordering::Relaxed);
            frame
        }
    });
    let refused = server.send(Request::post("/mcp").body(Body::new(body)).unwrap()).await;
    assert_eq!(refused.status, 401);
    assert!(read.load(Ordering::Relaxed));
}

/// A body that is announced and never sent.
struct Silent;

impl http_body::Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

// A connection for each is all that it costs a caller.
#[tokio::test]
async fn body_that_does_not_come_is_not_waited_for() {
    let server = Server::new().await;
    tokio::time::pause();
    for (path, status) in [("/register", 408), ("/authorize", 408), ("/mcp", 401), ("/token", 408)]
    {
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::new(Silent));
        let answer = timeout(Duration::from_secs(11), server.send(request.unwrap())).await;
        assert_eq!(answer.map(|answer| answer.status.as_u16()), Ok(status), "{path}");
    }
}
