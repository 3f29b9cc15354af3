//! `--check`, which says all that is wrong, and where.

use serde_json::json;

use crate::{
    signed::Key,
    support::{Files, config},
};

fn mistakes(config: &str) -> Vec<String> {
    let (code, mistakes) = Files::new(config).check();
    assert_eq!(code, Some(2), "{mistakes:?}");
    mistakes
}

/// One with this end, which begins in line 12.
fn mistakes_of(rest: &str) -> Vec<String> {
    mistakes(&config(rest))
}

#[test]
fn configuration_without_mistakes_is_summed_up() {
    let route = "[[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"";
    let (code, said) = Files::new(&config(route)).check();
    assert_eq!(said, ["gateway.toml: listeners: 1, routes: 1, no mistakes"]);
    assert_eq!(code, Some(0));
}

#[test]
fn client_that_cannot_authenticate_is_a_warning() {
    let route = "[[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"";
    let files = Files::new(&config(route));
    files.write(
        "clients.json",
        r#"[{"client_id": "batch"}, {"client_id": "a", "client_secret": "gu3ss3d"}]"#,
    );
    let (code, said) = files.check();
    let expected = [
        r#"warning: clients.json: record 0: client "batch": `client_secret_basic`, the default of `token_endpoint_auth_method`, needs a secret and none is stored"#,
        "gateway.toml: listeners: 1, routes: 1, no mistakes",
    ];
    assert_eq!(said, expected);
    assert_eq!(code, Some(0));
}

/// A client of each method, and one whose tokens another issuer makes.
fn clients_of_each_method() -> String {
    const SECRET: &str = "gX9kWZ2c-gX9kWZ2c-gX9kWZ2c-gX9kWZ2c";
    let key = Key::new();
    let keys = key.set();
    let (mut pinned, mut bundle) = (keys.clone(), keys.clone());
    pinned["keys"][0]["x5c"] = json!([key.certificate()]);
    bundle["keys"][0]["use"] = json!("jwt-svid");
    bundle["keys"][0]["kid"] = json!("svid");
    let pod = json!({"issuer": "https://k8s.example", "subject": "pod", "jwks": keys});
    let mut records = [
        json!({"client_id": "basic", "client_secret": SECRET}),
        json!({"client_id": "form", "client_secret": SECRET}),
        json!({"client_id": "app"}),
        json!({"client_id": "mac", "client_secret": SECRET}),
        json!({"client_id": "signer", "jwks": keys}),
        json!({"client_id": "pod", "federated_identities": [pod]}),
        json!({"client_id": "workload", "spiffe_id": "spiffe://a.example/b", "spiffe_bundle": bundle}),
        json!({"client_id": "worker", "tls_client_auth_san_dns": "worker.example"}),
        json!({"client_id": "pinned", "jwks": pinned}),
    ];
    let methods = [
        "client_secret_basic",
        "client_secret_post",
        "none",
        "client_secret_jwt",
        "private_key_jwt",
        "private_key_jwt",
        "spiffe_jwt",
        "tls_client_auth",
        "self_signed_tls_client_auth",
    ];
    for (record, method) in records.iter_mut().zip(methods) {
        record["token_endpoint_auth_method"] = json!(method);
    }
    json!(records).to_string()
}

/// What `--check` says of the clients.
fn warnings_of(rest: &str) -> Vec<String> {
    let files = Files::new(&config(rest));
    files.write("clients.json", clients_of_each_method());
    crate::pki::issue(&files);
    let (code, mut said) = files.check();
    assert_eq!((code, said.pop().unwrap().contains("no mistakes")), (Some(0), true), "{said:?}");
    let begin = "warning: clients.json: client ";
    said.iter().map(|line| line.strip_prefix(begin).unwrap_or(line).to_owned()).collect()
}

#[test]
fn client_whose_method_is_not_accepted_is_a_warning() {
    const ROUTE: &str = "[[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"\n";
    const ASSERTIONS: &str = "[assertions]\nissuer = \"https://as.example\"\n";
    const HEADER: &str = "[certificates]\nsource = \"header\"\nencoding = \"client-cert\"\ntrusted_proxies = [\"10.0.0.1\"]\n";
    let expected = [
        r#""mac": `client_secret_jwt` needs `[assertions]`"#,
        r#""signer": `private_key_jwt` needs `[assertions]`"#,
        r#""pod": `private_key_jwt` needs `[assertions]`"#,
        r#""workload": `spiffe_jwt` needs `[assertions]`"#,
        r#""worker": `tls_client_auth` needs `[certificates]`, where certificates come from"#,
        r#""pinned": `self_signed_tls_client_auth` needs `[certificates]`, where certificates come from"#,
    ];
    assert_eq!(warnings_of(ROUTE), expected);
    let certificates = &expected[4..];
    assert_eq!(warnings_of(&format!("{ROUTE}{ASSERTIONS}")), certificates);
    let unverified = [
        r#""worker": `tls_client_auth` needs certificates that are verified: `client_ca` of a listener, or `verified_header` of `[certificates]`"#,
    ];
    assert_eq!(warnings_of(&format!("{ROUTE}{ASSERTIONS}{HEADER}")), unverified);
    let verified = format!("{ROUTE}{ASSERTIONS}{HEADER}verified_by_proxy = true\n");
    assert_eq!(warnings_of(&verified), [""; 0]);
    // No section is missing.
    let left_out = [
        r#""form": `client_secret_post` is accepted by no `[[route]]`: `headers_only`, `forward_auth` or `auth_methods` leaves it out"#,
        r#""app": `none` is accepted by no `[[route]]`: `headers_only`, `forward_auth` or `auth_methods` leaves it out"#,
    ];
    let headers = format!("{ROUTE}headers_only = true\n");
    assert_eq!(warnings_of(&headers)[..2], left_out);
    let named = ROUTE.replace("/token", "/named") + "auth_methods = [\"none\"]\n";
    assert_eq!(warnings_of(&format!("{headers}{named}"))[..1], left_out[..1]);
    assert_eq!(warnings_of(&format!("{headers}{named}"))[1..], expected);
}

#[test]
fn client_that_has_another_problem_is_told_of_that_alone() {
    let route = "[[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"";
    let files = Files::new(&config(route));
    let client = r#"[{"client_id": "signer", "token_endpoint_auth_method": "private_key_jwt"}]"#;
    files.write("clients.json", client);
    let (_, said) = files.check();
    let expected = "warning: clients.json: record 0: client \"signer\": `private_key_jwt` needs";
    assert_eq!((said.len(), said[0].starts_with(expected)), (2, true), "{said:?}");
}

#[test]
fn every_mistake_has_its_line() {
    let wrong = r#"
drain_seconds = "soon"
colour = "blue"

[[listener]]
address = "localhost"

[[listener]]
address = "127.0.0.1:7001"
tls = { certificate = "no.pem", key = "clients.json" }

[admin]
address = "127.0.0.1:7001"

[clients]
file = "missing.json"

[identity]
client_id = "host"

[[route]]
path = "/token"
upstream = "https://127.0.0.1:9000"
methods = ["POST", "FETCH", "GET", 7]
auth_methods = ["tls_client_auth", "client_secret_basic", "magic", "private_key_jwt"]

[[route]]
path = "/a"
upstream = "http://localhost:7001"

[[route]]
path = "/a"
upstream = "http://127.0.0.1:9000"
headers_only = true
auth_methods = ["client_secret_post"]

[[route]]
prefix = "api"

[throttle]
store = "redis"
per_client = 0
trusted_proxies = ["10.0.0.0/33"]
"#;
    let expected = [
        "gateway.toml:2: `drain_seconds` must be a number between 1 and 86400",
        "gateway.toml:3: the configuration has no key `colour`; it has `log`, `shutdown_delay_seconds`, `drain_seconds`, `send_seconds`, `max_connections`, \
         `max_connections_per_address`, `admin`, `listener`, `clients`, `redis`, `assertions`, `throttle`, `certificates`, `identity`, `route`",
        "gateway.toml:6: `address` must be an IP address with a port, such as `\"127.0.0.1:8080\"`, and no name",
        "gateway.toml:10: no.pem: No such file or directory (os error 2)",
        "gateway.toml:13: 127.0.0.1:7001 is listened on already, in line 9",
        "gateway.toml:16: missing.json: No such file or directory (os error 2)",
        "gateway.toml:19: \"host\" has a meaning of its own, and cannot say who the client is",
        "gateway.toml:19: a public client, whose id anybody may give, is not told apart: `auth_method` is to be set, or \
         `auth_methods` without `none` in line 27",
    ];
    let mistakes = mistakes(wrong);
    let (first, rest) = mistakes.split_at(expected.len().min(mistakes.len()));
    assert_eq!(first, expected);
    let expected = [
        "gateway.toml:23: `upstream` must be such as \"http://127.0.0.1:8080\", without a path and without TLS",
        "gateway.toml:24: `methods` must be an array of strings",
        "gateway.toml:25: \"magic\" in `auth_methods` is no method of this gateway",
        "gateway.toml:29: the upstream is this gateway itself, which listens there by line 9",
        "gateway.toml:32: this route is there already, in line 28",
        "gateway.toml:35: client_secret_post takes a form, which a route with `headers_only` or `forward_auth` does \
         not read",
        "gateway.toml:37: [[route]] needs `upstream`",
        "gateway.toml:38: \"api\" is no path; it is such as \"/token\"",
        "gateway.toml:41: there is no `[redis]` with its `url`",
        "gateway.toml:42: `per_client` must be a number between 1 and 1000000",
        "gateway.toml:43: \"10.0.0.0/33\" in `trusted_proxies` is not an address or a network, such as \
         `\"10.0.0.0/8\"`",
    ];
    assert_eq!(rest, expected);
}

#[test]
fn method_needs_what_it_is_made_of() {
    let route = r#"[[route]]
path = "/token"
upstream = "http://127.0.0.1:9000"
methods = ["POST", "FETCH", "GET"]
auth_methods = [
    "tls_client_auth",
    "client_secret_basic",
    "private_key_jwt",
]
"#;
    let expected = [
        "gateway.toml:15: \"FETCH\" is no method of HTTP that is forwarded",
        "gateway.toml:15: GET: a route that reads forms takes POST alone; see `headers_only`",
        "gateway.toml:17: tls_client_auth needs `[certificates]`, where certificates come from",
        "gateway.toml:19: private_key_jwt needs `[assertions]`",
    ];
    assert_eq!(mistakes_of(route), expected);
    let certificates = "[certificates]\nsource = \"connection\"\n";
    let expected = [
        "gateway.toml:22: no listener asks clients for a certificate: `client_ca` or `client_certificates` in its \
         `tls`",
    ];
    let said = mistakes_of(&format!("{route}{certificates}"));
    assert_eq!(said.last().map(String::as_str), Some(expected[0]));
}

/// Of a file that is nothing but this.
const MINIMAL: &str =
    "[[listener]]\naddress = \"127.0.0.1:0\"\n[clients]\nfile = \"clients.json\"\n";

#[test]
fn path_is_one_route_in_every_spelling() {
    let route =
        |pattern: &str| format!("[[route]]\n{pattern}\nupstream = \"http://127.0.0.1:1\"\n");
    let patterns = [
        "path = \"/a:b\"",
        "path = \"/a%3ab\"",
        "path = \"/%61\"",
        "prefix = \"/a/../b\"",
        "path = \"/a?b\"",
    ];
    let expected = [
        "gateway.toml:9: this route is there already, in line 6",
        "gateway.toml:12: this path is refused, as it can be taken for another one",
        "gateway.toml:15: this path is refused, as it can be taken for another one",
        "gateway.toml:18: \"/a?b\" is no path; it is such as \"/token\"",
    ];
    assert_eq!(mistakes(&format!("{MINIMAL}{}", patterns.map(route).concat())), expected);
}

#[test]
fn setting_that_means_nothing_where_it_stands_is_found() {
    let wrong = r#"cache_seconds = 3
[assertions]
issuer = "https://as.example"
[certificates]
source = "connection"
header = "x-cert"
verified_value = "SUCCESS"
verified_by_proxy = true
[[route]]
path = "/a"
forward_auth = true
upstream = "http://127.0.0.1:1"
protocol = "h2c"
answer_seconds = 1
body_limit_bytes = 1
keep_credentials = true
add_client_id = true
[[route]]
path = "/b"
upstream = "http://127.0.0.1:1"
headers_only = true
only_401_403 = true
body_seconds = 1
"#;
    let expected = [
        "gateway.toml:5: `cache_seconds` is for clients in `postgres`",
        "gateway.toml:9: no listener asks clients for a certificate: `client_ca` or `client_certificates` in its `tls`",
        "gateway.toml:10: `header` is for certificates of a header",
        "gateway.toml:11: `verified_value` is for certificates of a header",
        "gateway.toml:12: `verified_by_proxy` is for certificates of a header",
        "gateway.toml:16: `upstream` is not for a route with `forward_auth`",
        "gateway.toml:17: `protocol` is not for a route with `forward_auth`",
        "gateway.toml:18: `answer_seconds` is not for a route with `forward_auth`",
        "gateway.toml:19: `body_limit_bytes` is not for a route with `forward_auth`",
        "gateway.toml:20: `keep_credentials` is not for a route with `forward_auth`",
        "gateway.toml:21: `add_client_id` is for a form, which this route does not read",
        "gateway.toml:26: `only_401_403` is for a route with `forward_auth`",
        "gateway.toml:27: `body_seconds` is for a form, which this route does not read",
    ];
    assert_eq!(mistakes(&format!("{MINIMAL}{wrong}")), expected);
    // Those of other choices.
    let wrong = r#"[[listener]]
address = "127.0.0.1:0"
tls = { certificate = "server.pem", key = "server.key", client_ca = "clients-ca.pem", client_certificates = false }
[clients]
postgres = ""
poll_seconds = 3
[assertions]
issuer = "https://as.example"
replay = "redis"
replay_capacity = 3
[certificates]
source = "header"
encoding = "xfcc"
header = "x-cert"
trusted_proxies = ["127.0.0.1"]
verified_header = "x-verified"
verified_value = "yes"
verified_by_proxy = false
[[route]]
path = "/a"
upstream = "http://127.0.0.1:1"
"#;
    let files = Files::new(wrong);
    crate::pki::issue(&files);
    let expected = [
        "gateway.toml:3: `client_certificates` is what `client_ca` does already",
        "gateway.toml:3: the certificates that this asks for are not read: `[certificates]` has no `source = \"connection\"`",
        "gateway.toml:5: `postgres` must be a string, and not empty",
        "gateway.toml:9: there is no `[redis]` with its `url`",
        "gateway.toml:10: `replay_capacity` is for used assertions in memory",
        "gateway.toml:14: `header` is not for this encoding, whose header has a name",
        "gateway.toml:18: `verified_by_proxy` says that all are verified, and `verified_header` which of them are",
    ];
    assert_eq!(files.check(), (Some(2), expected.map(str::to_owned).to_vec()));
}

#[cfg(feature = "redis")]
#[test]
fn store_that_nothing_is_kept_in_is_found() {
    let rest = "[redis]\nurl = \"redis://127.0.0.1/\"\n[throttle]\nper_client = 3\n\
        [[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"\n";
    let expected = [
        "gateway.toml:13: nothing is kept in `[redis]`: neither `replay` nor `store` is `\"redis\"`",
    ];
    assert_eq!(mistakes_of(rest), expected);
}

#[test]
fn value_that_trusts_everybody_is_refused() {
    let wrong = r#"[throttle]
trusted_proxies = ["::/0"]
[certificates]
source = "header"
encoding = "escaped-pem"
header = "x-cert"
trusted_proxies = ["10.0.0.0/8", "0.0.0.0/0"]
verified_header = "x-verified"
verified_value = ""
[assertions]
issuer = ""
[identity.signed]
key = "identity.pem"
issuer = ""
[[route]]
path = "/a"
upstream = "http://127.0.0.1:1"
audience = ""
methods = []
auth_methods = []
"#;
    let files = Files::new(&format!("{MINIMAL}{wrong}"));
    crate::pki::issue(&files);
    let expected = [
        "gateway.toml:6: \"::/0\" in `trusted_proxies` is everybody, not a proxy",
        "gateway.toml:11: \"0.0.0.0/0\" in `trusted_proxies` is everybody, not a proxy",
        "gateway.toml:13: `verified_value` must be the value of a header, and not empty",
        "gateway.toml:15: `issuer` must be a string, and not empty",
        "gateway.toml:18: `issuer` must be a string, and not empty",
        "gateway.toml:19: `auth_methods` is empty: nobody could call",
        "gateway.toml:19: `methods` is empty: nobody could call",
        "gateway.toml:22: `audience` must be a string, and not empty",
    ];
    assert_eq!(files.check(), (Some(2), expected.map(str::to_owned).to_vec()));
}

#[test]
fn upstream_that_cannot_tell_who_is_who_is_found() {
    let route = "[[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"\n";
    let check = |rest: &str| {
        let (code, said) = Files::new(&format!("{MINIMAL}{rest}")).check();
        (
            code == Some(0),
            said.into_iter()
                .filter(|line| {
                    line.starts_with("gateway.toml:5:") || line.starts_with("gateway.toml:6:")
                })
                .collect::<Vec<_>>(),
        )
    };
    let found = |line: &str| (false, vec![line.to_owned()]);
    let fine = (true, Vec::new());
    // Nobody, for a client.
    let expected = "gateway.toml:5: this route is `optional`, and without `[identity]` nobody is taken for a client";
    assert_eq!(check(&format!("{route}optional = true\n")), found(expected));
    assert_eq!(check(&format!("{route}optional = true\nkeep_credentials = true\n")), fine);
    // A public client, for one that has proved who it is.
    let named = "[identity]\nclient_id = \"x-client-id\"\n";
    let expected = "gateway.toml:6: a public client, whose id anybody may give, is not told apart: `auth_method` is to be \
        set, or `auth_methods` without `none` in line 7";
    assert_eq!(check(&format!("{named}{route}")), found(expected));
    assert_eq!(check(&format!("{named}{route}auth_methods = [\"client_secret_basic\"]\n")), fine);
    assert_eq!(check(&format!("{named}{route}headers_only = true\n")), fine);
    assert_eq!(check(&format!("{named}auth_method = \"x-client-auth-method\"\n{route}")), fine);
}

#[test]
fn address_is_taken_by_one_listener() {
    let wrong = r#"[[listener]]
address = "0.0.0.0:7001"
[[listener]]
address = "127.0.0.1:7001"
[[listener]]
address = "[::1]:7001"
[admin]
address = "[::]:7001"
[clients]
file = "clients.json"
[[route]]
path = "/token"
upstream = "http://192.0.2.1:1"
"#;
    let expected = [
        "gateway.toml:4: 127.0.0.1:7001 is listened on already, in line 2",
        "gateway.toml:8: [::]:7001 is listened on already, in line 6",
    ];
    assert_eq!(mistakes(wrong), expected);
}

#[test]
fn admin_listener_for_others_is_a_warning() {
    let check = |address: &str| {
        let rest = format!(
            "[admin]\naddress = \"{address}\"\n[[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"\n"
        );
        let (code, mut said) = Files::new(&format!("{MINIMAL}{rest}")).check();
        assert_eq!((code, said.pop().unwrap().contains("no mistakes")), (Some(0), true));
        said
    };
    for address in ["0.0.0.0:9090", "[::]:9090", "192.0.2.1:9090"] {
        let expected = "warning: gateway.toml:6: others than operators may reach this address: whoever does reads the metrics";
        assert_eq!(check(address), [expected]);
    }
    for address in ["127.0.0.1:9090", "[::1]:9090", "10.1.2.3:9090", "[fd00::1]:9090"] {
        assert_eq!(check(address), [""; 0], "{address}");
    }
}

#[test]
fn identity_is_no_header_that_has_a_meaning() {
    let route = "[[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"\n";
    for name in ["x-forwarded-for", "Via", "range", "keep-alive", "proxy", "If-Match"] {
        let config = config(route).replace("x-client-id", name);
        let expected = format!(
            "gateway.toml:9: {name:?} has a meaning of its own, and cannot say who the client is"
        );
        assert_eq!(mistakes(&config), [expected]);
    }
    let spaced = config(route).replace("x-client-id", "x client id");
    assert_eq!(mistakes(&spaced), ["gateway.toml:9: \"x client id\" is no name of a header"]);
    let twice = config(route).replace("x-client-auth-method", "X_Client_Id");
    let expected = "gateway.toml:10: the header \"X_Client_Id\" is set by another setting already";
    assert_eq!(mistakes(&twice), [expected]);
}

#[test]
fn key_that_is_none_is_found() {
    let tls = "tls = { certificate = \"server.pem\", key = \"batch.pem\" }";
    let rest = "[identity.signed]\nkey = \"batch.pem\"\nissuer = \"https://gateway.example\"\n\
        [[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"\naudience = \"https://a.example\"\n";
    let config = config(rest).replace("\n\n[clients]", &format!("\n{tls}\n\n[clients]"));
    let files = Files::new(&config);
    crate::pki::issue(&files);
    let (code, said) = files.check();
    let expected = [
        "gateway.toml:3: batch.pem: there is no private key in it: it has `CERTIFICATE`",
        "gateway.toml:14: batch.pem: the key for signed identities is no PKCS #8 of an Ed25519 or a P-256 key",
    ];
    assert_eq!(said, expected);
    assert_eq!(code, Some(2));
}

#[test]
fn file_of_another_kind_is_said_to_be_one() {
    let check = |tls: &str| {
        let route = "[[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"\n";
        let config = config(route).replace("\n\n[clients]", &format!("\n{tls}\n\n[clients]"));
        let files = Files::new(&config);
        crate::pki::issue(&files);
        let (code, mut said) = files.check();
        assert_eq!((code, said.len()), (Some(2), 1), "{said:?}");
        said.remove(0)
    };
    let tls = |certificate: &str, key: &str| {
        check(&format!("tls = {{ certificate = \"{certificate}\", key = \"{key}\" }}"))
    };
    assert_eq!(
        tls("server.pem", "batch.key"),
        "gateway.toml:3: batch.key: it is not the key of the first certificate in server.pem"
    );
    assert_eq!(
        tls("server.key", "server.key"),
        "gateway.toml:3: server.key: there is no certificate in it: it has `PRIVATE KEY`"
    );
    assert_eq!(
        tls("server.pem", "clients.json"),
        "gateway.toml:3: clients.json: there is no private key in it: it is no PEM"
    );
}

#[test]
fn client_with_an_expired_secret_is_a_warning_and_so_are_no_clients() {
    let check = |clients: &str| {
        let route = "[[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"";
        let files = Files::new(&config(route));
        files.write("clients.json", clients);
        let (code, mut said) = files.check();
        assert_eq!((code, said.pop().unwrap().contains("no mistakes")), (Some(0), true));
        said
    };
    let client = |expiry: &str| {
        check(&format!(
            r#"[{{"client_id": "a", "client_secret": "gu3ss3d", "client_secret_expires_at": {expiry}}}]"#
        ))
    };
    let expected =
        "warning: clients.json: client \"a\": `client_secret_expires_at`, 1700000000, has passed";
    assert_eq!(client("1700000000"), [expected]);
    for never in ["0", "99999999999"] {
        assert_eq!(client(never), [""; 0]);
    }
    assert_eq!(check("[]"), ["warning: clients.json: there are no clients"]);
}

#[test]
fn clients_of_which_none_can_be_read_are_a_mistake() {
    let files =
        Files::new(&config("[[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\""));
    files.write("clients.json", "[1]");
    let (code, said) = files.check();
    assert_eq!(code, Some(2));
    let [said] = &*said else { panic!("{said:?}") };
    let expected = "gateway.toml:5: clients.json: none of its records can be read: ";
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn client_whose_method_this_program_does_not_have_is_told_so() {
    let route = "[[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"";
    let files = Files::new(&config(route));
    let client = r#"[{"client_id": "wallet", "token_endpoint_auth_method": "attest_jwt_client_auth",
        "attester": "https://attester.example"}]"#;
    files.write("clients.json", client);
    // Whether the crate reads the registration, as it does where another package asks for that, or not.
    let said = files.check().1.remove(0);
    assert!(said.starts_with("warning: clients.json: "), "{said}");
    assert!(said.contains("client \"wallet\": "), "{said}");
    assert!(
        said.ends_with("`attest_jwt_client_auth` is not supported by this gateway")
            || said.ends_with("\"attest_jwt_client_auth\" is not supported by this gateway"),
        "{said}"
    );
}

#[test]
fn mistake_is_not_followed_by_what_it_makes_seem_missing() {
    let check = |rest: &str| {
        let files = Files::new(&config(rest));
        crate::pki::issue(&files);
        files.check().1
    };
    const ROUTE: &str = "[[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"\n";
    let redis = format!(
        "[redis]\nurl = \"env:GATEWAY_TEST_URL\"\n[throttle]\nstore = \"redis\"\n[assertions]\n\
        issuer = \"https://as.example\"\nreplay = \"redis\"\n{ROUTE}"
    );
    assert_eq!(check(&redis), ["gateway.toml:13: GATEWAY_TEST_URL is not set, which `url` names"]);
    // Of a section that another one needs.
    let methods = "auth_methods = [\"private_key_jwt\", \"tls_client_auth\"]\n";
    let sections = format!(
        "[assertions]\nisuer = \"https://as.example\"\n[certificates]\nsource = \"conection\"\n{ROUTE}{methods}"
    );
    let expected = [
        "gateway.toml:12: [assertions] needs `issuer`",
        "gateway.toml:13: [assertions] has no key `isuer`; it has `issuer`, `legacy_audiences`, `replay`, `replay_capacity`",
        "gateway.toml:15: `source` must be `\"connection\"` or `\"header\"`",
    ];
    assert_eq!(check(&sections), expected);
    // Of lists in which nothing is left.
    let lists =
        format!("{ROUTE}methods = [\"PO ST\"]\nauth_methods = [\"client_secret_bassic\"]\n");
    let expected = [
        "gateway.toml:15: \"PO ST\" in `methods` is not a method of HTTP",
        "gateway.toml:16: \"client_secret_bassic\" in `auth_methods` is no method of this gateway",
    ];
    assert_eq!(check(&lists), expected);
    let proxies = format!(
        "[certificates]\nsource = \"header\"\nencoding = \"xfcc\"\ntrusted_proxies = [\"proxy\"]\n{ROUTE}"
    );
    let expected = "gateway.toml:15: \"proxy\" in `trusted_proxies` is not an address or a network, such as `\"10.0.0.0/8\"`";
    assert_eq!(check(&proxies), [expected]);
    // Of who the client is.
    let signed = format!(
        "[identity.signed]\nkey = 7\nissuer = \"https://gateway.example\"\n{ROUTE}audience = \"https://a.example\"\n"
    );
    assert_eq!(check(&signed), ["gateway.toml:13: `key` must be a string, and not empty"]);
    let audience = format!(
        "[identity.signed]\nkey = \"server.key\"\nissuer = \"https://gateway.example\"\n{ROUTE}audience = 7\n"
    );
    assert_eq!(check(&audience), ["gateway.toml:18: `audience` must be a string, and not empty"]);
    let unnamed = config(ROUTE).replace("\"x-client-auth-method\"", "7");
    assert_eq!(
        mistakes(&unnamed),
        ["gateway.toml:10: `auth_method` must be a string, and not empty"]
    );
    // Of a listener that asks for certificates.
    let listener = config(&format!("[certificates]\nsource = \"connection\"\n{ROUTE}"));
    let listener = listener.replace("\"127.0.0.1:0\"", "\"localhost:1\"\ntls = { certificate = \"server.pem\", key = \"server.key\", client_ca = \"clients-ca.pem\" }");
    let expected = "gateway.toml:2: `address` must be an IP address with a port, such as `\"127.0.0.1:8080\"`, and no name";
    assert_eq!(mistakes(&listener), [expected]);
}

#[cfg(feature = "redis")]
#[test]
fn url_of_redis_that_is_none_is_shown_one() {
    let rest = "[redis]\nurl = \"127.0.0.1:6379\"\n[throttle]\nstore = \"redis\"\n\
        [[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"\n";
    let said = mistakes_of(rest);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].ends_with(": `url` is such as \"redis://127.0.0.1/\""), "{said:?}");
}

#[cfg(feature = "redis")]
#[test]
fn store_with_a_mistake_may_be_that_of_redis() {
    let rest = "[redis]\nurl = \"redis://127.0.0.1/\"\n[throttle]\nstore = \"rediss\"\n\
        [[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"\n";
    assert_eq!(mistakes_of(rest), ["gateway.toml:15: `store` must be `\"memory\"` or `\"redis\"`"]);
}

#[cfg(not(any(feature = "postgres", feature = "redis")))]
#[test]
fn feature_that_is_missing_is_named() {
    let rest = "[redis]\nurl = \"redis://127.0.0.1/\"\n\
        [[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"\n";
    let config = config(rest).replace(
        "file = \"clients.json\"\npoll_seconds = 1",
        "postgres = \"postgres://127.0.0.1\"",
    );
    let expected = [
        "gateway.toml:5: `postgres` needs the feature `postgres`",
        "gateway.toml:12: [redis] needs the feature `redis`",
    ];
    assert_eq!(mistakes(&config), expected);
}

#[test]
fn variable_that_is_not_set_is_named() {
    let rest = "[redis]\nurl = \"env:GATEWAY_TEST_URL\"\n\
        [[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"\n";
    let expected = ["gateway.toml:13: GATEWAY_TEST_URL is not set, which `url` names"];
    assert_eq!(mistakes_of(rest), expected);
}

#[test]
fn what_is_no_toml_has_its_lines_and_nothing_else_is_said() {
    let said = mistakes("[[listener]\naddress = \"127.0.0.1:0\"\n[clients\nfile = 'a'\n");
    let lines: Vec<_> = said.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(lines, ["gateway.toml:1:", "gateway.toml:3:"], "{said:?}");
    // What stands below may be missing from what was read.
    let route = "[[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"";
    let broken = config(route).replace("[clients]", "log = \"info");
    assert_eq!(mistakes(&broken), ["gateway.toml:4: invalid basic string, expected `\"`"]);
}

#[test]
fn nothing_at_all_is_explained() {
    let expected = [
        "gateway.toml:1: the configuration needs `clients`",
        "gateway.toml:1: there is no `[[listener]]`",
        "gateway.toml:1: there is no `[[route]]`",
    ];
    assert_eq!(mistakes(""), expected);
    let expected =
        ["gateway.toml:1: there is no `[[listener]]`", "gateway.toml:2: there is no `[[route]]`"];
    let nothing = "listener = []\nroute = []\n[clients]\nfile = \"clients.json\"\n";
    assert_eq!(mistakes(nothing), expected);
}

#[test]
fn file_that_is_not_there_is_named() {
    let files = Files::new("");
    std::fs::remove_file(files.path("gateway.toml")).unwrap();
    let (code, said) = files.check();
    assert_eq!(said, ["gateway.toml: cannot be read: No such file or directory (os error 2)"]);
    assert_eq!(code, Some(2));
}

#[test]
fn share_of_an_address_that_is_larger_than_the_whole_is_found() {
    let route = "[[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"";
    let limits = "max_connections_per_address = 3\nmax_connections = 2\n";
    let expected =
        "gateway.toml:1: `max_connections_per_address` must not be more than `max_connections`";
    assert_eq!(mistakes(&format!("{limits}{}", config(route))), [expected]);
    let expected = "gateway.toml:1: `max_connections` must be a number between 1 and 4294967295";
    assert_eq!(mistakes(&format!("max_connections = 0\n{}", config(route))), [expected]);
}
