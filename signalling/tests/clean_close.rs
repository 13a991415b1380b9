// SPDX-License-Identifier: MPL-2.0
//! The closing rule, read off the logs of both sides: a clean close that a client begins is answered.
//!
//! Alone in its file, because the client's side of the log is a global of this process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use common::{process::Process, *};
use tracing_subscriber::fmt::MakeWriter;

const RESET: &str = "Connection reset without closing handshake";

/// Collects this process's log.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<u8>>>);

impl Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Collected {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Positions of texts in a log, which must be there in this order.
fn assert_in_order(log: &str, texts: &[&str]) {
    let mut rest = log;
    for text in texts {
        let at = rest
            .find(text)
            .unwrap_or_else(|| panic!("no {text:?} after the one before in:\n{log}"));
        rest = &rest[at..];
    }
}

#[tokio::test]
async fn a_close_that_a_client_begins_is_answered_and_flushed() {
    let client_log = Collected::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(client_log.clone())
        .init();
    let server = Process::start(&[], "trace");

    let mut producing = Client::connect(server.address).await;
    let mut consuming = Client::connect(server.address).await;
    session(&mut producing, &mut consuming).await;
    for client in [producing, consuming] {
        let answer = client.close().await.expect("the server's Close carries the code");
        assert_eq!(answer.code, CloseCode::Normal);
    }
    until("both have left", async || {
        metric(server.address, "peers").await == 0
    })
    .await;

    server.signal("TERM");
    let (status, server_log) = server.wait();
    assert!(status.success(), "{server_log}");
    assert_in_order(
        &server_log,
        &[
            "Received close frame",
            "Replying to close",
            "connection closed: by the peer",
            "Sending pong/close",
        ],
    );
    assert_eq!(
        server_log
            .matches("TRACE tungstenite::protocol: Sending pong/close")
            .count(),
        2,
        "{server_log}"
    );
    assert!(!server_log.contains(RESET), "{server_log}");
    assert!(!server_log.contains("Sending after closing"), "{server_log}");
    let client_log = String::from_utf8(client_log.0.lock().unwrap().clone()).unwrap();
    assert!(
        client_log.contains("tungstenite"),
        "the client's log is not collected"
    );
    assert!(!client_log.contains(RESET), "{client_log}");
}
