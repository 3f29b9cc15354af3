//! The hooks that are told of decisions.

use std::{fmt, sync::Arc, time::Instant};

use crate::{
    client::authenticated::AuthenticatedClient,
    clock::Clock,
    compat::dialect::Presented,
    isolate::{guard, meter},
    layer::{metrics, outcome::Outcome, trace},
    secret::presented::{PresentedSecret, SecretMatch},
};

type OutcomeHook = dyn Fn(&Outcome<'_>) + Send + Sync;
type SecretHook = dyn Fn(&SecretMatch<'_>) + Send + Sync;

/// The hooks of the application.
#[derive(Clone, Default)]
pub(crate) struct Observers {
    pub(crate) outcome: Option<Arc<OutcomeHook>>,
    pub(crate) secret: Option<Arc<SecretHook>>,
}

impl Observers {
    /// Whether anybody is told of decisions.
    #[inline]
    pub(crate) fn listen(&self) -> bool {
        self.ask_for_time() || meter::is_enabled()
    }

    /// Whether anybody is told how long they took, which is none of the metrics.
    #[inline]
    fn ask_for_time(&self) -> bool {
        self.outcome.is_some() || trace::is_enabled()
    }

    /// When a request came, if that is of interest: reading a clock costs as much as comparing a secret.
    #[inline]
    pub(crate) fn start(&self, clock: &Clock) -> Option<Instant> {
        if self.ask_for_time() { now(clock) } else { None }
    }

    /// Tells the subscriber and the hook, if there is one.
    #[inline]
    pub(crate) fn report<'a>(
        &self,
        clock: &Clock,
        started: Option<Instant>,
        outcome: impl FnOnce() -> Outcome<'a>,
    ) {
        if self.listen() {
            self.tell(clock, started, outcome());
        }
    }

    /// Tells each for itself: what one does is nothing to the other, nor to the request.
    fn tell(&self, clock: &Clock, started: Option<Instant>, mut outcome: Outcome<'_>) {
        let both = started.and_then(|start| Some((start, now(clock)?)));
        outcome.duration =
            both.map(|(start, end)| end.saturating_duration_since(start)).unwrap_or_default();
        if trace::ENABLED {
            let _told = guard::call(|| trace::decision(&outcome));
        }
        if meter::is_enabled() {
            let _told = guard::call(|| metrics::decision(&outcome));
        }
        if let Some(hook) = &self.outcome {
            let _told = guard::hook("on_outcome", || hook(&outcome));
        }
    }

    /// Hands a secret that was right to the hook. Its failure is not the request's.
    #[inline]
    pub(crate) fn offer<C>(&self, presented: &Presented, client: &AuthenticatedClient<C>) {
        if let Some(hook) = &self.secret {
            offer(&**hook, presented, client);
        }
    }
}

#[cold]
fn offer<C>(
    hook: &(impl Fn(&SecretMatch<'_>) + ?Sized),
    presented: &Presented,
    client: &AuthenticatedClient<C>,
) {
    let Some(secret) = presented.secret(client.proof()) else { return };
    let matched = SecretMatch {
        client_id: client.client_id(),
        label: client.secret_label(),
        presented: PresentedSecret::new(secret),
    };
    let _told = guard::hook("on_secret_match", || hook(&matched));
}

/// The clock may be the application's, and panic.
#[cold]
fn now(clock: &Clock) -> Option<Instant> {
    guard::call(|| clock.instant())
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers")
            .field("on_outcome", &self.outcome.is_some())
            .field("on_secret_match", &self.secret.is_some())
            .finish()
    }
}
