//! The settings of answers and observers.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::Response;

use crate::{
    error::{Error, config::ConfigError},
    layer::{ClientAuthLayer, outcome::Outcome},
    secret::presented::SecretMatch,
};

/// # Answers
impl<P, M> ClientAuthLayer<P, M> {
    /// The realm of the challenge (RFC 7617 §2). Default: `OAuth`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Realm`] if it is empty or holds a control character.
    pub fn realm(self, realm: &str) -> Result<Self, ConfigError> {
        self.try_set(|policy| policy.set_realm(realm))
    }

    /// Where the developer of a refused client can read more: the member `error_uri` of the answer. Default,
    /// and for `None`: it is left out.
    ///
    /// What no URI may hold is percent-encoded. Answers of gRPC and of
    /// [`mcp_python_sdk`](Self::mcp_python_sdk) have no such member, and `uri` is not called for them. If it
    /// panics, the answer is what it is without.
    ///
    /// Choose by [`error_code`](Error::error_code) or [`status`](Error::status): one that depends on the
    /// [`kind`](Error::kind) tells the caller what the layer keeps from it, such as which ids exist.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{ClientAuthLayer, ClientMetadata, provider::MemoryProvider};
    ///
    /// let layer = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new())
    ///     .error_uri(|error| Some(format!("https://as.example/errors#{}", error.error_code())));
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn error_uri<T: Into<Cow<'static, str>>>(
        self,
        uri: impl Fn(&Error) -> Option<T> + Send + Sync + 'static,
    ) -> Self {
        self.set(|policy| {
            policy.answers.uri = Some(Arc::new(move |error: &Error| uri(error).map(Into::into)));
        })
    }

    /// What is wrong, for the developer of a refused client: the member `error_description` of the answer.
    /// Default, and for `None`: the layer's own text.
    ///
    /// RFC 6749 §5.2 allows printable ASCII without `"` and `\`; other characters are replaced. All else is
    /// as for [`error_uri`](Self::error_uri).
    #[must_use]
    pub fn error_description<T: Into<Cow<'static, str>>>(
        self,
        describe: impl Fn(&Error) -> Option<T> + Send + Sync + 'static,
    ) -> Self {
        self.set(|policy| {
            policy.answers.description =
                Some(Arc::new(move |error: &Error| describe(error).map(Into::into)));
        })
    }

    /// Changes the answer to a refused request, in its status or headers. Default: it is sent as it is.
    ///
    /// `change` gets the reason and the answer, and returns the answer to send. It cannot let the
    /// request pass. If it panics, the answer is 500 `server_error`. For 400 instead of 401 see
    /// [`guide::switching_over`](crate::guide::switching_over#servers-that-answered-400). The texts in the
    /// document are [`error_description`](Self::error_description) and [`error_uri`](Self::error_uri).
    ///
    /// It is not called for answers of gRPC, which have no document:
    /// [`map_grpc_error_response`](Self::map_grpc_error_response) is.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{ClientAuthLayer, ClientMetadata, provider::MemoryProvider};
    ///
    /// let layer = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new()).map_error_response(
    ///     |error, mut response| {
    ///         if error.is_internal() {
    ///             response.headers_mut().insert("retry-after", http::HeaderValue::from_static("5"));
    ///         }
    ///         response
    ///     },
    /// );
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn map_error_response(
        self,
        change: impl Fn(&Error, Response<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.set(|policy| policy.answers.hook = Some(Arc::new(change)))
    }

    /// Changes the answer to a refused gRPC request. Default: it is sent as it is.
    ///
    /// It is [`map_error_response`](Self::map_error_response) for a layer that was made with
    /// [`grpc`](Self::grpc): the status is 200, `grpc-status` and `grpc-message` are headers, and the body
    /// must stay empty.
    #[must_use]
    pub fn map_grpc_error_response(
        self,
        change: impl Fn(&Error, Response<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.set(|policy| policy.answers.grpc_hook = Some(Arc::new(change)))
    }
}

/// # Observers
impl<P, M> ClientAuthLayer<P, M> {
    /// Calls `observe` with every decision, for metrics and audit logs. Default: nothing is called.
    ///
    /// A request that got as far as a look-up is reported once, also when the caller hung up
    /// ([`Abandoned`](crate::ErrorKind::Abandoned)). `observe` runs inline on the connection task: it
    /// must not block. A panic in it changes no answer, and is logged with the feature `tracing`. See [`Outcome`] for an example.
    #[must_use]
    pub fn on_outcome(self, observe: impl Fn(&Outcome<'_>) + Send + Sync + 'static) -> Self {
        self.set(|policy| policy.observers.outcome = Some(Arc::new(observe)))
    }

    /// Calls `upgrade` with every secret that was right, so that the store can keep it in another
    /// form: a digest instead of plain text, or a hash with today's parameters. Default:
    /// nothing is called.
    ///
    /// It must not block: start a task. A panic in it changes no answer, and is logged with the feature
    /// `tracing`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{
    ///     ClientAuthLayer, ClientMetadata, provider::MemoryProvider, secret::PresentedSecret,
    /// };
    ///
    /// async fn store_digest(client_id: String, secret: PresentedSecret) { /* UPDATE … */
    /// }
    ///
    /// let layer =
    ///     ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new()).on_secret_match(|matched| {
    ///         if matched.label() == Some("plain") {
    ///             let client_id = matched.client_id().to_owned();
    ///             tokio::spawn(store_digest(client_id, matched.presented().clone()));
    ///         }
    ///     });
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn on_secret_match(
        self,
        upgrade: impl Fn(&SecretMatch<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.set(|policy| policy.observers.secret = Some(Arc::new(upgrade)))
    }
}
