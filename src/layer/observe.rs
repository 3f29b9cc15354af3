//! The hooks that are told of decisions.

use std::{fmt, sync::Arc};

use http::request::Parts;

use crate::{
    client::authenticated::AuthenticatedClient,
    compat::dialect::Presented,
    error::Error,
    isolate::{guard, meter},
    layer::{metrics, outcome::Outcome, trace},
    method::{Method, mutual_tls::Certificate},
    secret::presented::{PresentedSecret, SecretMatch},
};

type OutcomeHook = dyn Fn(&Outcome<'_>) + Send + Sync;
type SecretHook = dyn Fn(&SecretMatch<'_>) + Send + Sync;

/// What was seen of a request that got as far as a look-up.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) presented: &'a Presented,
    pub(crate) certificate: Option<&'a Certificate>,
    /// The one that authenticated the client, if one did.
    pub(crate) method: Option<Method>,
}

/// The hooks of the application.
#[derive(Clone, Default)]
pub(crate) struct Observers {
    pub(crate) outcome: Option<Arc<OutcomeHook>>,
    pub(crate) secret: Option<Arc<SecretHook>>,
}

impl Observers {
    /// Tells the subscriber and the hook, if there is one.
    #[inline]
    pub(crate) fn report(&self, request: &Parts, seen: Option<Seen<'_>>, error: Option<&Error>) {
        let hook = self.outcome.as_deref();
        if hook.is_some() || trace::ENABLED || meter::is_enabled() {
            Self::tell(hook, request, seen, error);
        }
    }

    /// Tells each for itself: what one does is nothing to the other, nor to the request.
    fn tell(
        hook: Option<&OutcomeHook>,
        request: &Parts,
        seen: Option<Seen<'_>>,
        error: Option<&Error>,
    ) {
        let presented = seen.map(|seen| seen.presented);
        let method = seen.and_then(|seen| seen.method.or_else(|| seen.presented.method()));
        let outcome = Outcome {
            request,
            client_id: presented.map(Presented::client_id),
            method: method.map(Method::iana),
            has_key_in_header: presented.is_some_and(Presented::has_key_in_header),
            certificate: seen.and_then(|seen| seen.certificate),
            error,
        };
        if trace::ENABLED {
            let _told = guard::call(|| trace::decision(&outcome));
        }
        if meter::is_enabled() {
            let _told = guard::call(|| metrics::decision(&outcome));
        }
        if let Some(hook) = hook {
            let _told = guard::hook("on_outcome", || hook(&outcome));
        }
    }

    /// Hands a secret that was right to the hook. Its failure is not the request's.
    pub(crate) fn offer<C>(&self, presented: &Presented, client: &AuthenticatedClient<C>) {
        let Some(hook) = &self.secret else { return };
        let Some(secret) = presented.secret(client.proof()) else { return };
        let matched = SecretMatch {
            client_id: client.client_id(),
            label: client.secret_label(),
            presented: PresentedSecret::new(secret),
        };
        let _told = guard::hook("on_secret_match", || hook(&matched));
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers")
            .field("on_outcome", &self.outcome.is_some())
            .field("on_secret_match", &self.secret.is_some())
            .finish()
    }
}
