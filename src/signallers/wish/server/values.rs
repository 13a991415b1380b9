// SPDX-License-Identifier: MPL-2.0
//! The words between a server's machine and the world: what it is told and what it asks for. Pure; called from any thread.
//!
//! Owns no behaviour. Names are drawn and media is asked for outside, so that the machine stays deterministic.

use std::time::Duration;

use http::HeaderValue;

use super::super::{
    edit::LocalCandidate,
    resource::{EntityTag, Names},
    sdpfrag::{Credentials, Fragment},
};
use super::protocol::{Ask, Kind};
use super::response::Response;
use crate::end_reason::EndReason;

/// Which of the open requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ReplyId(pub(super) u64);

/// What does not change while the server runs.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) kind: Kind,
    /// Sessions at a time.
    pub(super) capacity: usize,
    /// How long the element may take for its description.
    pub(super) timeout: Option<Duration>,
    /// STUN and TURN servers told with every new session.
    pub(super) links: Vec<HeaderValue>,
}

/// What happened.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time, and most are requests")]
pub(super) enum Input {
    /// A request, with names should it make a session, and whether there is anything to play.
    Request {
        reply: ReplyId,
        ask: Ask,
        names: Names,
        has_media: bool,
    },
    /// Who made a request is gone and will not read the answer.
    Abandoned { reply: ReplyId },
    /// The element's offer or answer.
    LocalDescription { id: String, sdp: String },
    /// A candidate of the element; an empty one is the last.
    LocalCandidate {
        id: String,
        m_line: u32,
        candidate: String,
    },
    /// Gathering has ended with these candidates, some of which the element may have said already.
    Gathered {
        id: String,
        candidates: Vec<LocalCandidate>,
    },
    /// The element ended the session.
    Ended { id: String, reason: EndReason },
    /// A deadline passed.
    Tick,
}

/// What to do.
#[derive(Debug)]
pub(super) enum Action {
    /// Answer a request.
    Reply { reply: ReplyId, response: Box<Response> },
    /// Ask the element for a session; without offer it makes one.
    Start { id: String, offer: Option<String> },
    /// Hand the client's answer to the element.
    Answer { id: String, sdp: String },
    /// Hand a candidate of the client to the element.
    Candidate {
        id: String,
        m_line: u32,
        mid: Option<String>,
        candidate: String,
    },
    /// Restart ICE and call [`Machine::restarted`](super::machine::Machine::restarted) with the outcome.
    Restart {
        reply: ReplyId,
        resource: String,
        id: String,
        etag: EntityTag,
        fragment: Fragment,
        remote: Credentials,
    },
    /// Tell the element that the client ended the session.
    End { id: String },
    /// Something the protocol has no room for, to be logged.
    Ignored { id: String, what: &'static str },
}

/// Answers a request.
pub(super) fn answer(reply: ReplyId, response: Response) -> Action {
    Action::Reply {
        reply,
        response: Box::new(response),
    }
}

/// Hands the client's candidates over, each to its section.
pub(super) fn candidates(id: &str, placed: Vec<(u32, Option<String>, String)>) -> Vec<Action> {
    let action = |(m_line, mid, candidate)| Action::Candidate {
        id: id.to_owned(),
        m_line,
        mid,
        candidate,
    };
    placed.into_iter().map(action).collect()
}
