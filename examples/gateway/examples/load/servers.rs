//! What is started: the gateway, what is behind it, and what it is compared with.

use std::{
    convert::Infallible,
    future::pending,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use bytes::Bytes;
use example_support::serve_connection;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::{net::TcpListener, time::timeout};
use tower_client_auth::BoxError;

const START: Duration = Duration::from_secs(30);
/// Nobody here takes as long to read.
pub(crate) const SEND: Duration = Duration::from_secs(60);

/// A directory that is removed in the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Result<Self, BoxError> {
        let folder = std::env::temp_dir().join(format!("gateway-load-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    /// In one step.
    pub(crate) fn write(
        &self,
        name: &str,
        contents: impl AsRef<[u8]>,
    ) -> Result<PathBuf, BoxError> {
        let (next, file) = (self.0.join("next"), self.0.join(name));
        std::fs::write(&next, contents)?;
        std::fs::rename(next, &file)?;
        Ok(file)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// A program that says where it listens.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: String,
    /// What it logs.
    pub(crate) logged: Receiver<String>,
}

fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _gone = sender.send(line);
        }
    });
    receiver
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Result<Self, BoxError> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("a program without streams".into());
        };
        let (printed, logged) = (lines(stdout), lines(stderr));
        let Ok(line) = printed.recv_timeout(START) else {
            let log: Vec<_> = logged.try_iter().collect();
            return Err(format!("{command:?} did not start: {log:?}").into());
        };
        let address = line.split_once("://").map_or(&*line, |(_, address)| address).to_owned();
        Ok(Self { child, address, logged })
    }

    /// The gateway, which is beside this program.
    pub(crate) fn gateway(config: &Path) -> Result<Self, BoxError> {
        let program = std::env::current_exe()?;
        let folder = program.parent().and_then(Path::parent).ok_or("no folder")?;
        Self::start(Command::new(folder.join("gateway")).arg("--config").arg(config))
    }

    /// This program, as a server.
    pub(crate) fn own(arguments: &[&str]) -> Result<Self, BoxError> {
        Self::start(Command::new(std::env::current_exe()?).args(arguments))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) -> Result<(), BoxError> {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status()?;
        if sent.success() { Ok(()) } else { Err("it does not run".into()) }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Serves until it is killed.
async fn serve<S, F, B>(service: S) -> Result<bool, BoxError>
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(service.clone());
        tokio::spawn(async move {
            let connection = serve_connection(stream, service, SEND, pending());
            Box::pin(connection).await;
        });
    }
}

/// The upstream of `speed`: the same few bytes for each request, whose body is read.
pub(crate) async fn static_answers() -> Result<bool, BoxError> {
    serve(|request: Request<Incoming>| async move {
        let _body = http_body_util::BodyExt::collect(request).await;
        Ok(Response::new(Full::new(Bytes::from_static(b"{\"ok\":true}"))))
    })
    .await
}

/// What the gateway does but for authentication: it looks at the path, and forwards over a pooled connection with
/// deadlines.
pub(crate) async fn bare_proxy(upstream: Uri) -> Result<bool, BoxError> {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_secs(5)));
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(4))
        .build(connector);
    let authority = upstream.authority().cloned();
    serve(move |request: Request<Incoming>| {
        let (client, authority) = (client.clone(), authority.clone());
        async move {
            let (mut head, body) = request.into_parts();
            let mut target = head.uri.into_parts();
            target.scheme = Some(http::uri::Scheme::HTTP);
            target.authority = authority;
            head.uri = Uri::from_parts(target).unwrap_or_default();
            for name in [
                "connection",
                "keep-alive",
                "proxy-connection",
                "te",
                "transfer-encoding",
                "upgrade",
            ] {
                head.headers.remove(name);
            }
            let asked = client.request(Request::from_parts(head, body));
            let answer = match timeout(Duration::from_secs(30), asked).await {
                Ok(Ok(answer)) => answer.map(http_body_util::Either::Left),
                _ => {
                    let mut answer =
                        Response::new(http_body_util::Either::Right(Full::<Bytes>::default()));
                    *answer.status_mut() = http::StatusCode::BAD_GATEWAY;
                    answer
                }
            };
            Ok(answer)
        }
    })
    .await
}
