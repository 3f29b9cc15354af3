//! The decision: one look-up, then one verification, for every client.

use std::{future::Future, time::Duration};

use crate::{
    client::{RegisteredClient, authenticated::AuthenticatedClient},
    compat::dialect::Presented,
    error::{Error, kind::ErrorKind},
    isolate::{
        deadline::Deadline,
        guard::{Failure, guard},
        meter::{self, Histogram, meter},
        span,
    },
    method::{Settings, State, verification::Verification},
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
) -> impl Future<Output = Result<AuthenticatedClient<P::Client>, Error>> + Send + use<'a, P> {
    async move {
        let client_id = presented.client_id();
        let deadline = Deadline::new(*timeout);
        let start = meter::start();
        let look_up = guard(|| span::find_client(provider.find_client(client_id)), deadline);
        let found = match look_up.await {
            Ok(found) => found.map_err(|error| Error::provider(error.into())),
            Err(Failure::Panic) => Err(Error::provider("the provider panicked".into())),
            Err(Failure::Timeout) => Err(ErrorKind::ProviderTimeout.into()),
        };
        LOOKUPS.record_since(start);
        let found = found?;
        // Ids are opaque bytes (RFC 6749 §2.2): a store that folds case or trims must not merge
        // clients.
        let mismatch = found.as_ref().map_or(client_id, RegisteredClient::client_id) != client_id;
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
                Err(error.because(|| registered.registration().obstacle(settings)))
            }
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => Err(ErrorKind::UnknownClient.into()),
        }
    }
}
