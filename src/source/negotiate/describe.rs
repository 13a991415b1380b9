// SPDX-License-Identifier: MPL-2.0
//! Writes descriptions: what webrtcbin sees of the peer's, and the answer in two forms. Pure.
//!
//! The *local* answer goes to webrtcbin, the *wire* answer to the peer. They differ where an m-line is switched off:
//! webrtcbin keeps receiving (see `lines`), the peer is told the truth. The bundle of webrtcbin begins with a media
//! m-line even where the peer's begins with data channels: 1.22 attributes SSRCs it does not know to the m-line of the
//! bundle's transport and fails without a stream there. What is chosen comes from `lines` and `select`, transport
//! parameters from webrtcbin's own descriptions.

use std::fmt::Write;

use super::description::{Description, Format, Media};
use super::lines::{Line, Wire};
use super::select::{Abilities, Selection};
use crate::sdp::extmap::TWCC_URI;

/// Transport parameters of this side for one m-line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ours {
    /// ICE user fragment.
    pub(crate) ufrag: String,
    /// ICE password.
    pub(crate) pwd: String,
    /// Value of `a=fingerprint`.
    pub(crate) fingerprint: String,
    /// Value of `a=setup`.
    pub(crate) setup: String,
}

impl Ours {
    /// Takes them from a description that webrtcbin made. At an m-line that it refuses it leaves the peer's own, which a
    /// peer that reads refused m-lines, another webrtcbin, would take for ours: those of the first m-line in use stand
    /// there instead.
    pub(crate) fn of(generated: &Description, index: usize) -> Option<Self> {
        let in_use = |media: &Media| !media.is_rejected();
        let source = match generated.media.get(index) {
            Some(media) if in_use(media) => index,
            _ => generated.media.iter().position(in_use).unwrap_or(index),
        };
        let (ufrag, pwd) = generated.ice_credentials(source)?;
        let any = |name| {
            generated
                .inherited(source, name)
                .or_else(|| (0..generated.media.len()).find_map(|other| generated.inherited(other, name)))
        };
        Some(Self {
            ufrag: ufrag.to_owned(),
            pwd: pwd.to_owned(),
            fingerprint: any("fingerprint")?.to_owned(),
            setup: any("setup")?.to_owned(),
        })
    }
}

/// Which reader an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// webrtcbin.
    Local,
    /// The peer.
    Wire,
}

/// The peer's description reduced to what was chosen, for webrtcbin.
pub(crate) fn remote(theirs: &Description, lines: &[Line], abilities: Abilities) -> String {
    let mut text = Text::begin(&theirs.session_id, &theirs.version);
    text.bundle(&bundled(theirs, lines, Reader::Local));
    for name in ["ice-lite", "ice-options", "ts-refclk", "mediaclk"] {
        for (key, value) in theirs.attributes.0.iter().filter(|(key, _)| key == name) {
            text.attribute(key, value.as_deref());
        }
    }
    for (index, line) in lines.iter().enumerate() {
        let media = &theirs.media[index];
        let used = line.is_used();
        text.media_line(&media.kind, used, line, media.formats.first());
        text.attribute("mid", Some(&mid(theirs, index)));
        let (ufrag, pwd) = theirs.ice_credentials(index).unwrap_or_default();
        text.transport(&Ours {
            ufrag: ufrag.to_owned(),
            pwd: pwd.to_owned(),
            fingerprint: anywhere(theirs, index, "fingerprint"),
            setup: anywhere(theirs, index, "setup"),
        });
        match line {
            Line::Rejected => text.attribute("inactive", None),
            Line::Application { .. } => text.application(theirs, index),
            Line::Media { selection, wire } => {
                text.attribute("sendonly", None);
                text.rtp(selection, abilities);
                if *wire == Wire::Receiving {
                    text.sources(theirs, index);
                }
            }
        }
        text.repeat(
            theirs,
            index,
            &["rtcp-mux", "rtcp-rsize", "candidate", "end-of-candidates"],
        );
    }
    text.0
}

/// The answer to `theirs`; `version` counts the answers of this connection.
pub(crate) fn answer(
    theirs: &Description,
    lines: &[Line],
    ours: impl Fn(usize) -> Ours,
    abilities: Abilities,
    version: u64,
    reader: Reader,
) -> String {
    let mut text = Text::begin(&theirs.session_id, &version.to_string());
    text.bundle(&bundled(theirs, lines, reader));
    text.attribute("ice-options", Some("trickle"));
    for (index, line) in lines.iter().enumerate() {
        let media = &theirs.media[index];
        let accepted = match (line, reader) {
            (Line::Media { wire, .. }, Reader::Wire) => *wire != Wire::Rejected,
            (Line::Application { is_open, .. }, Reader::Wire) => *is_open,
            (line, _) => line.is_used(),
        };
        text.media_line(&media.kind, accepted, line, media.formats.first());
        text.attribute("mid", Some(&mid(theirs, index)));
        text.transport(&ours(index));
        match line {
            Line::Rejected => text.attribute("inactive", None),
            Line::Application { .. } => text.application(theirs, index),
            Line::Media { selection, wire } => {
                let is_on = reader == Reader::Local || *wire == Wire::Receiving;
                text.attribute(if is_on { "recvonly" } else { "inactive" }, None);
                text.rtp(selection, abilities);
            }
        }
        text.repeat(theirs, index, &["rtcp-mux", "rtcp-rsize"]);
    }
    text.0
}

/// One m-line of an offer of this side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proposal {
    /// `audio` or `video`.
    pub(crate) kind: &'static str,
    /// Its name.
    pub(crate) mid: String,
    /// Its formats in order of preference.
    pub(crate) formats: Vec<Format>,
}

/// An offer to receive, in place of the one that webrtcbin made.
pub(crate) fn offer(session_id: &str, proposals: &[Proposal], ours: impl Fn(usize) -> Ours) -> String {
    let mut text = Text::begin(session_id, "0");
    text.bundle(
        &proposals
            .iter()
            .map(|proposal| proposal.mid.clone())
            .collect::<Vec<_>>(),
    );
    text.attribute("ice-options", Some("trickle"));
    for (index, proposal) in proposals.iter().enumerate() {
        text.line(&format!(
            "m={} 9 UDP/TLS/RTP/SAVPF{}",
            proposal.kind,
            numbers(proposal.formats.iter())
        ));
        text.line("c=IN IP4 0.0.0.0");
        text.attribute("mid", Some(&proposal.mid));
        text.transport(&ours(index));
        text.attribute("recvonly", None);
        text.attribute("rtcp-mux", None);
        text.attribute("rtcp-rsize", None);
        text.attribute("extmap", Some(&format!("1 {TWCC_URI}")));
        for format in &proposal.formats {
            text.format(format, format.feedback.iter().map(String::as_str));
        }
    }
    text.0
}

/// The name of an m-line; those without one get one, for webrtcbin cannot do without.
pub(crate) fn mid(theirs: &Description, index: usize) -> String {
    match theirs.media.get(index).and_then(|media| media.mid()) {
        Some(mid) => mid.to_owned(),
        None => format!("unnamed{index}"),
    }
}

/// Index of the m-line whose transport webrtcbin uses for the whole bundle; `None` without a bundle.
pub(crate) fn local_bundle_index(theirs: &Description, lines: &[Line]) -> Option<usize> {
    let first = bundled(theirs, lines, Reader::Local).into_iter().next()?;
    (0..theirs.media.len()).find(|index| mid(theirs, *index) == first)
}

/// Mids of the bundle: the m-lines in use that the peer bundles. For webrtcbin media first, for the peer in its order.
fn bundled(theirs: &Description, lines: &[Line], reader: Reader) -> Vec<String> {
    let is_open = |line: &Line| match line {
        Line::Rejected => false,
        Line::Application { is_open, .. } => *is_open || reader == Reader::Local,
        Line::Media { wire, .. } => reader == Reader::Local || *wire != Wire::Rejected,
    };
    let position = |name: &String| (0..theirs.media.len()).find(|index| mid(theirs, *index) == *name);
    let mut indices: Vec<usize> = theirs.bundle.iter().filter_map(position).collect();
    if reader == Reader::Local && !theirs.bundle.is_empty() {
        // An m-line that was stopped has left the peer's group, not webrtcbin's.
        indices = (0..lines.len())
            .filter(|index| indices.contains(index) || theirs.media[*index].is_rejected())
            .collect();
        // webrtcbin makes a new transport when another m-line becomes the first one.
        indices.sort_by_key(|index| match lines[*index] {
            Line::Application { has_transport, .. } => !has_transport,
            Line::Media { .. } | Line::Rejected => false,
        });
    }
    indices
        .into_iter()
        .filter(|index| lines.get(*index).is_some_and(is_open))
        .map(|index| mid(theirs, index))
        .collect()
}

/// In a bundle one m-line may say it for all.
fn anywhere(theirs: &Description, index: usize, name: &str) -> String {
    theirs
        .inherited(index, name)
        .or_else(|| (0..theirs.media.len()).find_map(|other| theirs.inherited(other, name)))
        .unwrap_or("actpass")
        .to_owned()
}

fn numbers<'a>(formats: impl Iterator<Item = &'a Format>) -> String {
    formats.fold(String::new(), |mut text, format| {
        write!(text, " {}", format.payload_type).expect("a String takes any text");
        text
    })
}

/// A description being written.
struct Text(String);

impl Text {
    fn begin(session_id: &str, version: &str) -> Self {
        let mut text = Self(String::new());
        text.line("v=0");
        text.line(&format!("o=- {session_id} {version} IN IP4 0.0.0.0"));
        text.line("s=-");
        text.line("t=0 0");
        text
    }

    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push_str("\r\n");
    }

    fn attribute(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.line(&format!("a={name}:{value}")),
            None => self.line(&format!("a={name}")),
        }
    }

    fn bundle(&mut self, mids: &[String]) {
        if !mids.is_empty() {
            self.attribute("group", Some(&format!("BUNDLE {}", mids.join(" "))));
        }
    }

    /// A refused m-line still lists a format, as SDP has no m-line without (RFC 8866, section 5.14).
    fn media_line(&mut self, kind: &str, accepted: bool, line: &Line, offered: Option<&String>) {
        let port = if accepted { 9 } else { 0 };
        let rest = match line {
            Line::Application { .. } => "UDP/DTLS/SCTP webrtc-datachannel".to_owned(),
            Line::Media { selection, .. } => format!("UDP/TLS/RTP/SAVPF{}", numbers(selection.formats())),
            Line::Rejected => format!("UDP/TLS/RTP/SAVPF {}", offered.map_or("0", String::as_str)),
        };
        self.line(&format!("m={kind} {port} {rest}"));
        self.line("c=IN IP4 0.0.0.0");
    }

    fn transport(&mut self, side: &Ours) {
        self.attribute("ice-ufrag", Some(&side.ufrag));
        self.attribute("ice-pwd", Some(&side.pwd));
        self.attribute("fingerprint", Some(&side.fingerprint));
        self.attribute("setup", Some(&side.setup));
    }

    /// Port 5000 where the peer names none: it is what everybody uses.
    fn application(&mut self, theirs: &Description, index: usize) {
        let port = theirs.media[index]
            .attributes
            .value("sctp-port")
            .unwrap_or("5000");
        self.attribute("sctp-port", Some(port));
        self.repeat(theirs, index, &["max-message-size"]);
    }

    fn rtp(&mut self, selection: &Selection, abilities: Abilities) {
        for format in selection.formats() {
            self.format(format, selection.feedback(format, abilities));
        }
        for extension in &selection.extensions {
            self.attribute("extmap", Some(&format!("{} {}", extension.id, extension.uri)));
        }
    }

    fn format<'a>(&mut self, format: &Format, feedback: impl Iterator<Item = &'a str>) {
        let number = format.payload_type;
        let channels = format
            .channels
            .as_ref()
            .map(|channels| format!("/{channels}"))
            .unwrap_or_default();
        self.attribute(
            "rtpmap",
            Some(&format!(
                "{number} {}/{}{channels}",
                format.encoding, format.clock_rate
            )),
        );
        if let Some(parameters) = &format.parameters {
            self.attribute("fmtp", Some(&format!("{number} {parameters}")));
        }
        for value in feedback {
            self.attribute("rtcp-fb", Some(&format!("{number} {value}")));
        }
    }

    /// SSRCs and names of the peer's streams. webrtcbin reads an SSRC only from a line with `cname`.
    fn sources(&mut self, theirs: &Description, index: usize) {
        let media = &theirs.media[index];
        self.repeat(theirs, index, &["msid", "ssrc-group", "ts-refclk", "mediaclk"]);
        for ssrc in media.ssrcs() {
            self.attribute("ssrc", Some(&format!("{ssrc} cname:peer")));
        }
    }

    fn repeat(&mut self, theirs: &Description, index: usize, names: &[&str]) {
        let attributes = theirs.media[index].attributes.0.iter();
        for (name, value) in attributes.filter(|(name, _)| names.contains(&name.as_str())) {
            self.attribute(name, value.as_deref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::description::tests::{CHROMIUM, chromium};
    use super::super::lines::{plan, tests::accept};
    use super::super::select::tests::ALL;
    use super::*;

    fn ours(_: usize) -> Ours {
        Ours {
            ufrag: "u".into(),
            pwd: "p".into(),
            fingerprint: "sha-256 00".into(),
            setup: "active".into(),
        }
    }

    #[test]
    fn a_refused_line_gets_the_transport_of_one_in_use() {
        let line = |line, side, setup| {
            format!("m={line}\na=ice-ufrag:{side}\na=ice-pwd:{side}\na=fingerprint:{side}\na=setup:{setup}\n")
        };
        let (refused, used) = (
            line("audio 0 X 0", "theirs", "actpass"),
            line("video 9 X 96", "mine", "active"),
        );
        let made = Description::parse(&format!("o=- 1 1 x\n{refused}{used}")).expect("a description");
        for index in 0..2 {
            let ours = Ours::of(&made, index).expect("credentials");
            assert_eq!(
                [&ours.ufrag, &ours.pwd, &ours.fingerprint],
                ["mine"; 3],
                "{index}"
            );
            assert_eq!(ours.setup, "active");
        }
    }

    fn answers(previous: &[Line], offer: &Description) -> (Vec<Line>, Description, Description) {
        let lines = plan(previous, offer, accept).expect("a plan");
        let read = |reader| {
            let text = answer(offer, &lines, ours, ALL, 7, reader);
            Description::parse(&text).expect("a description")
        };
        let (local, wire) = (read(Reader::Local), read(Reader::Wire));
        (lines, local, wire)
    }

    fn changed(from: &str, to: &str) -> Description {
        Description::parse(&CHROMIUM.replace(from, to)).expect("a description")
    }

    #[test]
    fn webrtcbin_sees_only_what_was_chosen() {
        let offer = chromium();
        let lines = plan(&[], &offer, accept).expect("a plan");
        let seen = Description::parse(&remote(&offer, &lines, ALL)).expect("a description");
        assert_eq!(seen.media[0].formats, ["111"]);
        assert_eq!(seen.media[1].formats, ["96", "97", "116", "117", "118"]);
        assert_eq!(seen.media[1].ssrcs(), [1001, 1002]);
        assert!(seen.media[1].attributes.has("ssrc-group"));
        assert_eq!(seen.session_id, offer.session_id);
    }

    #[test]
    fn the_answer_takes_the_peers_payload_types_and_ids() {
        let (_, local, wire) = answers(&[], &chromium());
        for answer in [&local, &wire] {
            assert_eq!(answer.bundle, ["0", "1", "2"]);
            let video = &answer.media[1];
            assert_eq!(video.formats, ["96", "97", "116", "117", "118"]);
            assert!(video.attributes.has("recvonly") && video.attributes.has("rtcp-rsize"));
            assert_eq!(video.attributes.value("setup"), Some("active"));
            let primary = &video.rtp_formats()[0];
            assert_eq!(primary.feedback, ["transport-cc", "ccm fir", "nack", "nack pli"]);
            assert_eq!(
                answer.media[2].attributes.value("max-message-size"),
                Some("262144")
            );
        }
        assert_eq!(local, wire);
    }

    #[test]
    fn only_the_peer_is_told_that_a_stream_is_off() {
        let (first, ..) = answers(&[], &chromium());
        let off =
            Description::parse(&CHROMIUM.replacen("a=sendonly", "a=inactive", 1)).expect("a description");
        let (_, local, wire) = answers(&first, &off);
        assert!(local.media[0].attributes.has("recvonly"));
        assert!(wire.media[0].attributes.has("inactive"));
        let (_, local, wire) = answers(&first, &changed("m=video 9", "m=video 0"));
        assert_eq!((local.media[1].port, wire.media[1].port), (9, 0));
    }

    #[test]
    fn webrtcbins_bundle_begins_with_media_and_survives_a_stopped_line() {
        let reordered = changed("BUNDLE 0 1 2", "BUNDLE 2 1 0");
        let (lines, local, wire) = answers(&[], &reordered);
        assert_eq!(local.bundle, ["0", "1", "2"]);
        assert_eq!(wire.bundle, ["2", "1", "0"]);
        assert_eq!(local_bundle_index(&reordered, &lines), Some(0));
        let stopped = CHROMIUM
            .replace("m=audio 9", "m=audio 0")
            .replace("BUNDLE 0 1 2", "BUNDLE 1 2");
        let stopped = Description::parse(&stopped).expect("a description");
        let (lines, local, wire) = answers(&lines, &stopped);
        assert_eq!(local.bundle, ["0", "1", "2"]);
        assert_eq!(wire.bundle, ["1", "2"]);
        assert_eq!(local_bundle_index(&stopped, &lines), Some(0));
    }

    #[test]
    fn a_bundle_that_began_with_data_channels_keeps_their_transport() {
        let data = "v=0\no=- 1 1 x\na=group:BUNDLE 0\na=ice-ufrag:u\na=ice-pwd:p\na=fingerprint:sha-256 00\na=setup:actpass\n\
                    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:0\na=sctp-port:5000\n";
        let more = format!("{data}m=audio 9 X 97\na=mid:1\na=rtpmap:97 opus/48000/2\na=sendonly\n")
            .replace("BUNDLE 0", "BUNDLE 1 0");
        let (first, more) = (Description::parse(data), Description::parse(&more));
        let lines = plan(&[], &first.expect("a description"), accept).expect("a plan");
        let more = more.expect("a description");
        let lines = plan(&lines, &more, accept).expect("a plan");
        assert_eq!(local_bundle_index(&more, &lines), Some(0));
    }

    #[test]
    fn every_line_has_what_webrtcbin_insists_on() {
        let bare = "o=- 1 1 x\na=ice-ufrag:u\na=ice-pwd:p\na=fingerprint:sha-256 00\na=setup:actpass\n\
                    m=video 0 X 96\nm=audio 9 X 97\na=rtpmap:97 opus/48000/2\na=ssrc:5 msid:a b";
        let offer = Description::parse(bare).expect("a description");
        let lines = plan(&[], &offer, accept).expect("a plan");
        let seen = Description::parse(&remote(&offer, &lines, ALL)).expect("a description");
        for (index, media) in seen.media.iter().enumerate() {
            assert_eq!(media.mid(), Some(format!("unnamed{index}").as_str()));
            for name in ["ice-ufrag", "ice-pwd", "fingerprint", "setup"] {
                assert!(media.attributes.value(name).is_some(), "{name} of m-line {index}");
            }
        }
        assert_eq!(seen.media[0].port, 0);
        assert!(
            seen.media[1]
                .attributes
                .values("ssrc")
                .any(|value| value == "5 cname:peer")
        );
        assert!(seen.bundle.is_empty());
    }

    #[test]
    fn our_parameters_are_taken_from_what_webrtcbin_made() {
        let (_, made, _) = answers(&[], &chromium());
        assert_eq!(Ours::of(&made, 1), Some(ours(1)));
        let without = Description {
            media: Vec::new(),
            ..made
        };
        assert_eq!(Ours::of(&without, 0), None);
    }

    #[test]
    fn an_offer_to_receive_lists_its_proposals() {
        let formats = chromium().media[1].rtp_formats();
        let proposal = Proposal {
            kind: "video",
            mid: "v".into(),
            formats,
        };
        let offer = Description::parse(&offer("42", &[proposal], ours)).expect("a description");
        assert_eq!(offer.session_id, "42");
        assert_eq!(offer.bundle, ["v"]);
        assert!(offer.media[0].attributes.has("recvonly"));
        assert_eq!(offer.media[0].rtp_formats().len(), 11);
    }
}
