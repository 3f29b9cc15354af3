//! Asks, and takes the time.

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_client_auth::{ClientAuthLayer, ClientProvider, body::RequestBody};

use crate::support::work::Frames;

/// Asks so many times, and says how long that took.
pub(super) type Run = Box<dyn FnMut(usize) -> Duration>;
type Ask = Box<dyn FnMut(Request<Frames>) -> StatusCode>;

pub(super) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "nothing can be measured without")]
    Builder::new_current_thread().enable_all().build().expect("a runtime")
});

/// What is there is not waited for; what is computed on another thread, is.
pub(super) fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => RUNTIME.block_on(future),
    }
}

/// From here to the end valgrind counts.
#[inline(never)]
pub(super) fn counted(ask: &mut Ask, request: Request<Frames>) -> StatusCode {
    std::hint::black_box(ask)(std::hint::black_box(request))
}

pub(super) async fn inner(
    _: Request<RequestBody<Frames>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("ok")))
}

pub(super) fn one_by_one<P>(
    layer: ClientAuthLayer<P>,
    request: impl Fn() -> Request<Frames> + 'static,
    expected: StatusCode,
) -> Run
where
    P: ClientProvider + 'static,
{
    let mut service = layer.layer(service_fn(inner));
    let mut ask: Ask = Box::new(move |request| {
        let Ok(()) = wait(std::future::poll_fn(|cx| {
            Service::<Request<Frames>>::poll_ready(&mut service, cx)
        }));
        let Ok(response) = wait(service.call(request));
        let status = response.status();
        let mut body = pin!(response.into_body());
        while let Some(Ok(frame)) = wait(std::future::poll_fn(|cx| body.as_mut().poll_frame(cx))) {
            std::hint::black_box(frame.data_ref());
        }
        status
    });
    Box::new(move |calls| {
        let batch: Vec<_> = (0..calls).map(|_| request()).collect();
        let start = Instant::now();
        for request in batch {
            assert_eq!(counted(&mut ask, request), expected);
        }
        start.elapsed()
    })
}

/// All at the same time, as a server that waits for Redis has them: what is measured is what they cost, not how
/// long one of them waits.
pub(super) fn at_once<P>(
    layer: ClientAuthLayer<P>,
    request: impl Fn() -> Request<Frames> + 'static,
) -> Run
where
    P: ClientProvider + 'static,
{
    let service = layer.layer(service_fn(inner));
    Box::new(move |calls| {
        let batch: Vec<_> = (0..calls).map(|_| request()).collect();
        let start = Instant::now();
        RUNTIME.block_on(async {
            let mut asked = tokio::task::JoinSet::new();
            for request in batch {
                asked.spawn(service.clone().oneshot(request));
            }
            while let Some(answer) = asked.join_next().await {
                assert!(matches!(answer, Ok(Ok(response)) if response.status() == StatusCode::OK));
            }
        });
        start.elapsed()
    })
}
