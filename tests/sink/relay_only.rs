// SPDX-License-Identifier: MPL-2.0
//! A sink that may only send through a TURN server, a real coturn.

use std::sync::atomic::Ordering;

use gst::prelude::*;
use gst_webrtc::WebRTCICETransportPolicy;
use testkit::coturn::Coturn;

use super::common::consumer::Consumer;
use super::common::pipelines::{Producer, SMALL, video};
use super::common::wait_until;

#[test]
fn media_takes_the_relay_and_nothing_else() {
    let Some(coturn) = Coturn::with_user() else { return };
    let producer = Producer::start(&[video(SMALL)], |sink| {
        sink.set_property("ice-transport-policy", WebRTCICETransportPolicy::Relay);
        sink.set_property("turn-servers", gst::Array::new([coturn.uri_with_user()]));
    });
    let consumer = Consumer::join(&producer.signaller, "far");
    consumer.wait_frames(0, 30);
    let candidates = consumer.seen.candidates.lock().unwrap().clone();
    assert!(!candidates.is_empty());
    assert!(
        candidates.iter().all(|it| it.contains(" typ relay")),
        "{candidates:?}"
    );
    let path = || {
        let stats = producer.sink.property::<gst::Structure>("stats");
        let session = stats.get::<gst::Structure>("far").ok()?;
        let stats = session.get::<gst::Structure>("consumer-stats").ok()?;
        stats.get::<String>("local-candidate").ok()
    };
    wait_until("the path is known", || path().is_some());
    assert!(
        path().is_some_and(|path| path.starts_with("relay udp ")),
        "{:?}",
        path()
    );
    assert_eq!(consumer.stream(0).unwrap().missing.load(Ordering::SeqCst), 0);
    producer.assert_no_errors();
}

#[test]
fn without_a_relay_there_is_no_way() {
    let producer = Producer::start(&[video(SMALL)], |sink| {
        sink.set_property("ice-transport-policy", WebRTCICETransportPolicy::Relay);
        sink.set_property("session-timeout", 3u32);
    });
    let consumer = Consumer::join(&producer.signaller, "unreachable");
    let (nick, _) = producer.wait_end("unreachable");
    assert!(["timeout", "ice-failed"].contains(&nick.as_str()), "{nick}");
    assert_eq!(
        (consumer.frames(0), consumer.seen.candidates.lock().unwrap().len()),
        (0, 0)
    );
    producer.assert_no_errors();
}
