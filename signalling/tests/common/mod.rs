// SPDX-License-Identifier: MPL-2.0
//! What the tests of the server share: a client, the server in-process and as a process, and deadlines.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod process;

use std::{future::Future, net::SocketAddr, time::Duration};

use async_tungstenite::{
    WebSocketStream,
    tokio::{TokioAdapter, client_async},
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use futures::{SinkExt, StreamExt};
use gst_plugin_webrtc_signalling::{Config, Handle, Limits, Server};
use gst_plugin_webrtc_signalling_protocol::*;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

/// How long anything may take on a machine that has other things to do.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for something that must happen.
#[track_caller]
pub(crate) fn within<T>(what: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        tokio::time::timeout(DEADLINE, what)
            .await
            .unwrap_or_else(|_| panic!("{caller}: took too long"))
    }
}

/// Waits until a condition holds, for conditions nothing announces.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = std::time::Instant::now() + DEADLINE;
    while !holds().await {
        assert!(std::time::Instant::now() < end, "{what}: took too long");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A server of this process on a port of its own.
pub(crate) async fn server(limits: Limits) -> Handle {
    server_with(Config {
        limits,
        ..Config::default()
    })
    .await
}

pub(crate) async fn server_with(config: Config) -> Handle {
    let config = Config {
        host: "127.0.0.1".into(),
        port: 0,
        ..config
    };
    Server::bind(config).await.unwrap().spawn()
}

/// A peer.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) id: PeerId,
    pub(crate) socket: WebSocketStream<TokioAdapter<S>>,
}

impl Client {
    /// Connects and takes the welcome.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).await.unwrap()
    }

    pub(crate) async fn try_connect(address: SocketAddr) -> Result<Self, Error> {
        let stream = within(TcpStream::connect(address)).await?;
        Self::over(stream).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) async fn over(stream: S) -> Result<Self, Error> {
        let (socket, _) = within(client_async("ws://localhost/", stream)).await?;
        let mut client = Self {
            id: String::new(),
            socket,
        };
        match client.next().await {
            OutgoingMessage::Welcome { peer_id } => client.id = peer_id,
            other => panic!("no welcome but {other:?}"),
        }
        Ok(client)
    }

    pub(crate) async fn send(&mut self, message: IncomingMessage) {
        self.send_text(&serde_json::to_string(&message).unwrap()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        within(self.socket.send(Message::text(text))).await.unwrap();
    }

    /// The next message of the protocol.
    pub(crate) async fn next(&mut self) -> OutgoingMessage {
        loop {
            match within(StreamExt::next(&mut self.socket)).await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("no message but {other:?}"),
            }
        }
    }

    /// Sends a message and takes the next one that comes.
    pub(crate) async fn ask(&mut self, message: IncomingMessage) -> OutgoingMessage {
        self.send(message).await;
        self.next().await
    }

    /// The details of the error that must come next.
    pub(crate) async fn error(&mut self) -> String {
        match self.next().await {
            OutgoingMessage::Error { details } => details,
            other => panic!("no error but {other:?}"),
        }
    }

    /// Takes everything up to the server's Close and completes the closing. Returns the code.
    pub(crate) async fn closed_with(mut self) -> Option<CloseCode> {
        let code = loop {
            match within(StreamExt::next(&mut self.socket)).await {
                Some(Ok(Message::Close(frame))) => break frame.map(|frame| frame.code),
                Some(Ok(_)) => {}
                other => panic!("no close but {other:?}"),
            }
        };
        within(SinkExt::close(&mut self.socket)).await.unwrap();
        while let Some(Ok(_)) = within(StreamExt::next(&mut self.socket)).await {}
        Some(code.unwrap_or(CloseCode::Status))
    }

    /// Closes as a browser does, with code 1000. Returns what the server answers.
    pub(crate) async fn close(mut self) -> Option<CloseFrame> {
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        within(self.socket.send(Message::Close(Some(frame))))
            .await
            .unwrap();
        let mut answer = None;
        while let Some(message) = within(StreamExt::next(&mut self.socket)).await {
            if let Message::Close(frame) = message.unwrap() {
                answer = frame;
            }
        }
        answer
    }
}

/// A producer with a name.
pub(crate) fn producer(name: &str) -> IncomingMessage {
    status(&[PeerRole::Producer, PeerRole::Listener], name)
}

pub(crate) fn status(roles: &[PeerRole], name: &str) -> IncomingMessage {
    let meta = Some(serde_json::json!({ "name": name }));
    IncomingMessage::SetPeerStatus(PeerStatus {
        roles: roles.into(),
        meta,
        peer_id: None,
    })
}

pub(crate) fn start(peer_id: &str) -> IncomingMessage {
    IncomingMessage::StartSession(StartSessionMessage {
        peer_id: peer_id.into(),
        offer: None,
    })
}

pub(crate) fn end(session_id: &str) -> IncomingMessage {
    IncomingMessage::EndSession(EndSessionMessage {
        session_id: session_id.into(),
    })
}

pub(crate) fn offer(session_id: &str, sdp: &str) -> IncomingMessage {
    let peer_message = PeerMessageInner::Sdp(SdpMessage::Offer { sdp: sdp.into() });
    IncomingMessage::Peer(PeerMessage {
        session_id: session_id.into(),
        peer_message,
    })
}

/// Starts a session between two clients, the first being the producer. Returns its id.
pub(crate) async fn session(producing: &mut Client, consuming: &mut Client) -> SessionId {
    producing.ask(producer("cam")).await;
    consuming.send(start(&producing.id)).await;
    match (consuming.next().await, producing.next().await) {
        (
            OutgoingMessage::SessionStarted { session_id, .. },
            OutgoingMessage::StartSession { session_id: same, .. },
        ) if session_id == same => session_id,
        others => panic!("no session but {others:?}"),
    }
}

/// Sends a plain GET and returns the whole response, lower case up to the body.
pub(crate) async fn get(address: SocketAddr, target: &str, headers: &str) -> String {
    let mut stream = within(TcpStream::connect(address)).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    within(stream.write_all(request.as_bytes())).await.unwrap();
    let mut response = String::new();
    within(stream.read_to_string(&mut response)).await.unwrap();
    response
}

/// The value of one figure of the metrics page.
pub(crate) async fn metric(address: SocketAddr, name: &str) -> u64 {
    let page = get(address, "/metrics", "").await;
    let prefix = format!("webrtc_signalling_{name} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&prefix));
    line.unwrap_or_else(|| panic!("no {name} in {page}"))
        .parse()
        .unwrap()
}

/// A websocket frame of a client, with a mask of zeros (RFC 6455, section 5.2).
pub(crate) fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first_byte, 0xff];
    frame.extend((payload.len() as u64).to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A connection that is upgraded by hand, so that what follows can be anything.
pub(crate) async fn upgraded(mut stream: TcpStream) -> TcpStream {
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    within(stream.write_all(request.as_bytes())).await.unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        response.push(within(stream.read_u8()).await.unwrap());
    }
    stream
}
