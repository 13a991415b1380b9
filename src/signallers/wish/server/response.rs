// SPDX-License-Identifier: MPL-2.0
//! The answers a WHIP or WHEP server gives, each built in one place. Pure; called from any thread.
//!
//! Owns header fields and status codes, CORS included (Fetch standard); which answer is due is decided by `machine` and
//! `protocol`. What went wrong is said in plain text, for people.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::super::resource::EntityTag;

/// A whole answer.
pub(crate) type Response = http::Response<Bytes>;

/// Media type of session descriptions.
pub(crate) const SDP: &str = "application/sdp";
/// Media type of ICE fragments (RFC 8840, section 9).
pub(crate) const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Accepted media types of a PATCH.
pub(crate) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
/// Accepted media types of a POST.
pub(crate) const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// What a page of another origin may read from our answers.
const EXPOSED: &str = "Location, Link, ETag, Accept-Post, Accept-Patch, Retry-After, WWW-Authenticate";
/// What a page of another origin may send. `ETag` is not a request header, but a browser client sends it as one.
const ALLOWED_HEADERS: &str = "Authorization, Content-Type, If-Match, ETag";

/// An answer without body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// An answer that says in words what went wrong.
pub(crate) fn text(status: StatusCode, message: impl Into<String>) -> Response {
    let mut response = Response::new(Bytes::from(message.into()));
    *response.status_mut() = status;
    set(&mut response, header::CONTENT_TYPE, "text/plain; charset=utf-8");
    response
}

/// As [`text`], and when to try again.
pub(crate) fn later(status: StatusCode, message: &str, seconds: u64) -> Response {
    let mut response = text(status, message);
    set(&mut response, header::RETRY_AFTER, &seconds.to_string());
    response
}

/// The session exists: 201 for an answer, 406 for a counter-offer.
pub(crate) fn description(
    status: StatusCode,
    content_type: &str,
    sdp: String,
    location: &str,
    etag: &EntityTag,
) -> Response {
    let mut response = Response::new(Bytes::from(sdp));
    *response.status_mut() = status;
    set(&mut response, header::CONTENT_TYPE, content_type);
    set(&mut response, header::LOCATION, location);
    set(&mut response, header::ETAG, etag.as_str());
    set(&mut response, ACCEPT_PATCH, SDP_FRAGMENT);
    response
}

/// An ICE restart was served (RFC 9725, section 4.3.3).
pub(crate) fn restarted(fragment: String, etag: &EntityTag) -> Response {
    let mut response = Response::new(Bytes::from(fragment));
    set(&mut response, header::CONTENT_TYPE, SDP_FRAGMENT);
    set(&mut response, header::ETAG, etag.as_str());
    response
}

/// No token, or the wrong one (RFC 6750, section 3).
pub(crate) fn unauthorized() -> Response {
    let mut response = text(StatusCode::UNAUTHORIZED, "a valid bearer token is required");
    set(&mut response, header::WWW_AUTHENTICATE, "Bearer");
    response
}

/// The path does not take this method.
pub(crate) fn method_not_allowed(allow: &str) -> Response {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    set(&mut response, header::ALLOW, allow);
    response
}

/// Adds one link per server.
pub(crate) fn add_links(response: &mut Response, links: &[HeaderValue]) {
    for link in links {
        response.headers_mut().append(header::LINK, link.clone());
    }
}

/// Lets pages of any origin read the answer: the token, not the origin, decides who may use the server.
pub(crate) fn allow_cross_origin(response: &mut Response, allow: &str) {
    set(response, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(response, header::ACCESS_CONTROL_ALLOW_METHODS, allow);
    set(response, header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
    set(response, header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

/// Whether a request is the question a browser asks before a cross-origin request.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Sets a field; a value that cannot stand in a header is left out rather than sent broken.
pub(crate) fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_carries_all_its_headers() {
        let response = description(
            StatusCode::CREATED,
            SDP,
            "v=0".into(),
            "/whip/resource/x",
            &EntityTag::received("\"t\""),
        );
        let headers = response.headers();
        assert_eq!(headers[header::LOCATION], "/whip/resource/x");
        assert_eq!(headers[header::ETAG], "\"t\"");
        assert_eq!(headers[header::CONTENT_TYPE], SDP);
        assert_eq!(headers["accept-patch"], SDP_FRAGMENT);
    }

    #[test]
    fn a_value_that_would_break_the_header_is_left_out() {
        let mut response = empty(StatusCode::OK);
        set(&mut response, header::LOCATION, "/a\r\nSet-Cookie: x");
        assert!(response.headers().is_empty());
    }

    #[test]
    fn a_preflight_is_more_than_options() {
        let mut headers = HeaderMap::new();
        assert!(!is_preflight(&Method::OPTIONS, &headers));
        headers.insert(header::ORIGIN, HeaderValue::from_static("https://a"));
        assert!(!is_preflight(&Method::OPTIONS, &headers));
        headers.insert(
            header::ACCESS_CONTROL_REQUEST_METHOD,
            HeaderValue::from_static("POST"),
        );
        assert!(is_preflight(&Method::OPTIONS, &headers));
        assert!(!is_preflight(&Method::POST, &headers));
    }

    #[test]
    fn every_link_keeps_a_field_of_its_own() {
        let mut response = empty(StatusCode::OK);
        add_links(
            &mut response,
            &[
                HeaderValue::from_static("<stun:a>"),
                HeaderValue::from_static("<stun:b>"),
            ],
        );
        assert_eq!(response.headers().get_all(header::LINK).iter().count(), 2);
    }
}
