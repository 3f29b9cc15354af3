//! Chains that cost a server a lot, and those that may look like it.

use std::{cell::Cell, convert::Infallible, error::Error as _, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use rcgen::CustomExtension;
use rustls::{
    RootCertStore,
    crypto::{WebPkiSupportedAlgorithms, aws_lc_rs::default_provider},
    pki_types::{
        AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
        alg_id,
    },
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};
use tower::{Layer, ServiceExt};
use tower_client_auth::{
    ClientAuthLayer,
    mutual_tls::{AnyClientCertificate, ClientCertificate, MutualTls},
};

use super::{
    clients::clients,
    handshakes::handshake,
    pki::{Authority, Identity, client, params, provider, self_signed, server},
};

thread_local! {
    static SIGNATURES: Cell<usize> = const { Cell::new(0) };
}

/// ECDSA with P-256 and SHA-256.
#[derive(Debug)]
struct Counted;

impl SignatureVerificationAlgorithm for Counted {
    fn verify_signature(
        &self,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        SIGNATURES.set(SIGNATURES.get() + 1);
        let algorithms = default_provider().signature_verification_algorithms.all.iter();
        let mut of_it = algorithms.filter(|one| {
            (one.public_key_alg_id(), one.signature_alg_id())
                == (self.public_key_alg_id(), self.signature_alg_id())
        });
        of_it.next().unwrap().verify_signature(key, message, signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
}

/// One that counts the signatures that it verifies, in this thread.
fn counting(authority: &Authority) -> Arc<dyn ClientCertVerifier> {
    static COUNTED: [&dyn SignatureVerificationAlgorithm; 1] = [&Counted];

    let mut provider = default_provider();
    provider.signature_verification_algorithms =
        WebPkiSupportedAlgorithms { all: &COUNTED, mapping: &[] };
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate()).unwrap();
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider))
        .build()
        .unwrap()
}

/// Whether the chain is verified, and how many signatures that took.
fn judge(chain: &[CertificateDer<'_>], pki: &dyn ClientCertVerifier) -> (bool, usize) {
    SIGNATURES.set(0);
    let certificate = ClientCertificate::of_chain(chain, Some(pki)).unwrap().unwrap();
    (certificate.is_verified(), SIGNATURES.get())
}

/// With these behind it.
fn with(identity: &Identity, others: &[&Authority]) -> Vec<CertificateDer<'static>> {
    let others = others.iter().map(|other| other.certificate());
    identity.chain.iter().cloned().chain(others).collect()
}

/// A certificate of a client, with so many bytes in an extension that nobody knows.
fn of_bytes(authority: &Authority, bytes: usize) -> Identity {
    let mut params = params("p");
    let id = [1, 3, 6, 1, 4, 1, 55555, 1];
    params.custom_extensions.push(CustomExtension::from_oid_content(&id, vec![0; bytes]));
    authority.issue(&params)
}

/// Whether the client is authenticated by the first certificate, or the reason and its cause.
async fn authenticate(
    id: &str,
    chain: &[CertificateDer<'_>],
    pki: &dyn ClientCertVerifier,
    layer: &ClientAuthLayer<impl tower_client_auth::ClientProvider<Client = ()> + 'static>,
) -> Result<(), (&'static str, String)> {
    let service = layer.layer(tower::service_fn(|_| async {
        Ok::<_, Infallible>(http::Response::new(Full::<Bytes>::default()))
    }));
    let request = http::Request::post("/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .extension(ClientCertificate::of_chain(chain, Some(pki)).unwrap().unwrap())
        .body(Full::<Bytes>::from(format!("client_id={id}")))
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    match response.extensions().get::<tower_client_auth::Error>() {
        Some(error) => Err((error.kind().as_str(), error.source().unwrap().to_string())),
        None => Ok(()),
    }
}

#[test]
fn chains_that_authorities_make_are_verified() {
    let root = Authority::new("root");
    let upper = root.intermediate("upper");
    let middle = upper.intermediate("middle");
    let lower = middle.intermediate("lower");
    let far = lower.client("p");
    let near = root.client("p");
    let other = Authority::new("other");

    // Both authorities got a new key, and the old certificate was not thrown away.
    let (old_root, old) = (Authority::new("root"), root.intermediate("upper"));
    let renewed = upper.client("p");

    let long = of_bytes(&upper, 31 * 1024);
    for (chain, signatures) in [
        (with(&near, &[]), 1),
        (with(&far, &[&lower, &middle, &upper]), 4),
        (with(&far, &[&lower, &middle, &upper, &root]), 4),
        (with(&far, &[&root, &upper, &middle, &lower]), 4),
        (with(&near, &[&other, &lower, &upper, &middle]), 1),
        (with(&renewed, &[&old, &old_root, &upper, &root]), 11),
        (with(&long, &[&upper]), 2),
    ] {
        let (is_verified, taken) = judge(&chain, &*counting(&root));
        assert!(is_verified && taken <= signatures, "{taken} of {signatures}");
    }
}

#[tokio::test]
async fn chain_beyond_the_bounds_is_refused_before_a_signature_is_verified() {
    let root = Authority::new("root");
    let upper = root.intermediate("upper");
    let identity = upper.client("p");
    let others: [_; 4] = std::array::from_fn(|_| Authority::new("other"));
    let [a, b, c, d] = &others;
    let long = of_bytes(&upper, 32 * 1024);
    let mut unreadable = with(&identity, &[&upper]);
    unreadable.push(CertificateDer::from(b"no certificate".as_slice()));
    // Others of the same name, so that each may have issued each.
    let namesakes: [_; 2] = std::array::from_fn(|_| Authority::new("upper").intermediate("upper"));
    let [e, f] = &namesakes;
    // It would be verified otherwise.
    let pki = counting(&root);
    let layer = ClientAuthLayer::new(clients(&identity)).mutual_tls(MutualTls::from_connection());
    for (chain, cause) in [
        (
            with(&identity, &[&upper, a, b, c, d]),
            "the chain has more than four certificates besides that of the client",
        ),
        (with(&long, &[&upper]), "the chain is longer than 32 KiB"),
        (unreadable, "a certificate of the chain cannot be read"),
        (
            with(&identity, &[&upper, e, f, &Authority::new("upper").intermediate("upper")]),
            "the chain has too many certificates with the same subject",
        ),
    ] {
        assert_eq!(judge(&chain, &*pki), (false, 0), "{cause}");
        let refused = Err(("certificate_unverified", cause.to_owned()));
        assert_eq!(authenticate("p", &chain, &*pki, &layer).await, refused);
    }
}

/// Strangers give their certificates any names, that of the authority too, and add public ones that it issued itself.
#[test]
fn no_chain_of_a_stranger_costs_more_than_fifteen_signatures() {
    let authority = Authority::new("ca");
    let pki = counting(&authority);
    let [ca, b] = ["ca", "b"].map(Authority::new);
    let client = ca.client("p");
    // Of each kind as many as a chain has places.
    let kinds = [&ca, &b, &authority].map(|issuer| [(issuer, "ca"), (issuer, "b")]);
    let certificates: [Vec<_>; 4] = std::array::from_fn(|_| {
        kinds.iter().flatten().map(|(issuer, name)| issuer.intermediate(name)).collect()
    });
    let mut most = 0;
    for others in 0..=4 {
        for chosen in 0..6_usize.pow(others) {
            let kinds = (0..others).map(|at| chosen / 6_usize.pow(at) % 6);
            let chain: Vec<_> =
                kinds.zip(&certificates).map(|(kind, of_it)| of_it.get(kind).unwrap()).collect();
            let (is_verified, signatures) = judge(&with(&client, &chain), &*pki);
            assert!(!is_verified);
            most = most.max(signatures);
        }
    }
    assert_eq!(most, 15);
}

#[tokio::test]
async fn rfc8705_2_2_self_signed_client_needs_no_chain() {
    let authority = Authority::new("ca");
    let others: [_; 6] = std::array::from_fn(|_| Authority::new("other"));
    let mut identity = self_signed(&params("p"));
    identity.chain = with(&identity, &others.each_ref());
    let pki = counting(&authority);
    let config = Arc::new(server(&authority, Arc::new(AnyClientCertificate::new(&provider()))));
    let layer = ClientAuthLayer::new(clients(&identity)).mutual_tls(MutualTls::from_connection());
    for version in [&TLS12, &TLS13] {
        let client = Arc::new(client(&authority, version, Some(&identity)));
        let connection = handshake(&client, &config).unwrap();
        let presented = connection.peer_certificates().unwrap();
        assert_eq!(presented, identity.chain);
        assert_eq!(authenticate("s", presented, &*pki, &layer).await, Ok(()), "{version:?}");
    }
}
