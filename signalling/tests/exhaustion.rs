// SPDX-License-Identifier: MPL-2.0
//! Resources: a process that runs out of descriptors serves on, and clients that come and go cost nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use async_tungstenite::tungstenite::Error;
use common::{process::Process, *};
use gst_plugin_webrtc_signalling_protocol::*;

#[tokio::test]
async fn running_out_of_descriptors_refuses_newcomers_and_serves_on() {
    let server = Process::start_with_files(40);
    let mut peers = Vec::new();
    // More than fit: those beyond are refused, not left waiting.
    let refusal = loop {
        assert!(peers.len() < 40, "40 descriptors hold more than 40 connections");
        match Client::try_connect(server.address).await {
            Ok(peer) => peers.push(peer),
            Err(refusal) => break refusal,
        }
    };
    assert!(matches!(refusal, Error::Io(_) | Error::Protocol(_)), "{refusal}");
    server.wait_for("newcomers refused");
    assert!(peers.len() > 10, "only {} peers fit", peers.len());

    let (mut consuming, mut producing) = (peers.pop().unwrap(), peers.pop().unwrap());
    session(&mut producing, &mut consuming).await;
    drop(peers);
    until("there is room again", async || {
        Client::try_connect(server.address).await.is_ok()
    })
    .await;
    let answer = consuming.ask(IncomingMessage::ListConsumers).await;
    assert!(matches!(answer, OutgoingMessage::ListConsumers { .. }));
    server.signal("TERM");
    let (status, log) = tokio::task::spawn_blocking(move || server.wait()).await.unwrap();
    assert!(status.success(), "{log}");
}

/// Peers that join in groups, talk, and leave: politely, abruptly, or in the middle of a session.
async fn come_and_go(server: &Process, groups: usize) {
    for group in 0..groups {
        let mut producing = Client::connect(server.address).await;
        producing.ask(producer(&format!("group {group}"))).await;
        let mut sessions = Vec::new();
        for _ in 0..9 {
            let mut consuming = Client::connect(server.address).await;
            consuming.send(start(&producing.id)).await;
            let OutgoingMessage::SessionStarted { session_id, .. } = consuming.next().await else {
                panic!()
            };
            producing.send(offer(&session_id, &"v=0\r\n".repeat(500))).await;
            consuming.next().await;
            sessions.push((consuming, session_id));
        }
        for (number, (mut consuming, session_id)) in sessions.into_iter().enumerate() {
            match number % 3 {
                0 => assert!(consuming.close().await.is_some()),
                1 => consuming.send(end(&session_id)).await,
                _ => drop(consuming),
            }
        }
    }
    until("all have left", async || {
        metric(server.address, "peers").await == 0
    })
    .await;
    assert_eq!(metric(server.address, "sessions").await, 0);
}

#[tokio::test]
async fn two_hundred_connections_leave_nothing_behind() {
    let server = Process::start(&[], "info");
    // The allocator keeps what a first round needed.
    come_and_go(&server, 20).await;
    let (files, memory) = (server.open_files(), server.memory_kib());
    come_and_go(&server, 20).await;
    until("descriptors are back", async || server.open_files() <= files).await;
    let grown = server.memory_kib().saturating_sub(memory);
    assert!(grown < 2048, "200 connections left {grown} KiB behind");
}
