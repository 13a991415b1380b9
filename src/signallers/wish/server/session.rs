// SPDX-License-Identifier: MPL-2.0
//! One session of a server: what is known of both ends, how far it has come, and what a PATCH does to it (RFC 9725, sections
//! 4.3.1 to 4.3.3; WHEP draft, section 4.3).
//!
//! Whether there is a session, and whether the PATCH may touch it, was settled by [`super::machine`], which owns it. Pure.

use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;

use super::super::edit::{self, LocalCandidate};
use super::super::resource::EntityTag;
use super::super::sdpfrag::{Credentials, Fragment, FragmentMedia};
use super::protocol::{Offer, refused};
use super::response::{self, Response, SDP};
use super::values::{Action, ReplyId, answer, candidates};

/// How long a counter-offer holds: what the WHEP draft, section 4.3 assumes when nothing is said.
pub(super) const COUNTER_OFFER_VALIDITY: Duration = Duration::from_secs(30);

/// How long an answer waits for candidates once it is written: a STUN server that does not answer costs 2 s, and one whose
/// name does not resolve keeps webrtcbin from ever saying that it is done (measured with libnice 0.1.21).
const GATHERING_PATIENCE: Duration = Duration::from_secs(3);
/// Candidates kept of our own. A host with ten addresses has about sixty.
const MAX_CANDIDATES: usize = 256;

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    /// What the signals call it.
    pub(super) id: String,
    /// Tag of the ICE session there is.
    pub(super) etag: EntityTag,
    /// Empty until the client has described itself, which with a counter-offer it does last.
    pub(super) remote: Remote,
    pub(super) local: Local,
    /// Decides which requests make sense now.
    pub(super) state: State,
}

/// How far a session has come.
#[derive(Debug)]
pub(super) enum State {
    /// Its description is being made; requests wait for it.
    Describing {
        waiting: Vec<ReplyId>,
        until: Option<Instant>,
    },
    /// A counter-offer was sent and waits for its answer.
    Offered { until: Instant },
    /// Descriptions are exchanged. What the client was told is kept, in case it asks again.
    Established { told: Box<Response> },
}

/// What the client said.
#[derive(Debug, Default)]
pub(super) struct Remote {
    /// Its offer, word for word: the ICE password in it makes it unique.
    pub(super) offer: Option<String>,
    /// Tags of the media sections, in order.
    pub(super) mids: Vec<String>,
    /// Of the ICE session there is; none before the client described itself.
    pub(super) credentials: Option<Credentials>,
}

impl Remote {
    /// What an offer, or the answer to a counter-offer, says.
    pub(super) fn new(offer: &Offer) -> Self {
        Self {
            offer: Some(offer.text.clone()),
            mids: offer.parsed.mids(),
            credentials: offer.parsed.credentials(),
        }
    }

    /// Whether `credentials` are of another ICE session than the current one.
    pub(super) fn is_restarted_by(&self, credentials: &Credentials) -> bool {
        self.credentials
            .as_ref()
            .is_some_and(|current| current != credentials)
    }

    /// The candidates of a fragment with the sections they belong to: by tag, or by position without one. `None` when a tag
    /// is of no section.
    pub(super) fn place(&self, fragment: &Fragment) -> Option<Vec<(u32, Option<String>, String)>> {
        let mut placed = Vec::new();
        for (position, media) in fragment.media.iter().enumerate() {
            let index = match &media.mid {
                Some(mid) => self.mids.iter().position(|m| m == mid)?,
                None => position,
            };
            let index = u32::try_from(index).ok()?;
            placed.extend(
                media
                    .candidates
                    .iter()
                    .map(|c| (index, media.mid.clone(), c.clone())),
            );
        }
        Some(placed)
    }
}

/// What the element said.
#[derive(Debug, Default)]
pub(super) struct Local {
    /// Its offer or answer, as it said it.
    sdp: Option<String>,
    candidates: Vec<LocalCandidate>,
    /// Whether no candidate follows.
    is_complete: bool,
    /// When the description goes out even if candidates may still come.
    answer_by: Option<Instant>,
}

impl Local {
    /// Takes the element's description.
    pub(super) fn describe(&mut self, now: Instant, sdp: String) {
        self.is_complete |= sdp.contains("a=end-of-candidates");
        self.sdp = Some(sdp);
        self.answer_by = Some(now + GATHERING_PATIENCE);
    }

    /// Takes a candidate; an empty one says that none follows.
    pub(super) fn add(&mut self, m_line: u32, text: String) {
        let text = text.strip_prefix("a=").unwrap_or(&text).to_owned();
        if text.is_empty() {
            self.is_complete = true;
        } else if self.candidates.len() < MAX_CANDIDATES && !self.candidates.iter().any(|c| c.text == text) {
            self.candidates.push(LocalCandidate { m_line, text });
        }
    }

    /// Gathering has ended with these candidates.
    pub(super) fn complete(&mut self, candidates: Vec<LocalCandidate>) {
        self.is_complete = true;
        for candidate in candidates {
            self.add(candidate.m_line, candidate.text);
        }
    }

    /// When the description goes out even if candidates may still come; none before there is one.
    pub(super) fn answer_by(&self) -> Option<Instant> {
        self.answer_by
    }

    /// The description to send, once there is one and nothing more is worth waiting for.
    pub(super) fn ready(&self, now: Instant) -> Option<String> {
        let sdp = self.sdp.as_ref()?;
        let is_late = self.answer_by.is_some_and(|by| by <= now);
        (self.is_complete || is_late).then(|| self.whole(sdp))
    }

    /// The fragment that tells a restarted client our new credentials and our candidates, which stay the same.
    pub(super) fn fragment(&self, credentials: Credentials) -> Fragment {
        let whole = self.sdp.as_ref().map(|sdp| self.whole(sdp)).unwrap_or_default();
        let mut media = FragmentMedia {
            end_of_candidates: true,
            ..FragmentMedia::default()
        };
        // The first section only: its transport is that of all others.
        for line in whole.lines().skip_while(|line| !line.starts_with("m=")) {
            match line.split_once('=') {
                Some(("m", value)) if media.line.is_empty() => media.line = value.to_owned(),
                Some(("m", _)) => break,
                Some(("a", value)) if value.starts_with("mid:") => {
                    media.mid = value.get(4..).map(str::to_owned)
                }
                Some(("a", value)) if value.starts_with("candidate:") => {
                    media.candidates.push(value.to_owned())
                }
                _ => {}
            }
        }
        Fragment {
            credentials: Some(credentials),
            media: vec![media],
        }
    }

    /// With every candidate there is and the mark that none follows: a server has no way to send any later.
    fn whole(&self, sdp: &str) -> String {
        edit::with_rtcp_mux_only(&edit::with_candidates(sdp, &self.candidates, true))
    }
}

impl Session {
    /// When the machine has to look at the session again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Describing { until, .. } => [*until, self.local.answer_by()].into_iter().flatten().min(),
            State::Offered { until } => Some(*until),
            State::Established { .. } => None,
        }
    }

    /// The answer to the POST that made the session.
    pub(super) fn tell(&self, wall: SystemTime, sdp: &str, location: &str) -> Response {
        let sdp = sdp.to_owned();
        if self.remote.offer.is_some() {
            return response::description(StatusCode::CREATED, SDP, sdp, location, &self.etag);
        }
        let valid_until = httpdate::fmt_http_date(wall + COUNTER_OFFER_VALIDITY);
        let content_type = format!("{SDP}; valid-until=\"{valid_until}\"");
        response::description(
            StatusCode::NOT_ACCEPTABLE,
            &content_type,
            sdp,
            location,
            &self.etag,
        )
    }

    /// The client answered the counter-offer. Once more, should the first 204 have been lost.
    pub(super) fn answered(&mut self, reply: ReplyId, offer: &Offer) -> Vec<Action> {
        let no_content = response::empty(StatusCode::NO_CONTENT);
        match &self.state {
            State::Offered { .. } => {
                if let Err(error) = offer.parsed.check_answer(self.remote.mids.len()) {
                    return vec![Action::Reply {
                        reply,
                        response: refused(error),
                    }];
                }
                self.remote = Remote::new(offer);
                self.state = State::Established {
                    told: Box::new(no_content.clone()),
                };
                vec![
                    Action::Answer {
                        id: self.id.clone(),
                        sdp: offer.text.clone(),
                    },
                    answer(reply, no_content),
                ]
            }
            State::Established { .. } if self.remote.offer.as_ref() == Some(&offer.text) => {
                vec![answer(reply, no_content)]
            }
            _ => vec![answer(
                reply,
                response::text(StatusCode::CONFLICT, "no answer is expected"),
            )],
        }
    }

    /// The client told more of its candidates.
    pub(super) fn trickled(&mut self, reply: ReplyId, fragment: &Fragment) -> Vec<Action> {
        if fragment
            .credentials
            .as_ref()
            .is_some_and(|c| self.remote.is_restarted_by(c))
        {
            let message = "credentials of another ice session; a restart needs If-Match: \"*\"";
            return vec![answer(
                reply,
                response::text(StatusCode::UNPROCESSABLE_ENTITY, message),
            )];
        }
        let Some(placed) = self.remote.place(fragment) else {
            return vec![answer(
                reply,
                response::text(StatusCode::BAD_REQUEST, "mid of no media section"),
            )];
        };
        let mut actions = candidates(&self.id, placed);
        actions.push(answer(reply, response::empty(StatusCode::NO_CONTENT)));
        actions
    }

    /// The client wants ICE restarted, if it says so by other credentials.
    pub(super) fn restart(
        &mut self,
        reply: ReplyId,
        resource: String,
        fragment: Fragment,
        etag: EntityTag,
    ) -> Vec<Action> {
        match fragment.credentials.clone() {
            Some(remote)
                if self.remote.is_restarted_by(&remote)
                    && matches!(self.state, State::Established { .. }) =>
            {
                vec![Action::Restart {
                    reply,
                    resource,
                    id: self.id.clone(),
                    etag,
                    fragment,
                    remote,
                }]
            }
            // Nothing new in it: candidates for whatever session there is.
            _ => self.trickled(reply, &fragment),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::description::{Description, sample};
    use super::*;

    const CANDIDATE: &str = "candidate:1 1 UDP 1 192.0.2.1 5000 typ host";

    #[test]
    fn a_description_waits_for_its_candidates_but_not_for_ever() {
        let (mut local, now) = (Local::default(), Instant::now());
        assert_eq!(local.ready(now), None);
        local.describe(now, sample("recvonly"));
        local.add(0, CANDIDATE.into());
        assert_eq!(local.ready(now), None);
        assert!(local.ready(now + GATHERING_PATIENCE).unwrap().contains(CANDIDATE));
        local.add(0, String::new());
        assert!(local.ready(now).is_some());
    }

    #[test]
    fn candidates_are_bounded() {
        let mut local = Local::default();
        for n in 0..1000 {
            local.add(0, format!("candidate:{n}"));
        }
        assert_eq!(local.candidates.len(), MAX_CANDIDATES);
    }

    #[test]
    fn a_restart_tells_the_first_section_only() {
        let (mut local, now) = (Local::default(), Instant::now());
        local.describe(now, sample("recvonly"));
        local.add(0, format!("a={CANDIDATE}"));
        let credentials = Credentials {
            ufrag: "new1".into(),
            pwd: "n".repeat(24),
        };
        let fragment = local.fragment(credentials.clone());
        assert_eq!(fragment.credentials, Some(credentials));
        assert_eq!(fragment.media.len(), 1);
        assert_eq!(fragment.media[0].mid.as_deref(), Some("0"));
        assert_eq!(fragment.media[0].candidates, [CANDIDATE]);
        assert_eq!(Fragment::parse(&fragment.to_string()), Ok(fragment));
    }

    #[test]
    fn candidates_are_placed_by_tag_then_by_position() {
        let text = sample("sendonly");
        let remote = Remote::new(&Offer {
            parsed: Description::parse(&text).unwrap(),
            text,
        });
        let place = |text: &str| remote.place(&Fragment::parse(text).unwrap());
        let tagged = format!("m=video 9 A 0\na=mid:1\na={CANDIDATE}\n");
        assert_eq!(
            place(&tagged),
            Some(vec![(1, Some("1".into()), CANDIDATE.into())])
        );
        assert_eq!(
            place(&format!("m=audio 9 A 0\na={CANDIDATE}\n")),
            Some(vec![(0, None, CANDIDATE.into())])
        );
        assert_eq!(place(&tagged.replace("mid:1", "mid:7")), None);
    }
}
