use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1_SIGNING;
use base64::{Engine, prelude::BASE64_STANDARD};
use store_harness::certificate::{Certificate, element, oid, sequence};

use super::*;
use crate::{
    method::attestation::{read, registration, verify, x5c::anchors::TrustAnchors},
    x509::subject::CertificateSubject,
};

/// A key whose signatures certificates have.
struct Authority(&'static str, EcdsaKeyPair);

impl Authority {
    fn new(name: &'static str) -> Self {
        Self(name, EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    /// Its certificate for itself or for another authority.
    fn issue(&self, other: &Self) -> Vec<u8> {
        let constraints = sequence(&[&element(0x01, &[0xff])]);
        self.sign(certificate(other.0, &other.1).critical("2.5.29.19", &constraints))
    }

    fn sign(&self, certificate: Certificate) -> Vec<u8> {
        let algorithm = sequence(&[&oid("1.2.840.10045.4.3.2")]);
        certificate.issuer(&name(self.0)).signed(&algorithm, |signed| {
            self.1.sign(&SystemRandom::new(), signed).unwrap().as_ref().to_vec()
        })
    }
}

fn name(name: &str) -> Vec<u8> {
    element(0x31, &sequence(&[&oid("2.5.4.3"), &element(0x0c, name.as_bytes())]))
}

fn certificate(subject: &str, key: &EcdsaKeyPair) -> Certificate {
    let kind = sequence(&[&oid("1.2.840.10045.2.1"), &oid("1.2.840.10045.3.1.7")]);
    let bits = element(0x03, &[&[0], key.public_key().as_ref()].concat());
    Certificate::new().subject(&name(subject)).key(&sequence(&[&kind, &bits]))
}

/// What comes of a chain, without a runtime: all of it is computed on this thread.
fn outcome(
    settings: &method::Settings,
    registration: Option<&Registration>,
    (signer, instance): (&EcdsaKeyPair, &EcdsaKeyPair),
    chain: &[Vec<u8>],
) -> (Option<K>, usize) {
    let x5c: Vec<_> = chain.iter().map(|der| BASE64_STANDARD.encode(der)).collect();
    let sign = |key: &EcdsaKeyPair, header: serde_json::Value, claims: serde_json::Value| {
        let parts = [header, claims].map(|part| encode(part.to_string().as_bytes()));
        let input = parts.join(".");
        let signature = key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", encode(signature.as_ref())).parse::<HeaderValue>().unwrap()
    };
    let jwk: serde_json::Value = serde_json::from_str(&jwk(instance)).unwrap();
    let attestation = sign(
        signer,
        serde_json::json!({"typ": "oauth-client-attestation+jwt", "alg": "ES256", "x5c": x5c}),
        serde_json::json!({"sub": "w", "exp": NOW + 60, "cnf": {"jwk": jwk}}),
    );
    let proof = sign(
        instance,
        serde_json::json!({"typ": "oauth-client-attestation-pop+jwt", "alg": "ES256"}),
        serde_json::json!({"aud": "https://as.example", "jti": "1", "iat": NOW}),
    );
    let mut headers = HeaderMap::new();
    headers.insert("oauth-client-attestation", attestation);
    headers.insert("oauth-client-attestation-pop", proof);
    let attesters = settings.attestation.as_deref().unwrap();
    let presented = read(&headers, attesters, &Limits::new()).unwrap();
    let state = State::default();
    counted::take();
    let proof = pin!(verify(&presented, registration, settings, &state, None));
    match proof.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(proof) => (proof.err().map(|error| error.kind()), counted::take()),
        Poll::Pending => (Some(K::Abandoned), 0),
    }
}

// R149, R150.
#[test]
fn every_outcome_costs_a_verification_for_each_certificate_and_two() {
    let (root, middle, stranger) =
        (Authority::new("root"), Authority::new("middle"), Authority::new("stranger"));
    let [attester, instance] = [pair(), pair()];
    let attested = |name: &str| Registration::Attestation(registration::Registration(name.into()));
    let (known, by_key) = (attested("a"), attested("b"));
    let (unnamed, public) = (attested("c"), Registration::None);
    let leaf = || certificate("attester", &attester);
    let below = |leaf| vec![middle.sign(leaf), root.issue(&middle)];
    let chain = Some(K::Attestation(I::Chain));
    let purpose = sequence(&[&oid("1.3.6.1.5.5.7.3.1")]);
    let past = (element(0x17, b"200101000000Z"), element(0x17, b"210101000000Z"));
    // Authorities of one name in a circle, through which there are many ways.
    let namesakes = [Authority::new("root"), Authority::new("root"), Authority::new("root")];
    let circle = vec![
        root.sign(leaf()),
        namesakes[0].issue(&namesakes[1]),
        namesakes[1].issue(&namesakes[2]),
        namesakes[2].issue(&namesakes[0]),
    ];
    let mut wrong_circle = circle.clone();
    wrong_circle[0] = namesakes[0].sign(leaf());
    for (more, registration, signer, certificates, expected) in [
        (0, Some(&known), &attester, vec![root.sign(leaf())], None),
        (0, Some(&known), &attester, below(leaf()), None),
        (0, Some(&known), &instance, below(leaf()), Some(K::Attestation(I::WrongSignature))),
        (0, Some(&known), &attester, vec![stranger.sign(leaf())], chain),
        (0, Some(&known), &attester, vec![middle.sign(leaf()), stranger.issue(&middle)], chain),
        (0, Some(&known), &attester, vec![stranger.sign(leaf()), root.issue(&stranger)], None),
        (0, Some(&known), &attester, vec![middle.sign(leaf())], chain),
        (0, Some(&known), &attester, below(leaf().valid(&past.0, &past.1)), chain),
        (0, Some(&known), &attester, below(leaf().extension("2.5.29.37", &purpose)), chain),
        (0, Some(&known), &attester, vec![b"no certificate".to_vec()], chain),
        (
            0,
            Some(&known),
            &attester,
            below(certificate("attester", &instance)),
            Some(K::Attestation(I::WrongSignature)),
        ),
        (0, Some(&by_key), &attester, below(leaf()), Some(K::Attestation(I::WrongSignature))),
        (0, Some(&unnamed), &attester, below(leaf()), Some(K::UnusableRegistration)),
        (0, Some(&public), &attester, below(leaf()), Some(K::MethodMismatch)),
        (0, None, &attester, below(leaf()), Some(K::UnknownClient)),
        (0, None, &attester, vec![root.sign(leaf())], Some(K::UnknownClient)),
        (0, None, &instance, vec![b"no certificate".to_vec()], Some(K::UnknownClient)),
        (0, Some(&known), &attester, circle.clone(), None),
        (
            0,
            Some(&known),
            &attester,
            circle.iter().skip(1).cloned().chain([root.sign(leaf())]).collect(),
            chain,
        ),
        (0, Some(&known), &attester, wrong_circle.clone(), chain),
        (0, None, &attester, wrong_circle, Some(K::UnknownClient)),
        (0, None, &attester, circle.clone(), Some(K::UnknownClient)),
        // With a certificate that is not on the way.
        (
            0,
            Some(&known),
            &instance,
            [below(leaf()), vec![stranger.issue(&stranger)]].concat(),
            Some(K::Attestation(I::WrongSignature)),
        ),
        // With two anchors of one name.
        (1, Some(&known), &attester, vec![root.sign(leaf())], None),
        (
            1,
            Some(&known),
            &instance,
            vec![root.sign(leaf())],
            Some(K::Attestation(I::WrongSignature)),
        ),
        (1, Some(&known), &attester, vec![stranger.sign(leaf())], chain),
        (1, Some(&known), &attester, vec![namesakes[1].sign(leaf())], chain),
        (1, None, &attester, vec![stranger.sign(leaf())], Some(K::UnknownClient)),
    ] {
        let mut anchors = vec![root.issue(&root)];
        if more > 0 {
            anchors.push(namesakes[0].issue(&namesakes[0]));
        }
        let anchors = TrustAnchors::from_der(anchors).unwrap();
        let keys = ClientKeys::from_jwk(&jwk(&instance)).unwrap();
        let store = MemoryReplayStore::default().clock(Clock::fixed(NOW));
        let subject = CertificateSubject::dn("CN=attester").unwrap();
        let attesters = Attesters::new("https://as.example", store)
            .unwrap()
            .trust("b", keys)
            // With another attester under the same authorities, which costs the first nothing.
            .trust_anchors("d", anchors.clone(), CertificateSubject::dn("CN=another").unwrap())
            .trust_anchors("a", anchors, subject);
        let mut settings = method::Settings { clock: Clock::fixed(NOW), ..Default::default() };
        settings.attestation = Some(Arc::new(attesters));
        settings.refresh();
        let found = outcome(&settings, registration, (signer, &instance), &certificates);
        let most = 2 + certificates.len() + more;
        assert_eq!(found, (expected, most));
    }
}
