//! What is counted of one kind of documents.

use crate::isolate::meter::{Counter, Gauge, Histogram, meter};

pub(crate) struct Meters {
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
    /// Past their lifetime, in an outage.
    pub(crate) stale: Counter,
    pub(crate) entries: Gauge,
    pub(crate) fetched: Histogram,
    pub(crate) failed: Histogram,
}

macro_rules! meters {
    ($documents:literal) => {
        Meters {
            hits: meter!("client_auth_cache_requests_total", "cache" => $documents, "result" => "hit"),
            misses: meter!("client_auth_cache_requests_total", "cache" => $documents, "result" => "miss"),
            stale: meter!("client_auth_cache_requests_total", "cache" => $documents, "result" => "stale"),
            entries: meter!("client_auth_cache_entries", "cache" => $documents),
            fetched: meter!("client_auth_fetch_duration_seconds", "document" => $documents, "outcome" => "success"),
            failed: meter!("client_auth_fetch_duration_seconds", "document" => $documents, "outcome" => "failure"),
        }
    };
}

pub(crate) static JWKS: Meters = meters!("jwks");
#[cfg(feature = "metadata-documents")]
pub(crate) static METADATA_DOCUMENTS: Meters = meters!("metadata_documents");
