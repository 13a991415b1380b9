// SPDX-License-Identifier: MPL-2.0
//! Input that changes while consumers watch: they follow without a new description.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::str::FromStr;
use std::sync::atomic::Ordering;

use common::consumer::{Consumer, Options};
use common::pipelines::{Producer, add_source};
use common::wait_until;
use gst::prelude::*;

const SIZES: [(i32, i32); 2] = [(320, 240), (160, 120)];

fn caps((width, height): (i32, i32)) -> gst::Caps {
    gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", width)
        .field("height", height)
        .field("framerate", gst::Fraction::new(15, 1))
        .build()
}

/// A producer whose picture goes through a filter that a test can set.
fn producer() -> (Producer, gst::Element) {
    let producer = Producer::prepare(&[], |_| ());
    let source = "videotestsrc is-live=true ! videoconvert ! capsfilter name=size ! sink.";
    let pad = add_source(&producer.pipeline, &producer.sink, source);
    let source = pad.peer().unwrap().parent_element().unwrap();
    let filter = source.downcast::<gst::Bin>().unwrap().by_name("size").unwrap();
    filter.set_property("caps", caps(SIZES[0]));
    producer.play();
    (producer, filter)
}

#[test]
fn frame_rate_and_colours_may_change_while_consumers_watch() {
    let (producer, filter) = producer();
    let consumer = Consumer::join_with(&producer.signaller, "one", Options::DECODING);
    consumer.wait_frames(0, 10);
    for change in [
        "framerate=30/1",
        "framerate=5/1",
        "framerate=25/1,colorimetry=bt709",
        "framerate=25/1,colorimetry=bt601,chroma-site=mpeg2",
        "framerate=25/1,pixel-aspect-ratio=2/1",
        "framerate=15/1,colorimetry=1:4:0:0",
    ] {
        let caps = format!("video/x-raw,format=I420,width=320,height=240,{change}");
        filter.set_property("caps", gst::Caps::from_str(&caps).unwrap());
        let decoded = || consumer.stream(0).unwrap().decoded.load(Ordering::SeqCst);
        let before = decoded();
        wait_until(&format!("decoding goes on with {change}"), || {
            decoded() > before + 10
        });
    }
    assert_eq!(consumer.stream(0).unwrap().missing.load(Ordering::SeqCst), 0);
    assert_eq!(
        consumer.seen.descriptions.lock().unwrap().len(),
        1,
        "nothing is negotiated"
    );
    producer.assert_no_errors();
}

#[test]
fn ten_changes_of_size_reach_three_consumers() {
    let (producer, filter) = producer();
    let consumers: Vec<_> = (0..3)
        .map(|n| Consumer::join_with(&producer.signaller, &n.to_string(), Options::DECODING))
        .collect();
    for change in 0..=10 {
        let size = SIZES[change % 2];
        filter.set_property("caps", caps(size));
        for consumer in &consumers {
            wait_until(&format!("{} sees size {change}", consumer.id), || {
                consumer
                    .stream(0)
                    .is_some_and(|stream| *stream.size.lock().unwrap() == size)
            });
        }
    }
    for consumer in &consumers {
        let before = consumer.stream(0).unwrap().decoded.load(Ordering::SeqCst);
        wait_until("decoding goes on", || {
            consumer.stream(0).unwrap().decoded.load(Ordering::SeqCst) > before + 5
        });
        assert_eq!(consumer.seen.descriptions.lock().unwrap().len(), 1);
    }
    producer.assert_no_errors();
}
