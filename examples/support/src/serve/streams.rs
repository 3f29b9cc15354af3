//! A deadline for the streams of a connection of HTTP/2, whose callers may read some of them and not others.

use std::{
    io::IoSlice,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Requests;

/// What the caller of HTTP/2 takes of an answer before it has read anything, unless it says otherwise (RFC 9113 §6.9.2).
const WINDOW: usize = 65_535;

tokio::task_local! {
    /// Of the answer of this stream. A connection of HTTP/1.1 is no stream: `Sending` watches it.
    static UNTAKEN: Arc<Untaken>;
}

/// Runs the streams of a connection, and ends those of which nothing is taken for `limit`.
#[derive(Clone)]
pub(super) struct Streams {
    pub(super) limit: Duration,
    pub(super) requests: Requests,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.requests.stream();
        let untaken = Arc::default();
        let scope = Arc::clone(&untaken);
        let all = self.clone();
        let stream = Stream { stream, is_done: false, untaken, all, deadline: None };
        tokio::spawn(UNTAKEN.scope(scope, stream));
    }
}

pin_project! {
    /// A stream. It is reset when it is dropped before its end.
    struct Stream<F> {
        #[pin]
        stream: F,
        // Whether h2 has all of it.
        is_done: bool,
        untaken: Arc<Untaken>,
        all: Streams,
        deadline: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future<Output = ()>> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        *this.is_done = *this.is_done || this.stream.poll(context).is_ready();
        if *this.is_done && this.untaken.poll_all_taken(context).is_ready() {
            return Poll::Ready(());
        }
        let Some(since) = this.untaken.since() else { return Poll::Pending };
        let end = since + this.all.limit;
        let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if deadline.deadline() != end {
            deadline.as_mut().reset(end);
        }
        ready!(deadline.as_mut().poll(context));
        if *this.is_done {
            // Nobody can reset it any more.
            this.all.requests.leave();
        }
        Poll::Ready(())
    }
}

/// The parts of an answer that are there for its caller. Hyper and h2 hold them until he has room for them.
#[derive(Default)]
struct Untaken(Mutex<Parts>);

#[derive(Default)]
struct Parts {
    count: usize,
    /// When the first of them was there, or something was taken.
    since: Option<Instant>,
    /// Waits until there are none.
    waiting: Option<Waker>,
}

impl Untaken {
    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when the caller has taken nothing, if there is something to take.
    fn since(&self) -> Option<Instant> {
        let parts = self.parts();
        parts.since.filter(|_| parts.count > 0)
    }

    fn poll_all_taken(&self, context: &Context<'_>) -> Poll<()> {
        let mut parts = self.parts();
        if parts.count == 0 {
            return Poll::Ready(());
        }
        parts.waiting = Some(context.waker().clone());
        Poll::Pending
    }
}

/// A part is there until this is dropped.
struct Receipt(Arc<Untaken>);

impl Receipt {
    fn new(untaken: &Arc<Untaken>) -> Self {
        let mut parts = untaken.parts();
        if parts.count == 0 {
            parts.since = Some(Instant::now());
        }
        parts.count += 1;
        drop(parts);
        Self(Arc::clone(untaken))
    }

    fn some_taken(&self) {
        self.0.parts().since = Some(Instant::now());
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let mut parts = self.0.parts();
        parts.since = Some(Instant::now());
        parts.count -= 1;
        let waiting = if parts.count == 0 { parts.waiting.take() } else { None };
        drop(parts);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

/// A part of an answer, which notes when something of it is taken.
pub(super) struct Part {
    data: Bytes,
    /// `None` over HTTP/1.1, and when all is taken.
    receipt: Option<Receipt>,
}

impl Buf for Part {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.data.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        self.data.advance(count);
        if let Some(receipt) = &self.receipt {
            if self.data.has_remaining() {
                receipt.some_taken();
            } else {
                self.receipt = None;
            }
        }
    }
}

pin_project! {
    /// The body of an answer, whose parts note over HTTP/2 what is taken of them.
    ///
    /// The end comes with the last part: who knows the length may go then, and resets a stream that has not ended. Hyper gives
    /// a part to h2 when the caller takes one byte of it, and with the last one it lets the stream go, so that nobody can
    /// reset it any more. The last byte of an answer that may have to wait is therefore a part of its own, and where it is not
    /// known which one that is, the end waits until all before it is taken.
    pub(super) struct Taken<B> {
        #[pin]
        body: B,
        untaken: Option<Arc<Untaken>>,
        // How much of it h2 may hold back when its end comes.
        sent: usize,
        // Comes next.
        held: Option<Box<Option<Frame<Bytes>>>>,
    }
}

impl<B> Taken<B> {
    /// Within the task of the stream.
    pub(super) fn new(body: B) -> Self {
        Self { body, untaken: UNTAKEN.try_with(Arc::clone).ok(), sent: 0, held: None }
    }
}

impl<B: Body<Data = Bytes>> Body for Taken<B> {
    type Data = Part;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Part>, B::Error>>> {
        let mut this = self.project();
        let Some(untaken) = this.untaken else {
            let frame = ready!(this.body.poll_frame(context));
            let part = |data| Part { data, receipt: None };
            return Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(part))));
        };
        let mut frame = if let Some(held) = this.held.take() {
            *held
        } else {
            ready!(this.body.as_mut().poll_frame(context)?)
        };
        if let Some(data) = frame.as_mut().and_then(Frame::data_mut)
            && !data.is_empty()
        {
            *this.sent = this.sent.saturating_add(data.len());
            let body = &this.body;
            if *this.sent > WINDOW && (body.is_end_stream() || body.size_hint().exact() == Some(0))
            {
                if data.len() == 1 {
                    *this.sent = 0;
                } else {
                    let last = data.split_off(data.len() - 1);
                    *this.held = Some(Box::new(Some(Frame::data(last))));
                }
            }
        } else if *this.sent > WINDOW && untaken.poll_all_taken(context).is_pending() {
            *this.held = Some(Box::new(frame));
            return Poll::Pending;
        }
        let part = |data| Part { data, receipt: Some(Receipt::new(untaken)) };
        Poll::Ready(frame.map(|frame| Ok(frame.map_data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.held.as_deref() {
            Some(Some(held)) => SizeHint::with_exact(held.data_ref().map_or(0, Bytes::len) as u64),
            _ => self.body.size_hint(),
        }
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
        future::pending,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use futures_util::{FutureExt, stream};
    use http_body_util::{BodyExt, Collected, Empty, Full, StreamBody};
    use hyper::{
        Request, Response,
        body::Incoming,
        client::conn::http2,
        http::{HeaderMap, HeaderValue, Version, header::CONTENT_LENGTH},
        service::service_fn,
    };
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::{
        io::duplex,
        runtime::Handle,
        time::{sleep, timeout},
    };

    use super::*;
    use crate::serve::{HEAD, LAST, LEFT, serve_connection};
    use tower_client_auth::BoxError;

    const LIMIT: Duration = Duration::from_secs(60);

    /// An answer without an end, each part a while after the one before.
    struct Endless {
        pause: Duration,
        next: Pin<Box<Sleep>>,
    }

    impl Endless {
        fn new(pause: Duration) -> Self {
            Self { pause, next: Box::pin(sleep(Duration::ZERO)) }
        }
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

    /// Notes when an answer is given up.
    struct Noted<B> {
        body: Pin<Box<B>>,
        ended: Arc<Mutex<Vec<Instant>>>,
    }

    impl<B: Body> Body for Noted<B> {
        type Data = B::Data;
        type Error = B::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
            self.body.as_mut().poll_frame(context)
        }

        fn is_end_stream(&self) -> bool {
            self.body.is_end_stream()
        }

        fn size_hint(&self) -> SizeHint {
            self.body.size_hint()
        }
    }

    impl<B> Drop for Noted<B> {
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
            Self::of(window, move || Endless::new(pause)).await
        }

        /// Which takes as much of one of these answers before it is read.
        async fn of<B>(window: u32, answer: impl Fn() -> B + Send + 'static) -> Self
        where
            B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
        {
            let (stream, peer) = duplex(64 * 1024);
            let ended = Arc::default();
            let noted = Arc::clone(&ended);
            let service = service_fn(move |_request: Request<Incoming>| {
                let body = Noted { body: Box::pin(answer()), ended: Arc::clone(&noted) };
                async move { Ok::<_, Infallible>(Response::new(body)) }
            });
            tokio::spawn(serve_connection(stream, service, LIMIT, pending()));
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.initial_stream_window_size(window);
            let (requests, connection) = builder.handshake(TokioIo::new(peer)).await.unwrap();
            tokio::spawn(connection);
            Self { requests, ended }
        }

        async fn answer(&mut self) -> Response<Incoming> {
            let request = Request::new(Empty::new());
            let answer = self.requests.send_request(request).await.unwrap();
            assert_eq!(answer.version(), Version::HTTP_2);
            answer
        }

        async fn get(&mut self) -> Incoming {
            self.answer().await.into_body()
        }

        fn ended(&self) -> Vec<Instant> {
            self.ended.lock().unwrap().clone()
        }
    }

    fn whole() -> Full<Bytes> {
        Full::new(Bytes::from_static(&[0; 8000]))
    }

    /// More than a caller has room for.
    const LARGE: usize = WINDOW + 8000;

    fn large() -> Full<Bytes> {
        Full::new((0..=255).cycle().take(LARGE).collect())
    }

    /// As much, of which nobody knows that it is the last part before its end is there.
    fn in_parts(
        has_trailers: bool,
    ) -> impl Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static {
        let parts = [WINDOW, 8000].map(|size| Ok(Frame::data(Bytes::from(vec![0; size]))));
        let end = async move { if has_trailers { trailers().await } else { None } };
        StreamBody::new(stream::iter(parts)).with_trailers(end)
    }

    async fn trailers() -> Option<Result<HeaderMap, Infallible>> {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        Some(Ok(trailers))
    }

    async fn read_all(answer: Incoming) -> Collected<Bytes> {
        timeout(LIMIT / 2, answer.collect()).await.unwrap().unwrap()
    }

    /// How much of an answer was on its way that is not read and then reset.
    async fn left_unread(answer: &mut Incoming) -> usize {
        let mut taken = 0;
        let error = loop {
            match timeout(LIMIT, read(answer)).await.unwrap() {
                Ok(bytes) => taken += bytes,
                Err(error) => break error,
            }
        };
        assert!(format!("{error:?}").contains("CANCEL"), "{error:?}");
        taken
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

    /// Where `answer` is left by one who takes a part of it, and others on the connection are answered.
    async fn left_alone<B>(window: usize, answer: impl Fn() -> B + Send + 'static)
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let mut caller = Caller::of(window.try_into().unwrap(), answer).await;
        let began = Instant::now();
        let mut unread = caller.get().await;
        for _ in 0..4 {
            sleep(LIMIT * 2 / 5).await;
            let other = read_all(caller.get().await).await;
            assert_eq!(other.to_bytes().len(), LARGE);
        }
        let ended: Vec<_> = caller.ended().iter().map(|at| (*at - began).as_secs()).collect();
        assert_eq!(ended, [24, 48, 60, 72, 96]);
        assert_eq!(left_unread(&mut unread).await, window);
    }

    #[tokio::test(start_paused = true)]
    async fn end_that_is_not_taken_costs_its_stream_alone() {
        left_alone(WINDOW, large).await;
        left_alone(WINDOW, || large().with_trailers(trailers())).await;
        // A part of the last part.
        left_alone(WINDOW + 1000, || in_parts(false)).await;
        left_alone(WINDOW + 1000, || in_parts(true)).await;
        // All but the last byte.
        left_alone(LARGE - 1, large).await;
    }

    #[tokio::test(start_paused = true)]
    async fn large_answer_that_is_read_slowly_arrives_with_its_end() {
        for is_known in [true, false] {
            let answer = move || if is_known { large().boxed() } else { in_parts(false).boxed() };
            let mut caller = Caller::of(8_000, answer).await;
            let mut answer = caller.get().await;
            let mut taken = 0;
            while taken < LARGE {
                sleep(LIMIT * 3 / 4).await;
                taken += read(&mut answer).await.unwrap();
            }
            assert_eq!(taken, LARGE);
            // Whoever knows the length goes now.
            assert_eq!(answer.is_end_stream(), is_known);
            assert_eq!(read_all(answer).await.to_bytes(), "");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn large_answer_has_its_length_and_trailers() {
        let mut caller = Caller::of(65_535, || large().with_trailers(trailers())).await;
        let answer = caller.answer().await;
        assert_eq!(answer.headers()[CONTENT_LENGTH], LARGE.to_string());
        let answer = read_all(answer.into_body()).await;
        assert_eq!(answer.trailers(), trailers().await.unwrap().ok().as_ref());
        assert_eq!(answer.to_bytes(), large().collect().await.unwrap().to_bytes());
    }

    /// A caller who left the first of its answers where nobody can reset it, with another one that it reads on.
    async fn left() -> (Caller, Incoming, Incoming) {
        let asked = AtomicUsize::new(0);
        let answer = move || match asked.fetch_add(1, Ordering::Relaxed) {
            0 => whole().boxed(),
            _ => Endless::new(Duration::from_secs(1)).boxed(),
        };
        let mut caller = Caller::of(1_000, answer).await;
        let left = caller.get().await;
        let mut other = caller.get().await;
        let began = Instant::now();
        while began.elapsed() < LIMIT + HEAD + LAST {
            assert_eq!(read(&mut other).await.unwrap(), 1000);
        }
        assert_eq!((caller.ended()[0] - began).as_secs(), 60);
        (caller, left, other)
    }

    #[tokio::test(start_paused = true)]
    async fn others_go_on_where_the_end_of_an_answer_ends_the_connection() {
        let (mut caller, mut left, mut other) = left().await;
        // It is asked to end.
        let error = caller.requests.send_request(Request::new(Empty::new())).await.unwrap_err();
        assert!(!format!("{error:?}").contains("CANCEL"), "{error:?}");
        let began = Instant::now();
        while began.elapsed() < LEFT / 2 {
            assert_eq!(read(&mut other).await.unwrap(), 1000);
        }
        drop(other);
        sleep(HEAD + LAST).await;
        assert_eq!(read(&mut left).await.unwrap(), 1000);
        let error = read(&mut left).await.unwrap_err();
        assert!(!format!("{error:?}").contains("CANCEL"), "{error:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_left_is_not_held_for_as_long_as_others_go_on() {
        let (caller, _left, mut other) = left().await;
        while read(&mut other).await.is_ok() {}
        let ended = caller.ended();
        assert_eq!((ended[1] - ended[0]).as_secs(), LEFT.as_secs());
    }

    /// When the answer is given up, whose last part is not read, and its connection with it.
    async fn cut_off(mut caller: Caller) -> u64 {
        let began = Instant::now();
        let mut answer = caller.get().await;
        assert_eq!(read(&mut answer).await.unwrap(), 1);
        sleep(LIMIT + HEAD + LAST).await;
        let error = caller.requests.send_request(Request::new(Empty::new())).await.unwrap_err();
        assert!(!format!("{error:?}").contains("CANCEL"), "{error:?}");
        while read(&mut answer).await.is_ok() {}
        assert_eq!(caller.ended().len(), 1);
        (caller.ended()[0] - began).as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn connection_ends_where_the_last_part_is_not_taken() {
        assert_eq!(cut_off(Caller::of(1, whole).await).await, 60);
        let trailing = || whole().with_trailers(trailers());
        assert_eq!(cut_off(Caller::of(1, trailing).await).await, 60);
    }

    #[tokio::test(start_paused = true)]
    async fn part_that_is_not_taken_is_reset_while_its_server_has_no_other() {
        let mut caller = Caller::new(1, LIMIT * 5).await;
        let began = Instant::now();
        let mut answer = caller.get().await;
        sleep(LIMIT * 2).await;
        assert_eq!(left_unread(&mut answer).await, 1);
        assert_eq!((caller.ended()[0] - began).as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn answer_that_is_taken_ends_at_once_with_its_length_and_trailers() {
        let mut caller = Caller::of(65_535, whole).await;
        let answer = caller.answer().await;
        assert_eq!(answer.headers()[CONTENT_LENGTH], "8000");
        assert_eq!(read_all(answer.into_body()).await.to_bytes().len(), 8000);
        let mut caller = Caller::of(65_535, || whole().with_trailers(trailers())).await;
        let answer = read_all(caller.get().await).await;
        assert_eq!(answer.trailers(), trailers().await.unwrap().ok().as_ref());
        assert_eq!(answer.to_bytes().len(), 8000);
        let mut caller = Caller::of(65_535, Empty::<Bytes>::new).await;
        assert!(caller.get().await.is_end_stream());
    }

    // Otherwise there is one for each answer of the last half minute.
    #[tokio::test(start_paused = true)]
    async fn task_of_a_stream_ends_when_its_answer_is_taken() {
        let tasks = || Handle::current().metrics().num_alive_tasks();
        let mut caller = Caller::of(1_000, whole).await;
        sleep(Duration::from_secs(1)).await;
        let before = tasks();
        let answer = caller.get().await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(tasks(), before + 1);
        read_all(answer).await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(tasks(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn last_part_that_is_taken_slowly_arrives() {
        let mut caller = Caller::of(1_000, || whole().with_trailers(trailers())).await;
        let mut answer = caller.get().await;
        for _ in 0..8 {
            sleep(LIMIT * 3 / 4).await;
            assert_eq!(read(&mut answer).await.unwrap(), 1000);
        }
        let trailers = answer.frame().await.unwrap().unwrap().into_trailers();
        assert_eq!(trailers.unwrap()["grpc-status"], "0");
    }

    #[tokio::test]
    async fn trailers_of_a_known_length_follow_the_last_byte_at_once() {
        let answer =
            UNTAKEN.scope(Arc::default(), async { Taken::new(large().with_trailers(trailers())) });
        let mut answer = Box::pin(answer.await);
        let mut parts = Vec::new();
        let end = loop {
            match answer.frame().now_or_never().unwrap().unwrap().unwrap().into_data() {
                Ok(part) => parts.push(part),
                Err(end) => break end,
            }
        };
        assert!(end.is_trailers());
        assert_eq!(parts.iter().map(Part::remaining).collect::<Vec<_>>(), [LARGE - 1, 1]);
    }

    #[tokio::test]
    async fn nothing_is_held_over_http_1() {
        let mut answer = Taken::new(whole());
        let mut part = answer.frame().await.unwrap().unwrap().into_data().ok().unwrap();
        assert!(answer.is_end_stream());
        assert!(part.receipt.is_none());
        part.advance(8000);
        assert!(answer.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn end_comes_with_the_last_part() {
        let mut caller = Caller::of(65_535, whole).await;
        let mut answer = caller.get().await;
        assert_eq!(read(&mut answer).await.unwrap(), 8000);
        assert!(answer.is_end_stream());
        // And with it the task of the stream.
        sleep(Duration::from_secs(1)).await;
        assert_eq!(caller.ended().len(), 1);
    }
}
