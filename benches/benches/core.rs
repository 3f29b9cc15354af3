//! Time that the parts of the core take, seen through the smallest thing that is public: the layer
//! around a service that does nothing, which does not even read the body.
//!
//! `cargo bench -p benches --bench core`; with `-- --test` it only shows that it runs.

#[expect(clippy::allow_attributes, reason = "each bench uses another part")]
#[allow(dead_code)]
mod support;

use std::{
    convert::Infallible,
    future::ready,
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use support::{
    drive,
    report::{self, Goal},
    stack, wall,
    work::{Case, Frames, Shape},
};
use tower::{Layer, service_fn};
use tower_client_auth::ClientSecret;

type Edit = fn(&mut Request<Frames>);
type AtRest = fn(String) -> ClientSecret;

const UNTOUCHED: Edit = |_| {};
const PLAIN: AtRest = |secret| ClientSecret::plain(secret);
const DIGEST: AtRest = |secret| ClientSecret::sha256_of(&secret);

const ROWS: [(&str, Case, Shape, Edit, AtRest); 9] = [
    ("public client, the least that can succeed", Case::Public, Shape::Usual, UNTOUCHED, PLAIN),
    ("client_secret_post", Case::Post, Shape::Usual, UNTOUCHED, PLAIN),
    ("client_secret_basic", Case::Basic, Shape::Usual, UNTOUCHED, PLAIN),
    ("the same, SHA-256 at rest", Case::Basic, Shape::Usual, UNTOUCHED, DIGEST),
    ("wrong secret", Case::WrongFirst, Shape::Usual, UNTOUCHED, PLAIN),
    ("refused by its Content-Type", Case::Basic, Shape::Usual, untyped, PLAIN),
    ("form of 4 KiB, fields of 14 bytes", Case::Basic, Shape::Many(4096), UNTOUCHED, PLAIN),
    ("form of 64 KiB, fields of 14 bytes", Case::Basic, Shape::Many(65536), UNTOUCHED, PLAIN),
    ("form of 64 KiB, one long field", Case::Basic, Shape::Long(65536), UNTOUCHED, PLAIN),
];

fn untyped(request: &mut Request<Frames>) {
    request.headers_mut().remove(header::CONTENT_TYPE);
}

fn main() {
    let (rounds, requests) = if report::asked_to("--test") { (1, 4) } else { (201, 100) };
    let clients = 100;
    let mut contenders = ROWS.map(|(_, case, shape, edit, at_rest)| {
        let inner =
            service_fn(|_| ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))));
        let mut service = stack::layer(clients, at_rest).layer(inner);
        let run: Box<dyn FnMut(usize) -> Duration> = Box::new(move |round| {
            let batch: Vec<_> = (0..requests)
                .map(|n| {
                    let mut request = case.request(n + round as u64, clients, shape);
                    edit(&mut request);
                    request
                })
                .collect();
            let start = Instant::now();
            for request in batch {
                black_box(drive::exchange(&mut service, request));
            }
            start.elapsed()
        });
        run
    });
    let times = wall::rounds(rounds, &mut contenders);
    println!(
        "Time per request, median of {rounds} rounds of {requests}, and ratio to the first row\n"
    );
    let Some(first) = times.first() else { return };
    for ((name, ..), own) in ROWS.iter().zip(&times) {
        let time = wall::median(own.clone()) / requests as f64 * 1e6;
        println!("{name:<45} {time:>8.3} µs {:>8.2}", wall::ratio(own, first));
    }
    if let [_, _, plain, digest, ..] = times.as_slice() {
        let added = plain.iter().zip(digest).map(|(plain, digest)| digest - plain).collect();
        let value = wall::median(added) / requests as f64 * 1e6;
        let what = "µs added by SHA-256 at rest".to_owned();
        report::goals(&[Goal { name: "SHA-256 at rest", what, value, must: 0.15, target: 0.15 }]);
    }
}
