//! What is counted and timed, and what is written.

use std::time::{Duration, Instant};

use http::StatusCode;
use metrics::{Counter, Histogram, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tower_client_auth::{
    BoxError, ErrorKind, Outcome, mutual_tls::ClientCertificate, throttle::PeerAddress,
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Registry, filter::Targets, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use crate::{answer::Refusal, escape::Escaped, wording};
use example_support::{Peer, cut};

/// In seconds: an answer from memory takes under a millisecond, a slow upstream half a minute.
const BUCKETS: [f64; 12] =
    [0.000_1, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0, 30.0];

/// Begins to count. What is counted before is not.
pub(crate) fn count() -> Result<PrometheusHandle, BoxError> {
    let seconds = Matcher::Suffix("_duration_seconds".to_owned());
    let recorder =
        PrometheusBuilder::new().set_buckets_for_metric(seconds, &BUCKETS)?.install_recorder()?;
    tower_client_auth::metrics::enable();
    let counted = "Requests by route and class of status";
    metrics::describe_counter!("gateway_requests_total", Unit::Count, counted);
    metrics::describe_histogram!(
        "gateway_request_duration_seconds",
        Unit::Seconds,
        "Until the head of the answer, by route"
    );
    metrics::describe_counter!(
        "gateway_upstream_failures_total",
        Unit::Count,
        "Upstreams that did not answer, by route and reason"
    );
    metrics::describe_gauge!("gateway_connections", Unit::Count, "Open connections of callers");
    metrics::describe_counter!(
        "gateway_connections_refused_total",
        Unit::Count,
        "Connections that were closed at once, by the limit that was reached"
    );
    metrics::describe_counter!("gateway_reloads_total", Unit::Count, "Configurations by result");
    metrics::describe_counter!(
        "gateway_clients_reads_total",
        Unit::Count,
        "Files of clients that had changed, by result"
    );
    Ok(recorder)
}

/// What is told of a route.
pub(crate) struct Measured {
    /// By the first digit of the status.
    answers: [Counter; 5],
    duration: Histogram,
}

impl Measured {
    pub(crate) fn new(route: &str) -> Self {
        let answers = ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|status| {
            metrics::counter!("gateway_requests_total", "route" => route.to_owned(), "status" => status)
        });
        let duration =
            metrics::histogram!("gateway_request_duration_seconds", "route" => route.to_owned());
        Self { answers, duration }
    }

    pub(crate) fn note(&self, status: StatusCode, began: Instant) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.answers.get(class) {
            counter.increment(1);
        }
        self.duration.record(began.elapsed());
    }
}

/// Of an upstream, by reason.
pub(crate) struct Failures([(&'static str, Counter); 4]);

impl Failures {
    pub(crate) fn new(route: &str) -> Self {
        let refusals = [Refusal::DOWN, Refusal::NO_ANSWER, Refusal::LATE, Refusal::BUSY];
        Self(refusals.map(|Refusal { reason, .. }| {
            let counter = metrics::counter!("gateway_upstream_failures_total", "route" => route.to_owned(), "reason" => reason);
            (reason, counter)
        }))
    }

    pub(crate) fn count(&self, refusal: Refusal) {
        let counter = self.0.iter().find(|(reason, _)| *reason == refusal.reason);
        if let Some((_, counter)) = counter {
            counter.increment(1);
        }
    }
}

const fn result(succeeded: bool) -> &'static str {
    if succeeded { "success" } else { "failure" }
}

pub(crate) fn reloaded(succeeded: bool) {
    metrics::counter!("gateway_reloads_total", "result" => result(succeeded)).increment(1);
}

pub(crate) fn clients_read(succeeded: bool) {
    metrics::counter!("gateway_clients_reads_total", "result" => result(succeeded)).increment(1);
}

/// Changes what is logged.
pub(crate) struct Level(reload::Handle<Targets, Registry>);

fn targets(level: LevelFilter) -> Targets {
    // The layer's own events say less: they do not know the route, nor who called.
    Targets::new().with_default(level).with_target("tower_client_auth", LevelFilter::OFF)
}

impl Level {
    /// Begins to write JSON to stderr, a line for each event.
    pub(crate) fn log() -> Result<Self, BoxError> {
        let (filter, handle) = reload::Layer::new(targets(LevelFilter::INFO));
        let lines = tracing_subscriber::fmt::layer().json().flatten_event(true);
        let lines = lines.with_current_span(false).with_span_list(false);
        tracing_subscriber::registry()
            .with(filter)
            .with(lines.with_writer(|| Escaped(std::io::stderr())))
            .try_init()?;
        Ok(Self(handle))
    }

    pub(crate) fn set(&self, level: LevelFilter) {
        // It fails when nothing is logged any more.
        let _ended = self.0.reload(targets(level));
    }
}

/// One line for a request that was refused: why, and who it said that it was. The id, as the path, is what the caller
/// sent: it is cut, and escaped where it is written. `caller` tells the address of one behind a proxy.
pub(crate) fn log_refusal(route: &str, caller: Option<&PeerAddress>, outcome: &Outcome<'_>) {
    let Some(error) = outcome.error() else { return };
    let cause = error.causes().map(|causes| wording::own(causes.to_string()));
    let head = outcome.request();
    let peer = head.extensions.get::<Peer>().map(|peer| peer.0.to_string());
    let address = caller.map(|caller| match caller.of(head) {
        Some(address) => address.to_string(),
        None => "unknown".to_owned(),
    });
    let client_id = outcome.client_id().map(cut);
    let method = outcome.method().map(|method| method.as_str());
    let registered_method = outcome.registered_method().map(|method| method.as_str());
    let (reason, path) = (error.kind().as_str(), cut(head.uri.path()));
    let status = error.status().as_u16();
    // Anybody can have one made with any name.
    let presented =
        outcome.certificate().filter(|_| matches!(error.kind(), ErrorKind::Certificate(_)));
    let subject = presented.map(ClientCertificate::subject);
    let certificate = presented.map(ClientCertificate::thumbprint);
    let certificate_subject = subject.as_deref().map(cut);
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                route,
                reason,
                status,
                client_id,
                method,
                registered_method,
                cause,
                certificate,
                certificate_subject,
                peer,
                address,
                path,
                "refused"
            )
        };
    }
    if error.is_internal() { event!(error) } else { event!(info) }
}

/// One line for a request that the gateway refuses itself, so that nobody has looked who calls.
pub(crate) fn log_own_refusal(refusal: Refusal, route: Option<&str>, head: &http::request::Parts) {
    let peer = head.extensions.get::<Peer>().map(|peer| peer.0.to_string());
    let (reason, path) = (refusal.reason, cut(head.uri.path()));
    tracing::info!(route, reason, status = refusal.status().as_u16(), peer, path, "refused");
}

/// How often the exporter moves what was recorded from its buffers.
pub(crate) const UPKEEP: Duration = Duration::from_secs(5);
