// SPDX-License-Identifier: MPL-2.0
//! One consumer from its request to frames on its screen.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::atomic::Ordering;

use common::consumer::{Consumer, Options};
use common::pipelines::{Producer, SMALL, audio, video};
use common::wait_until;
use gst::prelude::*;

#[test]
fn a_stock_consumer_decodes_video_and_gets_audio() {
    let producer = Producer::start(&[video(SMALL), audio()], |_| ());
    let consumer = Consumer::join_with(
        &producer.signaller,
        "one",
        Options {
            decode: true,
            ..Options::default()
        },
    );
    wait_until("video is decoded", || {
        consumer
            .stream(0)
            .is_some_and(|stream| stream.decoded.load(Ordering::SeqCst) >= 30)
    });
    consumer.wait_frames(1, 50);
    assert_eq!(*consumer.stream(0).unwrap().size.lock().unwrap(), (320, 240));
    assert_eq!(producer.sessions(), ["one"]);
    consumer.leave();
    let (nick, _) = producer.wait_end("one");
    assert_eq!(nick, "peer-gone");
    wait_until("the session is gone", || producer.sessions().is_empty());
    producer.assert_no_errors();
}

#[test]
fn a_consumer_that_offers_is_answered_in_its_own_numbers() {
    let producer = Producer::start(&[video(SMALL), audio()], |_| ());
    let options = Options {
        offers: true,
        decode: true,
        ..Options::default()
    };
    let consumer = Consumer::join_with(&producer.signaller, "offerer", options);
    wait_until("video is decoded", || {
        consumer
            .stream(0)
            .is_some_and(|stream| stream.decoded.load(Ordering::SeqCst) >= 10)
    });
    consumer.wait_frames(1, 20);
    let answer = consumer.seen.descriptions.lock().unwrap()[0].clone();
    assert!(
        answer.contains("a=rtpmap:120 VP8/90000") && answer.contains("a=rtpmap:111 OPUS/48000"),
        "{answer}"
    );
    assert_eq!(answer.matches("a=sendonly").count(), 2, "{answer}");
    producer.assert_no_errors();
}

#[test]
fn a_cut_shorter_than_consent_is_survived() {
    let producer = Producer::start(&[video(SMALL)], |_| ());
    let consumer = Consumer::join(&producer.signaller, "patient");
    consumer.wait_frames(0, 10);
    consumer.cut(true);
    let state = || {
        let stats = producer.sink.property::<gst::Structure>("stats");
        let session = stats.get::<gst::Structure>("patient").unwrap();
        session
            .get::<gst::Structure>("consumer-stats")
            .unwrap()
            .get::<String>("state")
            .unwrap()
    };
    wait_until("the silence is noticed", || state() == "recovering");
    consumer.cut(false);
    wait_until("the session is back", || state() == "connected");
    consumer.wait_frames(0, 10);
    assert!(producer.ends.lock().unwrap().is_empty());
}

#[test]
fn an_unknown_stun_server_delays_nothing() {
    let producer = Producer::start(&[video(SMALL)], |sink| {
        sink.set_property("stun-server", "stun://stun.invalid:3478");
    });
    let consumer = Consumer::join(&producer.signaller, "one");
    consumer.wait_frames(0, 5);
    producer.assert_no_errors();
}
