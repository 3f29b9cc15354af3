//! What is remembered of requests, and survives another configuration.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{BASIC, FORM, Files, Gateway, Upstream, WRONG, call, config};

const RELOADED: (&str, &str) = ("message", "the configuration was read again");

/// The form of a client that signs.
pub(crate) fn assertion() -> String {
    let key = dev_keys::SigningKey::from_pem(dev_keys::TEST_KEY).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let assertion = key.assertion("signer", "https://as.example", now, 60).unwrap();
    let kind = dev_keys::ASSERTION_TYPE.replace(':', "%3A");
    format!("client_assertion_type={kind}&a=b&client_assertion={assertion}")
}

/// `demo-basic`, and one that signs.
pub(crate) fn clients() -> String {
    let key = dev_keys::SigningKey::from_pem(dev_keys::TEST_KEY).unwrap();
    let jwk = key.jwk().unwrap();
    format!(
        r#"[{{"client_id": "demo-basic", "client_secret": "basic-secret"}},
            {{"client_id": "signer", "token_endpoint_auth_method": "private_key_jwt", "jwks": {{"keys": [{jwk}]}}}}]"#
    )
}

pub(crate) fn files(upstream: &Upstream, rest: &str) -> Files {
    let url = &upstream.address;
    let route = format!("[[route]]\npath = \"/token\"\nupstream = \"http://{url}\"\n{rest}");
    let files = Files::new(&config(&route));
    files.write("clients.json", clients());
    files
}

#[test]
fn assertion_is_used_once_also_after_a_reload() {
    let upstream = Upstream::silent();
    let files = files(&upstream, "[assertions]\nissuer = \"https://as.example\"\n");
    let gateway = Gateway::start_in(files, 1);
    let form = assertion();
    let call = || call(gateway.address(), "POST /token", &[FORM], &form).status();
    assert_eq!(call(), 204);
    assert_eq!(upstream.received().body, "a=b");
    gateway.signal("-HUP");
    gateway.wait_for(&[RELOADED]);
    assert_eq!(call(), 401);
    gateway.wait_for(&[("reason", "replayed"), ("client_id", "signer")]);
    assert!(!upstream.was_called());
}

#[test]
fn who_guesses_waits_also_after_a_reload() {
    let upstream = Upstream::silent();
    let files = files(&upstream, "[throttle]\nper_client = 2\nperiod_seconds = 3600\n");
    let gateway = Gateway::start_in(files, 1);
    let call = |line: &str| call(gateway.address(), "POST /token", &[FORM, line], "a=b").status();
    assert_eq!([call(WRONG), call(WRONG), call(BASIC)], [401, 401, 429]);
    gateway.signal("-HUP");
    gateway.wait_for(&[RELOADED]);
    assert_eq!(call(BASIC), 429);
    // Other limits count anew.
    let config = std::fs::read_to_string(gateway.files.path("gateway.toml")).unwrap();
    gateway.files.write("gateway.toml", config.replace("per_client = 2", "per_client = 3"));
    gateway.signal("-HUP");
    gateway.wait_for(&[RELOADED]);
    assert_eq!(call(BASIC), 204);
}
