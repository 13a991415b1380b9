// SPDX-License-Identifier: MPL-2.0
//! RTP caps at their two ends: as they stand in a description, and as they bind a payloader.
//!
//! Pure: caps in, caps out. Which codec and number, is `select`'s to choose; clock lines follow RFC 7273, feedback RFC
//! 4585, RFC 5104 and draft-holmer-rmcat-transport-wide-cc-extensions-01.

use super::select::Agreement;
use crate::codec::MediaKind;
use crate::codec::proposals::Proposal;
use crate::sdp::extmap;
use crate::sink::clock::ClockSource;

/// What goes for every codec of a stream in a session.
#[derive(Debug, Clone)]
pub(in crate::sink) struct Common {
    /// The stream's SSRC in this session.
    pub(in crate::sink) ssrc: u32,
    /// Id of the transport-wide sequence number, if it is used.
    pub(in crate::sink) twcc_id: Option<u8>,
    /// Id of the word on how long to hold pictures, if it may be used.
    pub(in crate::sink) playout_delay_id: Option<u8>,
    /// Which clock the timestamps follow, if that is told.
    pub(in crate::sink) clock: Option<ClockSource>,
}

/// What is offered for one codec; `found` are the caps that discovery saw.
pub(in crate::sink) fn offered(found: &gst::CapsRef, proposal: Proposal, common: &Common) -> gst::Caps {
    let mut caps = crate::codec::caps::describable(found, Some(proposal.payload_type));
    for structure in caps.make_mut().iter_mut() {
        structure.set("ssrc", common.ssrc);
        if proposal.codec.media() == MediaKind::Video {
            // What webrtcbin writes by itself depends on its version; these two every receiver may use (RFC 4585,
            // RFC 5104).
            structure.set("rtcp-fb-nack-pli", true);
            structure.set("rtcp-fb-ccm-fir", true);
        }
        if let Some(id) = common.twcc_id {
            structure.set("rtcp-fb-transport-cc", true);
            structure.set(extmap::caps_field(id), extmap::TWCC_URI);
        }
        if let Some(id) = common.playout_delay_id {
            structure.set(extmap::caps_field(id), extmap::PLAYOUT_DELAY_URI);
        }
        if let Some(clock) = &common.clock {
            structure.set("a-ts-refclk", clock.reference());
            structure.set("a-mediaclk", clock.media_clock());
        }
    }
    caps
}

/// What the filter behind a payloader demands: number, SSRC and extensions, nothing that the encoder decides.
pub(in crate::sink) fn negotiated(agreement: &Agreement, ssrc: u32) -> gst::Caps {
    let codec = agreement.codec;
    let mut caps = gst::Caps::builder("application/x-rtp")
        .field("media", codec.media().as_str())
        .field("encoding-name", codec.encoding_name())
        .field("payload", i32::from(agreement.payload_type))
        .field("ssrc", ssrc)
        .build();
    if let (Some(id), Some(structure)) = (agreement.twcc_id, caps.make_mut().structure_mut(0)) {
        structure.set(extmap::caps_field(id), extmap::TWCC_URI);
        structure.set("rtcp-fb-transport-cc", true);
    }
    caps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use std::str::FromStr;

    fn common(twcc_id: Option<u8>) -> Common {
        gst::init().expect("GStreamer initialises");
        Common {
            ssrc: 7,
            twcc_id,
            playout_delay_id: None,
            clock: None,
        }
    }

    #[test]
    fn an_offer_carries_number_ssrc_and_feedback() {
        let common = common(Some(1));
        let found =
            gst::Caps::from_str("application/x-rtp, media=video, encoding-name=VP8, ssrc=(uint)1, payload=0")
                .unwrap();
        let caps = offered(
            &found,
            Proposal {
                codec: Codec::Vp8,
                payload_type: 96,
            },
            &common,
        );
        let structure = caps.structure(0).unwrap();
        assert_eq!(structure.get::<i32>("payload"), Ok(96));
        assert_eq!(structure.get::<u32>("ssrc"), Ok(7));
        assert_eq!(structure.get::<&str>("extmap-1"), Ok(extmap::TWCC_URI));
        assert_eq!(structure.get::<bool>("rtcp-fb-transport-cc"), Ok(true));
    }

    #[test]
    fn without_congestion_control_there_is_no_extension() {
        let common = common(None);
        let found = gst::Caps::from_str("application/x-rtp, media=audio, encoding-name=OPUS").unwrap();
        let caps = offered(
            &found,
            Proposal {
                codec: Codec::Opus,
                payload_type: 97,
            },
            &common,
        );
        let structure = caps.structure(0).unwrap();
        assert!(!structure.has_field("rtcp-fb-transport-cc"));
        assert!(!structure.has_field("rtcp-fb-nack-pli"));
    }

    #[test]
    fn the_payloader_is_bound_by_what_was_agreed_and_no_more() {
        gst::init().unwrap();
        let agreement = Agreement {
            codec: Codec::H264,
            payload_type: 102,
            twcc_id: Some(3),
        };
        let caps = negotiated(&agreement, 9);
        let made = "application/x-rtp, media=video, encoding-name=H264, payload=102, ssrc=(uint)9, clock-rate=90000, \
                    profile-level-id=(string)42c01f, packetization-mode=(string)1";
        assert!(caps.can_intersect(&gst::Caps::from_str(made).unwrap()));
        assert!(!caps.can_intersect(&gst::Caps::from_str("application/x-rtp, payload=96").unwrap()));
        assert!(caps.structure(0).unwrap().has_field("extmap-3"));
    }
}
