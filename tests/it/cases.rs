//! The catalogue: what other implementations get wrong or are asked about, as a table of requests
//! and whole answers with the default settings. `secrecy.rs` goes through the same table.

use tower_client_auth::{AuthMethod, ErrorKind as K};

use crate::support::{Answer, Harness, TestRequest, ask, basic, failed, refused};

pub(crate) struct Case {
    /// The number of the rule in `tests/requirements.md`, and what is tried.
    pub(crate) name: &'static str,
    pub(crate) ask: TestRequest,
    pub(crate) expected: Answer,
}

fn accepted(name: &'static str, client_id: &str, method: AuthMethod, ask: TestRequest) -> Case {
    let expected = ask.accepted(client_id, method);
    Case { name, ask, expected }
}

fn by_basic(name: &'static str, client_id: &str, ask: TestRequest) -> Case {
    accepted(name, client_id, AuthMethod::ClientSecretBasic, ask)
}

fn by_post(name: &'static str, client_id: &str, ask: TestRequest) -> Case {
    accepted(name, client_id, AuthMethod::ClientSecretPost, ask)
}

fn by_none(name: &'static str, client_id: &str, ask: TestRequest) -> Case {
    accepted(name, client_id, AuthMethod::None, ask)
}

/// Refused without asking the provider.
fn no(name: &'static str, kind: K, ask: TestRequest) -> Case {
    Case { name, ask, expected: refused(kind) }
}

/// Refused after the provider was asked for `client_id`.
fn fail(name: &'static str, kind: K, client_id: &str, ask: TestRequest) -> Case {
    Case { name, ask, expected: failed(kind, client_id) }
}

/// The right credentials of a client registered for Basic.
fn right() -> TestRequest {
    TestRequest::bare().basic("basic:basic-s3cr3t")
}

const RIGHT_FORM: &str = "client_id=post&client_secret=post-s3cr3t";

pub(crate) fn cases() -> Vec<Case> {
    [selection(), basic_decoding(), body(), parameters(), secrets()].into_iter().flatten().collect()
}

fn with_form(ask: TestRequest, form: &str) -> TestRequest {
    ask.with("content-type", crate::support::FORM).body(form)
}

fn selection() -> Vec<Case> {
    vec![
        no("R23 nothing at all", K::NoCredentials, TestRequest::bare()),
        no("R23 a form that names nobody", K::NoCredentials, TestRequest::form("grant_type=x")),
        by_none("R22 public client by its id", "public", TestRequest::form("client_id=public")),
        fail(
            "R22 the id of a Basic client alone",
            K::MethodMismatch,
            "basic",
            TestRequest::form("client_id=basic"),
        ),
        fail(
            "R22 the id of a post client alone",
            K::MethodMismatch,
            "post",
            TestRequest::form("client_id=post"),
        ),
        fail(
            "R22 the id of a JWT client alone",
            K::UnusableRegistration,
            "jwt",
            TestRequest::form("client_id=jwt"),
        ),
        fail(
            "R22 the id of an mTLS client alone",
            K::UnusableRegistration,
            "mtls",
            TestRequest::form("client_id=mtls"),
        ),
        fail(
            "R101 the id of an attested client alone",
            K::UnusableRegistration,
            "attested",
            TestRequest::form("client_id=attested"),
        ),
        by_basic("R51 Basic without a body", "basic", right()),
        by_basic(
            "R51 Basic with a form",
            "basic",
            with_form(right(), "grant_type=client_credentials"),
        ),
        by_post("R51 id and secret in the form", "post", TestRequest::form(RIGHT_FORM)),
        by_basic("R20 Basic and the same id", "basic", with_form(right(), "client_id=basic")),
        by_basic(
            "R20 Basic and the same id, encoded",
            "basic",
            with_form(right(), "client%5Fid=%62asic"),
        ),
        no("R21 Basic and another id", K::ClientIdMismatch, with_form(right(), "client_id=public")),
        no(
            "R21 Basic and an id in other case",
            K::ClientIdMismatch,
            with_form(right(), "client_id=BASIC"),
        ),
        no(
            "R21 Basic and a padded id",
            K::ClientIdMismatch,
            with_form(right(), "client_id=basic+"),
        ),
        no(
            "R21 Basic and a malformed id",
            K::MalformedParameter,
            with_form(right(), "client_id=%zz"),
        ),
        no(
            "R19 Basic and a secret of the same client",
            K::MultipleMethods,
            with_form(right(), "client_id=basic&client_secret=basic-s3cr3t"),
        ),
        no(
            "R19 Basic and the credentials of another client",
            K::MultipleMethods,
            with_form(right(), RIGHT_FORM),
        ),
        no(
            "R19 Basic and a wrong secret",
            K::MultipleMethods,
            with_form(right(), "client_secret=x-s3cr3t"),
        ),
        no(
            "R18 Basic and an assertion",
            K::MultipleMethods,
            with_form(right(), "client_assertion=s3cr3t.jwt.x&client_assertion_type=y"),
        ),
        no(
            "R18 Basic and a lone assertion type",
            K::MultipleMethods,
            with_form(right(), "client_assertion_type=y"),
        ),
        no(
            "R18 secret and assertion",
            K::MultipleMethods,
            TestRequest::form(format!("{RIGHT_FORM}&client_assertion=s3cr3t.jwt.x")),
        ),
        no(
            "R18 Basic, secret and assertion",
            K::MultipleMethods,
            with_form(right(), "client_secret=s3cr3t&client_assertion=s3cr3t.jwt.x"),
        ),
        no(
            "R18 an assertion, which is not accepted here yet",
            K::MethodNotAccepted,
            TestRequest::form(
                "client_id=jwt&client_assertion=s3cr3t.jwt.x&client_assertion_type=y",
            ),
        ),
        no(
            "R18 a lone assertion of a public client",
            K::MethodNotAccepted,
            TestRequest::form("client_id=public&client_assertion=s3cr3t.jwt.x"),
        ),
        no(
            "R18 a lone assertion type of a public client",
            K::MethodNotAccepted,
            TestRequest::form("client_id=public&client_assertion_type=y"),
        ),
        by_none(
            "R10 empty assertion parameters",
            "public",
            TestRequest::form("client_id=public&client_assertion=&client_assertion_type"),
        ),
        no(
            "R28 a secret without an id",
            K::MissingClientId,
            TestRequest::form("client_secret=s3cr3t"),
        ),
        no(
            "R28 a secret with an empty id",
            K::MissingClientId,
            TestRequest::form("client_id=&client_secret=s3cr3t"),
        ),
        no("R24 Bearer", K::UnsupportedScheme, TestRequest::bare().authorization("Bearer s3cr3t")),
        no(
            "R24 Negotiate",
            K::UnsupportedScheme,
            TestRequest::bare().authorization("Negotiate s3cr3t"),
        ),
        no(
            "R24 Digest",
            K::UnsupportedScheme,
            TestRequest::bare().authorization("Digest username=\"basic\""),
        ),
        no("R24 a scheme of the kind of Basic", K::UnsupportedScheme, {
            TestRequest::bare().authorization("Basic2 czNjcjN0OnMzY3IzdA==")
        }),
        no("R24 no scheme", K::UnsupportedScheme, TestRequest::bare().authorization("")),
        no(
            "R24 Bearer and the id of a public client",
            K::UnsupportedScheme,
            TestRequest::form("client_id=public").authorization("Bearer s3cr3t"),
        ),
        no(
            "R24 Bearer and right body credentials",
            K::MultipleMethods,
            TestRequest::form(RIGHT_FORM).authorization("Bearer s3cr3t"),
        ),
        no(
            "R25 two right Basic lines",
            K::RepeatedAuthorization,
            right().basic("basic:basic-s3cr3t"),
        ),
        no(
            "R25 the right line first",
            K::RepeatedAuthorization,
            right().basic("basic:wrong-s3cr3t"),
        ),
        no(
            "R25 the right line last",
            K::RepeatedAuthorization,
            TestRequest::bare().authorization("Bearer s3cr3t").basic("basic:basic-s3cr3t"),
        ),
        no(
            "R25 a list in one line",
            K::RepeatedAuthorization,
            TestRequest::bare().authorization(format!(
                "{}, {}",
                basic("basic:basic-s3cr3t"),
                basic("basic:basic-s3cr3t")
            )),
        ),
        no(
            "R32 auth-params behind the token",
            K::RepeatedAuthorization,
            TestRequest::bare()
                .authorization(format!("{}, realm=\"y\"", basic("basic:basic-s3cr3t"))),
        ),
        no(
            "R26 malformed Basic and the id of a public client",
            K::MalformedAuthorization,
            TestRequest::form("client_id=public").authorization("Basic !"),
        ),
        no(
            "R26 malformed Basic and right body credentials",
            K::MultipleMethods,
            TestRequest::form(RIGHT_FORM).authorization("Basic !"),
        ),
        no(
            "R27 Proxy-Authorization",
            K::NoCredentials,
            TestRequest::bare().with("proxy-authorization", basic("basic:basic-s3cr3t")),
        ),
        no(
            "R27 cookies and X- headers",
            K::NoCredentials,
            TestRequest::bare()
                .with("cookie", "client_id=basic; client_secret=basic-s3cr3t")
                .with("x-authorization", basic("basic:basic-s3cr3t"))
                .with("x-client-id", "public"),
        ),
        no(
            "R114 Client-Cert of an mTLS client",
            K::NoCredentials,
            TestRequest::bare()
                .with("client-cert", ":MIIB:")
                .with("x-ssl-client-cert", "MIIB")
                .with("x-forwarded-client-cert", "Subject=\"CN=mtls\"")
                .with("ssl-client-verify", "SUCCESS"),
        ),
        fail(
            "R115 certificate headers beside the id",
            K::UnusableRegistration,
            "mtls",
            TestRequest::form("client_id=mtls")
                .with("client-cert", ":MIIB:")
                .with("x-ssl-client-s-dn", "CN=mtls"),
        ),
        fail(
            "R101 attestation headers",
            K::UnusableRegistration,
            "attested",
            TestRequest::form("client_id=attested")
                .with("oauth-client-attestation", "a.b.s3cr3t")
                .with("oauth-client-attestation-pop", "c.d.s3cr3t"),
        ),
        fail(
            "R47 a public client with a secret",
            K::MethodMismatch,
            "public",
            TestRequest::form("client_id=public&client_secret=any-s3cr3t"),
        ),
        fail(
            "R47 a public client with Basic",
            K::MethodMismatch,
            "public",
            TestRequest::bare().basic("public:any-s3cr3t"),
        ),
        fail(
            "R47 a public client with Basic and an empty password",
            K::MethodMismatch,
            "public",
            TestRequest::bare().basic("public:"),
        ),
        fail(
            "R42 the right secret of a Basic client in the form",
            K::MethodMismatch,
            "basic",
            TestRequest::form("client_id=basic&client_secret=basic-s3cr3t"),
        ),
        fail(
            "R42 a wrong secret of a Basic client in the form",
            K::MethodMismatch,
            "basic",
            TestRequest::form("client_id=basic&client_secret=wrong-s3cr3t"),
        ),
        fail(
            "R42 the right secret of a post client in the header",
            K::MethodMismatch,
            "post",
            TestRequest::bare().basic("post:post-s3cr3t"),
        ),
        fail(
            "R45 an unknown registered method, with its secret",
            K::UnusableRegistration,
            "pigeon",
            TestRequest::bare().basic("pigeon:pigeon-s3cr3t"),
        ),
        fail(
            "R45 an unknown registered method without a secret is not `none`",
            K::UnusableRegistration,
            "pigeon-secretless",
            TestRequest::form("client_id=pigeon-secretless"),
        ),
        fail(
            "R45 client_secret_jwt with its secret in the header",
            K::UnusableRegistration,
            "hmac",
            TestRequest::bare().basic("hmac:hmac-s3cr3t"),
        ),
        fail(
            "R48 `none` with a stored secret, by its id",
            K::UnusableRegistration,
            "none-with-secret",
            TestRequest::form("client_id=none-with-secret"),
        ),
        fail(
            "R48 `none` with a stored secret, by the secret",
            K::UnusableRegistration,
            "none-with-secret",
            TestRequest::bare().basic("none-with-secret:none-s3cr3t"),
        ),
    ]
}

fn basic_decoding() -> Vec<Case> {
    let token = basic("basic:basic-s3cr3t").split_off(6);
    let authorization = |value: String| TestRequest::bare().authorization(value);
    let decoded = |name, client_id: &str, bytes: &[u8]| {
        by_basic(name, client_id, TestRequest::bare().basic(bytes))
    };
    let malformed =
        |name, bytes: &[u8]| no(name, K::MalformedAuthorization, TestRequest::bare().basic(bytes));
    let wrong = |name, client_id: &str, bytes: &[u8]| {
        fail(name, K::WrongSecret, client_id, TestRequest::bare().basic(bytes))
    };
    let unknown = |name, client_id: &str, bytes: &[u8]| {
        fail(name, K::UnknownClient, client_id, TestRequest::bare().basic(bytes))
    };
    let not_base64 = |name, value: String| {
        no(name, K::MalformedAuthorization, TestRequest::bare().authorization(value))
    };
    vec![
        by_basic("R31 basic", "basic", authorization(format!("basic {token}"))),
        by_basic("R31 BASIC", "basic", authorization(format!("BASIC {token}"))),
        by_basic("R31 bAsIC", "basic", authorization(format!("bAsIC {token}"))),
        by_basic("R32 two spaces", "basic", authorization(format!("Basic  {token}"))),
        by_basic("R32 many spaces", "basic", authorization(format!("Basic       {token}"))),
        no("R32 a tab", K::UnsupportedScheme, authorization(format!("Basic\t{token}"))),
        no("R32 no space", K::UnsupportedScheme, authorization(format!("Basic{token}"))),
        not_base64("R32 a space, then a tab", format!("Basic \t{token}")),
        not_base64("R32 text behind the token", format!("Basic {token} x")),
        not_base64("R32 the scheme alone", "Basic".into()),
        not_base64("R32 the scheme and a space", "Basic ".into()),
        by_basic(
            "R34 missing padding is tolerated",
            "basic",
            authorization(basic("basic:basic-s3cr3t").trim_end_matches('=').into()),
        ),
        not_base64("R34 too much padding", format!("Basic {token}====")),
        // `basic:basic-s3cr3t` is a multiple of three bytes long; `x:ab` ends in four spare bits.
        not_base64("R34 trailing bits", "Basic eDphYh==".into()),
        not_base64("R33 `!` at the end", format!("Basic {token}!")),
        not_base64("R33 a space inside", format!("Basic {} {}", &token[..8], &token[8..])),
        not_base64("R33 `!` inside", format!("Basic {}!{}", &token[..8], &token[8..])),
        not_base64("R33 URL-safe alphabet", "Basic czNjcjN0Oj8-Pz8_".into()),
        not_base64("R33 padding inside", format!("Basic {}={}", &token[..8], &token[8..])),
        no(
            "R41 bytes beyond ASCII",
            K::MalformedAuthorization,
            TestRequest::bare().authorization(b"Basic \xc3\xa9s3cr3t"),
        ),
        no(
            "R41 bytes beyond ASCII as the scheme",
            K::UnsupportedScheme,
            TestRequest::bare().authorization(b"\xff\xfe\xfd\xfc\xfb s3cr3t"),
        ),
        malformed("R35 no colon", b"basic-s3cr3t"),
        malformed("R35 no bytes", b""),
        malformed("R35 an encoded colon is no separator", b"basic%3Abasic-s3cr3t"),
        decoded("R35 later colons belong to the secret", "colon:id", b"colon%3Aid:a:b:s3cr3t"),
        unknown("R35 the first colon ends the id", "colon", b"colon:id:a:b:s3cr3t"),
        malformed("R30 empty id", b":s3cr3t"),
        malformed("R30 empty id and secret", b":"),
        wrong("R38 empty secret", "basic", b"basic:"),
        wrong("R38 empty secret against a digest", "digest", b"digest:"),
        decoded("R36 `+` is a space", "my client", b"my+client:with+space+s3cr3t"),
        decoded("R36 `%20` is a space", "my client", b"my%20client:with%20space%20s3cr3t"),
        decoded("R36 a bare space", "my client", b"my client:with space s3cr3t"),
        decoded("R36 `%2B` is a plus", "my+client", b"my%2Bclient:with%2Bplus+s3cr3t"),
        decoded("R36 lower-case hex", "my+client", b"my%2bclient:with%2bplus+s3cr3t"),
        decoded("R36 needless escapes", "basic", b"%62asic:%62asic-s3cr3t"),
        decoded("R36 decoded once", "percent%41", b"percent%2541:100%2525-s3cr3t"),
        unknown("R36 not decoded twice", "percentA", b"percent%41:100%25-s3cr3t"),
        wrong("R36 a plus that was not encoded", "my client", b"my+client:with+plus+s3cr3t"),
        decoded(
            "R36 an id that is a URL",
            "https://client.example/metadata.json",
            b"https%3A%2F%2Fclient.example%2Fmetadata.json:url-s3cr3t",
        ),
        unknown(
            "R106 an id that is a URL and was not encoded ends at its colon",
            "https",
            b"https://client.example/metadata.json:url-s3cr3t",
        ),
        malformed("R8 `%zz` in the id", b"%zz:s3cr3t"),
        malformed("R8 `%zz` in the secret", b"basic:s3cr3t%zz"),
        malformed("R8 `%4` at the end", b"basic:s3cr3t%4"),
        malformed("R8 `%` at the end of the id", b"basic%:s3cr3t"),
        malformed("R8 `%` at the end of the secret", b"basic:basic-s3cr3t%"),
        malformed("R8 a sign is no hex digit", b"basic:s3cr3t%+4"),
        malformed("R36 bytes that are no UTF-8", b"basic:\xff-s3cr3t"),
        malformed("R36 bytes that are no UTF-8, as the id", b"\xff:s3cr3t"),
        malformed("R36 escapes that are no UTF-8", b"basic:%FF-s3cr3t"),
        malformed("R36 a character that the colon cuts", b"caf%C3:%A9-s3cr3t"),
        malformed("R36 an overlong encoding", b"basic:%C0%AF-s3cr3t"),
        malformed("R36 a surrogate", b"basic:%ED%A0%80-s3cr3t"),
        decoded("R36 UTF-8, encoded", "caf\u{e9}", b"caf%C3%A9:%E2%82%AC-s3cr3t-%F0%9F%98%80"),
        decoded("R36 UTF-8, bare", "caf\u{e9}", "caf\u{e9}:\u{20ac}-s3cr3t-\u{1f600}".as_bytes()),
        decoded("R29 NFD is another client", "cafe\u{301}", b"cafe%CC%81:other-s3cr3t"),
        unknown("R29 case matters", "case", b"case:upper-s3cr3t"),
        wrong("R29 case matters in the secret", "Case", b"Case:Upper-s3cr3t"),
        unknown("R29 nothing is trimmed from the id", "padded", b"padded:+padded+s3cr3t+"),
        decoded("R29 spaces are part of id and secret", " padded ", b"+padded+:+padded+s3cr3t+"),
        wrong("R29 nothing is trimmed from the secret", " padded ", b"+padded+:padded+s3cr3t"),
        decoded("R7 U+FFFD is a character", "replaced", "replaced:s3cr3t-\u{fffd}".as_bytes()),
        malformed("R7 U+FFFD does not replace invalid UTF-8", b"replaced:s3cr3t-%FF"),
        malformed("R37 NUL in the id", b"basic\0:s3cr3t"),
        malformed("R37 NUL behind the secret", b"basic:basic-s3cr3t\0"),
        malformed("R37 an encoded NUL behind the secret", b"basic:basic-s3cr3t%00"),
        malformed("R37 encoded CR LF", b"basic%0D%0A:s3cr3t"),
        malformed("R37 a bare line feed", b"basic:s3cr3t\n"),
        malformed("R37 DEL", b"basic:s3cr3t\x7f"),
        malformed("R37 an encoded DEL", b"basic:s3cr3t%7F"),
        no(
            "R108 a long header",
            K::CredentialTooLong,
            TestRequest::bare().basic(format!("basic:{}", "s3cr3t".repeat(2000))),
        ),
    ]
}

fn body() -> Vec<Case> {
    let typed =
        |media_type: &[u8]| TestRequest::bare().with("content-type", media_type).body(RIGHT_FORM);
    let form = |name, media_type: &str| by_post(name, "post", typed(media_type.as_bytes()));
    let not_form = |name, media_type: &[u8]| no(name, K::UnsupportedMediaType, typed(media_type));
    let with_coding = |value| TestRequest::form(RIGHT_FORM).with("content-encoding", value);
    let not_coded = |name, value| by_post(name, "post", with_coding(value));
    let coded = |name, value| no(name, K::UnsupportedContentEncoding, with_coding(value));
    let with_transfer = |value| TestRequest::form(RIGHT_FORM).with("transfer-encoding", value);
    let transferred = |name, value| by_post(name, "post", with_transfer(value));
    let not_transferred =
        |name, value| no(name, K::UnsupportedTransferCoding, with_transfer(value));
    let other_charset = |name, parameters: &str| {
        let media_type = format!("{}{parameters}", crate::support::FORM);
        no(name, K::UnsupportedCharset, typed(media_type.as_bytes()))
    };
    let method = |name, method| no(name, K::MethodNotAllowed, right().method(method));
    vec![
        form("R2 charset: UTF-8", "application/x-www-form-urlencoded; charset=UTF-8"),
        form("R2 a space before the parameter", "application/x-www-form-urlencoded ;charset=utf-8"),
        form("R2 a tab before the parameter", "application/x-www-form-urlencoded\t;\tcharset=utf-8"),
        form("R2 a broken parameter", "application/x-www-form-urlencoded;"),
        form("R2 charset: UTF-8, quoted", "application/x-www-form-urlencoded; charset=\"Utf-8\""),
        form("R2 charset: UTF-8 twice", "application/x-www-form-urlencoded;charset=utf-8;charset=UTF-8"),
        form("R2 empty parameters", "application/x-www-form-urlencoded; ;; charset=utf-8;"),
        form("R2 another parameter", "application/x-www-form-urlencoded; q=\"1\"; profile=a/b"),
        other_charset("R2 charset: UTF-16", "; charset=utf-16"),
        other_charset("R2 charset: UTF-7", ";charset=UTF-7"),
        other_charset("R2 charset: EBCDIC, quoted", "; charset=\"ibm037\""),
        other_charset("R2 charset: a charset before UTF-8", "; charset=ibm037; charset=utf-8"),
        other_charset("R2 charset: a charset after UTF-8", "; charset=utf-8; charset=ibm037"),
        other_charset("R2 charset: a charset in upper case", ";CHARSET=IBM037"),
        other_charset("R2 charset: an alias that not all know", "; charset=utf8"),
        other_charset("R2 charset: an empty charset", "; charset="),
        other_charset("R2 charset: charset without a value", "; charset"),
        other_charset("R2 charset: a space before the equals sign", "; charset =ibm037"),
        other_charset("R2 charset: UTF-8 and a comment", "; charset=utf-8 (ibm037)"),
        other_charset("R2 charset: an extended charset", "; charset*=us-ascii''ibm037"),
        other_charset("R2 charset: an escape in a charset", "; charset=\"utf\\-8\""),
        other_charset("R2 charset: a quotation mark that is not closed", "; charset=\"utf-8"),
        other_charset("R2 charset: charset between quotation marks", "; q=\"charset=ibm037\""),
        other_charset("R2 charset: a parameter between quotation marks", "; q=\"; charset=ibm037; \""),
        other_charset("R2 charset: charset in a longer name", "; x-charset=ibm037"),
        not_form("R2 a list behind a parameter", b"application/x-www-form-urlencoded;a=b, text/plain"),
        no(
            "R2 charset: EBCDIC, and right Basic",
            K::UnsupportedCharset,
            // `client_id=` in EBCDIC, and what a server behind would read.
            right().with("content-type", "application/x-www-form-urlencoded; charset=ibm037").body(
                "%83%93%89%85%95%a3%6d%89%84=%97%a4%82%93%89%83",
            ),
        ),
        by_basic(
            "R3 no body, so that its charset does not matter",
            "basic",
            right().with("content-type", "application/x-www-form-urlencoded; charset=utf-16"),
        ),
        form("R2 upper case", "APPLICATION/X-WWW-FORM-URLENCODED"),
        form("R2 mixed case", "Application/X-Www-Form-Urlencoded; charset=utf-8"),
        not_form("R2 a longer subtype", b"application/x-www-form-urlencoded-evil"),
        not_form("R2 a list", b"application/x-www-form-urlencoded, text/plain"),
        not_form("R2 another type before it", b"text/plain;application/x-www-form-urlencoded"),
        not_form("R2 JSON", b"application/json"),
        not_form("R2 multipart", b"multipart/form-data; boundary=x"),
        not_form("R2 text", b"text/plain"),
        not_form("R2 bytes beyond ASCII", b"application/x-www-form-urlencod\xe9d"),
        not_form("R2 nothing", b""),
        no(
            "R2 two lines that are the same",
            K::UnsupportedMediaType,
            TestRequest::form(RIGHT_FORM).with("content-type", crate::support::FORM),
        ),
        no("R3 no media type", K::UnsupportedMediaType, TestRequest::bare().body(RIGHT_FORM)),
        no(
            "R3 no media type, and right Basic",
            K::UnsupportedMediaType,
            right().body("grant_type=client_credentials"),
        ),
        by_basic(
            "R3 no body, so that its type does not matter",
            "basic",
            right().with("content-type", "application/json"),
        ),
        by_basic("R3 an empty form", "basic", TestRequest::form("").basic("basic:basic-s3cr3t")),
        no(
            "R16 gzip",
            K::UnsupportedContentEncoding,
            TestRequest::form(RIGHT_FORM).with("content-encoding", "gzip"),
        ),
        no(
            "R16 gzip without a body",
            K::UnsupportedContentEncoding,
            right().with("content-encoding", "gzip"),
        ),
        no(
            "R16 identity, then gzip",
            K::UnsupportedContentEncoding,
            TestRequest::form(RIGHT_FORM)
                .with("content-encoding", "identity")
                .with("content-encoding", "gzip"),
        ),
        no(
            "R16 gzip, then identity",
            K::UnsupportedContentEncoding,
            TestRequest::form(RIGHT_FORM)
                .with("content-encoding", "gzip")
                .with("content-encoding", "identity"),
        ),
        not_coded("R16 identity", "Identity"),
        not_coded("R16 nothing", ""),
        not_coded("R16 empty elements", " ,,\t, "),
        not_coded("R16 identity and an empty element", "identity,"),
        not_coded("R16 identity twice", ", identity , IDENTITY"),
        coded("R16 gzip in a list", "identity, gzip"),
        coded("R16 gzip behind an empty element", ",gzip"),
        coded("R16 a charset", "UTF-8"),
        coded("R16 a longer name", "identityx"),
        coded("R16 a parameter", "identity;q=1"),
        transferred("R16 transfer: chunked", "chunked"),
        transferred("R16 transfer: upper case and empty elements", ", Chunked ,"),
        transferred("R16 transfer: nothing", ""),
        not_transferred("R16 transfer: gzip, chunked", "gzip, chunked"),
        not_transferred("R16 transfer: gzip", "gzip"),
        not_transferred("R16 transfer: chunked, gzip", "chunked,gzip"),
        not_transferred("R16 transfer: chunked twice", "chunked, chunked"),
        not_transferred("R16 transfer: identity", "identity"),
        not_transferred("R16 transfer: a longer name", "xchunked"),
        not_transferred("R16 transfer: a parameter", "chunked;q=1"),
        no(
            "R16 transfer: gzip in another field",
            K::UnsupportedTransferCoding,
            with_transfer("gzip").with("transfer-encoding", "chunked"),
        ),
        no(
            "R16 transfer: chunked in two fields",
            K::UnsupportedTransferCoding,
            with_transfer("chunked").with("transfer-encoding", "chunked"),
        ),
        method("R1 GET", "GET"),
        Case {
            name: "R1 HEAD, whose answer has no content",
            ask: right().method("HEAD"),
            expected: Answer { body: String::new(), ..refused(K::MethodNotAllowed) },
        },
        method("R1 PUT", "PUT"),
        method("R1 PATCH", "PATCH"),
        method("R1 DELETE", "DELETE"),
        method("R1 OPTIONS", "OPTIONS"),
        method("R1 an extension method", "QUERY"),
        method("R1 methods are case-sensitive", "post"),
        no(
            "R14 credentials in the query alone",
            K::NoCredentials,
            TestRequest::bare().uri(&format!("/token?{RIGHT_FORM}")),
        ),
        no(
            "R14 the secret in the form, the id in the query",
            K::MissingClientId,
            TestRequest::form("client_secret=post-s3cr3t").uri("/token?client_id=post"),
        ),
        fail(
            "R14 the id in the form, the secret in the query",
            K::MethodMismatch,
            "post",
            TestRequest::form("client_id=post").uri("/token?client_secret=post-s3cr3t"),
        ),
        by_post(
            "R14 another query",
            "post",
            TestRequest::form(RIGHT_FORM).uri("/token?tenant=1&client_id=other"),
        ),
        no("R14 userinfo in the URI", K::NoCredentials, {
            TestRequest::bare().uri("http://basic:basic-s3cr3t@server.example/token")
        }),
        no(
            "R4 over the limit by its length",
            K::BodyTooLarge,
            TestRequest::form(format!("{RIGHT_FORM}&x={}", "a".repeat(64 * 1024))),
        ),
        by_post(
            "R4 just the limit",
            "post",
            TestRequest::form(format!(
                "{RIGHT_FORM}&x={}",
                "a".repeat(64 * 1024 - RIGHT_FORM.len() - 3)
            )),
        ),
        no(
            "R4 one byte more",
            K::BodyTooLarge,
            TestRequest::form(format!(
                "{RIGHT_FORM}&x={}",
                "a".repeat(64 * 1024 - RIGHT_FORM.len() - 2)
            )),
        ),
        by_post(
            "R5 odd encodings reach the inner service as they are",
            "post",
            TestRequest::form(
                b"&&=&x=%zz&\xff\xfe=\x00\n&a;b=c&client%5fid=p%6Fst&x=1&x=%31&client_secret=post-s3cr3t&"
                    .as_slice(),
            ),
        ),
    ]
}

fn parameters() -> Vec<Case> {
    let repeated = |name, form: &str| no(name, K::RepeatedParameter, TestRequest::form(form));
    let malformed = |name, form: &[u8]| no(name, K::MalformedParameter, TestRequest::form(form));
    let post =
        |name, client_id: &str, form: &[u8]| by_post(name, client_id, TestRequest::form(form));
    let unknown = |name, client_id: &str, form: &str| {
        fail(name, K::UnknownClient, client_id, TestRequest::form(form))
    };
    vec![
        by_basic(
            "R10 empty credentials in the form beside Basic",
            "basic",
            with_form(right(), "client_secret=&client_id="),
        ),
        by_basic(
            "R10 names without values beside Basic",
            "basic",
            with_form(right(), "client_secret&client_id&client_assertion"),
        ),
        by_none(
            "R10 an empty secret of a public client",
            "public",
            TestRequest::form("client_id=public&client_secret="),
        ),
        no("R10 an empty id", K::NoCredentials, TestRequest::form("client_id=")),
        repeated("R11 client_id twice", "client_id=public&client_id=public"),
        repeated("R11 two different client_id", "client_id=public&client_id=post"),
        repeated(
            "R11 client_secret twice",
            "client_id=post&client_secret=s3cr3t&client_secret=s3cr3t",
        ),
        repeated("R11 an encoded name", "client_id=public&client%5Fid=public"),
        repeated(
            "R11 a wholly encoded name",
            "client_id=public&%63%6C%69%65%6E%74%5F%69%64=public",
        ),
        repeated("R11 an empty repetition", "client_id=&client_id=public"),
        repeated("R11 client_assertion twice", "client_assertion=s3cr3t&client_assertion=s3cr3t"),
        repeated(
            "R11 client_assertion_type twice",
            "client_assertion_type=a&client_assertion_type=b",
        ),
        no(
            "R11 client_id twice beside Basic",
            K::RepeatedParameter,
            with_form(right(), "client_id=basic&client_id=basic"),
        ),
        repeated("R12 grant_type twice", "client_id=public&grant_type=a&grant_type=a"),
        repeated("R12 two scopes", "client_id=public&scope=a&scope=b"),
        repeated("R12 code twice", "client_id=public&code=a&code=b"),
        repeated("R12 refresh_token twice", "client_id=public&refresh_token=a&refresh_token=b"),
        repeated("R12 redirect_uri twice", "client_id=public&redirect_uri=a&redirect_uri=b"),
        by_none(
            "R12 resource and audience may be repeated",
            "public",
            TestRequest::form("client_id=public&resource=a&resource=b&audience=c&audience=d"),
        ),
        by_none(
            "R13 unknown parameters, also repeated and without names",
            "public",
            TestRequest::form("a=1&a=2&=x&=y&&client_id=public&z"),
        ),
        by_none(
            "R9 `;` is data",
            "public",
            TestRequest::form("a=1;client_id=other&client_id=public"),
        ),
        unknown("R9 `;` is data in a value", "public;x=1", "client_id=public;x=1"),
        no("R9 client_id[]", K::NoCredentials, TestRequest::form("client_id[]=public")),
        no("R9 Client_Id", K::NoCredentials, TestRequest::form("Client_Id=public")),
        no(
            "R9 a BOM before the name",
            K::MalformedParameter,
            TestRequest::form("\u{feff}client_id=public"),
        ),
        no("R9 a space before the name", K::NoCredentials, TestRequest::form("+client_id=public")),
        no("R9 a NUL behind the name", K::NoCredentials, TestRequest::form("client_id%00=public")),
        no("R9 a malformed name", K::NoCredentials, TestRequest::form("client_id%=public")),
        by_none("R9 an encoded name", "public", TestRequest::form("client%5fid=public")),
        no(
            "R9 the longest name with every byte as an escape",
            K::RepeatedParameter,
            TestRequest::form(
                "client_assertion_type=x&\
                 %63%6c%69%65%6e%74%5f%61%73%73%65%72%74%69%6f%6e%5f%74%79%70%65=x",
            ),
        ),
        unknown("R9 only the first `=` separates", "a=b", "client_id=a=b"),
        post(
            "R7 `+` and escapes",
            "post my client",
            b"client_id=post+my%20client&client_secret=with+space%20s3cr3t",
        ),
        post(
            "R7 an escaped plus",
            "post my+client",
            b"client_id=post+my%2Bclient&client_secret=with%2bplus+s3cr3t",
        ),
        post(
            "R7 decoded once",
            "post percent%41",
            b"client_id=post+percent%2541&client_secret=100%2525-s3cr3t",
        ),
        post(
            "R7 bare UTF-8",
            "post caf\u{e9}",
            "client_id=post caf\u{e9}&client_secret=\u{20ac}-s3cr3t-\u{1f600}".as_bytes(),
        ),
        post(
            "R106 a URL as id in the form",
            "post https://client.example/metadata.json",
            b"client_id=post https://client.example/metadata.json&client_secret=url-s3cr3t",
        ),
        malformed(
            "R7 U+FFFD does not replace invalid UTF-8, by post",
            b"client_id=post+replaced&client_secret=s3cr3t-%FF",
        ),
        malformed("R7 bytes that are no UTF-8", b"client_id=\xe9"),
        malformed("R7 a character across the border", b"client_id=%C3&client_secret=%A9s3cr3t"),
        malformed("R8 `%zz` in client_id", b"client_id=%zz"),
        malformed("R8 `%4` in client_id", b"client_id=a%4"),
        malformed("R8 `%` in client_secret", b"client_id=post&client_secret=post-s3cr3t%"),
        malformed("R29 NUL in client_id", b"client_id=public%00"),
        malformed("R29 CR LF in client_id", b"client_id=public%0D%0A"),
        malformed("R29 DEL in client_secret", b"client_id=post&client_secret=post-s3cr3t%7f"),
        malformed("R29 a bare NUL in client_id", b"client_id=public\0"),
        unknown("R29 a padded id", " public", "client_id=+public"),
        unknown("R29 an id in other case", "Public", "client_id=Public"),
        unknown("R29 NFD", "post cafe\u{301}x", "client_id=post+cafe%CC%81x"),
        no(
            "R108 too many parameters",
            K::TooManyParameters,
            TestRequest::form(format!("client_id=public{}", "&".repeat(1024))),
        ),
        by_none(
            "R108 just as many parameters as allowed",
            "public",
            TestRequest::form(format!("client_id=public{}", "&".repeat(1023))),
        ),
        no(
            "R108 a long id",
            K::CredentialTooLong,
            TestRequest::form(format!("client_id={}", "a".repeat(8 * 1024 + 1))),
        ),
        fail(
            "R108 an id that is just not too long",
            K::UnknownClient,
            &"a".repeat(8 * 1024),
            TestRequest::form(format!("client_id={}", "a".repeat(8 * 1024))),
        ),
        no(
            "R108 a long secret",
            K::CredentialTooLong,
            TestRequest::form(format!("client_id=post&client_secret={}", "s3cr3t".repeat(2000))),
        ),
    ]
}

fn secrets() -> Vec<Case> {
    let right = |name, client_id: &str, secret: &str| {
        by_basic(name, client_id, TestRequest::bare().basic(format!("{client_id}:{secret}")))
    };
    let fail = |name, kind, client_id: &str, secret: &str| {
        fail(name, kind, client_id, TestRequest::bare().basic(format!("{client_id}:{secret}")))
    };
    let post = |client_id: &str, secret: &str| {
        TestRequest::form(format!("client_id={client_id}&client_secret={secret}"))
    };
    vec![
        fail("R77 an unknown client", K::UnknownClient, "nobody", "any-s3cr3t"),
        fail("R77 a wrong secret", K::WrongSecret, "basic", "wrong-s3cr3t"),
        fail("R52 a shorter secret", K::WrongSecret, "basic", "basic-s3cr3"),
        fail("R52 a longer secret", K::WrongSecret, "basic", "basic-s3cr3t-"),
        fail("R52 another first byte", K::WrongSecret, "basic", "Basic-s3cr3t"),
        right("R53 a digest", "digest", "digest-s3cr3t"),
        fail("R53 a wrong secret against a digest", K::WrongSecret, "digest", "wrong-s3cr3t"),
        by_post("R53 a digest, by post", "post-digest", post("post-digest", "digest-s3cr3t")),
        right("R55 the old secret", "rotating", "old-s3cr3t"),
        right("R55 the new secret", "rotating", "new-s3cr3t"),
        fail("R55 a third secret", K::WrongSecret, "rotating", "third-s3cr3t"),
        fail("R59 expired a second ago", K::SecretExpired, "expired", "expired-s3cr3t"),
        fail("R59 expires now", K::SecretExpired, "expiring", "expiring-s3cr3t"),
        right("R59 expires in a second", "living", "living-s3cr3t"),
        right("R58 0 is never", "immortal", "immortal-s3cr3t"),
        fail("R61 expired, and a wrong secret", K::WrongSecret, "expired", "wrong-s3cr3t"),
        fail("R55 not yet valid", K::SecretNotYetValid, "early", "early-s3cr3t"),
        right("R55 valid from now on", "early-no-more", "early-s3cr3t"),
        Case {
            name: "R61 expired, by post",
            ask: post("post-expired", "expired-s3cr3t"),
            expected: failed(K::SecretExpired, "post-expired"),
        },
        fail("R46 no stored secret", K::UnusableRegistration, "secretless", "any-s3cr3t"),
        fail("R46 no stored secret, none presented", K::UnusableRegistration, "secretless", ""),
        fail(
            "R46 no stored secret by the constructor",
            K::UnusableRegistration,
            "secretless-unchecked",
            "",
        ),
        fail("R38 an empty stored secret", K::UnusableRegistration, "empty-secret", ""),
        fail(
            "R38 an empty stored secret, one presented",
            K::UnusableRegistration,
            "empty-secret",
            "s3cr3t",
        ),
        Case {
            name: "R38 an empty stored secret, an empty one by post is none",
            ask: post("post-empty-secret", ""),
            expected: failed(K::UnusableRegistration, "post-empty-secret"),
        },
        Case {
            name: "R77 an unknown client, by post",
            ask: post("nobody", "any-s3cr3t"),
            expected: failed(K::UnknownClient, "nobody"),
        },
        Case {
            name: "R77 an unknown client, by its id",
            ask: TestRequest::form("client_id=nobody"),
            expected: failed(K::UnknownClient, "nobody"),
        },
        Case {
            name: "R77 a wrong secret, by post",
            ask: post("post", "wrong-s3cr3t"),
            expected: failed(K::WrongSecret, "post"),
        },
    ]
}

/// Compares the rows of one rule, or all of them, with the answers of a layer with default
/// settings. The tests named for a rule call it.
pub(crate) fn check(rule: &str) {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for case in cases().iter().filter(|case| case.name.starts_with(rule)) {
        checked += 1;
        let answer = ask(&case.ask);
        if answer != case.expected {
            let Case { name, expected, .. } = case;
            wrong.push(format!("{name}\n  expected {expected:?}\n  got      {answer:?}"));
        }
    }
    assert_ne!(checked, 0, "no case is about {rule:?}");
    assert!(wrong.is_empty(), "{} of {checked} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_case() {
    check("");
}

/// One service for all of them: no case may change what the next one gets (R107, R118).
#[test]
fn service_keeps_no_state_between_requests() {
    let harness = Harness::new();
    for _ in 0..2 {
        for case in cases() {
            assert_eq!(harness.ask(&case.ask), case.expected, "{}", case.name);
        }
    }
}

#[test]
fn case_names_are_unique() {
    let mut names: Vec<_> = cases().iter().map(|case| case.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}
