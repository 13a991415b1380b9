// SPDX-License-Identifier: MPL-2.0
//! Keeps the media of muted tracks on this machine: a probe on the webrtcbin's sink pad drops what comes.
//!
//! The server does not forward a muted track, but whoever mutes expects that nothing is sent to it either. Owns the
//! probes. That a track is muted, and which m-line it has, is the machine's to know; the server is told by it too; the
//! session keeps what is muted. Called on the client's task, with no lock held: pads are looked at and probed here.

use gst::prelude::*;
use gst_webrtc::WebRTCRTPTransceiver;

/// A pad whose media go no further; dropping it lets them.
#[derive(Debug)]
pub(super) struct MutedPad {
    pad: gst::Pad,
    probe: Option<gst::PadProbeId>,
}

impl MutedPad {
    /// Mutes the pad of m-line `mid`; there is none before the offer is set.
    pub(super) fn new(webrtcbin: &gst::Element, mid: &str) -> Option<Self> {
        let pad = pad_of(webrtcbin, mid)?;
        let media = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        let probe = pad.add_probe(media, |_, info| {
            drop(info.data.take());
            gst::PadProbeReturn::Handled
        });
        Some(Self { pad, probe })
    }

    /// Lets media pass again, from a key frame on.
    pub(super) fn unmute(self) {
        let pad = self.pad.clone();
        drop(self);
        let event = gst_video::UpstreamForceKeyUnitEvent::builder()
            .all_headers(true)
            .build();
        // Audio has nobody to take it.
        pad.push_event(event);
    }
}

impl Drop for MutedPad {
    fn drop(&mut self) {
        if let Some(probe) = self.probe.take() {
            self.pad.remove_probe(probe);
        }
    }
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
        assert!(MutedPad::new(&webrtcbin, "video0").is_none());
    }

    #[test]
    fn nothing_passes_a_muted_pad_and_everything_after_it() {
        gst::init().unwrap();
        let element = gst::ElementFactory::make("identity").build().unwrap();
        let pad = element.static_pad("sink").unwrap();
        element.set_state(gst::State::Playing).unwrap();
        pad.send_event(gst::event::StreamStart::new("test"));
        pad.send_event(gst::event::Segment::new(
            &gst::FormattedSegment::<gst::ClockTime>::new(),
        ));
        let probe = pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
            drop(info.data.take());
            gst::PadProbeReturn::Handled
        });
        let muted = MutedPad {
            pad: pad.clone(),
            probe,
        };
        assert_eq!(pad.chain(gst::Buffer::new()), Ok(gst::FlowSuccess::Ok));
        muted.unmute();
        assert_eq!(
            pad.chain(gst::Buffer::new()),
            Err(gst::FlowError::NotLinked),
            "it comes to where nobody is linked"
        );
        element.set_state(gst::State::Null).unwrap();
    }
}
