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
        let Self { hangup, stop: [terminate, interrupt] } = self;
        tokio::select! {
            _ = hangup.recv() => Told::Reload,
            _ = terminate.recv() => Told::Stop,
            _ = interrupt.recv() => Told::Stop,
        }
    }

    /// Waits until it is told to stop. To reload waits for [`next`](Self::next).
    pub(crate) async fn stop(&mut self) {
        let [terminate, interrupt] = &mut self.stop;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
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
        self.stop().await;
        Told::Stop
    }

    pub(crate) async fn stop(&mut self) {
        let _pressed = tokio::signal::ctrl_c().await;
    }
}
