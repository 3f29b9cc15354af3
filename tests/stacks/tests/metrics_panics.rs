//! A recorder that panics. In a program of its own, because the recorder is one for the process.

#![cfg(feature = "metrics")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::{convert::Infallible, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use metrics::{
    Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use tower::{ServiceExt, service_fn};
use tower_client_auth::{
    ClientAuthLayer, ClientSecret, RegisteredClient,
    provider::{CachedProvider, MemoryProvider},
};

const HASH: &str = "$pbkdf2-sha256$i=1000,l=32$c2FsdCBvZiBhIHRlc3QuLg$\
    pcrUp7eIW1wzpef1ou8QB3TtBxqcmRaMMZkReqGErUA";

/// Panics where a metric is registered, and gauges where they are set.
struct Broken;

impl Recorder for Broken {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        panic!("no counters")
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Self))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("no histograms")
    }
}

impl GaugeFn for Broken {
    fn increment(&self, _: f64) {
        panic!("no more")
    }

    fn decrement(&self, _: f64) {
        panic!("no less")
    }

    fn set(&self, _: f64) {
        panic!("not this")
    }
}

#[tokio::test]
async fn panicking_recorder_harms_no_request() {
    metrics::set_global_recorder(Broken).unwrap();
    tower_client_auth::metrics::enable();
    let clients: MemoryProvider<()> = [
        RegisteredClient::secret_basic("basic", [ClientSecret::sha256_of("s3cr3t")], ()),
        RegisteredClient::secret_basic("hashed", [ClientSecret::phc(HASH).unwrap()], ()),
    ]
    .into_iter()
    .collect();
    let layer = ClientAuthLayer::new(CachedProvider::new(clients)).headers_only().unwrap();
    let answer = async |_| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()));
    let service = tower::ServiceBuilder::new().layer(layer).service(service_fn(answer));
    for (pair, status) in
        [("basic:s3cr3t", 200), ("basic:wrong", 401), ("hashed:wrong", 401), ("nobody:x", 401)]
    {
        let value = format!("Basic {}", STANDARD.encode(pair));
        let request = Request::post("/").header("authorization", value).body(Empty::<Bytes>::new());
        let response = service.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{pair}");
    }
}
