//! The time, in the two readings that this crate needs.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A hundred years.
const FURTHEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Where the time comes from: Unix seconds for what is dated by others (the expiry of secrets, the
/// claims of assertions), and monotonic time for how long something is kept.
///
/// It is a handle: clones read the same time. Give one clock to the layer and to every store and
/// cache beside it. The default is the clock of the system.
///
/// # Examples
///
/// A clock that stands still until a test moves it:
///
/// ```
/// use std::time::Duration;
/// use tower_client_auth::{ClientAuthLayer, ClientMetadata, Clock, provider::MemoryProvider};
///
/// let clock = Clock::fixed(1_700_000_000);
/// let layer =
///     ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new()).clock(clock.clone());
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.unix_seconds(), 1_700_000_060);
/// # drop(layer);
/// ```
#[derive(Clone, Default)]
pub struct Clock(Readings);

#[derive(Clone, Default)]
enum Readings {
    #[default]
    System,
    Fixed(Arc<Fixed>),
    Custom(Arc<Custom>),
}

struct Fixed {
    unix_seconds: i64,
    instant: Instant,
    /// How far it was advanced, in milliseconds.
    advanced: AtomicU64,
}

struct Custom {
    unix_seconds: Box<dyn Fn() -> i64 + Send + Sync>,
    instant: Box<dyn Fn() -> Instant + Send + Sync>,
}

impl Clock {
    /// The clock of the system.
    #[must_use]
    pub const fn system() -> Self {
        Self(Readings::System)
    }

    /// A clock that stands still at this time, in seconds since the Unix epoch, until it is
    /// [advanced](Self::advance).
    #[must_use]
    pub fn fixed(unix_seconds: i64) -> Self {
        let fixed = Fixed { unix_seconds, instant: Instant::now(), advanced: AtomicU64::new(0) };
        Self(Readings::Fixed(Arc::new(fixed)))
    }

    /// A clock with readings of your own: seconds since the Unix epoch, and a time that never goes
    /// back.
    ///
    /// A reading that panics fails the request for which the layer takes it: 500 `server_error`. In a
    /// cache or a store it is their failure: 503.
    #[must_use]
    pub fn new(
        unix_seconds: impl Fn() -> i64 + Send + Sync + 'static,
        instant: impl Fn() -> Instant + Send + Sync + 'static,
    ) -> Self {
        let custom = Custom { unix_seconds: Box::new(unix_seconds), instant: Box::new(instant) };
        Self(Readings::Custom(Arc::new(custom)))
    }

    /// Moves a [fixed](Self::fixed) clock and all its clones on, in whole milliseconds. Another
    /// clock is not moved.
    pub fn advance(&self, by: Duration) {
        if let Readings::Fixed(fixed) = &self.0 {
            let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            let advance = |advanced: u64| Some(advanced.saturating_add(by));
            let _before = fixed.advanced.fetch_update(Ordering::SeqCst, Ordering::SeqCst, advance);
        }
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        match &self.0 {
            Readings::System => system_seconds(),
            Readings::Fixed(fixed) => {
                fixed.unix_seconds.saturating_add_unsigned(fixed.advanced().as_secs())
            }
            Readings::Custom(custom) => (custom.unix_seconds)(),
        }
    }

    /// The monotonic reading, against which lifetimes run.
    #[must_use]
    pub fn instant(&self) -> Instant {
        match &self.0 {
            Readings::System => Instant::now(),
            // Every platform can tell instants that far ahead. After that it stands still.
            Readings::Fixed(fixed) => fixed.instant + fixed.advanced().min(FURTHEST),
            Readings::Custom(custom) => (custom.instant)(),
        }
    }
}

impl Fixed {
    fn advanced(&self) -> Duration {
        Duration::from_millis(self.advanced.load(Ordering::SeqCst))
    }
}

/// A clock before 1970 or beyond 64 bits makes every expiring secret expire: it fails closed.
fn system_seconds() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or(i64::MAX)
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Readings::System => "Clock::system",
            Readings::Fixed(_) => "Clock::fixed",
            Readings::Custom(_) => "Clock::new",
        })
    }
}
