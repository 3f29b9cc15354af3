//! The keys that an attestation may be signed with.

use std::{sync::Arc, time::Duration};

use crate::{
    error::{Error, attestation::InvalidAttestation, cause::Cause, kind::ErrorKind},
    fetch::jwks::JwksCache,
    jose::{
        key::Key,
        keys::{ClientKeys, Source},
        set::KeySet,
    },
    method::{
        assertion::verify::published,
        attestation::{read::Token, settings::Attesters, x5c::Refusal},
    },
};

/// Whose keys may have signed the attestation.
#[derive(Clone, Copy)]
pub(super) enum Trusted<'a> {
    One(&'a str),
    /// The client is registered with no attester: the attestation is but a signal.
    Any,
}

pub(super) type Found<'a> = (Arc<Key>, Option<(&'a JwksCache, Arc<str>)>);

/// The key that the attestation may be signed with, and where it is published. Of a signal, that of one attester after as
/// many `others` as have a fitting key.
///
/// # Errors
///
/// If the keys of the attester cannot be had. Within that, why there is none.
pub(super) async fn find<'a>(
    attestation: &Token,
    trusted: Trusted<'_>,
    issued: Option<Result<Arc<Key>, Refusal>>,
    attesters: &'a Attesters,
    mut others: usize,
    timeout: Option<Duration>,
) -> Result<Result<Found<'a>, Error>, Error> {
    let refused =
        |why| Error::from(InvalidAttestation::Chain).because(|_kind| Some(Cause::Advice(why)));
    match (trusted, issued) {
        (_, Some(Ok(key))) => Ok(Ok((key, None))),
        (Trusted::One(_), Some(Err(why))) => Ok(Err(refused(why))),
        (Trusted::One(name), None) => match attesters.trusted.get(name) {
            Some(keys) => {
                let found = find_in(keys, attestation, attesters, timeout).await?;
                Ok(found.map_err(Error::from))
            }
            None if attesters.issued.has(name) => Ok(Err(InvalidAttestation::AttesterKey.into())),
            None => Ok(Err(ErrorKind::UnusableRegistration.into())),
        },
        (Trusted::Any, issued) => {
            let mut none = match issued {
                Some(Err(why)) => refused(why),
                _ => InvalidAttestation::AttesterKey.into(),
            };
            let mut outage = None;
            for keys in attesters.trusted.values() {
                match find_in(keys, attestation, attesters, timeout).await {
                    Ok(Ok(found)) if others == 0 => return Ok(Ok(found)),
                    Ok(Ok(_)) => others -= 1,
                    Ok(Err(kind)) if attestation.chain.is_none() => none = kind.into(),
                    Ok(Err(_)) => {}
                    // One whose keys cannot be had refuses no attestation of the others.
                    Err(error) => outage = Some(error),
                }
            }
            outage.map_or(Ok(Err(none)), Err)
        }
    }
}

async fn find_in<'a>(
    keys: &ClientKeys,
    attestation: &Token,
    attesters: &'a Attesters,
    timeout: Option<Duration>,
) -> Result<Result<Found<'a>, ErrorKind>, Error> {
    if !keys.algorithms().contains(attestation.algorithm) {
        return Ok(Err(InvalidAttestation::AttesterKey.into()));
    }
    let kid = attestation.kid.as_deref();
    let one = |keys: &KeySet| match keys.find(attestation.algorithm, kid) {
        // Trying both would make a client of such an attester dearer than others.
        Ok((key, None)) => Ok(Arc::clone(key)),
        Ok((_, Some(_))) | Err(_) => Err(ErrorKind::from(InvalidAttestation::AttesterKey)),
    };
    Ok(match (keys.source(), &attesters.remote) {
        (Source::Registered(keys), _) => one(keys).map(|key| (key, None)),
        (Source::Published(uri), Some(remote)) => {
            let keys = published(remote, uri, kid, timeout).await?;
            one(&keys).map(|key| (key, Some((remote, Arc::clone(uri)))))
        }
        (Source::Published(_), None) => Err(ErrorKind::UnusableRegistration),
    })
}
