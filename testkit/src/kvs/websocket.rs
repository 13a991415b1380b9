// SPDX-License-Identifier: MPL-2.0
//! One websocket of the channel: frames to the routing, and what comes back.

use std::sync::Arc;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::TokioAdapter;
use async_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role as Side};
use futures::StreamExt;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;

use super::routing::Role;
use super::{Out, Shared};

type Socket = WebSocketStream<TokioAdapter<TokioIo<Upgraded>>>;

/// Talks until either side ends it.
pub(super) async fn talk(stream: TokioIo<Upgraded>, role: Role, shared: Arc<Shared>) {
    let mut socket: Socket =
        WebSocketStream::from_raw_socket(TokioAdapter::new(stream), Side::Server, None).await;
    let (output, mut outs) = mpsc::unbounded_channel();
    let connection = shared.join(
        role,
        // A connection that just ended gets nothing any more.
        Arc::new(move |out| drop(output.send(out))),
    );
    loop {
        let goes_on = tokio::select! {
            received = socket.next() => match received {
                Some(Ok(Message::Text(text))) => {
                    shared.frame(connection, text.as_str());
                    true
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => false,
                Some(Ok(_)) => true,
            },
            out = outs.recv() => match out {
                Some(out) => put_out(&mut socket, out).await,
                None => false,
            },
        };
        if !goes_on {
            break;
        }
    }
    shared.leave(connection);
}

/// False when the connection is over.
async fn put_out(socket: &mut Socket, out: Out) -> bool {
    match out {
        Out::Text(text) => socket.send(Message::text(text)).await.is_ok(),
        Out::Close(code) => {
            let reason = "as the service does".into();
            let frame = CloseFrame {
                code: code.into(),
                reason,
            };
            // The client's reply is read by the loop, or its end.
            socket.send(Message::Close(Some(frame))).await.is_ok()
        }
        Out::Cut => false,
        Out::Freeze => std::future::pending().await,
    }
}
