// SPDX-License-Identifier: MPL-2.0
//! The end of a session: everything it made is released in order, then everybody is told the same reason.
//!
//! Owns the order: encoders first, then the bus, then the pipeline, which goes to NULL on a blocking thread; the sink
//! forgets the session next, so that its id may come again, and signaller, application and bus hear last.
//!
//! Runs as the last step of the session's task, in bounded time even if an element never stops.

use std::sync::Arc;
use std::time::Duration;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::handle::{Ending, Session};
use crate::end_reason::SessionEndReason;
use crate::runtime;
use crate::signaller::{SignallableExt, signals as signaller_signals};
use crate::sink::imp::CAT;
use crate::sink::{BaseWebRTCSink, signals};

/// Releases `session` and tells who has to know. Comes to its end in bounded time.
pub(super) async fn release(session: &Arc<Session>, ending: Ending) {
    gst::info!(CAT, "session {}: ended: {}", session.id(), ending.reason);
    // A task of its own: should this one not wait to the end, the pipeline is stopped all the same.
    let (done, is_done) = tokio::sync::oneshot::channel::<()>();
    let dismantled = session.clone();
    runtime::spawn(async move {
        dismantle(&dismantled).await;
        drop(done);
    })
    .detach();
    if tokio::time::timeout(PATIENCE, is_done).await.is_err() {
        gst::error!(CAT, "session {}: its pipeline does not stop", session.id());
    }
    if let Some(sink) = session.sink() {
        sink.imp().state().forget_session(session);
        tell(&sink, session, &ending);
    }
    session.mark_released();
}

/// First the encoders let go, so that nothing is pushed into a pipeline on its way down.
async fn dismantle(session: &Arc<Session>) {
    let guard = session.busy.clone().lock_owned().await;
    let session = session.clone();
    let done = runtime::spawn_blocking(move || {
        let (outlets, control) = {
            let mut view = session.view();
            (std::mem::take(&mut view.outlets), view.control.take())
        };
        drop((outlets, control));
        if let Some(bus) = session.pipeline().bus() {
            bus.unset_sync_handler();
            bus.set_flushing(true);
        }
        // Going to NULL never fails.
        let _ = session.pipeline().set_state(gst::State::Null);
        drop(guard);
    });
    if done.await.is_err() {
        gst::error!(CAT, "releasing a session panicked");
    }
}

/// The same reason for everybody. No lock is held: handlers may ask the element anything.
fn tell(sink: &BaseWebRTCSink, session: &Session, ending: &Ending) {
    let signaller = session.settings().signaller.clone();
    let reason = &ending.reason;
    // Only a consumer that was announced can be removed.
    let webrtcbin = session.view().webrtcbin.take();
    if let Some(webrtcbin) = &webrtcbin {
        signaller_signals::emit_consumer_removed(&signaller, session.peer_id(), webrtcbin);
    }
    if !ending.is_by_peer {
        match reason.kind {
            SessionEndReason::Closed => signaller.end_session(session.id()),
            _ => signaller.end_session_with_error(session.id(), Some(reason.to_wire())),
        }
    }
    if let Some(webrtcbin) = &webrtcbin {
        signals::emit_consumer_removed(sink, session.peer_id(), webrtcbin);
    }
    signals::emit_session_ended(sink, session.id(), session.peer_id(), reason);
    let structure = gst::Structure::builder("webrtc-session-ended")
        .field("session-id", session.id())
        .field("peer-id", session.peer_id())
        .field("reason", reason.kind)
        .field("text", &reason.text)
        .build();
    // Refused only while the element has no bus, and then nobody is listening.
    let _ = sink.post_message(gst::message::Element::builder(structure).src(sink).build());
}

/// A pipeline of this size stops in 3 to 10 ms (measured).
const PATIENCE: Duration = Duration::from_secs(2);
