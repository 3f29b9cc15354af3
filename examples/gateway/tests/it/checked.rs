//! `--check`, which says all that is wrong, and where.

use crate::support::{Files, config};

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
        r#"warning: clients.json: record 0: client "batch": `client_secret_basic` needs a secret and none is stored"#,
        "gateway.toml: listeners: 1, routes: 1, no mistakes",
    ];
    assert_eq!(said, expected);
    assert_eq!(code, Some(0));
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
        "gateway.toml:3: has no key `colour`; it has `log`, `shutdown_delay_seconds`, `drain_seconds`, `admin`, \
         `listener`, `clients`, `redis`, `assertions`, `throttle`, `certificates`, `identity`, `route`",
        "gateway.toml:6: `address` must be an address with a port, such as `\"127.0.0.1:8080\"`",
        "gateway.toml:10: no.pem: No such file or directory (os error 2)",
        "gateway.toml:13: 127.0.0.1:7001 is listened on already, in line 9",
        "gateway.toml:16: missing.json: No such file or directory (os error 2)",
        "gateway.toml:19: the header \"host\" cannot say who the client is, or does so already",
    ];
    let mistakes = mistakes(wrong);
    let (first, rest) = mistakes.split_at(expected.len().min(mistakes.len()));
    assert_eq!(first, expected);
    let expected = [
        "gateway.toml:23: `upstream` must be such as \"http://127.0.0.1:8080\", without a path",
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
        "gateway.toml:3: batch.pem: no items found",
        "gateway.toml:14: batch.pem: the key for signed identities is no PKCS #8 of an Ed25519 or a P-256 key",
    ];
    assert_eq!(said, expected);
    assert_eq!(code, Some(2));
}

#[cfg(not(any(feature = "postgres", feature = "redis")))]
#[test]
fn feature_that_is_missing_is_named() {
    let rest = "[redis]\nurl = \"redis://127.0.0.1/\"\n\
        [[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"\n";
    let config =
        config(rest).replace("file = \"clients.json\"", "postgres = \"postgres://127.0.0.1\"");
    let expected = [
        "gateway.toml:5: `postgres` needs the feature `postgres`",
        "gateway.toml:13: [redis] needs the feature `redis`",
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
fn what_is_no_toml_has_its_lines_too() {
    let said = mistakes("[[listener]\naddress = \"127.0.0.1:0\"\n[clients\nfile = 'a'\n");
    assert!(said[0].starts_with("gateway.toml:1: "), "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("gateway.toml:3: ")), "{said:?}");
}

#[test]
fn nothing_at_all_is_explained() {
    let expected = [
        "gateway.toml:1: needs `clients`",
        "gateway.toml:1: there is no `[[listener]]`",
        "gateway.toml:1: there is no `[[route]]`",
    ];
    assert_eq!(mistakes(""), expected);
}

#[test]
fn file_that_is_not_there_is_named() {
    let files = Files::new("");
    std::fs::remove_file(files.path("gateway.toml")).unwrap();
    let (code, said) = files.check();
    assert_eq!(said, ["gateway.toml: cannot be read: No such file or directory (os error 2)"]);
    assert_eq!(code, Some(2));
}
