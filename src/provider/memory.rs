//! A provider that keeps its clients in memory.

mod clients;
mod lanes;

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt,
    future::{Future, Ready, ready},
    io,
    path::Path,
};

use serde_json::value::RawValue;

use crate::{
    client::RegisteredClient,
    iana::metadata::ClientMetadata,
    provider::{
        lookup::ClientProvider,
        memory::{clients::Clients, lanes::Lanes},
    },
};

/// Clients in memory, which can be inserted and removed while requests are served.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use tower_client_auth::{
///     ClientAuthLayer, ClientSecret, RegisteredClient, provider::MemoryProvider,
/// };
///
/// let clients = Arc::new(MemoryProvider::new());
/// let layer = ClientAuthLayer::new(Arc::clone(&clients));
///
/// // Later, while serving:
/// clients.insert(RegisteredClient::secret_basic("batch", [ClientSecret::sha256_of("gX9k…")], ()));
/// clients.remove("batch");
/// # drop(layer);
/// ```
pub struct MemoryProvider<C = ClientMetadata> {
    lanes: Lanes<C>,
}

impl<C> MemoryProvider<C> {
    /// A provider without clients.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Clients::new())
    }

    fn of(clients: Clients<C>) -> Self {
        Self { lanes: Lanes::new(clients) }
    }

    /// Adds a client, and returns the one that it replaces.
    ///
    /// It takes microseconds, because it waits for all readers; and longer when the set grows, up to half a
    /// second with a million clients, while requests wait. Collect what is known beforehand.
    #[expect(clippy::must_use_candidate, reason = "it is called for what it changes")]
    pub fn insert(&self, client: RegisteredClient<C>) -> Option<RegisteredClient<C>> {
        self.lanes.change(|clients| clients.replace(client))
    }

    /// Removes a client, and returns it.
    #[expect(clippy::must_use_candidate, reason = "it is called for what it changes")]
    pub fn remove(&self, client_id: &str) -> Option<RegisteredClient<C>> {
        self.lanes.change(|clients| clients.take(client_id))
    }

    /// The client of this id.
    #[must_use]
    pub fn get(&self, client_id: &str) -> Option<RegisteredClient<C>> {
        self.lanes.mine()?.get(client_id)
    }
}

impl MemoryProvider<ClientMetadata> {
    /// Reads a file as [`from_json`](Self::from_json) does.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if the file cannot be read, or is not a JSON array. It names the file.
    pub fn from_json_file(path: impl AsRef<Path>) -> Result<(Self, Vec<InvalidRecord>), io::Error> {
        let path = path.as_ref();
        let json = std::fs::read(path);
        json.and_then(|json| Self::from_json(&json))
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    /// Reads a JSON array of RFC 7591 client metadata.
    ///
    /// A record that cannot be used does no harm to the others: it is kept as a client that never
    /// authenticates, and reported. A record without a string `client_id` is reported only. Of
    /// two records with one `client_id` neither can be trusted. What disables a client is said at
    /// [`ClientMetadata`]. A key of `jwks` that is left out is reported, too, and the client
    /// authenticates with its other keys. A byte order mark before the array is skipped.
    ///
    /// # Errors
    ///
    /// [`io::Error`] with [`InvalidData`](io::ErrorKind::InvalidData) if `json` is not a JSON array.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::provider::MemoryProvider;
    ///
    /// let (clients, invalid) = MemoryProvider::from_json(
    ///     br#"[
    ///     { "client_id": "cli", "token_endpoint_auth_method": "none" },
    ///     { "client_id": "batch", "token_endpoint_auth_method": "client_secret_post" }
    /// ]"#,
    /// )?;
    /// assert!(clients.get("cli").is_some());
    /// assert_eq!(
    ///     invalid[0].to_string(),
    ///     r#"record 1: client "batch": `client_secret_post` needs a secret and none is stored"#,
    /// );
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn from_json(json: &[u8]) -> Result<(Self, Vec<InvalidRecord>), io::Error> {
        // Editors put a byte order mark before a file; RFC 8259 §8.1 lets parsers ignore it.
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        // Each record is read by itself, so that one which cannot be read does no harm.
        let records: Vec<&RawValue> = serde_json::from_slice(json).map_err(|error| {
            // The message of the parser may quote the text, and the text holds secrets.
            let (line, column) = (error.line(), error.column());
            let mut problem =
                format!("not a JSON array of client metadata, line {line} column {column}");
            if json.trim_ascii_start().starts_with(b"{") {
                problem.push_str(": one client, too, stands in `[` and `]`");
            }
            io::Error::new(io::ErrorKind::InvalidData, problem)
        })?;
        let provider = Self::new();
        let mut invalid = Vec::new();
        let mut federated = Vec::new();
        for (index, record) in records.into_iter().enumerate() {
            let client_id = client_id(record);
            let mut report = |problem: String| {
                let client_id = client_id.as_ref().ok().cloned();
                invalid.push(InvalidRecord { index, client_id, problem });
            };
            let client_id = match &client_id {
                Ok(client_id) => client_id,
                Err(problem) => {
                    report((*problem).to_owned());
                    continue;
                }
            };
            let client = match serde_json::from_str::<ClientMetadata>(record.get()) {
                Ok(metadata) => RegisteredClient::try_from(metadata).unwrap_or_else(|error| {
                    report(error.problem().to_string());
                    error.into_unusable()
                }),
                Err(error) => {
                    report(without_place(&error));
                    RegisteredClient::unusable(&**client_id, ClientMetadata::new(&**client_id))
                }
            };
            for key in client.registration().omitted_keys() {
                report(format!("`jwks`: {key}"));
            }
            if client.registration().names().next().is_some() {
                federated.push((index, client.clone()));
            }
            if provider.insert(client).is_some() {
                report("the client is recorded twice".to_owned());
                provider.insert(RegisteredClient::unusable(
                    &**client_id,
                    ClientMetadata::new(&**client_id),
                ));
            }
        }
        for (index, client) in federated {
            if provider.lanes.mine().is_some_and(|lane| lane.shares_subject(&client)) {
                let client_id = Some(client.client_id().to_owned());
                let problem = "an issuer and subject of it are another client's, too: by them neither is found";
                invalid.push(InvalidRecord { index, client_id, problem: problem.to_owned() });
            }
        }
        Ok((provider, invalid))
    }
}

fn client_id(record: &RawValue) -> Result<String, &'static str> {
    let record = record.get();
    if !record.starts_with('{') {
        return Err("it is not an object");
    }
    let members: HashMap<String, &RawValue> =
        serde_json::from_str(record).map_err(|_quotes_it| "it cannot be read")?;
    let client_id = members.get("client_id").ok_or("`client_id` is missing")?;
    serde_json::from_str(client_id.get()).map_err(|_quotes_it| "`client_id` is not a string")
}

/// The parser counts lines from the beginning of the record.
fn without_place(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let problem = error.to_string();
    problem.strip_suffix(&place).map_or(problem.clone(), str::to_owned)
}

impl<C: Send + Sync + 'static> ClientProvider for MemoryProvider<C> {
    type Client = C;
    type Error = Infallible;

    fn find_client(
        &self,
        client_id: &str,
    ) -> impl Future<Output = Result<Option<RegisteredClient<C>>, Infallible>> + Send {
        let client = self.lanes.mine().and_then(|lane| lane.get_evenly(client_id));
        let found: Ready<_> = ready(Ok(client));
        found
    }

    fn find_federated(
        &self,
        issuer: &str,
        subject: &str,
    ) -> impl Future<Output = Result<Option<RegisteredClient<C>>, Infallible>> + Send {
        ready(Ok(self.lanes.mine().and_then(|lane| lane.issued(issuer, subject))))
    }
}

impl<C> Default for MemoryProvider<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> FromIterator<RegisteredClient<C>> for MemoryProvider<C> {
    fn from_iter<I: IntoIterator<Item = RegisteredClient<C>>>(clients: I) -> Self {
        let mut known = Clients::new();
        for client in clients {
            known.replace(client);
        }
        Self::of(known)
    }
}

impl<C> fmt::Debug for MemoryProvider<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryProvider").finish_non_exhaustive()
    }
}

/// A record that [`MemoryProvider::from_json`] could not use, or not the whole of it. It shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRecord {
    index: usize,
    client_id: Option<String>,
    problem: String,
}

impl InvalidRecord {
    /// The index in the array, from 0.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// The `client_id` of the record, or `None` if it has none that is a string.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }
}

impl fmt::Display for InvalidRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, client_id, problem } = self;
        match client_id {
            Some(client_id) => write!(f, "record {index}: client {client_id:?}: {problem}"),
            None => write!(f, "record {index}: {problem}"),
        }
    }
}

impl std::error::Error for InvalidRecord {}
