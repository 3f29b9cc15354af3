//! What a token request does to the grant: all of it, or nothing.

use std::sync::LazyLock;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{Answer, Client, ISSUER, MINUTE, NOW, Server, Tokens, VERIFIER};

const OTHER_VERIFIER: &str = "another-verifier-of-forty-three-characters-or-more";

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

async fn token(server: &Server, client: &Client, form: &[(&str, &str)]) -> Answer {
    server.post("/token", client, form).await
}

async fn refresh(server: &Server, client: &Client, token: &str, more: &[(&str, &str)]) -> Answer {
    let form = [&[("grant_type", "refresh_token"), ("refresh_token", token)], more].concat();
    server.post("/token", client, &form).await
}

// RFC 6749 §4.1.3; RFC 7636 §4.6; RFC 8707 §2.2.
#[tokio::test]
async fn refused_request_leaves_the_code_as_it_was() {
    let server = Server::new().await;
    let client = server.client("none").await;
    let code = server.code(&client).await;
    let form = [("grant_type", "authorization_code"), ("code", &code), ("code_verifier", VERIFIER)];
    for (name, value, error) in [
        ("code_verifier", OTHER_VERIFIER, "invalid_grant"),
        ("redirect_uri", "https://client.example/other", "invalid_grant"),
        ("resource", "https://other.example/mcp", "invalid_target"),
    ] {
        let rest = form.iter().copied().filter(|(one, _)| *one != name);
        let form: Vec<_> = rest.chain([(name, value)]).collect();
        assert_eq!(token(&server, &client, &form).await.error(), (400, error.into()), "{name}");
    }
    Tokens::of(&token(&server, &client, &form).await);
}

// RFC 6749 §4.1.2, and no more than that: who reads a code in a log has no verifier.
#[tokio::test]
async fn used_code_ends_the_grant_with_its_verifier_alone() {
    let server = Server::new().await;
    let client = server.client("none").await;
    let code = server.code(&client).await;
    let tokens = Tokens::of(&server.redeem(&client, &code, VERIFIER).await);
    let again = server.redeem(&client, &code, OTHER_VERIFIER).await;
    assert_eq!(again.error(), invalid_grant());
    assert_eq!(server.call(&tokens.access).await.status, 200);
    assert_eq!(server.redeem(&client, &code, VERIFIER).await.error(), invalid_grant());
    assert_eq!(server.call(&tokens.access).await.status, 401);
    assert_eq!(server.refresh(&client, &tokens.refresh).await.error(), invalid_grant());
}

// RFC 6749 §6.
#[tokio::test]
async fn refused_refresh_leaves_the_token_as_it_was() {
    let server = Server::new().await;
    let client = server.client("none").await;
    let tokens = server.tokens(&client).await;
    for (name, value, error) in [
        ("scope", "mcp notes:read", "invalid_scope"),
        ("scope", "mcp  mcp", "invalid_scope"),
        ("resource", "https://other.example/mcp", "invalid_target"),
    ] {
        let refused = refresh(&server, &client, &tokens.refresh, &[(name, value)]).await;
        assert_eq!(refused.error(), (400, error.into()), "{value}");
    }
    assert_eq!(server.call(&tokens.access).await.status, 200);
    Tokens::of(&server.refresh(&client, &tokens.refresh).await);
}

// RFC 6749 §6: less at a time, and all of it again with the next refresh token.
#[tokio::test]
async fn refresh_may_ask_for_less() {
    let server = Server::new().await;
    let client = server.client("none").await;
    let code = server.code_for(&client, &[("scope", "mcp notes:read")]).await;
    let all = server.redeem(&client, &code, VERIFIER).await.json();
    assert_eq!(all["scope"], "mcp notes:read");
    let of = |answer: &Value, name: &str| answer[name].as_str().unwrap().to_owned();
    let form = [("scope", "notes:read")];
    let less = refresh(&server, &client, &of(&all, "refresh_token"), &form).await.json();
    assert_eq!(less["scope"], "notes:read");
    assert_eq!(server.call(&of(&less, "access_token")).await.status, 403);
    let again = refresh(&server, &client, &of(&less, "refresh_token"), &[]).await.json();
    assert_eq!(again["scope"], "mcp notes:read");
}

/// Sends two requests at the same time.
async fn pair(server: &Server, client: &Client, form: &[(&str, &str)]) -> [(u16, String); 2] {
    let send = || {
        let server = server.clone();
        let client = Client { id: client.id.clone(), secret: None, method: "none" };
        let form: Vec<_> = form.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        tokio::spawn(async move {
            let form: Vec<_> = form.iter().map(|(k, v)| (&**k, &**v)).collect();
            server.post("/token", &client, &form).await.error()
        })
    };
    let (one, two) = (send(), send());
    let mut answers = [one.await.unwrap(), two.await.unwrap()];
    answers.sort();
    answers
}

// RFC 6749 §4.1.2, RFC 9700 §4.14.2.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_requests_at_once_one_wins() {
    let server = Server::new().await;
    let client = server.client("none").await;
    let answers = [(200, String::new()), invalid_grant()];
    for _ in 0..40 {
        let code = server.code(&client).await;
        let form =
            [("grant_type", "authorization_code"), ("code", &code), ("code_verifier", VERIFIER)];
        assert_eq!(pair(&server, &client, &form).await, answers);
        let tokens = server.tokens(&client).await;
        let form = [("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)];
        assert_eq!(pair(&server, &client, &form).await, answers);
        assert_eq!(server.call(&tokens.access).await.status, 401, "the grant is gone");
    }
}

// RFC 6749 §3.2.
#[tokio::test]
async fn parameters_without_a_value_are_omitted() {
    let server = Server::new().await;
    let client = server.client("none").await;
    let code = server.code(&client).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", ""),
        ("resource", ""),
        ("unknown", ""),
    ];
    let tokens = Tokens::of(&token(&server, &client, &form).await);
    let form = [("scope", ""), ("resource", "")];
    let tokens = Tokens::of(&refresh(&server, &client, &tokens.refresh, &form).await);
    let form = [("token", &*tokens.access), ("token_type_hint", "")];
    assert_eq!(server.post("/revoke", &client, &form).await.status, 200);
    assert_eq!(server.call(&tokens.access).await.status, 401);

    let invalid = (400, "invalid_request".to_owned());
    for form in [
        &[("grant_type", "")][..],
        &[("grant_type", "authorization_code"), ("code", ""), ("code_verifier", VERIFIER)],
        &[("grant_type", "authorization_code"), ("code", "x"), ("code_verifier", "")],
        &[("grant_type", "refresh_token"), ("refresh_token", "")],
    ] {
        assert_eq!(token(&server, &client, form).await.error(), invalid, "{form:?}");
    }
    let revoked = server.post("/revoke", &client, &[("token", "")]).await;
    assert_eq!(revoked.error(), invalid);
}

// RFC 6749 §3.2; RFC 8707 §2 lets `resource` occur more often.
#[tokio::test]
async fn repeated_parameter_is_refused() {
    let server = Server::new().await;
    let client = server.client("none").await;
    let invalid = (400, "invalid_request".to_owned());
    let tokens = server.tokens(&client).await;
    for (name, value) in
        [("grant_type", "refresh_token"), ("refresh_token", &*tokens.refresh), ("scope", "mcp")]
    {
        let twice = [(name, value), (name, value)];
        let more =
            if ["grant_type", "refresh_token"].contains(&name) { &twice[1..] } else { &twice[..] };
        let refused = refresh(&server, &client, &tokens.refresh, more).await;
        assert_eq!(refused.error(), invalid, "{name}");
    }
    let twice = [("token", &*tokens.access), ("token", &*tokens.access)];
    assert_eq!(server.post("/revoke", &client, &twice).await.error(), invalid);
    let resource = ("resource", "https://as.example/mcp");
    let other = ("resource", "https://other.example/mcp");
    let refused = refresh(&server, &client, &tokens.refresh, &[resource, other]).await;
    assert_eq!(refused.error(), (400, "invalid_target".to_owned()));
    let twice = refresh(&server, &client, &tokens.refresh, &[resource, resource]).await;
    Tokens::of(&twice);
}

// RFC 7636 §4.1: 43 to 128 unreserved characters, whatever the challenge was made of.
#[tokio::test]
async fn malformed_verifier_is_refused() {
    let server = Server::new().await;
    let client = server.client("none").await;
    let unreserved = "-._~".repeat(32);
    for (verifier, status) in [
        (&unreserved[..128], 200),
        (&unreserved[..43], 200),
        (&format!("{unreserved}~"), 400),
        (&unreserved[..42], 400),
        (&"+".repeat(43), 400),
        (&"é".repeat(43), 400),
    ] {
        let challenge = crate::support::challenge(verifier);
        let code = server.code_for(&client, &[("code_challenge", &challenge)]).await;
        let answer = server.redeem(&client, &code, verifier).await;
        assert_eq!(answer.status, status, "{verifier}");
        if status == 400 {
            assert_eq!(answer.error(), invalid_grant(), "{verifier}");
        }
    }
}

async fn machine(server: &Server, method: &'static str) -> Client {
    let metadata =
        json!({ "token_endpoint_auth_method": method, "grant_types": ["client_credentials"] });
    let answer = server.register(&metadata).await.json();
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    Client { id: text("client_id").unwrap(), secret: text("client_secret"), method }
}

// RFC 6749 §4.4.
#[tokio::test]
async fn client_gets_a_token_for_itself() {
    let server = Server::for_programs().await;
    for method in ["client_secret_basic", "client_secret_post"] {
        let client = machine(&server, method).await;
        let form = [("grant_type", "client_credentials")];
        let mut answer = token(&server, &client, &form).await.json();
        let access = answer["access_token"].take().as_str().unwrap().to_owned();
        let whole = json!({
            "access_token": null, "token_type": "Bearer", "expires_in": 600, "scope": "mcp",
        });
        assert_eq!(answer, whole, "{method}");
        assert_eq!(server.call(&access).await.status, 200, "{method}");
        let late = server.at(NOW + 10 * MINUTE);
        assert_eq!(late.call(&access).await.status, 401, "{method}");

        // Each is a grant of its own.
        let other = token(&server, &client, &form).await.json();
        assert_eq!(server.revoke(&client, &access).await.status, 200);
        assert_eq!(server.call(&access).await.status, 401, "{method}");
        let other = other["access_token"].as_str().unwrap();
        assert_eq!(server.call(other).await.status, 200, "{method}");

        // What users agree to is not for it.
        for (scope, wanted) in [("mcp notes:read", Ok("mcp")), ("notes:read", Err("invalid_scope"))]
        {
            let answer = token(&server, &client, &[form[0], ("scope", scope)]).await.json();
            let got = answer["scope"].as_str().ok_or_else(|| answer["error"].as_str().unwrap());
            assert_eq!(got, wanted);
        }
    }
}

// RFC 6749 §5.2, RFC 7591 §2 `grant_types`.
#[tokio::test]
async fn grant_is_for_clients_that_are_registered_for_it() {
    let server = Server::for_programs().await;
    let unauthorized = (400, "unauthorized_client".to_owned());
    let form = [("grant_type", "client_credentials")];
    for method in ["none", "client_secret_basic"] {
        let client = server.client(method).await;
        assert_eq!(token(&server, &client, &form).await.error(), unauthorized, "{method}");
    }
    let client = machine(&server, "client_secret_basic").await;
    for grant_type in ["authorization_code", "refresh_token"] {
        let form = [("grant_type", grant_type), ("code", "x"), ("refresh_token", "x")];
        assert_eq!(token(&server, &client, &form).await.error(), unauthorized, "{grant_type}");
    }
    let refused = token(&server, &client, &[("grant_type", "password")]).await;
    assert_eq!(refused.error(), (400, "unsupported_grant_type".to_owned()));
}

// Two windows of one program, or two users of it, have one id.
#[tokio::test]
async fn grant_ends_alone() {
    let server = Server::new().await;
    let client = server.client("none").await;
    let (one, two) = (server.tokens(&client).await, server.tokens(&client).await);
    let code = server.code(&client).await;
    assert_eq!(server.revoke(&client, &one.refresh).await.status, 200);
    assert_eq!(server.call(&one.access).await.status, 401);
    assert_eq!(server.call(&two.access).await.status, 200);
    Tokens::of(&server.redeem(&client, &code, VERIFIER).await);
    Tokens::of(&server.refresh(&client, &two.refresh).await);
}

/// One for all tests.
fn key() -> &'static EcdsaKeyPair {
    static KEY: LazyLock<EcdsaKeyPair> =
        LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());
    &KEY
}

pub(crate) fn public_key() -> Value {
    // A point without compression: 4, x, y (SEC 1 §2.3.3).
    let (x, y) = key().public_key().as_ref()[1..].split_at(32);
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
}

/// An assertion of this client for the issuer.
pub(crate) fn sign(client_id: &str) -> String {
    sign_for(client_id, ISSUER, "one", NOW)
}

pub(crate) fn sign_for(client_id: &str, audience: &str, jti: &str, now: i64) -> String {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let claims = json!({
        "iss": client_id, "sub": client_id, "aud": audience, "iat": now, "exp": now + MINUTE, "jti": jti,
    });
    let input =
        format!("{}.{}", encode(br#"{"alg":"ES256"}"#), encode(claims.to_string().as_bytes()));
    let signature = key().sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    format!("{input}.{}", encode(signature.as_ref()))
}

/// Asks for a token for the client itself.
pub(crate) async fn ask(server: &Server, client_id: &str, assertion: &str) -> Answer {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    let client = Client { id: client_id.to_owned(), secret: None, method: "private_key_jwt" };
    token(server, &client, &form).await
}

/// A client that signs with [`key`].
pub(crate) async fn signing_client(server: &Server) -> String {
    let answer = server
        .register(&json!({
            "token_endpoint_auth_method": "private_key_jwt",
            "grant_types": ["client_credentials"],
            "jwks": { "keys": [public_key()] },
        }))
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["client_id"].as_str().unwrap().to_owned()
}

// RFC 7523 §2.2, with the keys that were registered.
#[tokio::test]
async fn key_gets_a_token_as_a_secret_does() {
    let server = Server::for_programs().await;
    let id = signing_client(&server).await;
    let invalid_client = (401, "invalid_client".to_owned());
    let elsewhere = sign_for(&id, "https://other.example", "one", NOW);
    assert_eq!(ask(&server, &id, &elsewhere).await.error(), invalid_client);
    let assertion = sign(&id);
    let answer = ask(&server, &id, &assertion).await;
    assert_eq!(answer.error(), (200, String::new()));
    let access = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(server.call(&access).await.status, 200);
    assert_eq!(ask(&server, &id, &assertion).await.error(), invalid_client, "again");
}
