//! Processes of their own for servers, and what the kernel knows of them.

use std::{
    io::{self, BufRead, BufReader},
    net::SocketAddr,
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
        let program = std::env::current_exe()?;
        let mut child = pinned(0, &program)
            .args(arguments)
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self { child, address })
    }

    /// User and system time of its only thread, in seconds.
    pub(crate) fn cpu(&self) -> f64 {
        let file = format!("/proc/{}/schedstat", self.child.id());
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.split(' ').next().and_then(|ns| ns.parse().ok()).map_or(f64::NAN, |ns: f64| ns / 1e9)
    }

    /// Resident octets.
    pub(crate) fn resident(&self) -> f64 {
        let file = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(file).unwrap_or_default();
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

/// Runs `program` on one processor, where util-linux is installed.
fn pinned(processor: u32, program: &std::path::Path) -> Command {
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
