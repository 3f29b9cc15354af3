//! What it takes to verify a chain, which is the same whoever the client is: time must not tell whether a client exists,
//! or has these authorities.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, iter,
    sync::atomic::{AtomicBool, Ordering},
};

use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use webpki::aws_lc_rs;

use crate::{
    jose::alg::Algorithm,
    method::{assertion::decoy, attestation::x5c::anchors::Anchored},
    x509::{
        link::Link,
        usage::{PublicKey, Signature},
    },
};

/// Those of the crate that the rest of this one computes with. OpenSSL signs with SHA-256 unless it is told otherwise, also
/// with a key on P-384.
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

/// The keys of the authorities of all attesters, by their names: the content of both in DER.
#[derive(Clone, Default)]
pub(super) struct Authorities(BTreeMap<Box<[u8]>, BTreeSet<Box<[u8]>>>);

impl Authorities {
    pub(super) fn of<'a>(everyone: impl Iterator<Item = &'a Anchored>) -> Self {
        let mut by_name = BTreeMap::<Box<[u8]>, BTreeSet<_>>::new();
        for anchor in everyone.flat_map(Anchored::anchors) {
            let keys = by_name.entry(anchor.subject.as_ref().into()).or_default();
            keys.insert(anchor.subject_public_key_info.as_ref().into());
        }
        Self(by_name)
    }

    fn named(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        self.0.get(name).into_iter().flatten().map(|key| &**key)
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorities").field("names", &self.0.len()).finish_non_exhaustive()
    }
}

/// The verifications that a chain costs, whether they are needed or not.
#[derive(Debug)]
pub(super) struct Work<'a>(Vec<Step<'a>>);

impl<'a> Work<'a> {
    /// So many as there are certificates, and those of `more` anchors beyond the first. What they take depends on who may have
    /// issued the certificates, which is found among the chain and the `authorities`: not those of the client alone.
    pub(super) fn of(
        chain: &'a [CertificateDer<'_>],
        authorities: &'a Authorities,
        more: usize,
    ) -> Self {
        let links: Vec<_> = chain.iter().filter_map(|der| Link::of(der).ok()).collect();
        let issuers = |der| Issuer::all(der, &links, authorities);
        // From the anchor to the attester, in the order in which a path is verified.
        let certificates: Vec<_> = chain.iter().rev().map(|der| (der, issuers(der))).collect();
        let rounds = (0..).flat_map(|round| iter::repeat_n(round, chain.len()));
        let steps = certificates.iter().cycle().zip(rounds).take(chain.len() + more);
        Self(steps.map(|((der, issuers), round)| Step::new(der, issuers, round)).collect())
    }

    /// Whether one of the verifications takes so long that the async worker must not do it.
    pub(super) fn is_slow(&self) -> bool {
        self.0.iter().any(Step::is_slow)
    }

    /// Begins anew.
    pub(super) fn renew(&self) {
        self.0.iter().for_each(|step| step.is_done.store(false, Ordering::Relaxed));
    }

    /// Does what is left.
    pub(super) fn finish(&self) {
        self.0.iter().filter(|step| step.begin()).for_each(Step::verify);
    }

    /// The algorithms, which verify no more than this.
    pub(super) fn algorithms(&self) -> [Counted<'_>; ALGORITHMS.len()] {
        ALGORITHMS.map(|algorithm| Counted { algorithm, work: self })
    }

    /// Whether this may still be verified, which it may then no more.
    fn take(&self, signed: &[u8]) -> bool {
        let of_it = self.0.iter().filter(|step| step.signature.signed == signed);
        of_it.chain(&self.0).any(Step::begin)
    }
}

/// The verification of the signature of a certificate.
#[derive(Debug)]
struct Step<'a> {
    signature: Signature<'a>,
    /// Whose key it may be.
    issuer: Option<Issuer<'a>>,
    is_done: AtomicBool,
}

impl<'a> Step<'a> {
    /// With another of several issuers in each round.
    fn new(der: &'a [u8], issuers: &[Issuer<'a>], round: usize) -> Self {
        let unreadable = Signature { signed: der, algorithm: &[], identifier: &[], bytes: &[] };
        let signature = Signature::of(der).unwrap_or(unreadable);
        let issuer = issuers.get(round % issuers.len().max(1));
        Self { signature, issuer: issuer.copied(), is_done: AtomicBool::new(false) }
    }

    /// Whether it was not done before.
    fn begin(&self) -> bool {
        !self.is_done.swap(true, Ordering::Relaxed)
    }

    fn is_slow(&self) -> bool {
        let length = self.signature.bytes.len();
        match &self.issuer {
            Some(Issuer { key, algorithm }) => {
                let kind = algorithm.public_key_alg_id();
                let is_long_curve = [alg_id::ECDSA_P384, alg_id::ECDSA_P521].contains(&kind);
                let is_long = length > 512 || key.has_long_exponent();
                is_long_curve || kind == alg_id::RSA_ENCRYPTION && is_long
            }
            None => {
                let algorithm = self.likely_algorithm();
                // Two numbers of 32 bytes, as DER.
                algorithm == Algorithm::Es256 && length > 72 || algorithm.is_slow(length)
            }
        }
    }

    /// Does the work of it.
    fn verify(&self) {
        let Signature { signed, bytes, .. } = self.signature;
        match &self.issuer {
            Some(Issuer { key, algorithm }) => {
                #[cfg(test)]
                crate::jose::counted::note();
                let _judged_elsewhere = algorithm.verify_signature(key.bytes, signed, bytes);
            }
            None => self.verify_decoy(),
        }
    }

    /// That of a certificate of which the issuer is nobody's authority, so that the client does not matter.
    fn verify_decoy(&self) {
        /// Two numbers below the order of each curve.
        const POINT: &[u8] = &[1; 132];

        let Signature { signed, bytes, .. } = self.signature;
        let algorithm = self.likely_algorithm();
        let length = match algorithm {
            Algorithm::Es384 => 96,
            Algorithm::Es512 => 132,
            Algorithm::Es256 | Algorithm::EdDsa => 64,
            _ => 0,
        };
        let point = POINT.get(..length).filter(|point| !point.is_empty());
        decoy::verify(algorithm, signed, point.unwrap_or(bytes));
    }

    fn likely_algorithm(&self) -> Algorithm {
        let known = SIGNATURES.iter().find(|(oid, _)| *oid == self.signature.algorithm);
        known.map_or(Algorithm::Es256, |(_, algorithm)| *algorithm)
    }
}

/// Who may have issued a certificate, by its name, and how its signature is verified then.
#[derive(Clone, Copy, Debug)]
struct Issuer<'a> {
    key: PublicKey<'a>,
    algorithm: &'static dyn SignatureVerificationAlgorithm,
}

impl<'a> Issuer<'a> {
    fn all(der: &[u8], links: &[Link<'a>], authorities: &'a Authorities) -> Vec<Self> {
        let (Ok(Link { issuer, .. }), Ok(signature)) = (Link::of(der), Signature::of(der)) else {
            return Vec::new();
        };
        let others = links.iter().filter(|link| link.subject == issuer).map(|link| link.key);
        let keys =
            authorities.named(issuer).chain(others).filter_map(|info| PublicKey::of(info).ok());
        keys.filter_map(|key| {
            let fits = |algorithm: &&&dyn SignatureVerificationAlgorithm| {
                algorithm.signature_alg_id().as_ref() == signature.identifier
                    && algorithm.public_key_alg_id().as_ref() == key.algorithm
            };
            ALGORITHMS.iter().find(fits).map(|algorithm| Self { key, algorithm: *algorithm })
        })
        .collect()
    }
}

/// As many verifications as are left, however many ways there are through a chain that somebody made up.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    work: &'a Work<'a>,
}

impl SignatureVerificationAlgorithm for Counted<'_> {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if !self.work.take(message) {
            return Err(InvalidSignature);
        }
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use store_harness::certificate::{Certificate, element, oid, sequence};

    use super::*;
    use crate::method::attestation::x5c::anchors::TrustAnchors;

    const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
    const ECDSA_SHA384: &str = "1.2.840.10045.4.3.3";
    const RS256: &str = "1.2.840.113549.1.1.11";
    const RSA: &str = "1.2.840.113549.1.1.1";
    const NULL: [u8; 2] = [5, 0];

    fn name(name: &str) -> Vec<u8> {
        element(0x31, &sequence(&[&oid("2.5.4.3"), &element(0x0c, name.as_bytes())]))
    }

    fn signed(certificate: &Certificate, algorithm: &[&[u8]], length: usize) -> Vec<u8> {
        certificate.clone().signed(&sequence(algorithm), |_signed| vec![1; length])
    }

    // What is slow takes of the share of the client in the pool, and all its instances have one.
    #[test]
    fn chain_is_slow_if_one_of_its_signatures_is() {
        let nobody = Authorities::default();
        let signed = |dotted: &str, length: usize| {
            let stranger = Certificate::new().issuer(&name("stranger"));
            CertificateDer::from(signed(&stranger, &[&oid(dotted)], length))
        };
        for (slow, dotted, length) in [
            (false, ECDSA_SHA256, 70),
            (false, ECDSA_SHA256, 72),
            // Of a longer curve, with a shorter hash.
            (true, ECDSA_SHA256, 102),
            (true, "1.2.840.10045.4.3.3", 102),
            (true, "1.2.840.10045.4.3.4", 137),
            (false, "1.3.101.112", 64),
            (false, RS256, 512),
            (true, RS256, 768),
        ] {
            let chain = [signed(ECDSA_SHA256, 70), signed(dotted, length)];
            assert_eq!(Work::of(&chain, &nobody, 0).is_slow(), slow, "{dotted} {length}");
        }
        let chain = [CertificateDer::from_slice(b"no certificate")];
        assert!(!Work::of(&chain, &nobody, 0).is_slow());
    }

    // R149. What is left has another price.
    #[test]
    fn verified_certificate_is_not_verified_again() {
        let certificate = |subject: &str| {
            let certificate = Certificate::new().subject(&name(subject)).issuer(&name("stranger"));
            CertificateDer::from(signed(&certificate, &[&oid(ECDSA_SHA256)], 70))
        };
        let chain = [certificate("attester"), certificate("authority"), certificate("beside")];
        let nobody = Authorities::default();
        let work = Work::of(&chain, &nobody, 1);
        let done = || work.0.iter().map(|step| step.is_done.load(Ordering::Relaxed));
        let signed = |der| Signature::of(der).unwrap().signed;
        assert!(work.take(signed(&chain[0])));
        assert!(done().eq([false, false, true, false]));
        // One may be verified twice, in place of another.
        assert!(work.take(signed(&chain[0])));
        assert!(done().eq([true, false, true, false]));
        assert!(work.take(signed(&chain[2])) && work.take(signed(&chain[1])));
        assert!(!work.take(signed(&chain[1])));
    }

    // R149. The OID of the signature names the hash alone, and the signature may be made up.
    #[test]
    fn work_is_that_of_the_key_of_the_issuer() {
        let nobody = Authorities::default();
        let rsa = |exponent: &[u8]| {
            let numbers = [element(0x02, &[0x7f; 256]), element(0x02, exponent)];
            sequence(&[&numbers.concat()])
        };
        let ecdsa = [oid(ECDSA_SHA256)];
        let likely_p384 = [oid(ECDSA_SHA384)];
        let rs256 = [oid(RS256), NULL.to_vec()];
        let curve = |curve: &str| [oid("1.2.840.10045.2.1"), oid(curve)];
        let [p256, p384] = ["1.2.840.10045.3.1.7", "1.3.132.0.34"].map(curve);
        let of_rsa = [oid(RSA), NULL.to_vec()];
        for (slow, kind, key, algorithm, expected) in [
            (false, &p256, vec![4; 65], &ecdsa[..], Some(alg_id::ECDSA_P256)),
            (true, &p384, vec![4; 97], &ecdsa, Some(alg_id::ECDSA_P384)),
            (false, &p256, vec![4; 65], &likely_p384, Some(alg_id::ECDSA_P256)),
            (false, &of_rsa, rsa(&[1, 0, 1]), &rs256, Some(alg_id::RSA_ENCRYPTION)),
            (true, &of_rsa, rsa(&[1, 0, 0, 1]), &rs256, Some(alg_id::RSA_ENCRYPTION)),
            // Such a key cannot have made such a signature.
            (false, &of_rsa, rsa(&[1, 0, 0, 1]), &ecdsa, None),
        ] {
            let kind = sequence(&[&kind.concat()]);
            let info = sequence(&[&kind, &element(0x03, &[vec![0], key].concat())]);
            let name = name("authority");
            let constraints = sequence(&[&element(0x01, &[0xff])]);
            let authority = Certificate::new().subject(&name).issuer(&name).key(&info);
            let authority = signed(&authority.critical("2.5.29.19", &constraints), &[], 1);
            let leaf = CertificateDer::from(signed(
                &Certificate::new().issuer(&name),
                &algorithm.iter().map(Vec::as_slice).collect::<Vec<_>>(),
                8,
            ));
            let kinds = |work: &Work<'_>| {
                let of = |step: &Step<'_>| Some(step.issuer?.algorithm.public_key_alg_id());
                work.0.iter().map(of).collect::<Vec<_>>()
            };
            // As an anchor, and from the caller.
            let anchors = TrustAnchors::from_der([&authority]).unwrap();
            let authorities = Authorities::of([&Anchored::new(anchors, None)].into_iter());
            let chain = [leaf.clone()];
            let work = Work::of(&chain, &authorities, 1);
            assert_eq!((kinds(&work), work.is_slow()), (vec![expected; 2], slow));
            let chain = [leaf, CertificateDer::from(authority)];
            let work = Work::of(&chain, &nobody, 0);
            assert_eq!((kinds(&work), work.is_slow()), (vec![None, expected], slow));
        }
    }
}
