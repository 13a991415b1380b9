// SPDX-License-Identifier: MPL-2.0
//! Keeps the media of muted tracks on this machine: a probe on the webrtcbin's sink pad drops what comes.
//!
//! The server does not forward a muted track, but whoever mutes expects that nothing is sent to it either. Owns the
//! probes. That a track is muted, and which m-line it has, is the machine's to know; the server is told by it too.
//! Called on the client's task.

use std::collections::BTreeMap;

use gst::prelude::*;
use gst_webrtc::WebRTCRTPTransceiver;

/// The muted pads of one session, by the mid of their m-line; dropping it unmutes.
#[derive(Debug, Default)]
pub(super) struct MutedPads(BTreeMap<String, (gst::Pad, gst::PadProbeId)>);

impl MutedPads {
    /// Mutes or unmutes the pad of m-line `mid`. A video encoder is asked for a key frame when it goes on.
    pub(super) fn set(&mut self, webrtcbin: &gst::Element, mid: &str, muted: bool) -> Option<gst::Pad> {
        if !muted {
            let (pad, probe) = self.0.remove(mid)?;
            pad.remove_probe(probe);
            return Some(pad);
        }
        if !self.0.contains_key(mid)
            && let Some(pad) = pad_of(webrtcbin, mid)
        {
            let media = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
            let probe = pad.add_probe(media, |_, info| {
                drop(info.data.take());
                gst::PadProbeReturn::Handled
            });
            self.0.extend(probe.map(|probe| (mid.to_owned(), (pad, probe))));
        }
        None
    }
}

impl Drop for MutedPads {
    fn drop(&mut self) {
        for (_, (pad, probe)) in std::mem::take(&mut self.0) {
            pad.remove_probe(probe);
        }
    }
}

/// Asks whatever feeds `pad` for a key frame.
pub(super) fn request_key_frame(pad: &gst::Pad) {
    let event = gst_video::UpstreamForceKeyUnitEvent::builder()
        .all_headers(true)
        .build();
    // Audio has nobody to take it.
    pad.push_event(event);
}

/// The sink pad whose media go out on m-line `mid`; there is none before the offer is set.
fn pad_of(webrtcbin: &gst::Element, mid: &str) -> Option<gst::Pad> {
    webrtcbin.sink_pads().into_iter().find(|pad| {
        let transceiver = pad.property::<Option<WebRTCRTPTransceiver>>("transceiver");
        transceiver
            .and_then(|transceiver| transceiver.mid())
            .is_some_and(|of_pad| of_pad == mid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_tracks_are_left_alone() {
        gst::init().unwrap();
        let Ok(webrtcbin) = gst::ElementFactory::make("webrtcbin").build() else {
            eprintln!("SKIPPED: webrtcbin is not installed");
            return;
        };
        let mut muted = MutedPads::default();
        assert!(muted.set(&webrtcbin, "video0", true).is_none());
        assert!(muted.set(&webrtcbin, "video0", false).is_none());
        assert!(muted.0.is_empty());
    }
}
