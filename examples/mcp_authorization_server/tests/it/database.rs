//! What is in the database, and who shares it.

use std::{io::Write, process::Command, time::Duration};

use axum::body::Bytes;
use mcp_authorization_server::{Store, router};
use serde_json::json;
use sqlx::{AnyConnection, Connection};
use store_harness::{Answer, Http, Replica};
use tower_client_auth::{
    Clock,
    metadata_documents::{
        DocumentError, DocumentSource, DocumentStore, FetchedDocument, MetadataDocuments,
        StoredDocument,
    },
    replay::ReplayStore,
};

use crate::support::{
    BACK, Client, DAY, Database, ISSUER, MINUTE, NOW, Server, Tokens, VERIFIER, database, encode,
    settings,
};
use crate::tokens::{ask, sign, sign_for, signing_client};

/// How many clients, grants, tokens and documents there are.
async fn rows(database: &Database) -> [i64; 4] {
    let mut connection = AnyConnection::connect(&database.url()).await.unwrap();
    let mut rows = [0; 4];
    for (row, statement) in rows.iter_mut().zip([
        "SELECT count(*) FROM clients",
        "SELECT count(*) FROM grants",
        "SELECT count(*) FROM tokens",
        "SELECT count(*) FROM documents",
    ]) {
        *row = sqlx::query_scalar(statement).fetch_one(&mut connection).await.unwrap();
    }
    rows
}

#[tokio::test]
async fn what_has_expired_is_removed() {
    let database = Database::new().await;
    let store = Store::open(Some(database.name())).await.unwrap();
    let server = Server::of(store.clone());
    let client = server.client("none").await;
    // Not redeemed, redeemed, refreshed, and ended.
    server.code(&client).await;
    let redeemed = server.tokens(&client).await;
    let refreshed = server.tokens(&client).await;
    let refreshed = Tokens::of(&server.refresh(&client, &refreshed.refresh).await);
    let ended = server.tokens(&client).await;
    server.revoke(&client, &ended.refresh).await;
    assert_eq!(rows(&database).await, [1, 3, 6, 0]);

    store.remove_expired(NOW + MINUTE).await.unwrap();
    assert_eq!(rows(&database).await, [1, 3, 6, 0], "nothing has expired");
    store.remove_expired(NOW + 10 * MINUTE).await.unwrap();
    assert_eq!(rows(&database).await, [1, 2, 3, 0], "code and access tokens");
    // What is left works, and a token that was spent is still known.
    let late = server.at(NOW + 11 * MINUTE);
    let last = Tokens::of(&late.refresh(&client, &redeemed.refresh).await);
    let again = late.refresh(&client, &redeemed.refresh).await;
    assert_eq!(again.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(late.call(&last.access).await.status, 401);
    Tokens::of(&late.refresh(&client, &refreshed.refresh).await);
    store.remove_expired(NOW + 31 * DAY).await.unwrap();
    assert_eq!(rows(&database).await, [1, 0, 0, 0]);
}

#[tokio::test]
async fn client_is_removed_some_time_after_its_secret() {
    let database = Database::new().await;
    let store = Store::open(Some(database.name())).await.unwrap();
    let server = Server::of(store.clone());
    let client = server.client("client_secret_basic").await;
    server.at(NOW + 120 * DAY - 1).code(&client).await;
    store.remove_expired(NOW + 120 * DAY - 1).await.unwrap();
    assert_eq!(rows(&database).await, [1, 1, 0, 0]);
    store.remove_expired(NOW + 120 * DAY).await.unwrap();
    assert_eq!(rows(&database).await, [0, 0, 0, 0]);
}

// Anybody may register, so what nobody uses must go.
#[tokio::test]
async fn client_without_a_secret_is_removed_when_it_is_not_used() {
    let database = Database::new().await;
    let store = Store::open(Some(database.name())).await.unwrap();
    let server = Server::of(store.clone());
    let (used, refreshed) = (server.client("none").await, server.client("none").await);
    server.client("none").await;
    let tokens = server.at(NOW + 80 * DAY).tokens(&refreshed).await;
    store.remove_expired(NOW + 90 * DAY - 1).await.unwrap();
    assert_eq!(rows(&database).await[0], 3);
    // Before and after consent, and with tokens.
    server.at(NOW + 90 * DAY).code(&used).await;
    store.remove_expired(NOW + 90 * DAY).await.unwrap();
    assert_eq!(rows(&database).await[0], 2);
    server.at(NOW + 90 * DAY).tokens(&used).await;
    let late = server.at(NOW + 100 * DAY);
    Tokens::of(&late.refresh(&refreshed, &tokens.refresh).await);
    for (days, left) in [(180, 2), (190, 1)] {
        store.remove_expired(NOW + days * DAY - 1).await.unwrap();
        assert_eq!(rows(&database).await[0], left, "{days}");
        store.remove_expired(NOW + days * DAY).await.unwrap();
        assert_eq!(rows(&database).await[0], left - 1, "{days}");
    }
    let refused = late.refresh(&refreshed, &tokens.refresh).await;
    assert_eq!(refused.error(), (401, "invalid_client".to_owned()));
}

// RFC 7523 §3, point 7.
#[tokio::test]
async fn assertion_counts_once_for_all_that_have_the_database() {
    let database = Database::new().await;
    let start = async || {
        let mut settings = settings(NOW);
        settings.allow_client_credentials = true;
        let store = Store::open(Some(database.name())).await.unwrap();
        Server { app: router(store.clone(), settings).unwrap(), store }
    };
    let (one, two) = (start().await, start().await);
    let id = signing_client(&one).await;
    let assertion = sign(&id);
    assert_eq!(ask(&one, &id, &assertion).await.error(), (200, String::new()));
    let again = ask(&two, &id, &assertion).await;
    assert_eq!(again.error(), (401, "invalid_client".to_owned()));

    // The contract of `ReplayStore`, and what is forgotten when.
    let store = &one.store;
    for (client, jti, is_new) in
        [("a", "bc", true), ("a", "bc", false), ("ab", "c", true), ("a", "BC", true)]
    {
        assert_eq!(store.claim(client, jti, NOW + MINUTE).await.unwrap(), is_new, "{client} {jti}");
    }
    store.remove_expired(NOW + 2 * MINUTE - 1).await.unwrap();
    assert!(!store.claim("a", "bc", NOW + MINUTE).await.unwrap());
    store.remove_expired(NOW + 2 * MINUTE).await.unwrap();
    assert!(store.claim("a", "bc", NOW + MINUTE).await.unwrap());
}

// An outage must not let an assertion in twice.
#[tokio::test]
async fn assertion_that_cannot_be_noted_is_refused() {
    let database = Database::new().await;
    let store = Store::open(Some(database.name())).await.unwrap();
    let mut settings = settings(NOW);
    settings.allow_client_credentials = true;
    let server = Server { app: router(store.clone(), settings).unwrap(), store };
    let id = signing_client(&server).await;
    let mut connection = AnyConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql("DROP TABLE used_assertions").execute(&mut connection).await.unwrap();
    let refused = ask(&server, &id, &sign(&id)).await;
    assert_eq!(refused.error(), (503, "temporarily_unavailable".to_owned()));
}

#[tokio::test]
async fn server_cleans_by_itself() {
    let database = Database::new().await;
    let store = Store::open(Some(database.name())).await.unwrap();
    let server = Server::of(store.clone());
    let client = server.client("none").await;
    server.tokens(&client).await;
    let cleaning = tokio::spawn(store.keep_clean(Clock::fixed(NOW + 31 * DAY)));
    let mut left = rows(&database).await;
    for _ in 0..1_000 {
        if left == [1, 0, 0, 0] {
            break;
        }
        left = rows(&database).await;
    }
    assert_eq!(left, [1, 0, 0, 0]);
    cleaning.abort();
}

#[tokio::test]
async fn documents_are_kept_for_90_days() {
    let database = Database::new().await;
    let store = Store::open(Some(database.name())).await.unwrap();
    let url = "https://client.example/oauth.json";
    assert_eq!(store.get(url).await.unwrap(), None);
    let text = || "{\"client_name\": \"é\"}".into();
    for document in [
        StoredDocument::new(text(), NOW, Some(Duration::from_secs(300)), [7; 64].to_vec().into()),
        StoredDocument::new("{}".into(), NOW + 1, None, Bytes::new()),
    ] {
        store.put(url, document.clone()).await.unwrap();
        assert_eq!(store.get(url).await.unwrap(), Some(document));
        assert_eq!(store.get("https://client.example/OAUTH.json").await.unwrap(), None);
    }
    // A machine that is slow.
    store.put(url, StoredDocument::new(text(), NOW, None, Bytes::new())).await.unwrap();
    assert_eq!(store.get(url).await.unwrap().unwrap().fetched_at(), NOW + 1);
    // Of two that asked in the same second the one that found nothing is right.
    let withdrawn = StoredDocument::new(Bytes::new(), NOW + 1, None, Bytes::new());
    for text in [Bytes::new(), text(), Bytes::new()] {
        let document = StoredDocument::new(text, NOW + 1, None, Bytes::new());
        store.put(url, document).await.unwrap();
        assert_eq!(store.get(url).await.unwrap(), Some(withdrawn.clone()));
    }
    store.remove_expired(NOW + 90 * DAY).await.unwrap();
    assert!(store.get(url).await.unwrap().is_some());
    store.remove_expired(NOW + 1 + 90 * DAY).await.unwrap();
    assert_eq!(store.get(url).await.unwrap(), None);
}

const DOCUMENT: &str = "https://client.example/oauth";

/// The server of the client, which may be away.
struct Origin {
    is_up: bool,
}

impl DocumentSource for Origin {
    type Error = DocumentError;

    async fn fetch(&self, url: &str) -> Result<FetchedDocument, DocumentError> {
        if !self.is_up {
            return Err(DocumentError::Refused("503".into()));
        }
        let document = json!({
            "client_id": url, "client_name": "Client", "redirect_uris": [BACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        });
        Ok(FetchedDocument::new(document.to_string().into(), None))
    }
}

// All users of a program have the id of its document; and it is not fetched again after a restart.
#[tokio::test]
async fn client_with_a_document_is_known_after_a_restart() {
    let database = Database::new().await;
    let start = async |is_up| {
        let store = Store::open(Some(database.name())).await.unwrap();
        let mut settings = settings(NOW);
        let documents = MetadataDocuments::from_hosts(["client.example"]).unwrap();
        settings.documents = documents.source(Origin { is_up });
        Server { app: router(store.clone(), settings).unwrap(), store }
    };
    let client = Client { id: DOCUMENT.to_owned(), secret: None, method: "none" };
    let server = start(true).await;
    // Anybody can open the page; a client is kept once somebody has agreed.
    let page = server.authorize(&client, &[]).await;
    assert_eq!(page.status, 200);
    server.decide(&page, "deny", ISSUER).await;
    assert_eq!(rows(&database).await, [0; 4]);
    let (one, two) = (server.tokens(&client).await, server.tokens(&client).await);
    assert_eq!(rows(&database).await, [0, 2, 4, 1]);

    let server = start(false).await;
    assert_eq!(server.revoke(&client, &one.refresh).await.status, 200);
    assert_eq!(server.call(&one.access).await.status, 401);
    assert_eq!(server.call(&two.access).await.status, 200);
    Tokens::of(&server.refresh(&client, &two.refresh).await);
    server.code(&client).await;
}

async fn token(http: &Http, server: &Replica, client: &Client, form: &str) -> Answer {
    let secret = client.secret.as_deref().unwrap();
    http.post(&format!("{}/token", server.url()), (&client.id, secret), form).await.unwrap()
}

fn error(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.member("error").unwrap_or_default())
}

// What one process has issued is good at the other, and counts once at both together.
#[tokio::test(flavor = "multi_thread")]
async fn processes_share_one_database() {
    let Some(url) = database().await else {
        let line = b"SKIPPED: processes_share_one_database: TEST_DATABASE_URL is not set\n";
        let _closed = std::io::stderr().write_all(line);
        return;
    };
    let start = |_| {
        let url = url.clone();
        std::thread::spawn(move || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_mcp_authorization_server"));
            // One issuer, as behind one proxy.
            let issuer = ["--issuer", ISSUER, "--allow-client-credentials"];
            let command = command.args(["--listen", "127.0.0.1:0", "--database", &url]);
            Replica::start(command.args(issuer)).unwrap()
        })
    };
    // At the same time, each with its own attempt to make the tables.
    let [one, two] = [0, 1].map(start).map(|process| process.join().unwrap());
    // It gives consent.
    let server = Server::of(Store::open(Some(&url)).await.unwrap());
    let client = server.client("client_secret_basic").await;
    let http = Http::new();
    let by_code = |code: String| {
        format!("grant_type=authorization_code&code={code}&code_verifier={VERIFIER}")
    };
    let by_refresh_token = |tokens: &Answer| {
        format!(
            "grant_type=refresh_token&refresh_token={}",
            tokens.member("refresh_token").unwrap()
        )
    };

    let first = token(&http, &one, &client, &by_code(server.code(&client).await)).await;
    assert_eq!(error(&first), (200, ""));
    let second = token(&http, &two, &client, &by_refresh_token(&first)).await;
    assert_eq!(error(&second), (200, ""));
    let again = token(&http, &one, &client, &by_refresh_token(&first)).await;
    assert_eq!(error(&again), (400, "invalid_grant"));
    let ended = token(&http, &two, &client, &by_refresh_token(&second)).await;
    assert_eq!(error(&ended), (400, "invalid_grant"));

    let mut settings = settings(NOW);
    settings.allow_client_credentials = true;
    let store = Store::open(Some(&url)).await.unwrap();
    let id = signing_client(&Server { app: router(store.clone(), settings).unwrap(), store }).await;
    for round in 0..10 {
        let now = Clock::system().unix_seconds();
        let assertion = sign_for(&id, ISSUER, &round.to_string(), now);
        let form = encode(&[
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ]);
        let urls = [&one, &two].map(|server| format!("{}/token", server.url()));
        let (a, b) = tokio::join!(http.post_form(&urls[0], &form), http.post_form(&urls[1], &form));
        let (a, b) = (a.unwrap(), b.unwrap());
        let mut answers = [error(&a), error(&b)];
        answers.sort_unstable();
        assert_eq!(answers, [(200, ""), (401, "invalid_client")]);
    }

    for _ in 0..40 {
        let tokens = token(&http, &one, &client, &by_code(server.code(&client).await)).await;
        for form in [by_code(server.code(&client).await), by_refresh_token(&tokens)] {
            let (a, b) = tokio::join!(
                token(&http, &one, &client, &form),
                token(&http, &two, &client, &form)
            );
            let mut answers = [error(&a), error(&b)];
            answers.sort_unstable();
            assert_eq!(answers, [(200, ""), (400, "invalid_grant")]);
        }
    }
    one.stop().unwrap();
    two.stop().unwrap();
}
