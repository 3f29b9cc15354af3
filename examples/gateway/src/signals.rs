//! What a process is told.

use std::io;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Reload,
    Stop,
}

/// From when it is made on, signals do not end the process any more.
pub(crate) struct Signals {
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
    #[cfg(unix)]
    stop: [tokio::signal::unix::Signal; 2],
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let stop = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
        Ok(Self { hangup: signal(SignalKind::hangup())?, stop })
    }

    pub(crate) async fn next(&mut self) -> Told {
        let [terminate, interrupt] = &mut self.stop;
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            _ = terminate.recv() => Told::Stop,
            _ = interrupt.recv() => Told::Stop,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "with signals it can fail")]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    pub(crate) async fn next(&mut self) -> Told {
        let _pressed = tokio::signal::ctrl_c().await;
        Told::Stop
    }
}
