//! `tls_client_auth` and `self_signed_tls_client_auth` on one listener, with hyper and rustls.
//!
//! ```text
//! cargo run -p mutual_tls
//! ```
//!
//! It makes an authority, certificates and keys in a temporary directory, prints a curl line for each
//! client, and removes the directory when it is told to stop. `tls.rs` is what takes the certificates, `pki.rs`
//! what makes them. `--listen ADDR` listens elsewhere.
//!
//! Of a refused request it prints the reason, its cause, the method where it is known before the client is found,
//! and the `client_id`. A handshake that fails is printed, too.

mod pki;
mod tls;

use std::{convert::Infallible, io, net::SocketAddr, process::ExitCode, time::Duration};

use example_support::{Flags, print_refusal};
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::Service,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tower::{Layer, service_fn};
use tower_client_auth::{
    AuthenticatedClient, BoxError, ClientAuthLayer, ClientSecret, Limits, RegisteredClient,
    body::RequestBody,
    mutual_tls::{CertificateSubject, ClientCertificate, ClientCertificates, MutualTls},
    provider::MemoryProvider,
};

use crate::{pki::Pki, tls::Tls};

const USAGE: &str = "usage: mutual_tls [--listen ADDR]

Makes certificates in a temporary directory, prints curl lines that use them, and removes them at the end. The
default is 127.0.0.1:8443.";

/// The time that a handshake may take, and the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Three clients, one for each way to use a certificate.
fn clients(pki: &Pki) -> Result<MemoryProvider<()>, BoxError> {
    let partner = ClientCertificate::unverified(pki.partner_certificate())?;
    Ok(MemoryProvider::from_iter([
        // The authority renews its certificate, and the registration stays.
        RegisteredClient::tls_client_auth(
            "batch",
            CertificateSubject::dn("CN=batch,O=Example")?,
            (),
        ),
        // No authority is needed: this is the certificate.
        RegisteredClient::self_signed_tls_client_auth(
            "partner",
            ClientCertificates::from_certificates([&partner]),
            (),
        ),
        // Its certificate, if it has one, does not authenticate it: its tokens are bound to it.
        RegisteredClient::secret_basic("app", [ClientSecret::plain("gX9kWZ2c")], ()),
    ]))
}

/// Answers with the claims that an access token would have. A token that is bound to a certificate is of use
/// only to who has its key (RFC 8705 §3).
async fn token(
    request: Request<RequestBody<Incoming>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let Some(client) = request.extensions().get::<AuthenticatedClient<()>>() else {
        // The layer is missing.
        let mut response = Response::default();
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return Ok(response);
    };
    let (id, method) = (client.client_id(), client.method().as_str());
    let claims = match client.certificate().map(ClientCertificate::thumbprint) {
        Some(thumbprint) => {
            json!({ "client_id": id, "method": method, "cnf": { "x5t#S256": thumbprint } })
        }
        None => json!({ "client_id": id, "method": method }),
    };
    let mut response = Response::new(Full::from(format!("{claims}\n")));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

/// Shakes hands in the task of the connection: who is slow with that keeps nobody else waiting, and is cut
/// off in the end.
async fn serve<S, B>(stream: TcpStream, tls: Tls, service: S) -> Result<(), BoxError>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: http_body_util::BodyExt + 'static,
    B::Error: Into<BoxError>,
{
    let (stream, certificate) = timeout(PATIENCE, tls.accept(stream)).await??;
    let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        service.call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    builder.serve_connection(TokioIo::new(stream), service).await?;
    Ok(())
}

async fn listen(listener: TcpListener, pki: &Pki) -> Result<Infallible, BoxError> {
    let layer = ClientAuthLayer::new(clients(pki)?)
        .mutual_tls(MutualTls::from_connection())
        .limits(Limits::new().body_deadline(PATIENCE))
        .on_outcome(print_refusal);
    let service = layer.layer(service_fn(token));
    let tls = Tls::new(pki)?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let service = TowerToHyperService::new(service.clone());
                let tls = tls.clone();
                tokio::spawn(async move {
                    // A connection that breaks concerns only its peer. A certificate that TLS does not take ends it.
                    if let Err(error) = serve(stream, tls, service).await {
                        eprintln!("{peer}: {error}");
                    }
                });
            }
            // Too many open files, or a peer that has gone again.
            Err(error) => {
                eprintln!("warning: no connection: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn print_trials(address: SocketAddr, pki: &Pki) {
    let url = format!("https://{address}");
    let directory = pki.directory().display();
    println!("listening on {url}\n\nTry:");
    let curl = format!("  curl --cacert {directory}/ca.pem");
    let certificate = |name| format!("--cert {directory}/{name}.pem --key {directory}/{name}.key");
    let grant = format!("-d grant_type=client_credentials {url}/token");
    for name in ["batch", "partner"] {
        println!("{curl} {} -d client_id={name} {grant}", certificate(name));
    }
    println!("{curl} {} -u app:gX9kWZ2c {grant}", certificate("batch"));
    println!("{curl} -u app:gX9kWZ2c {grant}");
    println!("\nAnd what is refused, with the reason here:");
    // The name alone is not enough: nobody that is trusted vouches for it.
    println!("{curl} {} -d client_id=batch {grant}", certificate("forged"));
    println!("{curl} {} -d client_id=partner {grant}", certificate("batch"));
    println!("{curl} -d client_id=batch {grant}");
}

/// Waits for what asks a process to stop.
async fn stop() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

async fn run() -> Result<(), BoxError> {
    let mut address = SocketAddr::from(([127, 0, 0, 1], 8443));
    let mut flags = Flags::new(USAGE);
    while let Some(name) = flags.next() {
        match name.as_str() {
            "--listen" => address = flags.address()?,
            _ => return Err(flags.unknown()),
        }
    }
    let listener = TcpListener::bind(address).await?;
    let pki = Pki::new()?;
    print_trials(listener.local_addr()?, &pki);
    tokio::select! {
        failed = listen(listener, &pki) => failed.map(|_never| ()),
        told = stop() => Ok(told?),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    example_support::exit("mutual_tls", run().await)
}
