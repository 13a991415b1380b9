// SPDX-License-Identifier: MPL-2.0
//! Each codec reaches a consumer that insists on it, protected alike, whichever comes first in the offer.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::str::FromStr;
use std::sync::atomic::Ordering;

use common::consumer::{Consumer, Options};
use common::pipelines::{Producer, SMALL, video};
use common::wait_until;
use gst::prelude::*;

fn producer(caps: &str) -> Producer {
    common::init();
    let caps = gst::Caps::from_str(caps).unwrap();
    Producer::start(&[video(SMALL)], |sink| sink.set_property("video-caps", caps))
}

fn decodes(video_caps: &str, codec: &'static str) {
    let producer = producer(video_caps);
    let options = Options {
        decode: true,
        video_codec: Some(codec),
        ..Options::default()
    };
    let consumer = Consumer::join_with(&producer.signaller, codec, options);
    wait_until(&format!("{codec} is decoded"), || {
        consumer
            .stream(0)
            .is_some_and(|stream| stream.decoded.load(Ordering::SeqCst) >= 15)
    });
    assert_eq!(*consumer.stream(0).unwrap().encoding.lock().unwrap(), codec);
    producer.assert_no_errors();
}

#[test]
fn h264_alone_and_behind_another() {
    decodes("video/x-h264", "H264");
    decodes("video/x-vp8; video/x-h264", "H264");
}

#[test]
fn vp9_alone_and_behind_another() {
    decodes("video/x-vp9", "VP9");
    decodes("video/x-vp8; video/x-vp9", "VP9");
}

/// A consumer that loses packets sees fewer gaps than that, because they are sent again. How many come in time is up to
/// the receiver, which may ask early only now and then (RFC 4585, section 3.5.2).
fn retransmits(video_caps: &str, codec: &'static str) {
    let producer = producer(video_caps);
    let options = Options {
        video_codec: Some(codec),
        loses_every: Some(40),
        ..Options::default()
    };
    let consumer = Consumer::join_with(&producer.signaller, codec, options);
    wait_until("gaps are filled", || {
        let missing = consumer
            .stream(0)
            .map_or(0, |stream| stream.missing.load(Ordering::SeqCst));
        consumer.seen.lost.load(Ordering::SeqCst) >= missing + 4
    });
}

#[test]
fn the_first_codec_is_retransmitted() {
    retransmits("video/x-vp8; video/x-h264", "VP8");
}

#[test]
fn a_codec_behind_the_first_is_retransmitted_too() {
    retransmits("video/x-vp8; video/x-h264", "H264");
}

#[test]
fn encoded_input_passes_through_without_an_encoder() {
    let source =
        format!("videotestsrc is-live=true ! {SMALL} ! vp8enc deadline=1 keyframe-max-dist=30 ! sink.");
    let producer = Producer::start(&[source], |_| ());
    let consumer = Consumer::join_with(
        &producer.signaller,
        "one",
        Options {
            decode: true,
            ..Options::default()
        },
    );
    wait_until("it is decoded", || {
        consumer
            .stream(0)
            .is_some_and(|stream| stream.decoded.load(Ordering::SeqCst) >= 15)
    });
    let stats = producer
        .sink
        .property::<gst::Structure>("stats")
        .get::<gst::Structure>("one")
        .unwrap();
    let consumer_stats = stats.get::<gst::Structure>("consumer-stats").unwrap();
    assert_eq!(
        consumer_stats.get::<gst::Array>("video-encoders").unwrap().len(),
        0
    );
}

#[test]
fn a_codec_that_cannot_be_sent_is_an_error_that_names_what_is_missing() {
    common::init();
    if gst::ElementFactory::find("rtpav1pay").is_some() {
        return eprintln!("NOT RUN: rtpav1pay is installed");
    }
    let producer = producer("video/x-av1");
    let errors = || producer.errors.lock().unwrap().clone();
    wait_until("the bus hears of it", || !errors().is_empty());
    assert!(
        errors()[0].contains("rtpav1pay") && errors()[0].contains("gst-plugins-rs"),
        "{:?}",
        errors()
    );
}
