//! Processes of their own for servers, and what the kernel knows of them.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A server that lives as long as this.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts this program again with `arguments`, on the first processor if that can be chosen; it
    /// must print the address that it listens on.
    pub(crate) fn start(arguments: &[&str]) -> io::Result<Self> {
        Self::run(pinned(0, &std::env::current_exe()?).args(arguments))
    }

    /// Runs a server of others in the same way.
    pub(crate) fn run(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        if let Ok(address) = line.trim().trim_start_matches("listening on http://").parse() {
            return Ok(Self { child, address });
        }
        let _gone = child.kill();
        let _gone = child.wait();
        Err(io::Error::other(format!("no address from {command:?}")))
    }

    /// User and system time of all its threads and of the processes that it started, in seconds.
    pub(crate) fn cpu(&self) -> f64 {
        cpu(&self.child.id().to_string()).unwrap_or(f64::NAN)
    }

    /// The user's part of it, in steps of 10 ms.
    pub(crate) fn user(&self) -> f64 {
        let text =
            fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // Behind the name, which may hold anything, it is the twelfth.
        let ticks =
            text.rsplit(") ").next().and_then(|fields| fields.split(' ').nth(11)?.parse().ok());
        ticks.map_or(f64::NAN, |ticks: f64| ticks / 100.0)
    }

    /// Resident bytes.
    pub(crate) fn resident(&self) -> f64 {
        let file = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        kib.map_or(f64::NAN, |kib: f64| kib * 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// To the nanosecond, unlike `/proc/*/stat`, but without threads that have ended.
fn cpu(process: &str) -> Option<f64> {
    let mut seconds = 0.0;
    for thread in fs::read_dir(format!("/proc/{process}/task")).ok()? {
        let thread = thread.ok()?.path();
        let text = fs::read_to_string(thread.join("schedstat")).ok()?;
        seconds += text.split(' ').next()?.parse::<f64>().ok()? / 1e9;
        let children = fs::read_to_string(thread.join("children")).unwrap_or_default();
        seconds += children.split_whitespace().filter_map(cpu).sum::<f64>();
    }
    Some(seconds)
}

/// Runs `program` on one processor, where util-linux is installed.
pub(crate) fn pinned(processor: u32, program: &Path) -> Command {
    let processor = processor.to_string();
    let works = |arguments: &[&str]| {
        let status = Command::new("taskset").args(arguments).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if works(&["-c", &processor, "true"]) {
        let mut command = Command::new("taskset");
        command.args(["-c", &processor]).arg(program);
        command
    } else {
        eprintln!("not pinned: `taskset` is missing, or there is no processor {processor}");
        Command::new(program)
    }
}

/// Keeps the calling thread on one processor, where util-linux is installed: the standard library cannot.
pub(crate) fn pin_thread(processor: usize) {
    let thread = fs::read_link("/proc/thread-self").unwrap_or_default();
    let thread = thread.file_name().unwrap_or_default();
    let mut taskset = Command::new("taskset");
    taskset.args(["-c", "-p", &processor.to_string()]).arg(thread);
    let pinned = taskset.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !pinned.is_ok_and(|status| status.success()) {
        eprintln!("not pinned: `taskset` is missing, or there is no processor {processor}");
    }
}

/// Starts this program again on the second processor, so that the caller and the server do not take
/// turns. `None` in the copy.
pub(crate) fn on_second_processor() -> Option<io::Result<std::process::ExitStatus>> {
    const MARK: &str = "BENCH_CALLER";
    if std::env::var_os(MARK).is_some() {
        return None;
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Some(Err(error)),
    };
    Some(pinned(1, &program).args(std::env::args().skip(1)).env(MARK, "1").status())
}
