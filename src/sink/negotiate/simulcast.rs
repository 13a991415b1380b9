// SPDX-License-Identifier: MPL-2.0
//! One stream in several sizes on one media section (simulcast): how many, which, and how the section says so.
//!
//! Pure. A layer is named by a restriction identifier (RFC 8851), offered by `a=simulcast` (RFC 8853), and told apart on
//! the wire by a header extension (RFC 8852) next to that of the section's mid (RFC 9143): with these an offer names no
//! SSRC. webrtcbin takes all of it from caps. What its encoders get is the crate `congestion`'s to say (`layers`), the
//! elements are `session/layering`'s.

use congestion::layers::most_layers;

use crate::codec::Codec;
use crate::sdp::extmap;
use crate::sink::encode::PictureSize;

/// One layer of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink) struct Layer {
    /// Its name in the section.
    pub(in crate::sink) rid: &'static str,
    /// Its SSRC in this session.
    pub(in crate::sink) ssrc: u32,
    /// That of its retransmissions.
    pub(in crate::sink) repair_ssrc: u32,
    /// What the sides of the picture are divided by.
    pub(in crate::sink) divisor: u32,
}

/// How a section is named in addition to the codec.
#[derive(Debug, Clone, Copy)]
pub(in crate::sink) struct Naming<'a> {
    /// The media stream the track belongs to, if the user named one.
    pub(in crate::sink) msid: Option<&'a str>,
    /// The track.
    pub(in crate::sink) track: &'a str,
    /// Size of its pictures.
    pub(in crate::sink) size: (u32, u32),
}

/// The layers for pictures of `size`, smallest first and at most so many; none where there would be just one.
pub(in crate::sink) fn layers(most: usize, size: (u32, u32), mut random: impl FnMut() -> u32) -> Vec<Layer> {
    let count = most.min(most_layers(size.0, size.1)).min(RIDS.len());
    if count < 2 {
        return Vec::new();
    }
    let rids = RIDS.iter().take(count).zip((0..count).rev());
    rids.map(|(rid, halvings)| Layer {
        rid,
        ssrc: random(),
        repair_ssrc: random(),
        divisor: 1 << halvings,
    })
    .collect()
}

/// Whether forwarding servers take a codec in several streams. VP9 and AV1 have layers within a stream instead, which
/// the encoders at hand do not make.
pub(in crate::sink) const fn is_layered(codec: Codec) -> bool {
    matches!(codec, Codec::Vp8 | Codec::H264)
}

/// Adds to the caps of an offered codec what makes the section one of layers. Only the first codec of a section is to
/// say so, for webrtcbin repeats what each of them says.
pub(in crate::sink) fn announce(structure: &mut gst::StructureRef, layers: &[Layer], naming: Naming<'_>) {
    let stream = naming.msid.unwrap_or("-");
    structure.set("a-msid", format!("{stream} {}", naming.track));
    let rids: Vec<_> = layers.iter().map(|layer| layer.rid).collect();
    structure.set("a-simulcast", format!("send {}", rids.join(";")));
    for layer in layers {
        let size = PictureSize::Divided(layer.divisor);
        let (width, height) = (size.side(naming.size.0), size.side(naming.size.1));
        structure.set(
            format!("rid-{}", layer.rid),
            format!("send max-width={width};max-height={height}"),
        );
    }
}

/// Takes the SSRC off the caps of a codec, and adds the extensions by which receivers tell layers apart instead.
pub(in crate::sink) fn identify(structure: &mut gst::StructureRef) {
    structure.remove_field("ssrc");
    for (id, uri) in [
        (MID_ID, extmap::MID_URI),
        (RID_ID, extmap::RID_URI),
        (REPAIRED_RID_ID, extmap::REPAIRED_RID_URI),
    ] {
        structure.set(extmap::caps_field(id), uri);
    }
}

/// Names that LiveKit's own clients use, and servers older than 1.13 take for granted: quarter, half, full.
const RIDS: [&str; 3] = ["q", "h", "f"];

/// Ids of the one-byte form (RFC 8285, section 4.2), behind those that every section may have (`session/slots`).
pub(in crate::sink) const MID_ID: u8 = 3;
pub(in crate::sink) const RID_ID: u8 = 4;
const REPAIRED_RID_ID: u8 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn made(most: usize, size: (u32, u32)) -> Vec<Layer> {
        let mut next = 0;
        layers(most, size, || {
            next += 1;
            next
        })
    }

    #[test]
    fn each_layer_has_half_the_sides_of_the_next() {
        let layers = made(3, (1280, 720));
        let seen: Vec<_> = layers.iter().map(|layer| (layer.rid, layer.divisor)).collect();
        assert_eq!(seen, [("q", 4), ("h", 2), ("f", 1)]);
        let two: Vec<_> = made(2, (1280, 720))
            .iter()
            .map(|it| (it.rid, it.divisor))
            .collect();
        assert_eq!(two, [("q", 2), ("h", 1)]);
    }

    #[test]
    fn every_layer_has_ssrcs_of_its_own() {
        let layers = made(3, (1920, 1080));
        let ssrcs = layers.iter().flat_map(|layer| [layer.ssrc, layer.repair_ssrc]);
        assert_eq!(ssrcs.collect::<BTreeSet<_>>().len(), 6);
    }

    #[test]
    fn one_layer_is_none() {
        for (most, size) in [(0, (1280, 720)), (1, (1280, 720)), (3, (320, 240))] {
            assert_eq!(made(most, size), [], "{most} of {size:?}");
        }
    }

    #[test]
    fn a_section_names_layers_instead_of_ssrcs() {
        gst::init().unwrap();
        let mut structure = gst::Structure::builder("application/x-rtp")
            .field("ssrc", 7u32)
            .build();
        identify(&mut structure);
        let naming = Naming {
            msid: None,
            track: "video_0",
            size: (961, 540),
        };
        announce(&mut structure, &made(2, (961, 540)), naming);
        assert!(!structure.has_field("ssrc"));
        let read = |name: &str| structure.get::<String>(name).unwrap();
        assert_eq!(read("a-msid"), "- video_0");
        assert_eq!(read("a-simulcast"), "send q;h");
        assert_eq!(read("rid-q"), "send max-width=480;max-height=270");
        assert_eq!(read("rid-h"), "send max-width=960;max-height=540");
        assert_eq!(read("extmap-4"), extmap::RID_URI);
    }

    #[test]
    fn only_codecs_without_layers_of_their_own_are_sent_in_several_streams() {
        assert!(is_layered(Codec::Vp8) && is_layered(Codec::H264));
        assert!(!is_layered(Codec::Vp9) && !is_layered(Codec::Opus));
    }
}
