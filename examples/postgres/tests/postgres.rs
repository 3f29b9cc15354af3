//! The token server and its store in front of a real PostgreSQL server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::HashMap, process::Command, sync::Arc, time::Duration};

use store_harness::{Failure, Http, Load, Postgres, Replica};
use token_server_postgres::Store;
use tower_client_auth::{AuthMethod, ClientProvider, Clock, provider::CachedProvider};

async fn start() -> Option<(Postgres, Store)> {
    let database = tokio::task::block_in_place(Postgres::start).unwrap()?;
    let store = Store::open(&database.url()).unwrap();
    store.migrate().await.unwrap();
    Some((database, store))
}

fn command(database: &Postgres, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_token-server-postgres"));
    command.args(arguments).env("DATABASE_URL", database.url());
    command
}

fn replica(database: &Postgres, options: &[&str]) -> Replica {
    let arguments = [&["serve", "--listen", "127.0.0.1:0"], options].concat();
    Replica::start(&mut command(database, &arguments)).unwrap()
}

/// What the command prints, or its complaint.
fn output(database: &Postgres, arguments: &[&str]) -> Result<String, String> {
    let output = command(database, arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

async fn basic(store: &Store, client_id: &str) -> String {
    let secret = store.register(client_id, &AuthMethod::ClientSecretBasic, client_id).await;
    secret.unwrap().unwrap().expose().to_owned()
}

// As the README says it.
#[tokio::test(flavor = "multi_thread")]
async fn command_line_registers_and_rotates() {
    let Some(database) = tokio::task::block_in_place(Postgres::start).unwrap() else { return };
    // Replicas that start at the same time, each with its own attempt, and one that comes later.
    let migrations: Vec<_> =
        (0..4).map(|_| command(&database, &["migrate"]).spawn().unwrap()).collect();
    for mut migration in migrations {
        assert!(migration.wait().unwrap().success());
    }
    assert_eq!(output(&database, &["migrate"]).unwrap(), "");
    let old = output(&database, &["register", "batch", "--name", "Nightly batch"]).unwrap();
    let taken = output(&database, &["register", "batch"]).unwrap_err();
    assert_eq!(taken, "token-server-postgres: the client exists already");
    let pigeon = output(&database, &["register", "pigeon", "--method", "carrier_pigeon"]);
    assert!(pigeon.unwrap_err().contains("clients_auth_method_check"));
    assert_eq!(output(&database, &["register", "cli", "--method", "none"]).unwrap(), "");

    let server = replica(&database, &[]);
    let http = Http::new();
    let status =
        async |secret: &str| http.token(server.url(), "batch", secret).await.unwrap().status;
    assert_eq!(status(&old).await, 200);
    let new = output(&database, &["rotate", "batch", "--label", "next"]).unwrap();
    assert_ne!(new, old);
    assert_eq!((status(&old).await, status(&new).await), (200, 200));
    let last = ["rotate", "batch", "--label", "last", "--overlap", "0"];
    let last = output(&database, &last).unwrap();
    let statuses = (status(&old).await, status(&new).await, status(&last).await);
    assert_eq!(statuses, (401, 401, 200));
    let unknown = output(&database, &["rotate", "nobody", "--label", "x"]);
    assert!(unknown.unwrap_err().contains("client_secrets_client_id_fkey"));
    server.stop().unwrap();
}

// RFC 6749 §2.2: ids are bytes. Nothing is folded, trimmed or normalised.
#[tokio::test(flavor = "multi_thread")]
async fn ids_are_unique_and_compared_byte_for_byte() {
    let Some((_database, store)) = start().await else { return };
    let ids = ["batch", "Batch", "batch ", " batch", "b\u{e4}tch", "ba\u{308}tch", "100%", "a_b"];
    for id in ids {
        basic(&store, id).await;
        let again = store.register(id, &AuthMethod::ClientSecretBasic, id).await;
        assert_eq!(again.unwrap_err().to_string(), "the client exists already", "{id:?}");
    }
    for id in ids {
        let found = store.find_client(id).await.unwrap().unwrap();
        assert_eq!((found.client_id(), &*found.client().name), (id, id));
    }
    for id in ["BATCH", "batch\t", "batch  ", "100", "a-b", "%", ""] {
        assert!(store.find_client(id).await.unwrap().is_none(), "{id:?}");
    }
    let long = "x".repeat(256);
    assert!(store.register(&long, &AuthMethod::None, "long").await.is_err());
    assert!(store.register("", &AuthMethod::None, "empty").await.is_err());
    assert!(store.find_client(&long).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_or_token_is_stored() {
    let Some((database, store)) = start().await else { return };
    let secret = basic(&store, "batch").await;
    let token = store.issue("batch", Duration::from_secs(60)).await.unwrap();
    let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
    let dump: String = sqlx::query_scalar("SELECT query_to_xml('SELECT * FROM clients NATURAL JOIN client_secrets, access_tokens t', true, true, '')::text")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(dump.contains("batch") && dump.contains("first"));
    assert!(!dump.contains(&secret) && !dump.contains(token.expose()));
}

// A token of one replica is known to the other, and belongs to its client.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_clients_and_tokens() {
    let Some((database, store)) = start().await else { return };
    let (one, two) = (replica(&database, &[]), replica(&database, &[]));
    let batch = basic(&store, "batch").await;
    let other = basic(&store, "other").await;
    let http = Http::new();
    let answer = http.token(one.url(), "batch", &batch).await.unwrap();
    let form = format!("token={}", answer.member("access_token").unwrap());
    let told = async |url: &str, client: (&str, &str)| {
        let url = format!("{url}/introspect");
        let answer = http.post(&url, client, &form).await.unwrap();
        answer.body.get("active").and_then(serde_json::Value::as_bool).unwrap()
    };
    let active = async |url: &str| told(url, ("batch", &batch)).await;
    assert!(active(one.url()).await && active(two.url()).await);
    assert!(!told(one.url(), ("other", &other)).await, "of another client");
    let revoke = format!("{}/revoke", two.url());
    assert_eq!(http.post(&revoke, ("other", &other), &form).await.unwrap().status, 200);
    assert!(active(one.url()).await, "of another client");
    assert_eq!(http.post(&revoke, ("batch", &batch), &form).await.unwrap().status, 200);
    assert!(!active(one.url()).await && !active(two.url()).await);
    one.stop().unwrap();
    two.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_tokens_are_deleted() {
    let Some((database, store)) = start().await else { return };
    basic(&store, "batch").await;
    let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO access_tokens
         SELECT sha256(n::text::bytea), 'batch', 1 FROM generate_series(1, 150) AS n",
    )
    .execute(&pool)
    .await
    .unwrap();
    let mut left = Vec::new();
    for _ in 0..3 {
        store.issue("batch", Duration::from_secs(3600)).await.unwrap();
        let count = sqlx::query_scalar("SELECT count(*) FROM access_tokens");
        left.push(count.fetch_one(&pool).await.map(|count: i64| count).unwrap());
    }
    assert_eq!(left, [51, 2, 3]);
}

// A time to live of an hour: only the notification can be the reason. When the connection was lost,
// everything is forgotten, because it is unknown what was missed.
#[tokio::test(flavor = "multi_thread")]
async fn rotation_reaches_all_caches() {
    let Some((mut database, store)) = start().await else { return };
    let servers =
        [replica(&database, &["--cache", "3600"]), replica(&database, &["--cache", "3600"])];
    let mut secret = basic(&store, "batch").await;
    let http = Http::new();
    let until = async |url: &str, secret: &str, wanted: u16| {
        http.token_until(url, "batch", secret, wanted).await.unwrap();
    };
    for round in 0..3 {
        for server in &servers {
            until(server.url(), &secret, 200).await;
        }
        let label = format!("round {round}");
        let new = store.rotate("batch", &label, Duration::ZERO).await.unwrap().expose().to_owned();
        for server in &servers {
            until(server.url(), &secret, 401).await;
            until(server.url(), &new, 200).await;
        }
        secret = new;
        if round == 2 {
            // This one is not notified, as if there were no listener.
            sqlx::raw_sql("SET session_replication_role = replica; DELETE FROM client_secrets")
                .execute(&sqlx::PgPool::connect(&database.url()).await.unwrap())
                .await
                .unwrap();
        }
        // What was listening is gone, and has to come back by itself.
        tokio::task::block_in_place(|| {
            database.kill();
            database.restart().unwrap();
        });
    }
    for server in &servers {
        until(server.url(), &secret, 401).await;
    }
    for server in servers {
        server.stop().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_starts_before_its_database() {
    let Some((mut database, store)) = start().await else { return };
    let secret = basic(&store, "batch").await;
    tokio::task::block_in_place(|| database.kill());
    let server = replica(&database, &[]);
    let http = Http::new();
    let answer = http.token(server.url(), "batch", &secret).await.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.member("error"), Some("temporarily_unavailable"));
    tokio::task::block_in_place(|| database.restart().unwrap());
    assert_eq!(http.token(server.url(), "batch", &secret).await.unwrap().status, 200);
    server.stop().unwrap();
}

// What the operator allowed, and no longer.
#[tokio::test(flavor = "multi_thread")]
async fn stale_client_outlives_its_database() {
    let Some((mut database, store)) = start().await else { return };
    basic(&store, "batch").await;
    let clock = Clock::fixed(0);
    let cached = CachedProvider::new(store)
        .time_to_live(Duration::from_secs(30))
        .stale_if_error(Duration::from_secs(600))
        .clock(clock.clone());
    let known = async |id: &str| cached.find_client(id).await.map(|found| found.is_some());
    assert!(known("batch").await.unwrap());
    assert!(!known("nobody").await.unwrap());
    tokio::task::block_in_place(|| database.kill());
    clock.advance(Duration::from_secs(629));
    assert!(known("batch").await.unwrap());
    assert!(known("nobody").await.is_err(), "that nobody is known is not a state to go on with");
    clock.advance(Duration::from_secs(1));
    assert!(known("batch").await.is_err());
    tokio::task::block_in_place(|| database.restart().unwrap());
    assert!(known("batch").await.unwrap());
    assert!(!known("nobody").await.unwrap());
}

// A statement is under way, its connection is open, and nothing comes any more: neither the look-up nor
// the token may wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn hanging_database_is_an_outage() {
    let Some((database, store)) = start().await else { return };
    let secret = basic(&store, "batch").await;
    let server = replica(&database, &[]);
    let http = Http::new();
    let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
    for table in ["client_secrets", "access_tokens"] {
        http.token_until(server.url(), "batch", &secret, 200).await.unwrap();
        let mut holding = pool.begin().await.unwrap();
        let lock = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut *holding).await.unwrap();
        let waiting = async {
            let count = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
            while sqlx::query_scalar::<_, i64>(count).fetch_one(&pool).await.unwrap() == 0 {
                tokio::task::yield_now().await;
            }
            database.freeze().unwrap();
        };
        let (answer, ()) = tokio::join!(http.token(server.url(), "batch", &secret), waiting);
        let answer = answer.unwrap();
        assert_eq!(answer.status, 503, "{table}");
        assert_eq!(answer.member("error"), Some("temporarily_unavailable"), "{table}");
        database.thaw().unwrap();
        holding.rollback().await.unwrap();
    }
    http.token_until(server.url(), "batch", &secret, 200).await.unwrap();
    server.stop().unwrap();
}

/// Thousands of requests while the database is killed and secrets rotate: every answer is right for
/// the state of the store at its moment, nothing panics or needs a restart, and no token is lost.
async fn load(options: &[&str], lag: Duration) {
    let Some((mut database, store)) = start().await else { return };
    let servers = [replica(&database, options), replica(&database, options)];
    let urls: Vec<_> = servers.iter().map(|server| server.url().to_owned()).collect();
    let mut clients = Vec::new();
    for number in 0..50 {
        let id = format!("client-{number}");
        let secret = basic(&store, &id).await;
        clients.push((id, secret));
    }
    let ids: Vec<_> = clients.iter().map(|(id, _)| id.clone()).collect();
    let load = Load::new(urls, clients, 10_000, lag);
    let under_load = Arc::clone(&load);
    let outages = tokio::spawn(async move {
        for part in [0.2, 0.4, 0.6] {
            under_load.reach(part).await;
            let kill = Postgres::kill;
            under_load.outage(50, &mut database, kill, Postgres::restart).await?;
        }
        Ok::<_, Failure>(database)
    });
    let report = load.run(16, move |client_id, label| {
        let store = store.clone();
        async move {
            let secret = store.rotate(&client_id, &label, Duration::ZERO).await?;
            Ok(secret.expose().to_owned())
        }
    });
    let report = report.await.unwrap();
    let database = outages.await.unwrap().unwrap();
    println!("{report}");
    assert_eq!(report.violations, [""; 0]);
    assert!(report.answers.iter().all(|count| *count >= 50), "{report}");
    assert_eq!(report.tokens.len(), report.answers[0]);

    // Each issued token is known afterwards.
    let http = Http::new();
    let store = Store::open(&database.url()).unwrap();
    let mut last = HashMap::new();
    for id in ids {
        let secret = store.rotate(&id, "the last", Duration::ZERO).await.unwrap();
        for server in &servers {
            http.token_until(server.url(), &id, secret.expose(), 200).await.unwrap();
        }
        last.insert(id, secret);
    }
    for (count, (client_id, token)) in report.tokens.iter().enumerate() {
        let server = servers.get(count % 2).unwrap();
        let url = format!("{}/introspect", server.url());
        let form = format!("token={token}");
        let secret = last.get(client_id).unwrap().expose();
        let answer = http.post(&url, (client_id, secret), &form).await.unwrap();
        assert_eq!(answer.member("client_id"), Some(&**client_id));
    }
    println!("tokens that were issued, and are known afterwards: {}", report.tokens.len());
    for server in servers {
        server.stop().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_during_restarts_and_rotations() {
    load(&[], Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_within_the_time_to_live() {
    load(&["--cache", "1"], Duration::from_secs(1)).await;
}
