// SPDX-License-Identifier: MPL-2.0
//! Input that is encoded already reaches consumers as it is: in every format that encoders and files put out, without
//! an encoder of the sink's. Raw payloads reach them without one, too.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gst::prelude::*;

use super::common::consumer::{Consumer, Options};
use super::common::pipelines::{Producer, SMALL, add_source, video};
use super::common::{init, wait_until};

const H264: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15";
const H265: &str = "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=15";

fn all_codecs(sink: &gstrswebrtc::webrtcsink::BaseWebRTCSink) {
    let caps = "video/x-vp8; video/x-h264; video/x-vp9; video/x-h265; video/x-av1";
    sink.set_property("video-caps", gst::Caps::from_str(caps).unwrap());
}

/// A consumer decodes what `source` gives, and the sink encodes nothing.
fn passes(source: &str, encoding: &str) {
    let producer = Producer::prepare(&[source.to_owned()], all_codecs);
    producer.sink.connect("encoder-setup", false, |values| {
        panic!("nothing is to be encoded: {values:?}");
    });
    producer.play();
    let options = Options {
        decode: true,
        ..Options::default()
    };
    let consumer = Consumer::join_with(&producer.signaller, encoding, options);
    wait_until(&format!("{encoding} of {source} is decoded"), || {
        consumer
            .stream(0)
            .is_some_and(|stream| stream.decoded.load(Ordering::SeqCst) >= 15)
    });
    assert_eq!(
        *consumer.stream(0).unwrap().encoding.lock().unwrap(),
        encoding,
        "{source}"
    );
    producer.assert_no_errors();
}

fn encoded(encoder: &str) -> String {
    format!("videotestsrc is-live=true ! {SMALL} ! {encoder} ! sink.")
}

#[test]
fn vp8_and_vp9_pass() {
    passes(
        &encoded("vp8enc deadline=1 cpu-used=8 keyframe-max-dist=15"),
        "VP8",
    );
    passes(
        &encoded("vp9enc deadline=1 cpu-used=8 keyframe-max-dist=15"),
        "VP9",
    );
}

#[test]
fn h264_passes_in_every_framing_and_profile() {
    for caps in [
        "stream-format=byte-stream,alignment=au,profile=constrained-baseline",
        "stream-format=byte-stream,alignment=nal,profile=main",
        "stream-format=avc,alignment=au,profile=high",
    ] {
        passes(
            &encoded(&format!("{H264} ! h264parse ! video/x-h264,{caps}")),
            "H264",
        );
    }
}

#[test]
fn h265_passes_in_every_framing() {
    if gst::init().is_ok() && gst::ElementFactory::find("x265enc").is_none() {
        return eprintln!("NOT RUN: x265enc is not installed");
    }
    for caps in [
        "stream-format=byte-stream,alignment=au",
        "stream-format=hvc1,alignment=au",
    ] {
        passes(
            &encoded(&format!("{H265} ! h265parse ! video/x-h265,{caps}")),
            "H265",
        );
    }
}

#[test]
fn consumers_that_come_late_get_parameter_sets_that_came_once() {
    if gst::init().is_ok() && gst::ElementFactory::find("x265enc").is_none() {
        return eprintln!("NOT RUN: x265enc is not installed");
    }
    let source = encoded(&format!("{H265} ! h265parse ! video/x-h265,alignment=au"));
    let producer = Producer::prepare(&[source], all_codecs);
    let keys = Arc::new(AtomicU32::new(0));
    let counted = keys.clone();
    let pad = producer.sink.static_pad("video_0").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let is_delta = |buffer: &gst::Buffer| buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        if info.buffer().is_some_and(|buffer| !is_delta(buffer)) {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        gst::PadProbeReturn::Ok
    });
    producer.play();
    for consumer in 1..=2 {
        let before = keys.load(Ordering::SeqCst);
        wait_until("a key frame without them", || {
            keys.load(Ordering::SeqCst) > before + 1
        });
        let consumer = Consumer::join_with(&producer.signaller, &consumer.to_string(), Options::DECODING);
        wait_until("pictures", || {
            consumer
                .stream(0)
                .is_some_and(|stream| stream.decoded.load(Ordering::SeqCst) >= 15)
        });
        consumer.leave();
        wait_until("nobody is there", || producer.sessions().is_empty());
    }
    producer.assert_no_errors();
}

#[test]
fn opus_passes() {
    let source = "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! opusenc ! sink.";
    passes(source, "OPUS");
}

#[test]
fn av1_without_its_payloader_is_an_error_that_names_it() {
    init();
    if gst::ElementFactory::find("rtpav1pay").is_some() {
        return eprintln!("NOT RUN: rtpav1pay is installed");
    }
    let source = encoded("av1enc cpu-used=8 usage-profile=realtime ! av1parse");
    let producer = Producer::start(&[source], all_codecs);
    let errors = || producer.errors.lock().unwrap().clone();
    wait_until("the bus hears of it", || !errors().is_empty());
    assert!(errors()[0].contains("rtpav1pay"), "{:?}", errors());
}

/// Raw input leaves as it is when that is asked for, as for receivers on the same network.
fn passes_raw(source: &str, property: &str, caps: &str, encoding: &'static str) {
    let producer = Producer::start(&[source.to_owned()], |sink| {
        sink.set_property(property, gst::Caps::from_str(caps).unwrap());
        // An estimate begins far below what uncompressed media takes.
        sink.set_property_from_str("congestion-control", "disabled");
    });
    let options = Options {
        decode: true,
        ..Options::default()
    };
    let consumer = Consumer::join_with(&producer.signaller, encoding, options);
    wait_until(&format!("{encoding} arrives"), || {
        consumer
            .stream(0)
            .is_some_and(|stream| stream.decoded.load(Ordering::SeqCst) >= 20)
    });
    assert_eq!(*consumer.stream(0).unwrap().encoding.lock().unwrap(), encoding);
    producer.assert_no_errors();
}

#[test]
fn raw_audio_leaves_uncompressed_when_asked_for() {
    let source = "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! sink.";
    for (format, encoding) in [("S16BE", "L16"), ("S24BE", "L24"), ("U8", "L8")] {
        passes_raw(
            source,
            "audio-caps",
            &format!("audio/x-raw,format={format}"),
            encoding,
        );
    }
}

#[test]
fn raw_video_leaves_uncompressed_when_asked_for() {
    let source =
        "videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=120,framerate=10/1 ! sink.";
    passes_raw(source, "video-caps", "video/x-raw", "RAW");
}

#[test]
fn six_channels_leave_as_multiopus() {
    let source =
        "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=6,channel-mask=(bitmask)0x3f ! sink.";
    let producer = Producer::start(&[source.to_owned()], |sink| {
        sink.set_property(
            "audio-caps",
            gst::Caps::from_str("audio/x-opus,channel-mapping-family=1").unwrap(),
        );
    });
    let consumer = Consumer::join(&producer.signaller, "surround");
    wait_until("packets arrive", || {
        consumer.frames(0) > 0 || consumer.stream(0).is_some()
    });
    let offer = consumer.seen.descriptions.lock().unwrap()[0].to_lowercase();
    assert!(offer.contains("multiopus/48000/6"), "{offer}");
    for field in [
        "channel_mapping=0,4,1,2,3,5",
        "num_streams=4",
        "coupled_streams=2",
    ] {
        assert!(offer.contains(field), "{field}: {offer}");
    }
    producer.assert_no_errors();
}

#[test]
fn six_channels_are_mixed_down_where_plain_opus_is_all_that_is_asked_for() {
    let source =
        "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=6,channel-mask=(bitmask)0x3f ! sink.";
    let producer = Producer::start(&[source.to_owned()], |sink| {
        sink.set_property(
            "audio-caps",
            gst::Caps::from_str("audio/x-opus,channel-mapping-family=0").unwrap(),
        );
    });
    let options = Options {
        decode: true,
        ..Options::default()
    };
    let consumer = Consumer::join_with(&producer.signaller, "stereo", options);
    wait_until("it is decoded", || {
        consumer
            .stream(0)
            .is_some_and(|stream| stream.decoded.load(Ordering::SeqCst) >= 20)
    });
    let offer = consumer.seen.descriptions.lock().unwrap()[0].clone();
    assert!(offer.contains("OPUS/48000/2"), "{offer}");
}

#[test]
fn encoded_caps_in_the_middle_of_raw_input_are_refused_and_harm_nobody() {
    let producer = Producer::prepare(&[], |_| ());
    let pad = add_source(&producer.pipeline, &producer.sink, &video(SMALL));
    producer.play();
    let consumer = Consumer::join(&producer.signaller, "watcher");
    consumer.wait_frames(0, 10);
    for caps in [
        "video/x-vp8,width=320,height=240",
        "video/x-h264,stream-format=avc",
        "video/x-raw,format=RGB,width=320,height=240",
    ] {
        let caps = gst::Caps::from_str(caps).unwrap();
        assert!(!pad.send_event(gst::event::Caps::new(&caps)), "{caps} is taken");
    }
    consumer.wait_frames(0, 30);
    assert_eq!(consumer.stream(0).unwrap().missing.load(Ordering::SeqCst), 0);
    assert_eq!(consumer.seen.descriptions.lock().unwrap().len(), 1);
    producer.assert_no_errors();
}

#[test]
fn every_listed_memory_and_format_fits_a_pad() {
    let producer = Producer::prepare(&[], |_| ());
    let cases = [
        (
            "video_%u",
            "video/x-raw,format=NV12,width=64,height=64,framerate=30/1",
        ),
        (
            "video_%u",
            "video/x-raw(memory:CUDAMemory),format=NV12,width=64,height=64,framerate=30/1",
        ),
        (
            "video_%u",
            "video/x-raw(memory:GLMemory),format=RGBA,width=64,height=64,framerate=30/1",
        ),
        (
            "video_%u",
            "video/x-raw(memory:NVMM),format=NV12,width=64,height=64,framerate=30/1",
        ),
        (
            "video_%u",
            "video/x-raw(memory:D3D11Memory),format=NV12,width=64,height=64,framerate=30/1",
        ),
        (
            "video_%u",
            "video/x-raw(memory:VAMemory),format=NV12,width=64,height=64,framerate=30/1",
        ),
        ("video_%u", "video/x-vp8"),
        ("video_%u", "video/x-vp9"),
        ("video_%u", "video/x-h264,stream-format=avc"),
        ("video_%u", "video/x-h265,stream-format=hvc1"),
        ("video_%u", "video/x-av1"),
        ("audio_%u", "audio/x-raw,format=F32LE,rate=44100,channels=1"),
        ("audio_%u", "audio/x-opus,channel-mapping-family=1"),
    ];
    for (template, caps) in cases {
        let pad = producer.sink.request_pad_simple(template).unwrap();
        let caps = gst::Caps::from_str(caps).unwrap();
        assert!(pad.query_accept_caps(&caps), "{caps} does not fit");
        producer.sink.release_request_pad(&pad);
    }
    let pad = producer.sink.request_pad_simple("video_%u").unwrap();
    for foreign in ["image/jpeg", "audio/x-raw", "application/x-rtp,media=video"] {
        let caps = gst::Caps::from_str(foreign).unwrap();
        assert!(!pad.query_accept_caps(&caps), "{foreign} fits");
    }
}
