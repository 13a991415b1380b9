// SPDX-License-Identifier: MPL-2.0
//! Streams come and go while consumers watch: what is there goes on, what is new arrives, what left falls silent.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::atomic::Ordering;

use common::consumer::Consumer;
use common::pipelines::{Producer, SMALL, add_source, audio, video};
use common::wait_until;
use gst::prelude::*;

fn offers(consumer: &Consumer) -> Vec<String> {
    consumer.seen.descriptions.lock().unwrap().clone()
}

#[test]
fn a_stream_added_while_playing_reaches_consumers_without_disturbing_the_others() {
    let producer = Producer::start(&[video(SMALL)], |_| ());
    let consumer = Consumer::join(&producer.signaller, "one");
    consumer.wait_frames(0, 10);
    add_source(&producer.pipeline, &producer.sink, &audio());
    consumer.wait_frames(1, 20);
    consumer.wait_frames(0, 10);
    assert_eq!(consumer.stream(0).unwrap().missing.load(Ordering::SeqCst), 0);
    assert_eq!(offers(&consumer).len(), 2);
    producer.assert_no_errors();
}

#[test]
fn a_stream_removed_while_playing_leaves_an_inactive_section() {
    let producer = Producer::start(&[video(SMALL), video(SMALL)], |_| ());
    let consumer = Consumer::join(&producer.signaller, "one");
    consumer.wait_frames(0, 10);
    consumer.wait_frames(1, 10);
    let pad = producer.sink.static_pad("video_1").unwrap();
    let peer = pad.peer().unwrap();
    let source = peer.parent_element().unwrap();
    source.set_state(gst::State::Null).unwrap();
    peer.unlink(&pad).unwrap();
    producer.sink.release_request_pad(&pad);
    producer.pipeline.remove(&source).unwrap();
    wait_until("a second offer", || offers(&consumer).len() == 2);
    let offer = offers(&consumer)[1].clone();
    assert_eq!(offer.matches("m=video").count(), 2, "{offer}");
    assert_eq!(offer.matches("a=inactive").count(), 1, "{offer}");
    consumer.wait_frames(0, 20);
    assert_eq!(consumer.stream(0).unwrap().missing.load(Ordering::SeqCst), 0);
    assert!(producer.sink.static_pad("video_1").is_none());
    producer.assert_no_errors();
}

#[test]
fn a_consumer_that_comes_before_any_caps_waits_for_them() {
    let producer = Producer::start(&[], |_| ());
    let consumer = Consumer::join(&producer.signaller, "early");
    wait_until("the session is there", || producer.sessions() == ["early"]);
    add_source(&producer.pipeline, &producer.sink, &video(SMALL));
    consumer.wait_frames(0, 10);
    producer.assert_no_errors();
}
