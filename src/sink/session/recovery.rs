// SPDX-License-Identifier: MPL-2.0
//! Bringing a connection back: ICE restarts beneath webrtcbin, which knows nothing of it, while DTLS and SRTP go on.
//!
//! webrtcbin 1.22 ignores the option `ice-restart`. So the agent is restarted by hand, and what is sent to the peer is
//! the description that is set with the new credentials written in. Where signalling cannot carry that, the session
//! ends as the machine says.

use gst::prelude::*;
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};

use super::operations::{Operations, bad_description};
use super::pipeline::internal;
use crate::end_reason::EndReason;
use crate::sdp::media;
use crate::sink::imp::CAT;
use crate::webrtcbin::ice;

impl Operations {
    /// Restarts ICE and tells the peer.
    pub(super) fn recover(&mut self) -> Result<(), EndReason> {
        let id = self.session.id();
        if !self.session.settings().may_restart_ice {
            gst::info!(
                CAT,
                "session {id}: waiting for the peer, which alone may restart ICE"
            );
            return Ok(());
        }
        if !self.turns.restart() {
            gst::info!(CAT, "session {id}: no restart while an offer is out");
            return Ok(());
        }
        let Some(credentials) = ice::restart(&self.webrtcbin) else {
            gst::warning!(CAT, "session {id}: ICE cannot be restarted here");
            self.turns.answered();
            return Ok(());
        };
        // With the candidates that were gathered since it was set.
        let Some(local) = self
            .webrtcbin
            .property::<Option<WebRTCSessionDescription>>("local-description")
        else {
            return Err(internal("a connected session has a local description"));
        };
        let text = ice::with_credentials(&local.sdp().as_text().map_err(internal)?, &credentials);
        let sdp = crate::sdp::parse(&text).map_err(internal)?;
        gst::info!(CAT, "session {id}: restarting ICE");
        self.send(&WebRTCSessionDescription::new(WebRTCSDPType::Offer, sdp));
        Ok(())
    }

    /// The peer answered with credentials of its own.
    pub(super) async fn finish_restart(
        &mut self,
        answer: &WebRTCSessionDescription,
    ) -> Result<(), EndReason> {
        let text = answer.sdp().as_text().map_err(bad_description)?;
        let credentials =
            ice::credentials_of(&text).ok_or_else(|| bad_description("answer without ICE credentials"))?;
        if !ice::set_remote_credentials(&self.webrtcbin, &credentials) {
            return Err(bad_description("the peer's ICE credentials are refused"));
        }
        self.candidates.restarted();
        for (index, section) in (0u32..).zip(answer.sdp().medias()) {
            for candidate in media::values(section, "candidate") {
                self.take_candidate(index, &format!("candidate:{candidate}"));
            }
        }
        if self.turns.answered() {
            self.streams_changed().await
        } else {
            Ok(())
        }
    }
}
