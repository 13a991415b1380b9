// SPDX-License-Identifier: MPL-2.0
//! Clients that misbehave, each beside one that doesn't: the server answers or drops them and serves on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use async_tungstenite::tungstenite::Message;
use common::*;
use gst_plugin_webrtc_signalling::Limits;
use gst_plugin_webrtc_signalling_protocol::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// Connects with a receive buffer so small that it fills at once.
async fn connect_narrow(address: std::net::SocketAddr) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    Client::over(socket.connect(address).await.unwrap())
        .await
        .unwrap()
}

/// Checks that a peer is served.
async fn assert_served(client: &mut Client) {
    let answer = client.ask(IncomingMessage::ListConsumers).await;
    assert!(
        matches!(answer, OutgoingMessage::ListConsumers { .. }),
        "{answer:?}"
    );
}

#[tokio::test]
async fn what_is_no_message_is_answered_by_an_error() {
    let server = server(Limits::default()).await;
    let mut client = Client::connect(server.local_addr()).await;
    let deep = format!(
        r#"{{"type":"setPeerStatus","roles":[],"meta":{}}}"#,
        "[".repeat(10_000)
    );
    for text in [
        "",
        "hello",
        "{}",
        r#"{"type":"reboot"}"#,
        r#"{"type":"peer","sessionId":"s"}"#,
        "\0\0",
        &deep,
    ] {
        client.send_text(text).await;
        let details = client.error().await;
        assert!(
            details.starts_with("invalid message: ") && details.len() < 200,
            "{details}"
        );
    }
    within(client.socket.send(Message::binary(vec![0; 100])))
        .await
        .unwrap();
    assert_eq!(
        client.error().await,
        "binary messages are not part of the protocol"
    );
    assert_served(&mut client).await;
    assert_eq!(metric(server.local_addr(), "invalid_messages_total").await, 8);
}

#[tokio::test]
async fn the_servers_own_message_is_refused_and_changes_nothing() {
    let server = server(Limits::default()).await;
    let mut producing = Client::connect(server.local_addr()).await;
    let mut consuming = Client::connect(server.local_addr()).await;
    let session_id = session(&mut producing, &mut consuming).await;
    producing.send(IncomingMessage::NewPeer).await;
    assert_eq!(producing.error().await, "newPeer is not for peers to send");
    producing.send(offer(&session_id, "v=0")).await;
    assert!(matches!(consuming.next().await, OutgoingMessage::Peer(_)));
}

#[tokio::test]
async fn a_stranger_can_neither_write_to_a_session_nor_end_it() {
    let server = server(Limits::default()).await;
    let mut producing = Client::connect(server.local_addr()).await;
    let mut consuming = Client::connect(server.local_addr()).await;
    let mut stranger = Client::connect(server.local_addr()).await;
    let session_id = session(&mut producing, &mut consuming).await;
    for message in [offer(&session_id, "forged"), end(&session_id)] {
        stranger.send(message).await;
        assert_eq!(
            stranger.error().await,
            format!("Peer {} is not part of {session_id}", stranger.id)
        );
    }
    producing.send(offer(&session_id, "genuine")).await;
    let OutgoingMessage::Peer(message) = consuming.next().await else {
        panic!("the session is gone")
    };
    assert_eq!(
        message.peer_message,
        PeerMessageInner::Sdp(SdpMessage::Offer {
            sdp: "genuine".into()
        })
    );
}

#[tokio::test]
async fn one_client_that_stops_reading_delays_nobody_and_is_dropped() {
    let limits = Limits {
        max_queued_bytes: 200_000,
        message_burst: 100_000,
        ..Limits::default()
    };
    let server = server(limits).await;
    let mut other = Client::connect(server.local_addr()).await;
    other.ask(producer(&"x".repeat(15_000))).await;
    let mut deaf = connect_narrow(server.local_addr()).await;
    let deaf_id = deaf.id.clone();
    let flood = tokio::spawn(async move {
        // Ends when the server has dropped the connection.
        while deaf
            .socket
            .send(Message::text(r#"{"type":"list"}"#))
            .await
            .is_ok()
        {}
    });
    let mut slowest = Duration::ZERO;
    loop {
        let asked = Instant::now();
        other.send(IncomingMessage::ListConsumers).await;
        let answer = other.next().await;
        slowest = slowest.max(asked.elapsed());
        if let OutgoingMessage::PeerStatusChanged(left) = answer {
            assert_eq!(left.peer_id, Some(deaf_id));
            break;
        }
    }
    within(flood).await.unwrap();
    assert_eq!(metric(server.local_addr(), "slow_peers_total").await, 1);
    assert!(
        slowest < Duration::from_secs(5),
        "the other client waited {slowest:?}"
    );
}

#[tokio::test]
async fn a_client_that_pings_and_does_not_read_is_dropped() {
    let limits = Limits {
        send_timeout: Duration::from_millis(500),
        messages_per_second: 1_000_000,
        message_burst: 1_000_000,
        ..Limits::default()
    };
    let server = server(limits).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut deaf = upgraded(socket.connect(server.local_addr()).await.unwrap()).await;
    let mut ping = vec![0x89, 0x80 | 125, 0, 0, 0, 0];
    ping.extend([b'p'; 125]);
    let pings = ping.repeat(100);
    within(async { while deaf.write_all(&pings).await.is_ok() {} }).await;
    until("the peer is dropped", async || {
        metric(server.local_addr(), "peers").await == 0
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_messages_is_read_no_faster_than_allowed() {
    let limits = Limits {
        messages_per_second: 20,
        message_burst: 10,
        ..Limits::default()
    };
    let server = server(limits).await;
    let mut flooding = Client::connect(server.local_addr()).await;
    let mut other = Client::connect(server.local_addr()).await;
    let began = Instant::now();
    for _ in 0..30 {
        flooding.send(IncomingMessage::List).await;
    }
    assert_served(&mut other).await;
    for _ in 0..30 {
        flooding.next().await;
    }
    // 20 messages beyond the burst at 20 per second.
    assert!(
        began.elapsed() >= Duration::from_millis(900),
        "took {:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn endless_fragments_of_nothing_do_not_keep_others_waiting() {
    let server = server(Limits::default()).await;
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let mut fragmenting = upgraded(stream).await;
    fragmenting.write_all(&frame(0x01, b"")).await.unwrap();
    let flood = tokio::spawn(async move {
        let nothing = frame(0x00, b"").repeat(1000);
        while fragmenting.write_all(&nothing).await.is_ok() {}
    });
    let mut other = Client::connect(server.local_addr()).await;
    for _ in 0..100 {
        assert_served(&mut other).await;
    }
    flood.abort();
}

#[tokio::test]
async fn metadata_beyond_the_limit_is_refused() {
    let server = server(Limits {
        max_meta_bytes: 100,
        ..Limits::default()
    })
    .await;
    let mut client = Client::connect(server.local_addr()).await;
    client.send(producer(&"x".repeat(100))).await;
    assert_eq!(
        client.error().await,
        "Metadata of 111 bytes exceeds the limit of 100"
    );
    assert_eq!(
        client.ask(IncomingMessage::List).await,
        OutgoingMessage::List { producers: vec![] }
    );
}

#[tokio::test]
async fn one_client_cannot_take_all_of_a_producers_sessions() {
    let server = server(Limits {
        max_sessions_per_pair: 2,
        ..Limits::default()
    })
    .await;
    let mut producing = Client::connect(server.local_addr()).await;
    let mut greedy = Client::connect(server.local_addr()).await;
    session(&mut producing, &mut greedy).await;
    assert!(matches!(
        greedy.ask(start(&producing.id)).await,
        OutgoingMessage::SessionStarted { .. }
    ));
    greedy.send(start(&producing.id)).await;
    assert!(greedy.error().await.contains("limit of 2 sessions between them"));
    let mut modest = Client::connect(server.local_addr()).await;
    assert!(matches!(
        modest.ask(start(&producing.id)).await,
        OutgoingMessage::SessionStarted { .. }
    ));
}

#[tokio::test]
async fn a_request_that_trickles_in_is_given_up() {
    let limits = Limits {
        upgrade_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = server(limits).await;
    let mut slow = TcpStream::connect(server.local_addr()).await.unwrap();
    let mut silent = TcpStream::connect(server.local_addr()).await.unwrap();
    let trickle = async {
        let mut written = slow.write_all(b"GET / HTTP/1.1\r\nX: ").await;
        while written.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            written = slow.write_all(b"x").await;
        }
    };
    within(trickle).await;
    assert!(!matches!(within(silent.read(&mut [0])).await, Ok(1..)));
    Client::connect(server.local_addr()).await;
}

#[tokio::test]
async fn connections_that_never_become_peers_are_bounded() {
    let limits = Limits {
        max_pending_connections: 3,
        ..Limits::default()
    };
    let server = server(limits).await;
    let mut peer = Client::connect(server.local_addr()).await;
    let mut idle = Vec::new();
    for _ in 0..3 {
        idle.push(TcpStream::connect(server.local_addr()).await.unwrap());
    }
    let mut refused = TcpStream::connect(server.local_addr()).await.unwrap();
    assert!(!matches!(within(refused.read(&mut [0])).await, Ok(1..)));
    assert_served(&mut peer).await;
    drop(idle);
    until("there is room again", async || {
        Client::try_connect(server.local_addr()).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn peers_beyond_the_limit_get_status_503() {
    let server = server(Limits {
        max_peers: 1,
        ..Limits::default()
    })
    .await;
    let first = Client::connect(server.local_addr()).await;
    let refused = Client::try_connect(server.local_addr())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(refused.contains("503"), "{refused}");
    drop(first);
    until("there is room again", async || {
        Client::try_connect(server.local_addr()).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn garbage_instead_of_a_request_is_answered_and_dropped() {
    let server = server(Limits::default()).await;
    let large = [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 100_000]].concat();
    for (garbage, expected) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..], "HTTP/1.1 400"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405"),
        (&large, "HTTP/1.1 431"),
    ] {
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        within(stream.write_all(garbage)).await.unwrap();
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await.unwrap();
        assert!(
            answer.starts_with(expected.as_bytes()),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    Client::connect(server.local_addr()).await;
}

#[tokio::test]
async fn connections_reset_at_any_point_leave_nothing_behind() {
    let server = server(Limits::default()).await;
    let address = server.local_addr();
    for length in 0..12 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&b"GET / HTTP/1.1\r\n"[..length]).await.unwrap();
        stream.set_zero_linger().unwrap();
        let mut websocket = upgraded(TcpStream::connect(address).await.unwrap()).await;
        websocket
            .write_all(&frame(0x81, br#"{"type":"list"}"#)[..length])
            .await
            .unwrap();
        websocket.set_zero_linger().unwrap();
    }
    until("all are gone", async || metric(address, "peers").await == 0).await;
}
