// SPDX-License-Identifier: MPL-2.0
//! Keeps the connection to the signalling server and carries out what the machine decides.
//!
//! One task per started signaller. Verbs of the element come through one queue, so messages leave in the order they
//! were made. Reports are made on the task, with no lock held. What messages mean is `machine`'s to say, TLS and the
//! handshake are `net/websocket`'s, the waits `net/backoff`'s.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::tungstenite::Message;
use futures::StreamExt;
use gst_plugin_webrtc_signalling_protocol::{IncomingMessage, OutgoingMessage};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::machine::{Action, Input, Machine, Report};
use crate::net::backoff::Backoff;
use crate::net::websocket::{self, Received, WebSocket};
use crate::signallers::mailbox::Mailbox;

/// Where and how to connect.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) server: Url,
    pub(super) cafile: Option<PathBuf>,
    pub(super) is_insecure: bool,
}

/// What the client needs of the object it works for.
pub(super) trait Host: Send + Sync + 'static {
    /// The element's metadata, as JSON.
    fn meta(&self) -> Option<serde_json::Value>;
    /// Headers for the next handshake.
    fn headers(&self) -> Vec<(String, String)>;
    /// Something to tell.
    fn report(&self, report: Report);
}

/// A started signaller.
pub(super) type Client = Mailbox<Input>;

/// Starts connecting.
pub(super) fn start(endpoint: Endpoint, machine: Machine, host: Arc<dyn Host>) -> Client {
    Mailbox::start(|verbs| {
        let worker = Worker {
            endpoint,
            machine,
            host,
            verbs,
            backoff: Backoff::default(),
            retry_at: None,
        };
        worker.run()
    })
}

/// The task.
struct Worker {
    endpoint: Endpoint,
    machine: Machine,
    host: Arc<dyn Host>,
    verbs: mpsc::Receiver<Input>,
    /// Begins anew with each welcome, not with each connection: a server that closes right after accepting is not well.
    backoff: Backoff,
    /// When the machine wants to hear of `Input::Retry`.
    retry_at: Option<Instant>,
}

/// Why a stretch of work ended.
enum Next {
    Reconnect,
    End,
}

impl Worker {
    /// Connects as long as the machine wants to.
    async fn run(mut self) {
        while let Next::Reconnect = self.connection().await {
            if let Next::End = self.pause().await {
                return;
            }
        }
    }

    /// One connection, from the attempt to its end.
    async fn connection(&mut self) -> Next {
        let endpoint = self.endpoint.clone();
        let headers = self.host.headers();
        let options = websocket::Options {
            headers,
            cafile: endpoint.cafile.as_deref(),
            is_insecure: endpoint.is_insecure,
        };
        let attempt = websocket::connect(&endpoint.server, &options);
        let connected = tokio::select! {
            connected = attempt => connected,
            () = self.stopped() => return Next::End,
        };
        match connected {
            Ok(socket) => self.talk(socket).await,
            Err(error) => {
                let actions = self
                    .machine
                    .handle(Input::ConnectFailed(format!("Error receiving: {error}")));
                self.perform(actions, None).await.unwrap_or(Next::Reconnect)
            }
        }
    }

    /// Waits before the next attempt.
    async fn pause(&mut self) -> Next {
        let wait = self.backoff.next(&mut StdRng::from_os_rng());
        tokio::select! {
            () = tokio::time::sleep(wait) => Next::Reconnect,
            () = self.stopped() => Next::End,
        }
    }

    /// Ends when the element stops us; meanwhile takes verbs, which have nowhere to go.
    async fn stopped(&mut self) {
        while let Some(input) = self.verbs.recv().await {
            // Without a connection the machine only keeps its books.
            self.machine.handle(input);
        }
    }

    /// A standing connection, until it is lost or we are stopped.
    async fn talk(&mut self, mut socket: WebSocket) -> Next {
        let meta = self.host.meta();
        let mut next = self.feed(Input::Connected { meta }, &mut socket).await;
        let mut last_heard = Instant::now();
        let mut ping_at = last_heard + PING_INTERVAL;
        while next.is_none() {
            let retry_at = self.retry_at.unwrap_or_else(|| Instant::now() + PING_INTERVAL);
            next = tokio::select! {
                received = socket.next() => {
                    last_heard = Instant::now();
                    self.received(websocket::read(received), &mut socket).await
                }
                verb = self.verbs.recv() => match verb {
                    Some(input) => self.feed(input, &mut socket).await,
                    None => Some(Next::End),
                },
                () = sleep_until(retry_at), if self.retry_at.is_some() => {
                    self.retry_at = None;
                    self.feed(Input::Retry, &mut socket).await
                }
                () = sleep_until(ping_at) => {
                    ping_at += PING_INTERVAL;
                    self.ping(last_heard, &mut socket).await
                }
            };
        }
        websocket::close(socket).await;
        next.unwrap_or(Next::End)
    }

    async fn received(&mut self, received: Received, socket: &mut WebSocket) -> Option<Next> {
        match received {
            Received::Text(text) => self.text(&text, socket).await,
            // Binary messages are none of this protocol.
            Received::Binary(_) | Received::SignOfLife => None,
            Received::Lost(reason) => self.lost(reason).await,
        }
    }

    /// What is no message of the protocol is reported and survived: a newer server may say more than this client knows.
    async fn text(&mut self, text: &str, socket: &mut WebSocket) -> Option<Next> {
        match serde_json::from_str::<OutgoingMessage>(text) {
            Ok(message) => {
                if matches!(message, OutgoingMessage::Welcome { .. }) {
                    self.backoff.reset();
                }
                self.feed(Input::Message(message), socket).await
            }
            Err(_) => {
                let beginning = text.chars().take(UNREADABLE_CHARS).collect();
                self.feed(Input::Unreadable(beginning), socket).await
            }
        }
    }

    /// Finds a server that is gone without a word; any message of it is a sign of life.
    async fn ping(&mut self, last_heard: Instant, socket: &mut WebSocket) -> Option<Next> {
        if last_heard.elapsed() > 3 * PING_INTERVAL {
            return self
                .lost("nothing came from the server for too long".to_owned())
                .await;
        }
        self.write(Message::Ping(Vec::new().into()), socket).await
    }

    async fn feed(&mut self, input: Input, socket: &mut WebSocket) -> Option<Next> {
        let actions = self.machine.handle(input);
        self.perform(actions, Some(socket)).await
    }

    async fn lost(&mut self, reason: String) -> Option<Next> {
        self.retry_at = None;
        let actions = self.machine.handle(Input::Lost(reason));
        Some(self.perform(actions, None).await.unwrap_or(Next::Reconnect))
    }

    /// Carries actions out in order, up to the one that ends this connection.
    async fn perform(&mut self, actions: Vec<Action>, mut socket: Option<&mut WebSocket>) -> Option<Next> {
        let mut next = None;
        for action in actions {
            match action {
                Action::Send(message) => {
                    if let Some(socket) = socket.as_deref_mut() {
                        next = Box::pin(self.send(&message, socket)).await;
                    }
                }
                Action::Report(report) => self.host.report(report),
                Action::RetryLater => {
                    self.retry_at = Some(Instant::now() + self.backoff.next(&mut StdRng::from_os_rng()));
                }
                Action::Reconnect => next = Some(Next::Reconnect),
                Action::GiveUp => next = Some(Next::End),
            }
            if next.is_some() {
                return next;
            }
        }
        None
    }

    async fn send(&mut self, message: &IncomingMessage, socket: &mut WebSocket) -> Option<Next> {
        let text = serde_json::to_string(message).expect("messages have no keys that are not text");
        self.write(Message::text(text), socket).await
    }

    async fn write(&mut self, message: Message, socket: &mut WebSocket) -> Option<Next> {
        match websocket::send(socket, message).await {
            Ok(()) => None,
            Err(reason) => self.lost(reason).await,
        }
    }
}

/// As often as the server itself pings.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How much of a message that is none is shown.
const UNREADABLE_CHARS: usize = 200;
