// SPDX-License-Identifier: MPL-2.0
//! WHIP and WHEP against peers that are not ours: Janus behind simple-whip-server, simple-whip-client, LiveKit, and Chromium
//! with the libraries of Eyevinn. `scripts/setup test` installs them; a peer that is missing is named as not run, and with
//! `REQUIRE_ALL=1` that is a failure.

mod browser;
mod examples;
mod janus;
mod livekit;
mod loops;
mod process;
mod simple_client;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;

/// Generous: the machine may be loaded.
const PATIENCE: Duration = Duration::from_secs(90);

fn init() {
    gst::init().unwrap();
    // Registering twice is refused, and changes nothing.
    let _ = gstrswebrtc::plugin_register_static();
}

/// Waits until `found` gives something.
fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Says aloud that a peer is missing.
fn not_run(what: &str) {
    assert!(
        std::env::var("REQUIRE_ALL").as_deref() != Ok("1"),
        "{what} is required"
    );
    eprintln!("NOT RUN: {what} is missing (scripts/setup test)");
}

/// A pipeline that is taken down with the test.
struct Pipeline(gst::Pipeline);

impl Pipeline {
    fn start(line: &str) -> Self {
        init();
        // A line with one element makes that element alone.
        let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>();
        let pipeline = pipeline.unwrap_or_else(|element| {
            let pipeline = gst::Pipeline::new();
            pipeline.add(&element).unwrap();
            pipeline
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        Self(pipeline)
    }

    /// Fails when an error was posted.
    fn assert_no_error(&self) {
        let error = self.0.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
        assert!(error.is_none(), "{error:?}");
    }

    /// The signaller of the element called `name`.
    fn signaller(&self, name: &str) -> gst::glib::Object {
        self.0.by_name(name).unwrap().property("signaller")
    }

    /// Where the server element called `name` listens, once it does.
    fn address(&self, name: &str) -> String {
        let signaller = self.signaller(name);
        wait_for("listening", || {
            let address: String = signaller.property("host-addr");
            (!address.contains(":0/")).then(|| address.trim_end_matches('/').to_owned())
        })
    }

    fn stop(&self) {
        self.0.set_state(gst::State::Null).unwrap();
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // In a failing test another panic would hide the first.
        let _ = self.0.set_state(gst::State::Null);
    }
}

/// A picture with bars of known colours and a tone, as fast as they would be recorded.
const PICTURE: &str =
    "videotestsrc is-live=true pattern=smpte75 ! video/x-raw,width=320,height=240,framerate=15/1";
const TONE: &str = "audiotestsrc is-live=true wave=sine";

/// Counts the decoded buffers of a source's pads, by name.
#[derive(Clone, Default)]
struct Counter(Arc<Mutex<BTreeMap<String, u64>>>);

impl Counter {
    /// Plays every pad that the element `name` has or gets into a sink that counts.
    fn attach(pipeline: &Pipeline, name: &str) -> Self {
        let counter = Self::default();
        let element = pipeline.0.by_name(name).unwrap();
        let (counts, weak) = (counter.0.clone(), pipeline.0.downgrade());
        element.connect_pad_added(move |_, pad| {
            if let Some(pipeline) = weak.upgrade() {
                count(&pipeline, pad, &counts);
            }
        });
        let (counts, weak) = (counter.0.clone(), pipeline.0.downgrade());
        element.connect_pad_removed(move |_, pad| {
            // A sink without a stream would keep the pipeline from playing: it lost its preroll.
            let bin = weak
                .upgrade()
                .and_then(|pipeline| Some((pipeline.by_name(&bin_name(pad))?, pipeline)));
            if let Some((bin, pipeline)) = bin {
                pipeline.remove(&bin).unwrap();
                bin.set_state(gst::State::Null).unwrap();
            }
            counts.lock().unwrap().remove(pad.name().as_str());
        });
        counter
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }

    /// Waits until a pad of `kind` gave `number` buffers.
    fn wait(&self, kind: &str, number: u64) {
        wait_for(kind, || {
            let counts = self.0.lock().unwrap();
            counts
                .iter()
                .any(|(name, count)| name.starts_with(kind) && *count >= number)
                .then_some(())
        });
    }
}

fn count(pipeline: &gst::Pipeline, pad: &gst::Pad, counts: &Arc<Mutex<BTreeMap<String, u64>>>) {
    let name = pad.name().to_string();
    if counts.lock().unwrap().insert(name.clone(), 0).is_some() || pad.is_linked() {
        return;
    }
    let convert = if name.starts_with("video") {
        "videoconvert"
    } else {
        "audioconvert"
    };
    let bin =
        gst::parse::bin_from_description(&format!("queue ! {convert} ! fakesink sync=false name=end"), true)
            .unwrap();
    let end = bin.by_name("end").unwrap().static_pad("sink").unwrap();
    let counts = counts.clone();
    end.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        if let Some(count) = counts.lock().unwrap().get_mut(&name) {
            *count += 1;
        }
        gst::PadProbeReturn::Ok
    });
    bin.set_property("name", bin_name(pad));
    pipeline.add(&bin).unwrap();
    bin.sync_state_with_parent().unwrap();
    pad.link(&bin.static_pad("sink").unwrap()).unwrap();
}

fn bin_name(pad: &gst::Pad) -> String {
    format!("plays-{}", pad.name())
}
