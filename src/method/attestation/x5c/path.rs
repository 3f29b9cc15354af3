//! The way from the certificate of an attester to an anchor (RFC 5280 §6).

use std::{sync::Arc, time::Duration};

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{
    EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter, KeyUsage,
    RequiredEkuNotFoundContext, VerifiedPath,
};

use crate::{
    jose::{alg::Algorithm, key::Key, set::KeySet},
    method::attestation::{
        MOST_ATTESTERS,
        x5c::{
            Candidates, Refusal,
            anchors::{Anchored, JWT},
            work::Work,
        },
    },
    x509::{certificate::ClientCertificate, link::Link, subject::CertificateSubject, usage},
};

/// The key of the first certificate, if a chain leads from it to an anchor of one of the candidates, of which there are
/// several for a signal alone. It costs all of the work, believed or not.
///
/// # Errors
///
/// Why it is not believed.
pub(super) fn verify(
    chain: &[CertificateDer<'_>],
    mut candidates: Candidates,
    algorithm: Algorithm,
    now: i64,
    work: &Work<'_>,
) -> Result<Arc<Key>, Refusal> {
    let key = key(chain, algorithm);
    if candidates.len() > 1 {
        choose(chain, &mut candidates);
    }
    let mut verified = candidates.iter().take(MOST_ATTESTERS).map(|candidate| {
        work.renew();
        judge(chain, candidate, now, work).and_then(|()| key.clone())
    });
    // Of several refusals the first, which is that of the candidate that fits best.
    let first = verified.next().unwrap_or(Err(UNKNOWN));
    let verified = first.or_else(|why| verified.find_map(Result::ok).ok_or(why));
    work.finish();
    verified
}

/// Leaves those whose anchors have the name of an issuer in the chain, first those whose subject the first certificate has,
/// so that a signal is not refused because others are asked, and no signature is verified to find them.
fn choose(chain: &[CertificateDer<'_>], candidates: &mut Candidates) {
    let links: Vec<_> = chain.iter().filter_map(|der| Link::of(der).ok()).collect();
    candidates.retain(|candidate| {
        let mut names = candidate.anchors().iter().map(|anchor| anchor.subject.as_ref());
        names.any(|name| links.iter().any(|link| link.issuer == name))
    });
    let leaf = chain.first().and_then(|der| ClientCertificate::unverified(der.as_ref()).ok());
    candidates
        .sort_by_cached_key(|candidate| !leaf.as_ref().is_some_and(|leaf| is_of(candidate, leaf)));
}

/// Whether the certificate may be that of the attester, by its subject.
fn is_of(candidate: &Anchored, leaf: &ClientCertificate) -> bool {
    let subject = candidate.subject.as_ref();
    subject.is_none() || CertificateSubject::is_of(subject, leaf)
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
    work: &Work<'_>,
) -> Result<(), Refusal> {
    let (leaf, others) = chain.split_first().ok_or(UNREADABLE)?;
    let certificate = ClientCertificate::unverified(leaf.as_ref()).map_err(|_reason| UNREADABLE)?;
    let seconds = u64::try_from(now).map_err(|_before_1970| NOT_YET_VALID)?;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let end_entity = EndEntityCert::try_from(leaf).map_err(|_reason| UNREADABLE)?;
    let counted = work.algorithms();
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
    if !is_of(candidate, &certificate) {
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
