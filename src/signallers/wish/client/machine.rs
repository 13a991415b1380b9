// SPDX-License-Identifier: MPL-2.0
//! What a WHIP or WHEP client does: ask for servers, have the element describe itself, POST, follow redirects, come back
//! later, take the answer or the counter-offer, and begin again when a session that worked is lost (RFC 9725, section 4; WHEP
//! draft, section 4).
//!
//! One session at a time. What the endpoint's answers lead to is in [`posting`], what happens while a session exists in
//! [`super::running`]. Pure; owned by the thread of
//! [`super::actor`].

mod posting;

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, header};

use self::posting::Posting;
use super::super::{
    ice_server::{self, IceServer},
    redirect::Target,
    resource::EntityTag,
    retry_after,
    server::Kind,
};
use super::local::Local;
use super::protocol::{Action, Fetch, Input, Policy, request};
use super::running::Running;
use crate::{
    end_reason::{EndReason, SessionEndReason},
    net::http::client::FetchError,
};

/// How long a lost session is tried to be replaced: as long as consent outlives the last sign of life (RFC 7675, section 5.1).
const RECOVERY_TIME: Duration = Duration::from_secs(30);
/// First pause between two tries to replace a session.
const RECOVERY_PAUSE: Duration = Duration::from_secs(1);
/// How long asking for STUN and TURN servers may take: a server that does not answer OPTIONS must not keep media waiting.
const LINKS_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a DELETE may take; an element on its way down waits for it.
const DELETE_TIMEOUT: Duration = Duration::from_secs(2);

/// How far the client has come.
#[derive(Debug)]
enum State {
    Idle,
    /// OPTIONS for the sake of its links.
    AskingLinks {
        serial: u64,
    },
    /// The element makes its offer.
    Describing {
        local: Local,
    },
    /// A POST is on its way.
    Posting {
        posting: Posting,
        local: Local,
    },
    /// The element makes its answer to a counter-offer.
    Countered {
        session: Target,
        etag: Option<EntityTag>,
        local: Local,
    },
    /// The answer to a counter-offer is on its way.
    Answering {
        serial: u64,
        session: Target,
        etag: Option<EntityTag>,
        local: Local,
    },
    /// A session exists.
    Running(Box<Running>),
    /// A new session is tried later.
    Waiting {
        until: Instant,
    },
    Stopped,
}

/// One client.
#[derive(Debug)]
pub(super) struct Machine {
    policy: Policy,
    state: State,
    /// Id of the session there is or was last.
    id: String,
    /// Sessions made so far, for names that do not come again.
    sessions: u32,
    /// Of requests; an outcome with another serial is of a request that was given up.
    next_serial: u64,
    /// Whether the session there is had media.
    was_connected: bool,
    /// Tries in a row that the server put off, or that failed while recovering.
    attempt: u32,
    /// Since when a session that worked is missing.
    lost_since: Option<Instant>,
    /// As announced last; the same ones again are no news.
    servers: Vec<IceServer>,
    /// Whether servers became known that the session was made without.
    has_new_servers: bool,
}

impl Machine {
    /// A client that has not started.
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            state: State::Idle,
            id: String::new(),
            sessions: 0,
            next_serial: 0,
            was_connected: false,
            attempt: 0,
            lost_since: None,
            servers: vec![],
            has_new_servers: false,
        }
    }

    /// Takes one input and says what to do, in order. `wall` is for dates that servers name.
    pub(super) fn handle(&mut self, now: Instant, wall: SystemTime, input: Input) -> Vec<Action> {
        match input {
            Input::Start => self.start(),
            Input::LocalDescription { id, sdp } if id == self.id => self.described(now, sdp),
            Input::LocalCandidate {
                id,
                m_line,
                candidate,
            } if id == self.id => self.with_local(now, |local| local.add(m_line, &candidate)),
            Input::Gathered { id, candidates } if id == self.id => {
                self.with_local(now, |local| local.complete(candidates))
            }
            Input::Connected { id } if id == self.id => self.connected(),
            Input::Ended { id, reason } if id == self.id => self.ended(now, reason),
            // Words about a session that is over.
            Input::LocalDescription { .. }
            | Input::LocalCandidate { .. }
            | Input::Gathered { .. }
            | Input::Connected { .. }
            | Input::Ended { .. } => vec![],
            Input::Fetched { serial, outcome } => self.fetched(now, wall, serial, outcome),
            Input::Stop => self.stop(),
            Input::Tick => self.tick(now),
        }
    }

    /// When [`Input::Tick`] is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Describing { local } | State::Countered { local, .. } => local.send_by(),
            State::Running(running) => running.retry_at(),
            State::Waiting { until } => Some(*until),
            State::Idle
            | State::AskingLinks { .. }
            | State::Posting { .. }
            | State::Answering { .. }
            | State::Stopped => None,
        }
    }

    fn start(&mut self) -> Vec<Action> {
        if !matches!(self.state, State::Idle) {
            return vec![Action::Warn("started twice".to_owned())];
        }
        if !self.policy.uses_links {
            return self.start_session();
        }
        // In time for gathering: the answer to the POST comes too late for that (RFC 9725, section 4.6).
        let serial = self.serial();
        self.state = State::AskingLinks { serial };
        let target = Target::configured(self.policy.endpoint.clone());
        let timeout = Some(
            self.policy
                .timeout
                .map_or(LINKS_TIMEOUT, |t| t.min(LINKS_TIMEOUT)),
        );
        vec![Action::Fetch(Box::new(Fetch {
            timeout,
            ..request(serial, Method::OPTIONS, target)
        }))]
    }

    /// Has the element describe itself; nothing is asked of the endpoint before.
    fn start_session(&mut self) -> Vec<Action> {
        let name = match self.policy.kind {
            Kind::Whip => "unique",
            Kind::Whep => "whep-client-offer",
        };
        self.state = State::Describing {
            local: Local::default(),
        };
        (self.has_new_servers, self.was_connected) = (false, false);
        vec![Action::StartSession {
            id: self.new_id(name),
        }]
    }

    /// Names of first sessions are what they always were; a later one must not be taken for its predecessor, which the
    /// element may still be clearing away.
    fn new_id(&mut self, name: &str) -> String {
        self.sessions += 1;
        self.id = if self.sessions == 1 {
            name.to_owned()
        } else {
            format!("{name}-{}", self.sessions)
        };
        self.id.clone()
    }

    /// In a running session a description can only mean an ICE restart.
    fn described(&mut self, now: Instant, sdp: String) -> Vec<Action> {
        match &mut self.state {
            State::Running(_) => self.in_running(now, |running, serial| running.described(now, sdp, serial)),
            _ => self.with_local(now, |local| local.describe(now, sdp)),
        }
    }

    fn with_local(&mut self, now: Instant, change: impl FnOnce(&mut Local)) -> Vec<Action> {
        match &mut self.state {
            State::Describing { local } | State::Posting { local, .. } | State::Countered { local, .. } => {
                change(local)
            }
            State::Answering { local, .. } => change(local),
            State::Running(running) => change(&mut running.local),
            State::Idle | State::AskingLinks { .. } | State::Waiting { .. } | State::Stopped => return vec![],
        }
        self.proceed(now)
    }

    /// Sends what has become ready to be sent.
    fn proceed(&mut self, now: Instant) -> Vec<Action> {
        match &mut self.state {
            State::Describing { local } => {
                let Some(offer) = local.ready(now) else {
                    return vec![];
                };
                local.all_told();
                let local = std::mem::take(local);
                let deadline = self.policy.timeout.map(|timeout| now + timeout);
                let target = Target::configured(self.policy.endpoint.clone());
                self.post(
                    now,
                    Posting {
                        serial: 0,
                        target,
                        hops: 0,
                        lost: 0,
                        offer,
                        deadline,
                    },
                    local,
                )
            }
            State::Countered { session, etag, local } => {
                let Some(answer) = local.ready(now) else {
                    return vec![];
                };
                local.all_told();
                let (session, etag, local) = (session.clone(), etag.take(), std::mem::take(local));
                self.answer_counter_offer(session, etag, local, answer)
            }
            State::Running(_) => self.in_running(now, |running, serial| running.flush(serial)),
            _ => vec![],
        }
    }

    fn fetched(
        &mut self,
        now: Instant,
        wall: SystemTime,
        serial: u64,
        outcome: Result<Response<Bytes>, FetchError>,
    ) -> Vec<Action> {
        match std::mem::replace(&mut self.state, State::Stopped) {
            State::AskingLinks { serial: asked } if asked == serial => self.links_known(outcome),
            State::Posting { posting, local } if posting.serial == serial => match outcome {
                Ok(response) => self.posted(now, wall, posting, local, &response),
                Err(error) => self.post_failed(now, posting, local, &error),
            },
            State::Answering {
                serial: asked,
                session,
                etag,
                local,
            } if asked == serial => self.counter_offer_answered(now, session, etag, local, outcome),
            State::Running(running) => {
                self.state = State::Running(running);
                self.in_running(now, |running, next| running.fetched(now, serial, outcome, next))
            }
            other => {
                // Of a request that was given up.
                self.state = other;
                vec![]
            }
        }
    }

    /// A server without OPTIONS is no reason not to begin: the answer to the POST may bring servers as well.
    fn links_known(&mut self, outcome: Result<Response<Bytes>, FetchError>) -> Vec<Action> {
        let mut actions = match outcome {
            Ok(response) if response.status().is_success() => self.learn_servers(response.headers()),
            Ok(response) => vec![Action::Warn(format!(
                "no ice servers from OPTIONS: {}",
                response.status()
            ))],
            Err(error) => vec![Action::Warn(format!("no ice servers from OPTIONS: {error}"))],
        };
        actions.extend(self.start_session());
        actions
    }

    /// Takes announced servers where the user wants them.
    fn learn_servers(&mut self, headers: &HeaderMap) -> Vec<Action> {
        let fields = headers
            .get_all(header::LINK)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let servers = ice_server::from_fields(fields);
        if !self.policy.uses_links || servers.is_empty() || servers == self.servers {
            return vec![];
        }
        self.servers.clone_from(&servers);
        self.has_new_servers = true;
        vec![Action::UseServers(servers)]
    }

    /// A try failed: the end, unless a session that worked is to be replaced.
    fn fail(&mut self, now: Instant, text: impl Into<String>) -> Vec<Action> {
        let text = text.into();
        match self.lost_since {
            Some(since) if now < since + RECOVERY_TIME => {
                self.replace(now);
                let reason = EndReason::new(SessionEndReason::SignallingLost, text.clone());
                vec![
                    Action::Warn(format!("recovering: {text}")),
                    Action::EndSession {
                        id: self.id.clone(),
                        reason,
                    },
                ]
            }
            _ => self.give_up(text),
        }
    }

    fn give_up(&mut self, text: impl Into<String>) -> Vec<Action> {
        self.state = State::Stopped;
        vec![Action::Error(text.into())]
    }

    /// From now on a lost session is worth replacing.
    fn connected(&mut self) -> Vec<Action> {
        self.was_connected = true;
        (self.lost_since, self.attempt) = (None, 0);
        vec![]
    }

    /// What the network did may be mended by another session; what this side or the descriptions did may not.
    fn ended(&mut self, now: Instant, reason: EndReason) -> Vec<Action> {
        let mut actions = self.release();
        match reason.kind {
            SessionEndReason::Closed => self.state = State::Stopped,
            SessionEndReason::IceFailed
            | SessionEndReason::Stalled
            | SessionEndReason::PeerGone
            | SessionEndReason::DtlsFailed
            | SessionEndReason::Timeout
            | SessionEndReason::SignallingLost
                if self.was_connected || self.has_new_servers || self.is_recovering(now) =>
            {
                actions.push(Action::Warn(format!("session lost, making another: {reason}")));
                self.replace(now);
            }
            _ => actions.extend(self.give_up(format!("session ended: {reason}"))),
        }
        actions
    }

    /// Another session is made, at once for the first time.
    fn replace(&mut self, now: Instant) {
        self.lost_since.get_or_insert(now);
        let pause = if self.attempt == 0 {
            Duration::ZERO
        } else {
            retry_after::pause(RECOVERY_PAUSE, self.attempt - 1)
        };
        self.attempt += 1;
        self.state = State::Waiting { until: now + pause };
    }

    fn is_recovering(&self, now: Instant) -> bool {
        self.lost_since.is_some_and(|since| now < since + RECOVERY_TIME)
    }

    fn stop(&mut self) -> Vec<Action> {
        self.release()
    }

    /// Lets go of what the state holds at the server, and stops.
    fn release(&mut self) -> Vec<Action> {
        match std::mem::replace(&mut self.state, State::Stopped) {
            State::AskingLinks { serial } => vec![Action::Cancel { serial }],
            State::Posting { posting, .. } => vec![Action::Cancel {
                serial: posting.serial,
            }],
            State::Countered { session, .. } => vec![self.delete(session)],
            State::Answering { serial, session, .. } => vec![Action::Cancel { serial }, self.delete(session)],
            State::Running(running) => {
                let mut actions: Vec<_> = running
                    .open_request()
                    .map(|serial| Action::Cancel { serial })
                    .into_iter()
                    .collect();
                actions.push(self.delete(running.session));
                actions
            }
            State::Idle | State::Describing { .. } | State::Waiting { .. } | State::Stopped => vec![],
        }
    }

    /// Tells the server that the session is over; its answer is awaited only while stopping.
    fn delete(&mut self, session: Target) -> Action {
        let timeout = Some(DELETE_TIMEOUT);
        Action::Fetch(Box::new(Fetch {
            timeout,
            ..request(self.serial(), Method::DELETE, session)
        }))
    }

    fn tick(&mut self, now: Instant) -> Vec<Action> {
        match &self.state {
            State::Waiting { until } if *until <= now => self.start_session(),
            State::Running(_) => self.in_running(now, |running, serial| running.tick(now, serial)),
            _ => self.proceed(now),
        }
    }

    /// Lets the running session act; a session that it gives up on is replaced.
    fn in_running(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Running, u64) -> Vec<Action>,
    ) -> Vec<Action> {
        let serial = self.serial();
        let State::Running(running) = &mut self.state else {
            return vec![];
        };
        let mut actions = act(running, serial);
        if actions
            .iter()
            .any(|action| matches!(action, Action::EndSession { .. }))
        {
            actions.extend(self.release());
            self.replace(now);
        }
        actions
    }

    fn serial(&mut self) -> u64 {
        self.next_serial += 1;
        self.next_serial
    }
}

#[cfg(test)]
mod tests;
