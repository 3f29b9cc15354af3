//! The server as a client meets it, without a socket: whole answers, a clock that stands still.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tower_client_auth::Clock;

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Request, StatusCode},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use mcp_authorization_server::{Store, router};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tower::ServiceExt;
use url::Url;

const ISSUER: &str = "https://as.example";
const BACK: &str = "https://client.example/callback";
const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";
const NOW: i64 = 1_900_000_000;
const MINUTE: i64 = 60;
const DAY: i64 = 24 * 60 * MINUTE;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"].as_str().unwrap_or_default().to_owned())
    }
}

fn encode(parameters: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

struct Server {
    store: Store,
    app: Router,
}

/// A registered client, as it would authenticate itself.
struct Client {
    id: String,
    secret: Option<String>,
    method: &'static str,
}

impl Server {
    async fn new() -> Self {
        let store = Store::open(None).await.unwrap();
        let app = router(store.clone(), ISSUER, Clock::fixed(NOW)).unwrap();
        Self { store, app }
    }

    /// The same server at another time.
    fn at(&self, now: i64) -> Self {
        let store = self.store.clone();
        Self { app: router(store.clone(), ISSUER, Clock::fixed(now)).unwrap(), store }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let (head, body) = self.app.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: head.status, headers: head.headers, text }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn register(&self, metadata: &Value) -> Answer {
        let request = Request::post("/register")
            .header("content-type", "application/json")
            .body(metadata.to_string().into());
        self.send(request.unwrap()).await
    }

    async fn client(&self, method: &'static str) -> Client {
        let answer = self
            .register(&json!({
                "redirect_uris": [BACK], "token_endpoint_auth_method": method,
                "grant_types": ["authorization_code", "refresh_token"],
            }))
            .await
            .json();
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        Client { id: text("client_id").unwrap(), secret: text("client_secret"), method }
    }

    async fn authorize(&self, client: &Client, more: &[(&str, &str)]) -> Answer {
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let mut parameters = HashMap::from([
            ("client_id", client.id.as_str()),
            ("redirect_uri", BACK),
            ("response_type", "code"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("state", "s & t"),
        ]);
        parameters.extend(more.iter().copied());
        let parameters: Vec<_> = parameters.into_iter().collect();
        self.get(&format!("/authorize?{}", encode(&parameters))).await
    }

    async fn code(&self, client: &Client) -> String {
        let page = self.authorize(client, &[]).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert_eq!(page.headers["cache-control"], "no-store");
        assert!(page.text.contains("<h1>Demonstration</h1>"), "{}", page.text);
        let (_, link) = page.text.split_once("id=\"continue\" href=\"").unwrap();
        let (link, _) = link.split_once('"').unwrap();
        let back = Url::parse(&link.replace("&amp;", "&")).unwrap();
        let mut parameters: HashMap<_, _> = back.query_pairs().into_owned().collect();
        let code = parameters.remove("code").unwrap();
        assert!(back.as_str().starts_with(BACK));
        let rest = [("iss", ISSUER), ("state", "s & t")].map(|(k, v)| (k.into(), v.into()));
        assert_eq!(parameters, HashMap::from(rest));
        code
    }

    async fn post(&self, path: &str, client: &Client, form: &[(&str, &str)]) -> Answer {
        let mut form = form.to_vec();
        let mut request =
            Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        let secret = client.secret.as_deref().unwrap_or_default();
        if client.method == "client_secret_basic" {
            let bytes = format!("{}:{secret}", client.id);
            request =
                request.header("authorization", format!("Basic {}", BASE64_STANDARD.encode(bytes)));
        } else {
            form.push(("client_id", &client.id));
        }
        if client.method == "client_secret_post" {
            form.push(("client_secret", secret));
        }
        self.send(request.body(encode(&form).into()).unwrap()).await
    }

    async fn redeem(&self, client: &Client, code: &str, verifier: &str) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", BACK),
            ("resource", "https://as.example/mcp"),
        ];
        self.post("/token", client, &form).await
    }

    async fn tokens(&self, client: &Client) -> Tokens {
        let code = self.code(client).await;
        Tokens::of(&self.redeem(client, &code, VERIFIER).await)
    }

    async fn refresh(&self, client: &Client, token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.post("/token", client, &form).await
    }

    async fn revoke(&self, client: &Client, token: &str) -> Answer {
        self.post("/revoke", client, &[("token", token)]).await
    }

    /// What the protected server answers to a tool call.
    async fn call(&self, token: &str) -> Answer {
        let initialize = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18", "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" },
            },
        });
        let request = Request::post("/mcp")
            .header("authorization", format!("Bearer {token}"))
            .header("host", "as.example")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(Body::from(initialize.to_string()));
        let response = self.app.clone().oneshot(request.unwrap()).await.unwrap();
        // The body is a stream of events, so it is not read.
        let (head, _) = response.into_parts();
        Answer { status: head.status, headers: head.headers, text: String::new() }
    }
}

struct Tokens {
    access: String,
    refresh: String,
}

impl Tokens {
    fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.headers["cache-control"], "no-store");
        let body = answer.json();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["scope"], "mcp");
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

const METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];

// RFC 8414 §2, RFC 9728 §2: what is announced is what is there.
#[tokio::test]
async fn metadata_announces_endpoints_and_methods() {
    let server = Server::new().await;
    assert_eq!(
        server.get("/.well-known/oauth-authorization-server").await.json(),
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://as.example/authorize",
            "token_endpoint": "https://as.example/token",
            "token_endpoint_auth_methods_supported": METHODS,
            "revocation_endpoint": "https://as.example/revoke",
            "revocation_endpoint_auth_methods_supported": METHODS,
            "registration_endpoint": "https://as.example/register",
            "scopes_supported": ["mcp"],
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
            "scopes_supported": ["mcp"],
            "bearer_methods_supported": ["header"],
        })
    );
}

// RFC 6749 §2.2: ids are compared as they are, also where the database ignores case.
#[tokio::test]
async fn id_in_another_case_is_unknown() {
    let file = std::env::temp_dir().join(format!("mcp-{}.sqlite", std::process::id()));
    let name = file.to_str().unwrap();
    let options = SqliteConnectOptions::new().filename(name).create_if_missing(true);
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    let schema = include_str!("../src/schema.sql")
        .replace("client_id TEXT PRIMARY KEY", "client_id TEXT COLLATE NOCASE PRIMARY KEY");
    assert!(schema.contains("NOCASE"));
    sqlx::raw_sql(sqlx::AssertSqlSafe(schema)).execute(&mut database).await.unwrap();
    let store = Store::open(Some(name)).await.unwrap();
    let server = Server { app: router(store.clone(), ISSUER, Clock::fixed(NOW)).unwrap(), store };

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
    let answer = server.register(&json!({ "redirect_uris": [BACK], "client_name": "Café" })).await;
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
            "scope": "mcp",
        })
    );
    let public = json!({ "redirect_uris": [BACK], "token_endpoint_auth_method": "none" });
    let public = server.register(&public).await.json();
    assert_eq!(public.get("client_secret"), None);
    assert_eq!(public.get("client_secret_expires_at"), None);
}

// RFC 7591 §3.2.2; RFC 8252 §7, §8.
#[tokio::test]
async fn unsupported_metadata_is_refused() {
    let server = Server::new().await;
    let uris = |uri: &str| json!({ "redirect_uris": [uri] });
    let with = |name: &str, value: Value| json!({ "redirect_uris": [BACK], name: value });
    for (metadata, code) in [
        (json!([]), "invalid_client_metadata"),
        (json!({}), "invalid_client_metadata"),
        (json!({ "redirect_uris": [] }), "invalid_redirect_uri"),
        (uris("http://client.example/"), "invalid_redirect_uri"),
        (uris("https://client.example/#f"), "invalid_redirect_uri"),
        (uris("javascript:alert(1)"), "invalid_redirect_uri"),
        (uris("data:text/html,x"), "invalid_redirect_uri"),
        (uris("/callback"), "invalid_redirect_uri"),
        (with("token_endpoint_auth_method", json!("tls_client_auth")), "invalid_client_metadata"),
        (with("grant_types", json!(["implicit"])), "invalid_client_metadata"),
        (with("response_types", json!(["token"])), "invalid_client_metadata"),
    ] {
        assert_eq!(server.register(&metadata).await.error(), (400, code.into()), "{metadata}");
    }
    for uri in
        ["http://localhost:1/c", "http://127.0.0.1/c", "http://[::1]/c", "com.example.app:/c"]
    {
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
    assert_eq!(server.redeem(&client, &code, VERIFIER).await.error(), refused, "tried before");

    let code = server.code(&client).await;
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

// RFC 6749 §4.1.2.1: no redirect unless client and redirect URI are known, else the error goes back.
#[tokio::test]
async fn authorization_request_is_checked() {
    let server = Server::new().await;
    let client = server.client("none").await;
    for parameters in [
        [("client_id", "nobody")],
        [("redirect_uri", "https://evil.example/callback")],
        [("redirect_uri", "https://client.example/callback/x")],
    ] {
        let page = server.authorize(&client, &parameters).await;
        assert_eq!(page.status, 400, "{parameters:?}");
        assert_eq!(page.headers.get("location"), None, "{parameters:?}");
    }
    for (parameter, code) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("scope", "mcp admin"), "invalid_scope"),
        (("resource", "https://other.example/mcp"), "invalid_target"),
    ] {
        let answer = server.authorize(&client, &[parameter]).await;
        assert_eq!(
            answer.headers["location"],
            format!("{BACK}?iss=https%3A%2F%2Fas.example&state=s+%26+t&error={code}"),
            "{parameter:?}"
        );
    }
}

// The name comes from the caller that registers.
#[tokio::test]
async fn client_name_is_escaped_in_html() {
    let server = Server::new().await;
    let metadata = json!({ "redirect_uris": [BACK], "client_name": "<script>'\"&" });
    let id = server.register(&metadata).await.json()["client_id"].as_str().unwrap().to_owned();
    let client = Client { id, secret: None, method: "none" };
    let page = server.authorize(&client, &[]).await.text;
    assert!(page.contains("“&lt;script&gt;&#39;&quot;&amp;”"), "{page}");
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
