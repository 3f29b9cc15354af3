//! Clients of the methods that need no feature.

use crate::{
    client::RegisteredClient, iana::AuthMethod, method::Registration, secret::stored::ClientSecret,
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
