// SPDX-License-Identifier: MPL-2.0
//! How long a picture takes from the sink's input to the source's decoded output, on loopback at 720p30, less what the
//! same encoder and decoder take without a network between them.
//!
//! `scripts/bench/latency [vp8|vp9|h264|h265]… [disabled|homegrown|gcc]…`. A number is drawn into each picture as black
//! and white blocks and read again at the far end, so whole pictures are timed whatever happens to their timestamps; in
//! between they are followed by their timestamps. Nothing is synchronised to the clock: this is what the elements add,
//! not what `latency` asks them to hold back. The sink may not lower size or frame rate meanwhile: a smaller picture
//! has its number elsewhere, and is another measurement.

#[path = "../tests/common/mod.rs"]
mod common;

#[path = "latency/journal.rs"]
mod journal;

use std::sync::{Arc, Mutex};

use common::init;
use common::loopback::Loopback;
use common::pipelines::{Producer, video};
use gst::glib;
use gst::prelude::*;
use journal::{Journal, Stage};

const SOURCE: &str = "video/x-raw,format=I420,width=1280,height=720,framerate=30/1";
/// Codecs with what decodes them, as decodebin3 chooses it.
const DECODERS: [(&str, &str); 4] = [
    ("vp8", "vp8dec"),
    ("vp9", "vp9parse ! vp9dec"),
    ("h264", "h264parse ! avdec_h264"),
    ("h265", "h265parse ! avdec_h265"),
];
const CONTROLS: [&str; 3] = ["disabled", "homegrown", "gcc"];
/// Ends every line: pictures as they are drawn, not held back by the clock.
const READER: &str = "videoconvert ! video/x-raw,format=I420 ! fakesink name=out sync=false async=false";

fn main() {
    init();
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let chosen = |name: &str, all: &[&str], usual: &[&str]| {
        let is_asked = all.iter().any(|other| asked.iter().any(|asked| asked == other));
        if is_asked {
            asked.iter().any(|asked| asked == name)
        } else {
            usual.contains(&name)
        }
    };
    let codecs = DECODERS.map(|(codec, _)| codec);
    println!(
        "{:6}{:10}{:>8}{:>8}{:>9}{:>8}{:>11}{:>8}{:>8}{:>8}{:>8}{:>8}",
        "codec",
        "control",
        "encode",
        "(alone)",
        "payload",
        "travel",
        "depay+dec",
        "(alone)",
        "total",
        "90th",
        "(alone)",
        "added"
    );
    for (codec, decoder) in DECODERS
        .into_iter()
        .filter(|(codec, _)| chosen(codec, &codecs, &["vp8", "vp9", "h264"]))
    {
        for control in CONTROLS
            .into_iter()
            .filter(|control| chosen(control, &CONTROLS, &["disabled", "gcc"]))
        {
            measure(codec, decoder, control);
        }
    }
    println!("medians of {} pictures, in milliseconds", journal::PICTURES);
}

fn measure(codec: &str, decoder: &str, control: &str) {
    let (through, encoder) = through_network(codec, control);
    let local = locally(&encoder, decoder);
    let (total, high) = through.between(Stage::Entered, Stage::Shown);
    let part = |from, to| through.between(from, to).0;
    let alone = |from, to| local.between(from, to).0;
    println!(
        "{codec:6}{control:10}{:>8.1}{:>8.1}{:>9.1}{:>8.1}{:>11.1}{:>8.1}{total:>8.1}{high:>8.1}{:>8.1}{:>8.1}",
        part(Stage::Entered, Stage::Encoded),
        alone(Stage::Entered, Stage::Encoded),
        part(Stage::Encoded, Stage::Sent),
        part(Stage::Sent, Stage::Arrived),
        part(Stage::Arrived, Stage::Shown),
        alone(Stage::Encoded, Stage::Shown),
        alone(Stage::Entered, Stage::Shown),
        total - alone(Stage::Entered, Stage::Shown)
    );
}

/// Times pictures through `webrtcsink` and `webrtcsrc`; gives the encoder as well.
fn through_network(codec: &str, control: &str) -> (Arc<Journal>, gst::Element) {
    let journal = Arc::new(Journal::default());
    let encoder = Arc::new(Mutex::new(None));
    let (slot, watched) = (encoder.clone(), journal.clone());
    let packets = journal.clone();
    let producer = Producer::start(&[video(SOURCE)], |sink| {
        sink.set_property(
            "video-caps",
            gst::Caps::new_empty_simple(format!("video/x-{codec}")),
        );
        sink.set_property_from_str("congestion-control", control);
        sink.set_property_from_str("enable-mitigation-modes", "none");
        sink.connect("encoder-setup", false, move |values| {
            let encoder = values[3].get::<gst::Element>().expect("an encoder");
            watched.note_encoded(&encoder.static_pad("src").expect("it has one"));
            *slot.lock().expect("the lock is whole") = Some(encoder);
            Some(false.to_value())
        });
        sink.connect("payloader-setup", false, move |values| {
            let payloader = values[3].get::<gst::Element>().expect("a payloader");
            packets.note_sent(&payloader.static_pad("src").expect("it has one"));
            Some(false.to_value())
        });
    });
    journal.number(&producer.sink.static_pad("video_0").expect("one stream was added"));

    let pipeline = receiving(&producer.signaller, &journal);
    producer.signaller.begin("bench", None);
    journal.wait();
    pipeline.set_state(gst::State::Null).expect("it stops");
    let encoder = encoder.lock().expect("the lock is whole").take();
    (journal, encoder.expect("an encoder was set up"))
}

/// A source that receives what `sender` sends, playing.
fn receiving(sender: &Loopback, journal: &Arc<Journal>) -> gst::Pipeline {
    let signaller = Loopback::default();
    sender.join(&signaller);
    let arrivals = journal.clone();
    let ready = move |_: &_, _, webrtcbin: gst::Element| {
        let arrivals = arrivals.clone();
        webrtcbin.connect_pad_added(move |_, pad| {
            if pad.direction() == gst::PadDirection::Src {
                arrivals.note_arrived(pad);
            }
        });
    };
    gstrswebrtc::signaller::signals::connect_webrtcbin_ready(signaller.upcast_ref(), ready);
    let src = gst::ElementFactory::make("webrtcsrc")
        .property("signaller", &signaller)
        .build()
        .expect("it is registered");
    src.set_property("stun-server", None::<&str>);
    let pipeline = gst::Pipeline::new();
    pipeline.add(&src).expect("a fresh element");
    let (weak, watched) = (pipeline.downgrade(), journal.clone());
    src.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let sink = gst::parse::bin_from_description(READER, true).expect("core elements");
        watched.read(&sink);
        pipeline.add(&sink).expect("a fresh bin");
        sink.sync_state_with_parent().expect("it starts");
        pad.link(&sink.static_pad("sink").expect("the open end"))
            .expect("raw video links");
    });
    pipeline.set_state(gst::State::Playing).expect("it plays");
    pipeline
}

/// Times pictures through an encoder set like `model`, and a decoder right behind it.
fn locally(model: &gst::Element, decoder: &str) -> Journal {
    let journal = Arc::new(Journal::default());
    let factory = model.factory().expect("it came from one").name();
    let line = format!(
        "videotestsrc is-live=true ! {SOURCE} ! identity name=in ! {factory} name=encoder ! {decoder} ! {READER}"
    );
    let pipeline: gst::Pipeline = gst::parse::launch(&line)
        .expect("installed")
        .downcast()
        .expect("a pipeline");
    let encoder = pipeline.by_name("encoder").expect("it is named");
    copy_properties(model, &encoder);
    journal.note_encoded(&encoder.static_pad("src").expect("it has one"));
    let entrance = pipeline
        .by_name("in")
        .and_then(|identity| identity.static_pad("sink"));
    journal.number(&entrance.expect("it has one"));
    journal.read(pipeline.upcast_ref());
    pipeline.set_state(gst::State::Playing).expect("it plays");
    journal.wait();
    pipeline.set_state(gst::State::Null).expect("it stops");
    journal.finished()
}

/// Copies what differs from the default: x264enc takes what is set for a wish that goes before its presets.
fn copy_properties(from: &gst::Element, to: &gst::Element) {
    for property in from.list_properties() {
        let flags = property.flags();
        let value = from.property_value(property.name());
        let is_default = same(&value, property.default_value());
        let is_settable = flags.contains(glib::ParamFlags::READWRITE)
            && !flags.contains(glib::ParamFlags::CONSTRUCT_ONLY)
            && !flags.contains(glib::ParamFlags::DEPRECATED)
            && !matches!(property.name(), "name" | "parent");
        if is_settable && !is_default {
            to.set_property_from_value(property.name(), &value);
        }
    }
}

fn same(value: &glib::Value, other: &glib::Value) -> bool {
    let text = |value: &glib::Value| value.serialize().map(|text| text.to_string());
    matches!((text(value), text(other)), (Ok(value), Ok(other)) if value == other)
}
