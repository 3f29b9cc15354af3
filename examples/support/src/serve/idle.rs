//! Connections that nobody uses.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use hyper_util::server::graceful::GracefulConnection;
use tokio::time::{Instant, sleep};

use super::eager::Resting;

/// The requests of a connection.
#[derive(Clone, Default)]
pub(super) struct Requests(Arc<Counts>);

#[derive(Default)]
struct Counts {
    /// How many there are now.
    now: AtomicUsize,
    /// How many there have been.
    ever: AtomicUsize,
    /// Whether they are streams of HTTP/2.
    are_streams: AtomicBool,
    /// Whether an answer was left that nothing ends but the end of the connection.
    is_left: AtomicBool,
}

impl Requests {
    /// One that is there until it is dropped.
    pub(super) fn begin(&self) -> Begun {
        self.0.now.fetch_add(1, Ordering::Relaxed);
        self.0.ever.fetch_add(1, Ordering::Relaxed);
        Begun(Arc::clone(&self.0))
    }

    /// They are streams of HTTP/2.
    #[cfg(feature = "http2")]
    pub(super) fn stream(&self) {
        self.0.are_streams.store(true, Ordering::Relaxed);
    }

    /// Ends the connection, for one of them whose answer was left, when the others are done.
    #[cfg(feature = "http2")]
    pub(super) fn leave(&self) {
        self.0.is_left.store(true, Ordering::Relaxed);
    }

    /// Whether the connection is one that hyper does not end by itself. It does with HTTP/1.1, which may have no request any
    /// more while the last bytes of an answer are still to be written, or those of an upload to be read.
    fn may_be_idle(&self) -> bool {
        self.0.now.load(Ordering::Relaxed) == 0
            && (self.0.are_streams.load(Ordering::Relaxed)
                || self.0.ever.load(Ordering::Relaxed) == 0)
    }
}

pub(super) struct Begun(Arc<Counts>);

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The times that a connection has.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// For which it may have no request.
    pub(super) idle: Duration,
    /// Until it is cut off when it had none.
    pub(super) last: Duration,
    /// Until it is cut off when an answer was left, whatever requests it has.
    pub(super) left: Duration,
}

/// Runs a connection until it ends. It is asked to end when it is `told` to, when it had no request for `idle`, or twice that,
/// and when an answer was left; a peer of HTTP/2 may not care, and is cut off `last` later, or when it has no request again.
pub(super) async fn run<C: GracefulConnection>(
    connection: C,
    requests: Requests,
    told: impl Future<Output = ()>,
    times: Times,
) {
    let mut connection = pin!(connection);
    let mut told = pin!(Resting::new(told));
    let mut idle = pin!(sleep(times.idle));
    let (mut is_told, mut is_last, mut seen) = (false, false, 0);
    let mut end = None;
    poll_fn(|context| {
        loop {
            if connection.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            if !is_told && told.as_mut().poll(context).is_ready() {
                is_told = true;
            // While there are requests nobody asks. Pings of HTTP/2 come between, so that it is asked again.
            } else if end.is_none() && requests.0.is_left.load(Ordering::Relaxed) {
                let now = Instant::now();
                end = Some(now + times.left);
                is_last = true;
                idle.as_mut().reset(now + times.last);
            } else if end.is_some_and(|end| end <= Instant::now()) {
                return Poll::Ready(());
            } else if requests.may_be_idle() && idle.as_mut().poll(context).is_ready() {
                let ever = requests.0.ever.load(Ordering::Relaxed);
                if is_last {
                    return Poll::Ready(());
                }
                is_last = ever == seen;
                seen = ever;
                let next = if is_last { times.last } else { times.idle };
                idle.as_mut().reset(Instant::now() + next);
                if !is_last {
                    continue;
                }
            } else {
                return Poll::Pending;
            }
            connection.as_mut().graceful_shutdown();
        }
    })
    .await;
}

#[cfg(test)]
#[cfg(feature = "http2")]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::{convert::Infallible, future::pending};

    use bytes::Bytes;
    use http_body_util::{BodyExt, Empty, Full};
    use hyper::{Request, Response, body::Incoming, client::conn::http2, service::service_fn};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        sync::mpsc,
        task::JoinHandle,
    };

    use crate::serve::{HEAD, LAST, serve_connection};

    use super::*;

    const SEND: Duration = Duration::from_secs(3600);

    /// A connection whose requests take so long.
    fn connected(
        answer: Duration,
        told: impl Future<Output = ()> + Send + 'static,
    ) -> (DuplexStream, JoinHandle<Instant>) {
        let (stream, peer) = duplex(64 * 1024);
        let service = service_fn(move |_request: Request<Incoming>| async move {
            sleep(answer).await;
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        });
        let ended = tokio::spawn(async move {
            serve_connection(stream, service, SEND, told).await;
            Instant::now()
        });
        (peer, ended)
    }

    async fn caller(peer: DuplexStream) -> http2::SendRequest<Empty<Bytes>> {
        let builder = http2::Builder::new(TokioExecutor::new());
        let (requests, connection) = builder.handshake(TokioIo::new(peer)).await.unwrap();
        tokio::spawn(connection);
        requests
    }

    #[tokio::test(start_paused = true)]
    async fn connection_that_never_had_a_request_ends() {
        let began = Instant::now();
        let (peer, ended) = connected(Duration::ZERO, pending());
        let caller = caller(peer).await;
        assert_eq!((ended.await.unwrap() - began).as_secs(), HEAD.as_secs());
        drop(caller);
    }

    #[tokio::test(start_paused = true)]
    async fn connection_ends_when_it_had_no_request_for_a_while() {
        let began = Instant::now();
        let (peer, ended) = connected(Duration::ZERO, pending());
        let mut caller = caller(peer).await;
        sleep(HEAD / 2).await;
        let answer = caller.send_request(Request::new(Empty::new())).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "");
        assert_eq!((ended.await.unwrap() - began).as_secs(), 2 * HEAD.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn connection_stays_for_as_long_as_it_has_a_request() {
        let long = HEAD * 20;
        let (peer, ended) = connected(long, pending());
        let mut caller = caller(peer).await;
        let answer = caller.send_request(Request::new(Empty::new())).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(!ended.is_finished());
        drop(answer);
        let answered = Instant::now();
        assert!(ended.await.unwrap() - answered <= 2 * HEAD);
    }

    /// Says nothing but that it speaks HTTP/2, and takes no notice of what it is told.
    async fn deaf(mut peer: DuplexStream) -> Instant {
        peer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        peer.read_to_end(&mut Vec::new()).await.unwrap();
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn peer_that_does_not_end_an_idle_connection_is_cut_off() {
        let began = Instant::now();
        let (peer, _ended) = connected(Duration::ZERO, pending());
        assert_eq!((deaf(peer).await - began).as_secs(), (HEAD + LAST).as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn peer_that_does_not_end_a_connection_when_it_is_told_to_is_cut_off() {
        let began = Instant::now();
        let (peer, _ended) = connected(Duration::ZERO, sleep(Duration::from_secs(1)));
        assert_eq!((deaf(peer).await - began).as_secs(), (HEAD + LAST).as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn connection_ends_at_once_when_it_is_told_to() {
        let began = Instant::now();
        let (peer, ended) = connected(Duration::ZERO, sleep(Duration::from_secs(1)));
        let caller = caller(peer).await;
        assert_eq!((ended.await.unwrap() - began).as_secs(), 1);
        drop(caller);
    }

    /// All that a caller of HTTP/1.1 gets.
    async fn read_to_end(mut peer: DuplexStream) -> Vec<u8> {
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn last_bytes_of_an_answer_wait_for_who_reads_slowly() {
        const BODY: [u8; 8000] = [7; 8000];
        let (stream, mut peer) = duplex(1024);
        let service = service_fn(|_request: Request<Incoming>| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(&BODY))))
        });
        tokio::spawn(serve_connection(stream, service, SEND, pending()));
        peer.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        sleep(4 * HEAD).await;
        let answer = read_to_end(peer).await;
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
        assert!(answer.ends_with(&BODY));
    }

    #[tokio::test(start_paused = true)]
    async fn upload_goes_on_beside_the_answer_to_it() {
        let (stream, mut peer) = duplex(1024);
        let (uploaded, mut uploads) = mpsc::unbounded_channel();
        let service = service_fn(move |request: Request<Incoming>| {
            let (mut upload, uploaded) = (request.into_body(), uploaded.clone());
            tokio::spawn(async move {
                while let Some(Ok(frame)) = upload.frame().await {
                    uploaded.send(frame.into_data().unwrap()).unwrap();
                }
            });
            async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
        });
        tokio::spawn(serve_connection(stream, service, SEND, pending()));
        let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\n";
        peer.write_all(head).await.unwrap();
        for part in ["one ", "more"] {
            peer.write_all(part.as_bytes()).await.unwrap();
            assert_eq!(uploads.recv().await.unwrap(), part);
            sleep(4 * HEAD).await;
        }
        assert!(read_to_end(peer).await.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn connection_of_http_1_ends_when_it_had_no_request_for_a_while() {
        let began = Instant::now();
        let (mut peer, ended) = connected(Duration::ZERO, pending());
        peer.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert_eq!((ended.await.unwrap() - began).as_secs(), HEAD.as_secs());
        assert!(read_to_end(peer).await.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
}
