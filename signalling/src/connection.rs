// SPDX-License-Identifier: MPL-2.0
//! One peer's websocket: frames to messages and back, at the peer's pace but not at its mercy.
//!
//! Runs as a task of its own. Each turn waits for whichever comes first: a frame, a message to send, the hub
//! asking it to end, or a deadline. Rules are the registry's, queues the hub's, closing is the socket's.

use std::time::Instant;

use async_tungstenite::tungstenite::{
    Error, Message, Utf8Bytes,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use gst_plugin_webrtc_signalling_protocol::IncomingMessage;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Duration, sleep_until, timeout},
};

use crate::{
    Limits,
    hub::{Farewell, Hub, Membership},
    liveness::{Liveness, Verdict},
    metrics::Metrics,
    rate::Bucket,
    socket::{Socket, Step},
};

pub(crate) struct Connection<'a, S> {
    socket: Socket<S>,
    membership: Membership,
    /// When to ping and when to give up.
    liveness: Liveness,
    /// What the peer may still send at once.
    bucket: Bucket,
    /// Until when the peer is not read because it sent too much.
    paused_until: Option<Instant>,
    limits: &'a Limits,
    metrics: &'a Metrics,
}

/// How a connection ends.
#[derive(Debug)]
enum Ending {
    /// The peer closed the websocket.
    ByPeer,
    /// The hub wants it to end.
    Dismissed(Farewell),
    /// The peer broke a rule of the websocket protocol or a limit.
    Violation(CloseCode, String),
    /// Nothing of what was sent leaves.
    Stuck,
    /// No sign of life.
    Dead,
    /// The connection broke.
    Lost(String),
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Connection<'a, S> {
    pub(crate) fn new(socket: Socket<S>, membership: Membership, hub: &'a Hub) -> Self {
        let (limits, metrics) = (&hub.limits, &hub.metrics);
        let now = Instant::now();
        let liveness = Liveness::new(now, limits.ping_interval, limits.pong_timeout);
        let bucket = Bucket::new(now, limits.messages_per_second, limits.message_burst);
        Self {
            socket,
            membership,
            liveness,
            bucket,
            paused_until: None,
            limits,
            metrics,
        }
    }

    /// Serves the peer until either side ends it.
    pub(crate) async fn run(mut self) {
        let ending = loop {
            if let Err(ending) = self.turn().await {
                break ending;
            }
        };
        tracing::info!(peer = self.membership.id, "connection closed: {ending}");
        match ending {
            Ending::Dead => self.metrics.dead_peers.count(),
            Ending::Stuck => self.metrics.slow_peers.count(),
            _ => {}
        }
        let Self {
            socket, membership, ..
        } = self;
        // The others need not wait for the closing handshake.
        let peer = membership.id.clone();
        drop(membership);
        let Some(reason) = ending.close_frame() else {
            return;
        };
        match timeout(CLOSE_TIMEOUT, socket.close(reason)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(peer, "closing failed: {error}"),
            Err(_) => tracing::debug!(peer, "the peer did not complete the closing in {CLOSE_TIMEOUT:?}"),
        }
    }

    /// Waits for one thing and does it.
    async fn turn(&mut self) -> Result<(), Ending> {
        let may_read = self.paused_until.is_none();
        let can_send = self.socket.is_idle();
        let deadline = self.deadline();
        tokio::select! {
            farewell = &mut self.membership.farewell => {
                // The hub drops the sender only after a farewell or when this membership leaves.
                Err(Ending::Dismissed(farewell.unwrap_or(Farewell::GoingAway)))
            }
            step = self.socket.step(may_read) => match step {
                Ok(Step::Received(message)) => self.received(message),
                Ok(Step::Flushed) => Ok(()),
                Ok(Step::Ended) => Err(Ending::Lost("end of stream".into())),
                Err(error) => Err(error.into()),
            },
            Some(text) = self.membership.waiting.next(), if can_send => self.send(Message::Text(text)),
            () = sleep_until(deadline.into()) => self.deadline_passed(Instant::now()),
        }
    }

    /// Takes a frame in and pays for it, so that a flood of any kind of frame is slowed down, not only of texts.
    fn received(&mut self, message: Message) -> Result<(), Ending> {
        let now = Instant::now();
        self.liveness.heard(now);
        let length = message.len();
        let caused = match message {
            Message::Text(text) => self.heard(&text),
            Message::Binary(_) => self.complain("binary messages are not part of the protocol".into()),
            Message::Close(_) => return Err(Ending::ByPeer),
            // The library answers pings; raw frames are never read.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => 0,
        };
        self.paused_until = self.bucket.spend(now, length + caused);
        Ok(())
    }

    /// Applies a text; returns the bytes it made the server send.
    fn heard(&mut self, text: &Utf8Bytes) -> usize {
        self.metrics.messages_received.count();
        match serde_json::from_str::<IncomingMessage>(text) {
            Ok(message) => self.membership.say(message),
            Err(error) => self.complain(format!("invalid message: {}", shortened(&error.to_string()))),
        }
    }

    /// Answers what is no message; the connection stays, as an error in one request is no reason to end sessions.
    fn complain(&self, details: String) -> usize {
        self.metrics.invalid_messages.count();
        // It may repeat what the peer sent; quoted, it can't pass for a line of ours.
        tracing::debug!(peer = self.membership.id, "not understood: {details:?}");
        self.membership.complain(details)
    }

    /// Begins to send; the caller has made sure that nothing else is on its way.
    fn send(&mut self, message: Message) -> Result<(), Ending> {
        Ok(self.socket.start(message, Instant::now())?)
    }

    /// Looks at the clock: is the peer stuck, may it be read again, is it alive?
    fn deadline_passed(&mut self, now: Instant) -> Result<(), Ending> {
        if self
            .socket
            .unflushed_since()
            .is_some_and(|since| now >= since + self.limits.send_timeout)
        {
            return Err(Ending::Stuck);
        }
        if let Some(until) = self.paused_until {
            if now >= until {
                self.paused_until = None;
                // What it sent meanwhile was not read.
                self.liveness.heard(now);
            }
            return Ok(());
        }
        if !self.socket.is_idle() {
            return Ok(());
        }
        match self.liveness.check(now) {
            Verdict::Alive => Ok(()),
            Verdict::Dead => Err(Ending::Dead),
            Verdict::Ping => self.send(Message::Ping(Default::default())),
        }
    }

    /// When to look at the clock again. While something is on its way out that is the proof of life, and a ping
    /// behind it would add nothing.
    fn deadline(&self) -> Instant {
        let stuck = self
            .socket
            .unflushed_since()
            .map(|since| since + self.limits.send_timeout);
        match (self.paused_until, stuck) {
            (Some(resume), Some(stuck)) => resume.min(stuck),
            (Some(resume), None) => resume,
            (None, Some(stuck)) => stuck,
            (None, None) => self.liveness.deadline(),
        }
    }
}

impl Ending {
    /// What to close the websocket with; none where there is nobody to say it to. (`Some(None)` is a close
    /// without a reason of ours.)
    fn close_frame(&self) -> Option<Option<CloseFrame>> {
        let frame = |code, reason: &str| {
            Some(Some(CloseFrame {
                code,
                reason: reason.into(),
            }))
        };
        match self {
            Self::ByPeer => Some(None),
            Self::Dismissed(Farewell::GoingAway) => frame(CloseCode::Away, "server shuts down"),
            Self::Dismissed(Farewell::TooSlow) => frame(CloseCode::Policy, "too slow"),
            Self::Violation(code, reason) => frame(*code, shortened(reason)),
            Self::Stuck | Self::Dead | Self::Lost(_) => None,
        }
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ByPeer => formatter.write_str("by the peer"),
            Self::Dismissed(Farewell::GoingAway) => formatter.write_str("the server shuts down"),
            Self::Dismissed(Farewell::TooSlow) => formatter.write_str("the peer does not read fast enough"),
            Self::Violation(_, what) => formatter.write_str(what),
            Self::Stuck => formatter.write_str("the peer does not read"),
            Self::Dead => formatter.write_str("the peer does not answer pings"),
            Self::Lost(why) => write!(formatter, "lost: {why}"),
        }
    }
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        let what = error.to_string();
        match error {
            Error::Capacity(_) => Self::Violation(CloseCode::Size, what),
            Error::Utf8(_) => Self::Violation(CloseCode::Invalid, what),
            // The peer went without a word; there is nobody to close with.
            Error::Protocol(error) if is_reset(&error) => Self::Lost(what),
            Error::Protocol(_) => Self::Violation(CloseCode::Protocol, what),
            // Pongs for a peer that does not read.
            Error::WriteBufferFull(_) => Self::Stuck,
            _ => Self::Lost(what),
        }
    }
}

/// Whether the connection ended without a Close, as it does when a process dies or a network goes.
fn is_reset(error: &async_tungstenite::tungstenite::error::ProtocolError) -> bool {
    matches!(
        error,
        async_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake
    )
}

/// Cuts a text to what a Close frame can carry beside its code (RFC 6455, section 5.5: 125 bytes in all).
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_REASON)]
}

const MAX_REASON: usize = 123;

/// How long a peer may take to complete the closing handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr},
        sync::Arc,
    };

    use async_tungstenite::{
        WebSocketStream,
        tokio::TokioAdapter,
        tungstenite::{
            error::{CapacityError, ProtocolError},
            protocol::Role,
        },
    };
    use futures::StreamExt;

    use super::*;

    #[test]
    fn errors_are_told_by_their_code() {
        for (error, expected) in [
            (
                Error::Capacity(CapacityError::MessageTooLong { size: 2, max_size: 1 }),
                Some(CloseCode::Size),
            ),
            (Error::Utf8("bad".into()), Some(CloseCode::Invalid)),
            (
                Error::Protocol(ProtocolError::NonZeroReservedBits),
                Some(CloseCode::Protocol),
            ),
            (Error::Protocol(ProtocolError::ResetWithoutClosingHandshake), None),
            (Error::Io(std::io::ErrorKind::ConnectionReset.into()), None),
            (Error::AlreadyClosed, None),
        ] {
            let ending = Ending::from(error);
            assert_eq!(
                ending.close_frame().flatten().map(|frame| frame.code),
                expected,
                "{ending}"
            );
        }
    }

    #[test]
    fn a_close_of_the_peer_is_answered_without_a_reason_of_ours() {
        assert_eq!(Ending::ByPeer.close_frame(), Some(None));
    }

    #[test]
    fn who_cannot_hear_is_told_nothing() {
        for ending in [Ending::Stuck, Ending::Dead, Ending::Lost("gone".into())] {
            assert_eq!(ending.close_frame(), None, "{ending}");
        }
    }

    #[tokio::test]
    async fn a_ping_that_fell_into_a_blocked_write_is_made_up_for() {
        let limits = Limits {
            ping_interval: Duration::from_millis(100),
            pong_timeout: Duration::from_secs(2),
            ..Limits::default()
        };
        let hub = Arc::new(Hub::new(limits));
        let membership = hub.join(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
        // More than the pipe holds, so that the write blocks until the client reads.
        membership.complain("x".repeat(100_000));
        let (server, client) = tokio::io::duplex(1024);
        let socket = Socket::new(server, Vec::new(), &hub.limits).await;
        let mut client =
            WebSocketStream::from_raw_socket(TokioAdapter::new(client), Role::Client, None).await;
        let reading = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let mut pings = 0;
            while pings < 3 {
                match client.next().await {
                    Some(Ok(Message::Ping(_))) => pings += 1,
                    Some(Ok(_)) => {}
                    other => panic!("{other:?} after {pings} pings"),
                }
            }
        };
        tokio::select! {
            () = Connection::new(socket, membership, &hub).run() => panic!("the peer was given up"),
            () = reading => {}
        }
    }

    #[test]
    fn reasons_fit_a_close_frame() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"x".repeat(500)).len(), 123);
        assert_eq!(shortened(&"ä".repeat(500)).len(), 122);
    }
}
