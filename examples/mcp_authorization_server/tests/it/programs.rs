//! Clients that get tokens for themselves (RFC 6749 §4.4): without a user who agrees, somebody else must have.

use axum::http::Request;
use mcp_authorization_server::{Settings, Store, router};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower_client_auth::metadata_documents::{
    DocumentError, DocumentSource, FetchedDocument, MetadataDocuments,
};

use crate::support::{Answer, BACK, Client, NOW, Server, database, settings};

const INITIAL: &str = "an initial access token of 43 characters, or more";
const ALONE: [&str; 1] = ["client_credentials"];

async fn start(set: impl FnOnce(&mut Settings)) -> Server {
    let store = Store::open(database().await.as_deref()).await.unwrap();
    let mut settings = settings(NOW);
    set(&mut settings);
    Server { app: router(store.clone(), settings).unwrap(), store }
}

async fn register(server: &Server, authorization: Option<&str>, metadata: &Value) -> Answer {
    let mut request = Request::post("/register").header("content-type", "application/json");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    server.send(request.body(metadata.to_string().into()).unwrap()).await
}

fn program(grant_types: &[&str]) -> Value {
    json!({ "token_endpoint_auth_method": "client_secret_basic", "grant_types": grant_types })
}

async fn grants(server: &Server) -> Value {
    server.get("/.well-known/oauth-authorization-server").await.json()["grant_types_supported"]
        .take()
}

#[tokio::test]
async fn registration_by_anybody_gets_no_client_credentials() {
    let refused = json!({
        "error": "invalid_client_metadata",
        "error_description": "client_credentials is not for clients that register themselves",
    });
    let closed = start(|_| ()).await;
    assert_eq!(grants(&closed).await, json!(["authorization_code", "refresh_token"]));
    let digest = Some(Sha256::digest(INITIAL).into());
    let with_token = start(|settings| settings.initial_access_token_sha256 = digest).await;
    for server in [&closed, &with_token] {
        let answer = server.register(&program(&ALONE)).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (400, refused.clone()));
        // RFC 7591 §3.2.1: of several it gets the others, and is told so.
        let mut metadata = program(&["authorization_code", "client_credentials"]);
        metadata["redirect_uris"] = json!([BACK]);
        let answer = server.register(&metadata).await;
        assert_eq!(answer.json()["grant_types"], json!(["authorization_code"]));
    }
    // What is in the header is for a server that has a token.
    let bearer = format!("Bearer {INITIAL}");
    let answer = register(&closed, Some(&bearer), &program(&ALONE)).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (400, refused));
}

// RFC 7591 §3, RFC 6750 §3.1.
#[tokio::test]
async fn initial_access_token_allows_client_credentials() {
    let digest = Some(Sha256::digest(INITIAL).into());
    let server = start(|settings| settings.initial_access_token_sha256 = digest).await;
    let all = json!(["authorization_code", "refresh_token", "client_credentials"]);
    assert_eq!(grants(&server).await, all);
    for wrong in ["Bearer wrong".to_owned(), format!("Basic {INITIAL}"), "Bearer".to_owned()] {
        let answer = register(&server, Some(&wrong), &program(&ALONE)).await;
        assert_eq!(answer.status, 401, "{wrong}");
        assert_eq!(answer.headers["www-authenticate"], r#"Bearer error="invalid_token""#);
    }
    let bearer = format!("Bearer {INITIAL}");
    let answer = register(&server, Some(&bearer), &program(&ALONE)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let answer = answer.json();
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    let (id, secret) = (text("client_id").unwrap(), text("client_secret"));
    let client = Client { id, secret, method: "client_secret_basic" };
    let answer = server.post("/token", &client, &[("grant_type", "client_credentials")]).await;
    assert_eq!(answer.error(), (200, String::new()));
}

const DOCUMENT: &str = "https://client.example/oauth";

struct Publisher;

impl DocumentSource for Publisher {
    type Error = DocumentError;

    async fn fetch(&self, url: &str) -> Result<FetchedDocument, DocumentError> {
        let document = json!({
            "client_id": url, "client_name": "Program", "grant_types": ALONE,
            "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [crate::tokens::public_key()] },
        });
        Ok(FetchedDocument::new(document.to_string().into(), None))
    }
}

#[tokio::test]
async fn document_of_anybody_gets_no_client_credentials() {
    for (allowed, status) in [(false, 400), (true, 200)] {
        let server = start(|settings| {
            let documents = MetadataDocuments::from_hosts(["client.example"]).unwrap();
            settings.documents = documents.source(Publisher);
            settings.allow_client_credentials = allowed;
            // It is for clients that register.
            settings.initial_access_token_sha256 = Some(Sha256::digest(INITIAL).into());
        })
        .await;
        let answer = crate::tokens::ask(&server, DOCUMENT, &crate::tokens::sign(DOCUMENT)).await;
        let error = if allowed { "" } else { "unauthorized_client" };
        assert_eq!(answer.error(), (status, error.to_owned()));
    }
}
