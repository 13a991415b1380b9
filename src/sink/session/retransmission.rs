// SPDX-License-Identifier: MPL-2.0
//! The ceiling of what retransmission may take, where GStreamer has one.
//!
//! Releases after 1.22 give the RTP session a property for it; before, the pacer's budget is the only bound. Part of
//! the session's task. The pacer is `bwe`'s; which share retransmission gets of it is settled there.

use gst::glib;
use gst::prelude::*;

use super::handle::Session;

/// Copies the property `rtx-percentage` to the RTP session that carries everything. After every negotiation, as the RTP
/// session is made by the first.
pub(super) fn limit(session: &Session, webrtcbin: &gst::Element) {
    let Some(rtpbin) = webrtcbin
        .downcast_ref::<gst::Bin>()
        .and_then(|bin| bin.by_name("rtpbin"))
    else {
        return;
    };
    // Everything is bundled, so that there is only the first.
    let rtp_session = rtpbin.emit_by_name::<Option<glib::Object>>("get-internal-session", &[&0u32]);
    let Some(rtp_session) = rtp_session else { return };
    if rtp_session
        .find_property(RTX_PERCENTAGE)
        .is_some_and(|it| it.value_type() == glib::Type::I32)
    {
        rtp_session.set_property(RTX_PERCENTAGE, session.settings().rtx_percentage);
    }
}

const RTX_PERCENTAGE: &str = "rtx-percentage";
