//! Counts and times the decisions, for the recorder of the application.

use std::{cell::RefCell, ptr};

use metrics::{
    Counter, Key, Label, Unit, describe_counter, describe_gauge, describe_histogram, with_recorder,
};

use crate::{isolate::meter, layer::outcome::Outcome};

const ATTEMPTS: &str = "client_auth_attempts_total";

type Labels = [&'static str; 2];

thread_local! {
    /// By method and reason, of which there are some hundred pairs and few that occur: those that do come to
    /// the front. It spares a look-up in the recorder, and is no memory that all cores write to.
    static COUNTERS: RefCell<Vec<(Labels, Counter)>> = const { RefCell::new(Vec::new()) };
}

/// Starts to record what the layers, caches, pools and stores of this process do, for the recorder of the
/// crate [`metrics`](https://docs.rs/metrics). Call it after that was installed and before the first
/// request. Default: nothing is recorded.
///
/// The labels are few, and never come from a caller. `method` is that of
/// [`Outcome::method`](crate::Outcome::method), or `unknown`; `reason` is `success` or
/// [`ErrorKind::as_str`](crate::ErrorKind::as_str).
///
/// | Name | Labels | |
/// |---|---|---|
/// | `client_auth_attempts_total` | `method`, `reason` | decisions |
/// | `client_auth_lookup_duration_seconds` | | time that the provider took |
/// | `client_auth_verification_duration_seconds` | `work`: `hash`, `signature` | time to compute one, without the queue |
/// | `client_auth_pool_requests` | `client`: `known`, `unknown`, `waiting` | requests that are computed or queued |
/// | `client_auth_pool_refusals_total` | | requests for which the pool had no room |
/// | `client_auth_fetch_duration_seconds` | `document`: `jwks`, `metadata_documents`; `outcome`: `success`, `failure` | time of a fetch |
/// | `client_auth_cache_requests_total` | `cache`: `clients`, `jwks`, `metadata_documents`; `result`: `hit`, `miss`, `stale` | look-ups in a cache; one that is `stale` was a `miss` before |
/// | `client_auth_cache_entries` | `cache`: also `unknown_clients` | entries of the cache that changed last |
/// | `client_auth_replay_claim_duration_seconds` | `result`: `new`, `replayed`, `failed` | time that the replay store took |
/// | `client_auth_replay_entries` | | entries of the `MemoryReplayStore` that changed last |
/// | `client_auth_throttle_local_checks_total` | | attempts that a `RedisThrottle` judged without Redis |
/// | `client_auth_throttle_lost_failures_total` | | failures that it could not tell Redis |
///
/// A panic of the recorder harms no request. With the exporter for Prometheus a request costs about 120 ns more: 20
/// for two readings of the processor's counter, 60 for the exporter. What it counts in is memory that all cores write to.
///
/// # Examples
///
/// ```
/// // A recorder, such as `PrometheusBuilder::new().install()?` of `metrics-exporter-prometheus`. Then:
/// tower_client_auth::metrics::enable();
/// ```
pub fn enable() {
    describe_counter!(ATTEMPTS, Unit::Count, "Decisions, by method and by reason of the refusal");
    describe_histogram!(
        "client_auth_lookup_duration_seconds",
        Unit::Seconds,
        "Time that the provider took"
    );
    describe_histogram!(
        "client_auth_verification_duration_seconds",
        Unit::Seconds,
        "Time to compute a hash or a signature, without the queue"
    );
    describe_gauge!(
        "client_auth_pool_requests",
        Unit::Count,
        "Requests whose hash or signature is computed or queued"
    );
    describe_counter!(
        "client_auth_pool_refusals_total",
        Unit::Count,
        "Requests for which the pool had no room"
    );
    describe_histogram!(
        "client_auth_fetch_duration_seconds",
        Unit::Seconds,
        "Time of a fetch of keys or of a metadata document"
    );
    describe_counter!(
        "client_auth_cache_requests_total",
        Unit::Count,
        "Look-ups in a cache, by their result"
    );
    describe_gauge!("client_auth_cache_entries", Unit::Count, "Entries of a cache");
    describe_histogram!(
        "client_auth_replay_claim_duration_seconds",
        Unit::Seconds,
        "Time that the replay store took"
    );
    describe_gauge!(
        "client_auth_replay_entries",
        Unit::Count,
        "Assertions that the replay store in memory holds"
    );
    describe_counter!(
        "client_auth_throttle_local_checks_total",
        Unit::Count,
        "Attempts that were judged by what this process has seen alone, without Redis"
    );
    describe_counter!(
        "client_auth_throttle_lost_failures_total",
        Unit::Count,
        "Failures that were not noted in Redis"
    );
    meter::enable();
}

pub(crate) fn decision(outcome: &Outcome<'_>) {
    let method = outcome.method().map_or("unknown", |method| method.as_str());
    let reason = outcome.error().map_or("success", |error| error.kind().as_str());
    // While a thread ends there is none.
    let _counted = COUNTERS.try_with(|counters| {
        let labels = [method, reason];
        // What a recorder does may come back here.
        let Ok(mut counters) = counters.try_borrow_mut() else {
            return register(labels).increment(1);
        };
        match find(&mut counters, labels) {
            Some(counter) => counter.increment(1),
            None => {
                let counter = register(labels);
                counter.increment(1);
                counters.push((labels, counter));
            }
        }
    });
}

fn register([method, reason]: Labels) -> Counter {
    let labels = vec![
        Label::from_static_parts("method", method),
        Label::from_static_parts("reason", reason),
    ];
    let key = Key::from_parts(ATTEMPTS, labels);
    with_recorder(|recorder| recorder.register_counter(&key, &meter::METADATA))
}

fn find(counters: &mut [(Labels, Counter)], labels: Labels) -> Option<&Counter> {
    // A text that is there twice has the same counter twice.
    let is_it = |it: &Labels| it.iter().zip(labels).all(|(text, label)| ptr::eq(*text, label));
    let place = counters.iter().position(|(it, _)| is_it(it))?;
    let before = place.saturating_sub(1);
    counters.swap(before, place);
    counters.get(before).map(|(_, counter)| counter)
}
