// SPDX-License-Identifier: MPL-2.0
//! The life of an asking signaller: idle, then running with a thread. What both GObjects delegate to.
//!
//! Called from application and state-change threads. Only [`Asking::stop`] waits, and not longer than a state change
//! may take. Owns the thread of `actor`; which settings can be used is said by `settings`. The lock is held to exchange
//! the running client only, never while waiting for it.

use std::{
    sync::{Mutex, PoisonError, mpsc},
    time::Duration,
};

use gst_webrtc::WebRTCSessionDescription;

use super::super::server::Kind;
use super::actor::{self, Actor, Inbox};
use super::host::SignallerHost;
use super::protocol::Input;
use super::settings::Settings;
use crate::{
    end_reason::{EndReason, SessionEndReason},
    signaller::{Signallable, signals},
};

/// How long stopping waits for the session to be deleted at the server, so that a program that ends right after has told it.
const STOP_PATIENCE: Duration = Duration::from_millis(2500);

/// A client that may run.
#[derive(Debug)]
pub(crate) struct Asking {
    kind: Kind,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    inbox: Inbox,
    /// Disconnected when the thread has ended.
    done: mpsc::Receiver<()>,
}

impl Asking {
    /// An idle client.
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            running: Mutex::new(None),
        }
    }

    /// Starts the thread; settings that cannot be used are reported as the signaller's error.
    pub(crate) fn start(&self, signaller: &Signallable, settings: &Settings) {
        if let Err(text) = self.try_start(signaller, settings) {
            signals::emit_error(signaller, &text);
        }
    }

    fn try_start(&self, signaller: &Signallable, settings: &Settings) -> Result<(), String> {
        let policy = settings.policy(self.kind)?;
        let secrets = settings.secrets()?;
        let client = settings.client()?;
        let (inbox, inputs) = actor::queue();
        let (ended, done) = mpsc::channel::<()>();
        {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if running.is_some() {
                return Ok(());
            }
            *running = Some(Running {
                inbox: inbox.clone(),
                done,
            });
        }
        let host = SignallerHost::new(signaller, self.kind, &inbox);
        inbox.tell(Input::Start);
        let actor = Actor::new(policy, host, client, secrets, (inbox, inputs));
        let thread = std::thread::Builder::new().name("wish-client".to_owned());
        let started = thread.spawn(move || {
            actor.run();
            drop(ended);
        });
        started
            .map(drop)
            .map_err(|error| format!("unable to start: {error}"))
    }

    /// Ends the session at the server and stops.
    pub(crate) fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { inbox, done }) = running {
            inbox.tell(Input::Stop);
            // Either way it is over: the thread has ended or ends by itself.
            let _ = done.recv_timeout(STOP_PATIENCE);
        }
    }

    /// The element's description of its session.
    pub(crate) fn send_sdp(&self, id: &str, sdp: &WebRTCSessionDescription) {
        if let Ok(sdp) = sdp.sdp().as_text() {
            self.tell(Input::LocalDescription {
                id: id.to_owned(),
                sdp,
            });
        }
    }

    /// A candidate of the element.
    pub(crate) fn add_ice(&self, id: &str, candidate: &str, m_line: u32) {
        self.tell(Input::LocalCandidate {
            id: id.to_owned(),
            m_line,
            candidate: candidate.to_owned(),
        });
    }

    /// The element ended its session.
    pub(crate) fn end_session(&self, id: &str, reason: Option<&str>) {
        let reason = match reason {
            Some(text) => EndReason::from_wire(Some(text)),
            None => EndReason::new(SessionEndReason::Closed, ""),
        };
        self.tell(Input::Ended {
            id: id.to_owned(),
            reason,
        });
    }

    fn tell(&self, input: Input) {
        let inbox = {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.as_ref().map(|running| running.inbox.clone())
        };
        if let Some(inbox) = inbox {
            inbox.tell(input);
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let running = self
            .running
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(running) = running {
            running.inbox.tell(Input::Stop);
        }
    }
}
