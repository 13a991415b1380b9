// SPDX-License-Identifier: MPL-2.0
//! The listening socket, and what to do when accepting fails.
//!
//! Running out of file descriptors must neither end the server nor leave newcomers hanging: one descriptor is
//! held in reserve, given up to accept and drop whoever waits, and taken back.

use std::{fs::File, io, net::SocketAddr, time::Duration};

use futures::FutureExt;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until},
};

#[derive(Debug)]
pub(crate) struct Listener {
    inner: TcpListener,
    /// A descriptor to give up when there are no others.
    reserve: Option<File>,
    /// How long to wait after the next error; doubles while they go on.
    backoff: Duration,
    /// When to try again after an error.
    resume_at: Option<Instant>,
}

impl Listener {
    pub(crate) fn new(inner: TcpListener) -> Self {
        Self {
            inner,
            reserve: open_reserve(),
            backoff: SHORTEST_BACKOFF,
            resume_at: None,
        }
    }

    /// The address it really listens on.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// The next connection. Errors are logged and survived. Cancel safe.
    pub(crate) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            if let Some(resume_at) = self.resume_at {
                sleep_until(resume_at).await;
                self.resume_at = None;
            }
            match self.inner.accept().await {
                Ok(accepted) => {
                    self.backoff = SHORTEST_BACKOFF;
                    return accepted;
                }
                // The newcomer gave up while it waited (accept(2), "Error handling").
                Err(error) if is_of_newcomer(&error) => tracing::debug!("a connection ended early: {error}"),
                Err(error) => {
                    let refused = self.refuse_waiting();
                    tracing::warn!("cannot accept, {refused} newcomers refused: {error}");
                    self.resume_at = Some(Instant::now() + self.backoff);
                    self.backoff = (self.backoff * 2).min(LONGEST_BACKOFF);
                }
            }
        }
    }

    /// Drops whoever waits in the backlog, with the reserve's descriptor. Returns how many.
    fn refuse_waiting(&mut self) -> usize {
        drop(self.reserve.take());
        let is_refused = |_: &usize| matches!(self.inner.accept().now_or_never(), Some(Ok(_)));
        let refused = (0..MAX_REFUSED_AT_ONCE).take_while(is_refused).count();
        self.reserve = open_reserve();
        refused
    }
}

/// Whether the error is about the one connection and not about the socket or the process.
fn is_of_newcomer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

fn open_reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

/// The usual length of a backlog is 1024; between two rounds others get their turn.
const MAX_REFUSED_AT_ONCE: usize = 1024;

const SHORTEST_BACKOFF: Duration = Duration::from_millis(10);

/// As long as a newcomer may have to wait although descriptors are free again.
const LONGEST_BACKOFF: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_refused() {
        let mut listener = Listener::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        let mut waiting = TcpStream::connect(address).await.unwrap();
        // The runtime learns of the newcomer by itself; until then there is nobody to refuse.
        while listener.refuse_waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!matches!(waiting.read(&mut [0]).await, Ok(1..)));
        assert!(listener.reserve.is_some());
    }

    #[test]
    fn errors_of_a_newcomer_are_told_from_ours() {
        assert!(is_of_newcomer(&io::ErrorKind::ConnectionAborted.into()));
        assert!(!is_of_newcomer(&io::Error::from_raw_os_error(24)));
    }
}
