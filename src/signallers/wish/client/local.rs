// SPDX-License-Identifier: MPL-2.0
//! The client's own description and candidates, and which of them the server knows. Pure; owned by [`super::machine`].
//!
//! Owns how long the offer waits for candidates and what is left to trickle (RFC 8838). How a fragment is sent is
//! `running`'s, how it is written `sdpfrag`'s.

use std::time::{Duration, Instant};

use super::super::{
    description::Description,
    edit::{self, LocalCandidate},
    sdpfrag::{Credentials, Fragment, FragmentMedia},
};

/// How long a POST waits for candidates. Those of the host come within a millisecond, those of a STUN server after a round
/// trip, and many servers cannot take any later.
const GATHERING_PATIENCE: Duration = Duration::from_millis(500);
/// Candidates kept. A host with ten addresses has about sixty.
const MAX_CANDIDATES: usize = 256;

/// What the element said of one session.
#[derive(Debug, Default)]
pub(super) struct Local {
    sdp: Option<String>,
    candidates: Vec<LocalCandidate>,
    is_complete: bool,
    /// Set once: a description that is said again does not put the offer off.
    send_by: Option<Instant>,
    /// How many of the candidates the server was told.
    told: usize,
    /// Whether it was told that none follows.
    told_complete: bool,
}

impl Local {
    /// Takes the element's description.
    pub(super) fn describe(&mut self, now: Instant, sdp: String) {
        self.is_complete |= sdp.contains("a=end-of-candidates");
        self.send_by.get_or_insert(now + GATHERING_PATIENCE);
        self.sdp = Some(sdp);
    }

    /// Takes a candidate; an empty one says that none follows.
    pub(super) fn add(&mut self, m_line: u32, text: &str) {
        let text = text.strip_prefix("a=").unwrap_or(text);
        if text.is_empty() {
            self.is_complete = true;
        } else if self.candidates.len() < MAX_CANDIDATES && !self.candidates.iter().any(|c| c.text == text) {
            self.candidates.push(LocalCandidate {
                m_line,
                text: text.to_owned(),
            });
        }
    }

    /// Gathering has ended with these candidates.
    pub(super) fn complete(&mut self, candidates: Vec<LocalCandidate>) {
        self.is_complete = true;
        for candidate in candidates {
            self.add(candidate.m_line, &candidate.text);
        }
    }

    /// When the description goes out even if candidates may still come.
    pub(super) fn send_by(&self) -> Option<Instant> {
        self.send_by
    }

    /// The description to send, once there is one and nothing more is worth waiting for.
    pub(super) fn ready(&self, now: Instant) -> Option<String> {
        let sdp = self.sdp.as_ref()?;
        let is_late = self.send_by.is_some_and(|by| by <= now);
        let whole = || edit::with_candidates(sdp, &self.candidates, self.is_complete);
        (self.is_complete || is_late).then(|| edit::with_one_stream(&edit::with_rtcp_mux_only(&whole())))
    }

    /// Everything there is now goes to the server with the description.
    pub(super) fn all_told(&mut self) {
        (self.told, self.told_complete) = (self.candidates.len(), self.is_complete);
    }

    /// What the server was not told yet, as a fragment, and what to call [`Local::fragment_told`] with once it was.
    pub(super) fn fragment(&self) -> Option<(Fragment, Told)> {
        let is_news = self.told < self.candidates.len() || (self.is_complete && !self.told_complete);
        if !is_news {
            return None;
        }
        let fragment = self.fragment_of(&self.candidates[self.told..])?;
        Some((
            fragment,
            Told {
                candidates: self.candidates.len(),
                is_complete: self.is_complete,
            },
        ))
    }

    /// The server has a fragment.
    pub(super) fn fragment_told(&mut self, told: Told) {
        (self.told, self.told_complete) = (told.candidates, told.is_complete);
    }

    /// All candidates with the credentials of the description, for an ICE restart.
    pub(super) fn whole_fragment(&self) -> Option<Fragment> {
        self.fragment_of(&self.candidates)
    }

    /// The credentials in the description.
    pub(super) fn credentials(&self) -> Option<Credentials> {
        Description::parse(self.sdp.as_ref()?).ok()?.credentials()
    }

    /// How many sections the description has.
    pub(super) fn section_count(&self) -> usize {
        let parsed = self.sdp.as_ref().and_then(|sdp| Description::parse(sdp).ok());
        parsed.map_or(0, |d| d.section_count())
    }

    /// Under max-bundle a fragment holds the one section whose transport all share (RFC 9725, section 4.3.2).
    fn fragment_of(&self, candidates: &[LocalCandidate]) -> Option<Fragment> {
        let description = Description::parse(self.sdp.as_ref()?).ok()?;
        let (index, line) = description.tagged_section()?;
        let mid = description
            .mids()
            .get(index)
            .cloned()
            .filter(|mid| !mid.is_empty());
        let media = FragmentMedia {
            line: line.to_owned(),
            mid,
            candidates: candidates.iter().map(|c| c.text.clone()).collect(),
            end_of_candidates: self.is_complete,
        };
        Some(Fragment {
            credentials: description.credentials(),
            media: vec![media],
        })
    }
}

/// How much the server knows once it has a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    candidates: usize,
    is_complete: bool,
}

#[cfg(test)]
mod tests {
    use super::super::super::description::sample;
    use super::*;

    fn candidate(n: u32) -> String {
        format!("candidate:{n} 1 UDP 1 192.0.2.1 5000 typ host")
    }

    #[test]
    fn a_description_waits_a_little_for_candidates() {
        let (mut local, now) = (Local::default(), Instant::now());
        local.add(0, &candidate(1));
        local.describe(now, sample("sendonly"));
        assert_eq!(local.ready(now), None);
        let sent = local.ready(local.send_by().unwrap()).unwrap();
        assert!(sent.contains(&candidate(1)) && !sent.contains("a=end-of-candidates"));
        local.complete(vec![]);
        assert!(local.ready(now).unwrap().contains("a=end-of-candidates"));
    }

    #[test]
    fn only_news_is_told() {
        let (mut local, now) = (Local::default(), Instant::now());
        local.describe(now, sample("sendonly"));
        local.add(0, &candidate(1));
        local.all_told();
        assert_eq!(local.fragment(), None);
        local.add(0, &format!("a={}", candidate(2)));
        let (fragment, told) = local.fragment().unwrap();
        assert_eq!(fragment.media[0].candidates, [candidate(2)]);
        assert_eq!(fragment.media[0].mid.as_deref(), Some("0"));
        assert_eq!(fragment.credentials, local.credentials());
        local.add(0, &candidate(3));
        local.fragment_told(told);
        assert_eq!(local.fragment().unwrap().0.media[0].candidates, [candidate(3)]);
        local.add(0, "");
        assert!(local.fragment().unwrap().0.media[0].end_of_candidates);
    }

    #[test]
    fn a_restart_tells_everything_again() {
        let mut local = Local::default();
        local.describe(Instant::now(), sample("sendonly"));
        local.add(0, &candidate(1));
        local.all_told();
        assert_eq!(
            local.whole_fragment().unwrap().media[0].candidates,
            [candidate(1)]
        );
    }
}
