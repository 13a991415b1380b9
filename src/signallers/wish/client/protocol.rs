// SPDX-License-Identifier: MPL-2.0
//! The words between a client's machine and the world: what it is told, what it asks for, and how a server's answers are
//! read (RFC 9725, section 4.2). Decides nothing. Pure; called from any thread.
//! Secrets are not among these words: which request may carry them is a `Target`'s, adding them `actor`'s.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, header};
use url::Url;

use super::super::{
    description::Description, edit::LocalCandidate, ice_server::IceServer, redirect::Target,
    resource::EntityTag, server::Kind,
};
use crate::{end_reason::EndReason, net::http::client::FetchError};

/// How much of a refusal's body is shown.
const MAX_SHOWN: usize = 300;

/// Media type of session descriptions.
pub(super) const SDP: &str = "application/sdp";

/// What does not change while the client runs.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    /// Which protocol to speak.
    pub(super) kind: Kind,
    /// Where offers go.
    pub(super) endpoint: Url,
    /// Whether to use the STUN and TURN servers that the server announces.
    pub(super) uses_links: bool,
    /// How long a POST with all its redirects may take.
    pub(super) timeout: Option<Duration>,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Input {
    /// The element starts.
    Start,
    /// The element's offer, or its answer to a counter-offer.
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
    /// Media can flow.
    Connected { id: String },
    /// The outcome of a request.
    Fetched {
        serial: u64,
        outcome: Result<Response<Bytes>, FetchError>,
    },
    /// The element ended the session, for a reason or on purpose.
    Ended { id: String, reason: EndReason },
    /// The element stops.
    Stop,
    /// A deadline passed.
    Tick,
}

/// A request to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fetch {
    /// By which its outcome is recognised.
    pub(super) serial: u64,
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) content_type: Option<&'static str>,
    pub(super) if_match: Option<String>,
    pub(super) body: String,
    pub(super) timeout: Option<Duration>,
}

/// What to do.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// Make a request and report its outcome.
    Fetch(Box<Fetch>),
    /// Drop a request whose outcome no longer matters.
    Cancel { serial: u64 },
    /// Give the next webrtcbin, and the one there is, these servers.
    UseServers(Vec<IceServer>),
    /// Have the element make a session and its offer.
    StartSession { id: String },
    /// Have the element make a session for the server's offer.
    CounterOffer { id: String, sdp: String },
    /// Hand the server's answer to the element.
    Answer { id: String, sdp: String },
    /// Hand a candidate of the server to the element.
    Candidate {
        id: String,
        m_line: u32,
        candidate: String,
    },
    /// Tell the element that the session is over.
    EndSession { id: String, reason: EndReason },
    /// Signalling failed for good.
    Error(String),
    /// Something went wrong that does not end anything.
    Warn(String),
}

/// A request without anything special about it.
pub(super) fn request(serial: u64, method: Method, target: Target) -> Fetch {
    Fetch {
        serial,
        method,
        target,
        content_type: None,
        if_match: None,
        body: String::new(),
        timeout: None,
    }
}

/// What a refusal says, fit for a message: status and the beginning of its body.
pub(super) fn refusal(response: &Response<Bytes>) -> String {
    let text = String::from_utf8_lossy(response.body());
    let shown: String = text
        .chars()
        .filter(|c| !c.is_control() || *c == ' ')
        .take(MAX_SHOWN)
        .collect();
    format!("Unexpected response: {} - {shown}", response.status())
}

/// The session an answer names, and the tag of its ICE session.
pub(super) fn session_of(
    target: &Target,
    response: &Response<Bytes>,
) -> Result<(Target, Option<EntityTag>), String> {
    let field = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let session = target
        .session(field(header::LOCATION))
        .map_err(|error| error.to_string())?;
    Ok((session, field(header::ETAG).map(EntityTag::received)))
}

/// A description from the server; as an answer it has to match the number of offered sections.
pub(super) fn read_description(body: &Bytes, offered: Option<usize>) -> Result<String, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not utf-8".to_owned())?;
    let description = Description::parse(text).map_err(|error| error.to_string())?;
    if let Some(offered) = offered {
        description
            .check_answer(offered)
            .map_err(|error| error.to_string())?;
    }
    Ok(text.to_owned())
}

/// Whether a body is a session description, whatever parameters its type carries.
pub(super) fn is_sdp(headers: &HeaderMap) -> bool {
    let field = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    field
        .split(';')
        .next()
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case(SDP))
}
