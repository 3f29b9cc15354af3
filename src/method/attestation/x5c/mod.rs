//! Attesters that are known by who issues their certificates
//! (draft-ietf-oauth-attestation-based-client-auth-11 §10.8; RFC 7515 §4.1.6).

pub(crate) mod anchors;
mod api;
mod path;
mod work;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use rustls_pki_types::CertificateDer;
use serde::de::MapAccess;

use crate::{
    error::{Error, attestation::InvalidAttestation},
    isolate::pool::{self, Attempt, Pool},
    jose::{
        alg::Algorithm,
        compact,
        json::{Members, Text, Value},
        key::Key,
    },
    method::attestation::x5c::{
        anchors::Anchored,
        work::{Authorities, Work},
    },
};

/// Of the certificates of a chain: that of the attester, and what is between it and the anchor, which may be there,
/// too.
const MOST: usize = 4;

/// What the settings say of attesters with certificates.
#[derive(Clone, Debug, Default)]
pub(super) struct Trusted {
    by_name: BTreeMap<Box<str>, Arc<Anchored>>,
    /// How many anchors of one name an attester has beyond the first: as authorities change their keys, each has to be tried.
    namesakes: usize,
    authorities: Arc<Authorities>,
}

/// Those of whom one may have signed.
pub(super) type Candidates = Vec<Arc<Anchored>>;

impl Trusted {
    fn add(&mut self, attester: &str, anchored: Anchored) {
        self.by_name.insert(attester.into(), Arc::new(anchored));
        let attesters = || self.by_name.values().map(|anchored| &**anchored);
        self.namesakes = attesters().map(Anchored::namesakes).max().unwrap_or_default();
        self.authorities = Arc::new(Authorities::of(attesters()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(super) fn has(&self, attester: &str) -> bool {
        self.by_name.contains_key(attester)
    }

    /// The attester of this name, if it has certificates.
    pub(super) fn named(&self, attester: &str) -> Candidates {
        self.by_name.get(attester).into_iter().cloned().collect()
    }

    pub(super) fn all(&self) -> Candidates {
        self.by_name.values().cloned().collect()
    }
}

/// The `x5c` of a header: certificates, of which nothing is known yet.
pub(super) struct Chain(Arc<[CertificateDer<'static>]>);

/// Why a chain is not believed, for the operator.
pub(super) type Refusal = &'static &'static str;

impl Chain {
    /// Reads that of the header, if it has one and there are attesters with certificates.
    pub(super) fn read(
        header: &[u8],
        trusted: &Trusted,
    ) -> Result<Option<Self>, InvalidAttestation> {
        const MALFORMED: InvalidAttestation = InvalidAttestation::Malformed;

        if trusted.is_empty() {
            return Ok(None);
        }
        let header: Header<'_> = compact::object(Some(header)).ok_or(MALFORMED)?;
        let Some(certificates) = header.x5c else { return Ok(None) };
        match certificates.len() {
            0 => return Err(MALFORMED),
            1..=MOST => {}
            _ => return Err(InvalidAttestation::Chain),
        }
        let decode = |text: &Text<'_>| BASE64_STANDARD.decode(text.0.as_bytes());
        let certificates = certificates.iter().map(|text| decode(text).map(CertificateDer::from));
        let certificates: Result<_, _> = certificates.collect();
        certificates.map(|certificates| Some(Self(certificates))).map_err(|_quotes_it| MALFORMED)
    }

    /// The key of the attester, or `None` if no candidate is known by certificates. Whatever is wrong with the chain, if
    /// anything, and whether there are candidates or not, it costs the same verifications.
    ///
    /// # Errors
    ///
    /// If too many are being verified. Within that, why the chain is not believed.
    pub(super) async fn key(
        &self,
        candidates: Candidates,
        trusted: &Trusted,
        (algorithm, now): (Algorithm, i64),
        client_id: &str,
        pool: &Pool,
    ) -> Result<Option<Result<Arc<Key>, Refusal>>, Error> {
        static SLOW: LazyLock<pool::Work> =
            LazyLock::new(|| pool::Work::new(Duration::from_micros(400), false));

        let known = !candidates.is_empty();
        let namesakes = trusted.namesakes;
        let work = Work::of(&self.0, &trusted.authorities, namesakes);
        if !work.is_slow() {
            let verified = path::verify(&self.0, candidates, algorithm, now, &work);
            return Ok(known.then_some(verified));
        }
        drop(work);
        let (chain, authorities) = (Arc::clone(&self.0), Arc::clone(&trusted.authorities));
        let job = move || {
            let work = Work::of(&chain, &authorities, namesakes);
            path::verify(&chain, candidates, algorithm, now, &work)
        };
        // The share of the client is that of all its instances, and everybody knows its id.
        let attempt = Attempt { client_id, known, cost: 0 };
        let verified = Box::pin(pool.run(attempt, &SLOW, job)).await?;
        Ok(verified.filter(|_| known))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("certificates", &self.0.len()).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Header<'a> {
    x5c: Option<Vec<Text<'a>>>,
}

impl<'de> Members<'de> for Header<'de> {
    const USUAL: &'static [&'static str] = &["alg", "typ", "x5c", "kid"];

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match name {
            "x5c" => self.x5c = Some(value.parse()?),
            _ => value.ignore()?,
        }
        Ok(())
    }
}
