//! The audit trail.
//!
//! Nothing of a request may wait for it: records go through a channel of fixed length to a task that
//! writes them, and where the writer cannot keep up they are counted instead. Nothing secret can be in
//! it: of a request it takes the peer's address and what the layer says of it, which is never a credential.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use example_support::{Peer, cut, now};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, sync::mpsc};
use tower_client_auth::Outcome;

/// As many records may wait for the writer.
const WAITING: usize = 1024;

/// What the database said.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Found,
    Unknown,
    Outage,
}

/// The end that records are given to. Clones write to the same trail.
#[derive(Clone)]
pub(crate) struct Audit {
    records: mpsc::Sender<Value>,
    lost: Arc<AtomicU64>,
}

impl Audit {
    /// Starts the writer, which ends with the last clone of this.
    pub(crate) fn start() -> Self {
        let (records, waiting) = mpsc::channel(WAITING);
        let lost = Arc::default();
        tokio::spawn(write(waiting, Arc::clone(&lost)));
        Self { records, lost }
    }

    /// A question to the database, and its answer.
    pub(crate) fn look_up(&self, client_id: &str, answer: Answer) {
        let answer = match answer {
            Answer::Found => "found",
            Answer::Unknown => "unknown",
            Answer::Outage => "outage",
        };
        self.record(json!({
            "at": now(), "event": "look-up", "client_id": shown(client_id), "answer": answer,
        }));
    }

    /// A decision of the layer. The id is what the caller sent, so it is escaped and cut.
    pub(crate) fn decision(&self, outcome: &Outcome<'_>) {
        let peer = outcome.request().extensions.get::<Peer>();
        self.record(json!({
            "at": now(),
            "event": "decision",
            "peer": peer.map(|peer| peer.0.to_string()),
            "client_id": outcome.client_id().map(shown),
            "method": outcome.method().map(|method| method.as_str()),
            "reason": outcome.error().map_or("authenticated", |error| error.kind().as_str()),
        }));
    }

    fn record(&self, record: Value) {
        if self.records.try_send(record).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Without line breaks, control characters and marks that turn the text around.
fn shown(client_id: &str) -> String {
    cut(client_id).escape_debug().to_string()
}

async fn write(mut waiting: mpsc::Receiver<Value>, lost: Arc<AtomicU64>) {
    let mut trail = tokio::io::stdout();
    while let Some(record) = waiting.recv().await {
        let mut lines = format!("{record}\n");
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            lines += &format!("{}\n", json!({ "at": now(), "event": "lost", "records": lost }));
        }
        let written = async {
            trail.write_all(lines.as_bytes()).await?;
            trail.flush().await
        };
        if let Err(error) = written.await {
            eprintln!("error: the audit trail cannot be written: {error}");
        }
    }
}
