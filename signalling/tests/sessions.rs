// SPDX-License-Identifier: MPL-2.0
//! Peers that behave, over real websockets: they find each other, negotiate and part.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use gst_plugin_webrtc_signalling::{Config, Limits};
use gst_plugin_webrtc_signalling_protocol::*;
use serde_json::json;

fn changed(peer: &str, roles: &[PeerRole], name: &str) -> OutgoingMessage {
    let meta = Some(json!({ "name": name }));
    OutgoingMessage::PeerStatusChanged(PeerStatus {
        roles: roles.into(),
        meta,
        peer_id: Some(peer.into()),
    })
}

#[tokio::test]
async fn a_consumer_finds_a_producer_and_negotiates() {
    let server = server(Limits::default()).await;
    let mut producing = Client::connect(server.local_addr()).await;
    let mut consuming = Client::connect(server.local_addr()).await;
    let roles = [PeerRole::Producer, PeerRole::Listener];
    assert_eq!(
        producing.ask(producer("cam")).await,
        changed(&producing.id, &roles, "cam")
    );
    let listed = Peer {
        id: producing.id.clone(),
        meta: Some(json!({"name": "cam"})),
    };
    let list = consuming.ask(IncomingMessage::List).await;
    assert_eq!(
        list,
        OutgoingMessage::List {
            producers: vec![listed]
        }
    );

    consuming.send(start(&producing.id)).await;
    let OutgoingMessage::SessionStarted { session_id, peer_id } = consuming.next().await else {
        panic!("no session")
    };
    assert_eq!(peer_id, producing.id);
    let ordered = OutgoingMessage::StartSession {
        peer_id: consuming.id.clone(),
        session_id: session_id.clone(),
        offer: None,
    };
    assert_eq!(producing.next().await, ordered);
    producing.send(offer(&session_id, "v=0 offer")).await;
    let expected = PeerMessageInner::Sdp(SdpMessage::Offer {
        sdp: "v=0 offer".into(),
    });
    let message = PeerMessage {
        session_id: session_id.clone(),
        peer_message: expected,
    };
    assert_eq!(consuming.next().await, OutgoingMessage::Peer(message));

    consuming.send(end(&session_id)).await;
    assert_eq!(
        producing.next().await,
        OutgoingMessage::EndSession(EndSessionMessage { session_id })
    );
}

#[tokio::test]
async fn a_candidate_keeps_what_browsers_add() {
    let server = server(Limits::default()).await;
    let mut producing = Client::connect(server.local_addr()).await;
    let mut consuming = Client::connect(server.local_addr()).await;
    let session_id = session(&mut producing, &mut consuming).await;
    let ice = json!({"candidate": "c", "sdpMLineIndex": 0, "sdpMid": "video0", "usernameFragment": "u"});
    let message = json!({"type": "peer", "sessionId": session_id, "ice": ice, "unknown": [1, 2]});
    consuming.send_text(&message.to_string()).await;
    let OutgoingMessage::Peer(received) = producing.next().await else {
        panic!("no candidate")
    };
    let expected = json!({"sessionId": session_id, "ice": ice});
    assert_eq!(serde_json::to_value(received).unwrap(), expected);
}

#[tokio::test]
async fn a_peer_of_version_1_1_hears_why_a_session_ends() {
    let server = server(Limits::default()).await;
    let mut producing = Client::connect(server.local_addr()).await;
    let mut consuming = Client::connect(server.local_addr()).await;
    for client in [&mut producing, &mut consuming] {
        client
            .send(IncomingMessage::SetProtocolVersion {
                version: ProtocolVersion::V1_1,
            })
            .await;
    }
    let session_id = session(&mut producing, &mut consuming).await;
    let ending = EndSessionMessageV1_1 {
        session_id,
        error: Some("no-common-codec: none".into()),
    };
    producing
        .send(IncomingMessage::EndSessionV1_1(ending.clone()))
        .await;
    assert_eq!(consuming.next().await, OutgoingMessage::EndSessionV1_1(ending));
}

#[tokio::test]
async fn a_lost_peer_ends_its_sessions() {
    let server = server(Limits::default()).await;
    let mut producing = Client::connect(server.local_addr()).await;
    let mut consuming = Client::connect(server.local_addr()).await;
    let session_id = session(&mut producing, &mut consuming).await;
    let gone = consuming.id.clone();
    drop(consuming);
    assert_eq!(
        producing.next().await,
        OutgoingMessage::EndSession(EndSessionMessage { session_id })
    );
    let left = PeerStatus {
        roles: vec![],
        meta: None,
        peer_id: Some(gone),
    };
    assert_eq!(producing.next().await, OutgoingMessage::PeerStatusChanged(left));
}

#[tokio::test]
async fn messages_arrive_in_the_order_they_were_sent() {
    let server = server(Limits::default()).await;
    let mut producing = Client::connect(server.local_addr()).await;
    let mut consuming = Client::connect(server.local_addr()).await;
    let session_id = session(&mut producing, &mut consuming).await;
    for number in 0..500 {
        producing.send(offer(&session_id, &number.to_string())).await;
    }
    for number in 0..500 {
        let OutgoingMessage::Peer(message) = consuming.next().await else {
            panic!("no description")
        };
        let expected = SdpMessage::Offer {
            sdp: number.to_string(),
        };
        assert_eq!(message.peer_message, PeerMessageInner::Sdp(expected));
    }
}

#[tokio::test]
async fn one_producer_serves_a_hundred_consumers_that_join_at_once() {
    let server = server(Limits::default()).await;
    let mut producing = Client::connect(server.local_addr()).await;
    producing.ask(producer("cam")).await;
    let address = server.local_addr();
    let consumers = (0..100).map(|_| {
        let target = producing.id.clone();
        tokio::spawn(async move {
            let mut consuming = Client::connect(address).await;
            consuming.send(start(&target)).await;
            let OutgoingMessage::SessionStarted { session_id, .. } = consuming.next().await else {
                panic!()
            };
            let OutgoingMessage::Peer(message) = consuming.next().await else {
                panic!()
            };
            assert_eq!(message.session_id, session_id);
        })
    });
    let consumers: Vec<_> = consumers.collect();
    let mut served = 0;
    while served < 100 {
        // Those who have their offer leave, and are announced.
        if let OutgoingMessage::StartSession { session_id, .. } = producing.next().await {
            producing.send(offer(&session_id, &"v=0\r\n".repeat(1000))).await;
            served += 1;
        }
    }
    for consumer in consumers {
        within(consumer).await.unwrap();
    }
}

#[tokio::test]
async fn two_servers_of_one_process_know_nothing_of_each_other() {
    let (one, other) = (
        server(Limits::default()).await,
        server_with(Config::default()).await,
    );
    let mut producing = Client::connect(one.local_addr()).await;
    producing.ask(producer("cam")).await;
    let mut asking = Client::connect(other.local_addr()).await;
    assert_eq!(
        asking.ask(IncomingMessage::List).await,
        OutgoingMessage::List { producers: vec![] }
    );
}
