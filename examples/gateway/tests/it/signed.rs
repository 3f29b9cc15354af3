//! Tokens of clients and of workloads, and who takes them.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, PublicKeyData, SigningKey};
use serde_json::{Value, json};

use crate::support::{FORM, Files, Gateway, Upstream, call, config};

pub(crate) const ISSUER: &str = "https://as.example";
const SPIFFE_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
const SVID: &str = "spiffe://prod.example/ns/billing/sa/worker";

pub(crate) struct Key(KeyPair);

impl Key {
    pub(crate) fn new() -> Self {
        Self(KeyPair::generate_for(&PKCS_ED25519).unwrap())
    }

    /// One that the key signed itself, in Base64.
    pub(crate) fn certificate(&self) -> String {
        let params = CertificateParams::new(vec!["batch.example".to_owned()]).unwrap();
        BASE64_STANDARD.encode(params.self_signed(&self.0).unwrap().der())
    }

    pub(crate) fn set(&self) -> Value {
        let x = base64url(self.0.der_bytes());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "x": x}]})
    }

    /// The form of a client that presents a token with these claims, which are right else.
    #[cfg(feature = "jwks-fetch")]
    pub(crate) fn form(&self, claims: &Value) -> String {
        self.form_of(dev_keys::ASSERTION_TYPE, &json!({"alg": "EdDSA"}), claims)
    }

    fn form_of(&self, kind: &str, header: &Value, claims: &Value) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut all = json!({"aud": ISSUER, "exp": now + 60, "jti": number.to_string()});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let input = format!("{}.{}", base64url(header.to_string()), base64url(all.to_string()));
        let signature = base64url(self.0.sign(input.as_bytes()).unwrap());
        let kind = kind.replace(':', "%3A");
        format!("client_assertion_type={kind}&client_assertion={input}.{signature}")
    }
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn svid_names_its_client() {
    let upstream = Upstream::silent();
    let url = &upstream.address;
    let rest = format!(
        "[[route]]\npath = \"/token\"\nupstream = \"http://{url}\"\nauth_methods = [\"spiffe_jwt\"]\n\
        [assertions]\nissuer = \"{ISSUER}\"\n"
    );
    let files = Files::new(&config(&rest));
    let key = Key::new();
    let mut bundle = key.set();
    bundle["keys"][0]["use"] = json!("jwt-svid");
    bundle["keys"][0]["kid"] = json!("svid");
    let client = json!({
        "client_id": "worker", "token_endpoint_auth_method": "spiffe_jwt",
        "spiffe_id": "spiffe://prod.example/ns/billing/*", "spiffe_bundle": bundle,
    });
    files.write("clients.json", json!([client]).to_string());
    let no_mistakes = "gateway.toml: listeners: 1, routes: 1, no mistakes";
    assert_eq!(files.check(), (Some(0), vec![no_mistakes.to_owned()]));
    let gateway = Gateway::start_in(files, 1);
    let header = json!({"alg": "EdDSA", "kid": "svid", "typ": "JWT"});
    let post = |key: &Key, sub: &str| {
        let form = key.form_of(SPIFFE_TYPE, &header, &json!({"sub": sub}));
        call(gateway.address(), "POST /token", &[FORM], &form).status()
    };
    assert_eq!(post(&key, SVID), 204);
    let request = upstream.received();
    assert_eq!(request.header("x-client-id"), Some("worker"));
    assert_eq!(request.header("x-client-auth-method"), Some("spiffe_jwt"));
    assert_eq!(post(&key, "spiffe://prod.example/ns/other/sa/worker"), 401);
    assert_eq!(post(&Key::new(), SVID), 401);
    gateway.wait_for(&[("reason", "wrong_signature"), ("client_id", "worker")]);
    assert!(!upstream.was_called());
}
