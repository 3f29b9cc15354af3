//! The server under test as a process of its own, and requests to it.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{Request, request};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

use crate::Failure;

/// Much longer than anything that works takes, so that what does not ends with a message.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A running server. It is killed when it is dropped.
#[derive(Debug)]
pub struct Replica {
    child: Child,
    url: String,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Replica {
    /// Starts a server and waits until it says where it listens.
    ///
    /// # Errors
    ///
    /// If it ends before; what it wrote is in the error.
    pub fn start(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let log = Arc::<Mutex<String>>::default();
        let mut readers = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            readers.push(keep(stderr, Arc::clone(&log)));
        }
        let mut lines = child.stdout.take().map(|out| BufReader::new(out).lines());
        while let Some(Ok(line)) = lines.as_mut().and_then(Iterator::next) {
            if let Some(url) = line.strip_prefix("listening on ") {
                let url = url.to_owned();
                // It would end if it wrote more and nobody read it.
                readers.extend(lines.take().map(|lines| {
                    thread::spawn(move || lines.map_while(Result::ok).for_each(drop))
                }));
                return Ok(Self { child, url, log, readers });
            }
        }
        child.wait()?;
        readers.into_iter().for_each(|reader| drop(reader.join()));
        let log = log.lock().unwrap_or_else(PoisonError::into_inner);
        Err(format!("the server does not start: {log}").into())
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server.
    ///
    /// # Errors
    ///
    /// If it ended before, or a panic is in its log.
    pub fn stop(mut self) -> Result<(), Failure> {
        let early = self.child.try_wait()?;
        self.child.kill()?;
        self.child.wait()?;
        self.readers.drain(..).for_each(|reader| drop(reader.join()));
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        match early {
            Some(status) => Err(format!("the server ended early, {status}: {log}").into()),
            None if log.contains("panicked") => Err(format!("the server panicked: {log}").into()),
            None => Ok(()),
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn keep(stream: impl Read + Send + 'static, log: Arc<Mutex<String>>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&line);
            log.push('\n');
        }
    })
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, `Null` if it is empty or no JSON.
    pub body: Value,
}

impl Answer {
    /// A member of the body.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }
}

/// A client with connections that are kept.
#[derive(Clone, Debug)]
pub struct Http(Client<HttpConnector, Full<Bytes>>);

impl Http {
    /// A client without connections.
    #[must_use]
    pub fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// POST with a form and `client_secret_basic`.
    ///
    /// # Errors
    ///
    /// If there is no whole answer within half a minute.
    pub async fn post(
        &self,
        url: &str,
        (client_id, secret): (&str, &str),
        form: &str,
    ) -> Result<Answer, Failure> {
        let credentials = BASE64_STANDARD.encode(format!("{client_id}:{secret}"));
        let request = Request::post(url).header("authorization", format!("Basic {credentials}"));
        self.send(request, form).await
    }

    /// POST with a form that has all there is.
    ///
    /// # Errors
    ///
    /// If there is no whole answer within half a minute.
    pub async fn post_form(&self, url: &str, form: &str) -> Result<Answer, Failure> {
        self.send(Request::post(url), form).await
    }

    /// POST with these headers and a form.
    ///
    /// # Errors
    ///
    /// If there is no whole answer within half a minute.
    pub async fn post_with(
        &self,
        url: &str,
        headers: &[(&str, String)],
        form: &str,
    ) -> Result<Answer, Failure> {
        let request = headers
            .iter()
            .fold(Request::post(url), |request, (name, value)| request.header(*name, value));
        self.send(request, form).await
    }

    async fn send(&self, request: request::Builder, form: &str) -> Result<Answer, Failure> {
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::from(form.to_owned()))?;
        let exchange = async {
            let response = self.0.request(request).await?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await?.to_bytes();
            Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() })
        };
        let late = |_| Failure::from(format!("no answer within {TIMEOUT:?}"));
        tokio::time::timeout(TIMEOUT, exchange).await.map_err(late)?
    }

    /// Asks for a token.
    ///
    /// # Errors
    ///
    /// If there is no whole answer.
    pub async fn token(
        &self,
        server: &str,
        client_id: &str,
        secret: &str,
    ) -> Result<Answer, Failure> {
        let form = "grant_type=client_credentials";
        self.post(&format!("{server}/token"), (client_id, secret), form).await
    }

    /// Asks for tokens until the answer has this status.
    ///
    /// # Errors
    ///
    /// If it has another one for half a minute, or there is none.
    pub async fn token_until(
        &self,
        server: &str,
        client_id: &str,
        secret: &str,
        status: u16,
    ) -> Result<(), Failure> {
        let end = Instant::now() + TIMEOUT;
        loop {
            let answer = self.token(server, client_id, secret).await?;
            if answer.status == status {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("still not {status} after {TIMEOUT:?}: {answer:?}").into());
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}
