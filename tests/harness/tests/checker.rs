//! The load checker must find faults: servers that answer wrongly in one way each, and what it
//! reports of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use store_harness::{Load, Report};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    RefusesWhileAway,
    AcceptsWhileAway,
    KeepsTheOldSecret,
    LosesEveryThirdRotation,
    RefusesNow,
    IsAwayNow,
    IssuesNothing,
    SwallowsRequests,
    Fails,
}

/// A store and the server in front of it.
struct Store {
    fault: Fault,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    away: bool,
    requests: usize,
    rotations: usize,
    /// The accepted secrets.
    secrets: HashMap<String, Vec<String>>,
}

impl Store {
    fn be_away(&self, away: bool) {
        self.inside.lock().unwrap().away = away;
    }

    fn rotate(&self, client_id: &str) -> io::Result<String> {
        let mut inside = self.inside.lock().unwrap();
        if inside.away {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        inside.rotations += 1;
        let number = inside.rotations;
        let new = format!("secret {number}");
        if self.fault != Fault::LosesEveryThirdRotation || !number.is_multiple_of(3) {
            let secrets = inside.secrets.entry(client_id.to_owned()).or_default();
            if self.fault != Fault::KeepsTheOldSecret {
                secrets.clear();
            }
            secrets.push(new.clone());
        }
        Ok(new)
    }

    /// The status and the body; none is a closed connection.
    fn answer(&self, client_id: &str, secret: &str) -> Option<(u16, &'static str)> {
        let mut inside = self.inside.lock().unwrap();
        inside.requests += 1;
        let now = inside.requests % 100 == 50;
        let known =
            inside.secrets.get(client_id).is_some_and(|all| all.iter().any(|s| s == secret));
        Some(match (self.fault, inside.away, known) {
            (Fault::SwallowsRequests, ..) if now => return None,
            (Fault::Fails, ..) if now => (500, ""),
            (Fault::IsAwayNow, ..) if now => (503, r#"{"error":"temporarily_unavailable"}"#),
            (Fault::AcceptsWhileAway, true, _) => (200, r#"{"access_token":"token"}"#),
            (Fault::RefusesWhileAway, true, _) => (401, r#"{"error":"invalid_client"}"#),
            (_, true, _) => (503, r#"{"error":"temporarily_unavailable"}"#),
            (Fault::RefusesNow, ..) if now => (401, r#"{"error":"invalid_client"}"#),
            (Fault::IssuesNothing, _, true) => (200, "{}"),
            (_, false, true) => (200, r#"{"access_token":"token"}"#),
            (_, false, false) => (401, r#"{"error":"invalid_client"}"#),
        })
    }

    async fn serve(self: Arc<Self>) -> String {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let store = Arc::clone(&self);
                let service = service_fn(move |request: Request<Incoming>| {
                    let value = request.headers().get("authorization").unwrap().to_str().unwrap();
                    let decoded = BASE64_STANDARD.decode(value.strip_prefix("Basic ").unwrap());
                    let decoded = String::from_utf8(decoded.unwrap()).unwrap();
                    let (client_id, secret) = decoded.split_once(':').unwrap();
                    let answer = store.answer(client_id, secret);
                    std::future::ready(
                        answer
                            .ok_or(io::ErrorKind::BrokenPipe)
                            .map(|(status, body)| {
                                let builder = Response::builder().status(status);
                                builder
                                    .body(Full::new(Bytes::from_static(body.as_bytes())))
                                    .unwrap()
                            })
                            .map_err(io::Error::from),
                    )
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        url
    }
}

async fn check(fault: Fault) -> Report {
    let clients: Vec<_> = (0..5).map(|n| (format!("client-{n}"), format!("first {n}"))).collect();
    let secrets = clients.iter().map(|(id, secret)| (id.clone(), vec![secret.clone()])).collect();
    let inside = Mutex::new(Inside { secrets, ..Inside::default() });
    let store = Arc::new(Store { fault, inside });
    let load = Load::new([Arc::clone(&store).serve().await], clients, 2_000, Duration::ZERO);
    let (under_load, mut taken) = (Arc::clone(&load), Arc::clone(&store));
    let outage = tokio::spawn(async move {
        under_load.reach(0.5).await;
        let give = |store: &mut Arc<Store>| {
            store.be_away(false);
            Ok(())
        };
        under_load.outage(20, &mut taken, |store| store.be_away(true), give).await.unwrap();
    });
    let report = load
        .run(4, move |client_id, _label| {
            std::future::ready(store.rotate(&client_id).map_err(Into::into))
        })
        .await
        .unwrap();
    outage.await.unwrap();
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn correct_server_passes() {
    let report = check(Fault::None).await;
    assert_eq!(report.violations, [""; 0]);
    assert!(report.answers.iter().all(|count| *count > 10), "{report}");
    assert_eq!(report.tokens.len(), report.answers[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_is_reported() {
    for (fault, name) in [
        (Fault::RefusesWhileAway, "a secret that is right was refused: "),
        (Fault::AcceptsWhileAway, "a secret that is not right was accepted: "),
        (Fault::KeepsTheOldSecret, "a secret that is not right was accepted: "),
        (Fault::LosesEveryThirdRotation, "a secret that is right was refused: "),
        (Fault::RefusesNow, "a secret that is right was refused: "),
        (Fault::IsAwayNow, "the store was there: "),
        (Fault::IssuesNothing, "there is no token: "),
        (Fault::SwallowsRequests, "there is no answer: "),
        (Fault::Fails, "there is no reason for it: "),
    ] {
        let report = check(fault).await;
        assert!(report.violations.iter().any(|v| v.starts_with(name)), "{name}{report}");
    }
}
