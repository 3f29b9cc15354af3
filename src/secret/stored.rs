//! Client secrets at rest.

use std::{fmt, future::Future, hint::black_box, sync::Arc, time::Duration};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

#[cfg(feature = "argon2")]
use crate::secret::phc::{InvalidPhc, Phc};
use crate::{
    error::{BoxError, Error},
    isolate::{deadline::Deadline, guard::guard},
    secret::{
        plain::Plain,
        presented::{PresentedSecret, Verifier},
    },
};

/// A client secret as a store keeps it: in plain text, as a SHA-256 digest, as a slow hash, or
/// outside of this crate.
///
/// A secret may carry a validity window; a client may have several secrets at a time, so that it
/// can move from one to the next without an outage.
///
/// Comparison takes the same time wherever the difference is and however long the stored secret is
/// (RFC 6749 §10.10). The memory is wiped when the secret is dropped, `Debug` shows no part of it,
/// and there is deliberately no `PartialEq` and no `Serialize`.
///
/// # Which one
///
/// A secret that a machine made from at least 128 bits of randomness is as safe as a SHA-256 digest
/// as it is behind a slow hash, and costs nothing to check. A secret that a person may have chosen
/// is not.
///
/// # Examples
///
/// ```
/// use tower_client_auth::ClientSecret;
///
/// let old = ClientSecret::plain("2rH0…").expires_at(1_800_000_000);
/// let new = ClientSecret::sha256_of("gX9k…").not_before(1_790_000_000);
/// assert_eq!(format!("{old:?}"), "ClientSecret { plain: [redacted], expires_at: 1800000000 }");
/// # drop(new);
/// ```
#[derive(Clone)]
pub struct ClientSecret {
    stored: Stored,
    /// The least date is none. No `Option`, so that there is nothing to branch on.
    pub(super) not_before: i64,
    /// 0 is never, as in RFC 7591 §3.2.1.
    pub(super) expires_at: i64,
    pub(super) label: Option<Box<str>>,
}

#[derive(Clone)]
enum Stored {
    Plain(Plain),
    Sha256(Zeroizing<[u8; 32]>),
    #[cfg(feature = "argon2")]
    Phc(Arc<Phc>),
    External(Arc<Verifier>),
}

impl ClientSecret {
    /// A secret stored in plain text. An empty one matches nothing.
    #[must_use]
    pub fn plain(secret: impl Into<String>) -> Self {
        Self::new(Stored::Plain(Plain::new(secret.into())))
    }

    /// A secret of which only the SHA-256 digest of its UTF-8 bytes is stored.
    ///
    /// # Examples
    ///
    /// Of a slice, as databases hand it out:
    ///
    /// ```
    /// use std::array::TryFromSliceError;
    /// use tower_client_auth::ClientSecret;
    ///
    /// fn read(column: &[u8]) -> Result<ClientSecret, TryFromSliceError> {
    ///     Ok(ClientSecret::sha256(column.try_into()?))
    /// }
    /// assert!(read(&[7; 32]).is_ok());
    /// assert!(read(&[7; 31]).is_err());
    /// ```
    #[must_use]
    pub fn sha256(digest: [u8; 32]) -> Self {
        Self::new(Stored::Sha256(Zeroizing::new(digest)))
    }

    /// Digests `secret`, for a store that is filled from plain text.
    #[must_use]
    pub fn sha256_of(secret: &str) -> Self {
        Self::sha256(Sha256::digest(secret).into())
    }

    /// A secret of which a slow hash is stored, as a PHC string of argon2id, scrypt or PBKDF2: for
    /// secrets that a person may have chosen.
    ///
    /// It is computed off the async workers, see
    /// [`HashPool`](crate::secret::HashPool), and needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`InvalidPhc`] if `hash` is something else, or asks for too much: more than 1 GiB of memory; of
    /// argon2id more than 4 GiB in all passes (`m` × `t`) or 64 lanes; of scrypt N × r × p above 2²⁵; of
    /// PBKDF2 more than 10,000,000 iterations. Those are some seconds at most. A salt has at least 8 bytes
    /// and a hash at least 16 (RFC 9106 §3.1, §4). How cheap a hash may be is up to you. There is no bcrypt,
    /// because it truncates its input at 72 bytes; [`why`](crate::guide::why) says what to do with such a row.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::ClientSecret;
    ///
    /// let hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$\
    ///     Yr0xIqmFAdOVJKWxDf1mFrmCJdW0uGiXqJq1cUu2lQE";
    /// let secret = ClientSecret::phc(hash)?;
    /// # drop(secret);
    /// # Ok::<(), tower_client_auth::secret::InvalidPhc>(())
    /// ```
    #[cfg(feature = "argon2")]
    #[cfg_attr(docsrs, doc(cfg(feature = "argon2")))]
    pub fn phc(hash: &str) -> Result<Self, InvalidPhc> {
        Phc::parse(hash).map(|phc| Self::new(Stored::Phc(Arc::new(phc))))
    }

    /// A secret that something else verifies: an HSM, a directory, a vault.
    ///
    /// `verify` gets what was presented and says whether it is the secret. Its failure is answered
    /// 503, never 401, and so is a panic, and an answer after the `provider_deadline` of the layer.
    /// When the caller goes away its future is dropped. It should take as long for a wrong secret as
    /// for the right one.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{BoxError, ClientSecret, RegisteredClient, secret::PresentedSecret};
    ///
    /// async fn bind(user: &str, password: &str) -> Result<bool, BoxError> {
    ///     // LDAP …
    /// #   let _ = (user, password);
    ///     Ok(false)
    /// }
    ///
    /// let secret = ClientSecret::verified_by(|presented: PresentedSecret| async move {
    ///     bind("cn=batch", presented.expose()).await
    /// });
    /// let client = RegisteredClient::secret_basic("batch", [secret], ());
    /// # drop(client);
    /// ```
    #[must_use]
    pub fn verified_by<F, Fut>(verify: F) -> Self
    where
        F: Fn(PresentedSecret) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<bool, BoxError>> + Send + 'static,
    {
        Self::new(Stored::External(Arc::new(move |presented| Box::pin(verify(presented)))))
    }

    const fn new(stored: Stored) -> Self {
        Self { stored, not_before: i64::MIN, expires_at: 0, label: None }
    }

    pub(crate) fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The text of a decoy. It need not be secret: what is compared with it is refused.
    pub(crate) const DECOY: &str = "decoy-0123456789-0123456789-0123456789-0123";

    /// A secret that is compared at the same cost, if that needs no external verifier.
    pub(crate) fn decoy_of_same_cost(&self) -> Option<Self> {
        match &self.stored {
            Stored::Plain(_) => Some(Self::plain(Self::DECOY)),
            Stored::Sha256(_) => Some(Self::sha256_of(Self::DECOY)),
            #[cfg(feature = "argon2")]
            Stored::Phc(phc) => Some(Self::new(Stored::Phc(Arc::clone(phc)))),
            Stored::External(_) => None,
        }
    }

    /// Moves a short secret to where `self` is, so that a comparison finds it there. From then on `self`
    /// must stay: what is moved leaves a copy behind that nobody wipes.
    pub(super) fn settle(&mut self) {
        if let Stored::Plain(secret) = &mut self.stored {
            secret.settle();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.plain_bytes().is_some_and(<[u8]>::is_empty)
    }

    /// The secret itself, where it is stored.
    pub(crate) fn plain_bytes(&self) -> Option<&[u8]> {
        match &self.stored {
            Stored::Plain(secret) => Some(secret),
            _ => None,
        }
    }

    /// About how many nanoseconds it takes to compare, unless something else verifies.
    pub(super) fn cost(&self) -> Option<u64> {
        match &self.stored {
            Stored::Plain(_) => Some(10),
            Stored::Sha256(_) => Some(60),
            #[cfg(feature = "argon2")]
            Stored::Phc(phc) => Some(phc.cost()),
            Stored::External(_) => None,
        }
    }

    #[cfg(feature = "argon2")]
    pub(super) const fn slow_hash(&self) -> Option<&Arc<Phc>> {
        match &self.stored {
            Stored::Phc(phc) => Some(phc),
            _ => None,
        }
    }

    /// Whether comparing takes more than a moment.
    pub(crate) const fn is_slow(&self) -> bool {
        match self.stored {
            Stored::Plain(_) | Stored::Sha256(_) => false,
            #[cfg(feature = "argon2")]
            Stored::Phc(_) => true,
            Stored::External(_) => true,
        }
    }

    /// Whether the presented bytes are the secret; its validity window does not matter here.
    pub(super) fn matches(&self, presented: &[u8]) -> bool {
        #[cfg(test)]
        crate::secret::spent::add(self.cost().unwrap_or_default());
        match &self.stored {
            Stored::Plain(stored) => {
                // `constant_time_eq` returns at once when the lengths differ, which would tell how
                // long the stored secret is. Comparing the presented bytes with themselves takes
                // the same work.
                let stored: &[u8] = black_box(stored);
                let same_length = stored.len() == presented.len();
                let against = if same_length { stored } else { presented };
                // An absent secret equals nothing, not even an empty stored one (CWE-258).
                constant_time_eq::constant_time_eq(against, presented)
                    & same_length
                    & !presented.is_empty()
            }
            Stored::Sha256(digest) => {
                let presented_digest: [u8; 32] = Sha256::digest(presented).into();
                constant_time_eq::constant_time_eq_32(digest, &presented_digest)
                    & !presented.is_empty()
            }
            #[cfg(feature = "argon2")]
            Stored::Phc(_) => false,
            Stored::External(_) => false,
        }
    }

    /// As [`matches`](Self::matches), for all kinds. `hashed` tells it of each slow hash, in turn.
    #[cfg_attr(not(feature = "argon2"), expect(unused_variables, reason = "there are no hashes"))]
    pub(super) async fn matches_slowly(
        &self,
        presented: &str,
        hashed: &mut (dyn Iterator<Item = bool> + Send),
        timeout: Option<Duration>,
    ) -> Result<bool, Error> {
        match &self.stored {
            #[cfg(feature = "argon2")]
            Stored::Phc(_) => Ok(hashed.next().unwrap_or_default()),
            Stored::External(verify) if !presented.is_empty() => {
                let presented = PresentedSecret::new(presented);
                match guard(|| verify(presented), Deadline::new(timeout)).await {
                    Ok(matches) => matches.map_err(Error::verifier),
                    Err(failure) => Err(Error::verifier(failure.as_str())),
                }
            }
            _ => Ok(self.matches(presented.as_bytes())),
        }
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ClientSecret");
        let kind = match self.stored {
            Stored::Plain(_) => "plain",
            Stored::Sha256(_) => "sha256",
            #[cfg(feature = "argon2")]
            Stored::Phc(_) => "phc",
            Stored::External(_) => "verified_by",
        };
        debug.field(kind, &format_args!("[redacted]"));
        if self.not_before != i64::MIN {
            debug.field("not_before", &self.not_before);
        }
        if self.expires_at != 0 {
            debug.field("expires_at", &self.expires_at);
        }
        if let Some(label) = &self.label {
            debug.field("label", label);
        }
        debug.finish()
    }
}
