//! All settings; each is defined beside the rule that reads it.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, request::Parts};

#[cfg(feature = "metadata-documents")]
use crate::provider::documents::MetadataDocuments;
use crate::{
    compat::dialect::{Dialect, Presented},
    error::{Error, cause::Cause, config::ConfigError, kind::ErrorKind},
    forward::Forward,
    layer::observe::Observers,
    method::{self, Method, attestation, set::Methods},
    throttle::Guarded,
    wire::{
        admission::{self, Protocol},
        authorization::Presence,
        body::RequestBody,
        form::{self, Repeated},
        limits::Limits,
        optional::Optional,
        response::{self, Answers},
    },
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    pub(crate) admission: admission::Rules,
    pub(crate) limits: Limits,
    pub(crate) repeated: Repeated,
    pub(crate) methods: method::Settings,
    pub(crate) answers: Answers,
    pub(crate) observers: Observers,
    pub(crate) throttle: Option<Guarded>,
    pub(crate) dialect: Dialect,
    pub(crate) optional: Optional,
    pub(crate) forward: Option<Arc<Forward>>,
    pub(crate) ready_after_auth: bool,
    /// Apart, so that the settings of those who have none stay small.
    #[cfg(feature = "metadata-documents")]
    pub(crate) metadata_documents: Option<Box<MetadataDocuments>>,
}

impl Policy {
    pub(crate) fn set_methods(&mut self, change: impl FnOnce(&mut method::Settings)) {
        change(&mut self.methods);
        self.refresh();
    }

    /// Adds up what depends on several settings, after one of them was changed.
    pub(crate) fn refresh(&mut self) {
        self.methods.refresh();
        self.answers.offer(self.scheme());
    }

    /// What a request can succeed with.
    pub(crate) fn supported(&self) -> Methods {
        let dialect = self.dialect;
        self.methods.accepted.methods().filter(|method| {
            if self.admission.reads_forms() {
                dialect.knows(method)
            } else {
                dialect.knows_in_headers(method)
            }
        })
    }

    pub(crate) fn set_realm(&mut self, realm: &str) -> Result<(), ConfigError> {
        self.answers.set_realm(realm, self.scheme())
    }

    /// What the request presents, unless it is passed on because it presents nothing.
    #[inline]
    pub(crate) fn presented<B>(
        &self,
        head: &Parts,
        authorization: Presence,
        body: &RequestBody<B>,
    ) -> Result<Option<Presented>, ErrorKind> {
        let Self { dialect, limits, methods, repeated, optional, .. } = self;
        // A stream is not touched: it counts as a form without parameters.
        let bytes = body.bytes().map(Bytes::as_ref).unwrap_or_default();
        let form = form::scan(bytes, limits, dialect.repeated(*repeated))?;
        if optional.passes(&head.headers, authorization, (&form, bytes), limits)? {
            return Ok(None);
        }
        dialect.extract(head, authorization, &form, methods, limits).map(Some)
    }

    /// The answer to a refused request.
    pub(crate) fn refuse(
        &self,
        error: Error,
        (protocol, authorization): (Protocol, Presence),
        head: &Parts,
    ) -> Response<Bytes> {
        let other = |error: &Error| self.dialect.answer(error);
        let kind = error.kind();
        let mut response =
            response::refuse(error, protocol, head, authorization, &self.answers, other);
        attestation::answer(kind, &self.methods, response.headers_mut());
        response
    }

    /// Why there is no client of this id, where a document could have told of it.
    #[cfg(feature = "metadata-documents")]
    #[cold]
    pub(super) fn cause_of(&self, kind: ErrorKind, client_id: &str) -> Option<Cause> {
        match kind {
            ErrorKind::UnknownClient => self.metadata_documents.as_ref()?.cause_of(client_id),
            _ => None,
        }
    }

    #[cfg(not(feature = "metadata-documents"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(super) const fn cause_of(&self, _kind: ErrorKind, _client_id: &str) -> Option<Cause> {
        None
    }

    /// The first accepted method, unless it is Basic.
    fn scheme(&self) -> Option<&'static str> {
        match self.supported().iter().next() {
            Some(Method::Basic) | None => None,
            Some(method) => Some(method.iana().as_str()),
        }
    }
}
