// SPDX-License-Identifier: MPL-2.0
//! How an interface of signals behaves towards implementors and applications.

use std::sync::{Arc, Mutex};

use gst::glib;
use gst::glib::prelude::*;
use gst::glib::subclass::prelude::*;

use super::prelude::*;
use super::{Signallable, signals};

type Calls = Arc<Mutex<Vec<String>>>;

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct Recorder {
        pub calls: Calls,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Recorder {
        const NAME: &'static str = "TestRecordingSignaller";
        type Type = super::Recorder;
        type Interfaces = (Signallable,);
    }

    impl ObjectImpl for Recorder {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: std::sync::LazyLock<Vec<glib::ParamSpec>> = std::sync::LazyLock::new(|| {
                vec![glib::ParamSpecOverride::for_interface::<Signallable>(
                    "manual-sdp-munging",
                )]
            });
            &PROPERTIES
        }

        fn property(&self, _id: usize, _pspec: &glib::ParamSpec) -> glib::Value {
            true.to_value()
        }
    }

    impl SignallableImpl for Recorder {
        fn start(&self) {
            self.calls.lock().unwrap().push("start".to_owned());
        }

        fn add_ice(&self, session_id: &str, candidate: &str, index: u32, mid: Option<String>) {
            self.calls
                .lock()
                .unwrap()
                .push(format!("ice {session_id} {candidate} {index} {mid:?}"));
        }

        fn end_session(&self, session_id: &str) {
            self.calls.lock().unwrap().push(format!("end {session_id}"));
        }
    }
}

glib::wrapper! {
    pub struct Recorder(ObjectSubclass<imp::Recorder>) @implements Signallable;
}

fn recorder() -> (Recorder, Calls) {
    gst::init().unwrap();
    let recorder = glib::Object::new::<Recorder>();
    let calls = recorder.imp().calls.clone();
    (recorder, calls)
}

fn taken(calls: &Calls) -> Vec<String> {
    std::mem::take(&mut calls.lock().unwrap())
}

#[test]
fn verbs_reach_the_implementor() {
    let (recorder, calls) = recorder();
    recorder.start();
    recorder.stop();
    recorder.add_ice("s", "candidate:1", 2, None);
    recorder.end_session("s");
    assert_eq!(taken(&calls), ["start", "ice s candidate:1 2 None", "end s"]);
}

#[test]
fn an_end_with_a_reason_falls_back_to_the_plain_end() {
    let (recorder, calls) = recorder();
    recorder.end_session_with_error("s", Some("why".to_owned()));
    assert_eq!(taken(&calls), ["end s"]);
}

#[test]
fn a_handler_of_the_application_replaces_the_method() {
    let (recorder, calls) = recorder();
    let seen = Arc::new(Mutex::new(0));
    let count = seen.clone();
    recorder.connect("end-session", false, move |_| {
        *count.lock().unwrap() += 1;
        Some(true.to_value())
    });
    recorder.end_session("s");
    recorder.end_session_with_error("s", None);
    assert_eq!(taken(&calls), Vec::<String>::new());
    assert_eq!(*seen.lock().unwrap(), 2);
}

#[test]
fn munging_defaults_to_the_description_itself() {
    let (recorder, _) = recorder();
    let sdp = gst_webrtc::WebRTCSessionDescription::new(
        gst_webrtc::WebRTCSDPType::Offer,
        gst_sdp::SDPMessage::new(),
    );
    assert_eq!(
        recorder.munge_sdp("s", &sdp).type_(),
        gst_webrtc::WebRTCSDPType::Offer
    );
    assert!(recorder.is_munging_manually());
}

#[test]
fn metadata_is_asked_of_whoever_answers() {
    let (recorder, _) = recorder();
    let signaller = recorder.upcast_ref::<Signallable>();
    assert!(signals::emit_request_meta(signaller).is_none());
    signals::connect_request_meta(signaller, |_| Some(gst::Structure::new_empty("meta")));
    assert_eq!(signals::emit_request_meta(signaller).unwrap().name(), "meta");
}

#[test]
fn reports_arrive_typed() {
    let (recorder, calls) = recorder();
    let signaller = recorder.upcast_ref::<Signallable>();
    let log = calls.clone();
    signals::connect_handle_ice(signaller, move |_, session, index, mid, candidate| {
        log.lock()
            .unwrap()
            .push(format!("{session} {index} {mid:?} {candidate}"));
    });
    let log = calls.clone();
    signals::connect_session_requested(signaller, move |_, session, peer, offer| {
        log.lock()
            .unwrap()
            .push(format!("{session} {peer} {}", offer.is_some()));
    });
    signals::connect_session_ended(signaller, |_, session| session == "known");
    signals::emit_handle_ice(signaller, "s", 1, Some("video0"), "candidate:1");
    signals::emit_session_requested(signaller, "s", "p", None);
    assert_eq!(taken(&calls), ["s 1 Some(\"video0\") candidate:1", "s p false"]);
    assert!(signals::emit_session_ended(signaller, "known"));
    assert!(!signals::emit_session_ended(signaller, "other"));
}

#[test]
fn null_where_text_belongs_never_reaches_a_handler() {
    let (recorder, calls) = recorder();
    let signaller = recorder.upcast_ref::<Signallable>();
    let log = calls.clone();
    signals::connect_session_started(signaller, move |_, _, _| {
        log.lock().unwrap().push("called".to_owned())
    });
    recorder.emit_by_name::<()>("session-started", &[&None::<String>, &"p"]);
    recorder.emit_by_name::<bool>("end-session", &[&None::<String>]);
    assert_eq!(taken(&calls), Vec::<String>::new());
}
