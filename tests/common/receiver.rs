// SPDX-License-Identifier: MPL-2.0
//! A pipeline with the source under test, whose pads are linked to something that counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gst::prelude::*;

use super::loopback::Loopback;
use super::{PATIENCE_SECONDS, wait_until};

/// A source under test in a pipeline of its own.
pub struct Receiver {
    pub pipeline: gst::Pipeline,
    pub src: gst::Element,
    pub signaller: Loopback,
    pub seen: Arc<Seen>,
}

/// What came out of it.
#[derive(Default)]
pub struct Seen {
    /// By the name of the pad.
    pub streams: Mutex<BTreeMap<String, Arc<Stream>>>,
    pub pads_added: Mutex<Vec<String>>,
    pub pads_removed: Mutex<Vec<String>>,
    pub no_more_pads: AtomicU64,
    /// Element messages and errors, as text.
    pub messages: Mutex<Vec<gst::Message>>,
}

/// One stream as it came out.
#[derive(Default)]
pub struct Stream {
    pub buffers: AtomicU64,
    pub bytes: AtomicU64,
    pub ends: AtomicU64,
    pub caps: Mutex<Option<gst::Caps>>,
    pub stream_id: Mutex<String>,
    /// The last buffer that came.
    pub last: Mutex<Option<gst::Sample>>,
}

/// What is linked to a pad, by its name; `None` leaves it unlinked.
pub type Behind = fn(&str) -> Option<&'static str>;

impl Receiver {
    /// One that plays, with `behind` saying what stands between a pad and its counter.
    pub fn new(behind: Behind) -> Self {
        Self::configured(behind, |_| ())
    }

    /// As [`Receiver::new`], with the element changed before it plays.
    pub fn configured(behind: Behind, configure: impl FnOnce(&gst::Element)) -> Self {
        let signaller = Loopback::default();
        let src = gst::ElementFactory::make("webrtcsrc")
            .property("signaller", &signaller)
            .build()
            .expect("webrtcsrc is registered");
        src.set_property("stun-server", None::<&str>);
        src.set_property("session-timeout", PATIENCE_SECONDS);
        configure(&src);
        let pipeline = gst::Pipeline::new();
        pipeline.add(&src).expect("a fresh element");
        let receiver = Self {
            pipeline,
            src,
            signaller,
            seen: Arc::default(),
        };
        receiver.watch(behind);
        receiver
            .pipeline
            .set_state(gst::State::Playing)
            .expect("it plays");
        receiver
    }

    /// The stream at the pad called `name`, once the pad was there.
    pub fn stream(&self, name: &str) -> Option<Arc<Stream>> {
        self.seen.streams.lock().unwrap().get(name).cloned()
    }

    /// Counts what leaves a pad that was not added but requested.
    pub fn count(&self, pad: &gst::Pad) {
        let stream = self
            .seen
            .streams
            .lock()
            .unwrap()
            .entry(pad.name().into())
            .or_default()
            .clone();
        count(pad, &stream);
    }

    pub fn buffers(&self, name: &str) -> u64 {
        self.stream(name)
            .map_or(0, |stream| stream.buffers.load(Ordering::SeqCst))
    }

    /// Waits for so many buffers more than now.
    pub fn wait_buffers(&self, name: &str, more: u64) {
        let target = self.buffers(name) + more;
        wait_until(&format!("{name} gets {more} buffers"), || {
            self.buffers(name) >= target
        });
    }

    pub fn wait_end(&self, name: &str) {
        wait_until(&format!("{name} ends"), || {
            self.stream(name)
                .is_some_and(|stream| stream.ends.load(Ordering::SeqCst) > 0)
        });
    }

    /// Name of the caps that came out of a pad.
    pub fn caps_name(&self, name: &str) -> String {
        let caps = self
            .stream(name)
            .and_then(|stream| stream.caps.lock().unwrap().clone());
        caps.and_then(|caps| caps.structure(0).map(|structure| structure.name().to_string()))
            .unwrap_or_default()
    }

    /// The message about the end of a session, once it came: its reason's nick and text.
    pub fn wait_session_end(&self) -> (String, String) {
        let mut found = None;
        wait_until("the session's end is told on the bus", || {
            let messages = self.seen.messages.lock().unwrap();
            let structure = messages.iter().rev().find_map(|message| match message.view() {
                gst::MessageView::Element(element) => element.structure(),
                _ => None,
            });
            found = structure
                .filter(|structure| structure.name() == "webrtc-session-ended")
                .map(|structure| {
                    let reason = structure.get::<gst::glib::Value>("reason").ok();
                    let reason =
                        reason.unwrap_or_else(|| structure.value("reason").expect("a reason").to_value());
                    let (_, reason) = gst::glib::EnumValue::from_value(&reason).expect("an enum");
                    (
                        reason.nick().to_owned(),
                        structure.get::<String>("text").expect("a text"),
                    )
                });
            found.is_some()
        });
        found.expect("it was just there")
    }

    /// Texts of errors on the bus.
    pub fn errors(&self) -> Vec<String> {
        let messages = self.seen.messages.lock().unwrap();
        let text = |message: &gst::Message| match message.view() {
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        };
        messages.iter().filter_map(text).collect()
    }

    /// Texts of warnings on the bus.
    pub fn warnings(&self) -> Vec<String> {
        let messages = self.seen.messages.lock().unwrap();
        let text = |message: &gst::Message| match message.view() {
            gst::MessageView::Warning(warning) => Some(warning.error().to_string()),
            _ => None,
        };
        messages.iter().filter_map(text).collect()
    }

    fn watch(&self, behind: Behind) {
        let (seen, weak) = (self.seen.clone(), self.pipeline.downgrade());
        self.src.connect_pad_added(move |_, pad| {
            let Some(pipeline) = weak.upgrade() else { return };
            seen.pads_added.lock().unwrap().push(pad.name().into());
            let stream = seen
                .streams
                .lock()
                .unwrap()
                .entry(pad.name().into())
                .or_default()
                .clone();
            count(pad, &stream);
            if let Some(line) = behind(&pad.name()) {
                attach(&pipeline, pad, line);
            }
        });
        let seen = self.seen.clone();
        self.src
            .connect_pad_removed(move |_, pad| seen.pads_removed.lock().unwrap().push(pad.name().into()));
        let seen = self.seen.clone();
        self.src.connect_no_more_pads(move |_| {
            seen.no_more_pads.fetch_add(1, Ordering::SeqCst);
        });
        let seen = self.seen.clone();
        self.pipeline
            .bus()
            .expect("a pipeline has a bus")
            .set_sync_handler(move |_, message| {
                if matches!(
                    message.type_(),
                    gst::MessageType::Element | gst::MessageType::Error | gst::MessageType::Warning
                ) {
                    seen.messages.lock().unwrap().push(message.clone());
                }
                gst::BusSyncReply::Drop
            });
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Counts what leaves `pad`.
pub fn count(pad: &gst::Pad, stream: &Arc<Stream>) {
    let counter = stream.clone();
    pad.add_probe(
        gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM,
        move |pad, info| {
            if let Some(buffer) = info.buffer() {
                counter.bytes.fetch_add(buffer.size() as u64, Ordering::SeqCst);
                let mut sample = gst::Sample::builder().buffer(buffer);
                let caps = pad.current_caps();
                if let Some(caps) = &caps {
                    sample = sample.caps(caps);
                }
                *counter.last.lock().unwrap() = Some(sample.build());
                counter.buffers.fetch_add(1, Ordering::SeqCst);
            }
            match info.event().map(|event| event.view()) {
                Some(gst::EventView::Eos(_)) => drop(counter.ends.fetch_add(1, Ordering::SeqCst)),
                Some(gst::EventView::Caps(caps)) => *counter.caps.lock().unwrap() = Some(caps.caps_owned()),
                Some(gst::EventView::StreamStart(start)) => {
                    *counter.stream_id.lock().unwrap() = start.stream_id().to_owned()
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        },
    );
}

/// Links `pad` to `line` and a sink behind it.
pub fn attach(pipeline: &gst::Pipeline, pad: &gst::Pad, line: &str) {
    let bin = gst::parse::bin_from_description(&format!("{line} ! fakesink sync=false async=false"), true);
    let bin = bin.expect("a valid line");
    pipeline.add(&bin).expect("a fresh bin");
    bin.sync_state_with_parent().expect("it follows the pipeline");
    pad.link(&bin.static_pad("sink").expect("the bin's open end"))
        .expect("the pad links");
}
