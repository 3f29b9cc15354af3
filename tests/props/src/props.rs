//! Properties, on generated input. `serde_urlencoded` is the oracle for forms; the
//! crate reads credentials with a scanner of its own.

use proptest::{collection::vec, prelude::*, sample::select};
use tower_client_auth::{AuthMethod, ClientSecret, Compat, ErrorKind as K};

use crate::{
    script::Script,
    support::{
        Answer, Clients, FORM, Harness, NOW, TestRequest, basic_client, failed, plain, post_client,
        public_client, refused,
    },
};

fn config() -> ProptestConfig {
    // A failure prints its input; a file of old ones would be one more thing to keep.
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) }
}

/// Ids and secrets that may be registered: any text without control characters.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{1,24}",
        "[%+&=;:a0 ]{1,12}",
        vec(any::<char>(), 1..12).prop_map(String::from_iter),
    ]
    .prop_map(|text: String| text.chars().filter(|c| !c.is_ascii_control()).collect::<String>())
    .prop_filter("an empty one is none", |text| !text.is_empty())
}

/// As `serde_urlencoded` writes a value.
fn encode(text: &str) -> String {
    serde_urlencoded::to_string([("", text)]).unwrap().split_off(1)
}

fn pairs(body: &[u8]) -> Vec<(String, String)> {
    serde_urlencoded::from_bytes(body).unwrap()
}

/// Names that mean something, and some that nearly do.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(vec!["client_id", "client_secret"]),
        2 => select(vec![
            "client_assertion", "client_assertion_type", "grant_type", "scope", "resource",
            "client%5Fid", "client%5fsecret", "Client_Id", "client_id[]", "+client_id", "",
        ]),
    ]
    .prop_map(str::to_owned)
    .boxed()
    .prop_union("[a-z_%+]{0,14}".boxed())
}

fn form() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof!["[a-z0-9+%]{0,6}", "[ -~]{0,8}", text()];
    let pair = (name(), value).prop_map(|(name, value)| format!("{name}={value}"));
    prop_oneof![
        4 => vec(pair, 0..6).prop_map(|pairs| pairs.join("&").into_bytes()),
        1 => vec(any::<u8>(), 0..64),
    ]
}

fn authorization() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..40),
        "[Bb]asic [ -~]{0,40}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..30).prop_map(|bytes| crate::support::basic(bytes).into_bytes()),
        "[a-z%+:]{0,12}".prop_map(|bytes| crate::support::basic(bytes).into_bytes()),
    ]
}

fn media_type() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        6 => Just(Some(FORM.as_bytes().to_vec())),
        1 => Just(None),
        1 => "application/grpc(-web)?(\\+[a-z]{0,4})?".prop_map(|text| Some(text.into_bytes())),
        1 => vec(any::<u8>(), 0..40).prop_map(Some),
    ]
}

fn request() -> impl Strategy<Value = TestRequest> {
    let method = prop_oneof![9 => Just("POST"), 1 => select(vec!["GET", "HEAD", "OPTIONS", "X"])];
    (method, media_type(), vec(authorization(), 0..3), form()).prop_map(
        |(method, media_type, authorizations, body)| {
            let valid = |value: &Vec<u8>| http::HeaderValue::from_bytes(value).is_ok();
            let mut ask = TestRequest::bare().method(method).body(body);
            for value in authorizations.into_iter().filter(valid) {
                ask = ask.authorization(value);
            }
            match media_type.filter(valid) {
                Some(media_type) => ask.with("content-type", media_type),
                None => ask,
            }
        },
    )
}

/// A provider to which every id is a client, in one of all registrations.
fn every_id_known() -> Harness<impl tower_client_auth::ClientProvider<Client = crate::support::App>>
{
    Harness::of(tower_client_auth::provider::provider_fn(|id: &str| {
        let secret = [plain("a"), ClientSecret::sha256_of("b").expires_at(NOW)];
        let found = match id.len() % 4 {
            0 => public_client(id),
            1 => basic_client(id, secret),
            2 => post_client(id, secret),
            _ => crate::support::stored_client(id, "private_key_jwt", []),
        };
        std::future::ready(Ok::<_, std::convert::Infallible>(Some(found)))
    }))
}

/// What holds for every answer to anything.
fn is_an_answer(ask: &TestRequest, answer: &Answer) -> Result<(), TestCaseError> {
    prop_assert!(answer.lookups.len() <= 1, "{answer:?}");
    match answer.kind {
        None => {
            let (id, method, _) = answer.calls[0].client.clone().unwrap();
            prop_assert_eq!(answer, &ask.accepted(&id, method));
        }
        Some(kind) => {
            prop_assert!(answer.calls.is_empty());
            // gRPC has its own shape.
            if !answer.headers.iter().any(|(name, _)| name == "grpc-status") {
                let mut expected = Answer { lookups: answer.lookups.clone(), ..refused(kind) };
                if ask.method == "HEAD" {
                    expected.body.clear();
                }
                prop_assert_eq!(answer, &expected);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..config() })]

    // R119, R6: whatever comes, it is one of the answers in the table, or one call.
    #[test]
    fn any_request_gets_a_well_formed_answer(ask in request()) {
        is_an_answer(&ask, &every_id_known().ask(&ask))?;
    }

    // R119: nor do the lenient settings make it panic.
    #[test]
    fn any_request_gets_an_answer_with_any_setting(ask in request()) {
        let harness = every_id_known().set(|layer| {
            layer
                .compat(
                    Compat::new()
                        .raw_basic()
                        .interchange_basic_and_post()
                        .ignore_public_credentials()
                        .last_parameter_wins(),
                )
                .refuse_uri_credentials()
        });
        is_an_answer(&ask, &harness.ask(&ask))?;
    }

    // R7, R9, R36: what the provider is asked for is what the oracle reads in the form, and the
    // service behind sees the same.
    #[test]
    fn looked_up_id_equals_the_oracle(body in form()) {
        let answer = every_id_known().ask(&TestRequest::form(&body));
        let ids: Vec<_> = pairs(&body)
            .into_iter()
            .filter(|(name, value)| name == "client_id" && !value.is_empty())
            .map(|(_, value)| value)
            .collect();
        match answer.lookups.first() {
            Some(id) => prop_assert_eq!(&ids, &vec![id.clone()]),
            None => prop_assert!(answer.kind.is_some()),
        }
    }
}

proptest! {
    #![proptest_config(config())]

    // R7: any text comes through the form, whatever else is in it.
    #[test]
    fn any_credentials_pass_through_post(
        id in text(),
        secret in text(),
        before in vec(("[a-z]{8,9}", ".{0,5}"), 0..3),
        after in vec(("[a-z]{8,9}", ".{0,5}"), 0..3),
        id_first: bool,
    ) {
        let mut form: Vec<_> = before.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        // Nine letters are a known name by chance only, and only if there are no two words in it.
        let own = [("client_id", id.as_str()), ("client_secret", secret.as_str())];
        form.extend(if id_first { own } else { [own[1], own[0]] });
        form.extend(after.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        let ask = TestRequest::form(serde_urlencoded::to_string(&form).unwrap());
        for stored in [plain(&secret), ClientSecret::sha256_of(&secret)] {
            let harness = Harness::of(Clients::from_iter([post_client(&id, [stored])]));
            let expected = ask.accepted(&id, AuthMethod::ClientSecretPost);
            prop_assert_eq!(harness.ask(&ask), expected);
        }
    }

    // R36: and through the header, with a secret that differs refused.
    #[test]
    fn any_credentials_pass_through_basic(id in text(), secret in text(), other in text()) {
        let harness = Harness::of(Clients::from_iter([basic_client(&id, [plain(&secret)])]));
        let ask = TestRequest::bare().basic(format!("{}:{}", encode(&id), encode(&secret)));
        prop_assert_eq!(harness.ask(&ask), ask.accepted(&id, AuthMethod::ClientSecretBasic));
        prop_assume!(other != secret);
        let ask = TestRequest::bare().basic(format!("{}:{}", encode(&id), encode(&other)));
        prop_assert_eq!(harness.ask(&ask), failed(K::WrongSecret, &id));
    }

    // R29: a public client is found by exactly its id.
    #[test]
    fn ids_are_found_byte_for_byte(id in text(), other in text()) {
        let harness = Harness::of(Clients::from_iter([public_client(&id)]));
        let ask = TestRequest::form(format!("client_id={}", encode(&id)));
        prop_assert_eq!(harness.ask(&ask), ask.accepted(&id, AuthMethod::None));
        prop_assume!(other != id);
        let ask = TestRequest::form(format!("client_id={}", encode(&other)));
        prop_assert_eq!(harness.ask(&ask), failed(K::UnknownClient, &other));
    }

    // R35, R36, R37 with the oracle: arbitrary bytes in the token are accepted exactly if they are
    // two halves of UTF-8 form encoding without control characters.
    #[test]
    fn token_halves_equal_the_oracle(
        bytes in prop_oneof![
            "[a-c%:+ 0-9é\u{0}]{0,10}".prop_map(String::into_bytes),
            vec(any::<u8>(), 0..12),
        ],
    ) {
        let half = |half: &[u8]| {
            // The oracle takes a malformed escape literally and replaces what is no UTF-8.
            let escapes = half.iter().enumerate().filter(|(_, byte)| **byte == b'%');
            for (at, _) in escapes {
                let digits = half.get(at + 1..at + 3)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
            }
            let safe: Vec<u8> = half
                .iter()
                .flat_map(|byte| match byte {
                    b'&' => b"%26".to_vec(),
                    byte => vec![*byte],
                })
                .collect();
            let (_, text) = pairs(&[b"x=".to_vec(), safe].concat()).remove(0);
            let replaced = text.contains('\u{fffd}');
            (!replaced && !text.contains(|c: char| c.is_ascii_control())).then_some(text)
        };
        let expected = bytes.iter().position(|byte| *byte == b':').and_then(|colon| {
            let id = half(&bytes[..colon])?;
            let secret = half(&bytes[colon + 1..])?;
            (!id.is_empty()).then_some((id, secret))
        });
        let ask = TestRequest::bare().basic(&bytes);
        let (harness, answer) = match &expected {
            None => (every_id_known().ask(&ask), refused(K::MalformedAuthorization)),
            Some((id, secret)) => {
                let clients = Clients::from_iter([basic_client(id, [plain(secret)])]);
                let harness = Harness::of(clients).ask(&ask);
                if secret.is_empty() {
                    (harness, failed(K::UnusableRegistration, id))
                } else {
                    (harness, ask.accepted(id, AuthMethod::ClientSecretBasic))
                }
            }
        };
        prop_assert_eq!(harness, answer);
    }

    // R33: a header with any one byte changed is not this client's any more, unless only the case
    // of the scheme changed.
    #[test]
    fn header_with_one_byte_changed_is_refused(at in 0..30_usize, byte: u8) {
        let mut value = crate::support::basic("basic:basic-s3cr3t").into_bytes();
        let at = at % value.len();
        prop_assume!(!value[at].eq_ignore_ascii_case(&byte) || at > 5);
        prop_assume!(value[at] != byte);
        value[at] = byte;
        prop_assume!(http::HeaderValue::from_bytes(&value).is_ok());
        let answer = crate::support::ask(&TestRequest::bare().authorization(&value));
        prop_assert!(answer.calls.is_empty() && answer.status >= 400, "{:?}", answer);
    }

    // R77: for any id and any secret.
    #[test]
    fn failures_are_answered_alike(
        id in text(),
        secret in text(),
        wrong in text(),
    ) {
        prop_assume!(wrong != secret);
        let by_basic = |secret: &str| {
            TestRequest::bare().basic(format!("{}:{}", encode(&id), encode(secret)))
        };
        let by_post = |secret: &str| {
            TestRequest::form(serde_urlencoded::to_string([("client_id", &*id), ("client_secret", secret)])
                .unwrap())
        };
        let by_none = || TestRequest::form(format!("client_id={}", encode(&id)));
        let of = |client| Harness::of(Clients::from_iter([client]));
        let live = || [plain(&secret)];
        let expired = || [ClientSecret::sha256_of(&secret).expires_at(NOW)];
        let early = || [plain(&secret).not_before(NOW + 1)];
        let answers = [
            Harness::of(Clients::new()).ask(&by_basic(&secret)),
            Harness::of(Clients::new()).ask(&by_post(&secret)),
            Harness::of(Clients::new()).ask(&by_none()),
            of(basic_client(&id, live())).ask(&by_basic(&wrong)),
            of(basic_client(&id, expired())).ask(&by_basic(&secret)),
            of(basic_client(&id, expired())).ask(&by_basic(&wrong)),
            of(basic_client(&id, early())).ask(&by_basic(&secret)),
            of(basic_client(&id, live())).ask(&by_post(&secret)),
            of(basic_client(&id, live())).ask(&by_none()),
            of(post_client(&id, live())).ask(&by_basic(&secret)),
            of(post_client(&id, live())).ask(&by_post(&wrong)),
            of(public_client(&id)).ask(&by_basic(&secret)),
            of(public_client(&id)).ask(&by_post(&secret)),
            of(basic_client(&id, [])).ask(&by_basic(&secret)),
        ];
        let expected = refused(K::UnknownClient);
        for answer in &answers {
            prop_assert_eq!(answer.wire(), expected.wire());
        }
    }

    // R5: however the body is cut.
    #[test]
    fn body_may_be_cut_anywhere(
        sizes in vec(1..3000_usize, 1..5),
        filler in vec(any::<u8>(), 0..6000),
    ) {
        let mut body = b"client_id=public&x=".to_vec();
        body.extend(filler.into_iter().filter(|byte| *byte != b'&'));
        let whole = TestRequest::form(&body);
        let cut = TestRequest::form("").request().map(|_| Script::pieces(&body, &sizes));
        let expected = whole.accepted("public", AuthMethod::None);
        prop_assert_eq!(Harness::new().send(cut), expected);
    }
}
