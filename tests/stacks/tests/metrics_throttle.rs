//! What a recorder is told while the Redis of a throttle is out of order. In a program of its own, because the recorder
//! is one for the process.

#![cfg(feature = "metrics")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    convert::Infallible,
    future::ready,
    net::{IpAddr, Ipv4Addr},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, Value, aio::ConnectionLike};
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{
    ClientAuthLayer, ClientMetadata,
    provider::MemoryProvider,
    throttle::{FailureThrottle, PeerAddress, RedisThrottle},
};

#[derive(Clone)]
struct OutOfOrder;

impl OutOfOrder {
    fn error<T: Send + 'static>() -> RedisFuture<'static, T> {
        Box::pin(ready(Err(RedisError::from((ErrorKind::Io, "out of order")))))
    }
}

impl ConnectionLike for OutOfOrder {
    fn req_packed_command<'a>(&'a mut self, _: &'a Cmd) -> RedisFuture<'a, Value> {
        Self::error()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Self::error()
    }

    fn get_db(&self) -> i64 {
        0
    }
}

#[tokio::test]
async fn redis_that_is_down_is_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    tower_client_auth::metrics::enable();

    let peer = PeerAddress::from_extension(|peer: &IpAddr| *peer);
    let throttle = RedisThrottle::new(OutOfOrder, FailureThrottle::new(peer));
    let service = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new())
        .throttle(throttle)
        .layer(service_fn(|_request| {
            ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::new()))))
        }));
    for _ in 0..3 {
        let request = Request::post("/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .extension(IpAddr::from(Ipv4Addr::LOCALHOST))
            .body(Full::new(Bytes::from_static(b"client_id=nobody")))
            .unwrap();
        let answer = service.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }

    let counted = snapshotter.snapshot().into_vec().into_iter();
    let counted = counted.map(|(key, _, _, value)| (key.key().name().to_owned(), value));
    let mut counted: Vec<_> = counted.filter(|(name, _)| name.contains("throttle")).collect();
    counted.sort_by(|(one, _), (other, _)| one.cmp(other));
    let expected = [
        ("client_auth_throttle_local_checks_total".to_owned(), DebugValue::Counter(3)),
        ("client_auth_throttle_lost_failures_total".to_owned(), DebugValue::Counter(3)),
    ];
    assert_eq!(counted, expected);
}
