// SPDX-License-Identifier: MPL-2.0
//! What the port answers beside websockets, who is let in, and the process around it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::net::TcpListener;

use async_tungstenite::{tokio::client_async, tungstenite::client::IntoClientRequest};
use common::{
    process::{Process, run},
    *,
};
use gst_plugin_webrtc_signalling::{AuthToken, Config, Limits, Server, ServerError};
use gst_plugin_webrtc_signalling_protocol::*;
use tokio::net::TcpStream;

#[tokio::test]
async fn health_and_metrics_are_pages() {
    let server = server(Limits::default()).await;
    let mut producing = Client::connect(server.local_addr()).await;
    let mut consuming = Client::connect(server.local_addr()).await;
    session(&mut producing, &mut consuming).await;
    let health = get(server.local_addr(), "/health", "").await;
    assert!(
        health.starts_with("HTTP/1.1 200 OK\r\n") && health.ends_with("\r\n\r\nok\n"),
        "{health}"
    );
    let metrics = get(server.local_addr(), "/metrics", "").await;
    assert!(
        metrics.contains("Content-Type: text/plain; version=0.0.4\r\n"),
        "{metrics}"
    );
    for (name, value) in [("peers", 2), ("producers", 1), ("listeners", 1), ("sessions", 1)] {
        assert_eq!(metric(server.local_addr(), name).await, value, "{name}");
    }
    let elsewhere = get(server.local_addr(), "/", "").await;
    assert!(
        elsewhere.starts_with("HTTP/1.1 426 ") && elsewhere.contains("upgrade: websocket\r\n"),
        "{elsewhere}"
    );
}

/// Tries to become a peer; returns the response's status.
async fn status_of(address: std::net::SocketAddr, uri: &str, authorization: Option<&str>) -> u16 {
    let mut request = uri.into_client_request().unwrap();
    if let Some(value) = authorization {
        request
            .headers_mut()
            .insert("authorization", value.parse().unwrap());
    }
    match client_async(request, TcpStream::connect(address).await.unwrap()).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(async_tungstenite::tungstenite::Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_token_is_asked_for_where_one_is_configured() {
    let auth_token = Some(AuthToken::new("s3cret"));
    let server = server_with(Config {
        auth_token,
        ..Config::default()
    })
    .await;
    let address = server.local_addr();
    for (uri, authorization, expected) in [
        ("ws://localhost/", None, 401),
        ("ws://localhost/", Some("Bearer wrong"), 401),
        ("ws://localhost/?token=wrong", None, 401),
        ("ws://localhost/", Some("Bearer s3cret"), 101),
        ("ws://localhost/?token=s3cret", None, 101),
    ] {
        assert_eq!(
            status_of(address, uri, authorization).await,
            expected,
            "{uri} {authorization:?}"
        );
    }
    assert!(get(address, "/metrics", "").await.starts_with("HTTP/1.1 401 "));
    let metrics = get(address, "/metrics", "Authorization: Bearer s3cret\r\n").await;
    assert!(
        metrics.contains("webrtc_signalling_unauthorized_total 4\n"),
        "{metrics}"
    );
    assert!(get(address, "/health", "").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn configured_headers_are_in_the_upgrade() {
    let response_headers = vec![("X-One".into(), "1".into()), ("X-One".into(), "2".into())];
    let server = server_with(Config {
        response_headers,
        ..Config::default()
    })
    .await;
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let (_, response) = client_async("ws://localhost/", stream).await.unwrap();
    let values: Vec<_> = response.headers().get_all("x-one").iter().collect();
    assert_eq!(values, ["1", "2"]);
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused() {
    let bind = async |config| Server::bind(config).await.err().unwrap();
    let header = Config {
        response_headers: vec![("Upgrade".into(), "h2c".into())],
        ..Config::default()
    };
    assert!(matches!(bind(header).await, ServerError::Header { .. }));
    let limits = Limits {
        max_peers: 0,
        ..Limits::default()
    };
    assert!(matches!(
        bind(Config {
            limits,
            ..Config::default()
        })
        .await,
        ServerError::Limit { .. }
    ));
    let nowhere = Config {
        host: "256.0.0.1".into(),
        port: 0,
        ..Config::default()
    };
    assert!(matches!(bind(nowhere).await, ServerError::Listen { .. }));
}

#[tokio::test]
async fn an_ipv6_address_may_stand_in_brackets() {
    for host in ["::1", "[::1]"] {
        let config = Config {
            host: host.into(),
            port: 0,
            ..Config::default()
        };
        match Server::bind(config).await {
            Ok(server) => assert!(server.local_addr().is_ipv6()),
            Err(error) if TcpListener::bind("[::1]:0").is_err() => {
                eprintln!("not run, no IPv6 here: {error}")
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_port_in_use_ends_the_process_with_code_1_and_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&["--host", "127.0.0.1", "--port", &port]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.contains(&format!("cannot listen on 127.0.0.1:{port}: ")),
        "{error}"
    );
}

#[tokio::test]
async fn neither_descriptions_nor_credentials_are_logged() {
    let server = Process::start(&["--auth-token", "hidden-token"], "debug");
    let connect = async || {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let uri = "ws://localhost/?token=hidden-token";
        let socket = client_async(uri, stream).await.unwrap().0;
        let mut client = Client {
            id: String::new(),
            socket,
        };
        let OutgoingMessage::Welcome { peer_id } = client.next().await else {
            panic!("no welcome")
        };
        client.id = peer_id;
        client
    };
    let (mut producing, mut consuming) = (connect().await, connect().await);
    let session_id = session(&mut producing, &mut consuming).await;
    producing
        .send(offer(&session_id, "a=ice-pwd:hidden-password"))
        .await;
    consuming.next().await;
    status_of(
        server.address,
        "ws://localhost/?token=hidden-guess",
        Some("Bearer hidden-guess"),
    )
    .await;
    server.wait_for(&session_id);
    producing.close().await;
    server.wait_for("connection closed");
    server.signal("TERM");
    let (_, log) = tokio::task::spawn_blocking(move || server.wait()).await.unwrap();
    assert!(log.contains("registered as [Producer, Listener]"), "{log}");
    assert!(!log.contains("hidden"), "{log}");
}

#[test]
fn an_invalid_log_filter_means_info() {
    let server = Process::start(&[], "nonsense=loud");
    assert_ne!(server.address.port(), 0);
}
