//! Without the feature `jwt` nothing is signed.

use crate::forward::Identity;

/// There is none.
#[derive(Clone, Debug)]
pub(super) enum Signer {}

impl Signer {
    pub(super) const fn token(&self, identity: &Identity<'_>, _now: i64) -> Option<String> {
        let _unused = (identity.client_id, identity.method, identity.thumbprint);
        match *self {}
    }
}
