//! The token server and its store in front of a real Redis server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{process::Command, sync::Arc, time::Duration};

use store_harness::{Failure, Http, Load, Redis, Replica};
use token_server_redis::Store;
use tower_client_auth::{AuthMethod, ClientProvider};

fn start() -> Option<(Redis, Store)> {
    let redis = tokio::task::block_in_place(Redis::start).unwrap()?;
    let store = Store::open(&redis.url()).unwrap();
    Some((redis, store))
}

fn replica(redis: &Redis, time_to_live: &str) -> Replica {
    let mut command = Command::new(env!("CARGO_BIN_EXE_token-server-redis"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--time-to-live", time_to_live]);
    Replica::start(command.env("REDIS_URL", redis.url())).unwrap()
}

async fn basic(store: &Store, client_id: &str) -> String {
    let secret = store.register(client_id, &AuthMethod::ClientSecretBasic, client_id).await;
    secret.unwrap().unwrap().expose().to_owned()
}

/// Asks until the answer has this status.
async fn until(http: &Http, server: &Replica, client_id: &str, secret: &str, wanted: u16) {
    http.token_until(server.url(), client_id, secret, wanted).await.unwrap();
}

// RFC 6749 §2.2: ids are bytes. Nothing is folded, trimmed or normalised.
#[tokio::test(flavor = "multi_thread")]
async fn ids_are_unique_and_compared_byte_for_byte() {
    let Some((_redis, store)) = start() else { return };
    let ids = ["batch", "Batch", "batch ", "b\u{e4}tch", "ba\u{308}tch", "client:batch", "*"];
    for id in ids {
        basic(&store, id).await;
        let again = store.register(id, &AuthMethod::None, id).await;
        assert_eq!(again.unwrap_err().to_string(), "the client exists already", "{id:?}");
    }
    for id in ids {
        let found = store.find_client(id).await.unwrap().unwrap();
        assert_eq!((found.client_id(), &*found.client().name), (id, id));
    }
    for id in ["BATCH", "batch\t", "?atch", "client:*", ""] {
        assert!(store.find_client(id).await.unwrap().is_none(), "{id:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn label_tells_the_secret_used() {
    let Some((redis, store)) = start() else { return };
    let old = basic(&store, "batch").await;
    let server = replica(&redis, "0");
    let http = Http::new();
    let ask = async |secret: &str| {
        let answer = http.token(server.url(), "batch", secret).await.unwrap();
        (answer.status, answer.member("secret_label").map(str::to_owned))
    };
    assert_eq!(ask(&old).await, (200, Some("first".into())));
    let hour = Duration::from_secs(3600);
    let new = store.rotate("batch", "next", hour).await.unwrap().expose().to_owned();
    assert_eq!(ask(&old).await, (200, Some("first".into())));
    assert_eq!(ask(&new).await, (200, Some("next".into())));
    let last = store.rotate("batch", "last", Duration::ZERO).await.unwrap().expose().to_owned();
    assert_eq!((ask(&old).await.0, ask(&new).await.0), (401, 401));
    assert_eq!(ask(&last).await, (200, Some("last".into())));
    let unknown = store.rotate("nobody", "x", hour).await;
    assert_eq!(unknown.map(drop).unwrap_err().to_string(), "there is no such client");
    server.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_stored_and_broken_records_refused() {
    let Some((redis, store)) = start() else { return };
    let secret = basic(&store, "batch").await;
    let mut connection =
        redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd("HGETALL");
    let fields: Vec<String> =
        command.arg("client:batch").query_async(&mut connection).await.unwrap();
    assert!(fields.contains(&"secret:first".to_owned()));
    assert!(!fields.iter().any(|field| field.contains(&secret)));

    let server = replica(&redis, "0");
    let http = Http::new();
    for (field, broken) in [
        ("secret:first", "{}"),
        ("expires_at:first", ""),
        ("auth_method", "carrier_pigeon"),
        ("auth_method", "none"),
        ("client_id", "Batch"),
    ] {
        let mut command = redis::cmd("HGET");
        command.arg("client:batch").arg(field);
        let whole: String = command.query_async(&mut connection).await.unwrap();
        for (value, status, error) in [(broken, 401, Some("invalid_client")), (&whole, 200, None)] {
            let mut command = redis::cmd("HSET");
            command.arg("client:batch").arg(field).arg(value);
            command.exec_async(&mut connection).await.unwrap();
            let answer = http.token(server.url(), "batch", &secret).await.unwrap();
            assert_eq!((answer.status, answer.member("error")), (status, error), "{field} {value}");
        }
    }
    server.stop().unwrap();
}

// A secret that has leaked is deleted while another is made. Redis holds writes back here, and then does
// them in the order in which they came: the deletion first, though reads would still see the secret.
#[tokio::test(flavor = "multi_thread")]
async fn rotation_brings_no_deleted_secret_back() {
    let Some((redis, store)) = start() else { return };
    let leaked = basic(&store, "batch").await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut operator = client.get_multiplexed_async_connection().await.unwrap();
    let mut deleting = client.get_multiplexed_async_connection().await.unwrap();
    let mut pause = redis::cmd("CLIENT");
    pause.arg("PAUSE").arg(30_000).arg("WRITE").exec_async(&mut operator).await.unwrap();
    let held_back = async |count: usize, operator: &mut redis::aio::MultiplexedConnection| {
        let wait = async {
            loop {
                let mut command = redis::cmd("CLIENT");
                let clients: String = command.arg("LIST").query_async(operator).await.unwrap();
                let flags = clients.split(' ').filter_map(|field| field.strip_prefix("flags="));
                if flags.filter(|flags| flags.contains('b')).count() == count {
                    break;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap();
    };
    let deletion = tokio::spawn(async move {
        let mut command = redis::cmd("HDEL");
        command.arg("client:batch").arg("secret:first").exec_async(&mut deleting).await
    });
    held_back(1, &mut operator).await;
    let rotating = store.clone();
    let rotation =
        tokio::spawn(
            async move { rotating.rotate("batch", "next", Duration::from_secs(60)).await },
        );
    held_back(2, &mut operator).await;
    redis::cmd("CLIENT").arg("UNPAUSE").exec_async(&mut operator).await.unwrap();
    deletion.await.unwrap().unwrap();
    let new = rotation.await.unwrap().unwrap().expose().to_owned();

    let server = replica(&redis, "0");
    let http = Http::new();
    let status =
        async |secret: &str| http.token(server.url(), "batch", secret).await.unwrap().status;
    assert_eq!((status(&leaked).await, status(&new).await), (401, 200));
    server.stop().unwrap();
}

// A later end of an old secret comes forward, an earlier one stays, and none becomes valid again.
#[tokio::test(flavor = "multi_thread")]
async fn rotation_prolongs_no_secret() {
    let Some((redis, store)) = start() else { return };
    let first = basic(&store, "batch").await;
    let second = store.rotate("batch", "second", Duration::MAX).await.unwrap().expose().to_owned();
    let server = replica(&redis, "0");
    let http = Http::new();
    let status =
        async |secret: &str| http.token(server.url(), "batch", secret).await.unwrap().status;
    assert_eq!((status(&first).await, status(&second).await), (200, 200));
    let third = store.rotate("batch", "third", Duration::ZERO).await.unwrap().expose().to_owned();
    store.rotate("batch", "fourth", Duration::from_secs(3600)).await.unwrap();
    let statuses = (status(&first).await, status(&second).await, status(&third).await);
    assert_eq!(statuses, (401, 401, 200));
    server.stop().unwrap();
}

// A time to live of an hour: only the message can be the reason. When the subscription was lost,
// everything is forgotten, because it is unknown what was missed.
#[tokio::test(flavor = "multi_thread")]
async fn rotation_reaches_replicas_after_lost_subscription() {
    let Some((mut redis, store)) = start() else { return };
    let servers = [replica(&redis, "3600"), replica(&redis, "3600")];
    let http = Http::new();
    let mut secret = basic(&store, "batch").await;
    for round in 0..3 {
        for server in &servers {
            until(&http, server, "batch", &secret, 200).await;
        }
        let label = format!("round {round}");
        // The connection of the test broke, too.
        let rotated = async {
            loop {
                if let Ok(new) = store.rotate("batch", &label, Duration::ZERO).await {
                    break new.expose().to_owned();
                }
            }
        };
        let new = tokio::time::timeout(Duration::from_secs(30), rotated).await.unwrap();
        for server in &servers {
            until(&http, server, "batch", &secret, 401).await;
            until(&http, server, "batch", &new, 200).await;
        }
        secret = new;
        if round == 2 {
            // This one is not notified, as if there were no listener.
            let client = redis::Client::open(redis.url()).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            redis::cmd("DEL").arg("client:batch").exec_async(&mut connection).await.unwrap();
        }
        tokio::task::block_in_place(|| {
            redis.kill();
            redis.restart().unwrap();
        });
    }
    for server in &servers {
        until(&http, server, "batch", &secret, 401).await;
    }
    for server in servers {
        server.stop().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_starts_before_redis() {
    let Some((mut redis, store)) = start() else { return };
    let secret = basic(&store, "batch").await;
    tokio::task::block_in_place(|| redis.kill());
    let server = replica(&redis, "30");
    let http = Http::new();
    let answer = http.token(server.url(), "batch", &secret).await.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.member("error"), Some("temporarily_unavailable"));
    tokio::task::block_in_place(|| redis.restart().unwrap());
    until(&http, &server, "batch", &secret, 200).await;
    server.stop().unwrap();
}

// A connection that is open and silent, as behind a network that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn hanging_redis_is_an_outage() {
    let Some((redis, store)) = start() else { return };
    let secret = basic(&store, "batch").await;
    let server = replica(&redis, "0");
    let http = Http::new();
    until(&http, &server, "batch", &secret, 200).await;
    redis.freeze().unwrap();
    let answer = http.token(server.url(), "batch", &secret).await.unwrap();
    assert_eq!((answer.status, answer.member("error")), (503, Some("temporarily_unavailable")));
    redis.thaw().unwrap();
    until(&http, &server, "batch", &secret, 200).await;
    server.stop().unwrap();
}

/// As for PostgreSQL, with a cache in each replica.
#[tokio::test(flavor = "multi_thread")]
async fn answers_during_restarts_and_rotations() {
    let Some((mut redis, store)) = start() else { return };
    let servers = [replica(&redis, "1"), replica(&redis, "1")];
    let urls: Vec<_> = servers.iter().map(|server| server.url().to_owned()).collect();
    let mut clients = Vec::new();
    for number in 0..50 {
        let id = format!("client-{number}");
        let secret = basic(&store, &id).await;
        clients.push((id, secret));
    }
    let load = Load::new(urls, clients, 10_000, Duration::from_secs(1));
    let under_load = Arc::clone(&load);
    let outages = tokio::spawn(async move {
        for part in [0.2, 0.4, 0.6] {
            under_load.reach(part).await;
            under_load.outage(20, &mut redis, Redis::kill, Redis::restart).await?;
        }
        Ok::<_, Failure>(redis)
    });
    let report = load.run(16, move |client_id, label| {
        let store = store.clone();
        async move {
            let secret = store.rotate(&client_id, &label, Duration::ZERO).await?;
            Ok(secret.expose().to_owned())
        }
    });
    let report = report.await.unwrap();
    outages.await.unwrap().unwrap();
    println!("{report}");
    assert_eq!(report.violations, [""; 0]);
    assert!(report.answers.iter().all(|count| *count >= 20), "{report}");
    for server in servers {
        server.stop().unwrap();
    }
}
