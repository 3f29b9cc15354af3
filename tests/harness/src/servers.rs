//! Database servers, on loopback, with their data in a temporary folder.

use std::{
    env, fs,
    io::Write,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use crate::Failure;

/// `nobody`, because PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;
const STEP: Duration = Duration::from_millis(20);
const STEPS: u32 = 3000;

/// A folder, removed on drop.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("store-{}-{count}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// The value of an environment variable, or a line that says what is skipped. It is written past
/// the test runner, which would keep it to itself.
fn required(variable: &str) -> Option<PathBuf> {
    let value = env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    if value.is_none() {
        let test = thread::current().name().unwrap_or("a test").to_owned();
        let line = format!("SKIPPED: {test}: {variable} is not set\n");
        let _closed = std::io::stderr().write_all(line.as_bytes());
    }
    value
}

fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Waits until `ready` succeeds. A server that ended meanwhile is started again: after a kill, the
/// first start may find remains of the old one.
fn await_ready(
    start: impl Fn() -> Result<Child, Failure>,
    ready: impl Fn() -> Command,
) -> Result<Child, Failure> {
    let mut child = start()?;
    for _ in 0..STEPS {
        let probe = ready().stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        if probe.success() {
            return Ok(child);
        }
        if child.try_wait()?.is_some() {
            child = start()?;
        }
        thread::sleep(STEP);
    }
    child.kill()?;
    Err("the database server does not start".into())
}

/// Sends a signal to a server and to all processes that it has started.
fn signal(child: Option<&Child>, signal: &str) -> Result<(), Failure> {
    let Some(child) = child else { return Err("the database server does not run".into()) };
    let pid = child.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let status = Command::new("sh")
        .args(["-c", "kill \"$@\"", "kill", signal, &pid.to_string()])
        .args(children.split_whitespace())
        .status()?;
    if status.success() { Ok(()) } else { Err(format!("{signal}: {status}").into()) }
}

fn end(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        let _ended = child.kill();
        let _ended = child.wait();
    }
}

/// A PostgreSQL server of its own. `POSTGRES_BIN` names the folder of its programs.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    folder: Folder,
    port: u16,
    child: Option<Child>,
}

impl Postgres {
    /// Starts an empty server, unless there is none to start.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn start() -> Result<Option<Self>, Failure> {
        let Some(bin) = required("POSTGRES_BIN") else { return Ok(None) };
        let folder = Folder::new()?;
        if fs::metadata(&folder.0)?.uid() == 0 {
            chown(&folder.0, Some(NOBODY), Some(NOBODY))?;
        }
        let mut server = Self { bin, folder, port: free_port()?, child: None };
        let output = server
            .program("initdb")
            .args(["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-U", "clients", "-D"])
            .arg(server.data())
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        server.restart()?;
        Ok(Some(server))
    }

    /// Where to connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://clients@127.0.0.1:{}/postgres", self.port)
    }

    /// Kills the server, as if it had run out of memory.
    pub fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Starts the server again, with the data that it had, and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn restart(&mut self) -> Result<(), Failure> {
        let port = self.port.to_string();
        let start = || {
            let mut server = self.program("postgres");
            server.arg("-D").arg(self.data()).args(["-h", "127.0.0.1", "-p", &port]);
            server.args(["-c", "unix_socket_directories="]);
            Ok(server.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
        };
        let ready = || {
            let mut probe = self.program("pg_isready");
            probe.args(["-q", "-h", "127.0.0.1", "-p", &port]);
            probe
        };
        self.child = Some(await_ready(start, ready)?);
        Ok(())
    }

    /// Lets the server hang: its connections stay open, and nothing is answered.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn freeze(&self) -> Result<(), Failure> {
        signal(self.child.as_ref(), "-STOP")
    }

    /// Lets the server go on.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn thaw(&self) -> Result<(), Failure> {
        signal(self.child.as_ref(), "-CONT")
    }

    fn data(&self) -> PathBuf {
        self.folder.0.join("data")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.current_dir("/");
        if fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _gone = self.thaw();
        self.kill();
        // The processes behind the connections end on their own, and write to the folder until then.
        for _ in 0..50 {
            if fs::remove_dir_all(&self.folder.0).is_ok() {
                break;
            }
            thread::sleep(STEP);
        }
    }
}

/// A Redis server of its own. `REDIS_SERVER` names the program; `redis-cli` is beside it.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    folder: Folder,
    port: u16,
    child: Option<Child>,
}

impl Redis {
    /// Starts an empty server, unless there is none to start.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn start() -> Result<Option<Self>, Failure> {
        let Some(program) = required("REDIS_SERVER") else { return Ok(None) };
        let mut server = Self { program, folder: Folder::new()?, port: free_port()?, child: None };
        server.restart()?;
        Ok(Some(server))
    }

    /// Where to connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Lets the server hang: its connections stay open, and nothing is answered.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn freeze(&self) -> Result<(), Failure> {
        signal(self.child.as_ref(), "-STOP")
    }

    /// Lets the server go on.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn thaw(&self) -> Result<(), Failure> {
        signal(self.child.as_ref(), "-CONT")
    }

    /// Kills the server. What it has answered is in its log, and comes back.
    pub fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Starts the server again, with the data that it had, and waits until it answers.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn restart(&mut self) -> Result<(), Failure> {
        let port = self.port.to_string();
        let start = || {
            let mut server = Command::new(&self.program);
            server.args(["--bind", "127.0.0.1", "--port", &port, "--save", ""]);
            server.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]);
            Ok(server.arg(&self.folder.0).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
        };
        let ready = || {
            let folder = self.program.parent().unwrap_or(Path::new(""));
            let mut probe = Command::new(folder.join("redis-cli"));
            // It succeeds with an error of the server, too, such as that it is still loading.
            probe.args(["-e", "-h", "127.0.0.1", "-p", &port, "ping"]);
            probe
        };
        self.child = Some(await_ready(start, ready)?);
        Ok(())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
