//! The program, servers behind it, and callers.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

/// Nothing here takes as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const CLIENTS: &str = r#"[
    {"client_id": "demo-basic", "client_secret": "basic-secret"},
    {"client_id": "demo-post", "client_secret": "post-secret", "token_endpoint_auth_method": "client_secret_post"},
    {"client_id": "demo-public", "token_endpoint_auth_method": "none"}
]"#;
pub(crate) const FORM: &str = "content-type: application/x-www-form-urlencoded";
pub(crate) const BASIC: &str = "authorization: Basic ZGVtby1iYXNpYzpiYXNpYy1zZWNyZXQ=";
pub(crate) const WRONG: &str = "authorization: Basic ZGVtby1iYXNpYzpndTNzczNk";

/// A directory with a configuration and what belongs to it.
pub(crate) struct Files(PathBuf);

impl Files {
    /// With `clients.json`, and this configuration.
    pub(crate) fn new(config: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("gateway-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let files = Self(directory);
        files.write("clients.json", CLIENTS);
        files.write("gateway.toml", config);
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// In one step, as those should do who change a file that is read.
    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let next = self.path("next");
        fs::write(&next, contents).unwrap();
        fs::rename(next, self.path(name)).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.arg("--config").arg(self.path("gateway.toml"));
        command
    }

    /// As a process that has `soft` descriptors, and up to `hard` if it asks for them.
    #[cfg(target_os = "linux")]
    pub(crate) fn command_with_descriptors(&self, soft: u32, hard: u32) -> Command {
        let program = self.command();
        let mut command = Command::new("sh");
        let limited = format!(r#"ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$0" "$@""#);
        command.arg("-c").arg(limited).arg(program.get_program()).args(program.get_args());
        command
    }

    /// What `--check` says of the configuration, without the name of the file.
    pub(crate) fn check(&self) -> (Option<i32>, Vec<String>) {
        self.check_by(&mut self.command())
    }

    pub(crate) fn check_by(&self, command: &mut Command) -> (Option<i32>, Vec<String>) {
        let Output { status, stdout, stderr } = command.arg("--check").output().unwrap();
        let said = String::from_utf8([stdout, stderr].concat()).unwrap();
        let directory = format!("{}/", self.0.display());
        let lines = said.lines().map(|line| line.replace(&directory, ""));
        (status.code(), lines.collect())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// The program.
pub(crate) struct Gateway {
    pub(crate) files: Files,
    program: Child,
    /// Of the listeners in their order, and of operators.
    pub(crate) addresses: Vec<String>,
    printed: Receiver<String>,
    logged: Receiver<String>,
}

/// The lines of a stream as they come.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

impl Gateway {
    /// With as many listeners, that of operators among them.
    pub(crate) fn start(config: &str, listeners: usize) -> Self {
        Self::start_in(Files::new(config), listeners)
    }

    pub(crate) fn start_in(files: Files, listeners: usize) -> Self {
        Self::start_by(&mut files.command(), files, listeners)
    }

    pub(crate) fn start_by(command: &mut Command, files: Files, listeners: usize) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut program = command.spawn().unwrap();
        let printed = lines(program.stdout.take().unwrap());
        let logged = lines(program.stderr.take().unwrap());
        let mut gateway = Self { files, program, addresses: Vec::new(), printed, logged };
        gateway.announced(listeners);
        gateway
    }

    /// Waits for as many addresses.
    pub(crate) fn announced(&mut self, listeners: usize) {
        for _ in 0..listeners {
            let Ok(line) = self.printed.recv_timeout(PATIENCE) else {
                panic!("it did not start: {:?}", self.logged.try_iter().collect::<Vec<_>>());
            };
            let (_, address) = line.split_once("://").unwrap();
            self.addresses.push(address.to_owned());
        }
    }

    pub(crate) fn address(&self) -> &str {
        self.addresses.first().unwrap()
    }

    pub(crate) fn admin(&self) -> &str {
        self.addresses.last().unwrap()
    }

    /// Waits for an event with these members, and returns it.
    pub(crate) fn wait_for(&self, wanted: &[(&str, &str)]) -> Value {
        let mut seen = Vec::new();
        while let Ok(line) = self.logged.recv_timeout(PATIENCE) {
            // A terminal or a viewer obeys them.
            let is_raw = |char: char| char.is_control() || "\u{2028}\u{202e}".contains(char);
            assert!(!line.contains(is_raw), "{line:?}");
            let event: Value = serde_json::from_str(&line).unwrap();
            if wanted.iter().all(|(key, value)| event[key] == *value) {
                return event;
            }
            seen.push(line);
        }
        panic!("there was no event with {wanted:?}: {seen:?}");
    }

    /// The messages that are left, up to its end.
    pub(crate) fn last_messages(&self) -> Vec<String> {
        let events = self.logged.iter().map(|line| serde_json::from_str::<Value>(&line).unwrap());
        events.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.program.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Whether it ends while tests wait. What it logs until then is read.
    pub(crate) fn ends(&mut self) -> bool {
        loop {
            match self.logged.recv_timeout(PATIENCE) {
                Ok(_line) => {}
                Err(RecvTimeoutError::Disconnected) => return self.ended().success(),
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.program.wait().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ended = self.program.kill();
        let _ended = self.program.wait();
    }
}

/// A request or an answer as it is on the wire.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) first: String,
    /// In order of their names.
    pub(crate) lines: Vec<String>,
    pub(crate) body: String,
}

impl Message {
    /// `None` where the peer has gone.
    pub(crate) fn read(stream: &mut impl BufRead) -> Option<Self> {
        let mut lines = stream.by_ref().lines().map(Result::unwrap);
        let first = lines.next()?;
        let mut lines: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        lines.sort_unstable();
        let value =
            |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let mut body = Vec::new();
        if value("transfer-encoding") == Some("chunked") {
            loop {
                let mut size = String::new();
                stream.read_line(&mut size).unwrap();
                let size = usize::from_str_radix(size.trim(), 16).unwrap();
                let mut chunk = vec![0; size + 2];
                if size == 0 {
                    // The trailers, as they are, and the empty line.
                    for line in stream.by_ref().lines().map(Result::unwrap) {
                        if line.is_empty() {
                            break;
                        }
                        body.extend(format!("[{line}]").into_bytes());
                    }
                    break;
                }
                stream.read_exact(&mut chunk).unwrap();
                body.extend(&chunk[..size]);
            }
        } else if let Some(length) = value("content-length") {
            body.resize(length.parse().unwrap(), 0);
            stream.read_exact(&mut body).unwrap();
        }
        Some(Self { first, lines, body: String::from_utf8(body).unwrap() })
    }

    /// What differs each time is left out.
    pub(crate) fn undated(mut self) -> Self {
        self.lines.retain(|line| !line.starts_with("date: "));
        self
    }

    pub(crate) fn status(&self) -> u16 {
        self.first.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A server behind, which answers each request with what `answer` makes of it.
pub(crate) struct Upstream {
    pub(crate) address: String,
    received: Receiver<Message>,
}

impl Upstream {
    pub(crate) fn new(answer: impl Fn(&Message) -> String + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, received) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (sender, answer) = (sender.clone(), answer.clone());
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    while let Some(request) = Message::read(&mut reader) {
                        // First, for tests that wait for it before there is an answer.
                        let _gone = sender.send(request.clone());
                        let answer = answer(&request);
                        if (&stream).write_all(answer.as_bytes()).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { address, received }
    }

    /// One that answers 204.
    pub(crate) fn silent() -> Self {
        Self::new(|_| "HTTP/1.1 204 No Content\r\n\r\n".to_owned())
    }

    /// What came, in its order.
    pub(crate) fn received(&self) -> Message {
        self.received.recv_timeout(PATIENCE).unwrap()
    }

    pub(crate) fn was_called(&self) -> bool {
        self.received.try_recv().is_ok()
    }
}

pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Makes a request, and waits for its answer.
pub(crate) fn call(address: &str, first: &str, lines: &[&str], body: &str) -> Message {
    let stream = connect(address);
    send(&stream, first, lines, body);
    Message::read(&mut BufReader::new(&stream)).unwrap().undated()
}

/// Asks again and again until it is so.
pub(crate) fn until(is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "it does not come to that");
    }
}

/// With a length, unless `lines` say otherwise.
pub(crate) fn send(mut stream: &TcpStream, first: &str, lines: &[&str], body: &str) {
    let mut head = format!("{first} HTTP/1.1\r\nHost: as.example\r\n");
    for line in lines {
        head += &format!("{line}\r\n");
    }
    let framed =
        lines.iter().any(|line| line.to_ascii_lowercase().starts_with("transfer-encoding"));
    if !framed && !body.is_empty() {
        head += &format!("content-length: {}\r\n", body.len());
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
}

pub(crate) fn owned(lines: &[&str]) -> Vec<String> {
    let mut lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
    lines.sort_unstable();
    lines
}

/// A configuration with this end.
pub(crate) fn config(rest: &str) -> String {
    format!(
        r#"[[listener]]
address = "127.0.0.1:0"

[clients]
file = "clients.json"
poll_seconds = 1

[identity]
client_id = "x-client-id"
auth_method = "x-client-auth-method"

{rest}"#
    )
}
