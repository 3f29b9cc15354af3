//! Attesters that bring their certificates: `x5c` in the header of the attestation (-11 §10.8, R150).

use aws_lc_rs::signature::KeyPair;
use base64::{Engine, prelude::BASE64_STANDARD};
use store_harness::certificate::{Attribute, Certificate, SubjectAltName, element, oid, sequence};
use tower_client_auth::{attestation::TrustAnchors, mutual_tls::CertificateSubject};

use super::*;
use crate::jose::ed;

const KEY_USAGE: &str = "2.5.29.15";
const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const NAME_CONSTRAINTS: &str = "2.5.29.30";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";

const UNKNOWN: &str = "`x5c` leads to none of the anchors of the attester";
const UNREADABLE: &str =
    "a certificate in `x5c` cannot be read, or has a critical extension that is not known";
const WRONG_SIGNATURE: &str = "the signature of a certificate in `x5c` is wrong";
const MAY_NOT_ISSUE: &str = "a certificate in `x5c` issued another one, and may not";
const TOO_LONG: &str = "`x5c` has more certificates than one of them allows";
const OTHER_SUBJECT: &str =
    "the first certificate in `x5c` is not that of the `subject` of `Attesters::trust_anchors`";
const OTHER_PURPOSE: &str =
    "a certificate in `x5c` is for another purpose: see `TrustAnchors::extended_key_usage`";

/// The keys of authorities: of the root, of the one below it, and of a stranger.
fn authorities() -> &'static [Key; 3] {
    static KEYS: OnceLock<[Key; 3]> = OnceLock::new();
    KEYS.get_or_init(|| [Key::ec("ES256"), Key::ec("ES384"), Key::ec("ES256")])
}

/// A GeneralizedTime, so many seconds from the one of the clock.
fn time(seconds: i64) -> Vec<u8> {
    // NOW is 17:46:40.
    let second = 17 * 3_600 + 46 * 60 + 40 + seconds;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    element(0x18, format!("20300317{hour:02}{minute:02}{second:02}Z").as_bytes())
}

fn common_name(name: &str) -> Vec<u8> {
    element(0x31, &sequence(&[&oid("2.5.4.3"), &element(0x0c, name.as_bytes())]))
}

/// The algorithm of its signatures, and its `SubjectPublicKeyInfo`.
fn spki(key: &Key) -> (Vec<u8>, Vec<u8>) {
    let null = element(0x05, &[]);
    let (signatures, kind, public) = match key {
        Key::Ec(alg, pair) => {
            let (signatures, curve) = match *alg {
                "ES256" => ("1.2.840.10045.4.3.2", "1.2.840.10045.3.1.7"),
                "ES384" => ("1.2.840.10045.4.3.3", "1.3.132.0.34"),
                _ => ("1.2.840.10045.4.3.4", "1.3.132.0.35"),
            };
            let kind = sequence(&[&oid("1.2.840.10045.2.1"), &oid(curve)]);
            (sequence(&[&oid(signatures)]), kind, pair.public_key().as_ref())
        }
        Key::Ed(pair) => {
            let kind = sequence(&[&oid("1.3.101.112")]);
            (kind.clone(), kind, pair.public_key().as_ref())
        }
        Key::Rsa(pair) => (
            sequence(&[&oid("1.2.840.113549.1.1.11"), &null]),
            sequence(&[&oid("1.2.840.113549.1.1.1"), &null]),
            pair.public_key().as_ref(),
        ),
        Key::Secret(_) => panic!("it has no public key"),
    };
    (signatures, sequence(&[&kind, &element(0x03, &[&[0], public].concat())]))
}

/// As certificates have it: that of ECDSA is two numbers (RFC 5758 §3.2).
fn signature(key: &Key, signed: &[u8]) -> Vec<u8> {
    match key {
        Key::Ec(alg, _) => {
            let fixed = key.sign(alg, signed);
            let number = |bytes: &[u8]| {
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                let bytes = &bytes[zeros..];
                let sign = if bytes[0] >= 0x80 { &[0][..] } else { &[] };
                element(0x02, &[sign, bytes].concat())
            };
            let (r, s) = fixed.split_at(fixed.len() / 2);
            sequence(&[&number(r), &number(s)])
        }
        Key::Rsa(_) => key.sign("RS256", signed),
        _ => key.sign("EdDSA", signed),
    }
}

/// A certificate with this name for this key, valid for a while around the time of the clock.
fn certificate(name: &str, key: &Key) -> Certificate {
    Certificate::new()
        .subject(&common_name(name))
        .key(&spki(key).1)
        .valid(&time(-1_000), &time(1_000))
}

/// One that may issue others, and so many authorities below it.
fn authority(name: &str, key: &Key, below: Option<u8>) -> Certificate {
    let below = below.map(|most| element(0x02, &[most])).unwrap_or_default();
    let constraints = sequence(&[&element(0x01, &[0xff]), &below]);
    certificate(name, key)
        .critical(BASIC_CONSTRAINTS, &constraints)
        .critical(KEY_USAGE, &element(0x03, &[1, 0x06]))
}

fn attester_certificate() -> Certificate {
    certificate("attester", attester())
        .critical(KEY_USAGE, &element(0x03, &[7, 0x80]))
        .alternative(SubjectAltName::dns("attester.wallet.example"))
        .alternative(SubjectAltName::uri("https://wallet.example/attester"))
}

fn issued(certificate: &Certificate, by: &str, key: &Key) -> Vec<u8> {
    let certificate = certificate.clone().issuer(&common_name(by));
    certificate.signed(&spki(key).0, |signed| signature(key, signed))
}

fn root() -> Vec<u8> {
    let [key, ..] = authorities();
    issued(&authority("root", key, None), "root", key)
}

/// A certificate that the root has issued.
fn by_root(certificate: &Certificate) -> Vec<u8> {
    issued(certificate, "root", &authorities()[0])
}

/// One that the authority below the root has issued.
fn by_middle(certificate: &Certificate) -> Vec<u8> {
    issued(certificate, "middle", &authorities()[1])
}

fn middle() -> Certificate {
    authority("middle", &authorities()[1], Some(0))
}

fn anchors() -> TrustAnchors {
    TrustAnchors::from_der([root()]).unwrap()
}

fn certified(subject: Option<CertificateSubject>) -> Attesters {
    Attesters::new(ISSUER, store()).unwrap().trust_anchors("wallet-provider", anchors(), subject)
}

fn encoded(chain: &[Vec<u8>]) -> Value {
    chain.iter().map(|der| BASE64_STANDARD.encode(der)).collect()
}

/// What the first of them has signed.
fn pair(chain: &[Vec<u8>]) -> Pair {
    Pair::new().header(json!({"kid": null, "x5c": encoded(chain)}))
}

/// The answer, and what the operator is told.
fn told(attesters: Attesters, request: &TestRequest) -> (Answer, Option<String>) {
    let log = Log::default();
    let seen = log.clone();
    let harness = harness_of(attesters).set(|layer| {
        layer.on_outcome(move |outcome| {
            let source = outcome.error().and_then(std::error::Error::source);
            seen.push(source.map(ToString::to_string));
        })
    });
    let answer = harness.ask(request);
    (answer, log.take().pop().unwrap())
}

#[track_caller]
fn is_believed(attesters: Attesters, pair: &Pair) {
    let request = pair.request();
    assert_eq!(told(attesters, &request), (accepted(&request), None));
}

#[track_caller]
fn is_not_believed(attesters: Attesters, pair: &Pair, why: &str) {
    let expected = (failed(reason(I::Chain), "wallet"), Some(why.to_owned()));
    assert_eq!(told(attesters, &pair.request()), expected);
}

#[test]
fn abca_10_8_chain_leads_to_an_anchor() {
    let leaf = || by_root(&attester_certificate());
    is_believed(certified(None), &pair(&[leaf()]));
    is_believed(certified(None), &pair(&[leaf(), root()]));
    let below = [by_middle(&attester_certificate()), by_root(&middle())];
    is_believed(certified(None), &pair(&below));
    is_believed(certified(None), &pair(&[&below[..], &[root()]].concat()));
    // A `kid` says nothing, nor does the `jwk` of somebody else.
    let header = json!({"kid": "x", "jwk": instance().jwk()});
    is_believed(certified(None), &pair(&below).header(header));
    // JSON may write a slash in two ways.
    let escaped = pair(&[leaf()]);
    let header = escaped.header.to_string().replace('/', "\\/");
    let compact = compact(attester(), "ES256", &header, &escaped.claims.to_string());
    let request =
        TestRequest::form("").with(ATTESTATION, compact).with(PROOF, escaped.possession());
    assert_eq!(harness_of(certified(None)).ask(&request), accepted(&request));
    // Of two anchors with one name, either.
    let others = issued(&authority("root", &authorities()[2], None), "root", &authorities()[2]);
    for both in [[root(), others.clone()], [others, root()]] {
        let anchors = TrustAnchors::from_der(both).unwrap();
        let attesters = certified(None).trust_anchors("wallet-provider", anchors, None);
        is_believed(attesters, &pair(&below));
    }
}

#[test]
fn abca_10_8_anchors_are_in_pem_or_der() {
    let pem = |der: &[u8]| {
        let base64 = BASE64_STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
    };
    let stranger = issued(&authority("x", &authorities()[2], None), "x", &authorities()[2]);
    let bundle = format!("The authorities:\n{}{}", pem(&stranger), pem(&root()));
    let anchors = TrustAnchors::from_pem(&bundle).unwrap();
    let attesters = certified(None).trust_anchors("wallet-provider", anchors, None);
    is_believed(attesters, &pair(&[by_root(&attester_certificate())]));
    let from_pem = |pem: &str| TrustAnchors::from_pem(pem).unwrap_err().to_string();
    assert_eq!(from_pem(""), "there is no certificate in PEM, at byte 0");
    assert_eq!(from_pem(&pem(b"x")), "it is no DER of a certificate, at byte 0");
    assert_eq!(from_pem(&pem(&root())[..80]), "it is no PEM of certificates, at byte 0");
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_eq!(
        from_pem(&(pem(&root()) + key)),
        format!("there is a private key, at byte {}", pem(&root()).len() + 11)
    );
    let from_der = |der: &[&[u8]]| TrustAnchors::from_der(der).unwrap_err().to_string();
    assert_eq!(from_der(&[]), "there is no certificate, at byte 0");
    assert_eq!(from_der(&[&root(), b"x"]), "it is no DER of a certificate, at byte 0");
    // What is in the middle of a chain must not become an authority because it was pasted here.
    let leaf = certificate("attester", ed()).critical(BASIC_CONSTRAINTS, &sequence(&[]));
    let leaf = by_root(&leaf);
    assert_eq!(
        from_der(&[&root(), &leaf]),
        "it is not that of an authority: to trust it alone, give its key to `Attesters::trust`, at byte 0"
    );
}

#[test]
fn abca_10_8_key_of_the_certificate_makes_signatures_of_the_alg() {
    let below = |key: &Key| by_root(&certificate("attester", key));
    for (key, alg) in [(ed(), "EdDSA"), (ed(), "Ed25519"), (rsa(), "RS256"), (rsa(), "PS256")] {
        let pair = pair(&[below(key)]).signed_by(key).header(json!({"alg": alg}));
        is_believed(certified(None), &pair);
    }
    let unfit = "the key of the first certificate in `x5c` cannot make signatures of this `alg`, or is weak";
    is_not_believed(certified(None), &pair(&[below(ed())]), unfit);
    is_not_believed(certified(None), &pair(&[below(rsa())]), unfit);
    is_not_believed(certified(None), &pair(&[below(&authorities()[1])]), unfit);
    // With the right certificate of somebody else.
    let stolen = pair(&[by_root(&attester_certificate())]).signed_by(instance());
    let answer = told(certified(None), &stolen.request());
    assert_eq!(answer, (failed(reason(I::WrongSignature), "wallet"), None));
}

#[test]
fn rfc5280_6_chain_is_as_its_issuers_say() {
    let [_, below, stranger] = authorities();
    let leaf = attester_certificate;
    let valid = |from, to| by_root(&leaf().valid(&time(from), &time(to)));
    let names = |inside: &str| {
        let name = element(0x82, inside.as_bytes());
        element(0x30, &element(0xa0, &sequence(&[&name])))
    };
    let purpose = |dotted: &str| leaf().extension(EXTENDED_KEY_USAGE, &sequence(&[&oid(dotted)]));
    let mut tampered = by_root(&leaf());
    let last = tampered.len() - 1;
    tampered[last] ^= 1;
    let own = issued(&leaf(), "attester", attester());
    let plain = certificate("middle", below);
    let constrained = |inside| middle().extension(NAME_CONSTRAINTS, &names(inside));
    let deep = authority("deep", stranger, None);
    for (chain, why) in [
        (vec![issued(&leaf(), "stranger", stranger)], UNKNOWN),
        (vec![issued(&leaf(), "root", stranger)], WRONG_SIGNATURE),
        (vec![tampered], WRONG_SIGNATURE),
        (vec![own], UNKNOWN),
        (vec![by_middle(&leaf())], UNKNOWN),
        (vec![by_middle(&leaf()), issued(&middle(), "root", stranger)], WRONG_SIGNATURE),
        (vec![issued(&leaf(), "middle", stranger), by_root(&middle())], WRONG_SIGNATURE),
        (
            vec![by_root(&middle()), by_middle(&leaf())],
            "the first certificate in `x5c` is that of an authority",
        ),
        (vec![root()], "the first certificate in `x5c` is that of an authority"),
        (vec![valid(-1_000, -1)], "a certificate in `x5c` has expired"),
        (vec![valid(1, 1_000)], "a certificate in `x5c` is not valid yet"),
        (
            vec![by_middle(&leaf()), by_root(&middle().valid(&time(-9), &time(-1)))],
            "a certificate in `x5c` has expired",
        ),
        (vec![by_middle(&leaf()), by_root(&plain)], MAY_NOT_ISSUE),
        (
            vec![
                by_middle(&leaf()),
                // An authority that may sign nothing but lists of what was revoked.
                by_root(
                    &plain
                        .clone()
                        .critical(BASIC_CONSTRAINTS, &sequence(&[&element(0x01, &[0xff])]))
                        .critical(KEY_USAGE, &element(0x03, &[1, 0x02])),
                ),
            ],
            MAY_NOT_ISSUE,
        ),
        (vec![issued(&leaf(), "deep", stranger), by_middle(&deep), by_root(&middle())], TOO_LONG),
        (
            vec![by_middle(&leaf()), by_root(&constrained("other.example"))],
            "a certificate in `x5c` has a name that its authority may not give",
        ),
        (vec![by_root(&purpose("1.3.6.1.5.5.7.3.1"))], OTHER_PURPOSE),
        (vec![by_root(&leaf().critical("1.3.6.1.4.1.99999.1", &[5, 0]))], UNREADABLE),
        (vec![b"no certificate".to_vec()], UNREADABLE),
        (vec![[by_root(&leaf()), vec![0]].concat()], UNREADABLE),
        (vec![by_middle(&leaf()), b"no certificate".to_vec()], UNREADABLE),
        (
            vec![by_root(
                &certificate("attester", attester())
                    .critical(KEY_USAGE, &element(0x03, &[5, 0x20])),
            )],
            "the key of the first certificate in `x5c` may not be used for digital signatures",
        ),
    ] {
        is_not_believed(certified(None), &pair(&chain), why);
    }
    for chain in [
        vec![valid(-1_000, 0)],
        vec![valid(0, 1_000)],
        vec![by_root(&certificate("attester", attester()))],
        vec![by_root(&purpose("1.3.6.1.5.5.7.3.37"))],
        vec![by_root(&purpose("2.5.29.37.0"))],
        vec![by_middle(&leaf()), by_root(&constrained("wallet.example"))],
        vec![
            issued(&leaf(), "deep", stranger),
            by_middle(&deep),
            by_root(&authority("middle", below, Some(1))),
        ],
    ] {
        is_believed(certified(None), &pair(&chain));
    }
    let anchors = anchors().extended_key_usage("1.3.6.1.5.5.7.3.1").unwrap();
    let attesters = certified(None).trust_anchors("wallet-provider", anchors.clone(), None);
    is_believed(attesters, &pair(&[by_root(&purpose("1.3.6.1.5.5.7.3.1"))]));
    let error = anchors.extended_key_usage("serverAuth").unwrap_err();
    assert_eq!(error.to_string(), "it is no dotted OID, at byte 0");
}

// As authorities may be: with one key and both kinds of certificates.
#[test]
fn certificate_that_issued_itself_is_not_believed() {
    let own = issued(&attester_certificate(), "attester", attester());
    let anchors = TrustAnchors::from_der([&own]).unwrap();
    let attesters = certified(None).trust_anchors("wallet-provider", anchors, None);
    let why = "the first certificate in `x5c` is issued by itself";
    is_not_believed(attesters, &pair(&[own]), why);
}

#[test]
fn certificates_are_judged_by_the_clock_of_the_layer() {
    let ask = |now| {
        let store = MemoryReplayStore::default().clock(Clock::fixed(now));
        let attesters = Attesters::new(ISSUER, store).unwrap();
        let attesters = attesters.trust_anchors("wallet-provider", anchors(), None);
        let harness = harness_of(attesters).set(|layer| layer.clock(Clock::fixed(now)));
        let pair = pair(&[by_root(&attester_certificate())]);
        harness.ask(&pair.proof(json!({"iat": now})).request()).kind
    };
    assert_eq!(ask(NOW + 1_000), None);
    assert_eq!(ask(NOW + 1_001), Some(reason(I::Chain)));
    assert_eq!(ask(-1), Some(reason(I::Chain)));
}

#[test]
fn certificate_has_the_subject_that_is_asked_for() {
    let chain = [by_root(&attester_certificate())];
    for subject in [
        CertificateSubject::dns("attester.wallet.example").unwrap(),
        CertificateSubject::uri("https://wallet.example/attester").unwrap(),
        CertificateSubject::dn("CN=attester").unwrap(),
    ] {
        is_believed(certified(Some(subject)), &pair(&chain));
    }
    for subject in [
        CertificateSubject::dns("wallet.example").unwrap(),
        CertificateSubject::uri("https://wallet.example/").unwrap(),
        CertificateSubject::dn("CN=root").unwrap(),
    ] {
        is_not_believed(certified(Some(subject)), &pair(&chain), OTHER_SUBJECT);
    }
    // What the certificates above it are called does not matter.
    let below = [by_middle(&attester_certificate()), by_root(&middle())];
    let middle = CertificateSubject::dn("CN=middle").unwrap();
    is_not_believed(certified(Some(middle)), &pair(&below), OTHER_SUBJECT);
    let both = certificate("attester", attester())
        .rdn([Attribute::utf8("2.5.4.10", "Acme")])
        .alternative(SubjectAltName::dns("x"));
    let subject = CertificateSubject::dn("O=Acme,CN=attester").unwrap();
    is_believed(certified(Some(subject)), &pair(&[by_root(&both)]));
}

#[test]
fn chain_is_bounded_before_anything_of_it_is_read() {
    let ask = |x5c: Value| {
        let pair = Pair::new().header(json!({"x5c": x5c}));
        told(certified(None), &pair.request())
    };
    let leaf = BASE64_STANDARD.encode(by_root(&attester_certificate()));
    assert_eq!(ask(json!([leaf, "AA==", "AA==", "AA=="])).0.status, 200);
    let why = Some("`x5c` of the attestation has more than 4 certificates".to_owned());
    let five = json!([leaf, "AA==", "AA==", "AA==", "AA=="]);
    assert_eq!(ask(five), (refused(reason(I::Chain)), why));
    let why = "`x5c` of the attestation is not an array of certificates, each the base64 of its DER: neither base64url \
               nor PEM, and an array also of one";
    let pem = format!("-----BEGIN CERTIFICATE-----\n{leaf}\n-----END CERTIFICATE-----");
    for malformed in [
        json!([]),
        json!(leaf),
        json!({"0": leaf}),
        json!([1]),
        json!([[leaf]]),
        json!([pem]),
        json!(["not base64"]),
        json!([format!("{leaf}=")]),
        json!([format!("{leaf} ")]),
        json!(["_-8="]),
    ] {
        let expected = (refused(reason(I::Malformed)), Some(why.to_owned()));
        assert_eq!(ask(malformed.clone()), expected, "{malformed}");
    }
    assert_eq!(ask(json!(["A".repeat(8 * 1024)])), (refused(K::CredentialTooLong), None));
}

#[test]
fn rfc8725_3_10_certificates_count_for_attesters_with_anchors_alone() {
    let chain = [by_root(&attester_certificate())];
    // Nobody has anchors, or somebody else.
    let bad = Pair::new().header(json!({"x5c": ["eA=="]}));
    passes(&bad);
    let none = pair(&chain).header(json!({"kid": "b"}));
    fails(&none, I::AttesterKey, true);
    let elsewhere = attesters().trust_anchors("third-provider", anchors(), None);
    is_believed(elsewhere.clone(), &bad);
    assert_eq!(told(elsewhere, &none.request()), (failed(reason(I::AttesterKey), "wallet"), None));
    // Those of another attester vouch for its clients alone.
    let other = certified(None).trust_anchors(
        "other-provider",
        anchors(),
        CertificateSubject::dns("o").unwrap(),
    );
    let of_other = pair(&chain).claims(json!({"sub": "other"}));
    let answer = harness_of(other).ask(&of_other.request());
    assert_eq!(answer, failed(reason(I::Chain), "other"));
    // An attester with certificates has to bring them.
    let told_why = "the attestation has no `x5c`, and its attester is known by certificates";
    let (answer, why) = told(certified(None), &Pair::new().request());
    assert_eq!(
        (answer, why),
        (failed(reason(I::AttesterKey), "wallet"), Some(told_why.to_owned()))
    );
}

#[test]
fn attester_may_have_both_keys_and_certificates() {
    let [.., stranger] = authorities();
    let leaf = by_root(&certificate("attester", ed()));
    let both = || attesters().trust_anchors("wallet-provider", anchors(), None);
    is_believed(both(), &Pair::new());
    is_believed(both(), &pair(&[leaf]).signed_by(ed()).header(json!({"alg": "EdDSA"})));
    // Which of them counts is not tried out.
    let bad = Pair::new()
        .header(json!({"x5c": encoded(&[issued(&attester_certificate(), "x", stranger)])}));
    is_not_believed(both(), &bad, UNKNOWN);
}

#[test]
fn signal_may_be_that_of_an_attester_with_certificates() {
    let signal = || attesters().as_signal().trust_anchors("third-provider", anchors(), None);
    let ask = |pair: Pair| {
        let request = pair.claims(json!({"sub": "basic"})).request().basic("basic:basic-s3cr3t");
        let answer = harness_of(signal()).ask(&request);
        (answer.status, answer.kind)
    };
    assert_eq!(
        ask(pair(&[by_root(&certificate("attester", ed()))])
            .signed_by(ed())
            .header(json!({"alg": "EdDSA"}))),
        (200, None)
    );
    let unknown = issued(&attester_certificate(), "x", &authorities()[2]);
    assert_eq!(
        ask(pair(std::slice::from_ref(&unknown)).header(json!({"kid": "x"}))),
        (401, Some(reason(I::Chain)))
    );
    // It may have a chain for others, and a key that is known.
    let other = Pair::new().header(json!({"x5c": encoded(&[unknown])}));
    assert_eq!(ask(other), (200, None));
}

// A signal names no attester, and each of these has to be asked.
#[test]
fn signal_may_be_that_of_the_second_attester_of_an_authority() {
    let leaf = certificate("attester", ed()).alternative(SubjectAltName::dns("second.example"));
    let (leaf, below) = (by_middle(&leaf), by_root(&middle()));
    let of = |host: &str| CertificateSubject::dns(host).unwrap();
    let asked = |names: &[&str]| {
        let attesters =
            names.iter().enumerate().fold(attesters().as_signal(), |all, (at, host)| {
                all.trust_anchors(&at.to_string(), anchors(), of(host))
            });
        let pair = pair(&[leaf.clone(), below.clone()]).claims(json!({"sub": "basic"}));
        let request = pair.signed_by(ed()).header(json!({"alg": "EdDSA"})).request();
        harness_of(attesters).ask(&request.basic("basic:basic-s3cr3t")).kind
    };
    assert_eq!(asked(&["first.example", "second.example"]), None);
    assert_eq!(asked(&["1.example", "2.example", "3.example", "second.example"]), None);
    assert_eq!(
        asked(&["1.example", "2.example", "3.example", "4.example", "second.example"]),
        None
    );
}

#[test]
fn signal_may_be_that_of_any_attester_whose_authority_issued_the_chain() {
    let [_, _, stranger] = authorities();
    let after = |names: [&str; 4]| {
        (0..).zip(names).fold(attesters().as_signal(), |all, (at, name): (u8, _)| {
            let anchor = issued(&authority(name, stranger, None), name, stranger);
            all.trust_anchors(&at.to_string(), TrustAnchors::from_der([anchor]).unwrap(), None)
        })
    };
    let ask = |attesters: Attesters, chain: &[Vec<u8>]| {
        let pair = pair(chain).claims(json!({"sub": "basic"}));
        let request = pair.signed_by(ed()).header(json!({"alg": "EdDSA"})).request();
        let (answer, why) = told(attesters, &request.basic("basic:basic-s3cr3t"));
        (answer.status, answer.kind, why)
    };
    let refused = |why: &str| (401, Some(reason(I::Chain)), Some(why.to_owned()));
    let others = || after(["a", "b", "c", "d"]).trust_anchors("last", anchors(), None);
    let leaf = certificate("attester", ed());
    assert_eq!(ask(others(), &[by_root(&leaf)]), (200, None, None));
    assert_eq!(ask(others(), &[by_middle(&leaf), by_root(&middle())]), (200, None, None));
    assert_eq!(ask(others(), &[issued(&leaf, "root", stranger)]), refused(WRONG_SIGNATURE));
    assert_eq!(ask(others(), &[issued(&leaf, "x", stranger)]), refused(UNKNOWN));
    // Each of these costs the work of the chain.
    let namesakes = after(["root"; 4]).trust_anchors("last", anchors(), None);
    assert_eq!(ask(namesakes, &[by_root(&leaf)]), refused(WRONG_SIGNATURE));
    // Of several refusals the operator is told the first.
    let other = || CertificateSubject::dns("other.example").unwrap();
    let namesake = issued(&authority("root", stranger, None), "root", stranger);
    let two = attesters().as_signal().trust_anchors("a", anchors(), other()).trust_anchors(
        "b",
        TrustAnchors::from_der([namesake]).unwrap(),
        other(),
    );
    assert_eq!(ask(two, &[by_root(&leaf)]), refused(OTHER_SUBJECT));
}

// Case 27. B21.
#[test]
fn abca_8_attester_with_certificates_is_announced() {
    let layer = harness_of(certified(None)).layer;
    assert!(layer.auth_methods_supported().any(|name| name == "attest_jwt_client_auth"));
    assert!(layer.attestation_signing_algs_supported().any(|name| name == "ES256"));
}

// RFC 6819 §5.1.4.2.
#[test]
fn failed_chains_are_answered_alike() {
    let ask = |pair: &Pair| harness_of(certified(None)).ask(&pair.request());
    let good = [by_root(&attester_certificate())];
    let unknown = ask(&pair(&good).claims(json!({"sub": "nobody"})));
    for pair in [
        pair(&[issued(&attester_certificate(), "x", &authorities()[2])]),
        pair(&good).signed_by(instance()),
        pair(&good).proven_by(attester()),
        pair(&good).claims(json!({"sub": "basic"})),
        pair(&good).claims(json!({"sub": "nobody's"})),
        Pair::new(),
    ] {
        assert_eq!(ask(&pair).wire(), unknown.wire());
    }
}

#[test]
fn nothing_of_a_chain_is_shown() {
    let debug = format!(
        "{:?} {:?}",
        certified(Some(CertificateSubject::dn("CN=s3cr3t").unwrap())),
        anchors()
    );
    assert!(!debug.contains("s3cr3t") && !debug.contains("root"), "{debug}");
}

// Whatever is in them: nothing is read before it is known to be there, and nothing is left out of what is signed.
#[test]
fn every_byte_of_a_chain_counts() {
    let chain = [by_middle(&attester_certificate()), by_root(&middle())];
    let harness = harness_of(certified(None));
    let expected = failed(reason(I::Chain), "wallet");
    for (which, der) in chain.iter().enumerate() {
        for at in 0..der.len() {
            let (mut flipped, mut short) = (chain.clone(), chain.clone());
            flipped[which][at] ^= 1 << (at % 8);
            short[which].truncate(at);
            for changed in [flipped, short] {
                assert_eq!(harness.ask(&pair(&changed).request()), expected, "{which} {at}");
            }
        }
    }
    assert_eq!(harness.ask(&pair(&chain).request()).status, 200);
}
