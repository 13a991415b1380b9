// SPDX-License-Identifier: MPL-2.0
//! Streams that come, go and come back while others play.

use std::sync::atomic::Ordering;

use gst::prelude::*;

use crate::common::loopback::Loopback;
use crate::common::pipelines::{self, SMALL, add_source, audio, video};
use crate::common::producer::{OPUS, Producer, VP8};
use crate::common::receiver::Receiver;
use crate::common::{init, wait_until};

/// The second stream of an offer switched off.
fn second_off(text: String) -> String {
    let at = text.rfind("m=").expect("two m-lines");
    let (first, second) = text.split_at(at);
    format!(
        "{first}{}",
        second
            .replace("a=sendrecv", "a=inactive")
            .replace("a=sendonly", "a=inactive")
    )
}

#[test]
fn a_stream_switched_off_and_on_again_comes_back_under_its_name() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    let producer = Producer::new(&receiver.signaller, "toggle", &[VP8, OPUS]);
    producer.offer();
    receiver.wait_buffers("audio_0", 10);
    for round in 1..=20 {
        producer.offer_altered(second_off);
        wait_until("the pad goes", || {
            receiver.seen.pads_removed.lock().unwrap().len() == round
        });
        assert_eq!(
            receiver.stream("audio_0").unwrap().ends.load(Ordering::SeqCst),
            round as u64
        );
        assert!(producer.answer().expect("an answer").contains("a=inactive"));
        producer.offer();
        wait_until("the pad is back", || receiver.src.static_pad("audio_0").is_some());
        receiver.wait_buffers("audio_0", 3);
        receiver.wait_buffers("video_0", 3);
    }
    assert_eq!(receiver.stream("video_0").unwrap().ends.load(Ordering::SeqCst), 0);
    assert!(receiver.errors().is_empty());
    assert!(producer.is_connected());
}

/// A sink and a source, joined without a network; the sink has begun a session with the source.
fn joined(sources: &[String]) -> (pipelines::Producer, Receiver, Loopback) {
    init();
    let producer = pipelines::Producer::start(sources, |_| ());
    let receiver = Receiver::new(|_| Some("queue"));
    producer.signaller.join(&receiver.signaller);
    let signaller = producer.signaller.clone();
    signaller.begin("one", None);
    (producer, receiver, signaller)
}

#[test]
fn our_own_sink_is_received_with_five_streams() {
    let sources = [video(SMALL), audio(), video(SMALL), video(SMALL), audio()];
    let (producer, receiver, _) = joined(&sources);
    for name in ["video_0", "video_1", "video_2", "audio_0", "audio_1"] {
        receiver.wait_buffers(name, 10);
    }
    producer.assert_no_errors();
    assert!(receiver.errors().is_empty());
}

#[test]
fn streams_our_sink_adds_and_removes_come_and_go() {
    let (producer, receiver, _) = joined(&[video(SMALL)]);
    receiver.wait_buffers("video_0", 10);
    let pad = add_source(&producer.pipeline, &producer.sink, &audio());
    receiver.wait_buffers("audio_0", 10);
    let peer = pad.peer().expect("it is linked");
    let source = peer.parent_element().expect("it belongs to the source");
    source.set_state(gst::State::Null).expect("it stops");
    peer.unlink(&pad).expect("they were linked");
    producer.sink.release_request_pad(&pad);
    producer.pipeline.remove(&source).expect("it is there");
    wait_until("the pad goes", || receiver.src.static_pad("audio_0").is_none());
    receiver.wait_buffers("video_0", 30);
    producer.assert_no_errors();
}

#[test]
fn a_sink_that_stops_ends_the_source() {
    let (producer, receiver, _) = joined(&[video(SMALL)]);
    receiver.wait_buffers("video_0", 10);
    producer.pipeline.set_state(gst::State::Null).expect("it stops");
    receiver.wait_end("video_0");
    receiver.wait_session_end();
    assert!(receiver.errors().is_empty());
}
