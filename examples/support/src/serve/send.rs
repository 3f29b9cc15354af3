//! A deadline for writing.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// A stream that fails when its peer has taken nothing for a while, although there is something to write.
///
/// Under TLS, not around it: TLS takes more than it has written.
#[derive(Debug)]
pub struct Sending<S> {
    stream: S,
    limit: Duration,
    /// Runs while something waits to be written.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Sending<S> {
    /// Fails with [`TimedOut`](io::ErrorKind::TimedOut) when nothing could be written for `limit`.
    pub const fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, deadline: None }
    }
}

impl Sending<TcpStream> {
    /// A connection that was accepted. The system holds 64 KiB that were not sent, and not megabytes, of which a third
    /// would have to be taken before it said so: `limit` is for some 128 KiB that its peer takes.
    pub fn accepted(stream: TcpStream, limit: Duration) -> Self {
        // Small answers would wait for the peer to confirm the one before.
        let _unsupported = stream.set_nodelay(true);
        #[cfg(any(target_os = "android", target_os = "linux"))]
        let _unsupported = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
        Self::new(stream, limit)
    }
}

#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT: u32 = 64 * 1024;

impl<S> Sending<S> {
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let limit = self.limit;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(limit)));
        deadline.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sending<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sending<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(context, shut)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use futures_util::FutureExt;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        net::{TcpListener, TcpSocket},
        time::{Instant, timeout},
    };

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn peer_that_takes_nothing_ends_the_stream_in_time() {
        let (stream, mut peer) = duplex(16);
        let mut stream = Sending::new(stream, LIMIT);
        let began = Instant::now();
        // It is the last thing that was taken that counts.
        let slow = tokio::spawn(async move {
            sleep(LIMIT * 3 / 4).await;
            peer.read_exact(&mut [0; 4]).await.unwrap();
            sleep(LIMIT * 3 / 4).await;
            peer.read_exact(&mut [0; 4]).await.unwrap();
            peer
        });
        let written = timeout(LIMIT * 10, stream.write_all(&[0; 30])).await;
        let error = written.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), 150);
        drop(slow.await.unwrap());
    }

    #[cfg(any(target_os = "android", target_os = "linux"))]
    #[tokio::test]
    async fn peer_that_reads_slowly_is_seen_to_read() {
        const PATIENCE: Duration = Duration::from_secs(20);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpSocket::new_v4().unwrap();
        peer.set_recv_buffer_size(64 * 1024).unwrap();
        let (peer, accepted) =
            tokio::join!(peer.connect(listener.local_addr().unwrap()), listener.accept());
        let (mut peer, mut stream) =
            (peer.unwrap(), Sending::accepted(accepted.unwrap().0, PATIENCE));
        // As much as the system takes.
        let mut written = 0;
        while let Some(count) = stream.write(&[0; 16 * 1024]).now_or_never() {
            written += count.unwrap();
        }
        assert!(written < 1024 * 1024, "{written} bytes are with the system");
        peer.read_exact(&mut vec![0; written / 4 * 3]).await.unwrap();
        timeout(PATIENCE, stream.write_all(b"more")).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn stream_that_has_nothing_to_write_has_no_deadline() {
        let (stream, mut peer) = duplex(16);
        let mut stream = Sending::new(stream, LIMIT);
        stream.write_all(&[0; 16]).await.unwrap();
        sleep(LIMIT * 2).await;
        peer.read_exact(&mut [0; 16]).await.unwrap();
        sleep(LIMIT * 2).await;
        stream.write_all(&[0; 16]).await.unwrap();
    }
}
