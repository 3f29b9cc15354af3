//! R79, R80: who fails too often has to wait, and nobody else.

use std::{
    future::{pending, ready},
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Waker},
    time::Duration,
};

use http::{Request, request::Parts};
use tower::{Layer, ServiceExt};
use tower_client_auth::{
    AuthMethod, BoxError, ClientAuthLayer, ClientProvider, Clock, Error, ErrorKind as K,
    RegisteredClient,
    provider::{Throttled, provider_fn},
    throttle::{FailureThrottle, PeerAddress, Throttle, Verdict, counts},
};

use crate::support::{
    Answer, App, Harness, Log, NOW, TestRequest, clients, failed, public_client, refused, run,
};

const MINUTE: Duration = Duration::from_secs(60);

fn connection() -> PeerAddress {
    PeerAddress::from_extension(|peer: &SocketAddr| peer.ip())
}

/// Ten failures a minute for each client and address, a hundred for each address, and the clock.
fn throttle() -> (FailureThrottle, Clock) {
    let clock = Clock::fixed(NOW);
    (FailureThrottle::new(connection()).clock(clock.clone()), clock)
}

fn throttled() -> (Harness, Clock) {
    let (throttle, clock) = throttle();
    (Harness::new().set(|layer| layer.throttle(throttle)), clock)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ask<P: ClientProvider<Client = App>>(
    harness: &Harness<P>,
    ask: &TestRequest,
    from: &str,
) -> Answer {
    let mut request = ask.request();
    request.extensions_mut().insert(SocketAddr::from((address(from), 50_000)));
    harness.send(request)
}

fn head_from(from: &str) -> Parts {
    let (mut head, ()) = Request::post("/token").body(()).unwrap().into_parts();
    if let Ok(address) = from.parse::<IpAddr>() {
        head.extensions.insert(SocketAddr::from((address, 50_000)));
    }
    head
}

fn refused_for(seconds: u64) -> Answer {
    refused(K::Throttled).with("retry-after", &seconds.to_string())
}

fn wrong() -> TestRequest {
    TestRequest::bare().basic("basic:x")
}

fn right() -> TestRequest {
    TestRequest::bare().basic("basic:basic-s3cr3t")
}

fn accepted() -> Answer {
    right().accepted("basic", AuthMethod::ClientSecretBasic)
}

/// The wait that a throttle asks for, in milliseconds.
fn wait(throttle: &impl Throttle, client_id: &str, from: &str) -> Option<u128> {
    match throttle.check(client_id, &head_from(from)) {
        Verdict::Pass => None,
        Verdict::Refuse(throttled) => Some(throttled.retry_after().as_millis()),
        other => panic!("{other:?}"),
    }
}

fn fail(throttle: &impl Throttle, client_id: &str, from: &str) {
    throttle.note(client_id, &head_from(from), Some(&K::WrongSecret.into()));
}

#[test]
fn client_that_fails_too_often_waits_until_it_is_forgotten() {
    let (harness, clock) = throttled();
    for _ in 0..10 {
        assert_eq!(ask(&harness, &wrong(), "192.0.2.1"), failed(K::WrongSecret, "basic"));
    }
    // What is refused counts nothing, however often it comes.
    for _ in 0..20 {
        assert_eq!(ask(&harness, &wrong(), "192.0.2.1"), refused_for(6));
    }
    assert_eq!(ask(&harness, &right(), "192.0.2.1"), refused_for(6));
    clock.advance(Duration::from_millis(5_001));
    assert_eq!(ask(&harness, &right(), "192.0.2.1"), refused_for(1));
    clock.advance(Duration::from_millis(999));
    assert_eq!(ask(&harness, &right(), "192.0.2.1"), accepted());
    assert_eq!(ask(&harness, &wrong(), "192.0.2.1"), failed(K::WrongSecret, "basic"));
    assert_eq!(ask(&harness, &right(), "192.0.2.1"), refused_for(6));
    clock.advance(MINUTE);
    for _ in 0..10 {
        assert_eq!(ask(&harness, &wrong(), "192.0.2.1"), failed(K::WrongSecret, "basic"));
    }
    assert_eq!(ask(&harness, &wrong(), "192.0.2.1"), refused_for(6));
}

// R80: ids are public.
#[test]
fn failures_from_elsewhere_keep_no_client_out() {
    let (harness, _) = throttled();
    for stranger in 1..=200 {
        for _ in 0..12 {
            ask(&harness, &wrong(), &format!("192.0.2.{stranger}"));
        }
    }
    assert_eq!(ask(&harness, &right(), "192.0.2.1"), refused_for(6));
    assert_eq!(ask(&harness, &right(), "198.51.100.1"), accepted());
    // Nor another client at the address of a stranger.
    let public = TestRequest::form("client_id=public");
    assert_eq!(ask(&harness, &public, "192.0.2.1"), public.accepted("public", AuthMethod::None));
}

#[test]
fn another_id_each_time_is_counted_by_address() {
    let (harness, _) = throttled();
    for n in 0..100 {
        let guess = TestRequest::bare().basic(format!("nobody{n}:x"));
        let expected = failed(K::UnknownClient, &format!("nobody{n}"));
        assert_eq!(ask(&harness, &guess, "192.0.2.1"), expected);
    }
    let guess = TestRequest::bare().basic("nobody100:x");
    assert_eq!(ask(&harness, &guess, "192.0.2.1"), refused_for(1));
    assert_eq!(ask(&harness, &right(), "192.0.2.1"), refused_for(1));
    assert_eq!(ask(&harness, &right(), "192.0.2.2"), accepted());
}

#[test]
fn throttle_does_not_tell_which_ids_exist() {
    let answers = |id: &str| {
        let (harness, clock) = throttled();
        let guess = TestRequest::bare().basic(format!("{id}:x"));
        let mut answers = Vec::new();
        for _ in 0..3 {
            for _ in 0..14 {
                let answer = ask(&harness, &guess, "192.0.2.1");
                answers.push(format!("{:?}", answer.wire()));
            }
            clock.advance(Duration::from_secs(14));
        }
        answers
    };
    let unknown = answers("nobody");
    assert!(unknown[13].contains("429"), "{unknown:?}");
    for id in ["basic", "post", "public", "expired", "secretless", "pigeon", "early", "jwt"] {
        assert_eq!(answers(id), unknown, "{id}");
    }
}

#[test]
fn success_counts_nothing_and_takes_nothing_back() {
    let (harness, _) = throttled();
    for _ in 0..200 {
        assert_eq!(ask(&harness, &right(), "192.0.2.1"), accepted());
    }
    for _ in 0..9 {
        ask(&harness, &wrong(), "192.0.2.1");
    }
    assert_eq!(ask(&harness, &right(), "192.0.2.1"), accepted());
    assert_eq!(ask(&harness, &wrong(), "192.0.2.1"), failed(K::WrongSecret, "basic"));
    assert_eq!(ask(&harness, &right(), "192.0.2.1"), refused_for(6));
}

#[test]
fn attempt_whose_caller_hung_up_counts() {
    let provider = provider_fn(|id: &str| {
        let id = id.to_owned();
        async move {
            if id != "public" {
                pending::<()>().await;
            }
            Ok::<_, BoxError>(Some(public_client(&id)))
        }
    });
    let (throttle, _) = throttle();
    let harness = Harness::of(provider).set(|layer| layer.throttle(throttle));
    for _ in 0..10 {
        let mut request = wrong().request();
        request.extensions_mut().insert(SocketAddr::from(([192, 0, 2, 1], 50_000)));
        let mut hung_up = pin!(harness.service().oneshot(request));
        assert!(hung_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    harness.observe_nothing();
    assert_eq!(ask(&harness, &wrong(), "192.0.2.1"), refused_for(6));
    let public = TestRequest::form("client_id=public");
    assert_eq!(ask(&harness, &public, "192.0.2.1"), public.accepted("public", AuthMethod::None));
}

#[test]
fn outage_counts_nothing() {
    let down = provider_fn(|_: &str| {
        ready(Err::<Option<RegisteredClient<App>>, BoxError>("the store is down".into()))
    });
    let (throttle, _) = throttle();
    let harness = Harness::of(down).set(|layer| layer.throttle(throttle));
    for _ in 0..200 {
        assert_eq!(ask(&harness, &wrong(), "192.0.2.1"), failed(K::Provider, "basic"));
    }
}

#[test]
fn what_counts_is_every_401_and_what_was_left_unfinished() {
    for kind in [
        K::UnknownClient,
        K::WrongSecret,
        K::MethodMismatch,
        K::SecretExpired,
        K::UnusableRegistration,
        K::ProviderMismatch,
        K::Abandoned,
        K::Overloaded,
    ] {
        assert!(counts(&kind.into()), "{kind:?}");
    }
    for kind in [K::Throttled, K::Provider, K::ProviderTimeout, K::Verifier, K::Panicked] {
        assert!(!counts(&kind.into()), "{kind:?}");
    }
}

#[test]
fn layers_that_share_a_throttle_share_its_count() {
    let (throttle, _) = throttle();
    let throttle = Arc::new(throttle);
    let [token, revocation] =
        [(); 2].map(|()| Harness::new().set(|layer| layer.throttle(Arc::clone(&throttle))));
    for _ in 0..5 {
        ask(&token, &wrong(), "192.0.2.1");
        ask(&revocation, &wrong(), "192.0.2.1");
    }
    assert_eq!(ask(&token, &right(), "192.0.2.1"), refused_for(6));
    assert_eq!(ask(&revocation, &right(), "192.0.2.1"), refused_for(6));
}

#[test]
fn grpc_caller_is_told_resource_exhausted() {
    let (throttle, _) = throttle();
    let harness = Harness::new().set(|layer| layer.grpc().unwrap().throttle(throttle));
    let call = || wrong().with("content-type", "application/grpc").with("te", "trailers");
    for _ in 0..10 {
        assert_eq!(ask(&harness, &call(), "192.0.2.1").kind, Some(K::WrongSecret));
    }
    let answer = ask(&harness, &call(), "192.0.2.1");
    let status = answer.headers.iter().find(|(name, _)| name == "grpc-status");
    assert_eq!((answer.kind, status.unwrap().1.as_str()), (Some(K::Throttled), "8"));
    assert!(answer.lookups.is_empty());
}

// However many had passed before the first one failed.
#[test]
fn wait_is_never_longer_than_ten_periods() {
    let (throttle, clock) = throttle();
    for _ in 0..10_000 {
        fail(&throttle, "basic", "192.0.2.1");
    }
    // Ten minutes, less what a client may have at once.
    assert_eq!(wait(&throttle, "basic", "192.0.2.1"), Some(600_000 - 54_000));
    clock.advance(10 * MINUTE);
    assert_eq!(wait(&throttle, "basic", "192.0.2.1"), None);
}

// A stranger fills the pool, or the store is slow for a while: a busy client must not pay for that for ten minutes.
#[test]
fn what_others_can_cause_keeps_a_client_waiting_for_one_failure_at_most() {
    for kind in [K::Overloaded, K::Abandoned] {
        let (throttle, clock) = throttle();
        let unfinished = || throttle.note("basic", &head_from("192.0.2.1"), Some(&kind.into()));
        (0..9).for_each(|_| unfinished());
        assert_eq!(wait(&throttle, "basic", "192.0.2.1"), None, "{kind}");
        (0..1_000).for_each(|_| unfinished());
        assert_eq!(wait(&throttle, "basic", "192.0.2.1"), Some(6_000), "{kind}");
        assert_eq!(wait(&throttle, "other", "192.0.2.1"), Some(600), "{kind}");
        // They count all the same: one after the other they are no faster than wrong secrets.
        for _ in 0..3 {
            clock.advance(Duration::from_secs(6));
            assert_eq!(wait(&throttle, "basic", "192.0.2.1"), None, "{kind}");
            unfinished();
            assert_eq!(wait(&throttle, "basic", "192.0.2.1"), Some(6_000), "{kind}");
        }
        // Nor is the wait for wrong secrets any shorter, or longer, for them.
        (0..50).for_each(|_| fail(&throttle, "basic", "192.0.2.1"));
        let long = wait(&throttle, "basic", "192.0.2.1");
        assert_eq!(long, Some(51 * 6_000), "{kind}");
        (0..1_000).for_each(|_| unfinished());
        assert_eq!(wait(&throttle, "basic", "192.0.2.1"), long, "{kind}");
    }
}

#[test]
fn limits_are_what_was_set() {
    let clock = Clock::fixed(NOW);
    let throttle = FailureThrottle::new(connection())
        .per_client(2, Duration::from_secs(10))
        .per_address(3, Duration::from_secs(3))
        .clock(clock);
    fail(&throttle, "a", "192.0.2.1");
    assert_eq!(wait(&throttle, "a", "192.0.2.1"), None);
    fail(&throttle, "a", "192.0.2.1");
    assert_eq!(wait(&throttle, "a", "192.0.2.1"), Some(5_000));
    assert_eq!(wait(&throttle, "b", "192.0.2.1"), None);
    fail(&throttle, "b", "192.0.2.1");
    assert_eq!(wait(&throttle, "b", "192.0.2.1"), Some(1_000));
    // The longer wait counts.
    assert_eq!(wait(&throttle, "a", "192.0.2.1"), Some(5_000));
}

// As far as such a thing can be counted: nobody restarts a server that seldom.
#[test]
fn period_without_an_end_is_a_limit() {
    for failures in [2, 10, 1_000] {
        for per in [Duration::MAX, Duration::from_secs(40 * 365 * 24 * 60 * 60)] {
            let throttle = FailureThrottle::new(connection())
                .per_client(failures, per)
                .per_address(10_000, MINUTE)
                .clock(Clock::fixed(NOW));
            for _ in 0..failures {
                assert_eq!(wait(&throttle, "a", "192.0.2.1"), None);
                fail(&throttle, "a", "192.0.2.1");
            }
            assert!(wait(&throttle, "a", "192.0.2.1").is_some(), "{failures} {per:?}");
        }
    }
}

#[test]
fn odd_limits_do_no_harm() {
    for (failures, per) in [
        (0, Duration::ZERO),
        (0, Duration::MAX),
        (u32::MAX, Duration::ZERO),
        (u32::MAX, Duration::MAX),
        (1, Duration::from_nanos(1)),
    ] {
        let throttle = FailureThrottle::new(connection())
            .per_client(failures, per)
            .per_address(failures, per)
            .capacity(0)
            .clock(Clock::fixed(NOW));
        assert_eq!(wait(&throttle, "a", "192.0.2.1"), None);
        fail(&throttle, "a", "192.0.2.1");
        assert_eq!(wait(&throttle, "a", "192.0.2.1").is_some(), failures < 2, "{failures} {per:?}");
    }
}

#[test]
fn ipv6_counts_by_its_network_and_mapped_ipv4_as_ipv4() {
    for (one, other, same) in [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ("::ffff:192.0.2.1", "192.0.2.1", true),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
        // RFC 6052 §2.1: behind a translator all of IPv4 is one network of IPv6.
        ("64:ff9b::192.0.2.1", "64:ff9b::192.0.2.2", false),
        ("64:ff9b::192.0.2.1", "192.0.2.1", true),
        ("64:ff9b::1:192.0.2.1", "192.0.2.1", false),
        ("192.0.2.1", "192.0.2.2", false),
        // All whose address is not known are one.
        ("-", "-", true),
        ("-", "0.0.0.0", false),
        ("-", "::", false),
        ("0.0.0.0", "::", false),
    ] {
        let (throttle, _) = throttle();
        (0..10).for_each(|_| fail(&throttle, "a", one));
        assert_eq!(wait(&throttle, "a", other).is_some(), same, "{one} {other}");
    }
}

#[test]
fn proxies_that_are_trusted_say_who_called_them() {
    let trusted = |hop: IpAddr| hop == address("10.0.0.7") || hop == address("2001:db8::7");
    let x_forwarded_for = connection().x_forwarded_for(trusted);
    let forwarded = connection().forwarded(trusted);
    let of = |peer: &PeerAddress, from: &str, name: &'static str, values: &[&str]| {
        let mut head = head_from(from);
        for value in values {
            head.headers.append(name, value.parse().unwrap());
        }
        peer.of(&head).map(|address| address.to_string())
    };
    let cases: &[(&str, &[&str], Option<&str>)] = &[
        ("10.0.0.7", &["192.0.2.1"], Some("192.0.2.1")),
        ("::ffff:10.0.0.7", &["::ffff:192.0.2.1"], Some("192.0.2.1")),
        ("2001:db8::7", &["2001:db8:1::1"], Some("2001:db8:1::1")),
        // Nobody believes the caller, be it in front or alone.
        ("192.0.2.9", &["192.0.2.1"], Some("192.0.2.9")),
        ("10.0.0.7", &["198.51.100.1, 192.0.2.1"], Some("192.0.2.1")),
        ("10.0.0.7", &["198.51.100.1", "192.0.2.1"], Some("192.0.2.1")),
        ("10.0.0.7", &["\"198.51.100.1, 192.0.2.1"], Some("192.0.2.1")),
        ("10.0.0.7", &["garbage,192.0.2.1"], Some("192.0.2.1")),
        // From proxy to proxy.
        ("10.0.0.7", &["198.51.100.1, 192.0.2.1, 10.0.0.7"], Some("192.0.2.1")),
        ("10.0.0.7", &["198.51.100.1, 192.0.2.1", "10.0.0.7,, ", ""], Some("192.0.2.1")),
        // The proxy itself.
        ("10.0.0.7", &[], Some("10.0.0.7")),
        ("10.0.0.7", &["10.0.0.7"], Some("10.0.0.7")),
        // With a port, and in brackets.
        ("10.0.0.7", &["192.0.2.1:4711"], Some("192.0.2.1")),
        ("10.0.0.7", &["[2001:db8::1]:4711"], Some("2001:db8::1")),
        ("10.0.0.7", &["[2001:db8::1]"], Some("2001:db8::1")),
        // What is no address is not known, and nothing in front of it counts.
        ("10.0.0.7", &["192.0.2.1, unknown"], None),
        ("10.0.0.7", &["192.0.2.1, 192.0.2.256"], None),
        ("10.0.0.7", &["[192.0.2.1]"], None),
        ("10.0.0.7", &["192.0.2.1:99999"], None),
        ("-", &["192.0.2.1"], None),
    ];
    for (from, values, expected) in cases {
        let found = of(&x_forwarded_for, from, "x-forwarded-for", values);
        assert_eq!(found.as_deref(), *expected, "{from} {values:?}");
        assert_eq!(
            of(&connection(), "10.0.0.7", "x-forwarded-for", values),
            Some("10.0.0.7".into())
        );
    }
    let cases: &[(&str, &[&str], Option<&str>)] = &[
        ("10.0.0.7", &["for=192.0.2.1"], Some("192.0.2.1")),
        ("10.0.0.7", &["proto=https; For=\"192.0.2.1:4711\";by=_x"], Some("192.0.2.1")),
        ("10.0.0.7", &["for=\"[2001:db8:cafe::17]:4711\""], Some("2001:db8:cafe::17")),
        // RFC 7239 §4: pairs may be empty.
        ("10.0.0.7", &["for=192.0.2.1;"], Some("192.0.2.1")),
        ("10.0.0.7", &["; ;for=192.0.2.1; ;proto=https;"], Some("192.0.2.1")),
        ("10.0.0.7", &["for=198.51.100.1, for=192.0.2.1, for=10.0.0.7"], Some("192.0.2.1")),
        ("192.0.2.9", &["for=192.0.2.1"], Some("192.0.2.9")),
        // A quote that a caller did not close takes in nothing.
        ("10.0.0.7", &["for=\"198.51.100.1, for=192.0.2.1"], Some("192.0.2.1")),
        ("10.0.0.7", &["for=\"198.51.100.1", "for=192.0.2.1"], Some("192.0.2.1")),
        ("10.0.0.7", &["for=192.0.2.1;host=\"x\";x=\"y", "for=192.0.2.2"], Some("192.0.2.2")),
        // What a proxy quotes is no element, and no parameter: a caller chooses its `Host`.
        ("10.0.0.7", &["for=192.0.2.1;host=\"x,for=9.9.9.9;y=z\""], Some("192.0.2.1")),
        ("10.0.0.7", &["for=192.0.2.1;host=\"x;for=9.9.9.9\""], Some("192.0.2.1")),
        ("10.0.0.7", &["for=192.0.2.1;host=\"x\\\",for=9.9.9.9;y=z\""], Some("192.0.2.1")),
        ("10.0.0.7", &["for=\"8.8.8.8, for=192.0.2.1;host=\"x,for=9.9.9.9\""], Some("192.0.2.1")),
        ("10.0.0.7", &["for=192.0.2.1, for=unknown"], None),
        ("10.0.0.7", &["for=192.0.2.1, for=_hidden"], None),
        ("10.0.0.7", &["for=192.0.2.1, proto=https"], None),
        ("10.0.0.7", &["for=192.0.2.1;for=192.0.2.1"], None),
        ("10.0.0.7", &["for"], None),
        ("10.0.0.7", &["for=\"192.0.2.1"], None),
    ];
    for (from, values, expected) in cases {
        let found = of(&forwarded, from, "forwarded", values);
        assert_eq!(found.as_deref(), *expected, "{from} {values:?}");
        assert_eq!(
            of(&x_forwarded_for, "192.0.2.9", "forwarded", values),
            Some("192.0.2.9".into())
        );
    }
}

// A hundred thousand addresses in a table of a hundredth of that.
#[test]
fn flood_of_addresses_frees_nobody_who_has_to_wait() {
    let clock = Clock::fixed(NOW);
    let throttle = FailureThrottle::new(connection()).capacity(1_024).clock(clock);
    for _ in 0..10 {
        fail(&throttle, "basic", "192.0.2.1");
    }
    for n in 0..100_000_u32 {
        let stranger = IpAddr::from(n.wrapping_add(0x0100_0000).to_be_bytes()).to_string();
        fail(&throttle, "basic", &stranger);
        // The client itself never has to.
        if n % 1_000 == 0 {
            assert_eq!(wait(&throttle, "basic", "198.51.100.1"), None);
        }
    }
    assert_eq!(wait(&throttle, "basic", "192.0.2.1"), Some(6_000));
}

#[test]
fn concurrent_failures_are_all_counted() {
    // Less a few that met on the first entry.
    let (throttle, _) = throttle();
    let throttle = throttle.per_client(39_990, MINUTE).per_address(39_990, MINUTE);
    let (head, all_at_once) = (head_from("192.0.2.1"), Barrier::new(4));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                all_at_once.wait();
                for _ in 0..10_000 {
                    throttle.note("a", &head, Some(&K::WrongSecret.into()));
                }
            });
        }
    });
    assert!(wait(&throttle, "a", "192.0.2.1").is_some());
    assert!(wait(&throttle, "b", "192.0.2.1").is_some());
}

#[derive(Clone, Copy, PartialEq)]
enum Does {
    Panics,
    PanicsLater,
    Hangs,
    Fails,
    Refuses,
    Passes,
}

type Notes = Log<(String, Option<K>)>;

struct Scripted(Does, Notes, Arc<AtomicUsize>);

impl Throttle for Scripted {
    fn check<'a>(&'a self, _client_id: &'a str, _head: &'a Parts) -> Verdict<'a> {
        self.2.fetch_add(1, SeqCst);
        let does = self.0;
        match does {
            Does::Panics => panic!("a bug of the application"),
            Does::PanicsLater => Verdict::ask(async { panic!("a bug of the application") }),
            Does::Hangs => Verdict::ask(pending()),
            Does::Fails => Verdict::ask(ready(Err("its store is down".into()))),
            Does::Refuses => Verdict::ask(async { Err(Throttled::new(MINUTE).into()) }),
            Does::Passes => Verdict::ask(async { Ok(()) }),
        }
    }

    fn note(&self, client_id: &str, _head: &Parts, error: Option<&Error>) {
        self.1.push((client_id.into(), error.map(Error::kind)));
        panic!("a bug of the application");
    }
}

fn scripted(does: Does) -> (Harness, Notes, Arc<AtomicUsize>) {
    let (notes, checks) = (Log::default(), Arc::default());
    let throttle = Scripted(does, notes.clone(), Arc::clone(&checks));
    (Harness::new().set(|layer| layer.throttle(throttle)), notes, checks)
}

#[test]
fn throttle_is_asked_once_and_told_once() {
    for (does, asked, expected) in [
        (Does::Panics, right(), refused(K::Provider)),
        (Does::PanicsLater, right(), refused(K::Provider)),
        (Does::Fails, right(), refused(K::Provider)),
        (Does::Refuses, right(), refused_for(60)),
        (Does::Passes, right(), accepted()),
        (Does::Passes, wrong(), failed(K::WrongSecret, "basic")),
    ] {
        let (harness, notes, checks) = scripted(does);
        let kind = expected.kind;
        assert_eq!(harness.ask(&asked), expected);
        assert_eq!(notes.take(), [("basic".to_owned(), kind)]);
        assert_eq!(checks.load(SeqCst), 1);
        // Nor of what never gets to a look-up.
        assert_eq!(harness.ask(&TestRequest::bare()), refused(K::NoCredentials));
        assert!(notes.take().is_empty());
        assert_eq!(checks.load(SeqCst), 1);
    }
}

#[test]
fn attempt_that_is_dropped_while_the_throttle_is_asked_is_told_once() {
    let (harness, notes, _) = scripted(Does::Hangs);
    {
        let mut hung_up = pin!(harness.answer(right().request()));
        assert!(hung_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(notes.take().is_empty());
    }
    assert_eq!(notes.take(), [("basic".to_owned(), Some(K::Abandoned))]);
}

#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn throttle_that_hangs_ends_at_the_deadline() {
    let (harness, notes, _) = scripted(Does::Hangs);
    let limits = tower_client_auth::Limits::new().provider_deadline(Duration::from_secs(2));
    let harness = harness.set(|layer| layer.limits(limits));
    let start = tokio::time::Instant::now();
    let answer = tokio::time::timeout(MINUTE, harness.answer(right().request())).await.unwrap();
    assert_eq!(answer, refused(K::ProviderTimeout));
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    assert_eq!(notes.take(), [("basic".to_owned(), Some(K::ProviderTimeout))]);
}

#[test]
fn refusal_names_the_throttle_to_the_operator() {
    let errors = Log::default();
    let seen = errors.clone();
    let (harness, ..) = scripted(Does::Panics);
    let harness = harness.set(|layer| {
        layer.on_outcome(move |outcome| {
            let source = outcome.error().and_then(std::error::Error::source);
            seen.push((outcome.client_id().map(str::to_owned), source.unwrap().to_string()));
        })
    });
    harness.ask(&right());
    assert_eq!(
        errors.take(),
        [(Some("basic".to_owned()), "the throttle failed: it panicked".to_owned())]
    );
}

#[test]
fn debug_shows_the_settings() {
    let (throttle, _) = throttle();
    let shown = format!("{throttle:?}");
    assert!(shown.contains("failures: 10, interval: 6000"), "{shown}");
    let layer = ClientAuthLayer::new(clients()).throttle(throttle);
    assert!(format!("{:?}", layer.layer(())).contains("throttle: Some(Throttle)"));
    run(ready(()));
}
