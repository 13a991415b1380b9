// SPDX-License-Identifier: MPL-2.0
//! Remote ICE candidates (RFC 8839, section 5.1), checked before the ICE agent sees them.
//!
//! Owns telling a candidate from nonsense and from the end of candidates, and how many a peer may send and when they
//! mean something; what is done with them is the session's. Any thread. A candidate that is refused costs nothing but
//! itself; what is logged is the reason, as addresses are the peer's affair.

/// What a peer's candidate message means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RemoteCandidate {
    /// A candidate in the form `candidate:…`.
    Candidate(String),
    /// The empty string: no more will come (RFC 8838, section 14).
    End,
}

/// Reads what a peer sent; `a=` in front is tolerated as some peers send the whole attribute.
///
/// # Errors
/// When it is no candidate; the error names what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<RemoteCandidate, CandidateError> {
    let text = text.trim();
    let text = text.strip_prefix("a=").unwrap_or(text);
    if text.is_empty() || text == "end-of-candidates" {
        return Ok(RemoteCandidate::End);
    }
    if text.len() > MAX_SIZE_BYTES {
        return Err(CandidateError::TooLong(text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err(CandidateError::ControlCharacter);
    }
    let fields = text
        .strip_prefix("candidate:")
        .ok_or(CandidateError::NoCandidate)?;
    check_fields(fields)?;
    Ok(RemoteCandidate::Candidate(text.to_owned()))
}

/// The candidates of one peer: checked, counted, and kept back until its description is set.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    is_described: bool,
    waiting: Vec<(u32, String)>,
    count: usize,
}

impl Inbox {
    /// Takes in what the peer sent for an m-line; gives what may go to the ICE agent now, if anything.
    ///
    /// # Errors
    /// When it is no candidate, or one too many; it is dropped then.
    pub(crate) fn take(&mut self, index: u32, text: &str) -> Result<Option<(u32, String)>, CandidateError> {
        let RemoteCandidate::Candidate(candidate) = parse(text)? else {
            return Ok(None);
        };
        if self.count >= MAX_CANDIDATES {
            return Err(CandidateError::TooMany);
        }
        self.count += 1;
        if self.is_described {
            return Ok(Some((index, candidate)));
        }
        self.waiting.push((index, candidate));
        Ok(None)
    }

    /// The peer's description is set: gives what waited for it.
    pub(crate) fn described(&mut self) -> Vec<(u32, String)> {
        self.is_described = true;
        std::mem::take(&mut self.waiting)
    }

    /// ICE was restarted: the peer has as many candidates again.
    pub(crate) fn restarted(&mut self) {
        self.count = self.waiting.len();
    }
}

/// Why a candidate was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CandidateError {
    #[error("candidate of {0} bytes is too long")]
    TooLong(usize),
    #[error("candidate has a control character in it")]
    ControlCharacter,
    #[error("text does not begin with candidate:")]
    NoCandidate,
    #[error("candidate has no valid {0}")]
    Field(&'static str),
    #[error("more than {MAX_CANDIDATES} candidates")]
    TooMany,
}

/// foundation component transport priority address port "typ" type …
fn check_fields(fields: &str) -> Result<(), CandidateError> {
    let mut words = fields.split_whitespace();
    let mut next = |name| words.next().ok_or(CandidateError::Field(name));
    next("foundation")?;
    let component = next("component")?;
    component
        .parse::<u16>()
        .map_err(|_| CandidateError::Field("component"))?;
    let transport = next("transport")?;
    if !["udp", "tcp", "ssltcp"].contains(&transport.to_ascii_lowercase().as_str()) {
        return Err(CandidateError::Field("transport"));
    }
    next("priority")?
        .parse::<u32>()
        .map_err(|_| CandidateError::Field("priority"))?;
    next("address")?;
    next("port")?
        .parse::<u16>()
        .map_err(|_| CandidateError::Field("port"))?;
    if next("type")? != "typ" {
        return Err(CandidateError::Field("type"));
    }
    next("type").map(drop)
}

/// A candidate with every extension is about 250 bytes.
const MAX_SIZE_BYTES: usize = 2048;

/// A peer with ten interfaces, both address families and two TURN servers sends about a hundred.
const MAX_CANDIDATES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "candidate:1 1 UDP 2015363327 192.0.2.1 9 typ host";

    #[test]
    fn a_candidate_passes_unchanged() {
        assert_eq!(parse(HOST), Ok(RemoteCandidate::Candidate(HOST.into())));
        assert_eq!(
            parse(&format!("a={HOST}\r\n")),
            Ok(RemoteCandidate::Candidate(HOST.into()))
        );
    }

    #[test]
    fn mdns_names_and_tcp_pass() {
        for text in [
            "candidate:3 1 udp 2113937151 4c1e9a6e-0000.local 53402 typ host generation 0 ufrag abcd",
            "candidate:2 1 TCP 1015021823 192.0.2.1 9 typ host tcptype active",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn empty_text_ends_the_candidates() {
        for text in ["", " ", "\r\n", "a=end-of-candidates"] {
            assert_eq!(parse(text), Ok(RemoteCandidate::End), "{text:?}");
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let cases = [
            ("hello".to_owned(), CandidateError::NoCandidate),
            ("candidate:".into(), CandidateError::Field("foundation")),
            (
                "candidate:1 x UDP 1 a 9 typ host".into(),
                CandidateError::Field("component"),
            ),
            (
                "candidate:1 1 SCTP 1 a 9 typ host".into(),
                CandidateError::Field("transport"),
            ),
            (
                "candidate:1 1 UDP -1 a 9 typ host".into(),
                CandidateError::Field("priority"),
            ),
            (
                "candidate:1 1 UDP 1 a 99999 typ host".into(),
                CandidateError::Field("port"),
            ),
            (
                "candidate:1 1 UDP 1 a 9 type host".into(),
                CandidateError::Field("type"),
            ),
            (
                "candidate:1 1 UDP 1 a 9 typ".into(),
                CandidateError::Field("type"),
            ),
            (
                format!("{HOST}\r\na=setup:active"),
                CandidateError::ControlCharacter,
            ),
            (
                format!("{HOST} {}", "x".repeat(3000)),
                CandidateError::TooLong(HOST.len() + 3001),
            ),
        ];
        for (text, error) in cases {
            assert_eq!(parse(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn candidates_wait_for_the_description() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.take(3, HOST), Ok(None));
        assert_eq!(inbox.take(0, ""), Ok(None), "an end is nothing to pass on");
        assert_eq!(inbox.take(0, "nonsense"), Err(CandidateError::NoCandidate));
        assert_eq!(inbox.described(), [(3, HOST.to_owned())]);
        assert_eq!(inbox.take(1, HOST), Ok(Some((1, HOST.to_owned()))));
        assert!(inbox.described().is_empty());
    }

    #[test]
    fn a_flood_ends_at_its_limit_until_ice_restarts() {
        for is_described in [false, true] {
            let mut inbox = Inbox::default();
            if is_described {
                inbox.described();
            }
            for _ in 0..MAX_CANDIDATES {
                assert!(inbox.take(0, HOST).is_ok());
            }
            assert_eq!(inbox.take(0, HOST), Err(CandidateError::TooMany));
            assert_eq!(
                inbox.described().len(),
                if is_described { 0 } else { MAX_CANDIDATES }
            );
            inbox.restarted();
            assert_eq!(inbox.take(0, HOST), Ok(Some((0, HOST.to_owned()))));
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_a_peer_sends_panics(text in "(a=)?(candidate:)?[ -~\\PC]{0,200}") {
            if let Ok(RemoteCandidate::Candidate(candidate)) = parse(&text) {
                proptest::prop_assert!(candidate.starts_with("candidate:"));
            }
        }
    }
}
