// SPDX-License-Identifier: MPL-2.0
//! What a local offer says about the tracks it publishes, one entry per audio or video m-line (RFC 8866).
//!
//! The server pairs a track announced by `AddTrackRequest` with an m-line by the track id of its msid (RFC 8830), so
//! the announcement has to repeat that id. Pure; unknown lines are skipped. The text is webrtcbin's own and has been
//! parsed before; limits are there all the same, as an application may change it.

/// One audio or video m-line of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    /// The m-line's index.
    pub(super) index: u32,
    /// The m-line's `a=mid`; empty when it has none.
    pub(super) mid: String,
    pub(super) kind: Kind,
    /// The id by which the server knows the track before it has one of its own.
    pub(super) cid: String,
    /// The name of the media stream the track belongs to, when somebody chose one.
    pub(super) stream: Option<String>,
    /// Simulcast layers offered by `a=simulcast:send` (RFC 8853), in the order of the line.
    pub(super) layers: Vec<Layer>,
    /// Whether media is to flow from here.
    pub(super) is_sending: bool,
    /// Whether redundant audio (RFC 2198) is among the payloads.
    pub(super) has_red: bool,
}

/// One simulcast layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) rid: String,
    /// Width and height of its pictures, where its `a=rid` says so (RFC 8851, section 5).
    pub(super) size: Option<(u32, u32)>,
}

/// Which kind of media an m-line carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Audio,
    Video,
}

/// Reads the audio and video m-lines of `sdp`.
pub(super) fn sections(sdp: &str) -> Vec<Section> {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    for line in sdp.lines() {
        match blocks.last_mut() {
            _ if line.starts_with("m=") => blocks.push(vec![line]),
            Some(block) => block.push(line),
            None => {}
        }
    }
    let blocks = blocks.iter().take(MAX_SECTIONS).enumerate();
    blocks
        .filter_map(|(index, lines)| section(u32::try_from(index).ok()?, lines))
        .collect()
}

/// The `a=mid` of every m-line, whatever its kind; empty where there is none.
pub(super) fn mids(sdp: &str) -> Vec<String> {
    let mut mids = Vec::new();
    for line in sdp.lines() {
        if line.starts_with("m=") && mids.len() < MAX_SECTIONS {
            mids.push(String::new());
        } else if let (Some(mid), Some(last)) = (line.strip_prefix("a=mid:"), mids.last_mut()) {
            mid.trim().clone_into(last);
        }
    }
    mids
}

/// One m-line with its attributes; `None` unless it is audio or video.
fn section(index: u32, lines: &[&str]) -> Option<Section> {
    let (first, attributes) = lines.split_first()?;
    let (kind, rest) = first.strip_prefix("m=")?.split_once(' ')?;
    let kind = match kind {
        "audio" => Kind::Audio,
        "video" => Kind::Video,
        _ => return None,
    };
    let attribute = |name: &str| {
        attributes
            .iter()
            .find_map(|line| line.strip_prefix("a=")?.strip_prefix(name))
    };
    let mid = attribute("mid:").unwrap_or_default().trim().to_owned();
    let msid = attribute("msid:")
        .map(str::to_owned)
        .or_else(|| source_msid(attributes));
    let (stream, track) = msid.as_deref().map(split_msid).unwrap_or_default();
    let cname = attributes
        .iter()
        .find_map(|line| source_attribute(line, "cname:"));
    Some(Section {
        index,
        cid: track.unwrap_or_else(|| format!("{kind:?}-{index}-{mid}")),
        stream: stream.filter(|stream| Some(stream.as_str()) != cname),
        mid,
        kind,
        layers: layers(attributes, attribute("simulcast:")),
        is_sending: is_sending(rest, attributes),
        has_red: attributes
            .iter()
            .any(|line| line.starts_with("a=rtpmap:") && names_red(line)),
    })
}

/// `a=rtpmap:63 red/48000/2`, in any case of letters.
fn names_red(rtpmap: &str) -> bool {
    rtpmap
        .split_whitespace()
        .nth(1)
        .is_some_and(|codec| codec.to_ascii_lowercase().starts_with("red/"))
}

/// A port of zero rejects the m-line (RFC 8866, section 5.14); without a direction it is sendrecv.
fn is_sending(after_kind: &str, attributes: &[&str]) -> bool {
    let is_rejected = after_kind.split_whitespace().next() == Some("0");
    let is_silent = attributes
        .iter()
        .any(|line| matches!(line.trim_end(), "a=inactive" | "a=recvonly"));
    !is_silent && (!is_rejected || attributes.contains(&"a=bundle-only"))
}

/// The value of the first `a=ssrc:<id> msid:…` (RFC 5576).
fn source_msid(attributes: &[&str]) -> Option<String> {
    attributes
        .iter()
        .find_map(|line| source_attribute(line, "msid:"))
        .map(str::to_owned)
}

/// The value of `a=ssrc:<id> <name><value>` (RFC 5576, section 4.1).
fn source_attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.strip_prefix("a=ssrc:")?
        .split_once(' ')?
        .1
        .strip_prefix(name)
}

/// `<stream> <track>`; a stream of `-` is none.
pub(super) fn split_msid(msid: &str) -> (Option<String>, Option<String>) {
    let mut words = msid.split_whitespace();
    let stream = words.next().filter(|stream| *stream != "-").map(str::to_owned);
    (stream, words.next().map(str::to_owned))
}

/// The layers of an `a=simulcast` line.
fn layers(attributes: &[&str], simulcast: Option<&str>) -> Vec<Layer> {
    let rids = simulcast.map(send_rids).unwrap_or_default();
    let layer = |rid: String| Layer {
        size: attributes.iter().find_map(|line| layer_size(line, &rid)),
        rid,
    };
    rids.into_iter().map(layer).collect()
}

/// The size in `a=rid:q send max-width=320;max-height=180`.
fn layer_size(line: &str, rid: &str) -> Option<(u32, u32)> {
    let rest = line.strip_prefix("a=rid:")?.strip_prefix(rid)?;
    let limits = rest.strip_prefix(" send ")?;
    let limit = |name: &str| {
        let mut pairs = limits
            .trim_end()
            .split(';')
            .filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name)?.1.parse().ok()
    };
    Some((limit("max-width")?, limit("max-height")?))
}

/// `send q;h;f` gives q, h, f; of alternatives the first, without the mark of a paused one.
fn send_rids(simulcast: &str) -> Vec<String> {
    let mut words = simulcast.split_whitespace().skip_while(|word| *word != "send");
    let Some(list) = words.nth(1) else {
        return Vec::new();
    };
    let layers = list.split(';').filter_map(|layer| layer.split(',').next());
    layers
        .map(|rid| rid.trim_start_matches('~').to_owned())
        .filter(|rid| !rid.is_empty())
        .collect()
}

/// Far more than any sink has pads; bounds what an odd description can make us keep.
pub(super) const MAX_SECTIONS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "v=0\r\no=- 1 0 IN IP4 0.0.0.0\r\ns=-\r\na=group:BUNDLE 0\r\n";

    fn read(body: &str) -> Vec<Section> {
        sections(&format!("{HEAD}{body}"))
    }

    #[test]
    fn a_section_gives_mid_kind_and_track_id() {
        let sections = read(
            "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:video0\r\na=sendonly\r\n\
             a=ssrc:7 msid:cam webrtctransceiver1\r\na=ssrc:7 cname:user1\r\na=rtpmap:96 VP8/90000\r\n",
        );
        let expected = Section {
            index: 0,
            mid: "video0".into(),
            kind: Kind::Video,
            cid: "webrtctransceiver1".into(),
            stream: Some("cam".into()),
            layers: vec![],
            is_sending: true,
            has_red: false,
        };
        assert_eq!(sections, [expected]);
    }

    #[test]
    fn a_generated_stream_name_is_no_name() {
        let sections = read("m=audio 9 X 97\r\na=ssrc:7 msid:user1 t0\r\na=ssrc:7 cname:user1\r\n");
        assert_eq!(sections[0].stream, None);
        assert_eq!(sections[0].cid, "t0");
    }

    #[test]
    fn an_msid_of_the_section_goes_before_one_of_a_source() {
        let sections = read("m=audio 9 X 97\r\na=msid:- mic\r\na=ssrc:7 msid:a b\r\n");
        assert_eq!(
            (sections[0].stream.as_deref(), sections[0].cid.as_str()),
            (None, "mic")
        );
    }

    #[test]
    fn sections_without_msid_still_get_ids_of_their_own() {
        let sections = read("m=audio 9 X 97\r\na=mid:0\r\nm=audio 9 X 97\r\n");
        assert_ne!(sections[0].cid, sections[1].cid);
    }

    #[test]
    fn the_direction_decides_whether_a_section_sends() {
        let cases = [
            ("m=audio 9 X 97\r\n", true),
            ("m=audio 9 X 97\r\na=sendrecv\r\n", true),
            ("m=audio 9 X 97\r\na=recvonly\r\n", false),
            ("m=audio 9 X 97\r\na=inactive\r\n", false),
            ("m=audio 0 X 97\r\na=sendonly\r\n", false),
            ("m=audio 0 X 97\r\na=bundle-only\r\na=sendonly\r\n", true),
        ];
        for (body, expected) in cases {
            assert_eq!(read(body)[0].is_sending, expected, "{body}");
        }
    }

    #[test]
    fn simulcast_layers_are_read_in_order() {
        let cases: [(&str, &[&str]); 5] = [
            ("send q;h;f", &["q", "h", "f"]),
            ("recv x send ~l;h,alt", &["l", "h"]),
            ("send ;;", &[]),
            ("recv a;b", &[]),
            ("send", &[]),
        ];
        for (line, expected) in cases {
            let sections = read(&format!("m=video 9 X 96\r\na=simulcast:{line}\r\n"));
            let rids: Vec<_> = sections[0]
                .layers
                .iter()
                .map(|layer| layer.rid.as_str())
                .collect();
            assert_eq!(rids, expected, "{line}");
        }
    }

    #[test]
    fn sizes_of_layers_are_read() {
        let body = "m=video 9 X 96\r\na=rid:q send max-width=320;max-height=180\r\na=rid:h send\r\n\
                    a=rid:f send pt=96;max-width=x;max-height=1\r\na=simulcast:send q;h;f\r\n";
        let sizes: Vec<_> = read(body)[0].layers.iter().map(|layer| layer.size).collect();
        assert_eq!(sizes, [Some((320, 180)), None, None]);
    }

    #[test]
    fn red_counts_only_as_a_codec() {
        assert!(read("m=audio 9 X 63\r\na=rtpmap:63 RED/48000/2\r\n")[0].has_red);
        assert!(!read("m=audio 9 X 63\r\na=rtpmap:63 opus/48000/2\r\na=x:red/\r\n")[0].has_red);
    }

    #[test]
    fn other_media_count_for_the_index_only() {
        let body = "m=application 9 X webrtc-datachannel\r\na=mid:d\r\nm=audio 9 X 97\r\na=mid:a\r\n";
        assert_eq!(read(body)[0].index, 1);
        assert_eq!(mids(body), ["d", "a"]);
    }

    #[test]
    fn broken_descriptions_give_nothing() {
        for body in ["", "m=\r\n", "m=video\r\n", "a=mid:0\r\n", "m= 9\r\n"] {
            assert_eq!(sections(body), [], "{body:?}");
        }
        assert_eq!(sections(&"m=audio 9 X 0\r\n".repeat(10_000)).len(), MAX_SECTIONS);
    }
}
