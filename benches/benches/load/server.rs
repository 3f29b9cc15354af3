//! The server, and what stands before its Redis.

use std::{
    convert::Infallible, io, net::SocketAddr, num::NonZeroUsize, sync::mpsc, thread, time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::mpsc::unbounded_channel,
};
use tower::{ServiceBuilder, limit::ConcurrencyLimitLayer};
use tower_client_auth::{
    ClientAuthLayer, ClientSecret, Limits, RegisteredClient,
    assertion::{Assertions, ClientKeys},
    provider::MemoryProvider,
    replay::RedisReplayStore,
    secret::HashPool,
};

use crate::{
    SECRET,
    support::{BoxError, argon2id::argon2id, assertions::ISSUER, redis, serve},
    trials::{Pressure, Trial},
};

async fn answer<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("ok")))
}

/// Whom the strangers name: clients that exist, because ids are no secrets.
pub(super) fn stranger(number: usize) -> String {
    format!("client-{number}")
}

#[tokio::main]
pub(super) async fn server(trial: &Trial, redis: Option<SocketAddr>) -> Result<(), BoxError> {
    let clients = MemoryProvider::new();
    clients.insert(RegisteredClient::secret_basic("fast", [ClientSecret::sha256_of(SECRET)], ()));
    let slow = argon2id(SECRET)?;
    for number in 0..trial.pressure.strangers() {
        let id = stranger(number);
        clients.insert(match trial.pressure {
            Pressure::Hashes => RegisteredClient::secret_basic(id, [slow.clone()], ()),
            Pressure::Redis => {
                RegisteredClient::client_secret_jwt(id, [ClientSecret::plain(SECRET)], ())
                    .map_err(|_unusable| "the secret is too short")?
            }
            _ => RegisteredClient::private_key_jwt(id, ClientKeys::from_jwks(P521)?, ()),
        });
    }
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let workers = (trial.workers)(cores);
    let mut limits = Limits::new();
    if let Some(deadline) = trial.deadline {
        limits = limits.body_deadline(deadline);
    }
    let mut layer = ClientAuthLayer::new(clients).limits(limits).hash_pool(&HashPool::new(
        NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN),
        64 * workers,
    ));
    let assertions = match redis {
        Some(address) => {
            let client = ::redis::Client::open(redis::url(address))?;
            let connection = client.get_multiplexed_async_connection().await?;
            Assertions::new(ISSUER, RedisReplayStore::new(connection))?
        }
        None => Assertions::dangerously_without_replay_protection(ISSUER)?,
    };
    layer = layer.assertions(assertions.signing_algs(trial.algorithms.iter().copied())?);
    if trial.ready_after_auth {
        layer = layer.ready_after_auth();
    }
    let service = ServiceBuilder::new()
        .layer(layer)
        .layer(ConcurrencyLimitLayer::new(trial.places))
        .service_fn(answer);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        // It fails while there are no more open files.
        let Ok((stream, _)) = listener.accept().await else { continue };
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(service.clone());
        let mut server = http1::Builder::new();
        server.header_read_timeout(None);
        tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
    }
}

/// Of nobody: only what is wrong is sent.
const P521: &str = r#"{"keys":[{"kty":"EC","crv":"P-521","kid":"1","x":"ANAoLekCcbwKIpo5-xGp0_cnXsPWlErHxEwK7EHKtDTzhRo98PrG3_Xj_mdltAZb2D3Sc4c_X76seHo2jSBHoG-E","y":"APD7ckZTGSU5FMpRqTMLqdd5bE-3evB6IDFHvg8ZTp5GQDzJ0Jl17m5s87VjYviJoqnCQTmFfYvhU78NUWao4Hps"}]}"#;

/// Forwards to a server, and holds back what it answers, each piece for as long.
pub(super) fn delayed(server: SocketAddr, delay: Duration) -> io::Result<SocketAddr> {
    async fn send(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let _closed = tokio::io::copy(&mut from, &mut to).await;
    }
    async fn hold(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
        let (sender, mut receiver) = unbounded_channel();
        tokio::spawn(async move {
            let mut buffer = BytesMut::with_capacity(4096);
            while from.read_buf(&mut buffer).await.is_ok_and(|length| length > 0) {
                let at = tokio::time::Instant::now() + delay;
                if sender.send((at, buffer.split())).is_err() {
                    break;
                }
            }
        });
        while let Some((at, piece)) = receiver.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
    }
    let (listening, address) = mpsc::channel();
    let run = move || -> io::Result<()> {
        serve::runtime()?.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let _there = listening.send(listener.local_addr()?);
            loop {
                let (caller, _) = listener.accept().await?;
                let server = tokio::net::TcpStream::connect(server).await?;
                let ((asked, answer), (answered, ask)) = (caller.into_split(), server.into_split());
                tokio::spawn(send(asked, ask));
                tokio::spawn(hold(answered, answer, delay));
            }
        })
    };
    thread::spawn(move || {
        if let Err(error) = run() {
            eprintln!("in front of Redis: {error}");
        }
    });
    address.recv().map_err(io::Error::other)
}
