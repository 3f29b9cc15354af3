//! Plain hyper: answers an authenticated request with its own body, and names in headers the client,
//! its method, and the thumbprint of its certificate and of the key that was attested.
//!
//! ```text
//! cargo run -p hyper_echo -- --listen 127.0.0.1:8080 --clients clients.json
//! curl -u batch:gX9kWZ2c -d hello=world http://127.0.0.1:8080/any/path
//! ```
//!
//! `clients.json` is an array of RFC 7591 client metadata, for example
//! `[{"client_id": "batch", "client_secret": "gX9kWZ2c"}]`. Clients without a secret have `federated_identities`, or
//! `spiffe_id` and `spiffe_bundle`, as `guide::workload_identity` shows. The other flags are in `flags.rs`.

#[cfg(feature = "unstable-attestation")]
mod attestation;
#[cfg(feature = "mtls")]
mod certificates;
mod flags;
#[cfg(feature = "jwt")]
mod replay;

use std::{convert::Infallible, process::ExitCode, time::Duration};

use example_support::{Server, print_refusal};
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use tower::{Layer, service_fn};
use tower_client_auth::{
    AuthenticatedClient, BoxError, ClientAuthLayer, ClientMetadata, ClientProvider, Limits,
    body::RequestBody, forward::percent_encode,
};

/// The layer hands the body on as it was sent, whatever it had to read of it.
async fn echo(
    request: Request<RequestBody<Incoming>>,
) -> Result<Response<RequestBody<Incoming>>, Infallible> {
    let (head, body) = request.into_parts();
    let mut response = Response::new(body);
    if let Some(client) = head.extensions.get::<AuthenticatedClient<ClientMetadata>>() {
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&percent_encode(client.client_id())) {
            headers.insert("x-client-id", id);
        }
        headers.insert("x-auth-method", HeaderValue::from_static(client.method().as_str()));
        #[cfg(feature = "mtls")]
        if let Some(certificate) = client.certificate()
            && let Ok(thumbprint) = HeaderValue::try_from(certificate.thumbprint())
        {
            headers.insert("x-client-cert-thumbprint", thumbprint);
        }
        #[cfg(feature = "unstable-attestation")]
        if let Some(thumbprint) = client.key_thumbprint()
            && let Ok(thumbprint) = HeaderValue::try_from(thumbprint)
        {
            headers.insert("x-key-thumbprint", thumbprint);
        }
    }
    Ok(response)
}

async fn run() -> Result<(), BoxError> {
    let setup = flags::read()?;
    let server = setup.bind().await?;
    let layer = setup
        .layer
        .limits(Limits::new().body_deadline(Duration::from_secs(10)))
        .on_outcome(print_refusal);
    #[cfg(feature = "metadata-documents")]
    if let Some(documents) = setup.documents.documents(layer.auth_methods_supported())? {
        return serve(server, layer.metadata_documents(documents)).await;
    }
    let _ = setup.documents;
    #[cfg(feature = "unstable-attestation")]
    if setup.challenges {
        return serve_with_challenges(server, layer).await;
    }
    serve(server, layer).await
}

/// `/challenge` is for everybody, and so outside of the layer.
#[cfg(feature = "unstable-attestation")]
async fn serve_with_challenges<P>(server: Server, layer: ClientAuthLayer<P>) -> Result<(), BoxError>
where
    P: ClientProvider<Client = ClientMetadata>,
{
    use http::{Method, StatusCode, header::ALLOW};
    use http_body_util::{Either, Full};
    use tower::ServiceExt;

    server.announce();
    let service = layer.layer(service_fn(echo));
    let routed = service_fn(move |request: Request<Incoming>| {
        let (layer, service) = (layer.clone(), service.clone());
        async move {
            if request.uri().path() != "/challenge" {
                return service.oneshot(request).await.map(|answer| answer.map(Either::Right));
            }
            let mut answer = Response::default();
            if request.method() == Method::POST {
                answer = layer.challenge();
            } else {
                *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            }
            Ok::<_, Infallible>(answer.map(|body| Either::Left(Full::new(body))))
        }
    });
    server.serve(routed).await
}

async fn serve<P>(server: Server, layer: ClientAuthLayer<P>) -> Result<(), BoxError>
where
    P: ClientProvider<Client = ClientMetadata>,
{
    server.announce();
    server.serve(layer.layer(service_fn(echo))).await
}

#[tokio::main]
async fn main() -> ExitCode {
    example_support::exit("hyper_echo", run().await)
}
