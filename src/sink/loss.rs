// SPDX-License-Identifier: MPL-2.0
//! What is done about lost packets: retransmission always, redundancy only where that comes too late.
//!
//! Owns how transceivers are set up and which share of a stream is redundancy. How much may be sent in all is the
//! congestion controller's.

use gst::prelude::*;
use gst_webrtc::WebRTCRTPTransceiver;

use super::settings::Settings;
use crate::codec::MediaKind;

/// Sets a new transceiver up: video may be retransmitted and protected, audio has its own means (Opus in-band FEC).
pub(super) fn protect(transceiver: &WebRTCRTPTransceiver, kind: MediaKind, settings: &Settings) {
    if kind != MediaKind::Video {
        return;
    }
    transceiver.set_property("do-nack", settings.do_retransmission);
    if settings.do_fec {
        transceiver.set_property_from_str("fec-type", "ulp-red");
        // Nothing until loss is seen: redundancy takes its share from the picture.
        transceiver.set_property("fec-percentage", 0u32);
    }
}

/// Sets a new transceiver of several layers up. Redundancy would be made over packets of different SSRCs, which no
/// receiver can use (RFC 5109, section 7.3).
pub(super) fn protect_layers(transceiver: &WebRTCRTPTransceiver, settings: &Settings) {
    transceiver.set_property("do-nack", settings.do_retransmission);
}

/// Sets the share of a stream that is redundancy, in percent.
pub(super) fn set_fec_percentage(transceiver: &WebRTCRTPTransceiver, percentage: u32) {
    if fec_percentage(transceiver) != percentage {
        transceiver.set_property("fec-percentage", percentage);
    }
}

/// The share of a stream that is redundancy now, in percent.
pub(super) fn fec_percentage(transceiver: &WebRTCRTPTransceiver) -> u32 {
    transceiver.property("fec-percentage")
}
