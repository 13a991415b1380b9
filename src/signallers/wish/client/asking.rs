// SPDX-License-Identifier: MPL-2.0
//! The life of an asking signaller: its settings, idle at first, then running with a thread. What both GObjects hold.
//!
//! Called from application and state-change threads. Only stopping waits, and not longer than a state change may take.
//! Owns the thread of `actor`; which settings can be used is said by `settings`. Each lock is taken alone, and never held
//! while waiting for the client.

use std::{
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use gst::glib;
use gst_webrtc::WebRTCSessionDescription;

use super::super::{server::Kind, shell::Inside};
use super::actor::{self, Actor, Inbox};
use super::host::SignallerHost;
use super::properties;
use super::protocol::Input;
use super::settings::Settings;
use crate::{
    end_reason::EndReason,
    signaller::{Signallable, SignallableExt as _, signals},
};

/// How long stopping waits for the session to be deleted at the server, so that a program that ends right after has told it.
const STOP_PATIENCE: Duration = Duration::from_millis(2500);

/// A client that may run.
#[derive(Debug)]
pub(crate) struct Asking {
    kind: Kind,
    settings: Mutex<Settings>,
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
            settings: Mutex::default(),
            running: Mutex::new(None),
        }
    }

    /// Sets the property `name`.
    pub(crate) fn set_property(&self, name: &str, value: &glib::Value) {
        properties::set(&mut self.settings(), name, value);
    }

    /// Reads the property `name`.
    pub(crate) fn property(&self, name: &str) -> glib::Value {
        properties::get(&self.settings(), self.kind, name)
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Inside for Asking {
    /// Starts the thread; settings that cannot be used are reported as the signaller's error.
    fn start(&self, signaller: &Signallable) {
        let settings = self.settings().clone();
        if let Err(text) = self.try_start(signaller, &settings) {
            signals::emit_error(signaller, &text);
        }
    }

    fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { inbox, done }) = running {
            inbox.tell(Input::Stop);
            // Either way it is over: the thread has ended or ends by itself.
            let _ = done.recv_timeout(STOP_PATIENCE);
        }
    }

    fn send_sdp(&self, signaller: &Signallable, id: &str, sdp: &WebRTCSessionDescription) {
        // Munging is a publisher's own business (manual-sdp-munging): just before the description leaves.
        let munged = (self.kind == Kind::Whip).then(|| signaller.munge_sdp(id, sdp));
        if let Ok(sdp) = munged.as_ref().unwrap_or(sdp).sdp().as_text() {
            self.tell(Input::LocalDescription {
                id: id.to_owned(),
                sdp,
            });
        }
    }

    fn add_ice(&self, id: &str, candidate: &str, m_line: u32) {
        self.tell(Input::LocalCandidate {
            id: id.to_owned(),
            m_line,
            candidate: candidate.to_owned(),
        });
    }

    fn end_session(&self, id: &str, reason: EndReason) {
        self.tell(Input::Ended {
            id: id.to_owned(),
            reason,
        });
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
