// SPDX-License-Identifier: MPL-2.0
//! What the source asks its producer to send again.

use gst::prelude::*;

use super::common::init;
use super::common::producer::{OPUS, Producer, VP8};
use super::common::receiver::Receiver;

#[test]
fn nothing_is_asked_for_where_nothing_is_lost() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    let producer = Producer::new(&receiver.signaller, "whole", &[VP8, OPUS]);
    producer.offer();
    receiver.wait_buffers("video_0", 60);
    receiver.wait_buffers("audio_0", 60);
    let asked = jitterbuffers(&receiver.src).map(|buffer| {
        let stats = buffer.property::<gst::Structure>("stats");
        assert_eq!(stats.get::<u64>("num-lost"), Ok(0), "{stats}");
        stats
            .get::<u64>("rtx-count")
            .expect("a jitterbuffer counts requests")
    });
    assert_eq!(asked.collect::<Vec<_>>(), [0, 0]);
}

fn jitterbuffers(src: &gst::Element) -> impl Iterator<Item = gst::Element> {
    let bin = src.downcast_ref::<gst::Bin>().expect("a source is a bin");
    let elements = bin.iterate_recurse().into_iter().filter_map(Result::ok);
    elements.filter(|element| {
        element
            .factory()
            .is_some_and(|factory| factory.name() == "rtpjitterbuffer")
    })
}
