//! When a secret is valid, and what it is called.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::secret::stored::ClientSecret;

impl ClientSecret {
    /// Names the secret, so that [`AuthenticatedClient::secret_label`] can tell which of several
    /// was used: an old one that is no longer used can go.
    ///
    /// [`AuthenticatedClient::secret_label`]: crate::AuthenticatedClient::secret_label
    #[must_use]
    pub fn labelled(mut self, label: &str) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Refuses the secret from this time on: seconds since the Unix epoch, or a [`SystemTime`]. The number 0
    /// means never, as `client_secret_expires_at` has it (RFC 7591 §3.2.1); a negative one has passed.
    ///
    /// The default is never.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_client_auth::ClientSecret;
    ///
    /// let old = ClientSecret::sha256_of("2rH0…").expires_at(1_800_000_000);
    /// let tomorrow = SystemTime::now() + Duration::from_secs(24 * 60 * 60);
    /// let older = ClientSecret::sha256_of("gX9k…").expires_at(tomorrow);
    /// # drop((old, older));
    /// ```
    #[must_use]
    pub fn expires_at(mut self, time: impl Into<UnixSeconds>) -> Self {
        self.expires_at = match time.into() {
            UnixSeconds(Time::Number(seconds)) => seconds,
            // Never is none of them.
            UnixSeconds(Time::System(time)) => match seconds(time, Duration::ZERO) {
                0 => -1,
                seconds => seconds,
            },
        };
        self
    }

    /// Refuses the secret before this time: seconds since the Unix epoch, or a [`SystemTime`].
    ///
    /// The default is to accept it at any time before it expires.
    #[must_use]
    pub fn not_before(mut self, time: impl Into<UnixSeconds>) -> Self {
        self.not_before = match time.into() {
            UnixSeconds(Time::Number(seconds)) => seconds,
            UnixSeconds(Time::System(time)) => seconds(time, Duration::from_nanos(999_999_999)),
        };
        self
    }
}

/// A time, in seconds since the Unix epoch: an `i64`, as databases and RFC 7591 have it, or a
/// [`SystemTime`]. It is what [`ClientSecret::expires_at`] and [`ClientSecret::not_before`] take.
#[derive(Clone, Copy, Debug)]
pub struct UnixSeconds(Time);

#[derive(Clone, Copy, Debug)]
enum Time {
    Number(i64),
    System(SystemTime),
}

impl From<i64> for UnixSeconds {
    fn from(seconds: i64) -> Self {
        Self(Time::Number(seconds))
    }
}

impl From<SystemTime> for UnixSeconds {
    fn from(time: SystemTime) -> Self {
        Self(Time::System(time))
    }
}

/// The whole seconds, of which `round_up` may make one more. What is beyond 64 bits is the last of them.
fn seconds(time: SystemTime, round_up: Duration) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.saturating_add(round_up).as_secs()).unwrap_or(i64::MAX),
        // A second earlier or later makes no difference before 1970.
        Err(before) => {
            i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |before| -1 - before)
        }
    }
}
