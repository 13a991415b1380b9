// SPDX-License-Identifier: MPL-2.0
//! One attempt to become the master of the channel: looked up, its TURN servers fetched, its websocket opened.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::tungstenite::Error as ProtocolError;

use super::channel::{Access, Channel, IceServers};
use super::failure::{ChannelError, upgrade};
use crate::net::websocket::{self, ConnectError, WebSocket};

/// Something under way that does not keep the client from anything else.
pub(super) type Pending<T> = Pin<Box<dyn Future<Output = Result<T, ChannelError>> + Send>>;

/// What an attempt leads to.
pub(super) struct Opened {
    pub(super) channel: Arc<Channel>,
    pub(super) servers: IceServers,
    pub(super) socket: WebSocket,
}

/// Makes an attempt.
///
/// # Errors
/// [`ChannelError`] says what to do.
pub(super) async fn open(access: Access) -> Result<Opened, ChannelError> {
    let channel = access.open().await?;
    let servers = channel.ice_servers().await?;
    let url = channel.websocket_url().await?;
    let options = websocket::Options {
        headers: Vec::new(),
        cafile: access.cafile.as_deref(),
        is_insecure: false,
    };
    let socket = websocket::connect(&url, &options).await.map_err(refused)?;
    Ok(Opened {
        channel: Arc::new(channel),
        servers,
        socket,
    })
}

/// Fetches the TURN servers of a channel again, within bounded time.
///
/// # Errors
/// [`ChannelError`] of the service.
pub(super) async fn refresh(channel: Arc<Channel>) -> Result<IceServers, ChannelError> {
    tokio::time::timeout(REFRESH_TIMEOUT, channel.ice_servers())
        .await
        .unwrap_or_else(|_| Err(ChannelError::service("no answer".to_owned())))
}

/// The outcome of `pending`, if there is something under way; else nothing, ever.
pub(super) async fn outcome<T>(pending: &mut Option<Pending<T>>) -> Result<T, ChannelError> {
    let outcome = match pending {
        Some(pending) => pending.await,
        None => std::future::pending().await,
    };
    *pending = None;
    outcome
}

/// A certificate that is not trusted is the user's business; a server that is away is not.
fn refused(error: ConnectError) -> ChannelError {
    let text = error.to_string();
    match error {
        ConnectError::Upgrade { source, .. } => match *source {
            ProtocolError::Http(response) => upgrade(Some(response.status().as_u16()), &text),
            _ => upgrade(None, &text),
        },
        ConnectError::Tls(_) | ConnectError::Handshake { .. } => ChannelError::user(text),
        _ => ChannelError::service(text),
    }
}

const REFRESH_TIMEOUT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;
    use async_tungstenite::tungstenite::http::Response;

    #[test]
    fn refusals_are_told_apart_by_what_helps() {
        let upgrade = |source| ConnectError::Upgrade {
            server: "h:1".into(),
            source: Box::new(source),
        };
        let status = |status: u16| {
            let response = Response::builder().status(status).body(None);
            upgrade(ProtocolError::Http(Box::new(response.expect("a valid status"))))
        };
        let io = || std::io::Error::other("x");
        let cases = [
            (status(403), false),
            (status(404), false),
            (status(503), true),
            (upgrade(ProtocolError::ConnectionClosed), true),
            (ConnectError::Timeout { server: "h:1".into() }, true),
            (
                ConnectError::Unreachable {
                    server: "h:1".into(),
                    source: io(),
                },
                true,
            ),
            (
                ConnectError::Handshake {
                    server: "h:1".into(),
                    source: io(),
                },
                false,
            ),
        ];
        for (error, is_passing) in cases {
            let text = error.to_string();
            assert_eq!(refused(error).is_passing(false), is_passing, "{text}");
        }
    }

    #[test]
    fn an_outcome_is_given_once() {
        crate::runtime::block_on(async {
            let mut pending: Option<Pending<u8>> = Some(Box::pin(async { Ok(7) }));
            assert_eq!(outcome(&mut pending).await, Ok(7));
            assert!(pending.is_none());
            let nothing = tokio::time::timeout(Duration::ZERO, outcome(&mut pending));
            assert!(nothing.await.is_err());
        });
    }
}
