// SPDX-License-Identifier: MPL-2.0
//! What some hardware encoders need beyond properties with plain values.
//!
//! Probes run on the streaming thread of the branch and hold no lock. Owns probes and driver controls; which encoder
//! needs which is said in its row. Installed before the encoder runs, on the thread that sets it up.

use gst::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Quirk;
use super::control::{read_number, write_number};

/// Adds the probes of a quirk to an encoder that is not running yet.
pub(super) fn install(encoder: &gst::Element, quirk: Quirk) {
    match quirk {
        Quirk::ForceIdr => force_idr_on_request(encoder),
        Quirk::VideoMeta => add_video_meta(encoder),
    }
}

/// The encoder ignores force-key-unit events; its action signal works, but only once it has put out a buffer.
fn force_idr_on_request(encoder: &gst::Element) {
    let Some(pad) = encoder.static_pad("src") else {
        return;
    };
    let started = Arc::new(AtomicBool::new(false));
    let seen = started.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        seen.store(true, Ordering::Relaxed);
        gst::PadProbeReturn::Remove
    });
    let encoder = encoder.downgrade();
    pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
        let is_request = info.event().is_some_and(|event| is_force_key_unit(event));
        if let (true, true, Some(encoder)) = (is_request, started.load(Ordering::Relaxed), encoder.upgrade())
        {
            encoder.emit_by_name::<()>("force-IDR", &[]);
        }
        gst::PadProbeReturn::Ok
    });
}

fn is_force_key_unit(event: &gst::EventRef) -> bool {
    event.structure().is_some_and(|s| s.name() == "GstForceKeyUnit")
}

/// The encoder reads plane layouts from the meta only, also where the default layout would do.
fn add_video_meta(encoder: &gst::Element) {
    let Some(pad) = encoder.static_pad("sink") else {
        return;
    };
    pad.add_probe(gst::PadProbeType::BUFFER, |pad, info| {
        let caps = pad.current_caps();
        let video = caps.and_then(|caps| gst_video::VideoInfo::from_caps(&caps).ok());
        if let (Some(buffer), Some(video)) = (info.buffer_mut(), video) {
            ensure_video_meta(buffer.make_mut(), &video);
        }
        gst::PadProbeReturn::Ok
    });
}

fn ensure_video_meta(buffer: &mut gst::BufferRef, video: &gst_video::VideoInfo) {
    if buffer.meta::<gst_video::VideoMeta>().is_some() {
        return;
    }
    // A frame whose size does not match its caps is the encoder's to refuse.
    let _ = gst_video::VideoMeta::add(
        buffer,
        gst_video::VideoFrameFlags::empty(),
        video.format(),
        video.width(),
        video.height(),
    );
}

/// The bitrate of a V4L2 encoder: its property where the version has one, else the driver control.
pub(super) fn extra_controls_bitrate(encoder: &gst::Element) -> Option<u64> {
    if encoder.find_property("bitrate").is_some() {
        return read_number(encoder, "bitrate");
    }
    let controls = extra_controls(encoder)?;
    controls
        .get::<i32>("video_bitrate")
        .ok()
        .and_then(|bps| u64::try_from(bps).ok())
}

/// Sets the bitrate of a V4L2 encoder, keeping its other controls.
pub(super) fn set_extra_controls_bitrate(encoder: &gst::Element, bps: u64) {
    if encoder.find_property("bitrate").is_some() {
        write_number(encoder, "bitrate", bps);
        return;
    }
    let mut controls = extra_controls(encoder).unwrap_or_else(|| gst::Structure::new_empty("extra-controls"));
    controls.set("video_bitrate", i32::try_from(bps).unwrap_or(i32::MAX));
    store_extra_controls(encoder, controls);
}

/// Key frames of a V4L2 encoder come on request and carry the parameter sets.
pub(super) fn repeat_headers(encoder: &gst::Element) {
    let mut controls = extra_controls(encoder).unwrap_or_else(|| gst::Structure::new_empty("extra-controls"));
    controls.set("repeat_sequence_header", 1);
    if encoder.find_property("gop-size").is_some() {
        write_number(encoder, "gop-size", GOP_SIZE);
    } else {
        controls.set("video_gop_size", i32::try_from(GOP_SIZE).unwrap_or(i32::MAX));
    }
    store_extra_controls(encoder, controls);
}

fn extra_controls(encoder: &gst::Element) -> Option<gst::Structure> {
    encoder
        .find_property("extra-controls")
        .and_then(|_| encoder.property::<Option<gst::Structure>>("extra-controls"))
}

fn store_extra_controls(encoder: &gst::Element, controls: gst::Structure) {
    if encoder.find_property("extra-controls").is_some() {
        encoder.set_property("extra-controls", controls);
    }
}

/// Frames between key frames that nobody asked for: about 85 s at 30 fps.
const GOP_SIZE: u64 = 2560;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_get_one_video_meta() {
        gst::init().unwrap();
        let video = gst_video::VideoInfo::builder(gst_video::VideoFormat::Nv12, 64, 48)
            .build()
            .unwrap();
        let mut buffer = gst::Buffer::with_size(video.size()).unwrap();
        for _ in 0..2 {
            ensure_video_meta(buffer.make_mut(), &video);
        }
        assert_eq!(buffer.iter_meta::<gst_video::VideoMeta>().count(), 1);
        assert_eq!(buffer.meta::<gst_video::VideoMeta>().unwrap().width(), 64);
    }

    #[test]
    fn frames_too_small_for_their_caps_do_not_panic() {
        gst::init().unwrap();
        let video = gst_video::VideoInfo::builder(gst_video::VideoFormat::Nv12, 64, 48)
            .build()
            .unwrap();
        let mut buffer = gst::Buffer::with_size(3).unwrap();
        ensure_video_meta(buffer.make_mut(), &video);
    }

    #[test]
    fn requests_are_told_from_other_events() {
        gst::init().unwrap();
        let request = gst_video::UpstreamForceKeyUnitEvent::builder().build();
        assert!(is_force_key_unit(&request));
        let other = gst::event::Reconfigure::new();
        assert!(!is_force_key_unit(&other));
    }

    #[test]
    fn controls_of_other_encoders_are_not_invented() {
        gst::init().unwrap();
        let encoder = gst::ElementFactory::make("identity").build().unwrap();
        set_extra_controls_bitrate(&encoder, 1);
        repeat_headers(&encoder);
        assert_eq!(extra_controls_bitrate(&encoder), None);
    }

    #[test]
    fn probes_of_quirks_let_everything_pass() {
        gst::init().unwrap();
        let pipeline = gst::parse::launch(
            "videotestsrc num-buffers=5 ! video/x-raw,format=NV12,width=64,height=48 ! identity name=encoder \
             ! appsink name=out sync=false",
        );
        let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
        let encoder = pipeline.by_name("encoder").unwrap();
        install(&encoder, Quirk::VideoMeta);
        let out = pipeline
            .by_name("out")
            .unwrap()
            .downcast::<gst_app::AppSink>()
            .unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        for _ in 0..5 {
            let sample = out.pull_sample().unwrap();
            let meta = sample
                .buffer()
                .and_then(|buffer| buffer.meta::<gst_video::VideoMeta>());
            assert_eq!(meta.map(|meta| (meta.width(), meta.height())), Some((64, 48)));
        }
        pipeline.set_state(gst::State::Null).unwrap();
    }

    #[test]
    fn requests_before_the_first_buffer_are_not_turned_into_actions() {
        gst::init().unwrap();
        // Identity has no such action: emitting it would panic.
        let encoder = gst::ElementFactory::make("identity").build().unwrap();
        install(&encoder, Quirk::ForceIdr);
        let pad = encoder.static_pad("src").unwrap();
        pad.set_active(true).unwrap();
        let request = gst_video::UpstreamForceKeyUnitEvent::builder().build();
        pad.send_event(request);
        pad.send_event(gst::event::Reconfigure::new());
    }
}
