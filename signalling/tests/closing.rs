// SPDX-License-Identifier: MPL-2.0
//! Closes that the server begins: every one has its code, and dead peers are given up.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use async_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};
use common::{process::Process, *};
use futures::{SinkExt, StreamExt};
use gst_plugin_webrtc_signalling::Limits;
use gst_plugin_webrtc_signalling_protocol::*;
use tokio::{io::AsyncWriteExt, net::TcpStream};

#[tokio::test]
async fn a_shutdown_closes_with_1001_and_ends_no_session() {
    let server = server(Limits::default()).await;
    let address = server.local_addr();
    let mut producing = Client::connect(address).await;
    let mut consuming = Client::connect(address).await;
    session(&mut producing, &mut consuming).await;
    let close = async |mut client: Client| {
        // Nothing comes before the close: an end of the session would stop media that can go on.
        match within(client.socket.next()).await {
            Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Away),
            other => panic!("no close but {other:?}"),
        }
        within(SinkExt::close(&mut client.socket)).await.unwrap();
    };
    within(async { tokio::join!(server.shutdown(), close(producing), close(consuming)) }).await;
    assert!(
        TcpStream::connect(address).await.is_err(),
        "the port is still open"
    );
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_who_does_not_answer() {
    let limits = Limits {
        shutdown_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = server(limits).await;
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let _silent = upgraded(stream).await;
    let _unfinished = TcpStream::connect(server.local_addr()).await.unwrap();
    within(server.shutdown()).await;
}

#[tokio::test]
async fn a_dropped_handle_ends_everything() {
    let server = server(Limits::default()).await;
    let address = server.local_addr();
    let mut client = Client::connect(address).await;
    drop(server);
    while let Some(Ok(_)) = within(client.socket.next()).await {}
    until("the port closes", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
}

#[tokio::test]
async fn a_port_can_be_bound_again_after_a_shutdown() {
    let first = server(Limits::default()).await;
    let port = first.local_addr().port();
    let client = Client::connect(first.local_addr()).await;
    let (code, ()) = tokio::join!(client.closed_with(), first.shutdown());
    assert_eq!(code, Some(CloseCode::Away));
    let config = gst_plugin_webrtc_signalling::Config {
        host: "127.0.0.1".into(),
        port,
        ..Default::default()
    };
    let again = gst_plugin_webrtc_signalling::Server::bind(config)
        .await
        .unwrap()
        .spawn();
    Client::connect(again.local_addr()).await;
}

#[tokio::test]
async fn signals_end_the_process_with_closed_websockets() {
    for signal in ["TERM", "INT"] {
        let server = Process::start(&[], "info");
        let client = Client::connect(server.address).await;
        server.signal(signal);
        assert_eq!(client.closed_with().await, Some(CloseCode::Away), "{signal}");
        let (status, log) = tokio::task::spawn_blocking(move || server.wait()).await.unwrap();
        assert!(status.success(), "{signal}: {log}");
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_closed_with_1009() {
    let server = server(Limits {
        max_message_bytes: 1000,
        ..Limits::default()
    })
    .await;
    let mut fitting = Client::connect(server.local_addr()).await;
    let too_large = Client::connect(server.local_addr()).await;
    let mut oversized = too_large;
    oversized.send_text(&"x".repeat(1_000_000)).await;
    assert_eq!(oversized.closed_with().await, Some(CloseCode::Size));
    fitting.send_text(&" ".repeat(1000)).await;
    assert!(fitting.error().await.starts_with("invalid message"));
}

#[tokio::test]
async fn breaches_of_the_websocket_protocol_are_closed_with_their_code() {
    let server = server(Limits {
        max_message_bytes: 100_000,
        ..Limits::default()
    })
    .await;
    let unmasked = vec![0x81, 0x02, b'h', b'i'];
    let fragments = [frame(0x01, &[b'x'; 60_000]), frame(0x00, &[b'x'; 60_000])].concat();
    let claims_a_terabyte = vec![0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (what, bytes, expected) in [
        ("text that is no UTF-8", frame(0x81, &[0xff, 0xfe]), 1007_u16),
        ("unmasked frame", unmasked, 1002),
        ("reserved bits", frame(0xf1, b"x"), 1002),
        ("unknown opcode", frame(0x83, b"x"), 1002),
        ("continuation of nothing", frame(0x80, b"x"), 1002),
        ("long control frame", frame(0x89, &[b'x'; 200]), 1002),
        ("fragmented control frame", frame(0x09, b"x"), 1002),
        ("fragments beyond the limit", fragments, 1009),
        ("frame beyond all limits", claims_a_terabyte, 1009),
    ] {
        let mut client = Client::connect(server.local_addr()).await;
        within(client.socket.get_mut().get_mut().write_all(&bytes))
            .await
            .unwrap();
        assert_eq!(
            client.closed_with().await,
            Some(CloseCode::from(expected)),
            "{what}"
        );
    }
    Client::connect(server.local_addr()).await;
}

#[tokio::test]
async fn a_peer_that_does_not_answer_pings_is_given_up_and_others_are_not() {
    let limits = Limits {
        ping_interval: Duration::from_millis(200),
        pong_timeout: Duration::from_secs(3),
        ..Limits::default()
    };
    let server = server(limits).await;
    let mut living = Client::connect(server.local_addr()).await;
    living.ask(status(&[PeerRole::Listener], "ear")).await;
    // Reads nothing, hence answers nothing.
    let dead = Client::connect(server.local_addr()).await;
    let OutgoingMessage::PeerStatusChanged(left) = living.next().await else {
        panic!("nobody left")
    };
    assert_eq!(left.peer_id, Some(dead.id.clone()));
    assert_eq!(metric(server.local_addr(), "dead_peers_total").await, 1);
    assert_eq!(metric(server.local_addr(), "peers").await, 1);
}
