// SPDX-License-Identifier: MPL-2.0
//! The element behind a server, reached through its signaller's signals; and its webrtcbins, watched for the end of gathering.
//!
//! Called on the thread of [`super::actor`]; webrtcbin's notifications come on its own thread and only enqueue. Owns
//! what the machine's actions mean in signals of the interface: a WHIP client's offer starts a session of a source, a
//! WHEP player's is a request to a sink.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use gst::{glib, prelude::*};
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};

use super::super::{CAT, gathering, sdpfrag::Credentials};
use super::actor::{Host, Inbox};
use super::protocol::Kind;
use super::serving::Probe;
use super::values::Input;
use crate::{
    end_reason::{EndReason, SessionEndReason},
    signaller::{Signallable, signals},
    webrtcbin::ice,
};

/// The webrtcbins of the running sessions.
type Webrtcbins = Arc<Mutex<HashMap<String, glib::WeakRef<gst::Element>>>>;

/// A signaller as the machine's host.
pub(super) struct SignallerHost {
    signaller: glib::WeakRef<Signallable>,
    kind: Kind,
    webrtcbins: Webrtcbins,
    /// Asked at each request for a session; none for a server that receives.
    has_media: Option<Probe>,
    watch: Option<glib::SignalHandlerId>,
}

impl SignallerHost {
    pub(super) fn new(signaller: &Signallable, kind: Kind, inbox: &Inbox, has_media: Option<Probe>) -> Self {
        let webrtcbins = Webrtcbins::default();
        let (known, inbox) = (webrtcbins.clone(), inbox.clone());
        let watch = signals::connect_webrtcbin_ready(signaller, move |_, id, webrtcbin| {
            watch_gathering(&known, &inbox, id, &webrtcbin);
        });
        Self {
            signaller: signaller.downgrade(),
            kind,
            webrtcbins,
            has_media,
            watch: Some(watch),
        }
    }

    fn webrtcbin(&self, id: &str) -> Option<gst::Element> {
        self.webrtcbins
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)?
            .upgrade()
    }
}

impl Host for SignallerHost {
    fn has_media(&self) -> bool {
        self.has_media.as_ref().is_none_or(|has_media| has_media())
    }

    fn start(&self, id: &str, offer: Option<&str>) -> Result<(), EndReason> {
        let offer = offer
            .map(|sdp| description(WebRTCSDPType::Offer, sdp))
            .transpose()?;
        let Some(signaller) = self.signaller.upgrade() else {
            return Err(EndReason::new(SessionEndReason::Closed, "the element is gone"));
        };
        gst::info!(CAT, obj = signaller, "{id}: a client asks for a session");
        match (self.kind, offer) {
            (Kind::Whip, Some(offer)) => {
                signals::emit_session_started(&signaller, id, id);
                signals::emit_session_description(&signaller, id, &offer);
            }
            (_, offer) => signals::emit_session_requested(&signaller, id, id, offer.as_ref()),
        }
        Ok(())
    }

    fn answer(&self, id: &str, sdp: &str) -> Result<(), EndReason> {
        let answer = description(WebRTCSDPType::Answer, sdp)?;
        if let Some(signaller) = self.signaller.upgrade() {
            signals::emit_session_description(&signaller, id, &answer);
        }
        Ok(())
    }

    fn candidate(&self, id: &str, m_line: u32, mid: Option<&str>, candidate: &str) {
        if let Some(signaller) = self.signaller.upgrade() {
            gst::trace!(
                CAT,
                obj = signaller,
                "{id}: candidate of the client for section {m_line}: {candidate}"
            );
            signals::emit_handle_ice(&signaller, id, m_line, mid, candidate);
        }
    }

    fn restart_ice(&self, id: &str, remote: &Credentials) -> Option<Credentials> {
        let webrtcbin = self.webrtcbin(id)?;
        let local = ice::restart(&webrtcbin)?;
        let remote = ice::Credentials {
            ufrag: remote.ufrag.clone(),
            pwd: remote.pwd.clone(),
        };
        let is_accepted = ice::set_remote_credentials(&webrtcbin, &remote);
        gst::info!(
            CAT,
            obj = webrtcbin,
            "{id}: the client restarts ice, accepted: {is_accepted}"
        );
        is_accepted.then_some(Credentials {
            ufrag: local.ufrag,
            pwd: local.pwd,
        })
    }

    fn end(&self, id: &str) {
        self.webrtcbins
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
        if let Some(signaller) = self.signaller.upgrade() {
            gst::info!(CAT, obj = signaller, "{id}: the client's session is over");
            signals::emit_session_ended(&signaller, id);
        }
    }

    fn ignored(&self, id: &str, what: &str) {
        if let Some(signaller) = self.signaller.upgrade() {
            gst::debug!(CAT, obj = signaller, "{id}: {what} is not sent");
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

fn watch_gathering(known: &Webrtcbins, inbox: &Inbox, id: String, webrtcbin: &gst::Element) {
    {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, webrtcbin| webrtcbin.upgrade().is_some());
        known.insert(id.clone(), webrtcbin.downgrade());
    }
    let inbox = inbox.clone();
    gathering::watch(webrtcbin, move |candidates| {
        let id = id.clone();
        inbox.tell(Input::Gathered { id, candidates });
    });
}

/// Text from the network as the description webrtcbin takes.
pub(in super::super) fn description(
    kind: WebRTCSDPType,
    sdp: &str,
) -> Result<WebRTCSessionDescription, EndReason> {
    let unreadable = |_| {
        EndReason::new(
            SessionEndReason::BadDescription,
            "the description cannot be parsed",
        )
    };
    let message = gst_sdp::SDPMessage::parse_buffer(sdp.as_bytes()).map_err(unreadable)?;
    Ok(WebRTCSessionDescription::new(kind, message))
}
