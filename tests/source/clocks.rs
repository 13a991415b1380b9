// SPDX-License-Identifier: MPL-2.0
//! Clocks of the producer (RFC 7273) and its capture times, for receivers that play together.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstrswebrtc::signaller::{Signallable, signals};

use crate::common::producer::{Producer, VP8};
use crate::common::receiver::Receiver;
use crate::common::{init, wait_until};

/// A receiver whose rtpbin is told to add capture times, and its jitterbuffers.
fn with_times() -> (Receiver, Arc<Mutex<Vec<gst::Element>>>) {
    init();
    let jitterbuffers = Arc::new(Mutex::new(Vec::new()));
    let list = jitterbuffers.clone();
    let receiver = Receiver::configured(
        |_| Some("queue"),
        |src| {
            let signaller = src.property::<Signallable>("signaller");
            signals::connect_webrtcbin_ready(&signaller, move |_, _, webrtcbin| {
                let rtpbin = webrtcbin
                    .downcast_ref::<gst::Bin>()
                    .and_then(|bin| bin.by_name("rtpbin"))
                    .expect("webrtcbin has one");
                rtpbin.set_property("add-reference-timestamp-meta", true);
                let list = list.clone();
                rtpbin.connect("new-jitterbuffer", false, move |values| {
                    list.lock().unwrap().push(values[1].get().expect("an element"));
                    None
                });
            });
        },
    );
    (receiver, jitterbuffers)
}

#[test]
fn sender_reports_become_reference_timestamps() {
    let (receiver, _) = with_times();
    let producer = Producer::new(&receiver.signaller, "times", &[VP8]);
    // What comes inside of RED is made anew by rtpreddec, which keeps no metadata.
    producer.offer_altered(|text| {
        text.replace(" red/90000", " x-red/90000")
            .replace(" ulpfec/90000", " x-fec/90000")
    });
    wait_until("a packet carries its capture time", || {
        let stream = receiver.stream("video_0");
        stream.is_some_and(|stream| {
            let last = stream.last.lock().unwrap();
            last.as_ref()
                .and_then(|sample| sample.buffer())
                .is_some_and(|buffer| buffer.meta::<gst::ReferenceTimestampMeta>().is_some())
        })
    });
}

#[test]
fn jitterbuffers_hear_of_the_producers_clock() {
    let (receiver, jitterbuffers) = with_times();
    let producer = Producer::new(&receiver.signaller, "clock", &[VP8]);
    producer
        .offer_altered(|text| text.replace("a=mid:", "a=ts-refclk:local\r\na=mediaclk:direct=7\r\na=mid:"));
    receiver.wait_buffers("video_0", 30);
    let jitterbuffer = jitterbuffers
        .lock()
        .unwrap()
        .first()
        .cloned()
        .expect("one stream");
    let caps = jitterbuffer.emit_by_name::<Option<gst::Caps>>("request-pt-map", &[&96u32]);
    let caps = caps.expect("the payload type is known");
    let structure = caps.structure(0).expect("one structure");
    assert_eq!(structure.get::<&str>("a-ts-refclk"), Ok("local"), "{caps}");
    assert_eq!(structure.get::<&str>("a-mediaclk"), Ok("direct=7"), "{caps}");
    assert_eq!(structure.get::<i32>("clock-rate"), Ok(90_000), "{caps}");
}
