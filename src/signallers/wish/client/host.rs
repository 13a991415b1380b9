// SPDX-License-Identifier: MPL-2.0
//! The element behind a client, reached through its signaller's signals; and its webrtcbin, which is given the servers that
//! the other side announced and watched for gathering and connection.
//!
//! Called on the thread of [`super::actor`]; webrtcbin's notifications come on its own thread and only enqueue. Owns
//! what the machine's actions mean in signals of the interface. ICE servers are given to webrtcbin as soon as it is
//! there, and again when an answer announces others.

use std::sync::{Arc, Mutex, PoisonError};

use gst::{glib, prelude::*};
use gst_webrtc::{WebRTCPeerConnectionState, WebRTCSDPType};

use super::super::{
    CAT, gathering,
    ice_server::IceServer,
    server::{Kind, host::description},
};
use super::actor::{Host, Inbox};
use super::protocol::Input;
use crate::{
    end_reason::EndReason,
    signaller::{Signallable, signals},
};

/// A signaller as the machine's host.
#[derive(Debug)]
pub(super) struct SignallerHost {
    signaller: glib::WeakRef<Signallable>,
    kind: Kind,
    servers: Arc<Mutex<Servers>>,
    watch: Option<glib::SignalHandlerId>,
}

/// Announced servers, and who uses them.
#[derive(Debug, Default)]
struct Servers {
    announced: Vec<IceServer>,
    webrtcbin: glib::WeakRef<gst::Element>,
}

impl SignallerHost {
    pub(super) fn new(signaller: &Signallable, kind: Kind, inbox: &Inbox) -> Self {
        let servers = Arc::new(Mutex::new(Servers::default()));
        let (announced, inbox) = (servers.clone(), inbox.clone());
        let watch = signals::connect_webrtcbin_ready(signaller, move |_, id, webrtcbin| {
            let servers = {
                let servers = announced.lock().unwrap_or_else(PoisonError::into_inner);
                servers.webrtcbin.set(Some(&webrtcbin));
                servers.announced.clone()
            };
            use_servers(&webrtcbin, &servers);
            watch_states(&inbox, &id, &webrtcbin);
        });
        Self {
            signaller: signaller.downgrade(),
            kind,
            servers,
            watch: Some(watch),
        }
    }
}

impl Host for SignallerHost {
    fn use_servers(&self, servers: Vec<IceServer>) {
        let webrtcbin = {
            let mut known = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            known.announced.clone_from(&servers);
            known.webrtcbin.upgrade()
        };
        if let Some(webrtcbin) = webrtcbin {
            use_servers(&webrtcbin, &servers);
        }
    }

    fn start_session(&self, id: &str) {
        let Some(signaller) = self.signaller.upgrade() else {
            return;
        };
        if self.kind == Kind::Whep {
            signals::emit_session_started(&signaller, id, id);
        }
        signals::emit_session_requested(&signaller, id, id, None);
    }

    fn counter_offer(&self, id: &str, sdp: &str) {
        if let Some(signaller) = self.signaller.upgrade() {
            signals::emit_session_started(&signaller, id, id);
            self.describe(&signaller, id, WebRTCSDPType::Offer, sdp);
        }
    }

    fn answer(&self, id: &str, sdp: &str) {
        if let Some(signaller) = self.signaller.upgrade() {
            gst::info!(CAT, obj = signaller, "{id}: the server answered");
            self.describe(&signaller, id, WebRTCSDPType::Answer, sdp);
        }
    }

    fn candidate(&self, id: &str, m_line: u32, candidate: &str) {
        if let Some(signaller) = self.signaller.upgrade() {
            signals::emit_handle_ice(&signaller, id, m_line, None, candidate);
        }
    }

    fn end_session(&self, id: &str, reason: &EndReason) {
        if let Some(signaller) = self.signaller.upgrade() {
            gst::info!(CAT, obj = signaller, "{id}: session over: {reason}");
            signals::emit_session_ended(&signaller, id);
        }
    }

    fn error(&self, text: &str) {
        if let Some(signaller) = self.signaller.upgrade() {
            signals::emit_error(&signaller, text);
        }
    }

    fn warn(&self, text: &str) {
        if let Some(signaller) = self.signaller.upgrade() {
            gst::warning!(CAT, obj = signaller, "{text}");
        }
    }
}

impl SignallerHost {
    fn describe(&self, signaller: &Signallable, id: &str, kind: WebRTCSDPType, sdp: &str) {
        match description(kind, sdp) {
            Ok(sdp) => signals::emit_session_description(signaller, id, &sdp),
            Err(reason) => signals::emit_error(signaller, &reason.to_string()),
        }
    }
}

impl Drop for SignallerHost {
    fn drop(&mut self) {
        if let (Some(signaller), Some(watch)) = (self.signaller.upgrade(), self.watch.take()) {
            signaller.disconnect(watch);
        }
    }
}

/// webrtcbin takes any number of TURN servers and one STUN server, the last one it is told.
fn use_servers(webrtcbin: &gst::Element, servers: &[IceServer]) {
    for server in servers {
        let url = server.to_url();
        if !server.is_turn() {
            webrtcbin.set_property("stun-server", &url);
        } else if !webrtcbin.emit_by_name::<bool>("add-turn-server", &[&url]) {
            gst::warning!(CAT, obj = webrtcbin, "webrtcbin does not take {server:?}");
        }
    }
}

fn watch_states(inbox: &Inbox, id: &str, webrtcbin: &gst::Element) {
    let (gathered, id_gathered) = (inbox.clone(), id.to_owned());
    gathering::watch(webrtcbin, move |candidates| {
        let id = id_gathered.clone();
        gathered.tell(Input::Gathered { id, candidates });
    });
    let (connected, id) = (inbox.clone(), id.to_owned());
    webrtcbin.connect_notify(Some("connection-state"), move |webrtcbin, _| {
        let state: WebRTCPeerConnectionState = webrtcbin.property("connection-state");
        if state == WebRTCPeerConnectionState::Connected {
            connected.tell(Input::Connected { id: id.clone() });
        }
    });
}
