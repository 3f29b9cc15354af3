//! A deadline for the streams of a connection of HTTP/2, whose callers may read some of them and not others.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

tokio::task_local! {
    /// When the caller of this stream took something last, while there is more that it could take.
    static TAKEN: Cell<Option<Instant>>;
}

fn note(taken: Option<Instant>) {
    // A connection of HTTP/1.1 is no stream. `Sending` watches it.
    let _not_watched = TAKEN.try_with(|last| last.set(taken));
}

/// Runs the streams of connections, and ends those of which nothing is taken for `limit`.
#[derive(Clone, Copy)]
pub(super) struct Streams {
    pub(super) limit: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let stream = Stream { stream, limit: self.limit, deadline: None };
        tokio::spawn(TAKEN.scope(Cell::new(None), stream));
    }
}

pin_project! {
    /// A stream. It is reset when it is dropped before its end.
    struct Stream<F> {
        #[pin]
        stream: F,
        limit: Duration,
        deadline: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future<Output = ()>> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.stream.poll(context).is_ready() {
            return Poll::Ready(());
        }
        let Some(taken) = TAKEN.with(Cell::get) else { return Poll::Pending };
        let end = taken + *this.limit;
        let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if deadline.deadline() != end {
            deadline.as_mut().reset(end);
        }
        deadline.as_mut().poll(context)
    }
}

pin_project! {
    /// The body of an answer, which notes when something of it is taken.
    pub(super) struct Taken<B> {
        #[pin]
        body: B,
    }
}

impl<B> Taken<B> {
    pub(super) const fn new(body: B) -> Self {
        Self { body }
    }
}

impl<B: Body> Body for Taken<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        // It is the caller who waits.
        note(None);
        let frame = ready!(self.project().body.poll_frame(context));
        note(Some(Instant::now()));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{Arc, Mutex},
    };

    use bytes::Bytes;
    use http_body_util::{BodyExt, Empty};
    use hyper::{
        Request, Response, body::Incoming, client::conn::http2, http::Version, service::service_fn,
    };
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::{
        io::duplex,
        time::{sleep, timeout},
    };

    use super::*;
    use crate::serve::connection;

    const LIMIT: Duration = Duration::from_secs(60);

    /// Answers without an end, each part a while after the one before, and notes when it is given up.
    struct Endless {
        pause: Duration,
        next: Pin<Box<Sleep>>,
        ended: Arc<Mutex<Vec<Instant>>>,
    }

    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            ready!(self.next.as_mut().poll(context));
            self.next = Box::pin(sleep(self.pause));
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 1000])))))
        }
    }

    impl Drop for Endless {
        fn drop(&mut self) {
            self.ended.lock().unwrap().push(Instant::now());
        }
    }

    struct Caller {
        requests: http2::SendRequest<Empty<Bytes>>,
        /// When answers were given up.
        ended: Arc<Mutex<Vec<Instant>>>,
    }

    impl Caller {
        /// Which takes as much of an answer before it is read, of one with this pause between its parts.
        async fn new(window: u32, pause: Duration) -> Self {
            let (stream, peer) = duplex(64 * 1024);
            let ended = Arc::default();
            let noted = Arc::clone(&ended);
            let service = service_fn(move |_request: Request<Incoming>| {
                let next = Box::pin(sleep(Duration::ZERO));
                let body = Endless { pause, next, ended: Arc::clone(&noted) };
                async move { Ok::<_, Infallible>(Response::new(body)) }
            });
            let connection = connection(stream, service, LIMIT);
            tokio::spawn(async move { connection.await.is_ok() });
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.initial_stream_window_size(window);
            let (requests, connection) = builder.handshake(TokioIo::new(peer)).await.unwrap();
            tokio::spawn(connection);
            Self { requests, ended }
        }

        async fn get(&mut self) -> Incoming {
            let request = Request::new(Empty::new());
            let answer = self.requests.send_request(request).await.unwrap();
            assert_eq!(answer.version(), Version::HTTP_2);
            answer.into_body()
        }

        fn ended(&self) -> Vec<Instant> {
            self.ended.lock().unwrap().clone()
        }
    }

    async fn read(answer: &mut Incoming) -> Result<usize, hyper::Error> {
        let frame = answer.frame().await.unwrap()?;
        Ok(frame.into_data().unwrap().len())
    }

    #[tokio::test(start_paused = true)]
    async fn stream_that_is_not_read_is_reset_and_the_others_go_on() {
        let mut caller = Caller::new(5_000, Duration::from_secs(1)).await;
        let (mut unread, mut other) = (caller.get().await, caller.get().await);
        let began = Instant::now();
        while began.elapsed() < LIMIT * 3 {
            assert!(read(&mut other).await.unwrap() > 0);
        }
        let ended = caller.ended();
        assert_eq!(ended.len(), 1);
        // The window is full after five parts.
        assert_eq!((ended[0] - began).as_secs(), 65);
        // What was on its way, and then the end.
        let error = loop {
            if let Err(error) = read(&mut unread).await {
                break error;
            }
        };
        assert!(format!("{error:?}").contains("CANCEL"), "{error:?}");
        assert!(read(&mut other).await.unwrap() > 0);
    }

    #[tokio::test(start_paused = true)]
    async fn answer_that_its_server_is_slow_to_give_is_waited_for() {
        let mut caller = Caller::new(5_000, LIMIT * 5).await;
        let mut answer = caller.get().await;
        for _ in 0..3 {
            assert_eq!(read(&mut answer).await.unwrap(), 1000);
        }
        assert!(caller.ended().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn caller_that_reads_slowly_gets_all() {
        let mut caller = Caller::new(1_000, Duration::ZERO).await;
        let mut answer = caller.get().await;
        for _ in 0..4 {
            sleep(LIMIT * 3 / 4).await;
            assert_eq!(read(&mut answer).await.unwrap(), 1000);
        }
        assert!(caller.ended().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn window_that_stays_shut_is_no_way_around_the_deadline() {
        let mut caller = Caller::new(0, Duration::ZERO).await;
        let mut answer = caller.get().await;
        let began = Instant::now();
        let error = timeout(LIMIT * 2, read(&mut answer)).await.unwrap().unwrap_err();
        assert!(format!("{error:?}").contains("CANCEL"), "{error:?}");
        assert_eq!(began.elapsed().as_secs(), 60);
        assert_eq!(caller.ended().len(), 1);
    }
}
