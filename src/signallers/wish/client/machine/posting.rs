// SPDX-License-Identifier: MPL-2.0
//! The offer on its way: redirects, refusals, answers and counter-offers (RFC 9725, sections 4.2 and 4.5; WHEP draft,
//! sections 4.2 and 4.3). The part of the machine that turns an answer of the endpoint into the next state.
//!
//! Owns the state from the first POST to a running session. Where a redirect may lead is said by `redirect`, how long
//! to wait by `retry_after`; the session itself is `running`'s. Pure.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{Method, Response, StatusCode, header};

use super::super::super::{
    redirect::{MAX_REDIRECTS, Target},
    resource::EntityTag,
    retry_after,
    server::Kind,
};
use super::super::{
    local::Local,
    protocol::{Action, Fetch, SDP, is_sdp, read_description, refusal, request, session_of},
    running::Running,
};
use super::{Machine, State};
use crate::{
    end_reason::{EndReason, SessionEndReason},
    net::http::client::FetchError,
};

/// A POST that was lost on its way is made again this often; our own server then gives the same session again.
const MAX_LOST_POSTS: u32 = 2;

/// One offer on its way to the endpoint, over however many hops.
#[derive(Debug)]
pub(super) struct Posting {
    pub(super) serial: u64,
    pub(super) target: Target,
    /// Redirects followed so far.
    pub(super) hops: u32,
    /// How often the POST got no answer.
    pub(super) lost: u32,
    pub(super) offer: String,
    /// For all hops together: a chain of redirects must not add up to a hang.
    pub(super) deadline: Option<Instant>,
}

impl Machine {
    /// Sends the offer to where it has come.
    pub(super) fn post(&mut self, now: Instant, posting: Posting, local: Local) -> Vec<Action> {
        let serial = self.serial();
        let fetch = Fetch {
            content_type: Some(SDP),
            body: posting.offer.clone(),
            timeout: posting
                .deadline
                .map(|deadline| deadline.saturating_duration_since(now)),
            ..request(serial, Method::POST, posting.target.clone())
        };
        self.state = State::Posting {
            posting: Posting { serial, ..posting },
            local,
        };
        vec![Action::Fetch(Box::new(fetch))]
    }

    /// Sends the element's answer to the session that the counter-offer named.
    pub(super) fn answer_counter_offer(
        &mut self,
        session: Target,
        etag: Option<EntityTag>,
        local: Local,
        answer: String,
    ) -> Vec<Action> {
        let serial = self.serial();
        let fetch = Fetch {
            content_type: Some(SDP),
            if_match: etag.as_ref().map(|e| e.as_str().to_owned()),
            body: answer,
            timeout: self.policy.timeout,
            ..request(serial, Method::PATCH, session.clone())
        };
        self.state = State::Answering {
            serial,
            session,
            etag,
            local,
        };
        vec![Action::Fetch(Box::new(fetch))]
    }

    /// The endpoint answered.
    pub(super) fn posted(
        &mut self,
        now: Instant,
        wall: SystemTime,
        posting: Posting,
        local: Local,
        response: &Response<Bytes>,
    ) -> Vec<Action> {
        let field = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        match response.status() {
            StatusCode::CREATED | StatusCode::OK => self.created(now, &posting, local, response),
            StatusCode::NOT_ACCEPTABLE if self.policy.kind == Kind::Whep && is_sdp(response.headers()) => {
                self.counter_offered(&posting, response)
            }
            status if status.is_redirection() => {
                match posting.target.redirect(status.as_u16(), field(header::LOCATION)) {
                    _ if posting.hops == MAX_REDIRECTS => {
                        self.fail(now, "Too many redirects. Unable to connect.")
                    }
                    Ok(target) => self.post(
                        now,
                        Posting {
                            target,
                            hops: posting.hops + 1,
                            ..posting
                        },
                        local,
                    ),
                    Err(error) => self.fail(now, format!("Unexpected response: {status} - {error}")),
                }
            }
            status => match field(header::RETRY_AFTER).and_then(|f| retry_after::parse(f, wall)) {
                Some(asked) if status.is_client_error() || status.is_server_error() => {
                    self.put_off(now, status, asked)
                }
                _ => self.fail(now, refusal(response)),
            },
        }
    }

    /// The session exists: its answer goes to the element.
    pub(super) fn created(
        &mut self,
        now: Instant,
        posting: &Posting,
        local: Local,
        response: &Response<Bytes>,
    ) -> Vec<Action> {
        let (session, etag) = match session_of(&posting.target, response) {
            Ok(found) => found,
            Err(error) => return self.give_up(format!("{} without a session: {error}", response.status())),
        };
        let answer = match read_description(response.body(), Some(local.section_count())) {
            Ok(answer) => answer,
            Err(error) => {
                return self.refuse_session(session, &format!("the server's answer cannot be used: {error}"));
            }
        };
        let mut actions = self.learn_servers(response.headers());
        self.attempt = 0;
        let running = Running::new(self.id.clone(), session, etag, local, answer.clone());
        self.state = State::Running(Box::new(running));
        actions.push(Action::Answer {
            id: self.id.clone(),
            sdp: answer,
        });
        actions.extend(self.in_running(now, |running, serial| running.flush(serial)));
        actions
    }

    /// The session exists, on the server's terms: the element makes another session for them.
    pub(super) fn counter_offered(&mut self, posting: &Posting, response: &Response<Bytes>) -> Vec<Action> {
        let (session, etag) = match session_of(&posting.target, response) {
            Ok(found) => found,
            Err(error) => return self.give_up(format!("counter-offer without a session: {error}")),
        };
        let offer = match read_description(response.body(), None) {
            Ok(offer) => offer,
            Err(error) => {
                return self.refuse_session(session, &format!("the counter-offer cannot be used: {error}"));
            }
        };
        let mut actions = self.learn_servers(response.headers());
        let reason = EndReason::new(SessionEndReason::Closed, "replaced by the server's offer");
        actions.push(Action::EndSession {
            id: self.id.clone(),
            reason,
        });
        self.attempt = 0;
        self.sessions = 0;
        let id = self.new_id("whep-server-sent-offer");
        self.state = State::Countered {
            session,
            etag,
            local: Local::default(),
        };
        actions.push(Action::CounterOffer { id, sdp: offer });
        actions
    }

    /// The server has our answer, or does not want it.
    pub(super) fn counter_offer_answered(
        &mut self,
        now: Instant,
        session: Target,
        etag: Option<EntityTag>,
        local: Local,
        outcome: Result<Response<Bytes>, FetchError>,
    ) -> Vec<Action> {
        match outcome {
            Ok(response) if response.status().is_success() => {
                self.state = State::Running(Box::new(Running::new(
                    self.id.clone(),
                    session,
                    etag,
                    local,
                    String::new(),
                )));
                self.in_running(now, |running, serial| running.flush(serial))
            }
            Ok(response) => self.fail(now, refusal(&response)),
            Err(error) => self.fail(now, error.to_string()),
        }
    }

    /// The endpoint did not answer.
    pub(super) fn post_failed(
        &mut self,
        now: Instant,
        posting: Posting,
        local: Local,
        error: &FetchError,
    ) -> Vec<Action> {
        if matches!(error, FetchError::Lost(_)) && posting.lost < MAX_LOST_POSTS {
            let mut actions = vec![Action::Warn(format!("POST is repeated: {error}"))];
            actions.extend(self.post(
                now,
                Posting {
                    lost: posting.lost + 1,
                    ..posting
                },
                local,
            ));
            return actions;
        }
        let error = match error {
            FetchError::Timeout(_) => FetchError::Timeout(self.policy.timeout.unwrap_or_default()),
            other => other.clone(),
        };
        self.fail(now, error.to_string())
    }

    /// The server wants us to come back. A session that waits would run into its own timeout: it is made again then.
    pub(super) fn put_off(&mut self, now: Instant, status: StatusCode, asked: Duration) -> Vec<Action> {
        let pause = retry_after::pause(asked, self.attempt);
        self.attempt += 1;
        self.state = State::Waiting { until: now + pause };
        let text = format!("{status}, next try in {} s", pause.as_secs_f32());
        let reason = EndReason::new(SessionEndReason::SignallingLost, text.clone());
        vec![
            Action::Warn(text),
            Action::EndSession {
                id: self.id.clone(),
                reason,
            },
        ]
    }

    /// The server has a session that we cannot use.
    pub(super) fn refuse_session(&mut self, session: Target, text: &str) -> Vec<Action> {
        let mut actions = vec![self.delete(session)];
        actions.extend(self.give_up(text));
        actions
    }
}
