//! Attesters with certificates without the feature `unstable-attestation-x5c`: certificates in a header are ignored, as
//! every other key there.

use std::sync::Arc;

use crate::{
    error::{Error, attestation::InvalidAttestation},
    isolate::pool::Pool,
    jose::{alg::Algorithm, key::Key},
};

/// There are none.
#[derive(Clone, Debug, Default)]
pub(super) struct Trusted(());

/// There are none.
#[derive(Default)]
pub(super) struct Candidates(());

#[expect(clippy::unused_self, reason = "as with the feature")]
impl Trusted {
    pub(super) const fn is_empty(&self) -> bool {
        true
    }

    pub(super) const fn has(&self, _attester: &str) -> bool {
        false
    }

    pub(super) const fn named(&self, _attester: &str) -> Candidates {
        Candidates(())
    }

    pub(super) const fn all(&self) -> Candidates {
        Candidates(())
    }
}

/// There is none.
#[derive(Debug)]
pub(super) enum Chain {}

pub(super) type Refusal = &'static &'static str;

impl Chain {
    #[expect(clippy::unnecessary_wraps, reason = "as with the feature")]
    pub(super) const fn read(
        _header: &[u8],
        _trusted: &Trusted,
    ) -> Result<Option<Self>, InvalidAttestation> {
        Ok(None)
    }

    #[expect(clippy::unused_async, reason = "as with the feature")]
    pub(super) async fn key(
        &self,
        _candidates: Candidates,
        _trusted: &Trusted,
        _of: (Algorithm, i64),
        _client_id: &str,
        _pool: &Pool,
    ) -> Result<Option<Result<Arc<Key>, Refusal>>, Error> {
        match *self {}
    }
}
