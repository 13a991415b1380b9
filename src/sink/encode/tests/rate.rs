// SPDX-License-Identifier: MPL-2.0
//! Encoders keep the bitrate they are told, also when the picture is the hardest there is.
//!
//! The branch's own elements with the settings they are given, but fed only as fast as they go: what a live branch
//! drops on a busy machine is not what an encoder saves.

use super::super::chain::{Chain, ChainSpec};
use super::super::timeline::on_running_time;
use super::*;
use crate::codec::catalogue;

/// What `codec` puts out of noise, as a share of its target, over five seconds of it. `None` without the encoder.
fn share_of_target(codec: Codec, factory: &str, target: Bitrate) -> Option<f64> {
    gst::init().unwrap();
    let found = catalogue()
        .encoders(codec)
        .iter()
        .find(|found| found.name() == factory);
    let Some(encoder) = found else {
        eprintln!("{factory} is not installed: not tried");
        return None;
    };
    let sent = average(&encoded(codec, encoder, target));
    eprintln!("{factory} told {target} puts out {sent}");
    Some(sent.ratio(target))
}

/// Time and bits of what noise becomes.
fn encoded(codec: Codec, encoder: &gst::ElementFactory, target: Bitrate) -> Vec<(gst::ClockTime, u64)> {
    let pipeline = gst::Pipeline::new();
    let chain = Chain::build(
        &ChainSpec {
            input: &caps(NOISE),
            codec,
            encoder: Some(encoder),
            encoder_caps: &gst::Caps::new_any(),
            size: PictureSize::Adaptive,
        },
        &pipeline,
    )
    .unwrap();
    chain.encoder.unwrap().apply_defaults(target);
    chain.appsrc.set_leaky_type(gst_app::AppLeakyType::None);
    let appsink = gst_app::AppSink::builder().sync(false).async_(false).build();
    pipeline.add(&appsink).unwrap();
    chain.last.link(&appsink).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    for sample in noise() {
        chain.appsrc.push_sample(&sample).unwrap();
    }
    chain.appsrc.end_of_stream().unwrap();
    let frames = samples(&appsink)
        .map(|sample| {
            let (sample, time) = on_running_time(&sample, gst::ClockTime::ZERO).unwrap();
            (time, sample.buffer().unwrap().size() as u64 * 8)
        })
        .collect();
    pipeline.set_state(gst::State::Null).unwrap();
    frames
}

/// Five seconds of it.
fn noise() -> Vec<gst::Sample> {
    let line = format!("videotestsrc pattern=snow num-buffers=150 ! {NOISE} ! appsink name=out sync=false");
    let pipeline = gst::parse::launch(&line).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let appsink = pipeline.by_name("out").unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let noise = samples(appsink.downcast_ref().unwrap()).collect();
    pipeline.set_state(gst::State::Null).unwrap();
    noise
}

/// All up to the end.
fn samples(appsink: &gst_app::AppSink) -> impl Iterator<Item = gst::Sample> {
    std::iter::from_fn(|| appsink.pull_sample().ok())
}

/// Over everything but the first second, which holds the key frame.
fn average(frames: &[(gst::ClockTime, u64)]) -> Bitrate {
    let start = frames[0].0 + gst::ClockTime::SECOND;
    let rest: Vec<_> = frames.iter().filter(|(time, _)| *time >= start).collect();
    let bits: u64 = rest.iter().map(|(_, bits)| bits).sum();
    Bitrate::from_bps(bits / MEASURED.seconds())
}

#[test]
fn noise_stays_within_the_target() {
    for (codec, factory) in [
        (Codec::Vp8, "vp8enc"),
        (Codec::Vp9, "vp9enc"),
        (Codec::H264, "x264enc"),
        (Codec::H264, "openh264enc"),
    ] {
        if let Some(share) = share_of_target(codec, factory, Bitrate::from_kbps(1000)) {
            assert!(
                (0.8..1.2).contains(&share),
                "{factory}: {share:.2} times the target"
            );
        }
    }
}

const NOISE: &str = "video/x-raw, format=I420, width=320, height=240, framerate=30/1, pixel-aspect-ratio=1/1";
/// What is left of five seconds without the first.
const MEASURED: gst::ClockTime = gst::ClockTime::from_seconds(4);
