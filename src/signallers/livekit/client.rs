// SPDX-License-Identifier: MPL-2.0
//! Keeps the connection to the LiveKit server and carries out what the machine decides.
//!
//! One task per started signaller. What the element wants comes through one queue, so messages leave in the order they
//! were made. Reports are made on the task, with no lock held. Owns the socket and time; what to send and when to give
//! up is `machine`'s, what the element hears goes to `session`.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use async_tungstenite::tungstenite::{Error as SocketError, Message};
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::machine::{Action, Attempt, Config, Input, Machine, Refusal, Report};
use super::token::Credentials;
use super::{protocol, request};
use crate::net::websocket::{self, ConnectError, Received, WebSocket};
use crate::signallers::mailbox::Mailbox;

/// Where and how to connect.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// The configured server; a leave request may name others.
    pub(super) url: String,
    /// A token is made for each attempt, so that none is too old.
    pub(super) credentials: Credentials,
    pub(super) cafile: Option<PathBuf>,
    pub(super) is_insecure: bool,
    pub(super) headers: Vec<(String, String)>,
}

/// Whom the client works for.
pub(super) trait Host: Send + Sync + 'static {
    /// Something to tell.
    fn report(&self, report: Report);
}

/// A started participation; stopping it leaves the room.
pub(super) type Client = Mailbox<Input>;

/// Starts connecting.
pub(super) fn start(endpoint: Endpoint, config: Config, host: Arc<dyn Host>) -> Client {
    Mailbox::start(|inputs| {
        let machine = Machine::new(Instant::now(), config, rand::random());
        let worker = Worker {
            endpoint: Arc::new(endpoint),
            machine,
            host,
            inputs,
            attempt: None,
            socket: None,
        };
        worker.run()
    })
}

/// A websocket being opened.
type Opening = Pin<Box<dyn Future<Output = Result<WebSocket, Refusal>> + Send>>;

/// The task.
struct Worker {
    endpoint: Arc<Endpoint>,
    machine: Machine,
    host: Arc<dyn Host>,
    inputs: mpsc::Receiver<Input>,
    /// At most one of the two: a websocket being opened, or an open one.
    attempt: Option<Opening>,
    socket: Option<WebSocket>,
}

impl Worker {
    /// Until the machine has nothing more to do.
    async fn run(mut self) {
        self.feed(Input::Start).await;
        while !self.machine.is_over() {
            if let Some(input) = self.next().await {
                self.feed(input).await;
            }
        }
        self.disconnect().await;
    }

    /// Waits for something to happen.
    async fn next(&mut self) -> Option<Input> {
        let deadline = self.machine.deadline();
        tokio::select! {
            input = self.inputs.recv() => Some(input.unwrap_or(Input::Stop)),
            opened = opened(&mut self.attempt) => Some(self.opened(opened)),
            received = received(&mut self.socket) => read(websocket::read(received)),
            () = sleep_until(deadline.unwrap_or_else(Instant::now).into()), if deadline.is_some() => Some(Input::Tick),
        }
    }

    /// The attempt came to its end.
    fn opened(&mut self, opened: Result<WebSocket, Refusal>) -> Input {
        self.attempt = None;
        match opened {
            Ok(socket) => {
                self.socket = Some(socket);
                Input::Opened
            }
            Err(refusal) => Input::Refused(refusal),
        }
    }

    /// Gives `input` to the machine and does what it says; a message that cannot be sent is the next input.
    async fn feed(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            for action in self.machine.handle(Instant::now(), input) {
                if let Err(text) = self.perform(action).await {
                    next = next.or(Some(Input::Lost(text)));
                }
            }
        }
    }

    /// Does one thing; errs when the connection turns out to be lost.
    async fn perform(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Connect(attempt) => {
                self.disconnect().await;
                self.attempt = Some(Box::pin(open(self.endpoint.clone(), attempt)));
            }
            Action::Send(request) => return self.send(protocol::encode(*request)).await,
            Action::Disconnect => self.disconnect().await,
            Action::Report(report) => self.host.report(report),
        }
        Ok(())
    }

    /// Writes one message, within bounded time.
    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), String> {
        let Some(socket) = &mut self.socket else {
            // Lost within the same batch of actions, which is told already.
            return Ok(());
        };
        let sent = websocket::send(socket, Message::binary(bytes)).await;
        if sent.is_err() {
            self.disconnect().await;
        }
        sent
    }

    /// Drops an attempt, closes a connection.
    async fn disconnect(&mut self) {
        self.attempt = None;
        if let Some(socket) = self.socket.take() {
            websocket::close(socket).await;
        }
    }
}

/// The end of the attempt, if one is made; else nothing, ever.
async fn opened(attempt: &mut Option<Opening>) -> Result<WebSocket, Refusal> {
    match attempt {
        Some(attempt) => attempt.await,
        None => std::future::pending().await,
    }
}

/// What comes over the socket, if there is one; else nothing, ever.
async fn received(socket: &mut Option<WebSocket>) -> Option<Result<Message, SocketError>> {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}

/// A message of the server, or the end of the connection. `None` for what needs no attention.
fn read(received: Received) -> Option<Input> {
    match received {
        Received::Binary(bytes) => match protocol::decode(&bytes) {
            Ok(response) => response.map(|response| Input::Received(Box::new(response))),
            Err(error) => Some(Input::Lost(error.to_string())),
        },
        Received::Text(text) => Some(Input::Lost(format!(
            "{} bytes of text are not a LiveKit message",
            text.len()
        ))),
        Received::SignOfLife => None,
        Received::Lost(text) => Some(Input::Lost(text)),
    }
}

/// One attempt, with a token made for it.
async fn open(endpoint: Arc<Endpoint>, attempt: Attempt) -> Result<WebSocket, Refusal> {
    let refusal = |text: String| Refusal { status: None, text };
    let base = attempt.server.as_deref().unwrap_or(&endpoint.url);
    let url = request::address(base, &attempt).map_err(|error| refusal(error.to_string()))?;
    let token = endpoint
        .credentials
        .token(attempt.token)
        .map_err(|error| refusal(error.to_string()))?;
    let mut headers = endpoint.headers.clone();
    headers.push(request::authorization(&token));
    let options = websocket::Options {
        headers,
        cafile: endpoint.cafile.as_deref(),
        is_insecure: endpoint.is_insecure,
    };
    websocket::connect(&url, &options)
        .await
        .map_err(|error| explain(&error, &token))
}

/// What a server that answers the upgrade otherwise says in the body is what helps the user.
///
/// The server repeats a token it does not take; whoever reads logs need not know it.
fn explain(error: &ConnectError, token: &str) -> Refusal {
    let ConnectError::Upgrade { server, source } = error else {
        return Refusal {
            status: None,
            text: error.to_string(),
        };
    };
    let SocketError::Http(response) = source.as_ref() else {
        return Refusal {
            status: None,
            text: error.to_string(),
        };
    };
    let body = response
        .body()
        .as_deref()
        .map(String::from_utf8_lossy)
        .unwrap_or_default();
    let body = body.replace(token, "…");
    let body: String = body.trim().chars().take(MAX_REFUSAL_CHARS).collect();
    let status = response.status();
    let text = format!("{server} refused the websocket with {status}: {body}");
    Refusal {
        status: Some(status.as_u16()),
        text: text.trim_end_matches([' ', ':']).to_owned(),
    }
}

/// A line or two of explanation is all a user reads.
const MAX_REFUSAL_CHARS: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use async_tungstenite::tungstenite::http::Response;

    fn text_of(input: Option<Input>) -> String {
        match input {
            Some(Input::Lost(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn whatever_is_no_message_loses_the_connection() {
        let cases = [
            (Received::Text("{}".into()), "2 bytes of text"),
            (Received::Binary(vec![0xff; 9].into()), "9 bytes"),
            (Received::Lost("bye".into()), "bye"),
        ];
        for (received, expected) in cases {
            let text = text_of(read(received));
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn pings_and_messages_of_the_future_are_skipped() {
        assert!(read(Received::SignOfLife).is_none());
        assert!(read(Received::Binary(vec![0xc0, 0x3e, 0x01].into())).is_none());
    }

    #[test]
    fn the_body_of_a_refusal_is_told() {
        let upgrade = |status: u16, body: &str| ConnectError::Upgrade {
            server: "h:1".into(),
            source: Box::new(SocketError::Http(Box::new(
                Response::builder()
                    .status(status)
                    .body(Some(body.into()))
                    .unwrap(),
            ))),
        };
        let refusal = explain(&upgrade(401, "invalid token: jwt, error: x\n"), "jwt");
        assert_eq!(refusal.status, Some(401));
        assert_eq!(
            refusal.text,
            "h:1 refused the websocket with 401 Unauthorized: invalid token: …, error: x"
        );
        assert!(explain(&upgrade(500, &"x".repeat(10_000)), "jwt").text.len() < 400);
        assert!(explain(&upgrade(404, ""), "jwt").text.ends_with("404 Not Found"));
    }

    #[test]
    fn other_refusals_have_no_status() {
        let refusal = explain(&ConnectError::Timeout { server: "h:1".into() }, "jwt");
        assert_eq!(refusal.status, None);
        assert!(refusal.text.contains("h:1"));
    }
}
