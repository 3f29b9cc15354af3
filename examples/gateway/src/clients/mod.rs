//! The clients: from a file, which is read again when it changes, or from PostgreSQL.

#[cfg_attr(not(feature = "postgres"), path = "disabled.rs")]
mod postgres;
mod published;
mod records;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tower_client_auth::{
    BoxError, ClientMetadata, ClientProvider, Clock, RegisteredClient, provider::MemoryProvider,
};

use self::postgres::Database;
pub(crate) use self::{postgres::check as check_postgres, published::Published};
use crate::{
    config::{self, Config, Mistake},
    methods::Unaccepted,
    wording,
};

/// How often it is seen that there is another source.
const SOURCE: Duration = Duration::from_secs(2);

/// A handle: clones look up in the same place.
#[derive(Clone)]
pub(crate) enum Clients {
    File(Arc<FileClients>),
    Database(Arc<Database>),
}

impl Clients {
    /// Reads the file, or prepares to connect.
    pub(crate) fn open(config: &Config) -> Result<Self, Mistake> {
        match &config.clients {
            config::Clients::File { path, poll, .. } => {
                let clients = FileClients::open(&path.value, *poll, Unaccepted::new(config));
                let clients = clients.map_err(|error| path.mistake(error.to_string()))?;
                Ok(Self::File(Arc::new(clients)))
            }
            config::Clients::Postgres { url, cache } => {
                let database = Database::open(&url.value, *cache);
                let database = database.map_err(|error| url.mistake(error.to_string()))?;
                Ok(Self::Database(Arc::new(database)))
            }
            config::Clients::Missing => {
                Err(Mistake { line: 1, what: "there are no clients".to_owned() })
            }
        }
    }

    /// Looks whether they have changed, and tells when to look again.
    pub(crate) fn refresh(&self) -> Duration {
        match self {
            Self::File(clients) => {
                clients.refresh();
                clients.poll
            }
            Self::Database(database) => {
                database.follow();
                SOURCE
            }
        }
    }
}

impl ClientProvider for Clients {
    type Client = ClientMetadata;
    type Error = BoxError;

    async fn find_client(
        &self,
        client_id: &str,
    ) -> Result<Option<RegisteredClient<ClientMetadata>>, BoxError> {
        match self {
            Self::File(clients) => Ok(clients.current.load().get(client_id)),
            Self::Database(database) => database.find(client_id).await,
        }
    }

    async fn find_federated(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<RegisteredClient<ClientMetadata>>, BoxError> {
        match self {
            Self::File(clients) => {
                let clients = clients.current.load_full();
                Ok(clients.find_federated(issuer, subject).await?)
            }
            // Its tables have secrets alone.
            Self::Database(_) => Ok(None),
        }
    }
}

/// What is wrong with single clients of a file, which do no harm to the others.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let config::Clients::File { path, .. } = &config.clients else { return Vec::new() };
    let read = parse(&path.value, &Unaccepted::new(config));
    let Ok(Parsed { mut problems, is_empty, .. }) = read else { return Vec::new() };
    if is_empty {
        problems.push(NONE.to_owned());
    }
    let file = path.value.display();
    problems.iter().map(|problem| format!("{file}: {problem}")).collect()
}

/// Those of a file.
pub(crate) struct FileClients {
    path: PathBuf,
    poll: Duration,
    unaccepted: Unaccepted,
    current: ArcSwap<MemoryProvider>,
    seen: Mutex<Seen>,
}

/// How the file was, if it was there.
struct Seen {
    read: Option<Stamp>,
    /// When it could not be read.
    failed: Option<Option<Stamp>>,
}

/// What changes when a file does.
#[derive(Clone, Copy, PartialEq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    /// A file that was put in the place of another may be as old and as long.
    number: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let number = 0;
        Some(Self { modified: metadata.modified().ok(), length: metadata.len(), number })
    }
}

impl FileClients {
    fn open(path: &Path, poll: Duration, unaccepted: Unaccepted) -> io::Result<Self> {
        // First, so that what is written meanwhile is seen as a change.
        let seen = Mutex::new(Seen { read: Stamp::of(path), failed: None });
        let current = ArcSwap::from_pointee(read(path, &unaccepted)?);
        Ok(Self { path: path.to_owned(), poll, unaccepted, current, seen })
    }

    fn refresh(&self) {
        let stamp = Stamp::of(&self.path);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.read == stamp {
            if seen.failed.take().is_some() {
                tracing::info!(file = %self.path.display(), "the clients are there again as they were");
            }
            return;
        }
        let is_said = seen.failed.replace(stamp) == Some(stamp);
        match read(&self.path, &self.unaccepted) {
            Ok(clients) => {
                *seen = Seen { read: stamp, failed: None };
                self.current.store(Arc::new(clients));
                crate::telemetry::clients_read(true);
                tracing::info!(file = %self.path.display(), "the clients were read again");
            }
            // It is tried again: what can be read from now on is as old and as long. It is said once.
            Err(_) if is_said => {}
            Err(error) => {
                crate::telemetry::clients_read(false);
                tracing::error!(%error, "the clients stay as they were");
            }
        }
    }
}

fn read(path: &Path, unaccepted: &Unaccepted) -> io::Result<MemoryProvider> {
    let Parsed { clients, problems, is_empty } = parse(path, unaccepted)?;
    for problem in problems {
        tracing::warn!(file = %path.display(), record = problem, "a client cannot authenticate");
    }
    if is_empty {
        tracing::warn!(file = %path.display(), "{NONE}");
    }
    Ok(clients)
}

const NONE: &str = "there are no clients";

/// The clients of a file.
struct Parsed {
    clients: MemoryProvider,
    /// Which of them cannot authenticate.
    problems: Vec<String>,
    is_empty: bool,
}

fn parse(path: &Path, unaccepted: &Unaccepted) -> io::Result<Parsed> {
    // Once: it may be replaced at any time.
    let read = fs::read(path)
        .and_then(|json| Ok((MemoryProvider::from_json(&json)?, records::parse(&json))));
    let ((clients, invalid), records) =
        read.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    let mut problems: Vec<_> =
        invalid.iter().map(|problem| wording::own(problem.to_string())).collect();
    // Nobody who means that there are no clients writes this, and whoever is there already would be gone.
    if let ([], [first, ..]) = (&*records, &*problems) {
        let what = format!("{}: none of its records can be read: {first}", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let is_empty = records.is_empty();
    problems.extend(records::expired(&records, &Clock::system()));
    problems.extend(published::unfetched(&records));
    problems.extend(records::unaccepted(records, unaccepted));
    Ok(Parsed { clients, problems, is_empty })
}
