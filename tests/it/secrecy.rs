//! No secret, no `Authorization` value and no body in anything that is printed, logged or answered
//! (R57, R71, R111, R112), over all cases of the catalogue.

use std::fmt::Write;

use http_body_util::BodyExt;
use tower::{Layer, service_fn};
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, ClientAuthLayer, ClientMetadata, ClientSecret, Error,
    RegisteredClient,
    body::RequestBody,
    provider::{BoxClientProvider, InvalidRegistration, MemoryProvider},
};

use crate::{
    cases::{Case, cases},
    support::{App, Clients, Harness, Log, MARK, TestRequest, app, clients, plain, run},
};

/// What must not appear of a request: every secret holds the mark, and the rest is taken from it.
fn forbidden(ask: &TestRequest) -> Vec<String> {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let mut parts = vec![MARK.to_owned()];
    for (name, value) in &ask.headers {
        if name.contains("authorization") || name.contains("cookie") {
            let value = text(value);
            parts.extend(value.split([' ', ',']).map(str::to_owned));
        }
    }
    let body = text(&ask.body);
    parts.extend(body.split('&').filter(|pair| pair.contains('=')).map(str::to_owned));
    parts.extend(ask.uri.split_once('?').map(|(_, query)| query.to_owned()));
    // Words that a text may hold for other reasons prove nothing.
    parts.retain(|part| {
        part == MARK || part.len() > 6 && part != "Negotiate" && !part.starts_with("client_id=")
    });
    parts
}

fn assert_hidden(ask: &TestRequest, what: &str, name: &str) {
    for part in forbidden(ask) {
        assert!(!what.contains(&part), "{name}: {part:?} in {what}");
    }
}

/// Everything that the layer shows of a request, in each stage, and of its answer.
fn shown(case: &Case) -> String {
    let log = Log::<String>::default();
    let (outcomes, errors, inside) = (log.clone(), log.clone(), log.clone());
    let layer = Harness::new()
        .layer
        .on_outcome(move |outcome| {
            outcomes.push(format!("{outcome:?} {outcome:#?} {:?}", outcome.error()));
        })
        .map_error_response(move |error, response| {
            errors.push(format!("{error:?} {error} {response:?}"));
            response
        });
    let mut service = layer.layer(service_fn(
        move |request: http::Request<RequestBody<http_body_util::Full<bytes::Bytes>>>| {
            let client = request.extensions().get::<AuthenticatedClient<App>>().unwrap();
            let authorization = request.headers().get_all("authorization").iter();
            let authorization: Vec<_> = authorization.collect();
            inside.push(format!("{client:?} {:?} {authorization:?}", request.body()));
            std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(
                http_body_util::Full::<bytes::Bytes>::default(),
            )))
        },
    ));
    let mut text = format!("{layer:?} {layer:#?}");
    let response = run(async {
        let mut answer = Box::pin(tower::Service::call(&mut service, case.ask.request()));
        std::future::poll_fn(|cx| {
            write!(text, " {answer:?}").unwrap();
            answer.as_mut().poll(cx)
        })
        .await
    })
    .unwrap();
    let (head, body) = response.into_parts();
    write!(text, " {:?} {:?} {body:?}", head.headers, head.extensions.get::<Error>()).unwrap();
    let body = run(body.collect()).unwrap().to_bytes();
    write!(text, " {body:?} {}", log.take().join(" ")).unwrap();
    text
}

#[test]
fn no_case_prints_or_answers_a_secret() {
    for case in cases() {
        assert_hidden(&case.ask, &shown(&case), case.name);
    }
}

// The tests of this file prove something only if the search finds what it looks for.
#[test]
fn search_finds_secrets() {
    let ask = TestRequest::form("client_id=post&client_secret=post-s3cr3t")
        .basic("basic:basic-s3cr3t")
        .uri("/token?client_secret=query");
    let parts = forbidden(&ask);
    for part in [MARK, "client_secret=post-s3cr3t", "YmFzaWM6YmFzaWMtczNjcjN0"] {
        assert!(parts.iter().any(|found| found == part), "{part} of {parts:?}");
    }
    assert!(parts.contains(&"client_secret=query".to_owned()));
}

// R57: what is stored.
#[test]
fn debug_shows_no_stored_secret() {
    let digest = [0xab; 32];
    let secrets = || {
        [
            plain("stored-s3cr3t").expires_at(1_800_000_000).not_before(1_700_000_000),
            ClientSecret::sha256_of("stored-s3cr3t"),
            ClientSecret::sha256(digest),
        ]
    };
    let metadata: ClientMetadata = serde_json::from_str(
        r#"{"client_id": "c", "client_secret": "stored-s3cr3t", "registration_access_token": "s3cr3t"}"#,
    )
    .unwrap();
    let invalid: InvalidRegistration<App> =
        RegisteredClient::new("c", &AuthMethod::None, secrets(), app("c")).unwrap_err();
    let (provider, records) = MemoryProvider::from_json(
        br#"[{"client_id": "c", "client_secret": "a-s3cr3t", "client_name": 7},
             {"client_id": "d", "client_secret": "b-s3cr3t", "token_endpoint_auth_method": "none"}]"#,
    )
    .unwrap();
    let shown = [
        format!("{:?} {:#?}", secrets(), secrets()),
        format!("{metadata:?} {metadata:#?}"),
        format!("{:?}", RegisteredClient::secret_basic("c", secrets(), app("c"))),
        format!("{:?}", RegisteredClient::secret_post("c", secrets(), app("c"))),
        format!("{invalid:?} {invalid} {:?}", std::error::Error::source(&invalid)),
        format!("{:?}", invalid.into_unusable()),
        format!("{:?}", RegisteredClient::try_from(metadata).unwrap()),
        format!("{records:?}"),
        records.iter().map(|record| format!("{record:?} {record} ")).collect(),
        format!("{provider:?}"),
        format!("{:?}", BoxClientProvider::new(provider)),
        format!("{:?}", Clients::from_iter([])),
        format!("{:?}", ClientAuthLayer::new(clients()).decoy(plain("decoy-s3cr3t"))),
        format!("{:?}", ClientAuthLayer::new(clients()).decoy(plain("decoy-s3cr3t")).layer(())),
    ];
    for text in &shown {
        for part in [MARK, "171", "0xab", "abab", "ABAB"] {
            assert!(!text.contains(part), "{part} in {text}");
        }
    }
    // How a secret is stored and when it is valid is no secret.
    assert_eq!(
        format!("{:?}", secrets()[0]),
        "ClientSecret { plain: [redacted], not_before: 1700000000, expires_at: 1800000000 }"
    );
    assert_eq!(format!("{:?}", secrets()[1]), "ClientSecret { sha256: [redacted] }");
}

// R111, R112: a secret in the wrong place is not shown either.
#[test]
fn outcome_shows_no_credential() {
    let log = Log::default();
    let seen = log.clone();
    let harness = Harness::new()
        .set(|layer| layer.on_outcome(move |outcome| seen.push(format!("{outcome:?}"))));
    harness.ask(
        &TestRequest::bare()
            .uri("http://id:s3cr3t@server.example/token?client_secret=s3cr3t")
            .with("proxy-authorization", "Basic s3cr3t")
            .with("cookie", "session=s3cr3t")
            .with("x-api-key", "s3cr3t")
            .basic("nobody:s3cr3t"),
    );
    assert_eq!(
        log.take(),
        ["Outcome { path: \"/token\", client_id: Some(\"nobody\"), other_client_id: None, \
         method: Some(ClientSecretBasic), registered_method: None, secret_label: None, certificate: None, \
         error: Some(Error { kind: UnknownClient }), duration: 0ns, .. }"]
    );
}

#[cfg(feature = "tracing")]
mod events {
    use std::{convert::Infallible, io};

    use tower::ServiceExt;
    use tower_client_auth::{ErrorKind, provider::provider_fn};
    use tracing::{
        Event, Metadata, Subscriber,
        field::{Field, Visit},
        span,
    };

    use super::*;

    /// Writes down every event and span, of whatever level, with all fields.
    #[derive(Default)]
    struct Capture(Log<String>);

    struct Line(String);

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            write!(self.0, " {field}={value:?}").unwrap();
        }
    }

    impl Subscriber for Capture {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            // Other crates of the process have events of their own.
            metadata.target().starts_with("tower_client_auth")
        }

        fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
            let mut line = Line(format!("span {}", attributes.metadata().name()));
            attributes.record(&mut line);
            self.0.push(line.0);
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, values: &span::Record<'_>) {
            let mut line = Line("record".into());
            values.record(&mut line);
            self.0.push(line.0);
        }

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut line = Line(event.metadata().level().to_string());
            event.record(&mut line);
            self.0.push(line.0);
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    fn events<T>(during: impl FnOnce() -> T) -> Vec<String> {
        let mut events = recorded(during);
        events.retain(|line| !line.starts_with("span "));
        events
    }

    fn recorded<T>(during: impl FnOnce() -> T) -> Vec<String> {
        // Other tests meet the same call sites without a subscriber; with one for the whole process
        // they are not cached as of no interest.
        static EVERYWHERE: std::sync::Once = std::sync::Once::new();
        EVERYWHERE.call_once(|| {
            tracing::subscriber::set_global_default(Capture::default()).unwrap();
            tracing::callsite::rebuild_interest_cache();
        });
        let log = Log::default();
        tracing::subscriber::with_default(Capture(log.clone()), during);
        log.take()
    }

    fn event_of(ask: &TestRequest) -> String {
        let events = events(|| Harness::new().ask(ask));
        assert_eq!(events.len(), 1, "one event per decision: {events:?}");
        events.into_iter().next().unwrap()
    }

    // R111, and one event per decision.
    #[test]
    fn no_case_logs_a_secret() {
        for case in cases() {
            assert_hidden(&case.ask, &event_of(&case.ask), case.name);
        }
    }

    // What is slow shows in a trace, and nothing of the caller is in it.
    #[test]
    fn attempt_has_a_span() {
        let recorded = recorded(|| Harness::new().ask(&TestRequest::bare().basic("basic:wrong")));
        assert_eq!(recorded.first().map(String::as_str), Some("span authenticate"));
        assert_eq!(recorded.len(), 2, "the span and the event: {recorded:?}");
    }

    // R79: they all count as one, which is hardly meant.
    #[test]
    fn caller_without_an_address_is_one_warning_of_a_throttle() {
        use std::net::SocketAddr;
        use tower_client_auth::throttle::{FailureThrottle, PeerAddress};

        let peer = PeerAddress::from_extension(|peer: &SocketAddr| peer.ip());
        let harness = Harness::new().set(|layer| layer.throttle(FailureThrottle::new(peer)));
        let of = |ask: &TestRequest, from: Option<SocketAddr>| {
            let mut request = ask.request();
            from.map(|from| request.extensions_mut().insert(from));
            let mut events = events(|| harness.send(request));
            events.retain(|event| event.starts_with("WARN"));
            events
        };
        let (right, wrong) = ("basic:basic-s3cr3t", "basic:x");
        let known = Some(SocketAddr::from(([192, 0, 2, 1], 50_000)));
        assert_eq!(of(&TestRequest::bare().basic(wrong), known), [""; 0]);
        assert_eq!(of(&TestRequest::bare().basic(right), None), [""; 0]);
        let warning = "WARN message=a caller failed whose address is not known to the throttle; \
            all such callers count as one";
        assert_eq!(of(&TestRequest::bare().basic(wrong), None), [warning]);
        assert_eq!(of(&TestRequest::bare().basic(wrong), None), [""; 0]);
    }

    // R113: method, outcome, reason and id.
    #[test]
    fn event_has_method_outcome_reason_and_id() {
        for (ask, expected) in [
            (
                TestRequest::bare().basic("basic:basic-s3cr3t"),
                "DEBUG message=client authenticated method=\"client_secret_basic\" \
                 client_id=\"basic\" outcome=\"success\" path=\"/token\" duration=0ns",
            ),
            (
                TestRequest::form("client_id=post&client_secret=wrong-s3cr3t"),
                "INFO message=client not authenticated method=\"client_secret_post\" \
                 client_id=\"post\" registered_method=\"client_secret_post\" outcome=\"failure\" \
                 reason=\"wrong_secret\" path=\"/token\" duration=0ns",
            ),
            (
                TestRequest::bare(),
                "INFO message=client not authenticated outcome=\"failure\" \
                 reason=\"no_credentials\" path=\"/token\" duration=0ns",
            ),
            (
                TestRequest::form("client_id=jwt"),
                "ERROR message=client not authenticated method=\"none\" client_id=\"jwt\" \
                 outcome=\"failure\" reason=\"unusable_registration\" \
                 source=`private_key_jwt` needs keys path=\"/token\" duration=0ns",
            ),
        ] {
            assert_eq!(event_of(&ask), expected);
        }
        let post =
            Harness::new().set(|layer| layer.auth_methods([AuthMethod::ClientSecretPost]).unwrap());
        assert_eq!(
            events(|| post.ask(&TestRequest::form("client_id=basic&client_secret=s3cr3t"))),
            ["INFO message=client not authenticated method=\"client_secret_post\" \
              client_id=\"basic\" registered_method=\"client_secret_basic\" outcome=\"failure\" \
              reason=\"method_mismatch\" source=the client must use `client_secret_basic`, which \
              this layer does not accept path=\"/token\" duration=0ns"]
        );
    }

    // R73: the operator needs the cause of an outage, and the client does not get it.
    #[test]
    fn outage_is_logged_with_its_cause() {
        let harness = Harness::of(provider_fn(|_: &str| {
            std::future::ready(Err::<Option<RegisteredClient<App>>, _>(io::Error::other("down")))
        }));
        let logged = events(|| harness.ask(&TestRequest::form("client_id=c")));
        assert_eq!(
            logged,
            ["ERROR message=client not authenticated method=\"none\" client_id=\"c\" \
             outcome=\"failure\" reason=\"provider\" source=down path=\"/token\" duration=0ns"]
        );
    }

    #[derive(Clone, Debug)]
    struct Said(String, Option<Box<Self>>);

    impl std::fmt::Display for Said {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(&self.0)
        }
    }

    impl std::error::Error for Said {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    /// What is logged as the source of an outage with these causes, each of which caused the one before.
    fn source_of(causes: &[&str]) -> String {
        let chain = causes
            .iter()
            .rev()
            .fold(None, |cause, &said| Some(Box::new(Said(said.to_owned(), cause))));
        let harness = Harness::of(provider_fn(move |_: &str| {
            std::future::ready(Err::<Option<RegisteredClient<App>>, _>(*chain.clone().unwrap()))
        }));
        let shown = Log::default();
        let hook = shown.clone();
        let harness = harness.set(|layer| {
            layer.on_outcome(move |outcome| {
                hook.push(outcome.error().unwrap().causes().unwrap().to_string());
            })
        });
        let mut logged = events(|| harness.ask(&TestRequest::form("client_id=c")));
        let logged = logged.pop().unwrap();
        let (_, rest) = logged.split_once(" source=").unwrap();
        let (source, _) = rest.rsplit_once(" path=").unwrap();
        assert_eq!(shown.take(), [source], "what a hook gets");
        source.to_owned()
    }

    // R113: each cause is told, and once.
    #[test]
    fn outage_is_logged_with_what_caused_its_cause() {
        for (causes, expected) in [
            (&["down"][..], "down"),
            (&["query", "no connection", "refused"], "query: no connection: refused"),
            (&["broken pipe", "broken pipe"], "broken pipe"),
            (&["sending: broken pipe", "broken pipe", "x"], "sending: broken pipe: x"),
            (&["caf\u{e9}\n", "\n"], "caf\u{e9}\\n"),
            (&["pipe", "broken pipe"], "pipe: broken pipe"),
            (&["", "", "down", ""], "down"),
        ] {
            assert_eq!(source_of(causes), expected, "{causes:?}");
        }
    }

    // R111: nor can it flood a log, whatever is quoted.
    #[test]
    fn causes_of_a_refusal_are_cut() {
        let long = "x".repeat(1000);
        let whole = format!("{long}: {}", "y".repeat(22));
        assert_eq!(source_of(&[&long, &"y".repeat(22)]), whole);
        assert_eq!(source_of(&[&long, &"y".repeat(23)]), format!("{whole}…"));
        assert_eq!(source_of(&[&long, &"y".repeat(22), "z"]), format!("{whole}…"));
        let escaped = "\\u{2028}".repeat(128);
        assert_eq!(source_of(&[&"\u{2028}".repeat(100_000)]), format!("{escaped}…"));
        let numbers: Vec<_> = (0..20).map(|number| number.to_string()).collect();
        let numbers: Vec<_> = numbers.iter().map(String::as_str).collect();
        assert_eq!(source_of(&numbers[..16]), numbers[..16].join(": "));
        assert_eq!(source_of(&numbers), format!("{}…", numbers[..16].join(": ")));
    }

    // R111: what an error quotes, such as the name in a certificate, may be a caller's.
    #[test]
    fn cause_of_a_refusal_stays_on_its_line() {
        let cause = "down\r\nERROR \u{1b}[31mforged\u{85}\u{2028}\u{202e} \"caf\u{e9}\" \\ `x`";
        let harness = Harness::of(provider_fn(move |_: &str| {
            std::future::ready(Err::<Option<RegisteredClient<App>>, _>(io::Error::other(cause)))
        }));
        let logged = events(|| harness.ask(&TestRequest::form("client_id=c")));
        assert_eq!(
            logged,
            ["ERROR message=client not authenticated method=\"none\" client_id=\"c\" \
             outcome=\"failure\" reason=\"provider\" \
             source=down\\r\\nERROR \\u{1b}[31mforged\\u{85}\\u{2028}\\u{202e} \"caf\u{e9}\" \\ `x` \
             path=\"/token\" duration=0ns"]
        );
    }

    // R119: the operator learns which hook it was.
    #[test]
    fn panicking_hook_is_logged_by_its_name() {
        let logged = |harness: Harness, ask: &TestRequest| {
            let answered = std::cell::Cell::new(0);
            let mut logged = events(|| answered.set(harness.ask(ask).status));
            logged.retain(|event| event.contains("a hook panicked"));
            (answered.get(), logged)
        };
        let line = |hook: &str| vec![format!("ERROR message=a hook panicked hook=\"{hook}\"")];
        let right = TestRequest::bare().basic("basic:basic-s3cr3t");
        let harness = Harness::new().set(|layer| layer.on_outcome(|_| panic!("s3cr3t")));
        assert_eq!(logged(harness, &right), (200, line("on_outcome")));
        let harness = Harness::new().set(|layer| layer.on_secret_match(|_| panic!("s3cr3t")));
        assert_eq!(logged(harness, &right), (200, line("on_secret_match")));
        let harness = Harness::new().set(|layer| layer.require_https(|_| panic!("s3cr3t")));
        assert_eq!(logged(harness, &right), (500, line("require_https")));
        let harness = Harness::new().set(|layer| layer.map_error_response(|_, _| panic!("s3cr3t")));
        assert_eq!(logged(harness, &TestRequest::bare()), (500, line("map_error_response")));
    }

    // R113, R119: a subscriber that panics, here over an error that cannot be printed, keeps the
    // outcome from nobody.
    #[test]
    fn panicking_subscriber_changes_no_answer() {
        #[derive(Debug)]
        struct Unprintable;
        impl std::fmt::Display for Unprintable {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                panic!("it cannot be printed")
            }
        }
        impl std::error::Error for Unprintable {}

        let outcomes = Log::default();
        let inside = outcomes.clone();
        let harness = Harness::of(provider_fn(|_: &str| {
            std::future::ready(Err::<Option<RegisteredClient<App>>, _>(Unprintable))
        }))
        .set(|layer| {
            layer.on_outcome(move |outcome| inside.push(outcome.client_id() == Some("c")))
        });
        let ask = TestRequest::form("client_id=c");
        let logged = events(|| {
            assert_eq!(harness.ask(&ask), crate::support::failed(ErrorKind::Provider, "c"));
        });
        assert_eq!((logged, outcomes.take()), (vec![], vec![true]));
    }

    // R111: log injection. What an id holds cannot end the line, forge a field, or flood the log.
    #[test]
    fn hostile_id_is_escaped_and_cut() {
        let hostile = [
            "x\" outcome=\"success",
            "x\u{85}y",
            "x\u{2028}y\u{2029}",
            "x\u{202e}y\u{200b}",
            "x\u{9b}31m",
            "\\",
            &"long".repeat(1000),
            &"\u{2028}".repeat(800),
            &"\"".repeat(2000),
        ];
        for id in hostile {
            let encoded = serde_urlencoded::to_string([("client_id", id)]).unwrap();
            let event = event_of(&TestRequest::form(&encoded));
            let (_, rest) = event.split_once(" client_id=").unwrap();
            let (logged, rest) = rest.rsplit_once(" outcome=").unwrap();
            let rest_of_line = "\"failure\" reason=\"unknown_client\" path=\"/token\" duration=0ns";
            assert_eq!(rest, rest_of_line, "{id:?}");
            let expected: String = id.chars().take(64).collect();
            assert_eq!(logged, format!("{expected:?}"), "{id:?}");
            let printable = |c: char| !c.is_control() && !matches!(c, '\u{200b}'..='\u{202e}');
            assert!(event.chars().all(printable), "{event:?}");
        }
    }

    // Control characters never come so far.
    #[test]
    fn id_with_control_characters_is_not_logged() {
        for encoded in ["a%0D%0Ab", "a%1b[31m", "a%00", "a%7f"] {
            let expected = |method: &str, reason: ErrorKind, whose: &str| {
                format!(
                    "INFO message=client not authenticated{method} outcome=\"failure\" \
                     reason=\"{}\" source={whose} has a control character, such as a line break at its end \
                     path=\"/token\" duration=0ns",
                    reason.as_str()
                )
            };
            let by_form = event_of(&TestRequest::form(format!("client_id={encoded}")));
            assert_eq!(by_form, expected("", ErrorKind::MalformedParameter, "`client_id`"));
            let by_basic = event_of(&TestRequest::bare().basic(format!("{encoded}:x")));
            let method = " method=\"client_secret_basic\"";
            assert_eq!(
                by_basic,
                expected(method, ErrorKind::MalformedAuthorization, "id or secret")
            );
        }
    }

    // R110, R113: a look-up that the caller did not wait for is an attempt, too.
    #[test]
    fn dropped_request_is_logged_once() {
        let clock = tower_client_auth::Clock::fixed(0);
        let logged = events(|| {
            let layer = ClientAuthLayer::new(provider_fn(|_: &str| {
                std::future::pending::<Result<Option<RegisteredClient<App>>, Infallible>>()
            }))
            .clock(clock.clone());
            let service = layer.layer(crate::support::Recorder { calls: Log::default() });
            let mut answer = Box::pin(service.oneshot(TestRequest::form("client_id=c").request()));
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            for _ in 0..10 {
                assert!(answer.as_mut().poll(&mut cx).is_pending());
                clock.advance(std::time::Duration::from_millis(120));
            }
        });
        assert_eq!(
            logged,
            ["INFO message=client not authenticated method=\"none\" client_id=\"c\" \
              outcome=\"failure\" reason=\"abandoned\" path=\"/token\" duration=1.2s"]
        );
    }
}
