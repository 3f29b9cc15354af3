//! Clients of the methods that need no feature.

use crate::{
    client::{InvalidRegistration, RegisteredClient},
    iana::AuthMethod,
    method::Registration,
    secret::stored::ClientSecret,
};

/// # Clients that present a secret, or nothing
impl<C> RegisteredClient<C> {
    /// A public client (`none`): it presents its id and no credentials (RFC 6749 §2.1).
    #[must_use]
    pub fn public(client_id: impl Into<String>, client: C) -> Self {
        Self::from_registration(client_id.into(), Registration::None, client)
    }

    /// A client that presents a secret in the `Authorization` header (`client_secret_basic`). Any
    /// of the secrets will do, within its validity window; with none of them the client never
    /// authenticates.
    #[must_use]
    pub fn secret_basic(
        client_id: impl Into<String>,
        secrets: impl IntoIterator<Item = ClientSecret>,
        client: C,
    ) -> Self {
        let registration = Registration::from_secrets(&AuthMethod::ClientSecretBasic, secrets);
        Self::from_registration(client_id.into(), registration.into(), client)
    }

    /// A client that presents a secret in the form body (`client_secret_post`). Any of the secrets
    /// will do, within its validity window; with none of them the client never authenticates.
    #[must_use]
    pub fn secret_post(
        client_id: impl Into<String>,
        secrets: impl IntoIterator<Item = ClientSecret>,
        client: C,
    ) -> Self {
        let registration = Registration::from_secrets(&AuthMethod::ClientSecretPost, secrets);
        Self::from_registration(client_id.into(), registration.into(), client)
    }
}

/// # Rotation
impl<C> RegisteredClient<C> {
    /// The stored secrets; there are none if the method is one without, or the registration unusable.
    #[must_use]
    pub fn secrets(&self) -> &[ClientSecret] {
        self.registration().secrets().unwrap_or_default()
    }

    /// The same client with other secrets, such as the old ones until they expire, and a new one.
    ///
    /// # Errors
    ///
    /// [`InvalidRegistration`] as from [`new`](Self::new): if there is no secret left, if the method of the
    /// client has none, or if the registration is [unusable](Self::unusable).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_client_auth::{
    ///     ClientMetadata, ClientSecret, provider::{InvalidRegistration, MemoryProvider},
    /// };
    ///
    /// /// The old secrets are good for one more day.
    /// fn rotate(
    ///     clients: &MemoryProvider,
    ///     client_id: &str,
    ///     new: ClientSecret,
    /// ) -> Result<(), InvalidRegistration<ClientMetadata>> {
    ///     let Some(client) = clients.get(client_id) else { return Ok(()) };
    ///     let tomorrow = SystemTime::now() + Duration::from_secs(24 * 60 * 60);
    ///     let old = client.secrets().iter().map(|old| old.clone().expires_at(tomorrow));
    ///     let rotated = client.with_secrets(old.chain([new]))?;
    ///     clients.insert(rotated);
    ///     Ok(())
    /// }
    /// # let (clients, _) = MemoryProvider::from_json(br#"[{"client_id":"a","client_secret":"b"}]"#).unwrap();
    /// # rotate(&clients, "a", ClientSecret::plain("c")).unwrap();
    /// # assert_eq!(clients.get("a").unwrap().secrets().len(), 2);
    /// ```
    pub fn with_secrets(
        &self,
        secrets: impl IntoIterator<Item = ClientSecret>,
    ) -> Result<Self, InvalidRegistration<C>>
    where
        C: Clone,
    {
        let registration = self.registration().with_secrets(secrets);
        let (client_id, client) = (self.client_id().to_owned(), self.client().clone());
        let same = Self::try_from_registration(client_id, registration, client);
        if self.method_is_absent() {
            return same
                .map(Self::with_absent_method)
                .map_err(InvalidRegistration::with_absent_method);
        }
        same
    }
}
