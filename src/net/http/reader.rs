// SPDX-License-Identifier: MPL-2.0
//! A connection whose other end has to keep reading: one that does not would hold its place, and what is to be sent, for
//! ever.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// How long a reader may let us wait in all, unless it earns more by reading.
const PATIENCE: Duration = Duration::from_secs(10);
/// The slowest reading that is waited for, in bytes per second: a tenth of what an old mobile network does.
const SLOWEST: u32 = 4096;

/// How much longer a reader is waited for. Waiting uses patience up, bytes that are taken restore it at the slowest rate
/// allowed: neither silence nor one byte now and then holds a connection.
#[derive(Debug)]
struct Patience {
    left: Duration,
    waiting_since: Option<Instant>,
}

impl Patience {
    fn new() -> Self {
        Self {
            left: PATIENCE,
            waiting_since: None,
        }
    }

    /// The reader takes nothing for now. When it is given up, if it goes on so.
    fn waits(&mut self, now: Instant) -> Instant {
        *self.waiting_since.get_or_insert(now) + self.left
    }

    /// The reader took `count` bytes.
    fn progressed(&mut self, now: Instant, count: usize) {
        let waited = self.waiting_since.take().map(|since| now - since);
        let earned = Duration::from_secs(1) * u32::try_from(count).unwrap_or(u32::MAX) / SLOWEST;
        let left = self.left.saturating_sub(waited.unwrap_or_default()) + earned;
        self.left = left.min(PATIENCE);
    }
}

/// A stream that breaks with `TimedOut` when its reader is too slow.
#[derive(Debug)]
pub(super) struct Impatient<S> {
    stream: S,
    patience: Patience,
    /// Ends the write that waits.
    limit: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    /// Watches the reader at the other end of `stream`.
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            patience: Patience::new(),
            limit: None,
        }
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let end = self.patience.waits(Instant::now());
        let limit = self
            .limit
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end.into())));
        ready!(limit.as_mut().poll(context));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Pending => self.wait(context).map(Err),
            Poll::Ready(written) => {
                self.limit = None;
                let count = *written.as_ref().unwrap_or(&0);
                self.patience.progressed(Instant::now(), count);
                Poll::Ready(written)
            }
        }
    }

    // A socket neither flushes nor shuts down slowly: what was written is the kernel's.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a reader that takes `chunk` bytes each second is served, up to a minute.
    fn served(chunk: usize) -> Duration {
        let begin = Instant::now();
        let (mut patience, mut now) = (Patience::new(), begin);
        while now - begin < Duration::from_secs(60) {
            let end = patience.waits(now);
            now += Duration::from_secs(1);
            if end < now {
                return end - begin;
            }
            patience.progressed(now, chunk);
        }
        now - begin
    }

    #[test]
    fn who_reads_nothing_or_drips_is_given_up() {
        let mut patience = Patience::new();
        let now = Instant::now();
        assert_eq!(patience.waits(now), now + PATIENCE);
        assert_eq!(patience.waits(now + Duration::from_secs(9)), now + PATIENCE);
        assert_eq!(served(0), PATIENCE);
        assert!(served(1) < PATIENCE * 2);
        assert!(served(SLOWEST as usize / 2) < PATIENCE * 3);
    }

    #[test]
    fn who_reads_fast_enough_is_served_and_saves_up_no_patience() {
        assert_eq!(served(SLOWEST as usize), Duration::from_secs(60));
        let mut patience = Patience::new();
        let now = Instant::now();
        patience.progressed(now, 1 << 30);
        assert_eq!(patience.waits(now), now + PATIENCE);
    }
}
