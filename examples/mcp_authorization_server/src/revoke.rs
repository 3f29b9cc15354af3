//! Revocation, behind client authentication (RFC 7009).

use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    http::StatusCode,
};
use serde::Deserialize;
use tower_client_auth::{AuthenticatedClient, ClientMetadata};

use crate::{error::OAuthError, store::Store, token::sha256};

#[derive(Deserialize)]
pub(crate) struct RevocationRequest {
    token: String,
}

/// RFC 7009 §2.2: a token that is unknown, or another client's, is answered like one that was
/// revoked. The hint may be wrong, so it is not read.
pub(crate) async fn revoke(
    State(store): State<Store>,
    client: AuthenticatedClient<ClientMetadata>,
    form: Result<Form<RevocationRequest>, FormRejection>,
) -> Result<StatusCode, OAuthError> {
    let Ok(Form(request)) = form else {
        return Err(OAuthError::new("invalid_request", "token is needed"));
    };
    store.revoke(sha256(&request.token), client.client_id()).await?;
    Ok(StatusCode::OK)
}
