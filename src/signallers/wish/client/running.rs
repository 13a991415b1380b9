// SPDX-License-Identifier: MPL-2.0
//! A session that exists: candidates trickled by PATCH, one at a time, and ICE restarted (RFC 9725, sections 4.3.1 to 4.3.3).
//! Pure; owned by [`super::machine`].
//!
//! Owns the one request that may be open at a time and what has to wait for it: the entity tag of a restart must be
//! known before a candidate of the new ICE session is sent. Ending the session by DELETE is the machine's.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Response, StatusCode, header};

use super::super::{
    edit,
    redirect::Target,
    resource::EntityTag,
    sdpfrag::{Credentials, Fragment},
};
use super::local::{Local, Told};
use super::protocol::{Action, Fetch, refusal, request};
use crate::{
    end_reason::{EndReason, SessionEndReason},
    net::http::client::FetchError,
};

/// Media type of ICE fragments (RFC 8840, section 9).
const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// How long a PATCH may take.
const PATCH_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a lost PATCH is repeated: doing so does no harm, as candidates and credentials are the same.
const MAX_LOST: u32 = 4;
/// Pause before it is.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// One session and its URL.
#[derive(Debug)]
pub(super) struct Running {
    id: String,
    pub(super) session: Target,
    etag: Option<EntityTag>,
    pub(super) local: Local,
    /// The server's answer, into which the credentials of a restart are put. Empty when the server made the offer.
    answer: String,
    /// False once the server refused a candidate.
    can_trickle: bool,
    open: Option<Patch>,
    /// A restart that waits for an open request.
    wants_restart: bool,
    retry_at: Option<Instant>,
    /// Requests in a row that got no answer.
    lost: u32,
}

/// The request on its way.
#[derive(Debug)]
struct Patch {
    serial: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Trickle(Told),
    /// With the asterisk in quotes, as the example of RFC 9725 has it, or bare, as RFC 9110 does.
    Restart {
        is_quoted: bool,
    },
}

impl Running {
    pub(super) fn new(
        id: String,
        session: Target,
        etag: Option<EntityTag>,
        local: Local,
        answer: String,
    ) -> Self {
        Self {
            id,
            session,
            etag,
            local,
            answer,
            can_trickle: true,
            open: None,
            wants_restart: false,
            retry_at: None,
            lost: 0,
        }
    }

    /// When [`Running::tick`] is due.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// The request whose outcome is awaited.
    pub(super) fn open_request(&self) -> Option<u64> {
        self.open.as_ref().map(|patch| patch.serial)
    }

    /// The element describes itself anew: with other credentials that is an ICE restart; anything else the protocols have no
    /// message for.
    pub(super) fn described(&mut self, now: Instant, sdp: String, serial: u64) -> Vec<Action> {
        let before = self.local.credentials();
        let candidates = edit::candidates(&sdp);
        let mut restarted = Local::default();
        restarted.describe(now, sdp);
        if restarted.credentials() == before {
            return vec![Action::Warn(
                "a session cannot be negotiated again over http".to_owned(),
            )];
        }
        if self.answer.is_empty() {
            return vec![self.unrestartable("the server made the offer")];
        }
        // They stay the same when ICE restarts beneath webrtcbin.
        if !candidates.is_empty() {
            restarted.complete(candidates);
        }
        self.local = restarted;
        self.wants_restart = true;
        self.flush(serial)
    }

    /// Sends what the server does not know, unless a request is open.
    pub(super) fn flush(&mut self, serial: u64) -> Vec<Action> {
        if self.open.is_some() || self.retry_at.is_some() {
            return vec![];
        }
        if std::mem::take(&mut self.wants_restart) {
            return self.restart(serial, true);
        }
        if !self.can_trickle {
            return vec![];
        }
        let Some((fragment, told)) = self.local.fragment() else {
            return vec![];
        };
        let if_match = self.etag.as_ref().map(|etag| etag.as_str().to_owned());
        self.patch(serial, What::Trickle(told), if_match, &fragment)
    }

    pub(super) fn tick(&mut self, now: Instant, serial: u64) -> Vec<Action> {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
        }
        self.flush(serial)
    }

    /// The outcome of a request of this session.
    pub(super) fn fetched(
        &mut self,
        now: Instant,
        serial: u64,
        outcome: Result<Response<Bytes>, FetchError>,
        next: u64,
    ) -> Vec<Action> {
        match self.open.take() {
            Some(patch) if patch.serial == serial => match (patch.what, outcome) {
                (What::Trickle(told), Ok(response)) => self.trickled(told, &response, next),
                (What::Restart { is_quoted }, Ok(response)) => self.restarted(is_quoted, &response, next),
                (what, Err(error)) => self.lost(now, what, &error),
            },
            other => {
                self.open = other;
                vec![]
            }
        }
    }

    fn trickled(&mut self, told: Told, response: &Response<Bytes>, next: u64) -> Vec<Action> {
        self.lost = 0;
        if response.status().is_success() {
            self.local.fragment_told(told);
            return self.flush(next);
        }
        // What the server has so far must do: some support no trickle at all.
        self.can_trickle = false;
        vec![Action::Warn(format!(
            "candidates are not taken: {}",
            refusal(response)
        ))]
    }

    fn restart(&mut self, serial: u64, is_quoted: bool) -> Vec<Action> {
        let Some(fragment) = self.local.whole_fragment() else {
            return vec![];
        };
        self.local.all_told();
        let if_match = if is_quoted { "\"*\"" } else { "*" };
        self.patch(
            serial,
            What::Restart { is_quoted },
            Some(if_match.to_owned()),
            &fragment,
        )
    }

    fn restarted(&mut self, is_quoted: bool, response: &Response<Bytes>, next: u64) -> Vec<Action> {
        self.lost = 0;
        let fragment = std::str::from_utf8(response.body())
            .ok()
            .and_then(|text| Fragment::parse(text).ok());
        match fragment.map(|fragment| (fragment.credentials.clone(), fragment)) {
            Some((Some(credentials), fragment)) if response.status() == StatusCode::OK => {
                let etag = response
                    .headers()
                    .get(header::ETAG)
                    .and_then(|value| value.to_str().ok());
                self.etag = etag.map(EntityTag::received).or(self.etag.take());
                let mut actions = self.answered(&credentials, &fragment);
                actions.extend(self.flush(next));
                actions
            }
            _ if is_quoted && response.status().is_client_error() => self.restart(next, false),
            _ => vec![self.unrestartable(&refusal(response))],
        }
    }

    /// What the server said by fragment, as the answer that the element expects.
    fn answered(&mut self, credentials: &Credentials, fragment: &Fragment) -> Vec<Action> {
        self.answer = edit::with_credentials(&self.answer, credentials);
        let mut actions = vec![Action::Answer {
            id: self.id.clone(),
            sdp: self.answer.clone(),
        }];
        let candidates = fragment.media.iter().flat_map(|media| media.candidates.iter());
        // Every section has the transport of the first one.
        actions.extend(candidates.map(|c| Action::Candidate {
            id: self.id.clone(),
            m_line: 0,
            candidate: c.clone(),
        }));
        actions
    }

    fn lost(&mut self, now: Instant, what: What, error: &FetchError) -> Vec<Action> {
        self.lost += 1;
        let is_restart = matches!(what, What::Restart { .. });
        if self.lost > MAX_LOST {
            self.lost = 0;
            self.can_trickle &= is_restart;
            return match is_restart {
                true => vec![self.unrestartable(&error.to_string())],
                false => vec![Action::Warn(format!("candidates are not sent: {error}"))],
            };
        }
        self.wants_restart |= is_restart;
        self.retry_at = Some(now + RETRY_PAUSE * self.lost);
        vec![]
    }

    /// The element has restarted already, so this session cannot go on as it was: it is to be given up, and then replaced.
    fn unrestartable(&self, why: &str) -> Action {
        let reason = EndReason::new(
            SessionEndReason::IceFailed,
            format!("ice cannot be restarted: {why}"),
        );
        Action::EndSession {
            id: self.id.clone(),
            reason,
        }
    }

    fn patch(
        &mut self,
        serial: u64,
        what: What,
        if_match: Option<String>,
        fragment: &Fragment,
    ) -> Vec<Action> {
        self.open = Some(Patch { serial, what });
        vec![Action::Fetch(Box::new(Fetch {
            content_type: Some(SDP_FRAGMENT),
            if_match,
            body: fragment.to_string(),
            timeout: Some(PATCH_TIMEOUT),
            ..request(serial, Method::PATCH, self.session.clone())
        }))]
    }
}
