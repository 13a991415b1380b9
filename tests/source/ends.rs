// SPDX-License-Identifier: MPL-2.0
//! Who is killed, and what the user of the source sees of it, over the real signalling server.

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use gst::prelude::*;

use crate::common::{PATIENCE_SECONDS, init, wait_until};
use crate::playback::{Broadcast, producer};

/// Set for the process that is to send.
const PORT: &str = "SOURCE_TEST_PRODUCER_PORT";

/// A pipeline with a source behind a signalling server.
struct Viewer {
    pipeline: gst::Pipeline,
    buffers: Arc<AtomicU64>,
    messages: Arc<Mutex<Vec<gst::Message>>>,
}

impl Viewer {
    fn start(port: u16) -> Self {
        init();
        let line = format!(
            "webrtcsrc name=s stun-server=\"\" session-timeout={PATIENCE_SECONDS} connect-to-first-producer=true \
             signaller::uri=ws://127.0.0.1:{port} ! videoconvert ! fakesink name=v sync=false"
        );
        let pipeline: gst::Pipeline = gst::parse::launch(&line)
            .expect("a valid line")
            .downcast()
            .expect("a pipeline");
        let (buffers, messages) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let counter = buffers.clone();
        let sink = pipeline.by_name("v").expect("it is in the line");
        sink.static_pad("sink")
            .expect("a sink has one")
            .add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                counter.fetch_add(1, Ordering::SeqCst);
                gst::PadProbeReturn::Ok
            });
        let log = messages.clone();
        let bus = pipeline.bus().expect("a pipeline has a bus");
        bus.set_sync_handler(move |_, message| {
            log.lock().unwrap().push(message.clone());
            gst::BusSyncReply::Drop
        });
        pipeline.set_state(gst::State::Playing).expect("it plays");
        Self {
            pipeline,
            buffers,
            messages,
        }
    }

    fn wait_buffers(&self, more: u64) {
        let target = self.buffers.load(Ordering::SeqCst) + more;
        wait_until("pictures come", || self.buffers.load(Ordering::SeqCst) >= target);
    }

    fn saw(&self, is_it: impl Fn(&gst::Message) -> bool) -> bool {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.iter().any(is_it)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn is_session_end(message: &gst::Message) -> bool {
    message
        .structure()
        .is_some_and(|structure| structure.name() == "webrtc-session-ended")
}

/// Not a test: what the process that is killed runs, until it is.
#[test]
#[ignore = "started by the test of a killed producer"]
fn a_producer_in_a_process_of_its_own() {
    let port = std::env::var(PORT).expect("whoever starts this says where to send");
    init();
    let _pipeline = producer(port.parse().expect("a port"));
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

#[test]
fn a_producer_that_is_killed_ends_the_stream() {
    let broadcast = Broadcast::new();
    let mut process = Command::new(std::env::current_exe().expect("it runs"))
        .args(["--ignored", "--exact", "ends::a_producer_in_a_process_of_its_own"])
        .env(PORT, broadcast.port().to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("this very program starts");
    let viewer = Viewer::start(broadcast.port());
    viewer.wait_buffers(30);
    process.kill().expect("it runs");
    process.wait().expect("it was killed");
    wait_until("the stream ends", || {
        viewer.saw(|message| message.type_() == gst::MessageType::Eos)
    });
    wait_until("the reason is told", || viewer.saw(is_session_end));
    assert!(!viewer.saw(|message| message.type_() == gst::MessageType::Error));
}

#[test]
fn a_signalling_server_that_is_killed_costs_no_picture() {
    let broadcast = Broadcast::new();
    broadcast.send();
    let viewer = Viewer::start(broadcast.port());
    viewer.wait_buffers(30);
    broadcast.kill_server();
    wait_until("the bus tells of the loss", || {
        viewer.saw(|message| message.type_() == gst::MessageType::Warning)
    });
    viewer.wait_buffers(90);
    assert!(!viewer.saw(is_session_end));
    assert!(!viewer.saw(|message| message.type_() == gst::MessageType::Error));
}
