//! How bodies are read and handed on: RFC 9110 §8, §15.5.14, and R4, R5, R17, R108.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body::Body;
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{AuthMethod, ErrorKind as K, Limits, body::RequestBody};

pub(crate) use crate::script::Script;
use crate::{
    cases::check,
    script::Step,
    support::{Answer, Harness, TestRequest, refused, run},
};

const POST: &str = "client_id=post&client_secret=post-s3cr3t";

fn form(body: Script) -> Request<Script> {
    TestRequest::form("").request().map(|_| body)
}

fn send(body: Script) -> Answer {
    Harness::new().send(form(body))
}

/// The answer if the body that arrives inside is `body`.
fn accepted(body: impl AsRef<[u8]>) -> Answer {
    TestRequest::form(body).accepted("post", AuthMethod::ClientSecretPost)
}

// R5: byte for byte, and the length is known inside, however the body was cut.
#[test]
fn body_arrives_byte_for_byte() {
    let mut long = format!("{POST}&x=").into_bytes();
    long.extend((0..=255_u8).cycle().filter(|byte| *byte != b'&').take(60_000));
    for body in [POST.as_bytes(), &long] {
        for sizes in [
            &[1][..],
            &[2, 3, 5, 7],
            &[1023],
            &[1024],
            &[1025],
            &[1024, 1],
            &[1, 1024],
            &[3000, 10, 10],
            &[10, 10, 3000, 10],
            &[1023, 1, 1024, 2000],
            &[8191],
            &[8192],
            &[8192, 1],
            &[1, 8192],
            &[8191, 2],
            &[300, 8192, 10, 8191, 700],
            &[600, 600, 9000],
            &[usize::MAX],
        ] {
            assert_eq!(send(Script::pieces(body, sizes)), accepted(body), "{sizes:?}");
        }
    }
}

// R5: frames without bytes are no end and no error.
#[test]
fn empty_frames_are_skipped() {
    let mut steps = vec![Step::Data(Bytes::new()), Step::Wait, Step::Data(Bytes::new())];
    for byte in POST.bytes() {
        steps.push(Step::Data(Bytes::copy_from_slice(&[byte])));
        steps.push(Step::Data(Bytes::new()));
    }
    assert_eq!(send(Script::new(steps)), accepted(POST));
}

// R3: frames without bytes are not a body that needs a media type.
#[test]
fn empty_frames_without_a_media_type() {
    let ask = TestRequest::bare().basic("basic:basic-s3cr3t");
    let body = Script::new([Step::Data(Bytes::new()), Step::Wait, Step::Data(Bytes::new())]);
    assert_eq!(
        Harness::new().send(ask.request().map(|_| body)),
        ask.accepted("basic", AuthMethod::ClientSecretBasic)
    );
    let body = Script::new([Step::Data(Bytes::new()), Step::Data(Bytes::from("x"))]);
    assert_eq!(Harness::new().send(ask.request().map(|_| body)), refused(K::UnsupportedMediaType));
}

// R5: trailers are kept, and never merged into the body.
#[test]
fn trailers_are_kept_apart() {
    let trailers = || {
        HeaderMap::from_iter([(
            http::HeaderName::from_static("x-checksum"),
            HeaderValue::from_static("1"),
        )])
    };
    let with_trailers = |body: &[u8], sizes: &[usize]| {
        let mut body = Script::pieces(body, sizes);
        body.steps.push_back(Step::Trailers(trailers()));
        body
    };
    for sizes in [&[1000][..], &[1], &[7]] {
        let mut expected = accepted(POST);
        expected.calls[0].trailers = vec![("x-checksum".into(), "1".into())];
        assert_eq!(send(with_trailers(POST.as_bytes(), sizes)), expected);
    }
    // Without any bytes, too.
    let ask = TestRequest::form("").basic("basic:basic-s3cr3t");
    let mut expected = ask.accepted("basic", AuthMethod::ClientSecretBasic);
    expected.calls[0].trailers = vec![("x-checksum".into(), "1".into())];
    let body = with_trailers(b"", &[1]);
    assert_eq!(Harness::new().send(ask.request().map(|_| body)), expected);
    // Credentials in trailers are no credentials.
    let mut forged = trailers();
    forged.insert("authorization", HeaderValue::from_static("Basic YmFzaWM6YmFzaWMtczNjcjN0"));
    forged.insert("client_id", HeaderValue::from_static("public"));
    assert_eq!(send(Script::new([Step::Trailers(forged)])), refused(K::NoCredentials));
}

// R4, RFC 9110 §10.1.1: what is declared as too large is not even begun to read, so that
// `Expect: 100-continue` is not answered 100.
#[test]
fn declared_too_large_body_is_not_polled() {
    let body = Script::pieces(POST.as_bytes(), &[10]).promising(64 * 1024 + 1);
    let polls = Arc::clone(&body.polls);
    assert_eq!(send(body), refused(K::BodyTooLarge));
    assert_eq!(polls.load(Ordering::Relaxed), 0);
}

#[test]
fn body_of_another_media_type_is_not_polled() {
    let body = Script::pieces(POST.as_bytes(), &[10]).promising(10);
    let polls = Arc::clone(&body.polls);
    let request = TestRequest::bare().request().map(|_| body);
    assert_eq!(Harness::new().send(request), refused(K::UnsupportedMediaType));
    assert_eq!(polls.load(Ordering::Relaxed), 0);
}

// What the head alone decides.
#[test]
fn body_of_a_refused_head_is_not_polled() {
    for ask in [
        TestRequest::form("").method("PUT"),
        TestRequest::form("").with("content-encoding", "gzip"),
        TestRequest::form("").with("transfer-encoding", "gzip, chunked"),
    ] {
        let body = Script::pieces(POST.as_bytes(), &[10]);
        let polls = Arc::clone(&body.polls);
        let answer = Harness::new().send(ask.request().map(|_| body));
        assert_eq!(answer, refused(answer.kind.unwrap()));
        assert_eq!(polls.load(Ordering::Relaxed), 0, "{ask:?}");
    }
}

// R4: counted, not only believed.
#[test]
fn body_of_unknown_length_is_cut_at_the_limit() {
    for (limit, sizes) in [(100, &[1][..]), (100, &[7]), (100, &[1000]), (0, &[1])] {
        let harness = Harness::new().set(|layer| layer.limits(Limits::new().body(limit)));
        let bytes = format!("{POST}&x={}", "a".repeat(1000));
        let body = Script::pieces(bytes.as_bytes(), sizes);
        let polls = Arc::clone(&body.polls);
        assert_eq!(harness.send(form(body)), refused(K::BodyTooLarge), "{sizes:?}");
        // One frame over the limit was looked at, and a pause after each before it.
        let frames = limit / sizes[0] + 1;
        assert_eq!(polls.load(Ordering::Relaxed), 2 * frames - 1, "{sizes:?}");
    }
}

#[test]
fn body_of_exactly_the_limit_passes() {
    for sizes in [&[1][..], &[1000]] {
        let harness = Harness::new().set(|layer| layer.limits(Limits::new().body(POST.len())));
        assert_eq!(harness.send(form(Script::pieces(POST.as_bytes(), sizes))), accepted(POST));
    }
    let harness = Harness::new().set(|layer| layer.limits(Limits::new().body(0)));
    let ask = TestRequest::bare().basic("basic:basic-s3cr3t");
    assert_eq!(harness.ask(&ask), ask.accepted("basic", AuthMethod::ClientSecretBasic));
}

// R4: a sender that declares much and sends nothing costs nothing. The limit here is larger than
// the memory of the machine, so that reserving it would end the test.
#[test]
fn declared_length_reserves_no_memory() {
    let harness = Harness::new().set(|layer| layer.limits(Limits::new().body(usize::MAX)));
    let body = Script::pieces(POST.as_bytes(), &[3]).promising(u64::MAX / 4);
    assert_eq!(harness.send(form(body)), accepted(POST));
}

/// A frame of this size, which holds on to a whole read buffer.
struct ReadBuffer(Vec<u8>, Arc<AtomicUsize>);

impl ReadBuffer {
    fn frame(size: usize, held: &Arc<AtomicUsize>) -> Bytes {
        held.fetch_add(1, Ordering::Relaxed);
        Bytes::from_owner(Self(vec![b'x'; size.max(8 * 1024)], Arc::clone(held))).slice(..size)
    }
}

impl AsRef<[u8]> for ReadBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

// R4: a body that is sent slowly holds about as much memory as it has bytes. The first frame is not
// copied until there is another one.
#[test]
fn small_frames_hold_no_read_buffers() {
    for (size, expected) in [(1, 0), (1023, 0), (1024, 0), (1025, 0), (8191, 0), (8192, 6)] {
        let held = Arc::new(AtomicUsize::new(0));
        let frames = (0..6).map(|_| Step::Data(ReadBuffer::frame(size, &held)));
        let body = Script::new(frames.chain([Step::Hang]).collect::<Vec<_>>());
        let harness = Harness::new();
        let mut answer = std::pin::pin!(harness.answer(form(body)));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(answer.as_mut().poll(&mut cx).is_pending());
        assert_eq!(held.load(Ordering::Relaxed), expected, "{size}");
    }
}

// R17: no panic, no look-up, no partial parse, though what arrived would have been enough.
#[test]
fn broken_body_is_400() {
    for text in ["", POST, "client_id=public"] {
        assert_eq!(send(Script::broken_after(text)), refused(K::BodyRead), "{text:?}");
    }
    // The cause is there for the operator.
    let service = Harness::new().service();
    let response = run(service.oneshot(form(Script::broken_after(POST)))).unwrap();
    let error = response.extensions().get::<tower_client_auth::Error>().unwrap();
    let cause = std::error::Error::source(error).unwrap();
    assert_eq!(cause.to_string(), "reset of s3cr3t connection");
}

// R17, with the clock of tokio at a standstill.
#[cfg(feature = "tokio")]
mod deadline {
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll},
        time::Duration,
    };

    use http_body::Frame;
    use tokio::time::Instant;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn harness() -> Harness {
        Harness::new().set(|layer| layer.limits(Limits::new().body_deadline(DEADLINE)))
    }

    #[tokio::test(start_paused = true)]
    async fn endless_body_is_408_at_the_deadline() {
        let start = Instant::now();
        let harness = harness();
        let answer = harness.answer(form(Script::hanging_after(POST))).await;
        assert_eq!(answer, refused(K::BodyTimeout));
        assert_eq!(start.elapsed().as_secs(), DEADLINE.as_secs());
    }

    // What is there needs no timer; what is not is too slow, and no reason to panic.
    #[test]
    fn deadline_without_a_timer_has_passed() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let limits = Limits::new().body_deadline(DEADLINE).provider_deadline(DEADLINE);
            let harness = Harness::new().set(|layer| layer.limits(limits));
            let there = harness.answer(TestRequest::form(POST).request()).await;
            assert_eq!(there, accepted(POST));
            let answer = harness.answer(form(Script::hanging_after(POST))).await;
            assert_eq!(answer, refused(K::BodyTimeout));
        });
    }

    // It is a deadline for the whole, which a trickle does not move.
    #[tokio::test(start_paused = true)]
    async fn trickle_does_not_move_the_deadline() {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
        let trickle = tokio::spawn(async move {
            while sender.send(Bytes::from("x")).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let body = Channel(receiver);
        let start = Instant::now();
        let harness = harness();
        let answer = harness.answer(TestRequest::form("").request().map(|_| body)).await;
        assert_eq!(answer, refused(K::BodyTimeout));
        assert_eq!(start.elapsed().as_secs(), DEADLINE.as_secs());
        trickle.await.unwrap();
    }

    // A body in time is not affected, nor is what comes after the body.
    #[tokio::test(start_paused = true)]
    async fn body_deadline_spares_a_slow_provider() {
        let harness = Harness::of(tower_client_auth::provider::provider_fn(|_: &str| async {
            tokio::time::sleep(DEADLINE * 2).await;
            Ok::<_, std::convert::Infallible>(Some(crate::support::public_client("public")))
        }))
        .set(|layer| layer.limits(Limits::new().body_deadline(DEADLINE)));
        let ask = TestRequest::form("client_id=public");
        assert_eq!(harness.answer(ask.request()).await, ask.accepted("public", AuthMethod::None));
    }

    #[tokio::test(start_paused = true)]
    async fn no_deadline_by_default() {
        let harness = Harness::new();
        let waiting = harness.answer(form(Script::hanging_after(POST)));
        assert!(tokio::time::timeout(Duration::from_secs(1_000_000), waiting).await.is_err());
    }

    struct Channel(tokio::sync::mpsc::Receiver<Bytes>);

    impl Body for Channel {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            self.0.poll_recv(cx).map(|data| data.map(|data| Ok(Frame::data(data))))
        }
    }
}

/// What the inner service finds in its body before it polls it.
fn inspect<T: Send + 'static>(
    ask: &TestRequest,
    headers_only: bool,
    look: impl Fn(&RequestBody<http_body_util::Full<Bytes>>) -> T + Clone + Send + 'static,
) -> T {
    let seen = crate::support::Log::default();
    let seen_inside = seen.clone();
    let harness = Harness::new();
    let harness =
        if headers_only { harness.set(|layer| layer.headers_only().unwrap()) } else { harness };
    let service = harness.layer.layer(service_fn(
        move |request: Request<RequestBody<http_body_util::Full<Bytes>>>| {
            seen_inside.push(look(request.body()));
            std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(
                http_body_util::Full::<Bytes>::default(),
            )))
        },
    ));
    run(service.oneshot(ask.request())).unwrap();
    seen.take().remove(0)
}

// R120: the form as a type of the application's own, without reading the body a second time.
#[test]
fn form_is_deserialized_without_polling() {
    type Pairs = Vec<(String, String)>;
    let ask = TestRequest::form("scope=a+b&x=%C3%A9").basic("basic:basic-s3cr3t");
    let form = |body: &RequestBody<_>| body.form::<Pairs>().unwrap();
    let expected = vec![("scope".into(), "a b".into()), ("x".into(), "\u{e9}".into())];
    assert_eq!(inspect(&ask, false, form), expected);
    assert_eq!(inspect(&ask, true, form), Pairs::new(), "an untouched stream");
    let bytes = |body: &RequestBody<_>| body.bytes().cloned();
    assert_eq!(inspect(&ask, false, bytes), Some(Bytes::from("scope=a+b&x=%C3%A9")));
    assert_eq!(inspect(&ask, true, bytes), None);
    let wrong = |body: &RequestBody<_>| body.form::<std::collections::HashMap<u8, u8>>().is_err();
    assert!(inspect(&ask, false, wrong));
}

// R118: the wrappers behave as bodies must.
#[test]
fn default_body_is_empty() {
    let body = RequestBody::<Script>::default();
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert_eq!(body.bytes(), Some(&Bytes::new()));
    assert_eq!(run(body.collect()).unwrap().to_bytes(), Bytes::new());
    let body = tower_client_auth::body::ResponseBody::<http_body_util::Full<Bytes>>::default();
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert_eq!(run(body.collect()).unwrap().to_bytes(), Bytes::new());
}

// R5: with `headers_only` the stream itself is handed on: its hint, its frames, its error.
#[test]
fn stream_is_handed_on_untouched() {
    let harness = Harness::new().set(|layer| layer.headers_only().unwrap());
    let ask = TestRequest::bare().basic("basic:basic-s3cr3t");
    let service = harness.layer.layer(service_fn(async |request: Request<RequestBody<Script>>| {
        let mut body = request.into_body();
        let hint = body.size_hint();
        let mut frames = Vec::new();
        while let Some(frame) = body.frame().await {
            frames.push(match frame {
                Ok(frame) => frame.into_data().map_err(|frame| frame.into_trailers().unwrap()),
                Err(error) => Ok(Bytes::from(error.to_string())),
            });
        }
        let expected = [
            Ok(Bytes::from("a")),
            Ok(Bytes::new()),
            Ok(Bytes::from("reset of s3cr3t connection")),
            Err(HeaderMap::new()),
        ];
        assert_eq!(frames, expected);
        assert_eq!(hint.lower(), 17);
        Ok::<_, std::convert::Infallible>(http::Response::new(
            http_body_util::Full::<Bytes>::default(),
        ))
    }));
    let body = Script::new([
        Step::Data(Bytes::from("a")),
        Step::Data(Bytes::new()),
        Step::Fail,
        Step::Trailers(HeaderMap::new()),
    ])
    .promising(17);
    let polls = Arc::clone(&body.polls);
    assert_eq!(run(service.oneshot(ask.request().map(|_| body))).unwrap().status(), 200);
    assert_eq!(polls.load(Ordering::Relaxed), 5);
}

#[test]
fn body_limit_is_64_kib_by_default() {
    check("R4 ");
}

#[test]
fn odd_bytes_pass_unchanged() {
    check("R5 ");
}

// R108, R109.
#[test]
fn too_many_parameters_cost_no_look_up() {
    let harness = Harness::new().set(|layer| layer.limits(Limits::new().body(1 << 20)));
    let body = "a=&".repeat(100_000);
    assert_eq!(harness.ask(&TestRequest::form(&body)), refused(K::TooManyParameters));
    let harness =
        harness.set(|layer| layer.limits(Limits::new().body(1 << 20).parameters(1 << 20)));
    let ask = TestRequest::form(format!("{body}client_id=public"));
    assert_eq!(harness.ask(&ask), ask.accepted("public", AuthMethod::None));
    check("R108 ");
}
