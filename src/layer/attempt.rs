//! A request from its look-up to its decision.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
};

use http::request::Parts;

use crate::{
    authenticate::authenticate,
    client::authenticated::AuthenticatedClient,
    compat::dialect::Presented,
    error::{Error, kind::ErrorKind},
    layer::shared::Shared,
    provider::lookup::ClientProvider,
};

/// The one allocation of the way: the provider's future has no name, and it borrows the credentials.
pub(super) type Authentication<P> = Pin<Box<dyn Future<Output = Decision<P>> + Send>>;

/// How an attempt ended. Head and handle are given back once, which is here.
pub(super) struct Decision<P: ClientProvider> {
    pub(super) result: Result<AuthenticatedClient<P::Client>, Error>,
    pub(super) head: Option<Parts>,
    pub(super) shared: Option<Arc<Shared<P>>>,
}

/// Looks the client up and verifies what was presented. Whatever becomes of it is reported once.
#[inline]
pub(super) fn begin<P: ClientProvider>(
    head: Option<Parts>,
    presented: Presented,
    shared: Option<Arc<Shared<P>>>,
) -> Authentication<P> {
    let mut attempt = Attempt { head, presented, shared, decided: false };
    Box::pin(async move {
        let result = match &attempt.shared {
            Some(shared) => {
                let Shared { provider, policy, state } = &**shared;
                let timeout = &policy.limits.provider_deadline;
                authenticate(&**provider, &attempt.presented, &policy.methods, state, timeout).await
            }
            None => Err(ErrorKind::Abandoned.into()),
        };
        attempt.decide(&result);
        Decision { result, head: attempt.head.take(), shared: attempt.shared.take() }
    })
}

/// What is known of a request at its look-up, in one place for whatever is asked there. Dropped before
/// it is decided, it was abandoned by the caller. A head is moved only when it must be, because it
/// is large: hence the options.
struct Attempt<P> {
    head: Option<Parts>,
    presented: Presented,
    shared: Option<Arc<Shared<P>>>,
    decided: bool,
}

impl<P> Attempt<P> {
    fn decide<C>(&mut self, result: &Result<AuthenticatedClient<C>, Error>) {
        // Before the hooks are called, which may panic.
        self.decided = true;
        self.report(result.as_ref().err());
        if let (Some(shared), Ok(client)) = (&self.shared, result) {
            shared.policy.observers.offer(&self.presented, client);
        }
    }

    fn report(&self, error: Option<&Error>) {
        if let (Some(head), Some(shared)) = (&self.head, &self.shared) {
            shared.policy.observers.report(head, Some(&self.presented), error);
        }
    }
}

impl<P> Drop for Attempt<P> {
    fn drop(&mut self) {
        if !self.decided {
            let abandoned = ErrorKind::Abandoned.into();
            // A second panic, while one unwinds, would end the program.
            let _panicked = catch_unwind(AssertUnwindSafe(|| self.report(Some(&abandoned))));
        }
    }
}
