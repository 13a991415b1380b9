// SPDX-License-Identifier: MPL-2.0
//! Input that changes while consumers watch: they follow without a new description.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

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

#[test]
fn ten_changes_of_size_reach_three_consumers() {
    let producer = Producer::prepare(&[], |_| ());
    let source = "videotestsrc is-live=true ! capsfilter name=size ! sink.";
    let pad = add_source(&producer.pipeline, &producer.sink, source);
    let bin = pad
        .peer()
        .unwrap()
        .parent_element()
        .unwrap()
        .downcast::<gst::Bin>()
        .unwrap();
    let filter = bin.by_name("size").unwrap();
    filter.set_property("caps", caps(SIZES[0]));
    producer.play();
    let options = Options {
        decode: true,
        ..Options::default()
    };
    let consumers: Vec<_> = (0..3)
        .map(|n| Consumer::join_with(&producer.signaller, &n.to_string(), options))
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
