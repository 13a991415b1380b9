// SPDX-License-Identifier: MPL-2.0
//! Viewers get media: stock webrtcbins, and Chromium with the vendor's library.

use std::sync::atomic::Ordering;

use gst::prelude::*;
use serde_json::json;
use testkit::kvs::Kvs;

use super::browser::Browser;
use super::common::wait_until;
use super::master::Master;
use super::viewer::{Viewer, payload};

/// A master whose viewers differ in nothing: on a busy machine, congestion control would tell them apart.
fn sharing(kvs: &Kvs) -> Master {
    let master = Master::start(kvs, |sink, _| {
        sink.set_property_from_str("congestion-control", "disabled");
    });
    wait_until("the master is on the channel", || kvs.has_master());
    master
}

#[test]
fn viewers_share_one_encoder() {
    let kvs = Kvs::start();
    let master = sharing(&kvs);
    let viewers = ["a", "b", "c"].map(|id| Viewer::join(&kvs, id));
    for viewer in &viewers {
        viewer.wait_frames(30);
    }
    assert_eq!(master.encoders.load(Ordering::SeqCst), 1);
    assert_eq!(master.branches().len(), 1);
    assert_eq!(kvs.violations(), 0);
    master.assert_no_errors();
    drop(viewers);
    master.stop();
}

#[test]
fn chromium_watches_by_the_vendors_library() {
    let kvs = Kvs::start();
    let Some(mut browser) = Browser::start(&kvs) else {
        return;
    };
    let master = sharing(&kvs);
    browser.join("page-1");
    browser.join("page-2");
    browser.wait_frames("page-1", 60);
    browser.wait_frames("page-2", 60);
    assert_eq!(master.encoders.load(Ordering::SeqCst), 1);
    assert_eq!(master.branches().len(), 1);
    // The service moves the connection and changes the TURN servers; the pages see nothing of it.
    kvs.go_away(std::time::Duration::from_secs(2));
    wait_until("the master moves to another connection", || kvs.masters() == 2);
    kvs.reconnect_ice_server();
    browser.wait_frames("page-1", 60);
    browser.join("talks-1");
    browser.wait_frames("talks-1", 60);
    assert_eq!(kvs.violations(), 0);
    master.assert_no_errors();
    master.stop();
}

#[test]
fn an_offer_made_before_the_master_came_is_answered() {
    let kvs = Kvs::start();
    let viewer = Viewer::join(&kvs, "early");
    let master = Master::connected(&kvs);
    viewer.wait_frames(10);
    master.stop();
}

#[test]
fn a_viewer_that_loads_its_page_again_gets_a_new_session() {
    let kvs = Kvs::start();
    let master = Master::connected(&kvs);
    let former = Viewer::join(&kvs, "same");
    former.wait_frames(10);
    let again = Viewer::join(&kvs, "same");
    again.wait_frames(10);
    master.assert_no_errors();
    drop(former);
    master.stop();
}

#[test]
fn viewers_that_send_nonsense_end_alone() {
    let kvs = Kvs::start();
    let master = Master::connected(&kvs);
    let watcher = Viewer::join(&kvs, "watcher");
    watcher.wait_frames(10);
    let nonsense = [
        (
            "SDP_OFFER",
            payload(&json!({"type": "offer", "sdp": "no description"})),
        ),
        (
            "SDP_OFFER",
            payload(&json!({"type": "offer", "sdp": "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF\r\n"})),
        ),
        ("SDP_OFFER", payload(&json!({"type": "offer"}))),
        ("SDP_OFFER", payload(&json!(["offer"]))),
        ("SDP_OFFER", "AAAA".to_owned()),
        ("SDP_ANSWER", payload(&json!({"type": "answer", "sdp": "v=0"}))),
        (
            "ICE_CANDIDATE",
            payload(&json!({"candidate": "candidate:nonsense", "sdpMLineIndex": 99})),
        ),
        ("ICE_CANDIDATE", payload(&json!({"candidate": 7}))),
    ];
    for (number, (action, payload)) in nonsense.into_iter().enumerate() {
        let visitor = kvs.viewer(&format!("nonsense-{number}"), |_| ());
        visitor.send(&json!({"action": action, "messagePayload": payload}).to_string());
        // One that is watching already.
        if action == "ICE_CANDIDATE" {
            watcher.send(action, &payload);
        }
    }
    // What the service would never send.
    for text in [
        "",
        "{",
        "[]",
        r#"{"messageType":"SDP_OFFER"}"#,
        r#"{"messageType":"NEWS","messagePayload":"e30="}"#,
    ] {
        kvs.tell_master(text);
    }
    watcher.wait_frames(30);
    let late = Viewer::join(&kvs, "late");
    late.wait_frames(10);
    master.assert_no_errors();
    master.stop();
}
