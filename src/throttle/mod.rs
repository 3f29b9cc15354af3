//! Who has failed too often (RFC 6749 §2.3.1).
//!
//! "The authorization server MUST protect any endpoint utilizing it against brute force attacks."
//! [`ClientAuthLayer::throttle`](crate::ClientAuthLayer::throttle) asks a [`Throttle`] before each look-up, and tells
//! it what became of the attempt. [`FailureThrottle`] is one in memory, for a single server,
//! and `RedisThrottle` (feature `redis`) one that replicas share.

pub(crate) mod api;
mod failures;
mod limit;
mod peer;
#[cfg(feature = "redis")]
mod redis;
mod table;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use http::{StatusCode, request::Parts};

#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use self::redis::RedisThrottle;
pub use self::{failures::FailureThrottle, peer::PeerAddress};
use crate::{
    error::{BoxError, Error, kind::ErrorKind, throttled::Throttled},
    isolate::{
        deadline::Deadline,
        guard::{self, Failure, Guard},
    },
    throttle::limit::Blame,
};

/// Says who has to wait before the next attempt, for
/// [`ClientAuthLayer::throttle`](crate::ClientAuthLayer::throttle).
///
/// # Contract
///
/// - [`check`](Self::check) is called once for each attempt, before the look-up, and
///   [`note`](Self::note) once afterwards, also if the caller hung up.
/// - Whoever is refused gets 429 with `Retry-After`, and nothing is looked up or compared.
/// - Ids are public, and any caller can send any: a throttle that counts by the id alone lets strangers
///   lock a client out. One that counts some failures alone tells which ids exist: count what
///   [`counts`] says.
/// - A throttle that panics, fails or does not answer before [`Limits::provider_deadline`] refuses
///   this request with 503. What it does in `note` changes no answer.
///
/// # Examples
///
/// A throttle that a task of the application switches on while there is an attack:
///
/// ```
/// use std::{
///     sync::atomic::{AtomicBool, Ordering::Relaxed},
///     time::Duration,
/// };
/// use http::request::Parts;
/// use tower_client_auth::{
///     Error,
///     provider::Throttled,
///     throttle::{Throttle, Verdict},
/// };
///
/// #[derive(Default)]
/// struct Closed(AtomicBool);
///
/// impl Throttle for Closed {
///     fn check<'a>(&'a self, _client_id: &'a str, head: &'a Parts) -> Verdict<'a> {
///         if self.0.load(Relaxed) && head.uri.path() == "/introspect" {
///             return Verdict::Refuse(Throttled::new(Duration::from_secs(30)));
///         }
///         Verdict::Pass
///     }
///
///     fn note(&self, _client_id: &str, _head: &Parts, _error: Option<&Error>) {}
/// }
/// ```
///
/// [`Limits::provider_deadline`]: crate::Limits#method.provider_deadline
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a throttle",
    label = "this cannot say who has to wait",
    note = "use `FailureThrottle`, or implement `Throttle`"
)]
pub trait Throttle: Send + Sync + 'static {
    /// Whether an attempt may go on. `client_id` is what the caller sent, and `head` that of its request.
    ///
    /// It must not block. What needs to wait, such as for a store that replicas share, is a future:
    /// [`Verdict::ask`].
    fn check<'a>(&'a self, client_id: &'a str, head: &'a Parts) -> Verdict<'a>;

    /// What became of an attempt: `None` if the client was authenticated, or why it was not.
    ///
    /// It runs inline on the connection task, at times because the caller hung up, so that there is
    /// nobody to wait for it: it must not block. What takes longer is a task, of which there must not
    /// be any number.
    fn note(&self, client_id: &str, head: &Parts, error: Option<&Error>);
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + 'a>>;

/// What a [`Throttle`] says of an attempt.
#[non_exhaustive]
pub enum Verdict<'a> {
    /// It may go on.
    Pass,
    /// There were too many. The caller gets 429.
    Refuse(Throttled),
    /// It is not known yet; see [`ask`](Self::ask).
    Pending(Answer<'a>),
}

impl<'a> Verdict<'a> {
    /// Waits for an answer. An error that is
    /// [`Throttled`], or was caused by it, refuses the attempt with
    /// 429, and any other with 503.
    pub fn ask(answer: impl Future<Output = Result<(), BoxError>> + Send + 'a) -> Self {
        Self::Pending(Box::pin(answer))
    }
}

impl fmt::Debug for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("Pass"),
            Self::Refuse(throttled) => f.debug_tuple("Refuse").field(throttled).finish(),
            Self::Pending(_) => f.write_str("Pending"),
        }
    }
}

/// Whether an attempt that failed so counts as a guess.
///
/// It does whatever the reason is for which it was answered 401, because counting some reasons alone would
/// tell which ids exist; if the caller hung up before the answer; and if it was
/// [`Overloaded`](ErrorKind::Overloaded), because secrets that are quick to compare have been compared
/// by then. Of these two others may be the cause, who fill the pool, so let no client wait long for how many there
/// were. Not if it was throttled, or a client that goes on trying would stay out for good, and not
/// if something was out of order, for which no client is to blame.
#[must_use]
pub fn counts(error: &Error) -> bool {
    error.status() == StatusCode::UNAUTHORIZED
        || matches!(error.kind(), ErrorKind::Abandoned | ErrorKind::Overloaded)
}

/// Who is to blame for an attempt that [counts].
fn blame(error: &Error) -> Option<Blame> {
    let is_answered = error.status() == StatusCode::UNAUTHORIZED;
    let blame = if is_answered { Blame::Caller } else { Blame::Unknown };
    counts(error).then_some(blame)
}

impl<T: Throttle + ?Sized> Throttle for Arc<T> {
    fn check<'a>(&'a self, client_id: &'a str, head: &'a Parts) -> Verdict<'a> {
        T::check(self, client_id, head)
    }

    fn note(&self, client_id: &str, head: &Parts, error: Option<&Error>) {
        T::note(self, client_id, head, error);
    }
}

/// The throttle of a layer.
#[derive(Clone)]
pub(crate) struct Guarded(Arc<dyn Throttle>);

/// A question to a throttle.
pub(crate) enum Asked<'a> {
    Passed,
    Refused(Error),
    Waiting(Guard<Answer<'a>>),
}

impl Guarded {
    pub(crate) fn new(throttle: Arc<dyn Throttle>) -> Self {
        Self(throttle)
    }

    pub(crate) fn ask<'a>(
        &'a self,
        client_id: &'a str,
        head: &'a Parts,
        timeout: Option<Duration>,
    ) -> Asked<'a> {
        match guard::call(|| self.0.check(client_id, head)) {
            Some(Verdict::Pass) => Asked::Passed,
            Some(Verdict::Refuse(throttled)) => Asked::Refused(failed(throttled.into())),
            Some(Verdict::Pending(answer)) => {
                Asked::Waiting(guard::guard(|| answer, Deadline::new(timeout)))
            }
            None => Asked::Refused(ended(&Failure::Panic)),
        }
    }

    #[inline(never)]
    pub(crate) fn note(&self, client_id: &str, head: &Parts, error: Option<&Error>) {
        let _noted = guard::hook("throttle", || self.0.note(client_id, head, error));
    }
}

/// Why the attempt may not go on.
pub(crate) async fn refusal(answer: Guard<Answer<'_>>) -> Option<Error> {
    match answer.await {
        Ok(answer) => answer.err().map(failed),
        Err(failure) => Some(ended(&failure)),
    }
}

fn failed(error: BoxError) -> Error {
    Error::unless_throttled(ErrorKind::Provider, error)
}

fn ended(failure: &Failure) -> Error {
    let kind = match failure {
        Failure::Panic => ErrorKind::Provider,
        Failure::Timeout => ErrorKind::ProviderTimeout,
    };
    Error::with_source(kind, format!("the throttle failed: {}", failure.as_str()).into())
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Throttle")
    }
}
