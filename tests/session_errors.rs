// SPDX-License-Identifier: MPL-2.0
//! What goes wrong is said once, in words a user can act on, and stopping never takes long.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::consumer::Consumer;
use common::loopback::Sent;
use common::pipelines::{Producer, SMALL, video};
use common::wait_until;
use gst::prelude::*;
use gstrswebrtc::signaller::{Signallable, signals};

#[test]
fn a_stream_that_no_allowed_codec_fits_ends_the_session_and_warns() {
    let producer = Producer::start(&[video(SMALL)], |sink| {
        sink.set_property("video-caps", gst::Caps::new_empty());
    });
    let consumer = Consumer::join(&producer.signaller, "one");
    let (nick, text) = producer.wait_end("one");
    assert_eq!(nick, "no-common-codec");
    assert!(text.contains("video_0"), "{text}");
    assert!(
        consumer
            .wait_end()
            .is_some_and(|reason| reason.starts_with("no-common-codec: "))
    );
    producer.assert_no_errors();
}

#[test]
fn messages_for_unknown_sessions_do_no_harm() {
    let producer = Producer::start(&[video(SMALL)], |_| ());
    producer
        .signaller
        .receive("nobody", Sent::Candidate(0, "candidate:nonsense".into()));
    producer
        .signaller
        .receive("nobody", Sent::End(Some("whatever".into())));
    let consumer = Consumer::join(&producer.signaller, "somebody");
    for nonsense in ["", "nonsense", "candidate:1 1 UDP x y z typ host", "candidate:\0"] {
        producer
            .signaller
            .receive("somebody", Sent::Candidate(7, nonsense.replace('\0', "?")));
    }
    consumer.wait_frames(0, 5);
    producer.assert_no_errors();
}

#[test]
fn a_session_id_is_used_once_at_a_time() {
    let producer = Producer::start(&[video(SMALL)], |_| ());
    let consumer = Consumer::join(&producer.signaller, "twice");
    consumer.wait_frames(0, 2);
    let announced = Arc::new(AtomicBool::new(false));
    let is_announced = announced.clone();
    producer
        .sink
        .connect("consumer-pipeline-created", false, move |_| {
            is_announced.store(true, Ordering::SeqCst);
            None
        });
    producer.signaller.request("twice", "another", None);
    assert!(
        !announced.load(Ordering::SeqCst),
        "a refused session has no pipeline"
    );
    consumer.wait_frames(0, 10);
    assert_eq!(producer.sessions(), ["twice"]);
}

#[test]
fn stopping_with_consumers_in_every_state_is_quick() {
    let producer = Producer::start(&[video(SMALL)], |_| ());
    let connected = Consumer::join(&producer.signaller, "connected");
    connected.wait_frames(0, 2);
    for id in ["mute-1", "mute-2", "mute-3"] {
        producer.signaller.route(id, |_| ());
        producer.signaller.request(id, "mute", None);
    }
    let began = Instant::now();
    producer.pipeline.set_state(gst::State::Null).unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(producer.sessions().is_empty());
}

#[test]
fn a_failing_signaller_is_an_element_error() {
    let producer = Producer::start(&[video(SMALL)], |_| ());
    signals::emit_error(producer.signaller.upcast_ref::<Signallable>(), "no server");
    wait_until("the bus hears of the error", || {
        producer
            .errors
            .lock()
            .unwrap()
            .iter()
            .any(|error| error.contains("Signalling error: no server"))
    });
}

#[test]
fn the_end_of_a_session_is_a_message_on_the_bus_too() {
    let producer = Producer::start(&[video(SMALL)], |_| ());
    let consumer = Consumer::join(&producer.signaller, "told");
    consumer.wait_frames(0, 1);
    consumer.leave();
    let find = || {
        let messages = producer.messages.lock().unwrap();
        messages
            .iter()
            .find(|message| message.name() == "webrtc-session-ended")
            .cloned()
    };
    wait_until("the message is posted", || find().is_some());
    let message = find().unwrap();
    assert_eq!(message.get::<String>("session-id").unwrap(), "told");
    assert_eq!(message.get::<String>("peer-id").unwrap(), "peer-told");
}

#[test]
fn who_comes_when_the_sink_is_stopped_is_told_so() {
    let producer = Producer::start(&[video(SMALL)], |_| ());
    producer.pipeline.set_state(gst::State::Ready).unwrap();
    let end = Arc::new(Mutex::new(None));
    let told = end.clone();
    producer.signaller.route("late", move |sent| {
        if let Sent::End(reason) = sent {
            *told.lock().unwrap() = reason;
        }
    });
    producer.signaller.request("late", "peer-late", None);
    let end = end.lock().unwrap().clone();
    assert_eq!(end.as_deref(), Some("closed: the sink is not running"));
}

#[test]
fn servers_that_are_none_are_warned_of_and_hinder_nobody() {
    let producer = Producer::start(&[video(SMALL)], |sink| {
        sink.set_property("stun-server", "nonsense");
        sink.set_property(
            "turn-servers",
            gst::Array::new(["turn://me:secret@", "turn://host"]),
        );
    });
    let consumer = Consumer::join(&producer.signaller, "one");
    consumer.wait_frames(0, 3);
    let has = |text: &str| {
        let warnings = producer.warnings.lock().unwrap();
        assert!(
            !warnings.iter().any(|warning| warning.contains("secret")),
            "{warnings:?}"
        );
        warnings.iter().filter(|warning| warning.contains(text)).count()
    };
    assert_eq!((has("stun-server"), has("turn-servers")), (1, 2));
    producer.sink.set_property("stun-server", "turn://elsewhere");
    assert_eq!(has("stun-server"), 2);
    producer.assert_no_errors();
}

#[cfg(feature = "web_server")]
#[test]
fn a_web_server_address_that_is_none_is_an_error() {
    let producer = Producer::prepare(&[video(SMALL)], |sink| {
        sink.set_property("run-web-server", true);
        sink.set_property("web-server-host-addr", "no address");
        sink.set_property("web-server-directory", ".");
    });
    assert!(producer.pipeline.set_state(gst::State::Paused).is_err());
    let errors = producer.errors.lock().unwrap().clone();
    assert!(
        errors.iter().any(|error| error.contains("\"no address\"")),
        "{errors:?}"
    );
    producer
        .sink
        .set_property("web-server-host-addr", "http://127.0.0.1:0");
    producer.pipeline.set_state(gst::State::Ready).unwrap();
    producer.play();
}
