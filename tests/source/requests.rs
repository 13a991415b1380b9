// SPDX-License-Identifier: MPL-2.0
//! Pads that the application requests: which streams they get, from one session to the next, and how they are given back.

use std::sync::atomic::Ordering;
use std::sync::mpsc;

use gst::prelude::*;

use crate::common::producer::{OPUS, Producer, VP8};
use crate::common::receiver::{Receiver, attach};
use crate::common::{DEADLINE, init, wait_until};

/// A receiver with these pads, each by its template, its name and what stands behind it.
fn with_pads(pads: &[(&str, &str, &str)], configure: impl FnOnce(&gst::Element)) -> Receiver {
    init();
    let receiver = Receiver::configured(
        |_| None,
        |src| {
            for (template, ..) in pads {
                src.request_pad_simple(template).expect("the template exists");
            }
            configure(src);
        },
    );
    for (_, name, line) in pads {
        let pad = receiver.src.static_pad(name).expect("it was requested");
        receiver.count(&pad);
        attach(&receiver.pipeline, &pad, line);
    }
    receiver
}

const VIDEO: (&str, &str, &str) = ("req_video_%u", "req_video_0", "videoconvert");
const AUDIO: (&str, &str, &str) = ("req_audio_%u", "req_audio_0", "audioconvert");

/// What arrives at the end of the line behind `pad`.
fn arrivals(receiver: &Receiver) -> mpsc::Receiver<()> {
    let (sender, arrivals) = mpsc::channel();
    let bin = receiver.pipeline.upcast_ref::<gst::Bin>();
    let sinks = bin.iterate_recurse().into_iter().flatten();
    let sink = sinks
        .into_iter()
        .find(|element| {
            element
                .factory()
                .is_some_and(|factory| factory.name() == "fakesink")
        })
        .expect("every line ends in one");
    let pad = sink.static_pad("sink").expect("a sink has one");
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        // The test may be over.
        let _ = sender.send(());
        gst::PadProbeReturn::Ok
    });
    arrivals
}

fn serve_one_after_the_other(on_session_end: &'static str) {
    let receiver = with_pads(&[VIDEO], |src| {
        src.set_property_from_str("on-session-end", on_session_end);
    });
    let arrivals = arrivals(&receiver);
    for round in 0..3u64 {
        let producer = Producer::new(&receiver.signaller, &format!("round{round}"), &[VP8]);
        producer.offer();
        for _ in 0..10 {
            arrivals.recv_timeout(DEADLINE).expect("pictures arrive");
        }
        producer.leave();
        if on_session_end == "eos" {
            wait_until("the stream ends", || {
                receiver
                    .stream("req_video_0")
                    .unwrap()
                    .ends
                    .load(Ordering::SeqCst)
                    == round + 1
            });
        }
        wait_until("the session has left the element", || {
            !receiver
                .src
                .property::<gst::Structure>("stats")
                .has_field("session-id")
        });
        while arrivals.try_recv().is_ok() {}
    }
    assert!(receiver.errors().is_empty(), "{:?}", receiver.errors());
}

#[test]
fn they_serve_the_next_producer_after_end_of_stream() {
    serve_one_after_the_other("eos");
}

#[test]
fn they_serve_the_next_producer_where_other_pads_are_removed() {
    serve_one_after_the_other("remove-pads");
}

#[test]
fn one_is_given_back_while_what_is_behind_it_stalls() {
    let receiver = with_pads(&[VIDEO, AUDIO], |_| ());
    let producer = Producer::new(&receiver.signaller, "released", &[VP8, OPUS]);
    let pad = receiver.src.static_pad("req_video_0").expect("it was requested");
    let peer = pad.peer().expect("it is linked");
    peer.add_probe(gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER, |_, _| {
        gst::PadProbeReturn::Ok
    })
    .expect("a blocking probe has an id");
    producer.offer();
    receiver.wait_buffers("req_video_0", 1);
    let (sender, released) = mpsc::channel();
    let src = receiver.src.clone();
    std::thread::spawn(move || {
        src.release_request_pad(&pad);
        // The test may have given up.
        let _ = sender.send(());
    });
    released.recv_timeout(DEADLINE).expect("the pad is given back");
    assert_eq!(receiver.src.num_src_pads(), 1);
    receiver.wait_buffers("req_audio_0", 50);
    // A description that comes now refuses what nobody wants any more.
    producer.offer();
    wait_until("the video is refused", || {
        producer.answer().is_some_and(|text| text.contains("m=video 0 "))
    });
    receiver.wait_buffers("req_audio_0", 50);
    producer.leave();
    receiver.wait_end("req_audio_0");
    assert!(receiver.errors().is_empty(), "{:?}", receiver.errors());
}

#[test]
fn what_no_pad_was_requested_for_is_refused_and_the_rest_plays() {
    let receiver = with_pads(&[VIDEO], |_| ());
    let producer = Producer::new(&receiver.signaller, "refused", &[VP8, OPUS]);
    producer.offer();
    receiver.wait_buffers("req_video_0", 10);
    assert!(producer.answer().expect("an answer").contains("m=audio 0 "));
    assert!(receiver.errors().is_empty(), "{:?}", receiver.errors());
}
