// SPDX-License-Identifier: MPL-2.0
//! The end of a session: everybody is told alike, pads end or go as the user chose, everything is let go of.
//!
//! What reaches the bus is decided by [`Report::of`], pure; the rest is part of the session's task. Owns the order at
//! an end: the session leaves the element's state first, so that another may begin; the peer is told next, pads and
//! elements go then, and the application hears of it last, when nothing of the session is left to be seen.

use std::time::Duration;

use gst::prelude::*;
use gst::subclass::prelude::*;
use tokio::sync::mpsc;

use super::Op;
use super::task::{Flow, Task};
use crate::end_reason::{EndReason, SessionEndReason};
use crate::signaller::SignallableExt;
use crate::source::output::outlet::Notice;
use crate::source::{CAT, WebRTCSrcSessionEnd, exposure, signals};
use crate::{error, runtime};

/// Who ended a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The peer, or signalling on its behalf.
    Peer,
    /// The peer, with a text of its own that is none of our reasons.
    PeerWithError,
    /// This side.
    Us,
    /// The application: it sent end of stream.
    Application,
}

/// What the bus gets to hear of an end, beside the message that always comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// Nothing.
    Quiet,
    /// A warning: streams end, nothing more comes.
    Warning(String),
    /// An error: the pipeline waits for something that will not come.
    Error(String),
}

impl Report {
    /// Decides by what is to happen at an end, and by whether there was media: a pipeline that had some is ended by the
    /// end of its streams, one that had none would wait for ever.
    pub(crate) fn of(mode: WebRTCSrcSessionEnd, reason: &EndReason, by: By, had_media: bool) -> Self {
        let text = format!("Session ended with error: {}", reason.text);
        let is_usual = matches!(reason.kind, SessionEndReason::Closed | SessionEndReason::PeerGone);
        match (mode, by) {
            (_, By::Application) => Self::Quiet,
            (WebRTCSrcSessionEnd::Eos, By::PeerWithError) => Self::Error(text),
            (_, By::PeerWithError) => Self::Warning(text),
            _ if is_usual => Self::Quiet,
            (WebRTCSrcSessionEnd::Eos, _) if !had_media => {
                Self::Error(format!("Session ended with error: {reason}"))
            }
            _ => Self::Warning(format!("Session ended with error: {reason}")),
        }
    }
}

impl Task {
    /// Ends the session as `flow` says.
    pub(super) async fn finish(&mut self, flow: Flow, queue: &mut mpsc::UnboundedReceiver<Op>) {
        let (reason, by) = match flow {
            Flow::Over(reason, by) => (reason, by),
            Flow::On | Flow::Stopped => (
                EndReason::new(SessionEndReason::Closed, "the element stops"),
                By::Us,
            ),
        };
        gst::info!(CAT, obj = &self.src, "session {} ends: {reason}", self.session.id);
        self.src.imp().state().leave(&self.session);
        self.tell_peer(&reason, by);
        let had_media = self.streams.had_media();
        if by == By::Application || self.settings.on_session_end == WebRTCSrcSessionEnd::Eos {
            self.end_streams(queue).await;
            self.let_go().await;
        } else {
            self.let_go().await;
            if !self.has_stopped() {
                exposure::withdraw_all(&self.src);
            }
        }
        if !self.has_stopped() {
            match Report::of(self.settings.on_session_end, &reason, by, had_media) {
                Report::Quiet => {}
                Report::Warning(text) => error::post_warning(&self.src, &text),
                Report::Error(text) => error::post_failure(&self.src, &text),
            }
        }
        self.session.set_announced();
        signals::announce_session_ended(&self.src, &self.session.id, &self.session.peer, &reason);
    }

    /// Whoever ended the session knows already and is not told.
    fn tell_peer(&self, reason: &EndReason, by: By) {
        let id = &self.session.id;
        match (by, reason.kind) {
            (By::Peer | By::PeerWithError, _) => {}
            (_, SessionEndReason::Closed) => self.signaller.end_session(id),
            _ => self.signaller.end_session_with_error(id, Some(reason.to_wire())),
        }
    }

    /// Sends end of stream through every pad and waits until it is out, unless downstream is stuck or stops.
    async fn end_streams(&mut self, queue: &mut mpsc::UnboundedReceiver<Op>) {
        if self.has_stopped() {
            return;
        }
        let mut waiting = self.streams.end_all();
        let all_out = async {
            while !waiting.is_empty() {
                match queue.recv().await {
                    Some(Op::Outlet(name, Notice::Ended)) => waiting.retain(|other| *other != name),
                    Some(_) => {}
                    None => break,
                }
            }
        };
        let limited = tokio::time::timeout(END_PATIENCE, all_out);
        if let Ok(Err(_)) = self.within(limited).await {
            gst::warning!(
                CAT,
                obj = &self.src,
                "session {}: end of stream is still on its way",
                self.session.id
            );
        }
    }

    /// Stops everything of the connection, elsewhere: threads may be held up by downstream.
    async fn let_go(&mut self) {
        let (streams, transport) = (self.streams.take(), self.transport.take());
        if self.settings.on_session_end == WebRTCSrcSessionEnd::RemovePads || self.has_stopped() {
            for stream in &streams {
                stream.outlet.src_pad().push_event(gst::event::FlushStart::new());
            }
        }
        let work = runtime::spawn_blocking(move || {
            drop(transport);
            drop(streams);
        });
        if tokio::time::timeout(STOP_PATIENCE, work).await.is_err() {
            gst::warning!(
                CAT,
                obj = &self.src,
                "session {} takes long to let go",
                self.session.id
            );
        }
    }
}

/// What is in decoders and sinks takes their latency to come out; two seconds are an eternity live.
const END_PATIENCE: Duration = Duration::from_secs(2);
/// Stopping takes milliseconds unless downstream holds a thread.
const STOP_PATIENCE: Duration = Duration::from_millis(1_500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bus_hears_what_it_needs_to() {
        use SessionEndReason::*;
        use WebRTCSrcSessionEnd::*;
        let cases = [
            (Eos, Closed, By::Peer, true, "quiet"),
            (Eos, PeerGone, By::Peer, false, "quiet"),
            (Eos, PeerGone, By::PeerWithError, true, "error"),
            (Eos, Stalled, By::Us, true, "warning"),
            (Eos, Timeout, By::Us, false, "error"),
            (Eos, IceFailed, By::Peer, true, "warning"),
            (Eos, Internal, By::Application, true, "quiet"),
            (RemovePads, Closed, By::Peer, true, "quiet"),
            (RemovePads, PeerGone, By::PeerWithError, true, "warning"),
            (RemovePads, Timeout, By::Us, false, "warning"),
        ];
        for (mode, kind, by, had_media, expected) in cases {
            let reason = EndReason::new(kind, "why");
            let found = match Report::of(mode, &reason, by, had_media) {
                Report::Quiet => "quiet",
                Report::Warning(_) => "warning",
                Report::Error(_) => "error",
            };
            assert_eq!(found, expected, "{mode:?} {kind:?} {by:?} {had_media}");
        }
    }

    #[test]
    fn a_foreign_text_reaches_the_bus_as_it_is() {
        let reason = EndReason::from_wire(Some("camera unplugged"));
        let report = Report::of(WebRTCSrcSessionEnd::Eos, &reason, By::PeerWithError, true);
        assert_eq!(
            report,
            Report::Error("Session ended with error: camera unplugged".into())
        );
    }
}
