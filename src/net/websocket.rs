// SPDX-License-Identifier: MPL-2.0
//! Websocket connections of clients (RFC 6455), plain or over TLS.
//!
//! A websocket is closed by [`close`] only: the Sink trait's operation flushes a reply the library may already hold.
//! The library's own `close(frame)` sends a Close message instead, which breaks a close the peer began. What is said
//! over them is the protocols' affair; whom to trust is decided in `tls`, when to try again by `backoff` and who asks
//! it. Runs on the runtime.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::TokioAdapter;
use async_tungstenite::tungstenite::client::IntoClientRequest;
use async_tungstenite::tungstenite::handshake::client::Request;
use async_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use async_tungstenite::tungstenite::{Bytes, Error as ProtocolError, Message};
#[cfg(feature = "aws")]
use futures::StreamExt;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use url::Url;

use super::tls::{self, TlsError};

/// From the name's lookup to the end of the handshake; what the default signaller always had.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// A server that takes nothing for this long is lost.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a closing handshake may take.
const PARTING: Duration = Duration::from_secs(1);

/// More than any server has on its way at the end of a connection.
#[cfg(feature = "aws")]
const MAX_DRAINED: usize = 256;

/// A description of hundreds of m-lines fits many times; more is no signalling.
const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// A bidirectional byte stream: TCP, or TLS over it.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A connected websocket.
pub(crate) type WebSocket = WebSocketStream<TokioAdapter<Box<dyn Transport>>>;

/// How to connect.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options<'a> {
    /// Extra headers of the upgrade request.
    pub(crate) headers: Vec<(String, String)>,
    /// Certificates to trust beside the system's.
    pub(crate) cafile: Option<&'a Path>,
    /// Whether any certificate will do.
    pub(crate) is_insecure: bool,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ConnectError {
    #[error("{server} cannot be reached: {source}")]
    Unreachable { server: String, source: std::io::Error },
    #[error("{server} failed the TLS handshake: {source}")]
    Handshake { server: String, source: std::io::Error },
    #[error("{server} refused the websocket: {source}")]
    Upgrade {
        server: String,
        source: Box<ProtocolError>,
    },
    #[error("{server} did not answer within {} s", CONNECT_TIMEOUT.as_secs())]
    Timeout { server: String },
    #[error("{url} is no websocket address")]
    Address { url: String },
    #[error("{name:?} cannot be an HTTP header with this value")]
    Header { name: String },
    #[error("{0}")]
    Tls(#[from] TlsError),
}

/// Connects to `url`, `ws://` or `wss://`.
///
/// # Errors
/// [`ConnectError`] names the server, never the query of its address.
pub(crate) async fn connect(url: &Url, options: &Options<'_>) -> Result<WebSocket, ConnectError> {
    let server = server_of(url).ok_or_else(|| ConnectError::Address { url: printable(url) })?;
    tokio::time::timeout(CONNECT_TIMEOUT, connect_to(url, &server, options))
        .await
        .unwrap_or(Err(ConnectError::Timeout { server }))
}

/// What came over a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Text(String),
    Binary(Bytes),
    /// A ping, which the library answers, or a pong: the peer is alive.
    SignOfLife,
    /// The connection is over, and why.
    Lost(String),
}

/// Reads what [`WebSocket`]'s stream gave.
pub(crate) fn read(received: Option<Result<Message, ProtocolError>>) -> Received {
    match received {
        Some(Ok(Message::Text(text))) => Received::Text(text.as_str().to_owned()),
        Some(Ok(Message::Binary(bytes))) => Received::Binary(bytes),
        Some(Ok(Message::Close(Some(frame)))) => {
            Received::Lost(format!("the server closed the connection: {frame}"))
        }
        Some(Ok(Message::Close(None))) | None => {
            Received::Lost("the server closed the connection".to_owned())
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Received::SignOfLife,
        Some(Err(error)) => Received::Lost(error.to_string()),
    }
}

/// Writes one message, within bounded time.
///
/// # Errors
/// In words, why the connection is to be taken for lost.
pub(crate) async fn send(socket: &mut WebSocket, message: Message) -> Result<(), String> {
    match tokio::time::timeout(WRITE_TIMEOUT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the server takes no messages".to_owned()),
    }
}

/// Ends the connection with the closing handshake; a reply the library holds is flushed. Bounded in time.
pub(crate) async fn close(mut socket: WebSocket) {
    // Whether the peer still answers makes no difference to who leaves.
    let _ = tokio::time::timeout(PARTING, futures::SinkExt::<Message>::close(&mut socket)).await;
}

/// As [`close`], and gives the texts that were on their way. Bounded in time and number.
#[cfg(feature = "aws")]
pub(crate) async fn close_and_drain(mut socket: WebSocket) -> Vec<String> {
    let mut texts = Vec::new();
    let drain = async {
        if futures::SinkExt::<Message>::close(&mut socket).await.is_err() {
            return;
        }
        while texts.len() < MAX_DRAINED {
            match read(socket.next().await) {
                Received::Text(text) => texts.push(text),
                Received::Binary(_) | Received::SignOfLife => {}
                Received::Lost(_) => return,
            }
        }
    };
    // Past it the peer is not going to close; what came so far counts.
    let _ = tokio::time::timeout(PARTING, drain).await;
    texts
}

/// Each step has an error of its own, so that a user knows whether name, port, certificate or server is to blame.
async fn connect_to(url: &Url, server: &str, options: &Options<'_>) -> Result<WebSocket, ConnectError> {
    let request = request(url, options)?;
    let stream = TcpStream::connect(server)
        .await
        .map_err(|source| ConnectError::Unreachable {
            server: server.to_owned(),
            source,
        })?;
    // Candidates are small messages that should leave at once; where that can't be had they leave later.
    let _ = stream.set_nodelay(true);
    let transport: Box<dyn Transport> = match url.scheme() {
        "wss" => Box::new(encrypted(stream, url, server, options).await?),
        _ => Box::new(stream),
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let (socket, _) = async_tungstenite::tokio::client_async_with_config(request, transport, Some(config))
        .await
        .map_err(|source| ConnectError::Upgrade {
            server: server.to_owned(),
            source: Box::new(source),
        })?;
    Ok(socket)
}

/// TLS over the connection, checked against the host of the address.
async fn encrypted(
    stream: TcpStream,
    url: &Url,
    server: &str,
    options: &Options<'_>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ConnectError> {
    let config = tls::client_config(options.cafile, options.is_insecure)?;
    let host = url
        .host_str()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    let name = ServerName::try_from(host).map_err(|_| ConnectError::Address { url: printable(url) })?;
    tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|source| ConnectError::Handshake {
            server: server.to_owned(),
            source,
        })
}

/// The upgrade request (RFC 6455, section 4.1) with the user's headers. Their values never reach an error.
fn request(url: &Url, options: &Options<'_>) -> Result<Request, ConnectError> {
    let mut request = url
        .as_str()
        .into_client_request()
        .map_err(|_| ConnectError::Address { url: printable(url) })?;
    for (name, value) in &options.headers {
        let refused = || ConnectError::Header { name: name.clone() };
        let header = HeaderName::try_from(name.as_str()).map_err(|_| refused())?;
        let value = HeaderValue::try_from(value.as_str()).map_err(|_| refused())?;
        request.headers_mut().append(header, value);
    }
    Ok(request)
}

/// `host:port`, as TCP wants it.
fn server_of(url: &Url) -> Option<String> {
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

/// An address without what may be secret in it.
fn printable(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime;

    fn error_of(url: &str, options: &Options<'_>) -> ConnectError {
        let url = Url::parse(url).unwrap();
        match runtime::block_on(connect(&url, options)) {
            Ok(_) => panic!("connected to {url}"),
            Err(error) => error,
        }
    }

    #[test]
    fn every_kind_of_message_is_told_apart() {
        use async_tungstenite::tungstenite::protocol::CloseFrame;
        use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
        assert_eq!(read(Some(Ok(Message::text("x")))), Received::Text("x".into()));
        assert_eq!(
            read(Some(Ok(Message::binary(vec![1])))),
            Received::Binary(vec![1].into())
        );
        for alive in [Message::Ping(Bytes::new()), Message::Pong(Bytes::new())] {
            assert_eq!(read(Some(Ok(alive))), Received::SignOfLife);
        }
        let frame = CloseFrame {
            code: CloseCode::Away,
            reason: "bye".into(),
        };
        for (ending, expected) in [
            (Some(Ok(Message::Close(Some(frame)))), "bye"),
            (Some(Ok(Message::Close(None))), "closed"),
            (None, "closed"),
            (Some(Err(ProtocolError::ConnectionClosed)), "closed"),
        ] {
            let lost = read(ending);
            assert!(
                matches!(&lost, Received::Lost(text) if text.contains(expected)),
                "{lost:?}"
            );
        }
    }

    #[test]
    fn a_server_that_is_not_there_is_named() {
        // Port 1 of the loopback interface: nothing listens there.
        let error = error_of("ws://127.0.0.1:1/?token=secret", &Options::default());
        assert!(
            error.to_string().starts_with("127.0.0.1:1 cannot be reached"),
            "{error}"
        );
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn a_bad_header_is_named_before_anything_is_sent() {
        let options = Options {
            headers: vec![("bad name".into(), "x".into())],
            ..Options::default()
        };
        assert!(matches!(
            error_of("ws://127.0.0.1:1/", &options),
            ConnectError::Header { .. }
        ));
    }

    #[test]
    fn a_server_that_speaks_something_else_is_an_error() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        });
        let error = error_of(&format!("ws://127.0.0.1:{port}/"), &Options::default());
        assert!(matches!(error, ConnectError::Upgrade { .. }), "{error}");
        server.join().unwrap();
    }
}
