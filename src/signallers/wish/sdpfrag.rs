// SPDX-License-Identifier: MPL-2.0
//! `application/trickle-ice-sdpfrag` (RFC 8840, section 9): the piece of session description that carries ICE
//! candidates and credentials in a PATCH.
//!
//! Owns syntax only; what a fragment does to a session is decided by the machines. Pure; called from any thread.

use std::fmt;

/// Media sections read from one fragment at most: a description never has more here either.
const MAX_MEDIA: usize = 32;
/// Candidates read from one fragment at most. A host with ten interfaces offers about sixty.
const MAX_CANDIDATES: usize = 256;

/// Why a text is no fragment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FragmentError {
    /// A line is not of the form `type=value`.
    #[error("line {0} is not of the form type=value")]
    Line(usize),
    /// A candidate lacks fields.
    #[error("line {0} is no candidate")]
    Candidate(usize),
    /// A user fragment or password that RFC 8839 does not allow.
    #[error("line {0} holds no valid ice credential")]
    Credential(usize),
    /// A user fragment came without password, or the reverse.
    #[error("a user fragment and a password must come together")]
    HalfCredentials,
    /// More sections or candidates than anyone needs.
    #[error("more than {0} {1}")]
    TooMany(usize, &'static str),
    /// Nothing that could be used was found.
    #[error("neither candidates nor credentials")]
    Empty,
}

/// User fragment and password of one side of an ICE session (RFC 8839, section 5.4).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
}

/// Shows the user fragment only: who has the password can pose as the peer.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:…", self.ufrag)
    }
}

/// What one media section of a fragment says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FragmentMedia {
    /// The value of the m-line; empty for candidates that stood before any m-line.
    pub(crate) line: String,
    /// The media identification tag.
    pub(crate) mid: Option<String>,
    /// `candidate:…`, without the leading `a=`.
    pub(crate) candidates: Vec<String>,
    /// No candidate follows for this section.
    pub(crate) end_of_candidates: bool,
}

/// A whole fragment. Credentials may stand at session or media level; under max-bundle there is one pair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) media: Vec<FragmentMedia>,
}

impl Fragment {
    /// Reads a fragment.
    ///
    /// # Errors
    /// When the text is malformed, carries nothing, or exceeds the limits.
    pub(crate) fn parse(text: &str) -> Result<Self, FragmentError> {
        let mut builder = Builder::default();
        for (index, line) in text.lines().enumerate() {
            if !line.trim().is_empty() {
                builder.line(index + 1, line.trim_end())?;
            }
        }
        builder.finish()
    }

    /// How many candidates the fragment carries.
    pub(crate) fn candidate_count(&self) -> usize {
        self.media.iter().map(|m| m.candidates.len()).sum()
    }
}

#[derive(Default)]
struct Builder {
    fragment: Fragment,
    ufrag: Option<String>,
    pwd: Option<String>,
}

impl Builder {
    /// One line of the text; `number` is for the error.
    fn line(&mut self, number: usize, line: &str) -> Result<(), FragmentError> {
        let Some((kind, value)) = line.split_once('=').filter(|(kind, _)| kind.len() == 1) else {
            return Err(FragmentError::Line(number));
        };
        match kind {
            "m" => self.section(value),
            "a" => self.attribute(number, value),
            // Other lines mean nothing here and are ignored, as for unknown attributes (RFC 8840, section 9.2).
            _ => Ok(()),
        }
    }

    fn section(&mut self, value: &str) -> Result<(), FragmentError> {
        if self.fragment.media.len() == MAX_MEDIA {
            return Err(FragmentError::TooMany(MAX_MEDIA, "media sections"));
        }
        self.fragment.media.push(FragmentMedia {
            line: value.to_owned(),
            ..FragmentMedia::default()
        });
        Ok(())
    }

    fn attribute(&mut self, number: usize, attribute: &str) -> Result<(), FragmentError> {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match name {
            "ice-ufrag" => keep_first(
                &mut self.ufrag,
                checked(value, 4).ok_or(FragmentError::Credential(number))?,
            ),
            "ice-pwd" => keep_first(
                &mut self.pwd,
                checked(value, 22).ok_or(FragmentError::Credential(number))?,
            ),
            "mid" if !self.fragment.media.is_empty() => self.media().mid = Some(value.trim().to_owned()),
            "end-of-candidates" => self.media().end_of_candidates = true,
            "candidate" => return self.candidate(number, attribute),
            _ => {}
        }
        Ok(())
    }

    fn candidate(&mut self, number: usize, attribute: &str) -> Result<(), FragmentError> {
        if !is_candidate(attribute) {
            return Err(FragmentError::Candidate(number));
        }
        if self.fragment.candidate_count() == MAX_CANDIDATES {
            return Err(FragmentError::TooMany(MAX_CANDIDATES, "candidates"));
        }
        self.media().candidates.push(attribute.to_owned());
        Ok(())
    }

    /// The section being read. Some clients send candidates before any m-line; those get a section without one.
    fn media(&mut self) -> &mut FragmentMedia {
        if self.fragment.media.is_empty() {
            self.fragment.media.push(FragmentMedia::default());
        }
        self.fragment
            .media
            .last_mut()
            .expect("a section was pushed if there was none")
    }

    /// What was read, if it is of any use.
    fn finish(mut self) -> Result<Fragment, FragmentError> {
        self.fragment.credentials = match (self.ufrag, self.pwd) {
            (Some(ufrag), Some(pwd)) => Some(Credentials { ufrag, pwd }),
            (None, None) => None,
            _ => return Err(FragmentError::HalfCredentials),
        };
        let is_useful = |m: &FragmentMedia| !m.candidates.is_empty() || m.end_of_candidates;
        if self.fragment.credentials.is_none() && !self.fragment.media.iter().any(is_useful) {
            return Err(FragmentError::Empty);
        }
        Ok(self.fragment)
    }
}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Credentials { ufrag, pwd }) = &self.credentials {
            write!(f, "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n")?;
        }
        for media in &self.media {
            if !media.line.is_empty() {
                write!(f, "m={}\r\n", media.line)?;
            }
            if let Some(mid) = &media.mid {
                write!(f, "a=mid:{mid}\r\n")?;
            }
            for candidate in &media.candidates {
                write!(f, "a={candidate}\r\n")?;
            }
            if media.end_of_candidates {
                f.write_str("a=end-of-candidates\r\n")?;
            }
        }
        Ok(())
    }
}

/// Whether a text is an ICE credential of at least `shortest` characters (RFC 8839, section 5.4).
fn checked(value: &str, shortest: usize) -> Option<String> {
    let value = value.trim();
    let is_ice_char = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    // libwebrtc has been seen to write `-` and `_` too.
    let is_allowed = |c: char| is_ice_char(c) || c == '-' || c == '_' || c == '=';
    ((shortest..=256).contains(&value.len()) && value.chars().all(is_allowed)).then(|| value.to_owned())
}

/// `candidate:` and at least foundation, component, transport, priority, address, port, `typ` and a type
/// (RFC 8839, section 5.1).
pub(crate) fn is_candidate(text: &str) -> bool {
    let Some(fields) = text.strip_prefix("candidate:") else {
        return false;
    };
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let is_number = |i: usize| fields.get(i).is_some_and(|f: &&str| f.parse::<u32>().is_ok());
    fields.len() >= 8
        && is_number(1)
        && is_number(3)
        && fields[5].parse::<u16>().is_ok()
        && fields[6] == "typ"
}

/// All sections share one transport, so what later ones repeat is the same.
fn keep_first(slot: &mut Option<String>, value: String) {
    slot.get_or_insert(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANDIDATE: &str =
        "candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1";

    #[test]
    fn the_example_of_the_specification_is_read() {
        // RFC 9725, section 4.3.2, figure 5 (shortened).
        let text = format!(
            "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\n\
             a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na={CANDIDATE}\r\na=end-of-candidates\r\n"
        );
        let fragment = Fragment::parse(&text).unwrap();
        assert_eq!(fragment.credentials.unwrap().ufrag, "EsAw");
        assert_eq!(fragment.media.len(), 1);
        assert_eq!(fragment.media[0].mid.as_deref(), Some("0"));
        assert_eq!(fragment.media[0].line, "audio 9 UDP/TLS/RTP/SAVPF 111");
        assert_eq!(fragment.media[0].candidates, [CANDIDATE]);
        assert!(fragment.media[0].end_of_candidates);
    }

    #[test]
    fn what_was_written_is_read_back() {
        let fragment = Fragment {
            credentials: Some(Credentials {
                ufrag: "abcd".into(),
                pwd: "x".repeat(22),
            }),
            media: vec![
                FragmentMedia {
                    line: "audio 9 RTP/AVP 0".into(),
                    mid: Some("a0".into()),
                    candidates: vec![CANDIDATE.into()],
                    end_of_candidates: true,
                },
                FragmentMedia {
                    line: "video 9 RTP/AVP 96".into(),
                    mid: Some("v".into()),
                    candidates: vec![],
                    end_of_candidates: false,
                },
            ],
        };
        assert_eq!(Fragment::parse(&fragment.to_string()), Ok(fragment));
    }

    #[test]
    fn candidates_before_any_section_are_kept() {
        let fragment = Fragment::parse(&format!("a={CANDIDATE}\n")).unwrap();
        assert_eq!(
            fragment.media,
            [FragmentMedia {
                candidates: vec![CANDIDATE.into()],
                ..FragmentMedia::default()
            }]
        );
    }

    #[test]
    fn malformed_fragments_are_refused() {
        let many_sections = "m=audio 9 RTP/AVP 0\n".repeat(MAX_MEDIA + 1);
        let many_candidates = format!("a={CANDIDATE}\n").repeat(MAX_CANDIDATES + 1);
        let cases: [(&str, FragmentError); 11] = [
            ("", FragmentError::Empty),
            ("m=audio 9 RTP/AVP 0\r\na=mid:0", FragmentError::Empty),
            ("{\"candidate\":1}", FragmentError::Line(1)),
            ("a=mid:0\nxy=3", FragmentError::Line(2)),
            ("a=candidate:1 1 udp", FragmentError::Candidate(1)),
            (
                "a=candidate:1 1 udp 1 192.0.2.1 99999 typ host",
                FragmentError::Candidate(1),
            ),
            ("a=ice-ufrag:abc", FragmentError::Credential(1)),
            ("a=ice-ufrag:abcd\na=ice-pwd:short", FragmentError::Credential(2)),
            ("a=ice-ufrag:abcd", FragmentError::HalfCredentials),
            (
                &many_sections,
                FragmentError::TooMany(MAX_MEDIA, "media sections"),
            ),
            (
                &many_candidates,
                FragmentError::TooMany(MAX_CANDIDATES, "candidates"),
            ),
        ];
        for (text, error) in cases {
            assert_eq!(Fragment::parse(text), Err(error));
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let credentials = Credentials {
            ufrag: "abcd".into(),
            pwd: "secretsecretsecretsecret".into(),
        };
        assert_eq!(format!("{credentials:?}"), "abcd:…");
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(text in "(a=(candidate:|ice-ufrag:|mid:)?[a-z0-9: ]{0,40}\n|m=.{0,10}\n|.{0,20}\n){0,20}") {
            if let Ok(fragment) = Fragment::parse(&text) {
                let _ = fragment.to_string();
            }
        }
    }
}
