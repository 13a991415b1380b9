// SPDX-License-Identifier: MPL-2.0
//! One websocket (RFC 6455), read and written by one task, and the only place that closes it.
//!
//! # How a websocket is closed
//!
//! Only by the `close` of the Sink trait, called by its full name. The stream type has a method `close(frame)`
//! of its own that *sends a Close message*; when the peer began the closing, the library already holds the reply
//! and refuses another Close, and without a flush the reply never leaves: the peer sees code 1006. Sink's close
//! flushes what the library holds. When it is us who begin, and with a code, the library wants that code as a
//! frame before the same close; [`Socket::close`] puts it there only while the peer has not begun.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
    time::Instant,
};

use async_tungstenite::{
    WebSocketStream,
    tokio::TokioAdapter,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};
use futures::{Sink, SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::Limits;

pub(crate) struct Socket<S> {
    stream: WebSocketStream<TokioAdapter<S>>,
    /// Since when something is on its way out.
    unflushed_since: Option<Instant>,
    /// Whether the peer began the closing handshake.
    is_peer_closing: bool,
}

/// What the socket did.
#[derive(Debug)]
pub(crate) enum Step {
    /// A message arrived.
    Received(Message),
    /// All that was started has left.
    Flushed,
    /// The connection is over.
    Ended,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Wraps a connection whose upgrade is done; `rest` is what was read beyond the request.
    pub(crate) async fn new(stream: S, rest: Vec<u8>, limits: &Limits) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            // Without a bound, pongs for a peer that pings and does not read would pile up in here.
            .max_write_buffer_size(limits.largest_reply())
            .max_message_size(Some(limits.max_message_bytes))
            .max_frame_size(Some(limits.max_message_bytes));
        let stream = TokioAdapter::new(stream);
        let stream = WebSocketStream::from_partially_read(stream, rest, Role::Server, Some(config)).await;
        Self {
            stream,
            unflushed_since: None,
            is_peer_closing: false,
        }
    }

    /// Begins to send a message. To be called when [`is_idle`](Self::is_idle) only.
    pub(crate) fn start(&mut self, message: Message, now: Instant) -> Result<(), Error> {
        std::pin::Pin::new(&mut self.stream).start_send(message)?;
        self.unflushed_since = Some(now);
        Ok(())
    }

    /// Drives both directions until something happened. Leaves arrivals alone unless `may_read`. Cancel safe.
    pub(crate) async fn step(&mut self, may_read: bool) -> Result<Step, Error> {
        poll_fn(|context| self.poll_step(may_read, context)).await
    }

    /// Whether nothing is on its way out.
    pub(crate) fn is_idle(&self) -> bool {
        self.unflushed_since.is_none()
    }

    /// Since when what is on its way out has been there.
    pub(crate) fn unflushed_since(&self) -> Option<Instant> {
        self.unflushed_since
    }

    /// Closes the websocket and then the connection, see the module's documentation. Takes as long as the peer
    /// does; the caller sets the limit.
    pub(crate) async fn close(mut self, reason: Option<CloseFrame>) -> Result<(), Error> {
        if let Some(frame) = reason.filter(|_| !self.is_peer_closing) {
            std::pin::Pin::new(&mut self.stream).start_send(Message::Close(Some(frame)))?;
        }
        SinkExt::close(&mut self.stream).await?;
        // The peer's own Close, unless it came first.
        while let Some(Ok(_)) = self.stream.next().await {}
        // Data left unread would turn our end of the connection into a reset, which can overtake the Close.
        let mut stream = self.stream.into_inner().into_inner();
        stream.shutdown().await?;
        let mut scrap = [0; 1024];
        while stream.read(&mut scrap).await? > 0 {}
        Ok(())
    }

    fn poll_step(&mut self, may_read: bool, context: &mut Context<'_>) -> Poll<Result<Step, Error>> {
        if self.unflushed_since.is_some()
            && let Poll::Ready(flushed) = self.stream.poll_flush_unpin(context)
        {
            self.unflushed_since = None;
            return Poll::Ready(flushed.map(|()| Step::Flushed));
        }
        if !may_read {
            return Poll::Pending;
        }
        let Some(message) = ready!(self.stream.poll_next_unpin(context)).transpose()? else {
            return Poll::Ready(Ok(Step::Ended));
        };
        match message {
            // The library has queued a pong; from here on it counts as unflushed.
            Message::Ping(_) => {
                self.unflushed_since.get_or_insert_with(Instant::now);
            }
            Message::Close(_) => self.is_peer_closing = true,
            _ => {}
        }
        Poll::Ready(Ok(Step::Received(message)))
    }
}

/// Bytes read at once: signalling messages are small, peers are many.
const READ_BUFFER: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
    use tokio::io::DuplexStream;

    use super::*;

    type Client = WebSocketStream<TokioAdapter<DuplexStream>>;

    async fn pair() -> (Socket<DuplexStream>, Client) {
        let (server, client) = tokio::io::duplex(64 * 1024);
        let client = WebSocketStream::from_raw_socket(TokioAdapter::new(client), Role::Client, None).await;
        (Socket::new(server, Vec::new(), &Limits::default()).await, client)
    }

    fn frame(code: CloseCode) -> CloseFrame {
        CloseFrame {
            code,
            reason: "".into(),
        }
    }

    #[tokio::test]
    async fn a_closing_client_gets_its_code_back() {
        let (mut server, mut client) = pair().await;
        client
            .start_send_unpin(Message::Close(Some(frame(CloseCode::Normal))))
            .unwrap();
        let server = async {
            let received = server.step(true).await.unwrap();
            assert!(
                matches!(received, Step::Received(Message::Close(_))),
                "{received:?}"
            );
            // A reason of our own must not get in the way of the reply.
            server.close(Some(frame(CloseCode::Away))).await.unwrap();
        };
        let client = async {
            SinkExt::close(&mut client).await.unwrap();
            let Some(Ok(Message::Close(Some(frame)))) = client.next().await else {
                panic!("no close")
            };
            assert_eq!(frame.code, CloseCode::Normal);
            assert!(client.next().await.is_none());
            drop(client);
        };
        tokio::join!(server, client);
    }

    #[tokio::test]
    async fn our_reason_reaches_the_client() {
        let (server, mut client) = pair().await;
        let client = async {
            let Some(Ok(Message::Close(Some(frame)))) = client.next().await else {
                panic!("no close")
            };
            assert_eq!(frame.code, CloseCode::Away);
            assert!(client.next().await.is_none());
            drop(client);
        };
        tokio::join!(
            async { server.close(Some(frame(CloseCode::Away))).await.unwrap() },
            client
        );
    }

    #[tokio::test]
    async fn a_blocked_write_does_not_stop_reading() {
        let (mut server, mut client) = pair().await;
        server
            .start(Message::text("x".repeat(200 * 1024)), Instant::now())
            .unwrap();
        client.send(Message::text("hello")).await.unwrap();
        let Step::Received(Message::Text(text)) = server.step(true).await.unwrap() else {
            panic!("no text")
        };
        assert_eq!(text.as_str(), "hello");
        assert!(!server.is_idle());
        let (flushed, received) = tokio::join!(server.step(false), client.next());
        assert!(matches!(flushed.unwrap(), Step::Flushed));
        assert_eq!(received.unwrap().unwrap().len(), 200 * 1024);
        assert!(server.is_idle());
    }

    #[tokio::test]
    async fn a_message_over_the_limit_is_an_error_before_it_is_read() {
        let (server, mut client) = tokio::io::duplex(1024);
        let mut server = Socket::new(server, Vec::new(), &Limits::default()).await;
        // A masked binary frame that claims 1 TiB.
        let header = [0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        client.write_all(&header).await.unwrap();
        assert!(matches!(server.step(true).await, Err(Error::Capacity(_))));
    }
}
