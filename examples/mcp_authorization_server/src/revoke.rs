//! Revocation, behind client authentication (RFC 7009).

use axum::{extract::State, http::StatusCode};
use tower_client_auth::{AuthenticatedClient, ClientMetadata};

use crate::{error::OAuthError, parameters::Parameters, store::Store, token::sha256};

/// RFC 7009 §2.2: a token that is unknown, or another client's, is answered like one that was
/// revoked. The hint may be wrong, so it is not read.
pub(crate) async fn revoke(
    State(store): State<Store>,
    client: AuthenticatedClient<ClientMetadata>,
    parameters: Parameters,
) -> Result<StatusCode, OAuthError> {
    let Some(token) = parameters.get("token") else {
        return Err(OAuthError::new("invalid_request", "token is needed"));
    };
    store.revoke(sha256(token), client.client_id()).await?;
    Ok(StatusCode::OK)
}
