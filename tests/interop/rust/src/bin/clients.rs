//! Rust clients with secrets and without.

use std::error::Error;

use interop_clients::{Done, Outcome, drive};
use oauth2::{
    AuthType, ClientId, ClientSecret, IntrospectionUrl, RequestTokenError,
    TokenIntrospectionResponse, TokenResponse, TokenUrl, basic::BasicClient,
};
use rmcp::transport::auth::{
    AuthError, AuthorizationManager, AuthorizationMetadata, ClientCredentialsConfig,
    OAuthClientConfig,
};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Job {
    client: String,
    method: String,
    server: String,
    front: String,
    client_id: String,
    client_secret: Option<String>,
}

/// Errors that only an authenticated client gets to see.
const BEHIND_AUTHENTICATION: [&str; 2] = ["unauthorized_client", "unsupported_grant_type"];

fn classify(text: String) -> Outcome {
    if BEHIND_AUTHENTICATION.iter().any(|code| text.contains(code)) {
        Outcome::Accepted
    } else {
        Outcome::Refused(text)
    }
}

async fn with_oauth2(job: &Job, http: &oauth2::reqwest::Client) -> Done {
    let mut client = BasicClient::new(ClientId::new(job.client_id.clone()))
        .set_token_uri(TokenUrl::new(format!("{}/token", job.server))?)
        .set_introspection_url(IntrospectionUrl::new(format!("{}/introspect", job.server))?);
    if let Some(secret) = &job.client_secret {
        client = client.set_client_secret(ClientSecret::new(secret.clone()));
    }
    if job.method == "client_secret_post" {
        client = client.set_auth_type(AuthType::RequestBody);
    }
    let token = match client.exchange_client_credentials().request_async(http).await {
        Ok(token) => token,
        Err(RequestTokenError::ServerResponse(refusal)) => {
            return Ok(classify(refusal.error().as_ref().to_owned()));
        }
        Err(error) => return Err(error.into()),
    };
    let told = client.introspect(token.access_token()).request_async(http).await?;
    Ok(if told.active() {
        Outcome::Accepted
    } else {
        Outcome::Refused("the token is not active".to_owned())
    })
}

/// The library prefers one method of those that the server lists, so it is shown only the one that is to be tried.
async fn with_rmcp(job: &Job) -> Done {
    let metadata: AuthorizationMetadata = serde_json::from_value(json!({
        "issuer": job.front,
        "authorization_endpoint": format!("{}/authorize", job.front),
        "token_endpoint": format!("{}/token", job.server),
        "token_endpoint_auth_methods_supported": [job.method],
    }))?;
    let mut manager = AuthorizationManager::new(job.front.as_str()).await?;
    manager.set_metadata(metadata);
    let result = match &job.client_secret {
        Some(secret) => {
            let config = ClientCredentialsConfig::ClientSecret {
                client_id: job.client_id.clone(),
                client_secret: secret.clone(),
                scopes: Vec::new(),
                resource: Some(format!("{}/mcp", job.front)),
            };
            manager.configure_client_credentials(&config)?;
            manager.exchange_client_credentials(&config).await
        }
        None => {
            let config = OAuthClientConfig::new(job.client_id.clone(), "http://127.0.0.1/callback");
            manager.configure_client(config)?;
            let url = manager.get_authorization_url(&[]).await?;
            let (_, state) = url.split_once("state=").ok_or("no state")?;
            let state = state.split('&').next().unwrap_or_default();
            manager.exchange_code_for_token("code", state).await
        }
    };
    match result {
        Ok(_) => Ok(Outcome::Accepted),
        Err(AuthError::ClientCredentialsError(text) | AuthError::TokenExchangeFailed(text)) => {
            Ok(classify(text))
        }
        Err(error) => Err(error.into()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let http = oauth2::reqwest::ClientBuilder::new()
        .redirect(oauth2::reqwest::redirect::Policy::none())
        .build()?;
    drive(async |job: &Job| match job.client.as_str() {
        "oauth2" => with_oauth2(job, &http).await,
        "rmcp" => with_rmcp(job).await,
        other => Err(format!("unknown client {other}").into()),
    })
    .await
}
