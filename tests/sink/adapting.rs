// SPDX-License-Identifier: MPL-2.0
//! Applications decide how bitrates are spread and pictures degraded; their handlers may ask the element anything.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstrswebrtc::webrtcsink::WebRTCSinkMitigationMode;

use super::common::consumer::{Consumer, Options};
use super::common::pipelines::{Producer, SMALL, video};
use super::common::wait_until;

fn vga() -> String {
    video("video/x-raw,format=I420,width=640,height=480,framerate=20/1")
}

fn size(consumer: &Consumer) -> Option<(i32, i32)> {
    Some(*consumer.stream(0)?.size.lock().unwrap())
}

/// What `stats` tells of a session's encoders: name of the pad, bitrate, ways in which the picture is degraded.
fn encoders(producer: &Producer, session: &str) -> Vec<(String, i32, WebRTCSinkMitigationMode)> {
    let stats = producer.sink.property::<gst::Structure>("stats");
    let Ok(session) = stats.get::<gst::Structure>(session) else {
        return Vec::new();
    };
    let consumer = session.get::<gst::Structure>("consumer-stats").unwrap();
    let encoders = consumer.get::<gst::Array>("video-encoders").unwrap();
    let mut encoders: Vec<(String, i32, WebRTCSinkMitigationMode)> = encoders
        .iter()
        .map(|encoder| {
            let encoder = encoder.get::<gst::Structure>().unwrap();
            (
                encoder.get("pad").unwrap(),
                encoder.get("bitrate").unwrap(),
                encoder.get("mitigation-mode").unwrap(),
            )
        })
        .collect();
    encoders.sort_by(|a, b| a.0.cmp(&b.0));
    encoders
}

/// What a handler must be able to do without stopping everything.
fn read_everything(sink: &gst::Element) {
    for property in sink.list_properties() {
        sink.property_value(property.name());
    }
    sink.emit_by_name::<Vec<String>>("get-sessions", &[]);
}

#[test]
fn an_application_spreads_the_bitrate_over_streams() {
    let producer = Producer::prepare(&[video(SMALL), video(SMALL)], |_| ());
    let overall = Arc::new(Mutex::new(0));
    let seen = overall.clone();
    producer
        .sink
        .connect("define-encoder-bitrates", false, move |values| {
            read_everything(&values[0].get::<gst::Element>().unwrap());
            assert_eq!(values[1].get::<&str>(), Ok("peer-one"));
            let all = values[2].get::<i32>().unwrap();
            let defaults = values[3].get::<gst::Structure>().unwrap();
            assert_eq!(defaults.name(), "webrtcsink/encoder-bitrates");
            assert_eq!(defaults.get::<i32>("video_1"), Ok(all / 2));
            *seen.lock().unwrap() = all;
            let chosen = gst::Structure::builder("webrtcsink/encoder-bitrates")
                .field("video_0", all / 4 * 3)
                .field("video_1", all / 4)
                .build();
            Some(chosen.to_value())
        });
    producer.play();
    let consumer = Consumer::join_with(&producer.signaller, "one", Options::DECODING);
    consumer.wait_frames(0, 10);
    wait_until("three quarters and one", || {
        let encoders = encoders(&producer, "one");
        let [(first, large, _), (second, small, _)] = &encoders[..] else {
            return false;
        };
        assert_eq!([first.as_str(), second.as_str()], ["video_0", "video_1"]);
        *overall.lock().unwrap() > 0 && (f64::from(*large) / f64::from(*small) - 3.0).abs() < 0.1
    });
    producer.assert_no_errors();
}

#[test]
fn low_bitrates_make_pictures_smaller_and_slower_unless_that_is_forbidden() {
    let start = |modes: WebRTCSinkMitigationMode| {
        Producer::start(&[vga()], |sink| {
            sink.set_property("max-bitrate", 400_000u32);
            sink.set_property("enable-mitigation-modes", modes);
        })
    };
    let producer = start(WebRTCSinkMitigationMode::all());
    let consumer = Consumer::join_with(&producer.signaller, "one", Options::DECODING);
    wait_until("a smaller picture", || size(&consumer) == Some((480, 360)));
    wait_until("the statistics say so", || {
        encoders(&producer, "one").first().is_some_and(|it| {
            it.2 == WebRTCSinkMitigationMode::DOWNSCALED | WebRTCSinkMitigationMode::DOWNSAMPLED
        })
    });
    drop((consumer, producer));

    let producer = start(WebRTCSinkMitigationMode::NONE);
    let consumer = Consumer::join_with(&producer.signaller, "one", Options::DECODING);
    wait_until("a picture", || size(&consumer).is_some_and(|size| size != (0, 0)));
    consumer.wait_frames(0, 20);
    assert_eq!(size(&consumer), Some((640, 480)));
    assert!(encoders(&producer, "one").iter().all(|it| it.2.is_empty()));
    // It may be allowed while consumers watch.
    producer
        .sink
        .set_property("enable-mitigation-modes", WebRTCSinkMitigationMode::DOWNSCALED);
    wait_until("a smaller picture", || size(&consumer) == Some((480, 360)));
    assert!(
        encoders(&producer, "one")
            .iter()
            .all(|it| it.2 == WebRTCSinkMitigationMode::DOWNSCALED)
    );
}

#[test]
fn an_application_chooses_how_pictures_are_degraded() {
    let producer = Producer::prepare(&[vga()], |_| ());
    // Kept by the application, as bindings of other languages do.
    let kept = gst::Caps::builder("video/x-raw")
        .field("width", 160)
        .field("height", 120)
        .build();
    let given = kept.clone();
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = calls.clone();
    producer
        .sink
        .connect("configure-mitigation-caps", false, move |values| {
            read_everything(&values[0].get::<gst::Element>().unwrap());
            let input = values[2].get::<gst_video::VideoInfo>().unwrap();
            seen.lock().unwrap().push((
                values[1].get::<String>().unwrap(),
                (input.width(), input.height()),
                values[3].get::<i32>().unwrap(),
                values[4].get::<WebRTCSinkMitigationMode>().unwrap(),
            ));
            Some(given.to_value())
        });
    producer.play();
    let consumer = Consumer::join_with(&producer.signaller, "one", Options::DECODING);
    wait_until("the chosen size", || size(&consumer) == Some((160, 120)));
    let (pad, input, bitrate, modes) = calls.lock().unwrap()[0].clone();
    assert_eq!((pad.as_str(), input), ("video_0", (640, 480)));
    assert!(bitrate > 0);
    assert_eq!(modes, WebRTCSinkMitigationMode::all());
    producer.assert_no_errors();
}

/// What `speed`, an encoder's `cpu-used`, is after a handler set it to 3 and returned `answer`.
fn speed_after(answer: bool, after: bool) -> i32 {
    let producer = Producer::prepare(&[video(SMALL)], |_| ());
    let encoder = Arc::new(Mutex::new(None));
    let kept = encoder.clone();
    producer.sink.connect("encoder-setup", after, move |values| {
        let element = values[3].get::<gst::Element>().unwrap();
        element.set_property("cpu-used", 3);
        if values[1].get::<&str>() != Ok("discovery") {
            assert_eq!(values[1].get::<&str>(), Ok("peer-one"));
            assert_eq!(values[2].get::<&str>(), Ok("video_0"));
            *kept.lock().unwrap() = Some(element);
        }
        Some(answer.to_value())
    });
    producer.play();
    let consumer = Consumer::join(&producer.signaller, "one");
    consumer.wait_frames(0, 2);
    let encoder = encoder.lock().unwrap().clone().unwrap();
    encoder.property("cpu-used")
}

#[test]
fn handlers_of_encoders_replace_precede_or_follow_the_defaults() {
    assert_eq!(speed_after(true, false), 3, "the defaults stay away");
    assert_eq!(speed_after(false, false), -16, "the defaults come after");
    assert_eq!(
        speed_after(false, true),
        3,
        "the handler comes after the defaults"
    );
}
