// SPDX-License-Identifier: MPL-2.0
//! What state changes of a source do: prepare before PAUSED, start signalling at PLAYING, wind everything up at READY.
//!
//! Called on the thread that changes the state; winding up waits a bounded time, whatever a peer or downstream does.
//! Owns what each transition means; the sessions' own way of ending is `session/ending`, pads are taken away by
//! `exposure`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::subclass::prelude::*;

use super::{BaseWebRTCSrc, CAT, exposure};
use crate::error;
use crate::signaller::SignallableExt;
use crate::webrtcbin::stun::StunServer;
use crate::webrtcbin::{self, warmup};

/// What comes before the bin's children change state.
///
/// # Errors
/// When an element that every session needs is not installed; the bus says which.
pub(super) fn before(src: &BaseWebRTCSrc, transition: gst::StateChange) -> Result<(), gst::StateChangeError> {
    match transition {
        gst::StateChange::NullToReady => check_elements(src),
        gst::StateChange::ReadyToPaused => {
            warmup::start();
            let uri = src.imp().settings().stun_server.clone();
            let stun = Arc::new(StunServer::look_up(uri.as_deref()));
            src.imp().state().stun = Some(stun);
            Ok(())
        }
        // Before the children: streams of a session that goes on must not be fed into elements that stop.
        gst::StateChange::PausedToReady => {
            stop_sessions(src);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What comes after the bin's children changed state.
pub(super) fn after(
    src: &BaseWebRTCSrc,
    transition: gst::StateChange,
    success: gst::StateChangeSuccess,
) -> gst::StateChangeSuccess {
    match transition {
        // Live: nothing comes before the producer sends.
        gst::StateChange::ReadyToPaused | gst::StateChange::PlayingToPaused => {
            gst::StateChangeSuccess::NoPreroll
        }
        gst::StateChange::PausedToPlaying => {
            start_signaller(src);
            success
        }
        gst::StateChange::PausedToReady => {
            stop_signaller(src);
            success
        }
        gst::StateChange::ReadyToNull => {
            if !warmup::finish() {
                gst::warning!(CAT, obj = src, "the DTLS certificate is still being made");
            }
            success
        }
        _ => success,
    }
}

fn check_elements(src: &BaseWebRTCSrc) -> Result<(), gst::StateChangeError> {
    webrtcbin::require("to connect to a producer").map_err(|missing| {
        error::post_failure(src, &missing.to_string());
        gst::StateChangeError
    })
}

fn start_signaller(src: &BaseWebRTCSrc) {
    let is_first = src.imp().state().start_signalling();
    if let Some(signaller) = src.imp().signaller().filter(|_| is_first) {
        gst::info!(CAT, obj = src, "starting the signaller");
        signaller.start();
    }
}

/// Sessions tell their peers and let go of everything; those that do not within [`PATIENCE`] go on doing so alone.
fn stop_sessions(src: &BaseWebRTCSrc) {
    let deadline = Instant::now() + PATIENCE;
    let sessions = src.imp().state().all_sessions();
    for session in &sessions {
        session.stop();
    }
    for session in &sessions {
        if !session.wait(deadline.saturating_duration_since(Instant::now())) {
            gst::warning!(
                CAT,
                obj = src,
                "session {} takes long to stop, going on without it",
                session.id()
            );
        }
    }
}

fn stop_signaller(src: &BaseWebRTCSrc) {
    let was_started = src.imp().state().stop_signalling();
    if let Some(signaller) = src.imp().signaller().filter(|_| was_started) {
        gst::info!(CAT, obj = src, "stopping the signaller");
        signaller.stop();
    }
    // One that the signaller reported while it was being stopped.
    stop_sessions(src);
    exposure::withdraw_all(src);
}

/// A state change finishes within 5 s; two waits of this length leave room for everything else.
const PATIENCE: Duration = Duration::from_millis(1_800);
