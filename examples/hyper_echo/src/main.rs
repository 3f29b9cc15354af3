//! Plain hyper: answers an authenticated request with its own body, and names in headers the client,
//! its method, and the thumbprint of its certificate.
//!
//! ```text
//! cargo run -p hyper_echo -- --listen 127.0.0.1:8080 --clients clients.json
//! curl -u batch:gX9kWZ2c -d hello=world http://127.0.0.1:8080/any/path
//! ```
//!
//! `clients.json` is an array of RFC 7591 client metadata, for example
//! `[{"client_id": "batch", "client_secret": "gX9kWZ2c"}]`. The other flags are in `flags.rs`.

#[cfg(feature = "mtls")]
mod certificates;
mod flags;

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
    serve(server, layer).await
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
