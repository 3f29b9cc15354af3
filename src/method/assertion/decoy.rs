//! The keys that an assertion is checked against when the client has none for it: time must not tell
//! whether a client exists, is registered for the method, or has a key for the algorithm (RFC 6819
//! §5.1.4.2).

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{
    isolate::pool::Work,
    jose::{alg::Algorithm, key::Key, mac::MacKeys, set::KeySet},
};

/// Public keys of every kind, RSA in the three usual sizes and in larger ones. The private ones were
/// not kept or never made, and it would not matter: what is checked against a decoy is refused. The
/// moduli begin with 64 bits that are one, so that no signature is too large for the decoy (RFC 8017
/// §5.2.2) and yet not for a client's key.
const KEYS: &[u8] = include_bytes!("decoy.json");

const SECRET: &[u8; 64] = &[b'-'; 64];

struct Decoys {
    keys: Option<KeySet>,
    mac: MacKeys,
    es384: Work,
    es512: Work,
    rsa: Work,
}

fn decoys() -> &'static Decoys {
    static DECOYS: OnceLock<Decoys> = OnceLock::new();
    let work = |microseconds| Work::new(Duration::from_micros(microseconds), false);
    DECOYS.get_or_init(|| Decoys {
        keys: KeySet::registered(KEYS).ok(),
        mac: MacKeys::new(SECRET),
        es384: work(250),
        es512: work(400),
        rsa: work(400),
    })
}

/// Prepares the keys, so that the first refusal does not.
pub(in crate::method) fn prepare() {
    decoys();
}

/// The key for a signature. An RSA key is chosen by the size of the signature, because one of another
/// size is refused before any work is done; only sizes that are hardly used tell.
pub(in crate::method) fn key(algorithm: Algorithm, signature: &[u8]) -> Option<&'static Arc<Key>> {
    decoys().keys.as_ref()?.of_size(algorithm, signature.len())
}

/// Does the work of a verification.
pub(in crate::method) fn verify(algorithm: Algorithm, signed: &[u8], signature: &[u8]) {
    if algorithm.is_symmetric() {
        decoys().mac.verify(algorithm, signed, signature);
    } else if let Some(key) = key(algorithm, signature) {
        let _refused = key.verify(algorithm, signed, signature);
    }
}

/// What it is in the pool to verify a signature that takes long.
pub(in crate::method) fn work(algorithm: Algorithm) -> &'static Work {
    let decoys = decoys();
    match algorithm {
        Algorithm::Es384 => &decoys.es384,
        Algorithm::Es512 => &decoys.es512,
        _ => &decoys.rsa,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoy_takes_every_signature_of_its_size() {
        for length in [256, 384, 512, 640, 768, 896, 1024] {
            let mut signature = vec![0xff; length];
            let decoy = key(Algorithm::Rs256, &signature);
            let verify = |signature: &[u8]| {
                decoy.and_then(|decoy| decoy.verify(Algorithm::Rs256, b"x", signature))
            };
            assert_eq!(verify(&signature), None, "as large as no modulus");
            if let Some(byte) = signature.get_mut(7) {
                *byte = 0xfe;
            }
            assert_eq!(verify(&signature), Some(false));
        }
    }

    #[test]
    fn every_accepted_algorithm_has_a_decoy() {
        for (names, length) in [
            (&["ES256", "EdDSA"][..], 64),
            (&["ES384"], 96),
            (&["ES512"], 132),
            (&["PS256", "RS512"], 256),
            (&["PS384", "RS384"], 384),
            (&["PS512", "RS256"], 512),
            (&["PS256", "RS256"], 1024),
        ] {
            for name in names {
                let found = Algorithm::from_name(name)
                    .and_then(|algorithm| key(algorithm, &vec![0; length]));
                assert!(found.is_some(), "{name}");
            }
        }
        for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
            assert!(decoys().mac.can(algorithm), "{algorithm:?}");
        }
    }
}
