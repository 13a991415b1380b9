// SPDX-License-Identifier: MPL-2.0
//! The life of a serving signaller: its settings, idle with a queue at first, then running with a thread and, unless the
//! application brings its own, an HTTP server. What both GObjects hold.
//!
//! Called from application and state-change threads; nothing here waits for a client. Owns the start and the stop;
//! requests go from `front` to `actor` without passing here. An idle server has a queue already, so a request that comes
//! before the start is not lost; the element's words are, for an idle server has no session that they could be about.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use gst::{glib, prelude::*};
use gst_webrtc::WebRTCSessionDescription;
use http::{Request, StatusCode};

use super::super::{CAT, shell::Inside};
use super::actor::{self, Inbox, Outbox};
use super::front::Front;
use super::host::SignallerHost;
use super::properties;
use super::protocol::{Kind, Protocol};
use super::response::{self, Response};
use super::settings::Settings;
use super::values::Input;
use crate::{
    end_reason::EndReason,
    net::http::server::Server,
    runtime,
    signaller::{Signallable, signals},
};

/// Says whether there is media.
pub(super) type Probe = Arc<Box<dyn Fn() -> bool + Send + Sync>>;

/// A server that may run.
pub(crate) struct Serving {
    kind: Kind,
    settings: Mutex<Settings>,
    /// Whether there is anything to play; nobody asks a server that receives.
    has_media: OnceLock<Probe>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    inbox: Inbox,
    /// `None` while the thread runs.
    outbox: Option<Outbox>,
    /// Requests that wait for the start.
    waiting: usize,
    /// Shared with the task that starts it. A server that came too late finds it closed.
    server: Arc<Mutex<Slot>>,
}

#[derive(Debug, Default)]
enum Slot {
    #[default]
    Closed,
    Starting,
    Open(Server),
}

impl State {
    fn idle() -> Self {
        let (inbox, outbox) = actor::queue();
        Self {
            inbox,
            outbox: Some(outbox),
            waiting: 0,
            server: Arc::default(),
        }
    }

    /// The way in for a request; none when too many wait for the start already.
    fn admit(&mut self) -> Option<Inbox> {
        if self.outbox.is_some() {
            if self.waiting >= MAX_WAITING {
                return None;
            }
            self.waiting += 1;
        }
        Some(self.inbox.clone())
    }

    /// The way in while the thread runs.
    fn running(&self) -> Option<Inbox> {
        self.outbox.is_none().then(|| self.inbox.clone())
    }
}

impl Serving {
    /// An idle server.
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            settings: Mutex::new(Settings::new(kind)),
            has_media: OnceLock::new(),
            state: Mutex::new(State::idle()),
        }
    }

    /// Which protocol it speaks.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Sets the property `name`.
    pub(crate) fn set_property(&self, name: &str, value: &glib::Value) {
        properties::set(&mut self.settings(), name, value);
    }

    /// Reads the property `name`; the address has the port in use where the system was left to choose one.
    pub(crate) fn property(&self, name: &str) -> glib::Value {
        let mut settings = self.settings().clone();
        if let (properties::HOST_ADDR, Some(url), Some(port)) = (name, &mut settings.host_addr, self.port()) {
            // A URL with a host takes any port.
            let _ = url.set_port(Some(port));
        }
        properties::get(&settings, name)
    }

    /// Has new sessions put off while `probe` says that there is no media. Only the first probe counts.
    pub(crate) fn set_media_probe(&self, probe: Box<dyn Fn() -> bool + Send + Sync>) {
        // The element sets it when it is constructed, once.
        let _ = self.has_media.set(Arc::new(probe));
    }

    /// The port listened on.
    fn port(&self) -> Option<u16> {
        let slot = self.state().server.clone();
        match &*locked(&slot) {
            Slot::Open(server) => Some(server.address().port()),
            _ => None,
        }
    }

    /// Answers a request that the application forwards; `done` is called once, on a thread of the runtime.
    pub(crate) fn forward(&self, request: Request<Bytes>, done: impl FnOnce(Response) + Send + 'static) {
        let Some(inbox) = self.state().admit() else {
            return done(response::later(
                StatusCode::SERVICE_UNAVAILABLE,
                "the server is not running",
                1,
            ));
        };
        let (protocol, _) = self.settings().protocol(self.kind);
        let protocol = Protocol {
            token: None,
            ..protocol
        };
        let front = Front::new(protocol, inbox);
        runtime::spawn(async move { done(front.forwarded(request).await) }).detach();
    }

    /// Passes on a word of the element.
    fn tell(&self, input: Input) {
        let inbox = self.state().running();
        if let Some(inbox) = inbox {
            inbox.tell(input);
        }
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside for Serving {
    /// Starts the thread and, if there is an address, the HTTP server, whose failure is reported as the signaller's error.
    fn start(&self, signaller: &Signallable) {
        let settings = self.settings().clone();
        let (protocol, unusable) = settings.protocol(self.kind);
        for what in unusable {
            gst::warning!(CAT, obj = signaller, "not announced to clients: {what}");
        }
        let (inbox, outbox, slot) = {
            let mut state = self.state();
            let Some(outbox) = state.outbox.take() else {
                return;
            };
            (state.inbox.clone(), outbox, state.server.clone())
        };
        let host = SignallerHost::new(signaller, self.kind, &inbox, self.has_media.get().cloned());
        if let Err(error) = actor::run(outbox, settings.policy(&protocol), host) {
            return signals::emit_error(signaller, &format!("unable to start the server: {error}"));
        }
        if settings.host_addr.is_some() {
            *locked(&slot) = Slot::Starting;
            let front = Arc::new(Front::new(protocol, inbox));
            runtime::spawn(listen(signaller.downgrade(), settings, front, slot)).detach();
        }
    }

    /// Stops everything and is idle again. The port is free when this returns.
    fn stop(&self) {
        let old = std::mem::replace(&mut *self.state(), State::idle());
        old.inbox.stop();
        let slot = std::mem::take(&mut *locked(&old.server));
        if let Slot::Open(server) = slot {
            server.close();
        }
    }

    fn send_sdp(&self, _signaller: &Signallable, id: &str, sdp: &WebRTCSessionDescription) {
        if let Ok(sdp) = sdp.sdp().as_text() {
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

async fn listen(
    signaller: glib::WeakRef<Signallable>,
    settings: Settings,
    front: Arc<Front>,
    slot: Arc<Mutex<Slot>>,
) {
    let Some(url) = &settings.host_addr else {
        return;
    };
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let started = match settings.acceptor() {
        Ok(tls) => Server::start(host, port, tls, front).await,
        Err(error) => Err(error),
    };
    let Some(signaller) = signaller.upgrade() else {
        return;
    };
    match started {
        Ok(server) => {
            gst::info!(CAT, obj = signaller, "listening on {}", server.address());
            if let Some(late) = put(&slot, server) {
                drop(late);
            } else {
                signaller.notify("host-addr");
            }
        }
        Err(error) => signals::emit_error(&signaller, &format!("unable to start the server: {error}")),
    }
}

/// Puts a server where it can be stopped; gives it back when that has happened already.
fn put(slot: &Mutex<Slot>, server: Server) -> Option<Server> {
    let mut slot = locked(slot);
    if !matches!(*slot, Slot::Starting) {
        return Some(server);
    }
    *slot = Slot::Open(server);
    None
}

fn locked(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Requests that may wait for the start: as many sessions as an element is asked for in its first moment, and more than
/// an application forwards by mistake.
const MAX_WAITING: usize = 64;
