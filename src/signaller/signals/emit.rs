// SPDX-License-Identifier: MPL-2.0
//! Emitting the signals, one typed function each.
//!
//! What a peer says may hold anything; a text that cannot be a GObject string goes no further than here. What a signal
//! means is said where it is declared, in `mod.rs`; what happens then is its handlers' affair, on the thread that emits
//! and before the function returns. Callers hold no lock.

use gst::glib::prelude::*;
use gst_webrtc::WebRTCSessionDescription;

use super::*;

pub(in crate::signaller) fn emit_start(signaller: &Signallable) {
    signaller.emit_by_name::<bool>(START, &[]);
}

pub(in crate::signaller) fn emit_stop(signaller: &Signallable) {
    signaller.emit_by_name::<bool>(STOP, &[]);
}

pub(in crate::signaller) fn emit_send_session_description(
    signaller: &Signallable,
    session_id: &str,
    sdp: &WebRTCSessionDescription,
) {
    signaller.emit_by_name::<bool>(SEND_SESSION_DESCRIPTION, &[&session_id, sdp]);
}

pub(in crate::signaller) fn emit_send_ice(
    signaller: &Signallable,
    session_id: &str,
    candidate: &str,
    sdp_m_line_index: u32,
    sdp_mid: Option<String>,
) {
    signaller.emit_by_name::<bool>(SEND_ICE, &[&session_id, &candidate, &sdp_m_line_index, &sdp_mid]);
}

pub(in crate::signaller) fn emit_end_session(signaller: &Signallable, session_id: &str) {
    signaller.emit_by_name::<bool>(END_SESSION, &[&session_id]);
}

pub(in crate::signaller) fn emit_end_session_with_error(
    signaller: &Signallable,
    session_id: &str,
    error: Option<String>,
) {
    signaller.emit_by_name::<bool>(END_SESSION_WITH_ERROR, &[&session_id, &error]);
}

pub(in crate::signaller) fn emit_munge_session_description(
    signaller: &Signallable,
    session_id: &str,
    sdp: &WebRTCSessionDescription,
) -> WebRTCSessionDescription {
    signaller
        .emit_by_name::<Option<WebRTCSessionDescription>>(MUNGE_SESSION_DESCRIPTION, &[&session_id, sdp])
        .unwrap_or_else(|| sdp.clone())
}

/// Whether one of the texts, which may come from a peer, cannot be a GObject string. That is logged.
fn has_nul(signaller: &Signallable, texts: &[&str]) -> bool {
    let has_nul = texts.iter().any(|text| text.contains('\0'));
    if has_nul {
        gst::warning!(CAT, obj = signaller, "a peer's text with a NUL in it is dropped");
    }
    has_nul
}

/// Asks the element for its `meta`, to be sent to the server.
pub fn emit_request_meta(signaller: &Signallable) -> Option<gst::Structure> {
    signaller.emit_by_name(REQUEST_META, &[])
}

/// Reports to a consuming element that session `session_id` with the producer `peer_id` exists.
pub fn emit_session_started(signaller: &Signallable, session_id: &str, peer_id: &str) {
    if has_nul(signaller, &[session_id, peer_id]) {
        return;
    }
    signaller.emit_by_name::<()>(SESSION_STARTED, &[&session_id, &peer_id]);
}

/// Reports that `peer_id` asks for media. Without `offer` the element makes one, else it answers.
pub fn emit_session_requested(
    signaller: &Signallable,
    session_id: &str,
    peer_id: &str,
    offer: Option<&WebRTCSessionDescription>,
) {
    if has_nul(signaller, &[session_id, peer_id]) {
        return;
    }
    signaller.emit_by_name::<()>(SESSION_REQUESTED, &[&session_id, &peer_id, &offer]);
}

/// Hands the peer's description to the element.
pub fn emit_session_description(signaller: &Signallable, session_id: &str, sdp: &WebRTCSessionDescription) {
    if has_nul(signaller, &[session_id]) {
        return;
    }
    signaller.emit_by_name::<()>(SESSION_DESCRIPTION, &[&session_id, sdp]);
}

/// Hands a candidate of the peer to the element.
pub fn emit_handle_ice(
    signaller: &Signallable,
    session_id: &str,
    sdp_m_line_index: u32,
    sdp_mid: Option<&str>,
    candidate: &str,
) {
    if has_nul(signaller, &[session_id, sdp_mid.unwrap_or_default(), candidate]) {
        return;
    }
    signaller.emit_by_name::<()>(
        HANDLE_ICE,
        &[&session_id, &sdp_m_line_index, &sdp_mid, &candidate],
    );
}

/// Reports that the peer ended the session. True when the element knew it.
pub fn emit_session_ended(signaller: &Signallable, session_id: &str) -> bool {
    if has_nul(signaller, &[session_id]) {
        return false;
    }
    signaller.emit_by_name(SESSION_ENDED, &[&session_id])
}

/// Reports that the peer ended the session and what it said of the reason. True when the element knew the session.
pub fn emit_session_ended_with_error(signaller: &Signallable, session_id: &str, error: Option<&str>) -> bool {
    if has_nul(signaller, &[session_id, error.unwrap_or_default()]) {
        return false;
    }
    signaller.emit_by_name(SESSION_ENDED_WITH_ERROR, &[&session_id, &error])
}

/// Announces a producer; `is_new` is false for those that were there before this client came.
pub fn emit_producer_added(
    signaller: &Signallable,
    producer_id: &str,
    meta: Option<&gst::Structure>,
    is_new: bool,
) {
    if has_nul(signaller, &[producer_id]) {
        return;
    }
    signaller.emit_by_name::<()>(PRODUCER_ADDED, &[&producer_id, &meta, &is_new]);
}

/// Announces that a producer left or stopped producing.
pub fn emit_producer_removed(signaller: &Signallable, producer_id: &str, meta: Option<&gst::Structure>) {
    if has_nul(signaller, &[producer_id]) {
        return;
    }
    signaller.emit_by_name::<()>(PRODUCER_REMOVED, &[&producer_id, &meta]);
}

/// Reports that signalling failed for good: the element posts it as an error on the bus.
pub fn emit_error(signaller: &Signallable, message: &str) {
    signaller.emit_by_name::<()>(ERROR, &[&message.replace('\0', "\u{fffd}")]);
}

/// Reports trouble the signaller lives with: the element posts it as a warning on the bus.
pub fn emit_warning(signaller: &Signallable, message: &str) {
    signaller.emit_by_name::<()>(WARNING, &[&message.replace('\0', "\u{fffd}")]);
}

/// Asks the element to finish gracefully: it posts an end-of-stream message.
pub fn emit_shutdown(signaller: &Signallable) {
    signaller.emit_by_name::<()>(SHUTDOWN, &[]);
}

/// Reports which layers of the m-line `mid` somebody receives, by rid; others need not be sent.
pub fn emit_layers_wanted(signaller: &Signallable, session_id: &str, mid: &str, rids: Vec<String>) {
    if has_nul(signaller, &[session_id, mid]) {
        return;
    }
    signaller.emit_by_name::<()>(LAYERS_WANTED, &[&session_id, &mid, &rids]);
}

/// Reports whether the peer has nothing to send for now, because all that is received is muted or paused: its silence is
/// no sign of a lost connection then.
pub fn emit_silence_expected(signaller: &Signallable, session_id: &str, is_expected: bool) {
    if has_nul(signaller, &[session_id]) {
        return;
    }
    signaller.emit_by_name::<()>(SILENCE_EXPECTED, &[&session_id, &is_expected]);
}

/// Tells the signaller of what width and height the pictures of the m-line `mid` are: before its first offer is sent, and
/// whenever that changes.
pub fn emit_picture_size(signaller: &Signallable, session_id: &str, mid: &str, (width, height): (u32, u32)) {
    if has_nul(signaller, &[session_id, mid]) {
        return;
    }
    signaller.emit_by_name::<()>(PICTURE_SIZE, &[&session_id, &mid, &width, &height]);
}

/// Tells watchers that the session's webrtcbin exists and is not yet negotiating.
pub fn emit_webrtcbin_ready(signaller: &Signallable, peer_id: &str, webrtcbin: &gst::Element) {
    signaller.emit_by_name::<()>(WEBRTCBIN_READY, &[&peer_id, webrtcbin]);
}

/// The older name of [`emit_webrtcbin_ready`], emitted right before it.
pub fn emit_consumer_added(signaller: &Signallable, peer_id: &str, webrtcbin: &gst::Element) {
    signaller.emit_by_name::<()>(CONSUMER_ADDED, &[&peer_id, webrtcbin]);
}

/// Tells watchers that a consumer's webrtcbin is gone.
pub fn emit_consumer_removed(signaller: &Signallable, peer_id: &str, webrtcbin: &gst::Element) {
    signaller.emit_by_name::<()>(CONSUMER_REMOVED, &[&peer_id, webrtcbin]);
}
