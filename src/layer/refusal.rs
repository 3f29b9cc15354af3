//! A refusal before any look-up.

use std::time::Instant;

use bytes::Bytes;
use http::request::Parts;

use crate::{
    error::Error,
    layer::{outcome::Outcome, policy::Policy},
    method::{Method, advice, mutual_tls, named},
    wire::{
        authorization::Presence,
        fault,
        form::{self, Repeated},
    },
};

impl Policy {
    /// Tells who is told of decisions, with what the request says of itself.
    #[inline]
    pub(super) fn report_refusal(
        &self,
        head: &Parts,
        seen: (Presence, Option<&Bytes>),
        started: Option<Instant>,
        error: &Error,
    ) {
        if self.observers.listen() {
            self.tell_refusal(head, seen, started, error);
        }
    }

    #[cold]
    fn tell_refusal(
        &self,
        head: &Parts,
        (authorization, form): (Presence, Option<&Bytes>),
        started: Option<Instant>,
        error: &Error,
    ) {
        let Self { methods, limits, .. } = self;
        let bytes = form.map(Bytes::as_ref).unwrap_or_default();
        // Whatever is wrong with it: nothing is decided by this.
        let form = form::scan(bytes, limits, Repeated::LastWins).unwrap_or_default();
        let named = named::named(head, authorization, &form, methods, limits);
        let error = error.clone().because(|kind| {
            let missing = advice::missing(kind, &form, methods);
            missing
                .or_else(|| mutual_tls::cause_of(kind, &head.extensions, methods))
                .or_else(|| advice::fault(kind, head, authorization, methods))
                .or_else(|| fault::of(kind, authorization, bytes, &form))
        });
        self.observers.report(&methods.clock, started, || Outcome {
            client_id: named.client_id.as_deref(),
            other_client_id: named.other_client_id.as_deref(),
            method: named.method.map(Method::iana),
            ..Outcome::of(head, Some(&error))
        });
    }
}
