//! The same of clients that present a certificate, as large as the caller makes it: which of them are known,
//! and for what.

use std::{hint::black_box, time::Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::runtime;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_client_auth::{
    ClientAuthLayer, ClientSecret, RegisteredClient,
    mutual_tls::{CertificateSubject, ClientCertificate, ClientCertificates, MutualTls},
    provider::MemoryProvider,
};

use super::{BATCH, Random, SECRET, certificates, inner, median, worst};

/// For whom the caller asks. The certificate is that of nobody, or has the names of the client and an
/// authority that nobody trusts.
const CASES: [&str; 7] = [
    "unknown",
    "subject",
    "unverified",
    "alternative name",
    "certificate",
    "secret",
    "subject too",
];

/// The last pair is the control.
const PAIRS: [[usize; 2]; 6] = [[0, 1], [0, 2], [0, 3], [0, 4], [0, 5], [1, 6]];

fn certificate(name: &str, hosts: usize) -> ClientCertificate {
    certificates::unverified(name, hosts).unwrap()
}

fn clients(ids: [&'static str; 7]) -> MemoryProvider<()> {
    let dn = |name: &str| CertificateSubject::dn(name).unwrap();
    MemoryProvider::from_iter([
        RegisteredClient::tls_client_auth(ids[1], dn("CN=somebody,O=else"), ()),
        RegisteredClient::tls_client_auth(ids[2], dn("CN=nobody"), ()),
        RegisteredClient::tls_client_auth(
            ids[3],
            CertificateSubject::dns("client.example").unwrap(),
            (),
        ),
        RegisteredClient::self_signed_tls_client_auth(
            ids[4],
            ClientCertificates::from_certificates([&certificate("another", 1)]),
            (),
        ),
        RegisteredClient::secret_basic(ids[5], [ClientSecret::plain(SECRET)], ()),
        RegisteredClient::tls_client_auth(ids[6], dn("CN=somebody,O=other"), ()),
    ])
}

fn service(
    ids: [&'static str; 7],
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<impl http_body::Body>,
    Error = std::convert::Infallible,
> {
    let layer = ClientAuthLayer::new(clients(ids)).mutual_tls(MutualTls::from_connection());
    ServiceBuilder::new().layer(layer).service_fn(inner)
}

fn measure(pair: [usize; 2], presented: &ClientCertificate, rounds: usize) -> [Vec<f64>; 2] {
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut samples = [const { Vec::new() }; 2];
    let mut ids =
        ["client-a", "client-b", "client-c", "client-d", "client-e", "client-f", "client-g"];
    for batch in 0..rounds.div_ceil(BATCH) {
        for last in (1..ids.len()).rev() {
            ids.swap(last, random.below(last + 1));
        }
        let mut service = service(ids);
        let warm_up = BATCH / 10;
        for round in 0..warm_up + BATCH.min(rounds - batch * BATCH) {
            let first = random.below(2);
            for index in [first, 1 - first] {
                let request = Request::post("/token")
                    .header("content-type", "application/x-www-form-urlencoded")
                    .extension(presented.clone())
                    .body(Full::from(format!("client_id={}", ids[pair[index]])))
                    .unwrap();
                let time = runtime.block_on(async {
                    let start = Instant::now();
                    let response = service.ready().await.unwrap().call(request).await.unwrap();
                    let time = start.elapsed();
                    assert_eq!(black_box(response).status(), 401);
                    time.as_nanos()
                });
                if round >= warm_up {
                    #[expect(clippy::cast_precision_loss, reason = "no request takes that long")]
                    samples[index].push(time as f64);
                }
            }
        }
    }
    samples
}

pub(super) fn print(full: bool) {
    println!("\n| certificate | cases | samples | median (ns) | t |");
    println!("|---|---|---:|---:|---:|");
    for (hosts, rounds) in [(1, 100_000), (2_000, 10_000)] {
        let presented = certificate("nobody", hosts);
        let rounds = if full { rounds } else { 20 };
        for pair in PAIRS {
            let [a, b] = measure(pair, &presented, rounds);
            let [one, other] = pair.map(|case| CASES[case]);
            let (t, fast, slow) = (worst(&a, &b), median(&a), median(&b));
            println!(
                "| {hosts} names | {one}, {other} | {rounds} | {fast:.0}, {slow:.0} | {t:+.2} |"
            );
        }
    }
}
