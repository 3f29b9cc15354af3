//! The decision: one look-up, then one verification, for every client.

use std::{future::Future, hint::black_box, time::Duration};

use crate::{
    client::authenticated::AuthenticatedClient,
    compat::dialect::Presented,
    error::{BoxError, Error, kind::ErrorKind, problem::UnusableClient},
    isolate::{
        deadline::Deadline,
        guard::{Failure, guard},
        meter::{self, Histogram, meter},
    },
    method::{Method, Settings, State, verification::Verification},
    provider::lookup::ClientProvider,
};

static LOOKUPS: Histogram = meter!("client_auth_lookup_duration_seconds");

#[expect(clippy::manual_async_fn, reason = "an `async fn` would hold its arguments twice")]
pub(crate) fn authenticate<'a, P: ClientProvider>(
    provider: &'a P,
    presented: &'a Presented,
    settings: &'a Settings,
    state: &'a State,
    timeout: &'a Option<Duration>,
    told: bool,
) -> impl Future<Output = Result<AuthenticatedClient<P::Client>, Error>> + Send + use<'a, P> {
    async move {
        let client_id = presented.client_id();
        let deadline = Deadline::new(*timeout);
        let start = meter::start();
        let look_up = guard(|| provider.find_client(client_id), deadline);
        let found = look_up.await.map(|found| found.map_err(Into::into));
        LOOKUPS.record_since(start);
        let found = match found {
            Ok(Ok(found)) => found,
            Ok(Err(cause)) if UnusableClient::caused(&*cause, client_id) => {
                let refused = unusable::<P::Client>(cause, presented, settings, state, *timeout);
                return Err(Box::pin(refused).await);
            }
            Ok(Err(cause)) => return Err(Error::provider(cause)),
            Err(Failure::Panic) => return Err(Error::provider("the provider panicked".into())),
            Err(Failure::Timeout) => return Err(ErrorKind::ProviderTimeout.into()),
        };
        // Ids are opaque bytes (RFC 6749 §2.2): a store that folds case or trims must not merge
        // clients.
        let mismatch = match &found {
            Some(client) => client.client_id() != client_id,
            // As long as for a known client.
            None => black_box(client_id) != client_id,
        };
        let known = found.filter(|_| !mismatch);
        let proof = match presented.verify(known.as_ref(), settings, state, *timeout) {
            Verification::Done(proof) => proof,
            Verification::Pending(proof) => proof.await,
        };
        match (known, proof) {
            (Some(registered), Ok(proof)) => Ok(AuthenticatedClient::new(registered, proof)),
            (None, Err(error)) if mismatch && error.kind() == ErrorKind::UnknownClient => {
                Err(ErrorKind::ProviderMismatch.into())
            }
            (Some(registered), Err(error)) => {
                let registration = registered.registration();
                let method = if told { registration.usable_method() } else { None };
                let error = error.of_client(method.map(Method::iana));
                match error.kind() {
                    // By far the most, and there is no more to say.
                    ErrorKind::WrongSecret | ErrorKind::SecretExpired => Err(error),
                    _ => Err(error.because(|kind| registration.cause_of(kind, settings))),
                }
            }
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => Err(ErrorKind::UnknownClient.into()),
        }
    }
}

/// The refusal of a client whose registration the provider could not use, after the work for an unknown one.
async fn unusable<C: Send + Sync>(
    cause: BoxError,
    presented: &Presented,
    settings: &Settings,
    state: &State,
    timeout: Option<Duration>,
) -> Error {
    let verified = match presented.verify::<C>(None, settings, state, timeout) {
        Verification::Done(proof) => proof,
        Verification::Pending(proof) => proof.await,
    };
    match verified {
        Err(error) if error.kind() != ErrorKind::UnknownClient => error,
        _ => Error::with_source(ErrorKind::UnusableRegistration, cause),
    }
}
