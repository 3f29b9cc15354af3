//! Bounds on the chains that strangers present, before a verifier looks at them.

use crate::x509::link::Link;

/// Certificates that may be between a client and its authority, which may be among them.
const MOST_ISSUERS: usize = 4;
/// Bytes of a chain. Four certificates have 3 KB with keys of P-256, 8 KB with those of RSA, and 22 KB with ML-DSA-65.
const MOST_BYTES: usize = 32 * 1024;
/// How many times one certificate may be taken for the issuer of another. A chain without namesakes needs one for each issuer.
/// Two authorities, each with a certificate for its old and for its new key, need ten.
const MOST_ATTEMPTS: usize = 10;

/// Whether a verifier is done with the chain soon. It tries each certificate that has the name of an issuer, so that those of
/// equal names are tried in all orders, and verifies up to one signature for each: webpki gives up after 200,000 attempts and
/// 100 signatures.
///
/// # Errors
///
/// If it may take long: why.
pub(super) fn check(leaf: &[u8], issuers: &[impl AsRef<[u8]>]) -> Result<(), &'static str> {
    const UNREADABLE: &str = "a certificate of the chain cannot be read";

    if issuers.len() > MOST_ISSUERS {
        return Err("the chain has more than four certificates besides that of the client");
    }
    let bytes: usize = issuers.iter().map(|der| der.as_ref().len()).sum();
    if leaf.len() + bytes > MOST_BYTES {
        return Err("the chain is longer than 32 KiB");
    }
    let read = |der| Link::of(der).map_err(|_place| UNREADABLE);
    let issuers = issuers.iter().map(|der| read(der.as_ref())).collect::<Result<Vec<_>, _>>()?;
    let mut attempts = Attempts { issuers, left: MOST_ATTEMPTS };
    attempts
        .count(&mut vec![read(leaf)?])
        .ok_or("the chain has too many certificates with the same subject")
}

/// Those of a verifier, as RFC 4158 §2.4.2 has it.
struct Attempts<'a> {
    issuers: Vec<Link<'a>>,
    left: usize,
}

impl<'a> Attempts<'a> {
    /// Takes all that begin with this path. `None` if there are more than are left.
    fn count(&mut self, path: &mut Vec<Link<'a>>) -> Option<()> {
        let last = *path.last()?;
        for at in 0..self.issuers.len() {
            let issuer = *self.issuers.get(at)?;
            // No path has one twice (§5.2).
            let is_there = |one: &Link<'_>| (one.subject, one.key) == (issuer.subject, issuer.key);
            if issuer.subject != last.issuer || path.iter().any(is_there) {
                continue;
            }
            self.left = self.left.checked_sub(1)?;
            path.push(issuer);
            self.count(path)?;
            path.pop();
        }
        Some(())
    }
}
