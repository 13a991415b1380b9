// SPDX-License-Identifier: MPL-2.0
//! What a peer's description means for each media section: accepted as which codec, declined, or nonsense.
//!
//! Pure: descriptions in, verdicts out. Nothing of what a peer writes is taken for granted. Called on the session's
//! task; what follows from a verdict is done by `session/answering` and `session/linking`.

use std::collections::BTreeSet;

use crate::codec::{Codec, MediaKind};
use crate::sdp::media::{self, MediaLine};
use crate::sdp::{SdpError, extmap};

/// What became of one section of our offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink) enum Verdict {
    /// The peer receives this stream.
    Accepted(Agreement),
    /// The peer does not want it, now at least.
    Declined,
    /// Data channels.
    Data,
}

/// What both sides agreed on for one section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink) struct Agreement {
    /// What is sent.
    pub(in crate::sink) codec: Codec,
    /// Under which number.
    pub(in crate::sink) payload_type: u8,
    /// Id of the transport-wide sequence number, if both know it.
    pub(in crate::sink) twcc_id: Option<u8>,
}

/// A section of a remote offer that a stream could go into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink) struct Opening {
    /// Which section.
    pub(in crate::sink) media_index: usize,
    /// What it carries.
    pub(in crate::sink) kind: MediaKind,
    /// Codecs the peer can receive, in the peer's order.
    pub(in crate::sink) codecs: Vec<Agreement>,
}

/// Why a description cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::sink) enum SelectError {
    #[error(transparent)]
    Sdp(#[from] SdpError),
    #[error("answer has {answered} media sections, the offer {offered}")]
    SectionCount { offered: usize, answered: usize },
    #[error("media section {index} is {answered}, the offer said {offered}")]
    Kind {
        index: usize,
        offered: String,
        answered: String,
    },
    #[error("media section {index} has no payload type that was offered")]
    NoPayload { index: usize },
    #[error("media section {index} calls payload type {payload_type} {answered}, the offer {offered}")]
    Renamed {
        index: usize,
        payload_type: u8,
        offered: String,
        answered: String,
    },
    #[error("every stream was declined")]
    AllDeclined,
}

/// Compares an answer with our offer: one verdict per section.
///
/// # Errors
/// [`SelectError`]; the last of its kinds is no fault of the description, the peer just wants nothing.
pub(in crate::sink) fn read_answer(
    offer: &gst_sdp::SDPMessageRef,
    answer: &gst_sdp::SDPMessageRef,
) -> Result<Vec<Verdict>, SelectError> {
    let (offered, answered) = (media::lines(offer)?, media::lines(answer)?);
    if offered.len() != answered.len() {
        return Err(SelectError::SectionCount {
            offered: offered.len(),
            answered: answered.len(),
        });
    }
    let sections = offered.iter().zip(&answered);
    let verdicts = sections
        .map(|(ours, theirs)| verdict(offer, answer, ours, theirs))
        .collect::<Result<Vec<_>, _>>()?;
    let is_wanted = |verdict: &Verdict| *verdict != Verdict::Declined;
    if verdicts.iter().any(is_wanted) || verdicts.is_empty() {
        Ok(verdicts)
    } else {
        Err(SelectError::AllDeclined)
    }
}

/// The sections of a remote offer that ask for media, each with the codecs both sides know.
///
/// # Errors
/// When the offer is not fit to be read.
pub(in crate::sink) fn read_offer(offer: &gst_sdp::SDPMessageRef) -> Result<Vec<Opening>, SelectError> {
    let lines = media::lines(offer)?;
    let openings = lines.iter().filter_map(|line| {
        let kind = match line.kind.as_str() {
            "audio" => MediaKind::Audio,
            "video" => MediaKind::Video,
            _ => return None,
        };
        let media = offer.media(u32::try_from(line.index).ok()?)?;
        let is_open = !line.is_rejected && line.direction.receives();
        let codecs = if is_open {
            known_codecs(media, line)
        } else {
            Vec::new()
        };
        Some(Opening {
            media_index: line.index,
            kind,
            codecs,
        })
    });
    Ok(openings.collect())
}

/// Whether a description has a section for data channels.
pub(in crate::sink) fn has_data(sdp: &gst_sdp::SDPMessageRef) -> bool {
    sdp.medias()
        .any(|media| media.media() == Some("application") && media.port() != 0)
}

/// What one section of an answer says. A section that is declined keeps its place and may be accepted later.
fn verdict(
    offer: &gst_sdp::SDPMessageRef,
    answer: &gst_sdp::SDPMessageRef,
    ours: &MediaLine,
    theirs: &MediaLine,
) -> Result<Verdict, SelectError> {
    let index = ours.index;
    if ours.kind != theirs.kind {
        return Err(SelectError::Kind {
            index,
            offered: ours.kind.clone(),
            answered: theirs.kind.clone(),
        });
    }
    let number = u32::try_from(index).unwrap_or(u32::MAX);
    let (Some(offered), Some(answered)) = (offer.media(number), answer.media(number)) else {
        return Ok(Verdict::Declined);
    };
    if theirs.is_rejected {
        return Ok(Verdict::Declined);
    }
    if ours.kind == "application" {
        return Ok(Verdict::Data);
    }
    if !theirs.direction.receives() || !ours.direction.sends() {
        return Ok(Verdict::Declined);
    }
    agreement(offered, answered, ours, theirs).map(Verdict::Accepted)
}

/// The first codec of the answer that was offered. Retransmission and redundancy are none.
fn agreement(
    offered: &gst_sdp::SDPMediaRef,
    answered: &gst_sdp::SDPMediaRef,
    ours: &MediaLine,
    theirs: &MediaLine,
) -> Result<Agreement, SelectError> {
    let index = ours.index;
    let known: BTreeSet<u8> = ours.payload_types.iter().copied().collect();
    let candidates = theirs
        .payload_types
        .iter()
        .copied()
        .filter(|payload_type| known.contains(payload_type));
    for payload_type in candidates {
        let Some((name, _)) = media::rtpmap(offered, payload_type) else {
            continue;
        };
        let Some(codec) = Codec::from_encoding_name(&name) else {
            continue;
        };
        // Dynamic numbers mean what the answer's own rtpmap says, and that must be what we send.
        let answered_name = media::rtpmap(answered, payload_type)
            .map(|(name, _)| name)
            .unwrap_or_default();
        if !name.eq_ignore_ascii_case(&answered_name) {
            return Err(SelectError::Renamed {
                index,
                payload_type,
                offered: name,
                answered: answered_name,
            });
        }
        let offered_id = extmap::id_of(offered, extmap::TWCC_URI);
        let twcc_id = extmap::id_of(answered, extmap::TWCC_URI).filter(|id| Some(*id) == offered_id);
        return Ok(Agreement {
            codec,
            payload_type,
            twcc_id,
        });
    }
    Err(SelectError::NoPayload { index })
}

/// Codecs both sides know, in the peer's order. H.264 is often offered several times: where one of them takes more than
/// a packet a slice (RFC 6184, section 5.4), those that do not are left out.
fn known_codecs(media: &gst_sdp::SDPMediaRef, line: &MediaLine) -> Vec<Agreement> {
    let twcc_id = extmap::id_of(media, extmap::TWCC_URI);
    let known = line.payload_types.iter().filter_map(|payload_type| {
        let (name, _) = media::rtpmap(media, *payload_type)?;
        let codec = Codec::from_encoding_name(&name).filter(|codec| codec.media().as_str() == line.kind)?;
        Some(Agreement {
            codec,
            payload_type: *payload_type,
            twcc_id,
        })
    });
    let known: Vec<_> = known.collect();
    let fragments =
        |it: &Agreement| media::fmtp(media, it.payload_type, "packetization-mode").as_deref() == Some("1");
    let is_h264 = |it: &Agreement| it.codec == Codec::H264;
    let can_fragment = known.iter().any(|it| is_h264(it) && fragments(it));
    known
        .into_iter()
        .filter(|it| !is_h264(it) || !can_fragment || fragments(it))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::media::tests::sdp;

    const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98\na=rtpmap:96 VP8/90000\na=rtpmap:97 H264/90000\n\
        a=rtpmap:98 rtx/90000\na=fmtp:98 apt=96\na=sendonly\n\
        a=extmap:1 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\n";
    const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 100\na=rtpmap:100 OPUS/48000/2\na=sendonly\n";

    fn answer(sections: &str) -> Result<Vec<Verdict>, SelectError> {
        read_answer(&sdp(&format!("{VIDEO}{AUDIO}")), &sdp(sections))
    }

    fn accepted(codec: Codec, payload_type: u8, twcc_id: Option<u8>) -> Verdict {
        Verdict::Accepted(Agreement {
            codec,
            payload_type,
            twcc_id,
        })
    }

    const OPUS: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 100\na=rtpmap:100 opus/48000/2\na=recvonly\n";

    #[test]
    fn the_first_codec_of_the_answer_is_agreed_on() {
        let video =
            "m=video 9 UDP/TLS/RTP/SAVPF 97 96\na=rtpmap:96 VP8/90000\na=rtpmap:97 H264/90000\na=recvonly\n";
        assert_eq!(
            answer(&format!("{video}{OPUS}")),
            Ok(vec![
                accepted(Codec::H264, 97, None),
                accepted(Codec::Opus, 100, None)
            ])
        );
    }

    #[test]
    fn transport_wide_numbers_need_both_sides() {
        let video = "m=video 9 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 VP8/90000\na=recvonly\n\
            a=extmap:1 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\n";
        assert_eq!(
            answer(&format!("{video}{OPUS}")).expect("valid")[0],
            accepted(Codec::Vp8, 96, Some(1))
        );
    }

    #[test]
    fn a_retransmission_number_in_front_is_passed_over() {
        let video =
            "m=video 9 UDP/TLS/RTP/SAVPF 98 96\na=rtpmap:96 VP8/90000\na=rtpmap:98 rtx/90000\na=recvonly\n";
        assert_eq!(
            answer(&format!("{video}{OPUS}")).expect("valid")[0],
            accepted(Codec::Vp8, 96, None)
        );
    }

    #[test]
    fn one_declined_section_leaves_the_other() {
        for video in [
            "m=video 0 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 VP8/90000\n",
            "m=video 9 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 VP8/90000\na=inactive\n",
            "m=video 9 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 VP8/90000\na=sendonly\n",
        ] {
            let verdicts = answer(&format!("{video}{OPUS}")).expect(video);
            assert_eq!(verdicts, [Verdict::Declined, accepted(Codec::Opus, 100, None)]);
        }
    }

    #[test]
    fn a_peer_that_wants_nothing_is_told_apart() {
        let nothing = "m=video 0 UDP/TLS/RTP/SAVPF 96\nm=audio 0 UDP/TLS/RTP/SAVPF 100\n";
        assert_eq!(answer(nothing), Err(SelectError::AllDeclined));
    }

    #[test]
    fn nonsense_is_named() {
        let count = SelectError::SectionCount {
            offered: 2,
            answered: 1,
        };
        assert_eq!(answer(OPUS), Err(count));
        let swapped = answer(&format!("{OPUS}{OPUS}"));
        assert!(matches!(swapped, Err(SelectError::Kind { index: 0, .. })));
        let unknown = "m=video 9 UDP/TLS/RTP/SAVPF 120\na=rtpmap:120 VP8/90000\na=recvonly\n";
        assert_eq!(
            answer(&format!("{unknown}{OPUS}")),
            Err(SelectError::NoPayload { index: 0 })
        );
        let renamed = "m=video 9 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 H264/90000\na=recvonly\n";
        assert!(matches!(
            answer(&format!("{renamed}{OPUS}")),
            Err(SelectError::Renamed { payload_type: 96, .. })
        ));
        let mapless = "m=video 9 UDP/TLS/RTP/SAVPF 96\na=recvonly\n";
        assert!(matches!(
            answer(&format!("{mapless}{OPUS}")),
            Err(SelectError::Renamed { .. })
        ));
    }

    #[test]
    fn data_channels_are_neither_accepted_nor_declined() {
        let data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n";
        assert_eq!(read_answer(&sdp(data), &sdp(data)), Ok(vec![Verdict::Data]));
        assert!(has_data(&sdp(data)));
        assert!(!has_data(&sdp(AUDIO)));
    }

    #[test]
    fn of_several_h264_offers_the_one_that_may_fragment_is_taken() {
        let offer = "m=video 9 UDP/TLS/RTP/SAVPF 102 104\na=rtpmap:102 H264/90000\na=rtpmap:104 H264/90000\n\
            a=fmtp:102 packetization-mode=0;profile-level-id=42e01f\n\
            a=fmtp:104 packetization-mode=1;profile-level-id=42e01f\na=recvonly\n";
        let numbers = |text: &str| -> Vec<u8> {
            let openings = read_offer(&sdp(text)).expect("valid");
            openings[0]
                .codecs
                .iter()
                .map(|codec| codec.payload_type)
                .collect()
        };
        assert_eq!(numbers(offer), [104]);
        let single = offer.replace("packetization-mode=1;", "");
        assert_eq!(numbers(&single), [102, 104]);
    }

    #[test]
    fn a_remote_offer_lists_what_both_know_in_its_order() {
        let offer = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n\
            m=audio 9 UDP/TLS/RTP/SAVPF 111 9\na=rtpmap:111 opus/48000/2\na=rtpmap:9 G722/8000\na=recvonly\n\
            m=video 9 UDP/TLS/RTP/SAVPF 121 120\na=rtpmap:120 VP8/90000\na=rtpmap:121 H264/90000\na=sendrecv\n\
            m=video 9 UDP/TLS/RTP/SAVPF 120\na=rtpmap:120 VP8/90000\na=sendonly\n";
        let openings = read_offer(&sdp(offer)).expect("valid");
        let seen: Vec<_> = openings
            .iter()
            .map(|opening| {
                (
                    opening.media_index,
                    opening.codecs.iter().map(|codec| codec.codec).collect::<Vec<_>>(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (1, vec![Codec::Opus]),
                (2, vec![Codec::H264, Codec::Vp8]),
                (3, vec![])
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_answer_panics(lines in proptest::collection::vec(
            "m=(video|audio|application|x) (0|9|99999) UDP/TLS/RTP/SAVPF( 9[0-9]| 1[0-9]{2}| x){0,4}\
             |a=(rtpmap|fmtp|extmap|mid|sendrecv|inactive|bundle-only):?[ -~]{0,24}", 0..12,
        )) {
            let text = lines.join("\n") + "\n";
            let ours = sdp(&format!("{VIDEO}{AUDIO}"));
            let theirs = sdp(&text);
            if let Ok(verdicts) = read_answer(&ours, &theirs) {
                proptest::prop_assert_eq!(verdicts.len(), 2);
            }
            let openings = read_offer(&theirs).map(|openings| openings.len()).unwrap_or_default();
            proptest::prop_assert!(openings <= lines.len());
        }
    }
}
