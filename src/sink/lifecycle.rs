// SPDX-License-Identifier: MPL-2.0
//! What state changes of a sink do: prepare before PAUSED, start signalling at PLAYING, wind everything up at READY.
//!
//! Called on the thread that changes the state; nothing here waits for a peer, and winding up waits a bounded time.
//! Owns the order: a session may ask the pool for encoders until it is released, so sessions end first and encoders
//! stop after them; the signaller is stopped after the last word of a session.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use gst::subclass::prelude::*;

use super::BaseWebRTCSink;
use super::discovery::Discovery;
use super::encode::BranchPool;
use super::host::SinkHost;
use super::imp::CAT;
use super::{addresses, consumers, web_server};
use crate::end_reason::{EndReason, SessionEndReason};
use crate::runtime::Task;
use crate::signaller::{Signallable, SignallableExt};
use crate::webrtcbin::stun::StunServer;
use crate::webrtcbin::{self, warmup};
use crate::{error, runtime};

/// What comes before the bin's children change state.
///
/// # Errors
/// When an element that every session needs is not installed; the bus says which.
pub(super) fn before(
    sink: &BaseWebRTCSink,
    transition: gst::StateChange,
) -> Result<(), gst::StateChangeError> {
    match transition {
        gst::StateChange::NullToReady => check_elements(sink),
        gst::StateChange::ReadyToPaused => {
            addresses::warn_of_unusable(sink);
            web_server::start(sink)?;
            prepare(sink);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What comes after the bin's children changed state.
pub(super) fn after(
    sink: &BaseWebRTCSink,
    transition: gst::StateChange,
    success: gst::StateChangeSuccess,
) -> gst::StateChangeSuccess {
    match transition {
        // Nothing is rendered here before somebody watches, so there is nothing to preroll with.
        gst::StateChange::ReadyToPaused => return gst::StateChangeSuccess::NoPreroll,
        gst::StateChange::PausedToPlaying => play(sink),
        gst::StateChange::PlayingToPaused => return gst::StateChangeSuccess::NoPreroll,
        gst::StateChange::PausedToReady => wind_up(sink),
        gst::StateChange::ReadyToNull if !warmup::finish() => {
            gst::warning!(CAT, obj = sink, "the DTLS certificate is still being made");
        }
        _ => {}
    }
    success
}

/// The bin's children could not follow: what was prepared for them is wound up.
pub(super) fn failed(sink: &BaseWebRTCSink, transition: gst::StateChange) {
    if transition == gst::StateChange::ReadyToPaused {
        wind_up(sink);
    }
}

/// A stream got caps or was released: the signaller may have waited for that.
pub(super) fn streams_changed(sink: &BaseWebRTCSink) {
    let signaller = sink.imp().settings().signaller.clone();
    let is_due = sink.imp().state().start_if_described(&signaller);
    if is_due {
        start_signaller(sink, &signaller);
    }
}

/// The property was set: the new signaller is listened to, unless the one before is in use.
pub(super) fn signaller_changed(sink: &BaseWebRTCSink, signaller: &Signallable) {
    let is_in_use = sink.imp().state().signaller().is_some();
    if is_in_use {
        error::post_warning(sink, "the signaller is replaced when the element starts anew");
    } else {
        consumers::listen(sink, signaller);
    }
}

/// The property was set: a running element looks the new name up for the consumers to come.
pub(super) fn stun_server_changed(sink: &BaseWebRTCSink) {
    let uri = sink.imp().settings().stun_server.clone();
    let is_running = sink.imp().state().stun.is_some();
    if is_running {
        addresses::warn_of_stun_server(sink, uri.as_deref());
    }
    let looked_up = Arc::new(StunServer::look_up(uri.as_deref()));
    // The former one, with its look-up, is dropped after the lock.
    let _former = {
        let mut state = sink.imp().state();
        match state.stun.is_some() {
            true => state.stun.replace(looked_up),
            false => Some(looked_up),
        }
    };
}

/// Looked for once, when the element leaves NULL, and not at the first consumer, where a user would not see why.
fn check_elements(sink: &BaseWebRTCSink) -> Result<(), gst::StateChangeError> {
    webrtcbin::require("to connect to consumers").map_err(|missing| {
        error::post_failure(sink, &missing.to_string());
        gst::StateChangeError
    })
}

/// Begins everything that takes time before somebody watches: the certificate, the look-up of the STUN server.
fn prepare(sink: &BaseWebRTCSink) {
    warmup::start();
    let host = Arc::new(SinkHost::new(sink));
    let pool = BranchPool::new(host.clone());
    let discovery = Discovery::new(host);
    let uri = sink.imp().settings().stun_server.clone();
    let stun = Arc::new(StunServer::look_up(uri.as_deref()));
    let streams = {
        let mut state = sink.imp().state();
        state.prepare(pool.clone());
        state.stun = Some(stun);
        state.discovery = Some(discovery);
        state.streams()
    };
    for stream in streams {
        stream.start(pool.clone());
    }
}

fn play(sink: &BaseWebRTCSink) {
    let signaller = sink.imp().settings().signaller.clone();
    let (is_due, pool, sessions) = {
        let mut state = sink.imp().state();
        (state.playing(&signaller), state.pool.clone(), state.sessions())
    };
    // After a pause the base time is another one.
    if let Some(pool) = pool {
        pool.clock_changed();
    }
    for session in sessions {
        session.adopt_clock(sink);
    }
    if is_due {
        start_signaller(sink, &signaller);
    }
}

fn start_signaller(sink: &BaseWebRTCSink, signaller: &Signallable) {
    gst::info!(CAT, obj = sink, "starting the signaller");
    // Another one may have been set in this very moment.
    consumers::listen(sink, signaller);
    signaller.start();
}

/// Ends all sessions at once and waits for them together, so that a hundred consumers take as long as one.
fn wind_up(sink: &BaseWebRTCSink) {
    let (sessions, pool, signaller) = sink.imp().state().stop();
    for session in &sessions {
        session.end(EndReason::new(SessionEndReason::Closed, "the producer stopped"));
    }
    // A process may exit as soon as its pipeline is in NULL; encoders that are being tried would outlive GStreamer.
    let look_aheads = sink.imp().state().take_look_aheads();
    runtime::block_on(async {
        let sessions = join_all(sessions.iter().map(|session| session.finished()));
        let look_aheads = join_all(look_aheads.into_iter().map(Task::join));
        let all = futures::future::join(sessions, look_aheads);
        if tokio::time::timeout(SESSIONS_PATIENCE, all).await.is_err() {
            gst::warning!(
                CAT,
                obj = sink,
                "some sessions or encoders are still being released"
            );
        }
    });
    if let Some(pool) = pool {
        pool.shutdown();
    }
    if let Some(signaller) = signaller {
        signaller.stop();
        // Another one may have been set meanwhile.
        let next = sink.imp().settings().signaller.clone();
        consumers::listen(sink, &next);
    }
    for stream in sink.imp().state().streams() {
        stream.stop();
    }
    web_server::stop(sink);
}

/// Releasing a session takes 3 to 10 ms (measured). The element promises NULL within 5 s whatever a peer does, of
/// which two are the encoders'.
const SESSIONS_PATIENCE: Duration = Duration::from_millis(2500);
