// SPDX-License-Identifier: MPL-2.0
//! An answer that refuses the section that carries the transport of the bundle (RFC 9143, section 7.3.3). Pure.
//!
//! The bundle goes on over the next section that is accepted. webrtcbin 1.22 makes a second transport for it, which has
//! gathered nothing and never connects. It is shown an answer that accepts the refused section instead, with the
//! transport parameters of the one that carries the bundle; nothing is sent there, as `linking` goes by what the peer
//! said. Called by the session's task, texts in, text out.

use std::fmt::Write;

use crate::sdp::sections;

/// The answer to show webrtcbin, and the index of the section whose transport the bundle keeps; `None` where the peer
/// leaves that section in use.
pub(in crate::sink) fn keep_transport(offer: &str, answer: &str) -> Option<(String, usize)> {
    let (ours, theirs) = (Sections::of(offer), Sections::of(answer));
    let index = ours.find(ours.bundle()?.next()?)?;
    let carrier = theirs.find(theirs.bundle()?.next()?)?;
    let refused = theirs.media.get(index)?;
    if carrier == index || !is_refused(refused) {
        return None;
    }
    let kept = accepted(ours.media.get(index)?, theirs.media.get(carrier)?);
    let mid = value(ours.media.get(index)?, "mid")?;
    let mut text = theirs
        .session
        .replace("a=group:BUNDLE ", &format!("a=group:BUNDLE {mid} "));
    for (position, section) in theirs.media.iter().enumerate() {
        text.push_str(if position == index { &kept } else { section });
    }
    Some((text, index))
}

/// The section as it was offered, received by a peer with the transport of the section `carrier`.
fn accepted(offered: &str, carrier: &str) -> String {
    let mut text = String::new();
    let mut line = |line: &str| writeln!(text, "{line}\r").expect("a String takes any text");
    for offered in offered.lines() {
        match offered.strip_prefix("m=") {
            Some(rest) => {
                let mut words: Vec<&str> = rest.split(' ').collect();
                if let Some(port) = words.get_mut(1) {
                    *port = "9";
                }
                line(&format!("m={}", words.join(" ")));
            }
            None if KEPT.iter().any(|start| offered.starts_with(start)) => line(offered),
            None => {}
        }
    }
    carrier
        .lines()
        .filter(|carried| TRANSPORT.iter().any(|start| carried.starts_with(start)))
        .for_each(&mut line);
    line("a=recvonly");
    text
}

/// A description cut into its session part and its media sections, ends of lines included.
struct Sections<'a> {
    session: &'a str,
    media: Vec<&'a str>,
}

impl<'a> Sections<'a> {
    fn of(text: &'a str) -> Self {
        let (session, media) = sections::cut(text);
        Self { session, media }
    }

    /// Names of the sections in the bundle.
    fn bundle(&self) -> Option<impl Iterator<Item = &'a str>> {
        let group = self
            .session
            .lines()
            .find_map(|line| line.strip_prefix("a=group:BUNDLE "))?;
        Some(group.split_whitespace())
    }

    fn find(&self, mid: &str) -> Option<usize> {
        self.media
            .iter()
            .position(|section| value(section, "mid") == Some(mid))
    }
}

/// Port 0 of a section in no bundle (RFC 3264, section 6).
fn is_refused(section: &str) -> bool {
    section.split(' ').nth(1) == Some("0") && value(section, "bundle-only").is_none()
}

fn value<'a>(section: &'a str, name: &str) -> Option<&'a str> {
    let attributes = section.lines().filter_map(|line| line.strip_prefix("a="));
    attributes
        .map(|attribute| attribute.split_once(':').unwrap_or((attribute, "")))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// What of the offer an answer may repeat.
const KEPT: &[&str] = &[
    "c=",
    "a=mid:",
    "a=rtcp-mux",
    "a=rtcp-rsize",
    "a=rtpmap:",
    "a=fmtp:",
];
/// What belongs to the transport and not to the section.
const TRANSPORT: &[&str] = &[
    "a=ice-ufrag:",
    "a=ice-pwd:",
    "a=fingerprint:",
    "a=setup:",
    "a=candidate:",
    "a=end-of-candidates",
];

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\na=group:BUNDLE video0 audio1\r\nm=video 9 X 96\r\na=mid:video0\r\na=ice-ufrag:ours\r\n\
        a=sendonly\r\na=rtpmap:96 VP8/90000\r\na=ssrc:1 cname:x\r\nm=audio 9 X 97\r\na=mid:audio1\r\na=rtpmap:97 OPUS/48000/2\r\n";
    const ANSWER: &str = "v=0\r\na=group:BUNDLE audio1\r\nm=video 0 X 96\r\na=mid:video0\r\nm=audio 9 X 97\r\na=mid:audio1\r\n\
        a=ice-ufrag:theirs\r\na=candidate:1 1 UDP 1 192.0.2.1 9 typ host\r\na=recvonly\r\n";

    #[test]
    fn a_refused_carrier_is_shown_in_use_with_the_transport_of_the_next() {
        let (text, index) = keep_transport(OFFER, ANSWER).expect("the carrier is refused");
        assert_eq!(index, 0);
        let expected = "v=0\r\na=group:BUNDLE video0 audio1\r\nm=video 9 X 96\r\na=mid:video0\r\na=rtpmap:96 VP8/90000\r\n\
            a=ice-ufrag:theirs\r\na=candidate:1 1 UDP 1 192.0.2.1 9 typ host\r\na=recvonly\r\n";
        assert_eq!(
            text.strip_prefix(expected),
            ANSWER.find("m=audio").map(|at| &ANSWER[at..])
        );
    }

    #[test]
    fn other_answers_are_left_alone() {
        let used = ANSWER
            .replace("m=video 0", "m=video 9")
            .replace("BUNDLE", "BUNDLE video0");
        let cases = [
            used,
            ANSWER.replace("a=group:BUNDLE audio1\r\n", ""),
            ANSWER.replace("a=group:BUNDLE audio1", "a=group:BUNDLE stranger"),
            ANSWER.replace("m=video 0", "m=video 9"),
            "v=0\r\na=group:BUNDLE audio1\r\n".to_owned(),
            String::new(),
        ];
        for answer in cases {
            assert_eq!(keep_transport(OFFER, &answer), None, "{answer}");
        }
        assert_eq!(keep_transport("", ANSWER), None);
    }
}
