// SPDX-License-Identifier: MPL-2.0
//! What a WHIP or WHEP server does: who gets a session, when a request is answered and how (RFC 9725, section 4; WHEP draft,
//! section 4).
//!
//! Requests arrive as [`Ask`], already judged by [`super::protocol`]; the element's words arrive through its signaller. Out
//! come answers and what to tell the element. Nothing here waits: a request stays open until an action replies to it. Pure;
//! owned by the thread of [`super::actor`].

use std::{
    collections::HashMap,
    time::{Instant, SystemTime},
};

use http::StatusCode;

use super::super::{
    description::Description,
    resource::{EntityTag, Names, Precondition, precondition},
    sdpfrag::Credentials,
};
use super::protocol::{Ask, Kind, Offer, PatchBody};
use super::response::{self, Response};
use super::session::{COUNTER_OFFER_VALIDITY, Local, Remote, Session, State};
use super::values::{Action, Input, Policy, ReplyId, answer, candidates};
use crate::end_reason::{EndReason, SessionEndReason};

/// When a client that found the server taken may ask again.
const BUSY_RETRY_SECONDS: u64 = 2;
/// When a player that came before the media may ask again.
const NO_MEDIA_RETRY_SECONDS: u64 = 1;

/// The server's sessions, by last segment of their URL.
#[derive(Debug)]
pub(crate) struct Machine {
    policy: Policy,
    sessions: HashMap<String, Session>,
    /// Wall clock of the current input, for dates in answers.
    wall: SystemTime,
}

impl Machine {
    /// A server without sessions.
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy,
            sessions: HashMap::new(),
            wall: SystemTime::UNIX_EPOCH,
        }
    }

    /// Takes one input and says what to do, in order.
    pub(crate) fn handle(&mut self, now: Instant, wall: SystemTime, input: Input) -> Vec<Action> {
        self.wall = wall;
        match input {
            Input::Request {
                reply,
                ask: Ask::Post { .. },
                has_media: false,
                ..
            } => vec![answer(reply, no_media())],
            Input::Request {
                reply, ask, names, ..
            } => self.request(now, reply, ask, names),
            Input::Abandoned { reply } => self.abandoned(reply),
            Input::LocalDescription { id, sdp } => self.described(now, id, sdp),
            Input::LocalCandidate {
                id,
                m_line,
                candidate,
            } => self.with_session(now, &id, |session| session.local.add(m_line, candidate)),
            Input::Gathered { id, candidates } => {
                self.with_session(now, &id, |session| session.local.complete(candidates))
            }
            Input::Ended { id, reason } => self.ended(&id, &reason),
            Input::Tick => self.tick(now),
        }
    }

    /// The outcome of [`Action::Restart`]: our new credentials, or none when ICE cannot be restarted, which does not harm the
    /// session (RFC 9725, section 4.3.3).
    pub(crate) fn restarted(&mut self, restart: Action, local: Option<Credentials>) -> Vec<Action> {
        let Action::Restart {
            reply,
            resource,
            id,
            etag,
            fragment,
            remote,
        } = restart
        else {
            return vec![];
        };
        let Some((session, local)) = self.sessions.get_mut(&resource).zip(local) else {
            return vec![answer(
                reply,
                response::text(StatusCode::UNPROCESSABLE_ENTITY, "ice restart is not supported"),
            )];
        };
        session.remote.credentials = Some(remote);
        session.etag = etag;
        let told = response::restarted(session.local.fragment(local).to_string(), &session.etag);
        let mut actions = candidates(&id, session.remote.place(&fragment).unwrap_or_default());
        actions.push(answer(reply, told));
        actions
    }

    /// When [`Input::Tick`] is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.sessions.values().filter_map(Session::deadline).min()
    }

    /// How many sessions there are.
    #[cfg(test)]
    pub(crate) fn session_count(&self) -> usize {
        self.sessions.len()
    }

    fn request(&mut self, now: Instant, reply: ReplyId, ask: Ask, names: Names) -> Vec<Action> {
        match ask {
            Ask::Post { offer, .. } => self.post(now, reply, offer, names),
            Ask::Patch {
                resource,
                if_match,
                body,
            } => self.patch(reply, resource, if_match.as_deref(), body, names.etag),
            Ask::Delete { resource } => match self.sessions.remove(&resource) {
                Some(session) => ended_by_client(session, reply),
                None => vec![answer(reply, response::empty(StatusCode::NOT_FOUND))],
            },
            Ask::Look { resource } => {
                let is_there = self.sessions.contains_key(&resource);
                let status = if is_there {
                    StatusCode::NO_CONTENT
                } else {
                    StatusCode::NOT_FOUND
                };
                vec![answer(reply, response::empty(status))]
            }
        }
    }

    /// A client wants a session. It gets its answer when the element has described itself, not now.
    fn post(&mut self, now: Instant, reply: ReplyId, offer: Option<Offer>, names: Names) -> Vec<Action> {
        if let Some(actions) = offer.as_ref().and_then(|offer| self.repeated(reply, offer)) {
            return actions;
        }
        if self.sessions.len() >= self.policy.capacity {
            return vec![answer(reply, self.full())];
        }
        if self.sessions.values().any(|s| s.id == names.id) {
            let message = "a session of that name exists";
            return vec![answer(reply, response::text(StatusCode::CONFLICT, message))];
        }
        let session = Session {
            id: names.id.clone(),
            etag: names.etag,
            remote: offer.as_ref().map(Remote::new).unwrap_or_default(),
            local: Local::default(),
            state: State::Describing {
                waiting: vec![reply],
                until: self.policy.timeout.map(|t| now + t),
            },
        };
        self.sessions.insert(names.resource, session);
        vec![Action::Start {
            id: names.id,
            offer: offer.map(|o| o.text),
        }]
    }

    /// A POST whose answer got lost on the way is made again with the same offer: it gets the session that is there already.
    fn repeated(&mut self, reply: ReplyId, offer: &Offer) -> Option<Vec<Action>> {
        let session = self
            .sessions
            .values_mut()
            .find(|s| s.remote.offer.as_ref() == Some(&offer.text))?;
        match &mut session.state {
            State::Describing { waiting, .. } => waiting.push(reply),
            State::Established { told } => {
                return Some(vec![Action::Reply {
                    reply,
                    response: told.clone(),
                }]);
            }
            State::Offered { .. } => return None,
        }
        Some(vec![])
    }

    /// One publisher is all that a source can take, which is a conflict; how many may play is a limit of this server.
    fn full(&self) -> Response {
        match self.policy.kind {
            Kind::Whip => response::later(
                StatusCode::CONFLICT,
                "another client is publishing",
                BUSY_RETRY_SECONDS,
            ),
            Kind::Whep => {
                let message = "as many clients are playing as may";
                response::later(StatusCode::SERVICE_UNAVAILABLE, message, BUSY_RETRY_SECONDS)
            }
        }
    }

    /// The resource decides first, then the tag, then what the body says.
    fn patch(
        &mut self,
        reply: ReplyId,
        resource: String,
        if_match: Option<&str>,
        body: PatchBody,
        fresh: EntityTag,
    ) -> Vec<Action> {
        let Some(session) = self.sessions.get_mut(&resource) else {
            return vec![answer(reply, response::empty(StatusCode::NOT_FOUND))];
        };
        match body {
            PatchBody::Answer(offer) => session.answered(reply, &offer),
            PatchBody::Fragment(fragment) => match precondition(if_match, &session.etag) {
                Precondition::Missing => {
                    let message = "If-Match with the tag of the session is required";
                    vec![answer(
                        reply,
                        response::text(StatusCode::PRECONDITION_REQUIRED, message),
                    )]
                }
                Precondition::Failed => vec![answer(reply, response::empty(StatusCode::PRECONDITION_FAILED))],
                Precondition::Current => session.trickled(reply, &fragment),
                Precondition::Any => session.restart(reply, resource, fragment, fresh),
            },
        }
    }

    /// Nobody reads the answer, so nobody will know the session's URL: a session nobody else waits for is over.
    fn abandoned(&mut self, reply: ReplyId) -> Vec<Action> {
        let is_alone = |session: &mut Session| match &mut session.state {
            State::Describing { waiting, .. } => {
                let had = waiting.len();
                waiting.retain(|r| *r != reply);
                had > 0 && waiting.is_empty()
            }
            _ => false,
        };
        let gone: Vec<String> = self
            .sessions
            .iter_mut()
            .filter_map(|(r, s)| is_alone(s).then(|| r.clone()))
            .collect();
        let sessions = gone.iter().filter_map(|resource| self.sessions.remove(resource));
        sessions.map(|session| Action::End { id: session.id }).collect()
    }

    /// The element renegotiates where the protocols cannot: such a description stays here.
    fn described(&mut self, now: Instant, id: String, sdp: String) -> Vec<Action> {
        let is_expected = |s: &&mut Session| s.id == id && matches!(s.state, State::Describing { .. });
        match self.sessions.values_mut().find(is_expected) {
            Some(session) => session.local.describe(now, sdp),
            None => {
                return vec![Action::Ignored {
                    id,
                    what: "a description nobody waits for",
                }];
            }
        }
        self.reply_if_ready(now, &id)
    }

    fn with_session(&mut self, now: Instant, id: &str, change: impl FnOnce(&mut Session)) -> Vec<Action> {
        let Some(session) = self.sessions.values_mut().find(|s| s.id == id) else {
            return vec![];
        };
        change(session);
        self.reply_if_ready(now, id)
    }

    /// Answers everybody who waits for this session, once its description is complete or has waited long enough.
    fn reply_if_ready(&mut self, now: Instant, id: &str) -> Vec<Action> {
        let Some((resource, session)) = self.sessions.iter_mut().find(|(_, s)| s.id == id) else {
            return vec![];
        };
        let Some(sdp) = session.local.ready(now) else {
            return vec![];
        };
        let State::Describing { waiting, .. } = &mut session.state else {
            return vec![];
        };
        let waiting = std::mem::take(waiting);
        // Sections are not refused one by one (RFC 9725, section 4.4.1): the client would publish into nothing.
        if self.policy.kind == Kind::Whip && is_partly_refused(&sdp) {
            let resource = resource.clone();
            return self.refuse(
                &resource,
                waiting,
                StatusCode::UNPROCESSABLE_ENTITY,
                "not every media section can be received",
            );
        }
        let location = format!("/{}/resource/{resource}", self.policy.kind.name());
        let mut told = session.tell(self.wall, &sdp, &location);
        response::add_links(&mut told, &self.policy.links);
        if session.remote.offer.is_some() {
            session.state = State::Established {
                told: Box::new(told.clone()),
            };
        } else {
            session.remote.mids = Description::parse(&sdp).map(|d| d.mids()).unwrap_or_default();
            session.state = State::Offered {
                until: now + COUNTER_OFFER_VALIDITY,
            };
        }
        waiting
            .into_iter()
            .map(|reply| answer(reply, told.clone()))
            .collect()
    }

    /// The session never was: who waits is told why, and the element to let go of it.
    fn refuse(
        &mut self,
        resource: &str,
        waiting: Vec<ReplyId>,
        status: StatusCode,
        why: &str,
    ) -> Vec<Action> {
        let mut actions: Vec<_> = waiting
            .into_iter()
            .map(|reply| answer(reply, response::text(status, why)))
            .collect();
        actions.extend(
            self.sessions
                .remove(resource)
                .map(|session| Action::End { id: session.id }),
        );
        actions
    }

    /// The element ended a session, perhaps before there was an answer.
    fn ended(&mut self, id: &str, reason: &EndReason) -> Vec<Action> {
        let Some(resource) = self
            .sessions
            .iter()
            .find(|(_, s)| s.id == id)
            .map(|(r, _)| r.clone())
        else {
            return vec![];
        };
        match self.sessions.remove(&resource).map(|s| s.state) {
            Some(State::Describing { waiting, .. }) => {
                let refused = refusal(reason);
                waiting
                    .into_iter()
                    .map(|reply| answer(reply, refused.clone()))
                    .collect()
            }
            // The client learns it by DTLS or by the end of consent; the protocol has no message for it.
            _ => vec![],
        }
    }

    fn tick(&mut self, now: Instant) -> Vec<Action> {
        let due: Vec<String> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.deadline().is_some_and(|deadline| deadline <= now))
            .map(|(resource, _)| resource.clone())
            .collect();
        due.into_iter()
            .flat_map(|resource| self.overdue(now, &resource))
            .collect()
    }

    /// What a deadline means depends on what was waited for: candidates, a description, or the answer to a
    /// counter-offer.
    fn overdue(&mut self, now: Instant, resource: &str) -> Vec<Action> {
        let Some(session) = self.sessions.get_mut(resource) else {
            return vec![];
        };
        let id = session.id.clone();
        match &mut session.state {
            State::Describing { .. } if session.local.ready(now).is_some() => self.reply_if_ready(now, &id),
            State::Describing { waiting, .. } => {
                let waiting = std::mem::take(waiting);
                self.refuse(
                    resource,
                    waiting,
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "no description was made in time",
                )
            }
            _ => self.refuse(resource, vec![], StatusCode::GONE, ""),
        }
    }
}

/// Nothing to play yet (WHEP draft, section 4.2).
fn no_media() -> Response {
    response::later(
        StatusCode::CONFLICT,
        "there is no media yet",
        NO_MEDIA_RETRY_SECONDS,
    )
}

/// The client's DELETE: who still waits for a description will not get one.
fn ended_by_client(session: Session, reply: ReplyId) -> Vec<Action> {
    let mut actions = vec![
        Action::End { id: session.id },
        answer(reply, response::empty(StatusCode::OK)),
    ];
    if let State::Describing { waiting, .. } = session.state {
        let gone = response::text(StatusCode::CONFLICT, "the session was ended");
        actions.extend(waiting.into_iter().map(|reply| answer(reply, gone.clone())));
    }
    actions
}

/// What a client is told when the element ended its session before there was one.
fn refusal(reason: &EndReason) -> Response {
    let status = match reason.kind {
        SessionEndReason::BadDescription => StatusCode::BAD_REQUEST,
        SessionEndReason::NoCommonCodec => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    response::text(status, reason.to_string())
}

/// Whether an answer refuses a media section by port zero (RFC 3264, section 6).
fn is_partly_refused(sdp: &str) -> bool {
    let is_refused = |line: &str| line.strip_prefix("m=").and_then(|l| l.split(' ').nth(1)) == Some("0");
    sdp.lines().any(is_refused)
}

#[cfg(test)]
mod tests;
