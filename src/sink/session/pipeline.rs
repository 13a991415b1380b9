// SPDX-License-Identifier: MPL-2.0
//! A session's pipeline around its webrtcbin: made, watched, started.
//!
//! Called on a thread that may block. Callbacks come from webrtcbin's threads and hold the session weakly. Owns the
//! callbacks: each turns what it hears into an input or a fact of the session and returns. What webrtcbin itself needs
//! to be usable is `webrtcbin`'s (`make`, `fingerprint`); pads are requested by `slots`.

use std::sync::{Arc, Weak};
use std::time::Instant;

use gst::prelude::*;
use gst_webrtc::{WebRTCICEConnectionState, WebRTCICETransportPolicy, WebRTCPeerConnectionState};

use super::Input;
use super::handle::Session;
use super::layering;
use super::machine::Fact;
use crate::end_reason::{EndReason, SessionEndReason};
use crate::runtime;
use crate::sink::imp::CAT;
use crate::sink::rate;
use crate::webrtcbin::fingerprint::{self, Verdict};
use crate::webrtcbin::{self, Config};

/// Makes the webrtcbin of `session` and brings the pipeline to READY: it can be given pads and channels then.
///
/// # Errors
/// When an element is missing or the pipeline does not start.
pub(super) fn prepare(
    session: &Arc<Session>,
    stun_server: Option<String>,
) -> Result<gst::Element, EndReason> {
    let settings = session.settings();
    let config = Config {
        stun_server,
        turn_servers: settings.turn_servers().collect(),
        relay_only: settings.ice_transport_policy == WebRTCICETransportPolicy::Relay,
        latency_ms: None,
    };
    let webrtcbin = webrtcbin::make(&format!("webrtcbin-{}", session.id()), &config).map_err(internal)?;
    let pipeline = session.pipeline();
    pipeline.add(&webrtcbin).map_err(internal)?;
    if let Some(sink) = session.sink() {
        session.adopt_clock(&sink);
    }
    watch_bus(session);
    watch_connection(session, &webrtcbin);
    watch_packets(session, &webrtcbin);
    if settings.simulcast_layers > 1 {
        layering::prepare(session, &webrtcbin);
    }
    rate::Control::install(session, &webrtcbin);
    start(session, gst::State::Ready)?;
    Ok(webrtcbin)
}

/// Takes the pipeline to `state`.
///
/// # Errors
/// When it does not get there.
pub(super) fn start(session: &Session, state: gst::State) -> Result<(), EndReason> {
    session.pipeline().set_state(state).map(drop).map_err(|_| {
        EndReason::new(
            SessionEndReason::Internal,
            format!("the session's pipeline does not reach {state:?}"),
        )
    })
}

/// The end that a failure on this side means.
pub(super) fn internal(error: impl std::fmt::Display) -> EndReason {
    EndReason::new(SessionEndReason::Internal, error.to_string())
}

/// Messages are handled where they are posted, so that nothing piles up on a bus that no one reads.
fn watch_bus(session: &Arc<Session>) {
    let bus = session.pipeline().bus().expect("a pipeline has a bus");
    let weak = Arc::downgrade(session);
    bus.set_sync_handler(move |_, message| {
        if let Some(session) = weak.upgrade() {
            handle_message(&session, message);
        }
        gst::BusSyncReply::Drop
    });
}

/// An error inside ends this consumer and no other; contexts are the application's, who answers for the whole element.
fn handle_message(session: &Arc<Session>, message: &gst::Message) {
    match message.view() {
        gst::MessageView::Error(error) => {
            let source = message
                .src()
                .map(|source| source.path_string())
                .unwrap_or_default();
            gst::warning!(
                CAT,
                "session {}: {source}: {} ({:?})",
                session.id(),
                error.error(),
                error.debug()
            );
            session.end(internal(format_args!("{source}: {}", error.error())));
        }
        gst::MessageView::Latency(_) => {
            let pipeline = session.pipeline().clone();
            // It queries every element, which the thread that posts must not wait for.
            runtime::run_blocking(move || {
                if pipeline.recalculate_latency().is_err() {
                    gst::warning!(CAT, obj = pipeline, "latency could not be set");
                }
            });
        }
        gst::MessageView::NeedContext(_) | gst::MessageView::HaveContext(_) => {
            if let Some(sink) = session.sink() {
                // Refused only while the element has no bus, and then nobody could answer.
                let _ = sink.post_message(message.to_owned());
            }
        }
        _ => {}
    }
}

fn watch_connection(session: &Arc<Session>, webrtcbin: &gst::Element) {
    let weak = Arc::downgrade(session);
    webrtcbin.connect("on-ice-candidate", false, move |values| {
        let session = weak.upgrade()?;
        let media_index = values.get(1)?.get::<u32>().ok()?;
        let candidate = values.get(2)?.get::<String>().ok()?;
        session.post(Input::LocalCandidate {
            media_index,
            candidate,
        });
        None
    });
    let weak = Arc::downgrade(session);
    webrtcbin.connect_notify(Some("connection-state"), move |webrtcbin, _| {
        observe(&weak, connection_fact(webrtcbin));
    });
    let weak = Arc::downgrade(session);
    webrtcbin.connect_notify(Some("ice-connection-state"), move |webrtcbin, _| {
        let state = webrtcbin.property::<WebRTCICEConnectionState>("ice-connection-state");
        observe(
            &weak,
            (state == WebRTCICEConnectionState::Failed).then_some(Fact::TransportFailed),
        );
    });
    let weak = Arc::downgrade(session);
    fingerprint::watch(webrtcbin, move |verdict| {
        let fact = match verdict {
            Verdict::Matches => Fact::FingerprintMatched,
            Verdict::Refused(why) => {
                gst::warning!(CAT, "certificate refused: {why}");
                Fact::FingerprintDiffers
            }
        };
        observe(&weak, Some(fact));
    });
}

fn connection_fact(webrtcbin: &gst::Element) -> Option<Fact> {
    match webrtcbin.property::<WebRTCPeerConnectionState>("connection-state") {
        WebRTCPeerConnectionState::Connected => Some(Fact::TransportConnected),
        WebRTCPeerConnectionState::Failed => {
            let ice = webrtcbin.property::<WebRTCICEConnectionState>("ice-connection-state");
            let is_ice_up = matches!(
                ice,
                WebRTCICEConnectionState::Connected | WebRTCICEConnectionState::Completed
            );
            Some(if is_ice_up {
                Fact::DtlsFailed
            } else {
                Fact::TransportFailed
            })
        }
        _ => None,
    }
}

fn observe(session: &Weak<Session>, fact: Option<Fact>) {
    if let (Some(session), Some(fact)) = (session.upgrade(), fact) {
        session.observe(fact);
    }
}

/// Notes when anything arrives: reports and data that the peer's DTLS association protects.
fn watch_packets(session: &Arc<Session>, webrtcbin: &gst::Element) {
    let weak = Arc::downgrade(session);
    webrtcbin::for_each_inside(webrtcbin, "nicesrc", move |nicesrc| {
        let Some(pad) = nicesrc.static_pad("src") else {
            return;
        };
        let weak = weak.clone();
        pad.add_probe(
            gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST,
            move |_, _| {
                if let Some(session) = weak.upgrade() {
                    session.traffic.heard(Instant::now());
                }
                gst::PadProbeReturn::Ok
            },
        );
    });
}
