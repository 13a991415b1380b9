// SPDX-License-Identifier: MPL-2.0
//! What to offer when this side begins (WHEP): m-lines with every codec asked for, its repair and feedback. Pure.
//!
//! Owns payload types, mids and format parameters of our own offers. Which codecs are asked for is said by
//! `session/pads`, the text is written by `describe`; what an answer makes of it is read in `lines` and `select`.

use crate::codec::{Codec, MediaKind};

use super::describe::Proposal;
use super::description::Format;
use super::select::Abilities;

/// One stream to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Sound or pictures.
    pub(crate) kind: MediaKind,
    /// Codecs in order of preference.
    pub(crate) codecs: Vec<Codec>,
}

/// Lays the wishes out as m-lines, payload types given out over the whole offer. A wish for which none is left, or
/// without codecs, has no m-line: its place in the result is `None`.
pub(crate) fn proposals(wishes: &[Wish], abilities: Abilities) -> Vec<Option<Proposal>> {
    let mut numbers = FIRST_PAYLOAD_TYPE..=LAST_PAYLOAD_TYPE;
    let mut made = 0;
    wishes
        .iter()
        .map(|wish| {
            let formats = formats(wish, &mut numbers, abilities);
            if formats.is_empty() {
                return None;
            }
            let proposal = Proposal {
                kind: wish.kind.as_str(),
                mid: format!("{}{made}", wish.kind),
                formats,
            };
            made += 1;
            Some(proposal)
        })
        .collect()
}

/// Media comes before repair: where numbers run out, the codecs last in order go without, and repair before them.
fn formats(wish: &Wish, numbers: &mut impl Iterator<Item = u8>, abilities: Abilities) -> Vec<Format> {
    let is_video = wish.kind == MediaKind::Video;
    let mut formats = Vec::new();
    for codec in &wish.codecs {
        let Some(number) = numbers.next() else { break };
        formats.push(primary(*codec, number, abilities));
        if is_video && abilities.retransmission {
            formats.extend(numbers.next().map(|rtx| retransmission(rtx, number)));
        }
    }
    if is_video && abilities.fec && !formats.is_empty() {
        formats.extend(protection(numbers, abilities));
    }
    formats
}

fn primary(codec: Codec, number: u8, abilities: Abilities) -> Format {
    let is_video = codec.media() == MediaKind::Video;
    let mut feedback = vec!["transport-cc"];
    if is_video {
        feedback.extend(["nack pli", "ccm fir"]);
        feedback.extend(abilities.retransmission.then_some("nack"));
    }
    Format {
        payload_type: number,
        encoding: codec.encoding_name().to_owned(),
        clock_rate: codec.clock_rate().unwrap_or(48_000),
        channels: (!is_video).then(|| "2".to_owned()),
        parameters: parameters(codec).map(str::to_owned),
        feedback: feedback.into_iter().map(str::to_owned).collect(),
    }
}

/// Constrained Baseline at level 2.2 with any level above allowed is what every sender of H264 has (RFC 6184, RFC
/// 7742); Opus is asked for in-band repair and both channels (RFC 7587).
fn parameters(codec: Codec) -> Option<&'static str> {
    match codec {
        Codec::H264 => Some("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e016"),
        Codec::Opus => Some("minptime=10;useinbandfec=1;stereo=1"),
        _ => None,
    }
}

/// RED and ULPFEC, both or none.
fn protection(numbers: &mut impl Iterator<Item = u8>, abilities: Abilities) -> Vec<Format> {
    let (Some(red), Some(ulpfec)) = (numbers.next(), numbers.next()) else {
        return Vec::new();
    };
    let mut formats = vec![plain(red, "red", None)];
    if abilities.retransmission {
        formats.extend(numbers.next().map(|rtx| retransmission(rtx, red)));
    }
    formats.push(plain(ulpfec, "ulpfec", None));
    formats
}

fn retransmission(number: u8, of: u8) -> Format {
    plain(number, "rtx", Some(format!("apt={of}")))
}

fn plain(payload_type: u8, encoding: &str, parameters: Option<String>) -> Format {
    Format {
        payload_type,
        encoding: encoding.to_owned(),
        clock_rate: 90_000,
        channels: None,
        parameters,
        feedback: Vec::new(),
    }
}

/// Dynamic payload types (RFC 3551, section 6); the last one stays free, as elements use it for their own.
const FIRST_PAYLOAD_TYPE: u8 = 96;
const LAST_PAYLOAD_TYPE: u8 = 126;

#[cfg(test)]
mod tests {
    use super::super::select::tests::ALL;
    use super::*;

    fn wish(kind: MediaKind, codecs: &[Codec]) -> Wish {
        Wish {
            kind,
            codecs: codecs.to_vec(),
        }
    }

    fn names(proposal: &Proposal) -> Vec<String> {
        let name = |format: &Format| format!("{} {}", format.payload_type, format.encoding);
        proposal.formats.iter().map(name).collect()
    }

    #[test]
    fn codecs_come_in_order_with_their_repair() {
        let wishes = [
            wish(MediaKind::Video, &[Codec::Vp8, Codec::H264]),
            wish(MediaKind::Audio, &[Codec::Opus]),
        ];
        let made: Vec<_> = proposals(&wishes, ALL).into_iter().flatten().collect();
        let video = [
            "96 VP8",
            "97 rtx",
            "98 H264",
            "99 rtx",
            "100 red",
            "102 rtx",
            "101 ulpfec",
        ];
        assert_eq!(names(&made[0]), video);
        assert_eq!(names(&made[1]), ["103 OPUS"]);
        assert_eq!((made[0].mid.as_str(), made[1].mid.as_str()), ("video0", "audio1"));
        assert!(made[0].formats[1].retransmits(96));
    }

    #[test]
    fn nothing_wished_is_no_line() {
        let wishes = [
            wish(MediaKind::Video, &[]),
            wish(MediaKind::Audio, &[Codec::Opus]),
        ];
        let made = proposals(&wishes, ALL);
        assert_eq!(made[0], None);
        assert_eq!(made[1].as_ref().map(|audio| audio.mid.as_str()), Some("audio0"));
    }

    #[test]
    fn payload_types_run_out_without_failing() {
        let wishes = vec![wish(MediaKind::Audio, &[Codec::Opus]); 40];
        let made = proposals(&wishes, ALL);
        assert_eq!(made.iter().flatten().count(), 31);
        assert_eq!(made.len(), 40);
    }

    #[test]
    fn without_retransmission_no_nack_is_offered() {
        let plain = Abilities {
            retransmission: false,
            fec: false,
        };
        let made = proposals(&[wish(MediaKind::Video, &[Codec::Vp8])], plain);
        let video = made[0].as_ref().expect("VP8 was wished");
        assert_eq!(names(video), ["96 VP8"]);
        assert!(!video.formats[0].feedback.contains(&"nack".to_owned()));
    }
}
