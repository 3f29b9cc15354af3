//! What operators ask for, on an address of their own: callers must not read it.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::{answer::document, routes::Current};

const TEXT: &str = "text/plain; charset=utf-8";

#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) metrics: PrometheusHandle,
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) current: Current,
}

impl Admin {
    pub(crate) async fn serve(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(self.answer(request.uri().path()))
    }

    fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        match path {
            "/metrics" => document("text/plain; version=0.0.4", self.metrics.render()),
            "/healthz" => document(TEXT, "alive\n"),
            "/readyz" if self.ready.load(Ordering::Acquire) => document(TEXT, "ready\n"),
            "/readyz" => {
                let mut answer = document(TEXT, "stopping\n");
                *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                answer
            }
            crate::routes::JWKS => {
                let jwks = self.current.load().jwks();
                jwks.map_or_else(not_found, |jwks| document("application/jwk-set+json", jwks))
            }
            _ => not_found(),
        }
    }
}

fn not_found() -> Response<Full<Bytes>> {
    let mut answer = document(TEXT, "not found\n");
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}
