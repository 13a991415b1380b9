// SPDX-License-Identifier: MPL-2.0
//! What WHIP and WHEP share (RFC 9725; draft-ietf-wish-whep-03): nearly everything.
//!
//! The two protocols differ in who sends the media and in WHEP's counter-offer; so there is one client and one server, told
//! which protocol they speak, and two thin GObjects for each in [`super::whip`] and [`super::whep`].
//!
//! Pure parts, each about one document: [`link_header`] (RFC 8288), [`ice_server`], [`resource`] (session URLs and tags),
//! [`redirect`], [`retry_after`], [`sdpfrag`] (RFC 8840), [`description`] and [`edit`] (session descriptions).
//! `gathering` watches a webrtcbin for both sides, [`shell`] is what their GObjects have in common.
//! [`server`] and [`client`] have a pure machine each, a shell that does its input and output, and settings.

pub(crate) mod client;
pub(crate) mod description;
pub(crate) mod edit;
mod gathering;
pub(crate) mod ice_server;
pub(crate) mod link_header;
pub(crate) mod redirect;
pub(crate) mod resource;
pub(crate) mod retry_after;
pub(crate) mod sdpfrag;
pub(crate) mod server;
pub(crate) mod shell;

use std::sync::LazyLock;

pub(crate) use crate::gst_ext::property::non_empty;

/// Debug category of the signallers of both protocols, client and server.
pub(crate) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "webrtc-whip-signaller",
        gst::DebugColorFlags::empty(),
        Some("WHIP and WHEP signallers"),
    )
});

#[cfg(all(test, feature = "whip", feature = "whep"))]
mod tests;
