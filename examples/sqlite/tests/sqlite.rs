//! The token server and its store in front of a real file.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use store_harness::{Http, Load, Replica};
use token_server_sqlite::Store;
use tower_client_auth::{AuthMethod, ClientProvider};

/// `slow-s3cr3t` behind PBKDF2, as an older system kept it.
const HASH: &str =
    "$pbkdf2-sha256$i=1000,l=32$c2FsdCBvZiBhIHRlc3QuLg$pcrUp7eIW1wzpef1ou8QB3TtBxqcmRaMMZkReqGErUA";

struct File(PathBuf);

impl File {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("clients-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn path(&self) -> String {
        self.0.join("clients.db").to_str().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_token-server-sqlite"));
        command.args(arguments).env("DATABASE_FILE", self.path());
        command
    }

    fn serve(&self) -> Replica {
        Replica::start(&mut self.command(&["serve", "--listen", "127.0.0.1:0"])).unwrap()
    }

    /// What the command prints, or its complaint.
    fn output(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

// As the README says it.
#[tokio::test(flavor = "multi_thread")]
async fn command_line_registers_and_rotates() {
    let file = File::new();
    // The first to open the new file makes the schema, and the others wait for it.
    let first: Vec<_> = (0..4)
        .map(|n| file.command(&["register", &n.to_string(), "--method", "none"]).spawn().unwrap())
        .collect();
    for mut one in first {
        assert!(one.wait().unwrap().success());
    }
    let old = file.output(&["register", "batch", "--name", "Nightly batch"]).unwrap();
    let taken = file.output(&["register", "batch"]).unwrap_err();
    assert_eq!(taken, "token-server-sqlite: the client exists already");
    let server = file.serve();
    let http = Http::new();
    let status =
        async |secret: &str| http.token(server.url(), "batch", secret).await.unwrap().status;
    assert_eq!(status(&old).await, 200);
    let new = file.output(&["rotate", "batch", "--label", "next"]).unwrap();
    assert_eq!((status(&old).await, status(&new).await), (200, 200));
    let last = ["rotate", "batch", "--label", "last", "--overlap", "0"];
    let last = file.output(&last).unwrap();
    let statuses = (status(&old).await, status(&new).await, status(&last).await);
    assert_eq!(statuses, (401, 401, 200));
    assert!(file.output(&["rotate", "nobody", "--label", "x"]).is_err());
    server.stop().unwrap();
}

// RFC 6749 §2.2: ids are bytes. Nothing is folded, trimmed or normalised.
#[tokio::test(flavor = "multi_thread")]
async fn ids_are_unique_and_compared_byte_for_byte() {
    let file = File::new();
    let store = Store::open(&file.path()).await.unwrap();
    let ids = ["batch", "Batch", "batch ", "b\u{e4}tch", "ba\u{308}tch", "1", "01", "1.0"];
    for id in ids {
        store.register(id, &AuthMethod::None, id).await.unwrap();
        let again = store.register(id, &AuthMethod::None, id).await;
        assert_eq!(again.unwrap_err().to_string(), "the client exists already", "{id:?}");
    }
    for id in ids {
        let found = store.find_client(id).await.unwrap().unwrap();
        assert_eq!((found.client_id(), &*found.client().name), (id, id));
    }
    for id in ["BATCH", "batch\t", "001", "1.00", "%", ""] {
        assert!(store.find_client(id).await.unwrap().is_none(), "{id:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_hash_is_upgraded_to_a_digest() {
    let file = File::new();
    file.output(&["register", "old", "--method", "client_secret_basic"]).unwrap();
    file.output(&["import", "old", "--label", "imported", "--phc", HASH]).unwrap();
    let bcrypt = file.output(&["import", "old", "--label", "x", "--phc", "$2b$12$abc"]);
    assert!(bcrypt.unwrap_err().contains("not a PHC string"));
    let server = file.serve();
    let http = Http::new();
    let url = format!("sqlite://{}", file.path());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let slow = async || {
        let count = sqlx::query_scalar("SELECT count(*) FROM client_secrets WHERE phc IS NOT NULL");
        count.fetch_one(&pool).await.map(|count: i64| count).unwrap()
    };
    let status = async |secret: &str| http.token(server.url(), "old", secret).await.unwrap().status;
    assert_eq!(status("wrong-s3cr3t").await, 401);
    assert_eq!(slow().await, 1);
    assert_eq!(status("slow-s3cr3t").await, 200);
    let upgraded = async {
        while slow().await != 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), upgraded).await.unwrap();
    assert_eq!((status("slow-s3cr3t").await, status("wrong-s3cr3t").await), (200, 401));
    server.stop().unwrap();
}

/// As for PostgreSQL, but that there is no server that could go away.
#[tokio::test(flavor = "multi_thread")]
async fn answers_during_rotations() {
    let file = File::new();
    let store = Store::open(&file.path()).await.unwrap();
    let mut clients = Vec::new();
    for number in 0..50 {
        let id = format!("client-{number}");
        let secret = store.register(&id, &AuthMethod::ClientSecretBasic, &id).await.unwrap();
        clients.push((id, secret.unwrap().expose().to_owned()));
    }
    let server = file.serve();
    let load = Load::new([server.url().to_owned()], clients, 5_000, Duration::ZERO);
    let report = load.run(16, move |client_id, label| {
        let store = store.clone();
        async move {
            let secret = store.rotate(&client_id, &label, Duration::ZERO).await?;
            Ok(secret.expose().to_owned())
        }
    });
    let report = report.await.unwrap();
    println!("{report}");
    assert_eq!(report.violations, [""; 0]);
    let [right, wrong, unavailable] = report.answers;
    assert!(right > 50 && wrong > 50 && unavailable == 0, "{report}");
    server.stop().unwrap();
}
