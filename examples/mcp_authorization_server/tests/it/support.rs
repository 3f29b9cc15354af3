//! A server, and a client of it.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU32, Ordering},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use http_body_util::BodyExt;
use mcp_authorization_server::{Settings, Store, router};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};
use tower::ServiceExt;
use tower_client_auth::Clock;
use url::Url;

pub(crate) const METHODS: [&str; 3] = ["none", "client_secret_basic", "client_secret_post"];
pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const BACK: &str = "https://client.example/callback";
pub(crate) const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";
pub(crate) const NOW: i64 = 1_900_000_000;
pub(crate) const MINUTE: i64 = 60;
pub(crate) const DAY: i64 = 24 * 60 * MINUTE;

pub(crate) fn settings(now: i64) -> Settings {
    let mut settings = Settings::new(ISSUER).unwrap();
    settings.clock = Clock::fixed(now);
    settings
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub(crate) fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"].as_str().unwrap_or_default().to_owned())
    }
}

/// RFC 7636 §4.2.
pub(crate) fn challenge(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

pub(crate) fn encode(parameters: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) store: Store,
    pub(crate) app: Router,
}

/// A registered client, as it would authenticate itself.
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    pub(crate) method: &'static str,
}

impl Server {
    pub(crate) async fn new() -> Self {
        Self::of(Store::open(database().await.as_deref()).await.unwrap())
    }

    pub(crate) fn of(store: Store) -> Self {
        Self { app: router(store.clone(), settings(NOW)).unwrap(), store }
    }

    /// One at which clients may register that get tokens for themselves.
    pub(crate) async fn for_programs() -> Self {
        let store = Store::open(database().await.as_deref()).await.unwrap();
        let mut settings = settings(NOW);
        settings.allow_client_credentials = true;
        Self { app: router(store.clone(), settings).unwrap(), store }
    }

    /// The same server at another time.
    pub(crate) fn at(&self, now: i64) -> Self {
        let store = self.store.clone();
        Self { app: router(store.clone(), settings(now)).unwrap(), store }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (head, body) = self.app.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: head.status, headers: head.headers, text }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn register(&self, metadata: &Value) -> Answer {
        let request = Request::post("/register")
            .header("content-type", "application/json")
            .body(metadata.to_string().into());
        self.send(request.unwrap()).await
    }

    pub(crate) async fn client(&self, method: &'static str) -> Client {
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

    pub(crate) async fn authorize(&self, client: &Client, more: &[(&str, &str)]) -> Answer {
        let challenge = challenge(VERIFIER);
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

    /// What the page of consent sends back, as a browser does.
    pub(crate) async fn decide(&self, page: &Answer, decision: &str, origin: &str) -> Answer {
        let mut form: Vec<(String, String)> = page
            .text
            .split("<input type=\"hidden\" name=\"")
            .skip(1)
            .map(|input| {
                let (name, rest) = input.split_once("\" value=\"").unwrap();
                let (value, _) = rest.split_once('"').unwrap();
                (name.to_owned(), value.replace("&amp;", "&"))
            })
            .collect();
        form.push(("decision".to_owned(), decision.to_owned()));
        let form: Vec<_> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
        let request = Request::post("/authorize")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", origin)
            .body(encode(&form).into());
        self.send(request.unwrap()).await
    }

    pub(crate) async fn code(&self, client: &Client) -> String {
        self.code_for(client, &[]).await
    }

    pub(crate) async fn code_for(&self, client: &Client, more: &[(&str, &str)]) -> String {
        let page = self.authorize(client, more).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert_eq!(page.headers["cache-control"], "no-store");
        let answer = self.decide(&page, "allow", ISSUER).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        let back = Url::parse(answer.headers["location"].to_str().unwrap()).unwrap();
        let mut parameters: HashMap<_, _> = back.query_pairs().into_owned().collect();
        let code = parameters.remove("code").unwrap();
        let asked = more.iter().find(|(name, _)| *name == "redirect_uri");
        assert!(back.as_str().starts_with(asked.map_or(BACK, |(_, uri)| uri)));
        let rest = [("iss", ISSUER), ("state", "s & t")].map(|(k, v)| (k.into(), v.into()));
        assert_eq!(parameters, HashMap::from(rest));
        code
    }

    pub(crate) async fn post(&self, path: &str, client: &Client, form: &[(&str, &str)]) -> Answer {
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

    pub(crate) async fn redeem(&self, client: &Client, code: &str, verifier: &str) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", BACK),
            ("resource", "https://as.example/mcp"),
        ];
        self.post("/token", client, &form).await
    }

    pub(crate) async fn tokens(&self, client: &Client) -> Tokens {
        let code = self.code(client).await;
        Tokens::of(&self.redeem(client, &code, VERIFIER).await)
    }

    pub(crate) async fn refresh(&self, client: &Client, token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.post("/token", client, &form).await
    }

    pub(crate) async fn revoke(&self, client: &Client, token: &str) -> Answer {
        self.post("/revoke", client, &[("token", token)]).await
    }

    /// What the protected server answers to a tool call.
    pub(crate) async fn call(&self, token: &str) -> Answer {
        let request = mcp(token, None, &initialize());
        let response = self.app.clone().oneshot(request).await.unwrap();
        // The body is a stream of events, so it is not read.
        let (head, _) = response.into_parts();
        Answer { status: head.status, headers: head.headers, text: String::new() }
    }
}

pub(crate) fn initialize() -> Value {
    json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        },
    })
}

pub(crate) fn mcp(token: &str, origin: Option<&str>, call: &Value) -> Request<Body> {
    let mut request = Request::post("/mcp")
        .header("authorization", format!("Bearer {token}"))
        .header("host", "as.example")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    request.body(call.to_string().into()).unwrap()
}

pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Tokens {
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.headers["cache-control"], "no-store");
        let body = answer.json();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["scope"], "mcp");
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

/// Where a test keeps its clients and tokens: in memory, or in a schema of its own on the PostgreSQL server that
/// `TEST_DATABASE_URL` names.
pub(crate) async fn database() -> Option<String> {
    let server = std::env::var("TEST_DATABASE_URL").ok()?;
    let schema = format!("test_{}", unique());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
    sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
    Some(format!("{server}?options[search_path]={schema}"))
}

fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A database that can be opened twice: that of [`database`], or an SQLite file, which is removed on drop.
pub(crate) struct Database {
    name: String,
    is_file: bool,
}

impl Database {
    pub(crate) async fn new() -> Self {
        if let Some(name) = database().await {
            return Self { name, is_file: false };
        }
        let name = format!("mcp-{}.sqlite", unique());
        let file = std::env::temp_dir().join(name);
        Self { name: file.to_str().unwrap().to_owned(), is_file: true }
    }

    /// As the server is told it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn url(&self) -> String {
        if self.is_file { format!("sqlite://{}", self.name) } else { self.name.clone() }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.is_file {
            let _gone = std::fs::remove_file(&self.name);
        }
    }
}
