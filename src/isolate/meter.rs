//! What is counted and timed, for the recorder of the application, whose panics harm nobody.
//!
//! Each metric is a static of the file that records it, so that nothing is handed through: the recorder
//! is one for the process, too. Nothing is recorded before [`enable`], and without the feature `metrics`
//! nothing is left of it.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use metrics::{Key, Label, Level, Metadata};
// It reads the counter of the processor, in a third of the time that the clock of the system takes.
use quanta::Instant;

use crate::isolate::guard;

static ON: AtomicBool = AtomicBool::new(false);

pub(crate) const METADATA: Metadata<'static> =
    Metadata::new("tower_client_auth", Level::INFO, None);

/// A metric with labels that never come from a caller. Its handle is asked for once.
pub(crate) struct Meter<H> {
    key: Key,
    handle: OnceLock<H>,
}

pub(crate) type Counter = Meter<metrics::Counter>;
pub(crate) type Gauge = Meter<metrics::Gauge>;
pub(crate) type Histogram = Meter<metrics::Histogram>;

/// `meter!("name", "label" => "value", …)`, for a static.
macro_rules! meter {
    ($name:literal $(, $label:literal => $value:literal)*) => {{
        static LABELS: &[::metrics::Label] =
            &[$(::metrics::Label::from_static_parts($label, $value)),*];
        $crate::isolate::meter::Meter::new($name, LABELS)
    }};
}
pub(crate) use meter;

pub(crate) fn enable() {
    // The first reading compares the two, which takes longer than a request may.
    let _compared = guard::call(Instant::now);
    ON.store(true, Ordering::Relaxed);
}

#[inline]
pub(crate) fn is_enabled() -> bool {
    ON.load(Ordering::Relaxed)
}

/// When something began, if anybody wants to know how long it takes.
pub(crate) type Start = Option<Instant>;

#[inline]
pub(crate) fn start() -> Start {
    is_enabled().then(Instant::now)
}

/// Which of them are used depends on the features.
const _: () = {
    let _used =
        (Counter::increment, Gauge::increment, Gauge::decrement, Gauge::set::<fn() -> usize>);
};

impl<H> Meter<H> {
    pub(crate) const fn new(name: &'static str, labels: &'static [Label]) -> Self {
        Self { key: Key::from_static_parts(name, labels), handle: OnceLock::new() }
    }

    #[inline]
    fn record(
        &self,
        register: impl FnOnce(&dyn metrics::Recorder, &Key) -> H,
        record: impl FnOnce(&H),
    ) {
        if is_enabled() {
            let _recorded = guard::call(|| {
                record(self.handle.get_or_init(|| {
                    metrics::with_recorder(|recorder| register(recorder, &self.key))
                }));
            });
        }
    }
}

impl Counter {
    #[inline]
    pub(crate) fn increment(&self) {
        self.record(
            |recorder, key| recorder.register_counter(key, &METADATA),
            |counter| counter.increment(1),
        );
    }
}

impl Gauge {
    #[inline]
    fn change(&self, change: impl FnOnce(&metrics::Gauge)) {
        self.record(|recorder, key| recorder.register_gauge(key, &METADATA), change);
    }

    pub(crate) fn increment(&self) {
        self.change(|gauge| gauge.increment(1));
    }

    pub(crate) fn decrement(&self) {
        self.change(|gauge| gauge.decrement(1));
    }

    /// More than 2^32 of anything are as many.
    pub(crate) fn set<F: FnOnce() -> usize>(&self, value: F) {
        self.change(|gauge| gauge.set(u32::try_from(value()).unwrap_or(u32::MAX)));
    }
}

impl Histogram {
    #[inline]
    pub(crate) fn record_duration(&self, duration: Duration) {
        self.record(
            |recorder, key| recorder.register_histogram(key, &METADATA),
            |histogram| histogram.record(duration),
        );
    }

    /// How long it has been since the [`start`].
    #[inline]
    pub(crate) fn record_since(&self, start: Start) {
        if let Some(start) = start {
            self.record_duration(start.elapsed());
        }
    }
}
