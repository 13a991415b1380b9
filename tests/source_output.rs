// SPDX-License-Identifier: MPL-2.0
//! What a source gives out: raw, encoded or RTP as downstream asks, several streams, none in another's way.

mod common;

use common::producer::{H264, OPUS, Producer, VP8};
use common::receiver::Receiver;
use common::{init, wait_until};
use gst::prelude::*;

#[test]
fn raw_pictures_and_sound_come_out_for_who_asks_for_them() {
    init();
    let receiver = Receiver::new(|name| {
        Some(if name.starts_with("video") {
            "videoconvert"
        } else {
            "audioconvert"
        })
    });
    let producer = Producer::new(&receiver.signaller, "raw", &[VP8, OPUS]);
    producer.offer();
    receiver.wait_buffers("video_0", 30);
    receiver.wait_buffers("audio_0", 30);
    assert_eq!(receiver.caps_name("video_0"), "video/x-raw");
    assert_eq!(receiver.caps_name("audio_0"), "audio/x-raw");
    assert!(receiver.errors().is_empty(), "{:?}", receiver.errors());
}

#[test]
fn packets_come_out_for_who_takes_anything() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    let producer = Producer::new(&receiver.signaller, "rtp", &[VP8, OPUS]);
    producer.offer();
    receiver.wait_buffers("video_0", 30);
    receiver.wait_buffers("audio_0", 30);
    assert_eq!(receiver.caps_name("video_0"), "application/x-rtp");
}

#[test]
fn frames_come_out_encoded_and_whole() {
    init();
    let receiver =
        Receiver::new(|_| Some("capsfilter caps=video/x-h264,stream-format=byte-stream,alignment=au"));
    let producer = Producer::new(&receiver.signaller, "encoded", &[H264]);
    producer.offer();
    receiver.wait_buffers("video_0", 60);
    let stream = receiver.stream("video_0").expect("the pad is there");
    let caps = stream.caps.lock().unwrap().clone().expect("caps have come");
    let structure = caps.structure(0).expect("one structure");
    assert_eq!(structure.name(), "video/x-h264");
    assert_eq!(structure.get::<&str>("alignment"), Ok("au"));
}

#[test]
fn an_unlinked_pad_disturbs_nobody_and_may_be_linked_later() {
    init();
    let receiver = Receiver::new(|name| name.starts_with("audio").then_some("audioconvert"));
    let producer = Producer::new(&receiver.signaller, "unlinked", &[VP8, OPUS]);
    producer.offer();
    receiver.wait_buffers("audio_0", 50);
    assert_eq!(receiver.buffers("video_0"), 0);
    let pad = receiver.src.static_pad("video_0").expect("the pad is there");
    common::receiver::attach(&receiver.pipeline, &pad, "videoconvert");
    receiver.wait_buffers("video_0", 10);
    assert_eq!(receiver.caps_name("video_0"), "video/x-raw");
}

#[test]
fn a_pad_that_is_refused_disturbs_nobody() {
    init();
    // An element that fails at the first buffer, and one that takes no caps that come.
    for line in [
        "identity error-after=1",
        "capsfilter caps=application/x-rtp,encoding-name=NOTHING",
    ] {
        let behind: common::receiver::Behind = match line.starts_with("identity") {
            true => |name| {
                Some(if name.starts_with("video") {
                    "identity error-after=1"
                } else {
                    "audioconvert"
                })
            },
            false => |name| name.starts_with("audio").then_some("audioconvert"),
        };
        let receiver = Receiver::new(behind);
        let producer = Producer::new(&receiver.signaller, "refused", &[VP8, OPUS]);
        producer.offer();
        receiver.wait_buffers("audio_0", 100);
    }
}

#[test]
fn several_streams_of_a_kind_keep_their_order_names_and_ids() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    let producer = Producer::new(&receiver.signaller, "several", &[VP8, OPUS, VP8, VP8, OPUS]);
    producer.offer();
    let names = ["video_0", "video_1", "video_2", "audio_0", "audio_1"];
    for name in names {
        receiver.wait_buffers(name, 10);
    }
    let added = receiver.seen.pads_added.lock().unwrap().clone();
    assert_eq!(added, ["video_0", "audio_0", "video_1", "video_2", "audio_1"]);
    let mut ids: Vec<String> = names
        .iter()
        .map(|name| receiver.stream(name).unwrap().stream_id.lock().unwrap().clone())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), names.len(), "stream ids are unique");
    wait_until("no-more-pads is told", || {
        receiver
            .seen
            .no_more_pads
            .load(std::sync::atomic::Ordering::SeqCst)
            == 1
    });
    let pad = receiver.src.static_pad("video_1").expect("the pad is there");
    assert!(pad.property::<Option<String>>("mid").is_some());
}
