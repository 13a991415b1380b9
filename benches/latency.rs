// SPDX-License-Identifier: MPL-2.0
//! How long a picture takes from the sink's input to the source's decoded output, on loopback at 720p30, less what the
//! same encoder and decoder take without a network between them.
//!
//! `scripts/bench/latency`. A number is drawn into each picture as black and white blocks and read again at the far end, so
//! whole pictures are timed whatever happens to their timestamps. Nothing is synchronised to the clock: this is what the
//! elements add, not what `latency` asks them to hold back.

#[path = "../tests/common/mod.rs"]
mod common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::loopback::Loopback;
use common::pipelines::{Producer, video};
use common::{init, wait_within};
use gst::glib;
use gst::prelude::*;

const SOURCE: &str = "video/x-raw,format=I420,width=1280,height=720,framerate=30/1";
const PICTURES: usize = 300;
/// Pictures that pass before timing begins: connection, first key frame, rate control.
const WARM_UP: usize = 60;
/// Side of a block in pixels: large enough to survive any bitrate.
const BLOCK: usize = 32;
const BITS: usize = 16;
const WIDTH: usize = 1280;

/// When each numbered picture went in, and how long each took.
#[derive(Default)]
struct Times {
    next: Mutex<u32>,
    entered: Mutex<HashMap<u32, Instant>>,
    taken: Mutex<Vec<Duration>>,
}

fn main() {
    init();
    println!(
        "{:8}{:>22}{:>22}{:>22}",
        "codec", "sink to source, ms", "codec alone, ms", "added, ms"
    );
    for (codec, decoder) in [("vp8", "vp8dec"), ("h264", "h264parse ! avdec_h264")] {
        let (through, encoder) = through_network(codec);
        let local = locally(&encoder, decoder);
        println!(
            "{codec:8}{:>15.1} / {:4.1}{:>15.1} / {:4.1}{:>22.1}",
            through.0,
            through.1,
            local.0,
            local.1,
            through.0 - local.0
        );
    }
    println!("each as median / 90th percentile of {PICTURES} pictures");
}

/// Times pictures through `webrtcsink` and `webrtcsrc`; gives the encoder as well.
fn through_network(codec: &str) -> ((f64, f64), gst::Element) {
    let times = Arc::new(Times::default());
    let encoder = Arc::new(Mutex::new(None));
    let slot = encoder.clone();
    let producer = Producer::start(&[video(SOURCE)], |sink| {
        sink.set_property(
            "video-caps",
            gst::Caps::new_empty_simple(format!("video/x-{codec}")),
        );
        sink.connect("encoder-setup", false, move |values| {
            *slot.lock().unwrap() = values[3].get::<gst::Element>().ok();
            Some(false.to_value())
        });
    });
    let input = producer.sink.static_pad("video_0").expect("one stream was added");
    number(&input, &times);

    let signaller = Loopback::default();
    producer.signaller.join(&signaller);
    let src = gst::ElementFactory::make("webrtcsrc")
        .property("signaller", &signaller)
        .build()
        .expect("it is registered");
    src.set_property("stun-server", None::<&str>);
    let pipeline = gst::Pipeline::new();
    pipeline.add(&src).expect("a fresh element");
    let (weak, watched) = (pipeline.downgrade(), times.clone());
    src.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let sink = gst::parse::bin_from_description(READER, true).expect("core elements");
        read(&sink, &watched);
        pipeline.add(&sink).expect("a fresh bin");
        sink.sync_state_with_parent().expect("it starts");
        pad.link(&sink.static_pad("sink").expect("the open end"))
            .expect("raw video links");
    });
    pipeline.set_state(gst::State::Playing).expect("it plays");
    producer.signaller.begin("bench", None);
    let result = times.wait();
    pipeline.set_state(gst::State::Null).expect("it stops");
    (
        result,
        encoder.lock().unwrap().take().expect("an encoder was set up"),
    )
}

/// Times pictures through an encoder set like `model`, and a decoder right behind it.
fn locally(model: &gst::Element, decoder: &str) -> (f64, f64) {
    let times = Arc::new(Times::default());
    let factory = model.factory().expect("it came from one").name();
    let line = format!(
        "videotestsrc is-live=true ! {SOURCE} ! identity name=in ! {factory} name=encoder ! {decoder} ! {READER}"
    );
    let pipeline: gst::Pipeline = gst::parse::launch(&line)
        .expect("installed")
        .downcast()
        .expect("a pipeline");
    copy_properties(model, &pipeline.by_name("encoder").expect("it is named"));
    number(
        &pipeline
            .by_name("in")
            .and_then(|identity| identity.static_pad("sink"))
            .expect("it has one"),
        &times,
    );
    read(pipeline.upcast_ref(), &times);
    pipeline.set_state(gst::State::Playing).expect("it plays");
    let result = times.wait();
    pipeline.set_state(gst::State::Null).expect("it stops");
    result
}

fn copy_properties(from: &gst::Element, to: &gst::Element) {
    for property in from.list_properties() {
        let flags = property.flags();
        let is_settable = flags.contains(glib::ParamFlags::READWRITE)
            && !flags.contains(glib::ParamFlags::CONSTRUCT_ONLY)
            && !matches!(property.name(), "name" | "parent");
        if is_settable {
            to.set_property_from_value(property.name(), &from.property_value(property.name()));
        }
    }
}

/// Draws the next number into each picture that passes `pad`.
fn number(pad: &gst::Pad, times: &Arc<Times>) {
    let times = times.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
            let number = {
                let mut next = times.next.lock().unwrap();
                *next = (*next + 1) % (1 << BITS);
                *next
            };
            if let Ok(mut map) = buffer.make_mut().map_writable() {
                draw(map.as_mut_slice(), number);
            }
            times.entered.lock().unwrap().insert(number, Instant::now());
        }
        gst::PadProbeReturn::Ok
    });
}

/// Reads the number of each picture that reaches the sink called `out` inside of `bin`.
fn read(bin: &gst::Bin, times: &Arc<Times>) {
    let times = times.clone();
    let pad = bin
        .by_name("out")
        .and_then(|sink| sink.static_pad("sink"))
        .expect("it has one");
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let now = Instant::now();
        let number = info
            .buffer()
            .and_then(|buffer| Some(decode(buffer.map_readable().ok()?.as_slice())));
        let entered = number.and_then(|number| times.entered.lock().unwrap().remove(&number));
        if let Some(entered) = entered {
            times.taken.lock().unwrap().push(now - entered);
        }
        gst::PadProbeReturn::Ok
    });
}

fn draw(luma: &mut [u8], number: u32) {
    for bit in 0..BITS {
        let value = if number >> bit & 1 == 1 { 235 } else { 16 };
        for line in 0..BLOCK {
            let start = line * WIDTH + bit * BLOCK;
            luma[start..start + BLOCK].fill(value);
        }
    }
}

fn decode(luma: &[u8]) -> u32 {
    let centre = |bit: usize| luma[BLOCK / 2 * WIDTH + bit * BLOCK + BLOCK / 2];
    (0..BITS).fold(0, |number, bit| number | u32::from(centre(bit) > 128) << bit)
}

impl Times {
    /// Waits for enough pictures; median and 90th percentile in milliseconds.
    fn wait(&self) -> (f64, f64) {
        wait_within(Duration::from_secs(300), "enough pictures pass", || {
            self.taken.lock().unwrap().len() >= WARM_UP + PICTURES
        });
        let mut taken: Vec<f64> = self.taken.lock().unwrap()[WARM_UP..]
            .iter()
            .map(|time| time.as_secs_f64() * 1e3)
            .collect();
        taken.sort_by(f64::total_cmp);
        (taken[taken.len() / 2], taken[taken.len() * 9 / 10])
    }
}

/// Ends every line: pictures as they are drawn, not held back by the clock.
const READER: &str = "videoconvert ! video/x-raw,format=I420 ! fakesink name=out sync=false async=false";
