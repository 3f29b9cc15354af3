//! The way from the certificate of an attester to an anchor (RFC 5280 §6).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, UnixTime,
};
use webpki::{
    EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter, KeyUsage,
    RequiredEkuNotFoundContext, VerifiedPath, aws_lc_rs,
};

use crate::{
    jose::{alg::Algorithm, key::Key, set::KeySet},
    method::{
        assertion::decoy,
        attestation::x5c::{
            Refusal,
            anchors::{Anchored, JWT},
        },
    },
    x509::{
        certificate::ClientCertificate,
        subject::CertificateSubject,
        usage::{self, Signature},
    },
};

/// Those of the crate that the rest of this one computes with. OpenSSL signs with SHA-256 unless it is told otherwise, also with a key
/// on P-384.
static ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 16] = [
    aws_lc_rs::ECDSA_P256_SHA256,
    aws_lc_rs::ECDSA_P256_SHA384,
    aws_lc_rs::ECDSA_P384_SHA256,
    aws_lc_rs::ECDSA_P384_SHA384,
    aws_lc_rs::ECDSA_P384_SHA512,
    aws_lc_rs::ECDSA_P521_SHA512,
    aws_lc_rs::ED25519,
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA384,
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA512,
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    aws_lc_rs::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    aws_lc_rs::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    aws_lc_rs::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

/// Signatures of certificates by the content of their OID (RFC 5758 §3.2, RFC 8410 §3, RFC 4055 §5).
const SIGNATURES: [(&[u8], Algorithm); 7] = [
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03], Algorithm::Es384),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04], Algorithm::Es512),
    (&[0x2b, 0x65, 0x70], Algorithm::EdDsa),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a], Algorithm::Ps256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b], Algorithm::Rs256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c], Algorithm::Rs384),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d], Algorithm::Rs512),
];

/// Of so many attesters a signal may be. Its client has authenticated, so that only it can cause the work.
const MOST_CANDIDATES: usize = 4;

/// The key of the first certificate, if a chain leads from it to an anchor of one of the candidates, of which there are
/// several for a signal alone. What one of them does not believe costs `most` verifications.
///
/// # Errors
///
/// Why it is not believed.
pub(super) fn verify(
    chain: &[CertificateDer<'_>],
    candidates: &[Arc<Anchored>],
    algorithm: Algorithm,
    now: i64,
    most: usize,
) -> Result<Arc<Key>, Refusal> {
    let key = key(chain, algorithm);
    let left = AtomicUsize::new(most);
    let mut refusal = UNKNOWN;
    for candidate in candidates.iter().take(MOST_CANDIDATES) {
        left.store(most, Ordering::Relaxed);
        match judge(chain, candidate, now, &left) {
            Ok(()) => match &key {
                Ok(_) => return key,
                Err(why) => refusal = why,
            },
            Err(why) => refusal = why,
        }
    }
    let left = left.into_inner();
    for der in chain.iter().rev().cycle().skip(most - left).take(left) {
        verify_decoy(der);
    }
    Err(refusal)
}

/// That of the attester, for signatures of this algorithm.
fn key(chain: &[CertificateDer<'_>], algorithm: Algorithm) -> Result<Arc<Key>, Refusal> {
    const UNFIT: Refusal = &"the key of the first certificate in `x5c` cannot make signatures of this `alg`, or is weak";

    let set = KeySet::of_der(chain.first().ok_or(UNREADABLE)?).map_err(|_unfit| UNFIT)?;
    set.find(algorithm, None).map(|(key, _)| Arc::clone(key)).map_err(|_unfit| UNFIT)
}

fn judge(
    chain: &[CertificateDer<'_>],
    candidate: &Anchored,
    now: i64,
    left: &AtomicUsize,
) -> Result<(), Refusal> {
    let (leaf, others) = chain.split_first().ok_or(UNREADABLE)?;
    let certificate = ClientCertificate::unverified(leaf.as_ref()).map_err(|_reason| UNREADABLE)?;
    let seconds = u64::try_from(now).map_err(|_before_1970| NOT_YET_VALID)?;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let end_entity = EndEntityCert::try_from(leaf).map_err(|_reason| UNREADABLE)?;
    let counted = ALGORITHMS.map(|algorithm| Counted { algorithm, left });
    let algorithms = counted.each_ref().map(|one| one as &dyn SignatureVerificationAlgorithm);
    let purposes = Purposes(candidate.purposes());
    let path = Some(&may_issue as &dyn Fn(&VerifiedPath<'_>) -> Result<(), Error>);
    let anchors = candidate.anchors();
    end_entity
        .verify_for_usage(&algorithms, anchors, others, now, purposes, None, path)
        .map_err(|error| told(&error))?;
    // An anchor that is the certificate itself is none.
    if end_entity.issuer() == end_entity.subject() {
        return Err(&"the first certificate in `x5c` is issued by itself");
    }
    if !usage::allows(leaf, usage::KeyUsage::DigitalSignature).map_err(|_reason| UNREADABLE)? {
        return Err(
            &"the key of the first certificate in `x5c` may not be used for digital signatures",
        );
    }
    let subject = candidate.subject.as_ref();
    if subject.is_some() && !CertificateSubject::is_of(subject, &certificate) {
        return Err(
            &"the first certificate in `x5c` is not that of the `subject` of `Attesters::trust_anchors`",
        );
    }
    Ok(())
}

/// RFC 5280 §6.1.4(n), which the library leaves out.
fn may_issue(path: &VerifiedPath<'_>) -> Result<(), Error> {
    let may_issue = path.intermediate_certificates().all(|certificate| {
        usage::allows(&certificate.der(), usage::KeyUsage::CertificateSign).unwrap_or_default()
    });
    if may_issue { Ok(()) } else { Err(Error::EndEntityUsedAsCa) }
}

/// RFC 5280 §4.2.1.12: a certificate that says what it is for is for nothing else.
struct Purposes<'a>(&'a [Box<[u8]>]);

impl ExtendedKeyUsageValidator for Purposes<'_> {
    fn validate(&self, stated: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        let mut is_for_all = true;
        for id in stated {
            let id = id?;
            is_for_all = false;
            if self.0.iter().any(|accepted| KeyPurposeId::new(accepted) == id) {
                return Ok(());
            }
        }
        if is_for_all {
            return Ok(());
        }
        let (required, present) = (KeyUsage::required(JWT), Vec::new());
        let context = RequiredEkuNotFoundContext { required, present };
        Err(Error::RequiredEkuNotFoundContext(context))
    }
}

/// As many verifications as are left, however many ways there are through a chain that somebody made up.
#[derive(Debug)]
struct Counted<'a> {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    left: &'a AtomicUsize,
}

impl SignatureVerificationAlgorithm for Counted<'_> {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let one_less = |left: usize| left.checked_sub(1);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .map_err(|_none_left| InvalidSignature)?;
        #[cfg(test)]
        crate::jose::counted::note();
        self.algorithm.verify_signature(public_key, message, signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }
}

/// Whether a verification takes so long that the async worker must not do it.
pub(super) fn is_slow(chain: &[CertificateDer<'_>]) -> bool {
    chain.iter().filter_map(|der| Signature::of(der).ok()).any(|signature| {
        let algorithm = algorithm_of(&signature);
        // Two numbers of 32 bytes, as DER.
        let is_long_curve = algorithm == Algorithm::Es256 && signature.bytes.len() > 72;
        is_long_curve || algorithm.is_slow(signature.bytes.len())
    })
}

fn algorithm_of(signature: &Signature<'_>) -> Algorithm {
    let known = SIGNATURES.iter().find(|(oid, _)| *oid == signature.algorithm);
    known.map_or(Algorithm::Es256, |(_, algorithm)| *algorithm)
}

/// Does the work of the verification of a certificate.
fn verify_decoy(der: &[u8]) {
    /// Two numbers below the order of each curve.
    const POINT: &[u8] = &[1; 132];

    let unreadable = Signature { signed: der, algorithm: &[], bytes: &[] };
    let signature = Signature::of(der).unwrap_or(unreadable);
    let algorithm = algorithm_of(&signature);
    let length = match algorithm {
        Algorithm::Es384 => 96,
        Algorithm::Es512 => 132,
        Algorithm::Es256 | Algorithm::EdDsa => 64,
        _ => 0,
    };
    let point = POINT.get(..length).filter(|point| !point.is_empty());
    decoy::verify(algorithm, signature.signed, point.unwrap_or(signature.bytes));
}

const UNREADABLE: Refusal =
    &"a certificate in `x5c` cannot be read, or has a critical extension that is not known";
const UNKNOWN: Refusal = &"`x5c` leads to none of the anchors of the attester";
const NOT_YET_VALID: Refusal = &"a certificate in `x5c` is not valid yet";

/// What the library says, without what it quotes.
const fn told(error: &Error) -> Refusal {
    match error {
        Error::UnknownIssuer | Error::MaximumPathBuildCallsExceeded => UNKNOWN,
        Error::CertExpired { .. } => &"a certificate in `x5c` has expired",
        Error::CertNotValidYet { .. } => NOT_YET_VALID,
        Error::InvalidSignatureForPublicKey => &"the signature of a certificate in `x5c` is wrong",
        Error::CaUsedAsEndEntity => &"the first certificate in `x5c` is that of an authority",
        Error::EndEntityUsedAsCa => &"a certificate in `x5c` issued another one, and may not",
        Error::PathLenConstraintViolated | Error::MaximumPathDepthExceeded => {
            &"`x5c` has more certificates than one of them allows"
        }
        Error::NameConstraintViolation => {
            &"a certificate in `x5c` has a name that its authority may not give"
        }
        Error::EmptyEkuExtension | Error::RequiredEkuNotFoundContext(_) => {
            &"a certificate in `x5c` is for another purpose: see `TrustAnchors::extended_key_usage`"
        }
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            &"the signature of a certificate in `x5c` has an algorithm that is not supported"
        }
        _ => UNREADABLE,
    }
}

#[cfg(test)]
mod tests {
    use store_harness::certificate::{Certificate, oid, sequence};

    use super::*;

    // What is slow takes of the share of the client in the pool, and all its instances have one.
    #[test]
    fn chain_is_slow_if_one_of_its_signatures_is() {
        let signed = |dotted: &str, length: usize| {
            let algorithm = sequence(&[&oid(dotted)]);
            let der = Certificate::new().signed(&algorithm, |_signed| vec![1; length]);
            CertificateDer::from(der)
        };
        const ES256: &str = "1.2.840.10045.4.3.2";
        const RS256: &str = "1.2.840.113549.1.1.11";
        for (slow, dotted, length) in [
            (false, ES256, 70),
            (false, ES256, 72),
            // Of a longer curve, with a shorter hash.
            (true, ES256, 102),
            (true, "1.2.840.10045.4.3.3", 102),
            (true, "1.2.840.10045.4.3.4", 137),
            (false, "1.3.101.112", 64),
            (false, RS256, 512),
            (true, RS256, 768),
        ] {
            let chain = [signed(ES256, 70), signed(dotted, length)];
            assert_eq!(is_slow(&chain), slow, "{dotted} {length}");
        }
        assert!(!is_slow(&[CertificateDer::from_slice(b"no certificate")]));
    }
}
