// SPDX-License-Identifier: MPL-2.0
//! What is changed of descriptions on their way between the element and the server.
//!
//! Pure, text in and text out (RFC 8866): whatever is not understood stays as it is. Owns the changes; when one is due is
//! the machine's to say. What local offers tell of their tracks is read by `offer`.

use std::collections::BTreeMap;

use super::offer::{MAX_SECTIONS, split_msid};
use crate::sdp::sections;

/// The description without the offer to take full intra requests (RFC 5104, section 4.3.1).
///
/// The server looks for the media's SSRC where such a request has none, and so takes no notice; webrtcbin prefers them
/// to picture loss indications where both are offered.
pub(super) fn without_full_intra_requests(sdp: &str) -> String {
    let is_fir = |line: &str| line.starts_with("a=rtcp-fb:") && line.trim_end().ends_with(" ccm fir");
    sdp.split_inclusive('\n').filter(|line| !is_fir(line)).collect()
}

/// The description with the codecs that its tracks come in before all others, on video m-lines; `codecs_of` knows them
/// by the track's id, in capitals, the first choice first.
///
/// The server offers all it knows on every m-line and then sends what the publisher sends. Whoever picks one that is
/// another gets nothing.
pub(super) fn with_tracks_codecs_first(sdp: &str, codecs_of: impl Fn(&str) -> Vec<String>) -> String {
    let (session, media) = sections::cut(sdp);
    let mut kept = session.to_owned();
    for (index, section) in media.into_iter().enumerate() {
        let mut lines = section.lines().take_while(|_| index < MAX_SECTIONS);
        let track = lines.find_map(|line| line.strip_prefix("a=msid:"));
        let codecs = track
            .and_then(|msid| split_msid(msid).1)
            .map(|track| codecs_of(&track));
        match codecs.and_then(|codecs| reordered(section, &codecs)) {
            Some(reordered) => kept.push_str(&reordered),
            None => kept.push_str(section),
        }
    }
    kept
}

/// A video section with the formats of `codecs` before others; `None` for other sections.
fn reordered(section: &str, codecs: &[String]) -> Option<String> {
    let (first, attributes) = section.split_once("\r\n")?;
    let mut words = first.split(' ');
    let head: Vec<_> = words.by_ref().take(3).collect();
    if head.first() != Some(&"m=video") {
        return None;
    }
    let offered = Formats::read(attributes);
    let mut formats: Vec<_> = words.collect();
    if formats.is_empty() {
        return None;
    }
    formats.sort_by_key(|format| offered.rank(format, codecs).unwrap_or(codecs.len()));
    Some(format!(
        "{} {}\r\n{attributes}",
        head.join(" "),
        formats.join(" ")
    ))
}

/// What the formats of a section are.
struct Formats<'a> {
    /// Encoding names, in capitals.
    names: BTreeMap<&'a str, String>,
    /// What is repaired by a format of retransmissions (RFC 4588, section 8.1).
    repaired: BTreeMap<&'a str, &'a str>,
}

impl<'a> Formats<'a> {
    fn read(attributes: &'a str) -> Self {
        let value = |name: &'static str| {
            let lines = attributes.lines();
            lines.filter_map(move |line| line.strip_prefix(name)?.split_once(' '))
        };
        let name = |encoding: &str| {
            encoding
                .split('/')
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase()
        };
        Self {
            names: value("a=rtpmap:")
                .map(|(format, encoding)| (format, name(encoding)))
                .collect(),
            repaired: value("a=fmtp:")
                .filter_map(|(format, parameters)| Some((format, parameters.trim().strip_prefix("apt=")?)))
                .collect(),
        }
    }

    /// Where a format, or what it repairs, comes among `codecs`.
    fn rank(&self, format: &str, codecs: &[String]) -> Option<usize> {
        let format = self.repaired.get(format).copied().unwrap_or(format);
        let name = self.names.get(format)?;
        codecs.iter().position(|codec| codec == name)
    }
}

/// The description without what its `a=rid` lines say of sizes: that is how the layers are now, not a promise for all
/// sizes the input may yet come in.
pub(super) fn without_layer_sizes(sdp: &str) -> String {
    let mut kept = String::with_capacity(sdp.len());
    for line in sdp.split_inclusive('\n') {
        match line
            .split_once(" send max-width=")
            .filter(|(rid, _)| rid.starts_with("a=rid:"))
        {
            Some((rid, _)) => kept.extend([rid, " send\r\n"]),
            None => kept.push_str(line),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CODECS: &str = "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97 125 126\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\n\
        a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:125 H264/90000\r\na=fmtp:125 packetization-mode=1\r\n\
        a=rtpmap:126 rtx/90000\r\na=fmtp:126 apt=125\r\na=msid:PA_1|TR_1 TR_1\r\na=sendrecv\r\n";

    fn for_track(codecs: &[&str]) -> String {
        with_tracks_codecs_first(TWO_CODECS, |track| {
            assert_eq!(track, "TR_1");
            codecs.iter().map(|codec| (*codec).to_owned()).collect()
        })
    }

    #[test]
    fn an_offer_begins_with_what_its_track_comes_in() {
        let cases: [(&[&str], &str); 5] = [
            (&["H264"], "125 126 96 97"),
            (&["H264", "VP8"], "125 126 96 97"),
            (&["VP8", "H264"], "96 97 125 126"),
            (&["AV1"], "96 97 125 126"),
            (&[], "96 97 125 126"),
        ];
        for (codecs, expected) in cases {
            let expected = TWO_CODECS.replace("96 97 125 126", expected);
            assert_eq!(for_track(codecs), expected, "{codecs:?}");
        }
    }

    #[test]
    fn what_is_no_video_section_stays_as_it_is() {
        let audio = "m=audio 9 X 0 111\r\na=rtpmap:111 opus/48000/2\r\na=msid:a TR_1\r\n";
        for sdp in [
            "",
            "v=0\r\n",
            "m=",
            "m=video",
            "m=video 9\r\na=msid:a TR_1\r\n",
            "m=video 9 X 96\r\na=msid:\r\n",
            audio,
        ] {
            assert_eq!(with_tracks_codecs_first(sdp, |_| vec!["OPUS".into()]), sdp);
        }
    }

    #[test]
    fn full_intra_requests_are_not_offered_to_webrtcbin() {
        let kept = "m=video 9 X 96\r\na=rtcp-fb:96 nack pli\r\na=x:ccm fir\r\n";
        let sdp = format!("{kept}a=rtcp-fb:96 ccm fir\r\na=rtcp-fb:* ccm fir\r\n");
        assert_eq!(without_full_intra_requests(&sdp), kept);
        assert_eq!(without_full_intra_requests(kept), kept);
    }

    #[test]
    fn sizes_of_layers_are_not_passed_on() {
        let body = "m=video 9 X 96\r\na=rid:q send max-width=320;max-height=180\r\na=rid:h send\r\n\
                    a=rid:f send pt=96\r\na=simulcast:send q;h;f\r\n";
        let sent = without_layer_sizes(body);
        assert!(sent.contains("a=rid:q send\r\na=rid:h send\r\na=rid:f"), "{sent}");
        assert_eq!(without_layer_sizes(&sent), sent);
    }
}
