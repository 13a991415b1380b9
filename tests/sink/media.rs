// SPDX-License-Identifier: MPL-2.0
//! Files to play, and pipelines that receive.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gst::prelude::*;

use super::common::{init, wait_until};

/// A WebM file with VP8 and Opus, removed with the value.
pub struct File(PathBuf);

impl File {
    /// Makes one of this length.
    pub fn make(name: &str, seconds: u32) -> Self {
        init();
        let path = std::env::temp_dir().join(format!("{name} {}.webm", std::process::id()));
        let line = format!(
            "webmmux name=mux ! filesink name=out \
             videotestsrc pattern=ball num-buffers={} ! video/x-raw,width=320,height=240,framerate=15/1 \
             ! vp8enc deadline=1 cpu-used=16 keyframe-max-dist=15 ! queue ! mux. \
             audiotestsrc samplesperbuffer=960 num-buffers={} ! audio/x-raw,rate=48000,channels=2 \
             ! opusenc ! queue ! mux.",
            seconds * 15,
            seconds * 50
        );
        let pipeline = gst::parse::launch(&line)
            .unwrap()
            .downcast::<gst::Pipeline>()
            .unwrap();
        pipeline
            .by_name("out")
            .unwrap()
            .set_property("location", path.to_str().unwrap());
        pipeline.set_state(gst::State::Playing).unwrap();
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let message = pipeline
            .bus()
            .unwrap()
            .timed_pop_filtered(gst::ClockTime::from_seconds(120), &ends);
        pipeline.set_state(gst::State::Null).unwrap();
        assert!(
            matches!(
                message.as_ref().map(|it| it.view()),
                Some(gst::MessageView::Eos(_))
            ),
            "{message:?}"
        );
        Self(path)
    }

    pub fn uri(&self) -> String {
        gst::glib::filename_to_uri(&self.0, None).unwrap().to_string()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Left behind, it is only a temporary file too many.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A `webrtcsrc` at a signalling server, counting the packets of the first stream that comes.
pub struct Receiver {
    pipeline: gst::Pipeline,
    packets: Arc<AtomicU64>,
}

impl Receiver {
    /// Connects to the first producer that `server` knows.
    pub fn start(server: &str) -> Self {
        init();
        let line = "webrtcsrc name=src connect-to-first-producer=true stun-server=\"\" ! application/x-rtp \
                    ! fakesink name=end sync=false async=false";
        let pipeline = gst::parse::launch(line)
            .unwrap()
            .downcast::<gst::Pipeline>()
            .unwrap();
        let signaller = pipeline
            .by_name("src")
            .unwrap()
            .property::<gst::glib::Object>("signaller");
        signaller.set_property("uri", server);
        let packets = Arc::new(AtomicU64::new(0));
        let counter = packets.clone();
        let pad = pipeline.by_name("end").unwrap().static_pad("sink").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            counter.fetch_add(1, Ordering::SeqCst);
            gst::PadProbeReturn::Ok
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        Self { pipeline, packets }
    }

    /// Waits for so many further packets.
    pub fn wait_packets(&self, count: u64) {
        let before = self.packets.load(Ordering::SeqCst);
        wait_until("packets arrive", || {
            self.packets.load(Ordering::SeqCst) >= before + count
        });
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
