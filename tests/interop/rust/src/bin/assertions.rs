//! Rust clients that sign assertions.

use std::error::Error;

use huskarl::{
    core::{
        client_auth::{Audience, JwtBearer},
        jwk::JwkJson,
        secrets::{SecretMap, SecretString},
        server_metadata::AuthorizationServerMetadata,
    },
    grant::client_credentials::{ClientCredentialsGrant, ClientCredentialsGrantParameters},
    prelude::*,
    revocation::TokenRevocation,
};
use huskarl_crypto_native::{asymmetric::signer::PrivateKey, symmetric::SymmetricKey};
use huskarl_reqwest::ReqwestClient;
use interop_clients::{Done, Outcome, drive};
use rmcp::transport::auth::{
    AuthError, AuthorizationManager, ClientCredentialsConfig, JwtSigningAlgorithm,
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Job {
    client: String,
    method: String,
    alg: String,
    client_id: String,
    issuer: String,
    metadata: Value,
    jwk: Value,
    #[serde(default)]
    pem: String,
}

fn huskarl_assertions(job: &Job) -> Result<JwtBearer, Box<dyn Error>> {
    let mut jwk = job.jwk.clone();
    jwk["alg"] = json!(job.alg);
    let jwk = JwkJson.apply(SecretString::new(jwk.to_string()))?;
    let assertions = JwtBearer::builder().audience(Audience::Issuer);
    Ok(if job.method == "client_secret_jwt" {
        assertions.signer(SymmetricKey::from_jwk(jwk.try_into()?)?).build()
    } else {
        assertions.signer(PrivateKey::from_jwk(jwk.try_into()?)?).build()
    })
}

async fn with_huskarl(job: &Job) -> Done {
    let metadata: AuthorizationServerMetadata = serde_json::from_value(job.metadata.clone())?;
    let http = ReqwestClient::builder().build().await?;
    let grant = ClientCredentialsGrant::builder_from_metadata(&metadata)
        .client_id(job.client_id.as_str())
        .http_client(http.clone())
        .client_auth(huskarl_assertions(job)?)
        .build();
    let asked = grant.exchange(ClientCredentialsGrantParameters::builder().build()).await;
    let token = match asked {
        Ok(token) => token,
        Err(error) => return huskarl_refusal(error),
    };
    let revocation = TokenRevocation::builder_from_metadata(&metadata)?
        .client_id(job.client_id.clone())
        .client_auth(huskarl_assertions(job)?)
        .build();
    match revocation.revoke(&http, token.access_token()).await {
        Ok(()) => Ok(Outcome::Accepted),
        Err(error) => huskarl_refusal(error),
    }
}

fn huskarl_refusal(error: huskarl::core::Error) -> Done {
    match error.verdict() {
        Some(verdict) => Ok(Outcome::Refused(format!("{:?}", verdict.code()))),
        None => Err(error.into()),
    }
}

async fn with_rmcp(job: &Job) -> Done {
    let mut manager = AuthorizationManager::new(job.issuer.as_str()).await?;
    manager.set_metadata(serde_json::from_value(job.metadata.clone())?);
    let config = ClientCredentialsConfig::PrivateKeyJwt {
        client_id: job.client_id.clone(),
        signing_key: job.pem.clone().into_bytes(),
        signing_algorithm: match job.alg.as_str() {
            "RS256" => JwtSigningAlgorithm::RS256,
            "ES256" => JwtSigningAlgorithm::ES256,
            "ES384" => JwtSigningAlgorithm::ES384,
            other => return Err(format!("{other} is not supported").into()),
        },
        token_endpoint_audience: None,
        scopes: Vec::new(),
        resource: Some(format!("{}/mcp", job.issuer)),
    };
    manager.configure_client_credentials(&config)?;
    match manager.exchange_client_credentials(&config).await {
        Ok(_) => Ok(Outcome::Accepted),
        Err(AuthError::ClientCredentialsError(text)) if text.contains("invalid_client") => {
            Ok(Outcome::Refused(text))
        }
        Err(error) => Err(error.into()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    drive(async |job: &Job| match job.client.as_str() {
        "huskarl" => with_huskarl(job).await,
        "rmcp" => with_rmcp(job).await,
        other => Err(format!("unknown client {other}").into()),
    })
    .await
}
