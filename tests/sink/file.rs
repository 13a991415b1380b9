// SPDX-License-Identifier: MPL-2.0
//! `uridecodebin` of a real file into `webrtcsink`, to its end.

use std::sync::atomic::Ordering;

use gst::prelude::*;

use super::common::consumer::{Consumer, Options};
use super::common::loopback::Loopback;
use super::common::wait_until;
use super::media::File;

/// As in the README, and as applications write it, which leave conversion to the sink.
const LINES: [&str; 2] = [
    "media. ! queue ! videoconvert ! ws. media. ! queue ! audioconvert ! ws.",
    "media. ! video/x-raw ! queue ! ws.video_0 media. ! audio/x-raw ! queue ! ws.audio_0",
];

fn play(file: &File, line: &str) -> (gst::Pipeline, Loopback) {
    let line = format!("webrtcsink name=ws stun-server=\"\" uridecodebin name=media {line}");
    let pipeline = gst::parse::launch(&line)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    pipeline.by_name("media").unwrap().set_property("uri", file.uri());
    let signaller = Loopback::default();
    pipeline
        .by_name("ws")
        .unwrap()
        .set_property("signaller", &signaller);
    pipeline.set_state(gst::State::Playing).unwrap();
    wait_until("the signaller is started", || signaller.is_started());
    (pipeline, signaller)
}

/// Waits for the end of the stream on the bus, which is no error.
fn wait_eos(pipeline: &gst::Pipeline) {
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(gst::ClockTime::from_seconds(120), &ends);
    let view = message.as_ref().map(|message| message.view());
    assert!(matches!(view, Some(gst::MessageView::Eos(_))), "{message:?}");
}

#[test]
fn a_file_plays_to_a_consumer_until_its_end() {
    let file = File::make("sink file & more", 10);
    for line in LINES {
        let (pipeline, signaller) = play(&file, line);
        let options = Options {
            decode: true,
            ..Options::default()
        };
        let consumer = Consumer::join_with(&signaller, "viewer", options);
        for index in [0, 1] {
            wait_until("both streams are decoded", || {
                let stream = consumer.stream(index);
                stream.is_some_and(|stream| stream.decoded.load(Ordering::SeqCst) >= 15)
            });
        }
        wait_eos(&pipeline);
        assert_eq!(
            consumer.wait_end(),
            None,
            "the end of the stream is no error: {line}"
        );
        pipeline.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn a_file_that_nobody_watches_comes_to_its_end_too() {
    let file = File::make("unwatched", 1);
    let (pipeline, _signaller) = play(&file, LINES[1]);
    wait_eos(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
}
