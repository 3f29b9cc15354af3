//! A request from its look-up to its decision.

use std::{future::Future, pin::Pin, sync::Arc, time::Instant};

use bytes::Bytes;
use http::{Response, request::Parts};

use crate::{
    client::authenticated::AuthenticatedClient,
    compat::dialect::Presented,
    error::{Error, kind::ErrorKind},
    forward::{Fields, Forward},
    isolate::{guard::Caught, span},
    layer::{outcome::Outcome, shared::Shared},
    method::{
        Method,
        attestation::{self, NextChallenge},
        mutual_tls,
    },
    provider::lookup::ClientProvider,
    throttle::{Asked, refusal},
    wire::{admission::Protocol, authorization::Presence},
};

/// The one allocation of the way: the provider's future has no name, and it borrows the credentials.
pub(super) type Authentication = Pin<Box<dyn Future<Output = Decision> + Send>>;

/// The head of an authenticated request, with its client in the extensions, or the refusal.
pub(super) type Decision = Result<Option<Parts>, Response<Bytes>>;

/// What is known of a request at its look-up, in one place for whatever is asked there. The attempt has
/// it until it is decided.
pub(super) struct Course<P> {
    /// It is there. It goes through the attempt as it came, because it is large and each move costs.
    pub(super) head: Option<Parts>,
    pub(super) admitted: (Protocol, Presence),
    pub(super) presented: Presented,
    pub(super) shared: Arc<Shared<P>>,
    pub(super) started: Option<Instant>,
}

/// Looks the client up and verifies what was presented. Whatever becomes of it is reported once.
#[inline]
pub(super) fn begin<P: ClientProvider>(mut course: Course<P>) -> Authentication {
    span::authenticate(async move {
        let unreported = Unreported(Some(&course));
        // Of the application are also the clock, the errors of the provider and what a client is made of.
        let result = Caught::new(course.authenticate()).await;
        let mut result = result.unwrap_or_else(|| Err(ErrorKind::Panicked.into()));
        let mut forwarded = None;
        if let (Some(forward), Ok(client)) = (&course.shared.policy.forward, &result) {
            match course.identify(forward, client) {
                Ok(fields) => forwarded = Some(fields),
                Err(error) => result = Err(error),
            }
        }
        unreported.decide(&result);
        let Some(head) = &mut course.head else { return Ok(None) };
        match result {
            Ok(mut client) => {
                let methods = &course.shared.policy.methods;
                if let Some(certificate) = mutual_tls::found(head, methods) {
                    client.set_certificate(certificate.clone());
                }
                if let Some(attested) = course.presented.attestation() {
                    client.set_attested_key(attested.thumbprint());
                    NextChallenge::send(methods, head);
                }
                // Replaces whatever a caller or an outer layer put there.
                head.extensions.insert(client);
                if let (Some(forward), Some(fields)) = (&course.shared.policy.forward, forwarded) {
                    forward.send(head, fields, methods);
                }
                Ok(course.head)
            }
            Err(error) => Err(course.shared.policy.refuse(error, course.admitted, head)),
        }
    })
}

/// An attempt that is not decided. Dropped before it is, it was abandoned by the caller.
struct Unreported<'a, P>(Option<&'a Course<P>>);

impl<P> Unreported<'_, P> {
    fn decide<C>(mut self, result: &Result<AuthenticatedClient<C>, Error>) {
        let Some(course) = self.0.take() else { return };
        course.report(result.as_ref());
        if let Ok(client) = result {
            course.shared.policy.observers.offer(&course.presented, client);
        }
    }
}

impl<P> Drop for Unreported<'_, P> {
    fn drop(&mut self) {
        if let Some(course) = self.0 {
            let abandoned = ErrorKind::Abandoned.into();
            course.report::<()>(Err(&abandoned));
        }
    }
}

impl<P> Course<P> {
    /// What the throttle says against the attempt, if there is one.
    pub(super) async fn refusal(&self) -> Option<Error> {
        let policy = &self.shared.policy;
        let (Some(throttle), Some(head)) = (&policy.throttle, &self.head) else { return None };
        match throttle.ask(self.presented.client_id(), head, policy.limits.provider_deadline) {
            Asked::Passed => None,
            Asked::Refused(error) => Some(error),
            // Boxed, so that the attempts of all others stay small.
            Asked::Waiting(answer) => Box::pin(refusal(answer)).await,
        }
    }

    /// What the upstream is told of the client. Where it cannot be told, the attempt has failed.
    fn identify<C>(
        &self,
        forward: &Forward,
        client: &AuthenticatedClient<C>,
    ) -> Result<Fields, Error> {
        let methods = &self.shared.policy.methods;
        let certificate = self.head.as_ref().and_then(|head| mutual_tls::found(head, methods));
        let key = self.presented.attestation().map(attestation::Credentials::instance);
        forward.identify(client.client_id(), client.method(), certificate, key, &methods.clock)
    }

    /// The same error with what the request tells of it, for the operator.
    fn explained(&self, head: &Parts, error: Option<&Error>) -> Option<Error> {
        let error = error?;
        let (policy, kind) = (&self.shared.policy, error.kind());
        let cause = mutual_tls::cause_of(kind, &head.extensions, &policy.methods)
            .or_else(|| self.presented.fault(kind))
            .or_else(|| policy.cause_of(kind, self.presented.client_id()))?;
        Some(error.clone().because(|_kind| Some(cause)))
    }

    fn report<C>(&self, result: Result<&AuthenticatedClient<C>, &Error>) {
        let Some(head) = &self.head else { return };
        let policy = &self.shared.policy;
        if policy.observers.listen() {
            self.tell(head, result);
        }
        if let Some(throttle) = &policy.throttle {
            throttle.note(self.presented.client_id(), head, result.err());
        }
    }

    #[inline(never)]
    fn tell<C>(&self, head: &Parts, result: Result<&AuthenticatedClient<C>, &Error>) {
        let policy = &self.shared.policy;
        let explained = self.explained(head, result.err());
        policy.observers.report(&policy.methods.clock, self.started, || {
            let proved = result.map(|client| client.proof().method).ok();
            let method = proved.or_else(|| self.presented.method());
            Outcome {
                client_id: Some(match result {
                    Ok(client) => client.client_id(),
                    Err(_) => self.presented.refused_id(),
                }),
                method: method.map(Method::iana),
                registered_method: match result {
                    Ok(client) => Some(client.registered_method().iana()),
                    Err(error) => error.registered_method(),
                },
                secret_label: result.ok().and_then(AuthenticatedClient::secret_label),
                has_key_in_header: self.presented.has_key_in_header(),
                certificate: mutual_tls::found(head, &policy.methods),
                ..Outcome::of(head, explained.as_ref().or(result.err()))
            }
        });
    }
}
