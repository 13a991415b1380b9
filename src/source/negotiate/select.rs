// SPDX-License-Identifier: MPL-2.0
//! What to accept of one m-line: a codec, its repair, and header extensions. Pure.
//!
//! Works on one m-line alone: `lines` calls it for each and keeps the results in order, `describe` writes them down.
//! What the pad's downstream takes comes in as a predicate, from `session/pads`. RTP/AVPF feedback as in RFC 4585,
//! repair as in RFC 4588 and RFC 5109, header extensions as in RFC 8285.

use crate::codec::Codec;
use crate::sdp::extmap::TWCC_URI;

use super::description::{Format, Media};

/// What was accepted of an m-line: one codec and what protects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The codec media comes in.
    pub(crate) codec: Codec,
    /// Its format.
    pub(crate) primary: Format,
    /// Retransmission of the codec's packets (RFC 4588).
    pub(crate) rtx: Option<Format>,
    /// Forward error correction; video only.
    pub(crate) fec: Option<Fec>,
    /// Header extensions to keep, with their ids.
    pub(crate) extensions: Vec<Extension>,
}

/// ULPFEC in RED (RFC 5109, RFC 2198), the way browsers protect video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fec {
    /// The envelope: with it negotiated, media itself arrives inside.
    pub(crate) red: Format,
    /// The repair packets.
    pub(crate) ulpfec: Format,
    /// Retransmission of envelopes.
    pub(crate) red_rtx: Option<Format>,
}

/// One header extension (RFC 8285).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extension {
    /// Its id in packets.
    pub(crate) id: u8,
    /// What it is.
    pub(crate) uri: String,
}

/// What this side is able and willing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// Ask for lost packets again.
    pub(crate) retransmission: bool,
    /// Undo RED and repair by ULPFEC.
    pub(crate) fec: bool,
}

impl Selection {
    /// Chooses from what `media` lists, in the peer's order of preference: the first codec that `accepts` takes.
    ///
    /// RED for audio carries no ULPFEC but older audio packets, which rtpreddec of a session with a video RED payload
    /// type cannot tell apart: it is left out. Comfort noise and telephone events are left out as well.
    pub(crate) fn choose(
        media: &Media,
        accepts: impl Fn(Codec, &Format) -> bool,
        abilities: Abilities,
    ) -> Option<Self> {
        let formats = media.rtp_formats();
        let (codec, primary) = formats.iter().find_map(|format| {
            let codec = Codec::from_encoding_name(&format.encoding)?;
            let fits = codec.media().as_str() == media.kind && accepts(codec, format);
            fits.then(|| (codec, format.clone()))
        })?;
        let fec = (abilities.fec && media.kind == "video")
            .then(|| Fec::find(&formats, abilities))
            .flatten();
        Some(Self {
            codec,
            rtx: retransmission(&formats, primary.payload_type, abilities),
            primary,
            fec,
            extensions: extensions(media),
        })
    }

    /// Chooses again for a later description: what was chosen before if it is still there, else anew.
    pub(crate) fn choose_again(
        &self,
        media: &Media,
        accepts: impl Fn(Codec, &Format) -> bool,
        abilities: Abilities,
    ) -> Option<Self> {
        let keeps = |codec, format: &Format| {
            codec == self.codec && format.payload_type == self.primary.payload_type && accepts(codec, format)
        };
        Self::choose(media, keeps, abilities).or_else(|| Self::choose(media, &accepts, abilities))
    }

    /// The first codec of an offer of ours, for an m-line that the peer refuses: webrtcbin goes on with it as offered.
    pub(crate) fn of_offer(formats: &[Format]) -> Option<Self> {
        let primary = formats.first()?.clone();
        Some(Self {
            codec: Codec::from_encoding_name(&primary.encoding)?,
            primary,
            rtx: None,
            fec: None,
            extensions: Vec::new(),
        })
    }

    /// Every format of the selection in the order of an m-line.
    pub(crate) fn formats(&self) -> impl Iterator<Item = &Format> {
        let fec = self.fec.iter();
        [Some(&self.primary), self.rtx.as_ref()]
            .into_iter()
            .flatten()
            .chain(fec.flat_map(|fec| {
                [Some(&fec.red), fec.red_rtx.as_ref(), Some(&fec.ulpfec)]
                    .into_iter()
                    .flatten()
            }))
    }

    /// The feedback to promise for `format`: what was offered and can be done (RFC 4585, RFC 5104).
    pub(crate) fn feedback<'a>(
        &'a self,
        format: &'a Format,
        abilities: Abilities,
    ) -> impl Iterator<Item = &'a str> {
        let is_primary = *format == self.primary;
        format
            .feedback
            .iter()
            .map(String::as_str)
            .filter(move |value| match *value {
                "nack" => is_primary && abilities.retransmission,
                "nack pli" | "ccm fir" => is_primary,
                "transport-cc" => self.extensions.iter().any(|extension| extension.uri == TWCC_URI),
                _ => false,
            })
    }
}

impl Fec {
    /// ULPFEC without RED is nothing: browsers send repair packets only inside the envelope.
    fn find(formats: &[Format], abilities: Abilities) -> Option<Self> {
        let named = |name| formats.iter().find(|format| format.is(name)).cloned();
        let (red, ulpfec) = (named("red")?, named("ulpfec")?);
        Some(Self {
            red_rtx: retransmission(formats, red.payload_type, abilities),
            red,
            ulpfec,
        })
    }
}

/// The format whose `apt` names this payload type (RFC 4588, section 8.6).
fn retransmission(formats: &[Format], payload_type: u8, abilities: Abilities) -> Option<Format> {
    formats
        .iter()
        .find(|format| abilities.retransmission && format.retransmits(payload_type))
        .cloned()
}

/// Those of use here. An id that is given twice means what it meant first.
fn extensions(media: &Media) -> Vec<Extension> {
    let mut found: Vec<Extension> = Vec::new();
    for value in media.attributes.values("extmap") {
        let Some(extension) = read_extension(value) else {
            continue;
        };
        if UNDERSTOOD.contains(&extension.uri.as_str()) && found.iter().all(|known| known.id != extension.id)
        {
            found.push(extension);
        }
    }
    found
}

fn read_extension(value: &str) -> Option<Extension> {
    let mut words = value.split_whitespace();
    let id = words.next()?.split('/').next()?.parse().ok()?;
    // Id 15 is reserved in one-byte headers, 0 is padding (RFC 8285, section 4.2).
    (1..=255).contains(&id).then_some(())?;
    Some(Extension {
        id,
        uri: words.next()?.to_owned(),
    })
}

/// Extensions that rtpbin or a depayloader of GStreamer 1.22 makes something of.
const UNDERSTOOD: &[&str] = &[
    // Without it in the answer the peer has no congestion feedback.
    TWCC_URI,
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "urn:ietf:params:rtp-hdrext:ntp-64",
    "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
];

#[cfg(test)]
pub(crate) mod tests {
    use super::super::description::Description;
    use super::super::description::tests::chromium;
    use super::*;

    pub(crate) const ALL: Abilities = Abilities {
        retransmission: true,
        fec: true,
    };

    fn video(accepts: impl Fn(Codec) -> bool, abilities: Abilities) -> Option<Selection> {
        Selection::choose(&chromium().media[1], |codec, _| accepts(codec), abilities)
    }

    fn numbers(selection: &Selection) -> Vec<u8> {
        selection.formats().map(|format| format.payload_type).collect()
    }

    #[test]
    fn the_peers_first_acceptable_codec_wins() {
        let cases = [
            (None, Some(Codec::Vp8), vec![96, 97, 116, 117, 118]),
            (
                Some(Codec::H264),
                Some(Codec::H264),
                vec![103, 104, 116, 117, 118],
            ),
            (Some(Codec::Av1), Some(Codec::Av1), vec![39, 40, 116, 117, 118]),
            (Some(Codec::H265), None, vec![]),
        ];
        for (only, codec, formats) in cases {
            let selection = video(|codec| only.is_none_or(|only| only == codec), ALL);
            assert_eq!(selection.as_ref().map(|selection| selection.codec), codec);
            assert_eq!(selection.as_ref().map(numbers).unwrap_or_default(), formats);
        }
    }

    #[test]
    fn repair_is_left_out_when_not_wanted() {
        let plain = Abilities {
            retransmission: false,
            fec: false,
        };
        let selection = video(|_| true, plain).expect("VP8 is offered");
        assert_eq!(numbers(&selection), [96]);
        let feedback: Vec<_> = selection.feedback(&selection.primary, plain).collect();
        assert_eq!(feedback, ["transport-cc", "ccm fir", "nack pli"]);
    }

    #[test]
    fn audio_red_is_never_accepted() {
        let selection = Selection::choose(&chromium().media[0], |_, _| true, ALL).expect("Opus is offered");
        assert_eq!(numbers(&selection), [111]);
        assert_eq!(selection.fec, None);
    }

    #[test]
    fn feedback_is_what_was_offered_and_can_be_done() {
        let selection = video(|_| true, ALL).expect("VP8 is offered");
        let of = |format| selection.feedback(format, ALL).collect::<Vec<_>>();
        assert_eq!(
            of(&selection.primary),
            ["transport-cc", "ccm fir", "nack", "nack pli"]
        );
        assert!(of(selection.rtx.as_ref().expect("RTX is offered")).is_empty());
    }

    #[test]
    fn only_extensions_that_serve_are_kept() {
        let selection = video(|_| true, ALL).expect("VP8 is offered");
        let ids: Vec<_> = selection
            .extensions
            .iter()
            .map(|extension| extension.id)
            .collect();
        assert_eq!(ids, [3, 4]);
    }

    #[test]
    fn nonsense_extensions_are_skipped() {
        for value in [
            "",
            "x urn:ietf:params:rtp-hdrext:sdes:mid",
            "0 urn:a",
            "400 urn:a",
            "5",
        ] {
            assert_eq!(read_extension(value), None, "{value:?}");
        }
        assert_eq!(
            read_extension("7/recvonly urn:a").map(|extension| extension.id),
            Some(7)
        );
    }

    #[test]
    fn the_codec_stays_over_renegotiation_while_it_is_offered() {
        let h264 = video(|codec| codec == Codec::H264, ALL).expect("H264 is offered");
        let again = h264.choose_again(&chromium().media[1], |_, _| true, ALL);
        assert_eq!(again.as_ref(), Some(&h264));
        let text = "o=- 1 1 x\nm=video 9 X 96\na=rtpmap:96 VP8/90000";
        let without = Description::parse(text).expect("a description");
        let moved = h264.choose_again(&without.media[0], |_, _| true, ALL);
        assert_eq!(moved.map(|selection| selection.codec), Some(Codec::Vp8));
    }
}
