// SPDX-License-Identifier: MPL-2.0
//! Streams that come, go and come back while others play.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

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

/// Takes away a stream of a sink, with what feeds it.
fn remove_source(producer: &pipelines::Producer, pad: &gst::Pad) {
    let peer = pad.peer().expect("it is linked");
    let source = peer.parent_element().expect("it belongs to the source");
    source.set_state(gst::State::Null).expect("it stops");
    peer.unlink(pad).expect("they were linked");
    producer.sink.release_request_pad(pad);
    producer.pipeline.remove(&source).expect("it is there");
}

/// The ids of the pictures that leave `pad` in VP8's packets, one for each packet.
fn picture_ids(pad: &gst::Pad) -> Arc<Mutex<Vec<u16>>> {
    let ids = Arc::new(Mutex::new(Vec::new()));
    let list = ids.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let packet = info.buffer().expect("it is a buffer");
        let packet = gst_rtp::RTPBuffer::from_buffer_readable(packet).expect("an RTP packet");
        let payload = packet.payload().expect("no packet of a picture is empty");
        // Extension, picture id in it, of 15 bits (RFC 7741, section 4.2).
        assert_eq!(
            (payload[0] & 0x80, payload[1] & 0x80, payload[2] & 0x80),
            (0x80, 0x80, 0x80)
        );
        list.lock()
            .unwrap()
            .push(u16::from_be_bytes([payload[2], payload[3]]));
        gst::PadProbeReturn::Ok
    });
    ids
}

#[test]
fn streams_our_sink_adds_and_removes_come_and_go_while_one_plays_on() {
    let sources = [video(SMALL), audio(), video(SMALL), video(SMALL), audio()];
    let (producer, receiver, _) = joined(&sources);
    receiver.wait_buffers("video_0", 10);
    let ids = picture_ids(&receiver.src.static_pad("video_0").expect("it has come"));
    for round in 0..20 {
        // Each gets an m-line of its own, and pads are numbered in their order.
        let (source, name) = match round % 2 {
            0 => (video(SMALL), format!("video_{}", 3 + round / 2)),
            _ => (audio(), format!("audio_{}", 2 + round / 2)),
        };
        let pad = add_source(&producer.pipeline, &producer.sink, &source);
        receiver.wait_buffers(&name, 5);
        remove_source(&producer, &pad);
        wait_until("the pad goes", || receiver.src.static_pad(&name).is_none());
    }
    receiver.wait_buffers("video_0", 30);
    let ids = ids.lock().unwrap().clone();
    let follows = |pair: &[u16]| pair[1] == pair[0] || pair[1] == 0x8000 | pair[0].wrapping_add(1);
    assert!(ids.windows(2).all(follows), "a picture is missing: {ids:x?}");
    for name in ["video_0", "video_1", "video_2", "audio_0", "audio_1"] {
        let stream = receiver.stream(name).expect("it was there from the beginning");
        assert_eq!(stream.ends.load(Ordering::SeqCst), 0, "{name}");
    }
    producer.assert_no_errors();
    assert!(receiver.errors().is_empty(), "{:?}", receiver.errors());
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
