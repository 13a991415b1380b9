// SPDX-License-Identifier: MPL-2.0
//! Playback by address and by launch line, over the real signalling server, from this crate's own sink.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_plugin_webrtc_signalling::{Config, Handle, Server};

use crate::common::{PATIENCE_SECONDS, init, wait_until};

/// A signalling server with one producer, a sink that sends a picture and a tone.
pub(crate) struct Broadcast {
    runtime: Mutex<Option<tokio::runtime::Runtime>>,
    server: Option<Handle>,
    pipeline: Mutex<Option<gst::Pipeline>>,
    port: u16,
}

impl Broadcast {
    pub(crate) fn new() -> Self {
        init();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let config = Config {
            host: "127.0.0.1".to_owned(),
            port: 0,
            ..Config::default()
        };
        let server = runtime.block_on(async { Server::bind(config).await.expect("a free port").spawn() });
        let port = server.local_addr().port();
        Self {
            runtime: Mutex::new(Some(runtime)),
            server: Some(server),
            pipeline: Mutex::new(None),
            port,
        }
    }

    /// Begins to send; gives the producer's id.
    pub(crate) fn send(&self) -> String {
        let pipeline = producer(self.port);
        let sink = pipeline.by_name("sink").expect("it is called sink");
        *self.pipeline.lock().unwrap() = Some(pipeline);
        let signaller = sink.property::<gst::glib::Object>("signaller");
        wait_until("the server knows the producer", || {
            signaller.property::<Option<String>>("client-id").is_some()
        });
        signaller
            .property::<Option<String>>("client-id")
            .expect("it was just there")
    }

    /// Where the server listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The server is gone from one moment to the next, with all its connections.
    pub(crate) fn kill_server(&self) {
        let runtime = self.runtime.lock().unwrap().take();
        runtime.expect("it runs").shutdown_background();
    }

    fn uri(&self, query: &str) -> String {
        format!("gstwebrtc://127.0.0.1:{}/?{query}", self.port)
    }
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        if let Some(pipeline) = self.pipeline.lock().unwrap().take() {
            let _ = pipeline.set_state(gst::State::Null);
        }
        if let (Some(server), Some(runtime)) = (self.server.take(), self.runtime.lock().unwrap().take()) {
            runtime.block_on(server.shutdown());
        }
    }
}

/// A sink that sends a picture and a tone by the server at `port`, playing.
pub(crate) fn producer(port: u16) -> gst::Pipeline {
    let line = format!(
        "webrtcsink name=sink stun-server=\"\" session-timeout={PATIENCE_SECONDS} video-caps=video/x-vp8 signaller::uri=ws://127.0.0.1:{port} \
         videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=30/1 ! sink. \
         audiotestsrc is-live=true ! sink."
    );
    let pipeline: gst::Pipeline = gst::parse::launch(&line)
        .expect("a valid line")
        .downcast()
        .expect("a pipeline");
    pipeline.set_state(gst::State::Playing).expect("it plays");
    pipeline
}

/// Sinks for a playback element, that count.
fn counting_sink() -> (gst::Element, Arc<AtomicU64>) {
    let sink = gst::ElementFactory::make("fakesink")
        .property("sync", false)
        .property("signal-handoffs", true)
        .build()
        .expect("a core element");
    let count = Arc::new(AtomicU64::new(0));
    let counter = count.clone();
    sink.connect("handoff", false, move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        None
    });
    (sink, count)
}

/// Has the sources that appear in `bin` wait as long as the tests do, and look up no STUN server.
fn give_time(bin: &gst::Bin) {
    bin.connect_deep_element_added(|_, _, element| {
        if element
            .factory()
            .is_some_and(|factory| factory.name() == "webrtcsrc")
        {
            element.set_property("session-timeout", PATIENCE_SECONDS);
            element.set_property("stun-server", None::<&str>);
        }
    });
}

fn plays(player: &str) {
    let broadcast = Broadcast::new();
    let id = broadcast.send();
    let (video, pictures) = counting_sink();
    let (audio, sounds) = counting_sink();
    let player = gst::ElementFactory::make(player)
        .property("uri", broadcast.uri(&format!("peer-id={id}")))
        .property("video-sink", &video)
        .property("audio-sink", &audio)
        .build()
        .expect("a playback element");
    give_time(player.downcast_ref().expect("playback elements are bins"));
    player.set_state(gst::State::Playing).expect("it plays");
    wait_until("picture and sound play", || {
        pictures.load(Ordering::SeqCst) > 30 && sounds.load(Ordering::SeqCst) > 30
    });
    player.set_state(gst::State::Null).expect("it stops");
}

#[test]
fn playbin_plays_an_address() {
    plays("playbin");
}

#[test]
fn playbin3_plays_an_address() {
    plays("playbin3");
}

#[test]
fn a_launch_line_with_uridecodebin3_decodes() {
    let broadcast = Broadcast::new();
    let id = broadcast.send();
    let line = format!(
        "uridecodebin3 name=d uri=\"{}\" d. ! videoconvert ! fakesink name=v sync=false d. ! audioconvert ! fakesink name=a sync=false",
        broadcast.uri(&format!("peer-id={id}"))
    );
    decodes(&line, &["v", "a"]);
}

#[test]
fn the_first_producer_is_played_even_if_it_comes_later() {
    let broadcast = Broadcast::new();
    let line = format!(
        "webrtcsrc name=s stun-server=\"\" session-timeout={PATIENCE_SECONDS} connect-to-first-producer=true \
         signaller::uri=ws://127.0.0.1:{} \
         s. ! videoconvert ! fakesink name=v sync=false s. ! audioconvert ! fakesink name=a sync=false",
        broadcast.port
    );
    let later = std::thread::scope(|scope| {
        let player = scope.spawn(|| decodes(&line, &["v", "a"]));
        broadcast.send();
        player.join()
    });
    later.expect("it decodes");
}

#[test]
fn an_unknown_producer_is_an_error() {
    let broadcast = Broadcast::new();
    let line = format!(
        "webrtcsrc signaller::uri=ws://127.0.0.1:{} signaller::producer-peer-id=nobody ! fakesink",
        broadcast.port
    );
    let pipeline: gst::Pipeline = gst::parse::launch(&line)
        .expect("a valid line")
        .downcast()
        .expect("a pipeline");
    pipeline.set_state(gst::State::Playing).expect("it starts");
    let bus = pipeline.bus().expect("a pipeline has a bus");
    let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &[gst::MessageType::Error]);
    let message = message.expect("an error is posted");
    let gst::MessageView::Error(error) = message.view() else {
        panic!("{message:?}")
    };
    assert!(
        error.error().to_string().contains("Signalling error"),
        "{}",
        error.error()
    );
    pipeline.set_state(gst::State::Null).expect("it stops");
}

/// Runs a line until each of its sinks has seen 20 buffers.
fn decodes(line: &str, sinks: &[&str]) {
    let pipeline: gst::Pipeline = gst::parse::launch(line)
        .expect("a valid line")
        .downcast()
        .expect("a pipeline");
    give_time(pipeline.upcast_ref());
    let counts: Vec<_> = sinks
        .iter()
        .map(|name| {
            let count = Arc::new(AtomicU64::new(0));
            let counter = count.clone();
            let pad = pipeline
                .by_name(name)
                .expect("it is in the line")
                .static_pad("sink")
                .expect("a sink has one");
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                counter.fetch_add(1, Ordering::SeqCst);
                gst::PadProbeReturn::Ok
            });
            count
        })
        .collect();
    pipeline.set_state(gst::State::Playing).expect("it plays");
    wait_until("all sinks see buffers", || {
        counts.iter().all(|count| count.load(Ordering::SeqCst) > 20)
    });
    pipeline.set_state(gst::State::Null).expect("it stops");
}
