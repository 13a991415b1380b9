// SPDX-License-Identifier: MPL-2.0
//! What a session's description says about the packets that leave: which are audio, which are retransmissions, and
//! where padding may go.
//!
//! Padding travels as a retransmission of nothing: on the SSRC and payload type of the video stream's retransmissions
//! (RFC 4588), where it disturbs no decoder. Pure, read once for each local description; `sink/rate` hands it over.
//! What the classes mean for order and budget is `engine`'s to decide.

use std::collections::{BTreeMap, BTreeSet};

use congestion::pacer::Class;

use crate::sdp::{extmap, media};

/// Payload types and SSRCs of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Streams {
    audio: BTreeSet<u8>,
    retransmissions: BTreeSet<u8>,
    /// Where retransmissions of an SSRC go.
    repairs: BTreeMap<u32, Repair>,
    /// The payload type of retransmissions of a payload type (RFC 4588, section 8.1: apt).
    repairing: BTreeMap<u8, u8>,
    /// Id of the header extension that carries transport-wide sequence numbers.
    pub(super) twcc_id: Option<u8>,
    /// Id of the header extension that says how long to hold pictures, where both ends know it.
    pub(super) playout_delay_id: Option<u8>,
    /// Ids of the header extensions that name the layer of a packet, and the layer that a retransmission repairs.
    pub(super) layer_ids: Option<(u8, u8)>,
    /// Whether both ends know ULPFEC.
    pub(super) has_fec: bool,
}

/// Where the retransmissions of a stream go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repair {
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
}

impl Streams {
    /// Reads the local description.
    pub(crate) fn from_description(sdp: &gst_sdp::SDPMessageRef) -> Self {
        let mut streams = Self::default();
        for media in sdp.medias() {
            streams.add(media);
        }
        streams
    }

    /// Reads what was agreed on: the local description, whose redundancy is only worth something if the peer knows it.
    pub(crate) fn negotiated(local: &gst_sdp::SDPMessageRef, remote: &gst_sdp::SDPMessageRef) -> Self {
        Self {
            has_fec: has_fec(local) && has_fec(remote),
            playout_delay_id: playout_delay_id(local).filter(|id| playout_delay_id(remote) == Some(*id)),
            ..Self::from_description(local)
        }
    }

    /// In which queue of the pacer a packet waits. Before anything is negotiated everything is video.
    pub(super) fn class(&self, payload_type: u8) -> Class {
        if self.audio.contains(&payload_type) {
            Class::Audio
        } else if self.retransmissions.contains(&payload_type) {
            Class::Retransmission
        } else {
            Class::Video
        }
    }

    /// Where the retransmissions of the stream `ssrc` go while it is sent as `payload_type`, if it has any. Several codecs
    /// may have been offered, each with retransmissions of its own.
    pub(super) fn repair_of(&self, ssrc: u32, payload_type: u8) -> Option<Repair> {
        let repair = *self.repairs.get(&ssrc)?;
        let own = self.repairing.get(&payload_type).copied();
        Some(Repair {
            payload_type: own.unwrap_or(repair.payload_type),
            ..repair
        })
    }

    /// The stream whose retransmissions have this SSRC.
    pub(super) fn repaired_by(&self, ssrc: u32) -> Option<u32> {
        let mut repairs = self.repairs.iter();
        repairs
            .find(|(_, repair)| repair.ssrc == ssrc)
            .map(|(repaired, _)| *repaired)
    }

    fn add(&mut self, media: &gst_sdp::SDPMediaRef) {
        self.twcc_id = self.twcc_id.or_else(|| extmap::id_of(media, extmap::TWCC_URI));
        let layers = extmap::id_of(media, extmap::RID_URI);
        let repaired = extmap::id_of(media, extmap::REPAIRED_RID_URI);
        self.layer_ids = self.layer_ids.or(layers.zip(repaired));
        let formats = media.formats().filter_map(|format| format.parse::<u8>().ok());
        if media.media() == Some("audio") {
            self.audio.extend(formats);
            return;
        }
        let repairing: BTreeSet<u8> = media::values(media, "rtpmap")
            .filter_map(rtx_payload_type)
            .collect();
        if let Some(&payload_type) = repairing.first() {
            self.repairs
                .extend(media::repairs(media).map(|(ssrc, repairing)| {
                    (
                        ssrc,
                        Repair {
                            ssrc: repairing,
                            payload_type,
                        },
                    )
                }));
        }
        let associated = repairing.iter().filter_map(|&own| {
            let associated = media::fmtp(media, own, "apt")?;
            Some((associated.parse().ok()?, own))
        });
        self.repairing.extend(associated);
        self.retransmissions.extend(repairing);
    }
}

fn playout_delay_id(sdp: &gst_sdp::SDPMessageRef) -> Option<u8> {
    sdp.medias()
        .find_map(|media| extmap::id_of(media, extmap::PLAYOUT_DELAY_URI))
}

fn has_fec(sdp: &gst_sdp::SDPMessageRef) -> bool {
    let is_fec = |rtpmap: &str| rtpmap.to_ascii_lowercase().contains(" ulpfec/");
    sdp.medias()
        .any(|media| media::values(media, "rtpmap").any(is_fec))
}

/// The payload type of `97 rtx/90000`.
fn rtx_payload_type(rtpmap: &str) -> Option<u8> {
    let (payload_type, encoding) = rtpmap.split_once(' ')?;
    let is_rtx = encoding.trim().to_ascii_lowercase().starts_with("rtx/");
    payload_type.parse().ok().filter(|_| is_rtx)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(media: &str) -> Streams {
        gst::init().expect("GStreamer initialises");
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n{}",
            media.replace('\n', "\r\n")
        );
        Streams::from_description(&gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).unwrap())
    }

    const BOTH: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\na=rtpmap:111 OPUS/48000/2\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99\na=rtpmap:96 VP8/90000\na=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\n\
        a=rtpmap:98 H264/90000\na=fmtp:98 apt=3\na=rtpmap:99 RTX/90000\na=fmtp:99 rtx-time=125; apt=98\na=ssrc-group:FID 1000 2000\na=ssrc-group:FEC 1000 3000\n\
        a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\n";

    #[test]
    fn payload_types_tell_what_a_packet_is() {
        let streams = streams(BOTH);
        let classes = [111, 96, 97, 98, 99, 5].map(|payload_type| streams.class(payload_type));
        let (video, repair) = (Class::Video, Class::Retransmission);
        assert_eq!(classes, [Class::Audio, video, repair, video, repair, video]);
        assert_eq!((streams.twcc_id, streams.layer_ids), (Some(5), None));
    }

    #[test]
    fn layers_are_named_by_extensions() {
        let media = format!(
            "m=video 9 UDP/TLS/RTP/SAVPF 96\na=extmap:3 {}\na=extmap:4 {}\n",
            extmap::RID_URI,
            extmap::REPAIRED_RID_URI
        );
        assert_eq!(streams(&media).layer_ids, Some((3, 4)));
    }

    #[test]
    fn redundancy_needs_both_ends() {
        gst::init().expect("GStreamer initialises");
        let description = |attribute: &str| {
            let text =
                format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 RTP 96\r\n{attribute}");
            gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).expect("it is valid")
        };
        let (with, without) = (description("a=rtpmap:99 ulpfec/90000\r\n"), description(""));
        assert!(Streams::negotiated(&with, &with).has_fec);
        assert!(!Streams::negotiated(&with, &without).has_fec);
        assert!(!Streams::negotiated(&without, &with).has_fec);
    }

    #[test]
    fn holding_pictures_needs_both_ends_and_one_id() {
        gst::init().expect("GStreamer initialises");
        let description = |id: u8| {
            let text = format!(
                "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 RTP 96\r\na=extmap:{id} {}\r\n",
                extmap::PLAYOUT_DELAY_URI
            );
            gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).expect("it is valid")
        };
        let id =
            |local, remote| Streams::negotiated(&description(local), &description(remote)).playout_delay_id;
        assert_eq!(id(2, 2), Some(2));
        assert_eq!(id(2, 3), None);
    }

    #[test]
    fn padding_goes_where_retransmissions_go() {
        let streams = streams(BOTH);
        for (sent_as, payload_type) in [(96, 97), (98, 99), (3, 97)] {
            let repair = Repair {
                ssrc: 2000,
                payload_type,
            };
            assert_eq!(streams.repair_of(1000, sent_as), Some(repair));
        }
        assert_eq!(streams.repair_of(2000, 96), None);
        assert_eq!(
            (streams.repaired_by(2000), streams.repaired_by(1000)),
            (Some(1000), None)
        );
    }

    #[test]
    fn a_description_without_retransmission_has_no_place_for_padding() {
        let streams =
            streams("m=video 9 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 VP8/90000\na=ssrc-group:FID 1 2\n");
        assert_eq!(streams.repair_of(1, 96), None);
    }

    #[test]
    fn malformed_attributes_are_ignored() {
        let media = "m=video 9 UDP/TLS/RTP/SAVPF x 97\na=rtpmap:97\na=rtpmap:x rtx/90000\na=ssrc-group:FID 1\n\
            a=ssrc-group:\na=rtpmap:97 rtx/90000\na=ssrc-group:FID a b\n\
            a=fmtp:97\na=fmtp:97 apt=\na=fmtp:97 apt=300\na=fmtp:x apt=96\n";
        assert_eq!(streams(media).class(97), Class::Retransmission);
        assert!(streams(media).repairs.is_empty() && streams(media).repairing.is_empty());
    }
}
