// SPDX-License-Identifier: MPL-2.0
//! Ready-made producers.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstrswebrtc::signaller::Signallable;
use gstrswebrtc::webrtcsink::BaseWebRTCSink;

use super::loopback::Loopback;
use super::{PATIENCE_SECONDS, init, wait_until};

/// A sink with its sources, in a pipeline that reports what is posted on its bus.
pub struct Producer {
    pub pipeline: gst::Pipeline,
    pub sink: BaseWebRTCSink,
    pub signaller: Loopback,
    /// Ends of sessions as the signal told them: session, peer, nick, text.
    pub ends: Arc<Mutex<Vec<(String, String, String, String)>>>,
    /// Errors on the bus.
    pub errors: Arc<Mutex<Vec<String>>>,
    /// Warnings on the bus.
    pub warnings: Arc<Mutex<Vec<String>>>,
    /// Element messages on the bus.
    pub messages: Arc<Mutex<Vec<gst::Structure>>>,
}

/// A live test picture with these caps, encoded cheaply.
pub fn video(caps: &str) -> String {
    format!("videotestsrc is-live=true ! {caps} ! sink.")
}

/// A live test tone.
pub fn audio() -> String {
    "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! sink.".to_owned()
}

/// Small and cheap: 320x240 at 30 frames a second.
pub const SMALL: &str = "video/x-raw,format=I420,width=320,height=240,framerate=30/1";

impl Producer {
    /// A producer of `sources`, each a launch line that ends in `sink.`; `set_up` configures it before it starts.
    pub fn start(sources: &[String], set_up: impl FnOnce(&BaseWebRTCSink)) -> Self {
        let producer = Self::prepare(sources, set_up);
        producer.play();
        producer
    }

    /// As [`Producer::start`], and not started.
    pub fn prepare(sources: &[String], set_up: impl FnOnce(&BaseWebRTCSink)) -> Self {
        init();
        let signaller = Loopback::default();
        let sink = BaseWebRTCSink::with_signaller(signaller.clone().upcast::<Signallable>());
        sink.set_property("name", "sink");
        sink.set_property("stun-server", None::<String>);
        sink.set_property("session-timeout", PATIENCE_SECONDS);
        sink.set_property("video-caps", gst::Caps::new_empty_simple("video/x-vp8"));
        set_up(&sink);
        let pipeline = gst::Pipeline::new();
        pipeline.add(&sink).expect("a fresh element");
        for source in sources {
            add_source(&pipeline, &sink, source);
        }
        let producer = Self {
            pipeline,
            sink,
            signaller,
            ends: Arc::default(),
            errors: Arc::default(),
            warnings: Arc::default(),
            messages: Arc::default(),
        };
        producer.watch();
        producer
    }

    /// Goes to PLAYING and waits until consumers may come.
    pub fn play(&self) {
        self.pipeline
            .set_state(gst::State::Playing)
            .expect("the producer starts");
        wait_until("the signaller is started", || self.signaller.is_started());
    }

    /// Ids of the sessions there are.
    pub fn sessions(&self) -> Vec<String> {
        self.sink.emit_by_name("get-sessions", &[])
    }

    /// Waits for the end of a session; gives its nick and text.
    pub fn wait_end(&self, session_id: &str) -> (String, String) {
        let find = || {
            self.ends
                .lock()
                .unwrap()
                .iter()
                .find(|end| end.0 == session_id)
                .cloned()
        };
        wait_until(&format!("session {session_id} ends"), || find().is_some());
        let (_, _, nick, text) = find().expect("it was just there");
        (nick, text)
    }

    /// Fails the test when anything was posted as an error.
    pub fn assert_no_errors(&self) {
        assert_eq!(*self.errors.lock().unwrap(), Vec::<String>::new());
    }

    fn watch(&self) {
        let ends = self.ends.clone();
        self.sink.connect("session-ended", false, move |values| {
            let reason = values[3]
                .serialize()
                .map(|nick| nick.to_string())
                .unwrap_or_default();
            let text = |index: usize| values[index].get::<String>().unwrap_or_default();
            ends.lock().unwrap().push((text(1), text(2), reason, text(4)));
            None
        });
        let (errors, messages) = (self.errors.clone(), self.messages.clone());
        let warnings = self.warnings.clone();
        let bus = self.pipeline.bus().expect("a pipeline has a bus");
        bus.set_sync_handler(move |_, message| {
            match message.view() {
                gst::MessageView::Error(error) => {
                    let text = format!("{} ({})", error.error(), error.debug().unwrap_or_default());
                    errors.lock().unwrap().push(text);
                }
                gst::MessageView::Warning(warning) => {
                    warnings.lock().unwrap().push(warning.error().to_string());
                }
                gst::MessageView::Element(element) => {
                    messages
                        .lock()
                        .unwrap()
                        .extend(element.structure().map(|structure| structure.to_owned()));
                }
                _ => {}
            }
            gst::BusSyncReply::Drop
        });
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Adds a source given as a launch line that ends in `sink.`; gives the sink's pad for it.
pub fn add_source(pipeline: &gst::Pipeline, sink: &BaseWebRTCSink, source: &str) -> gst::Pad {
    let line = source
        .trim()
        .trim_end_matches("sink.")
        .trim_end()
        .trim_end_matches('!');
    let bin = gst::parse::bin_from_description(&format!("{line} ! identity"), true)
        .expect("elements are installed");
    pipeline.add(&bin).expect("a fresh bin");
    let output = bin.static_pad("src").expect("the line's last pad");
    let kind = if line.contains("audio") {
        "audio_%u"
    } else {
        "video_%u"
    };
    let pad = sink.request_pad_simple(kind).expect("the sink has pads for it");
    output.link(&pad).expect("the sink takes it");
    bin.sync_state_with_parent().expect("it starts");
    pad
}
