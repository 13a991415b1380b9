// SPDX-License-Identifier: MPL-2.0
//! The websocket server: one text every 100 ms to every client. Nothing is read from clients.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::TokioAdapter;
use async_tungstenite::tungstenite::Message;
use futures::{SinkExt, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

type Client = WebSocketStream<TokioAdapter<TcpStream>>;

/// Serves what `statistics` gives, until listening fails.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) async fn serve(address: SocketAddr, statistics: impl Fn() -> String) -> Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("{address} cannot be listened on"))?;
    tracing::info!("statistics at ws://{}", listener.local_addr()?);
    let (texts, _) = broadcast::channel(LAG);
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, peer) = accepted?;
                tokio::spawn(welcome(stream, peer, texts.subscribe()));
            }
            // Nobody looks, nothing is collected.
            _ = ticks.tick(), if texts.receiver_count() > 0 => {
                let text = statistics();
                tracing::debug!("{text}");
                // A client may have left this very moment.
                let _ = texts.send(text);
            }
        }
    }
}

async fn welcome(stream: TcpStream, peer: SocketAddr, texts: broadcast::Receiver<String>) {
    match async_tungstenite::tokio::accept_async(stream).await {
        Ok(client) => {
            tracing::info!("client {peer} came");
            tell(client, texts).await;
            tracing::info!("client {peer} left");
        }
        Err(error) => tracing::warn!("client {peer} speaks no websocket: {error}"),
    }
}

async fn tell(client: Client, mut texts: broadcast::Receiver<String>) {
    let (mut sink, mut stream) = client.split();
    loop {
        tokio::select! {
            text = texts.recv() => match text {
                Ok(text) => {
                    tracing::trace!("{} bytes", text.len());
                    if sink.send(Message::text(text)).await.is_err() {
                        break;
                    }
                }
                // A slow one gets the newest instead of all.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => break,
            },
            message = stream.next() => if !matches!(message, Some(Ok(_))) {
                break;
            },
        }
    }
    // One that is gone cannot be told goodbye.
    let _ = SinkExt::close(&mut sink).await;
}

/// How often statistics are sent.
const INTERVAL: Duration = Duration::from_millis(100);

/// How many texts may wait for a slow client.
const LAG: usize = 4;
