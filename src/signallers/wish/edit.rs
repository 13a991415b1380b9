// SPDX-License-Identifier: MPL-2.0
//! Changes made to descriptions on their way: candidates put in, credentials of a restarted ICE session, and what
//! RFC 9725 wants said that webrtcbin does not say.
//!
//! Works on lines and leaves everything it does not know as it was. Pure; called from any thread. Decides nothing:
//! `client` and `server` say which change is due. Descriptions of peers are checked in `description` before they come
//! here.

use super::sdpfrag::Credentials;

/// A candidate and the index of its media section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalCandidate {
    pub(crate) m_line: u32,
    /// `candidate:…`, without the leading `a=`.
    pub(crate) text: String,
}

/// The description with candidates at the end of their sections; those it holds already are not doubled.
/// `is_complete` adds the mark that none will follow to the first section, whose transport the others share.
pub(crate) fn with_candidates(sdp: &str, candidates: &[LocalCandidate], is_complete: bool) -> String {
    let mut out = String::with_capacity(sdp.len() + candidates.len() * 100);
    let mut section: Option<u32> = None;
    let flush = |out: &mut String, section: Option<u32>| {
        for candidate in candidates.iter().filter(|c| Some(c.m_line) == section) {
            let line = format!("a={}\r\n", candidate.text);
            if !out.contains(&line) {
                out.push_str(&line);
            }
        }
        if is_complete && section == Some(0) && !sdp.contains("a=end-of-candidates") {
            out.push_str("a=end-of-candidates\r\n");
        }
    };
    for line in lines(sdp) {
        if line.starts_with("m=") {
            flush(&mut out, section);
            section = Some(section.map_or(0, |s| s + 1));
        }
        push_line(&mut out, line);
    }
    flush(&mut out, section);
    out
}

/// The candidates a description holds, each with its section.
pub(crate) fn candidates(sdp: &str) -> Vec<LocalCandidate> {
    let mut section: Option<u32> = None;
    let mut found = vec![];
    for line in lines(sdp) {
        if line.starts_with("m=") {
            section = Some(section.map_or(0, |s| s + 1));
        }
        if let (Some(m_line), Some(text)) = (
            section,
            line.strip_prefix("a=").filter(|l| l.starts_with("candidate:")),
        ) {
            found.push(LocalCandidate {
                m_line,
                text: text.to_owned(),
            });
        }
    }
    found
}

/// The description of the same session after an ICE restart: other credentials, and none of the old candidates.
pub(crate) fn with_credentials(sdp: &str, credentials: &Credentials) -> String {
    let mut out = String::with_capacity(sdp.len());
    for line in lines(sdp) {
        if line.starts_with("a=candidate:") || line == "a=end-of-candidates" {
            continue;
        }
        if line.starts_with("a=ice-ufrag:") {
            push_line(&mut out, &format!("a=ice-ufrag:{}", credentials.ufrag));
        } else if line.starts_with("a=ice-pwd:") {
            push_line(&mut out, &format!("a=ice-pwd:{}", credentials.pwd));
        } else {
            push_line(&mut out, line);
        }
    }
    out
}

/// Says `a=rtcp-mux-only` in every section that multiplexes (RFC 9725, section 4.4.2; RFC 8858).
pub(crate) fn with_rtcp_mux_only(sdp: &str) -> String {
    if sdp.contains("a=rtcp-mux-only") {
        return sdp.to_owned();
    }
    let mut out = String::with_capacity(sdp.len() + 64);
    for line in lines(sdp) {
        push_line(&mut out, line);
        if line == "a=rtcp-mux" {
            push_line(&mut out, "a=rtcp-mux-only");
        }
    }
    out
}

/// Puts every section into one MediaStream, the first one named (RFC 9725, section 4.4.1).
pub(crate) fn with_one_stream(sdp: &str) -> String {
    let Some(stream) = lines(sdp).find_map(|line| msid(line).map(|(_, stream, _)| stream.to_owned())) else {
        return sdp.to_owned();
    };
    let mut out = String::with_capacity(sdp.len());
    for line in lines(sdp) {
        match msid(line) {
            Some((head, _, track)) => push_line(&mut out, &format!("{head}{stream}{track}")),
            None => push_line(&mut out, line),
        }
    }
    out
}

/// Splits `a=msid:stream track` and `a=ssrc:1 msid:stream track` before and after the stream's name.
fn msid(line: &str) -> Option<(&str, &str, &str)> {
    let value_at = match line {
        l if l.starts_with("a=msid:") => "a=msid:".len(),
        l if l.starts_with("a=ssrc:") => l.find(" msid:")? + " msid:".len(),
        _ => return None,
    };
    let (head, value) = line.split_at(value_at);
    let stream_end = value.find(' ').unwrap_or(value.len());
    let (stream, track) = value.split_at(stream_end);
    (stream != "-").then_some((head, stream, track))
}

fn lines(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.lines().map(str::trim_end).filter(|line| !line.is_empty())
}

fn push_line(out: &mut String, line: &str) {
    out.push_str(line);
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::super::description::{Description, sample};
    use super::*;

    fn candidate(m_line: u32, foundation: u32) -> LocalCandidate {
        LocalCandidate {
            m_line,
            text: format!("candidate:{foundation} 1 UDP 1 192.0.2.1 5000 typ host"),
        }
    }

    #[test]
    fn candidates_go_to_the_end_of_their_section() {
        let sdp = with_candidates(
            &sample("sendonly"),
            &[candidate(0, 1), candidate(1, 2), candidate(9, 3)],
            true,
        );
        let (audio, video) = sdp.split_once("m=video").unwrap();
        assert!(audio.ends_with("a=rtpmap:111 opus/48000/2\r\na=candidate:1 1 UDP 1 192.0.2.1 5000 typ host\r\na=end-of-candidates\r\n"));
        assert!(
            video.ends_with("a=rtpmap:96 VP8/90000\r\na=candidate:2 1 UDP 1 192.0.2.1 5000 typ host\r\n")
        );
        assert!(!sdp.contains("candidate:3"));
    }

    #[test]
    fn candidates_are_not_doubled() {
        let once = with_candidates(&sample("sendonly"), &[candidate(0, 1)], true);
        assert_eq!(with_candidates(&once, &[candidate(0, 1)], true), once);
    }

    #[test]
    fn what_was_put_in_is_found_again() {
        let all = [candidate(0, 1), candidate(0, 2), candidate(1, 3)];
        assert_eq!(candidates(&with_candidates(&sample("sendonly"), &all, true)), all);
    }

    #[test]
    fn a_restart_changes_credentials_and_forgets_candidates() {
        let before = with_candidates(&sample("sendonly"), &[candidate(0, 1)], true);
        let credentials = Credentials {
            ufrag: "NEWU".into(),
            pwd: "n".repeat(24),
        };
        let after = with_credentials(&before, &credentials);
        assert_eq!(
            Description::parse(&after).unwrap().credentials(),
            Some(credentials)
        );
        assert!(!after.contains("candidate"));
        assert_eq!(after.matches("NEWU").count(), 2);
    }

    #[test]
    fn multiplexing_is_said_in_both_ways_once() {
        let once = with_rtcp_mux_only(&sample("sendonly"));
        assert_eq!(once.matches("a=rtcp-mux\r\na=rtcp-mux-only\r\n").count(), 2);
        assert_eq!(with_rtcp_mux_only(&once), once);
    }

    #[test]
    fn sections_end_up_in_one_stream() {
        let sdp = "v=0\r\nm=audio 9 A 0\r\na=msid:s1 t1\r\na=ssrc:1 msid:s1 t1\r\nm=video 9 A 0\r\na=msid:s2 t2\r\na=ssrc:2 msid:s2 t2\r\na=ssrc:2 cname:c\r\n";
        let one = with_one_stream(sdp);
        assert_eq!(one, sdp.replace("s2", "s1"));
        assert_eq!(with_one_stream(&sample("sendonly")), sample("sendonly"));
    }
}
