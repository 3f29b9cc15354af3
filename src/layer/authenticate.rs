//! The decision: one look-up, then one verification, for every client.

use std::{
    future::Future,
    hint::black_box,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::{
    client::{RegisteredClient, authenticated::AuthenticatedClient},
    error::{BoxError, Error, kind::ErrorKind, problem::UnusableClient},
    isolate::{
        deadline::Deadline,
        guard::{Failure, guard},
        meter::{self, Histogram, meter},
    },
    layer::attempt::Course,
    method::{Method, verification::Verification},
    provider::lookup::ClientProvider,
};

static LOOKUPS: Histogram = meter!("client_auth_lookup_duration_seconds");

pin_project! {
    /// One future for both look-ups: for each place where it may wait, every attempt pays.
    #[project = LookupProj]
    enum Lookup<F, G> {
        ById { #[pin] find: F },
        // Boxed, so that the attempts of all others stay small.
        Issued { find: Pin<Box<G>> },
    }
}

impl<F: Future, G: Future<Output = F::Output>> Future for Lookup<F, G> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project() {
            LookupProj::ById { find } => find.poll(cx),
            LookupProj::Issued { find } => find.as_mut().poll(cx),
        }
    }
}

impl<P: ClientProvider> Course<P> {
    // Every attempt is as large as this, so it borrows nothing that `self` can tell again.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` would hold its argument twice")]
    pub(super) fn authenticate(
        &self,
    ) -> impl Future<Output = Result<AuthenticatedClient<P::Client>, Error>> + Send + use<'_, P>
    {
        async move {
            if let Some(refusal) = self.refusal().await {
                return Err(refusal);
            }
            let client_id = self.presented.client_id();
            let deadline = Deadline::new(self.shared.policy.limits.provider_deadline);
            let start = meter::start();
            let provider = &self.shared.provider;
            let find = || match self.presented.issued() {
                None => Lookup::ById { find: provider.find_client(client_id) },
                Some((issuer, subject)) => {
                    Lookup::Issued { find: Box::pin(provider.find_federated(issuer, subject)) }
                }
            };
            let found = guard(find, deadline).await.map(|found| found.map_err(Into::into));
            LOOKUPS.record_since(start);
            let found = match found {
                Ok(Ok(found)) => found,
                // Where no id was asked for, none says whose registration it is.
                Ok(Err(cause))
                    if self.presented.issued().is_none()
                        && UnusableClient::caused(&*cause, client_id) =>
                {
                    return Err(Box::pin(self.unusable(cause)).await);
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
            // Where it was found by what somebody else issued, its registration says whether it is the one.
            let known = if mismatch && self.presented.issued().is_none() { None } else { found };
            let proof = self.verify(known.as_ref()).await;
            match (known, proof) {
                (Some(registered), Ok(proof)) => Ok(AuthenticatedClient::new(registered, proof)),
                (None, Err(error)) if mismatch && error.kind() == ErrorKind::UnknownClient => {
                    Err(ErrorKind::ProviderMismatch.into())
                }
                (Some(registered), Err(error)) => {
                    let registration = registered.registration();
                    let told = self.started.is_some();
                    if told && self.presented.issued().is_some() {
                        self.presented.set_found(registered.client_id());
                    }
                    let method = if told { registration.usable_method() } else { None };
                    let error = error.of_client(method.map(Method::iana));
                    match error.kind() {
                        // By far the most, and there is no more to say.
                        ErrorKind::WrongSecret | ErrorKind::SecretExpired => Err(error),
                        _ => {
                            let methods = &self.shared.policy.methods;
                            Err(error.because(|kind| registration.cause_of(kind, methods)))
                        }
                    }
                }
                (None, Err(error)) => Err(error),
                (None, Ok(_)) => Err(ErrorKind::UnknownClient.into()),
            }
        }
    }

    #[inline]
    fn verify<'a>(&'a self, known: Option<&'a RegisteredClient<P::Client>>) -> Verification<'a> {
        let policy = &self.shared.policy;
        let deadline = policy.limits.provider_deadline;
        self.presented.verify(known, &policy.methods, &self.shared.state, deadline)
    }

    /// The refusal of a client whose registration the provider could not use, after the work for an unknown one.
    async fn unusable(&self, cause: BoxError) -> Error {
        match self.verify(None).await {
            Err(error) if error.kind() != ErrorKind::UnknownClient => error,
            _ => Error::with_source(ErrorKind::UnusableRegistration, cause),
        }
    }
}
