// SPDX-License-Identifier: MPL-2.0
//! What a request asks for: routes, methods, token, media types (RFC 9725, sections 4.1 to 4.7; WHEP draft, section 4).
//!
//! A request is judged twice: [`Protocol::head`] decides on its head alone, so that nobody makes the server read a body it
//! will not use, and [`Wanted::with_body`] turns the body into a question for the machine. Everything that depends on the
//! state of a session is left to [`super::machine`]. Pure; called from the server's tasks.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};

use super::super::description::{Description, DescriptionError, Flow};
use super::super::resource::is_valid_id;
use super::super::sdpfrag::Fragment;
use super::response::{self, ACCEPT_POST, Response, SDP, SDP_FRAGMENT};

/// What both protocols share and where they part.
#[derive(Clone, Debug)]
pub(crate) struct Protocol {
    /// Which one it is.
    pub(crate) kind: Kind,
    /// The bearer token that every request must carry, if any.
    pub(crate) token: Option<String>,
    /// Announced STUN and TURN servers.
    pub(crate) links: Vec<HeaderValue>,
    /// WHEP only: answer every offer with an offer of our own.
    pub(crate) makes_counter_offers: bool,
}

/// The two protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Clients publish.
    Whip,
    /// Clients play.
    Whep,
}

impl Kind {
    /// First segment of every path.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Whip => "whip",
            Self::Whep => "whep",
        }
    }

    fn flow(self) -> Flow {
        match self {
            Self::Whip => Flow::Publish,
            Self::Whep => Flow::Play,
        }
    }
}

/// A question that only the machine can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A client wants a session, under an id of its own choice or not. No offer: it is to get a counter-offer.
    Post {
        chosen: Option<String>,
        offer: Option<Offer>,
    },
    /// A client sends something about its session.
    Patch {
        resource: String,
        if_match: Option<String>,
        body: PatchBody,
    },
    /// A client ends its session.
    Delete { resource: String },
    /// A client asks whether its session exists.
    Look { resource: String },
}

/// A description that passed the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) text: String,
    pub(crate) parsed: Description,
}

/// What a PATCH carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PatchBody {
    /// Candidates, or the credentials of a restarted ICE session.
    Fragment(Fragment),
    /// The answer to a counter-offer.
    Answer(Offer),
}

/// A request whose head is in order.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    kind: Kind,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Post {
        chosen: Option<String>,
        is_read: bool,
    },
    Patch {
        resource: String,
        if_match: Option<String>,
        is_fragment: bool,
    },
    Delete {
        resource: String,
    },
    Look {
        resource: String,
    },
}

enum Path<'a> {
    Endpoint(Option<&'a str>),
    Resource(&'a str),
}

impl Path<'_> {
    fn allowed(&self) -> &'static str {
        match self {
            Self::Endpoint(_) => "POST, GET, HEAD, OPTIONS",
            Self::Resource(_) => "PATCH, DELETE, GET, HEAD, OPTIONS",
        }
    }
}

impl Protocol {
    /// Judges a request by its head.
    ///
    /// # Errors
    /// The answer, when that settles it: a refusal, or one of the questions that need no session.
    pub(crate) fn head(&self, parts: &Parts) -> Result<Wanted, Box<Response>> {
        let Some(path) = self.path(parts.uri.path()) else {
            return Err(Box::new(response::empty(StatusCode::NOT_FOUND)));
        };
        if response::is_preflight(&parts.method, &parts.headers) {
            return Err(Box::new(self.options(&path, false)));
        }
        let is_authorized = self.is_authorized(&parts.headers);
        if parts.method == Method::OPTIONS {
            return Err(Box::new(self.options(&path, is_authorized)));
        }
        if !is_authorized {
            return Err(Box::new(response::unauthorized()));
        }
        let what = match path {
            Path::Endpoint(chosen) => self.endpoint(parts, chosen)?,
            Path::Resource(resource) => self.resource(parts, resource)?,
        };
        Ok(Wanted {
            kind: self.kind,
            what,
        })
    }

    /// The methods a path takes, for the fields that every answer carries.
    pub(crate) fn allowed(&self, path: &str) -> &'static str {
        self.path(path).map_or("OPTIONS", |path| path.allowed())
    }

    /// Two routes and nothing else; a trailing slash of the endpoint is tolerated, as URLs are typed by people.
    fn path<'a>(&self, path: &'a str) -> Option<Path<'a>> {
        let rest = path
            .strip_prefix('/')?
            .strip_prefix(self.kind.name())?
            .strip_prefix('/')?;
        match rest.split_once('/') {
            None if rest == "endpoint" => Some(Path::Endpoint(None)),
            Some(("endpoint", "")) => Some(Path::Endpoint(None)),
            Some(("endpoint", id)) if is_valid_id(id) => Some(Path::Endpoint(Some(id))),
            Some(("resource", id)) if !id.is_empty() && !id.contains('/') => Some(Path::Resource(id)),
            _ => None,
        }
    }

    /// With counter-offers the body of a POST is of no use and stays unread.
    fn endpoint(&self, parts: &Parts, chosen: Option<&str>) -> Result<What, Box<Response>> {
        match parts.method {
            Method::POST => {
                let is_read = !self.makes_counter_offers;
                if is_read && essence(&parts.headers).as_deref() != Some(SDP) {
                    return Err(Box::new(unsupported_media(ACCEPT_POST, SDP)));
                }
                Ok(What::Post {
                    chosen: chosen.map(str::to_owned),
                    is_read,
                })
            }
            Method::GET | Method::HEAD => Err(Box::new(self.probe())),
            _ => Err(Box::new(response::method_not_allowed(
                Path::Endpoint(chosen).allowed(),
            ))),
        }
    }

    fn resource(&self, parts: &Parts, resource: &str) -> Result<What, Box<Response>> {
        let resource = resource.to_owned();
        match parts.method {
            Method::PATCH => {
                let is_fragment = match essence(&parts.headers).as_deref() {
                    Some(SDP_FRAGMENT) => true,
                    Some(SDP) if self.makes_counter_offers => false,
                    _ => {
                        return Err(Box::new(unsupported_media(
                            response::ACCEPT_PATCH,
                            self.accept_patch(),
                        )));
                    }
                };
                Ok(What::Patch {
                    resource,
                    if_match: if_match(&parts.headers),
                    is_fragment,
                })
            }
            Method::DELETE => Ok(What::Delete { resource }),
            Method::GET | Method::HEAD => Ok(What::Look { resource }),
            _ => Err(Box::new(response::method_not_allowed(
                Path::Resource(&resource).allowed(),
            ))),
        }
    }

    /// Nothing to fetch, and that is a success (RFC 9725, section 4.1); a WHEP endpoint shows that it is one.
    fn probe(&self) -> Response {
        match self.kind {
            Kind::Whip => response::empty(StatusCode::NO_CONTENT),
            Kind::Whep => {
                let mut response = response::empty(StatusCode::OK);
                response::set(&mut response, header::CONTENT_TYPE, SDP);
                response
            }
        }
    }

    /// TURN credentials are for those who may use them, and a preflight need not carry them (RFC 9725, section 4.6).
    fn options(&self, path: &Path<'_>, with_links: bool) -> Response {
        let mut response = response::empty(StatusCode::OK);
        response::set(&mut response, header::ALLOW, path.allowed());
        match path {
            Path::Endpoint(_) => response::set(&mut response, ACCEPT_POST, SDP),
            Path::Resource(_) => response::set(&mut response, response::ACCEPT_PATCH, self.accept_patch()),
        }
        if with_links {
            response::add_links(&mut response, &self.links);
        }
        response
    }

    /// The types a session takes (RFC 5789, section 3.1); the second one is for answers to counter-offers.
    fn accept_patch(&self) -> &'static str {
        if self.makes_counter_offers {
            "application/trickle-ice-sdpfrag, application/sdp"
        } else {
            SDP_FRAGMENT
        }
    }

    /// The scheme is written in any case (RFC 9110, section 11.1), the token is not.
    fn is_authorized(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        let field = headers
            .get(header::AUTHORIZATION)
            .map(HeaderValue::as_bytes)
            .unwrap_or_default();
        let Some((scheme, given)) = field.split_at_checked("Bearer ".len()) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"Bearer ") && is_same_secret(given.trim_ascii(), token.as_bytes())
    }
}

impl Wanted {
    /// Whether there is a body to read.
    pub(crate) fn needs_body(&self) -> bool {
        matches!(self.what, What::Post { is_read: true, .. } | What::Patch { .. })
    }

    /// Turns the body into a question.
    ///
    /// # Errors
    /// The answer, when the body is not what was announced.
    pub(crate) fn with_body(self, body: &Bytes) -> Result<Ask, Box<Response>> {
        match self.what {
            What::Post { chosen, is_read } => {
                let offer = if is_read {
                    Some(offer(body, self.kind.flow())?)
                } else {
                    None
                };
                Ok(Ask::Post { chosen, offer })
            }
            What::Patch {
                resource,
                if_match,
                is_fragment,
            } => {
                let body = if is_fragment {
                    PatchBody::Fragment(fragment(body)?)
                } else {
                    PatchBody::Answer(answer(body)?)
                };
                Ok(Ask::Patch {
                    resource,
                    if_match,
                    body,
                })
            }
            What::Delete { resource } => Ok(Ask::Delete { resource }),
            What::Look { resource } => Ok(Ask::Look { resource }),
        }
    }
}

/// Reads and checks an offer that came without HTTP around it.
///
/// # Errors
/// The answer to whoever sent it.
pub(crate) fn offer(body: &Bytes, flow: Flow) -> Result<Offer, Box<Response>> {
    let offer = answer(body)?;
    offer.parsed.check_offer(flow).map_err(refused)?;
    Ok(offer)
}

/// Reads a description without judging it as an offer.
///
/// # Errors
/// The answer to whoever sent it.
pub(crate) fn answer(body: &Bytes) -> Result<Offer, Box<Response>> {
    let text = utf8(body)?;
    let parsed = Description::parse(text).map_err(refused)?;
    Ok(Offer {
        text: text.to_owned(),
        parsed,
    })
}

/// Reads an ICE fragment.
///
/// # Errors
/// The answer to whoever sent it.
pub(crate) fn fragment(body: &Bytes) -> Result<Fragment, Box<Response>> {
    let bad = |error| {
        Box::new(response::text(
            StatusCode::BAD_REQUEST,
            format!("malformed fragment: {error}"),
        ))
    };
    Fragment::parse(utf8(body)?).map_err(bad)
}

fn utf8(body: &Bytes) -> Result<&str, Box<Response>> {
    std::str::from_utf8(body)
        .map_err(|_| Box::new(response::text(StatusCode::BAD_REQUEST, "the body is not utf-8")))
}

/// The status a description is refused with (RFC 9725, section 4.4.1: 422 or 400).
pub(crate) fn refused(error: DescriptionError) -> Box<Response> {
    let status = match error {
        DescriptionError::Unsupported(_) => StatusCode::UNPROCESSABLE_ENTITY,
        DescriptionError::Malformed(_) => StatusCode::BAD_REQUEST,
    };
    Box::new(response::text(status, error.to_string()))
}

fn unsupported_media(name: http::HeaderName, accepted: &str) -> Response {
    let message = format!("expected a body of type {accepted}");
    let mut response = response::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    response::set(&mut response, name, accepted);
    response
}

/// The media type without its parameters, in lower case (RFC 9110, section 8.3.1).
fn essence(headers: &HeaderMap) -> Option<String> {
    let field = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(
        field
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase(),
    )
}

/// The precondition. A browser client in wide use sends its tag in a field named `ETag` instead.
fn if_match(headers: &HeaderMap) -> Option<String> {
    let field = headers
        .get(header::IF_MATCH)
        .or_else(|| headers.get(header::ETAG))?;
    Some(String::from_utf8_lossy(field.as_bytes()).into_owned())
}

/// Compares without telling by the time it takes how much of a guess was right.
fn is_same_secret(given: &[u8], expected: &[u8]) -> bool {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(given) == Sha256::digest(expected)
}

#[cfg(test)]
mod tests;
