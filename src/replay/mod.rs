//! Which assertions have been used, so that none is used twice.

pub(crate) mod memory;
#[cfg(feature = "redis")]
pub(crate) mod redis;

pub use self::memory::{MemoryReplayStore, ReplayStoreFull};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use self::redis::RedisReplayStore;

use std::{future::Future, pin::Pin, sync::Arc};

use sha2::{Digest, Sha256};

use crate::error::BoxError;

/// Seconds that the stores of this crate keep a claim longer than the assertion is accepted: clocks
/// differ, and are set back.
const KEPT_LONGER: i64 = 60;

/// Remembers which assertions were used, by client and `jti` (RFC 7523 §3, OpenID Connect Core §9).
///
/// The layer claims an assertion after everything else about it has been verified: what does not
/// authenticate never reaches the store and takes no room in it.
///
/// # Contract
///
/// - One claim for a pair of client and `jti` is granted until `until`, however many ask at the
///   same time and on however many servers. Reading first and writing afterwards cannot do that; one
///   operation of the store must do both.
/// - The pair counts, not its parts: two clients may use one `jti`, and `("a", "bc")` is not
///   `("ab", "c")`.
/// - A store that cannot say for sure that a pair is new fails. It never forgets one to make room,
///   and never grants a claim because it is out of order.
/// - It keeps a claim for a minute longer than asked, so that a clock that is set back by less makes no
///   used assertion new.
/// - The returned future may be dropped at any time. The claim may be taken then, and the assertion
///   be lost: the client makes a new one.
///
/// # Examples
///
/// A table with a primary key:
///
/// ```
/// use tower_client_auth::{BoxError, replay::ReplayStore};
///
/// struct Table;
///
/// impl Table {
///     async fn execute(&self, _sql: &str, _row: (&str, &str, i64)) -> Result<u64, BoxError> {
/// #       return Ok(1);
///         // …
///     }
/// }
///
/// impl ReplayStore for Table {
///     type Error = BoxError;
///
///     async fn claim(&self, client_id: &str, jti: &str, until: i64) -> Result<bool, BoxError> {
///         // A job deletes the rows whose time is over by more than a minute.
///         let insert = "INSERT INTO used_assertions (client_id, jti, until) VALUES ($1, $2, $3)
///                       ON CONFLICT DO NOTHING";
///         Ok(self.execute(insert, (client_id, jti, until)).await? == 1)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a replay store",
    label = "this cannot remember assertions",
    note = "use `MemoryReplayStore` for a single server, or implement `ReplayStore`"
)]
pub trait ReplayStore: Send + Sync + 'static {
    /// Why the store could not be asked.
    type Error: Into<BoxError>;

    /// Claims an assertion: `true` if it was not claimed before, `false` if it was.
    ///
    /// `until` is when the assertion ceases to be accepted, in seconds since the Unix epoch; the layer
    /// claims it before that time. The store keeps the claim at least until then. `jti` was chosen by the
    /// client and is at most 256 bytes long. Neither holds ASCII control characters.
    ///
    /// `client_id` is not always that of a client, so that it must not refer to a table of clients. For the token of a
    /// platform ([`Trust`](crate::assertion::Trust)) it is `iss:`, the issuer, a space and the subject, of 512 bytes each at
    /// most; for an attestation (feature `unstable-attestation`) it is a URN with the thumbprint of the instance, and for a
    /// challenge the challenge itself, with `attestation_challenge` as the `jti`.
    ///
    /// # Errors
    ///
    /// If the store cannot be asked, or has no room. The caller is answered 503; with a
    /// [`Throttled`](crate::provider::Throttled) as the error, or among its causes, 429.
    fn claim(
        &self,
        client_id: &str,
        jti: &str,
        until: i64,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;
}

impl<R: ReplayStore> ReplayStore for Arc<R> {
    type Error = R::Error;

    fn claim(
        &self,
        client_id: &str,
        jti: &str,
        until: i64,
    ) -> impl Future<Output = Result<bool, R::Error>> + Send {
        R::claim(self, client_id, jti, until)
    }
}

/// SHA-256 of a pair of client and `jti`, the only thing of it that is kept.
///
/// It is as good as the pair. Should two pairs ever have one digest, the second would be refused as
/// a replay, and never the other way round; an attacker who broke SHA-256 to that end could get
/// only such assertions refused whose `jti` is known beforehand.
pub(crate) fn digest(client_id: &str, jti: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    // The length says where the id ends, whatever is in it.
    hash.update((client_id.len() as u64).to_be_bytes());
    hash.update(client_id);
    hash.update(jti);
    hash.finalize().into()
}

type Claim<'a> = Pin<Box<dyn Future<Output = Result<bool, BoxError>> + Send + 'a>>;

/// A [`ReplayStore`] of any type.
pub(crate) trait DynReplayStore: Send + Sync {
    fn claim_dyn<'a>(&'a self, client_id: &'a str, jti: &'a str, until: i64) -> Claim<'a>;
}

impl<R: ReplayStore> DynReplayStore for R {
    fn claim_dyn<'a>(&'a self, client_id: &'a str, jti: &'a str, until: i64) -> Claim<'a> {
        Box::pin(async move { self.claim(client_id, jti, until).await.map_err(Into::into) })
    }
}
