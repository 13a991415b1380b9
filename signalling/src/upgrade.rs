// SPDX-License-Identifier: MPL-2.0
//! The HTTP request a connection begins with (RFC 9112), and what it leads to: a websocket (RFC 6455, section
//! 4.2), the health or metrics page, or a refusal.
//!
//! Reads the head of the request and nothing more; the caller sets the time limit. No request is ever logged,
//! because its query and headers may carry credentials.

use async_tungstenite::tungstenite::{
    Error,
    error::ProtocolError,
    handshake::{
        machine::TryParse,
        server::{Request, Response, create_response, write_response},
    },
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{AuthToken, ServerError};

/// Who is let in, and with which headers.
#[derive(Debug)]
pub(crate) struct Access {
    token: Option<AuthToken>,
    /// Empty for any.
    allowed_origins: Vec<String>,
    response_headers: HeaderMap,
}

/// Where a request leads.
#[derive(Debug)]
pub(crate) enum Route {
    /// Upgrade with this response.
    Websocket(Response),
    /// Say that the server is well.
    Health,
    /// Show the metrics.
    Metrics,
    /// Anything else.
    Refused(Reply),
}

/// A response that ends the connection.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    content_type: &'static str,
    /// A header that tells how to do better.
    hint: Option<(HeaderName, &'static str)>,
    body: String,
}

/// Why there is no request. An end before the request is complete is ordinary: port scanners and load balancers
/// do it all day.
#[derive(Debug)]
pub(crate) enum NoRequest {
    /// The connection ended or broke.
    Gone,
    /// What came is no request we take.
    Bad(Reply),
}

impl Access {
    pub(crate) fn new(
        token: Option<AuthToken>,
        allowed_origins: Vec<String>,
        headers: &[(String, String)],
    ) -> Result<Self, ServerError> {
        let mut response_headers = HeaderMap::new();
        for (name, value) in headers {
            let invalid = || ServerError::Header { name: name.clone() };
            let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
            let is_ours = OUR_HEADERS.contains(&parsed);
            // The library writes text values only.
            let value = HeaderValue::from_str(value)
                .ok()
                .filter(|value| !is_ours && value.to_str().is_ok());
            response_headers.append(parsed, value.ok_or_else(invalid)?);
        }
        Ok(Self {
            token,
            allowed_origins,
            response_headers,
        })
    }

    /// Decides about a request.
    pub(crate) fn route(&self, request: &Request) -> Route {
        let is_admitted = self.token.as_ref().is_none_or(|token| token.admits(request));
        let unauthorized = || Route::Refused(Reply::unauthorized());
        let upgrade = request.headers().get(header::UPGRADE);
        if upgrade.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket")) {
            return match (self.allows_origin(request), is_admitted) {
                (false, _) => {
                    Route::Refused(Reply::text(StatusCode::FORBIDDEN, "this origin is not allowed"))
                }
                (true, false) => unauthorized(),
                (true, true) => self.upgrade(request),
            };
        }
        match request.uri().path() {
            "/health" => Route::Health,
            "/metrics" if !is_admitted => unauthorized(),
            "/metrics" => Route::Metrics,
            _ => Route::Refused(Reply {
                hint: Some((header::UPGRADE, "websocket")),
                ..Reply::text(StatusCode::UPGRADE_REQUIRED, "this is a websocket server")
            }),
        }
    }

    /// Whether the page that connects, if it is one, may. Browsers let any page connect to any websocket, also to
    /// one in the user's own network, and say which page it is (RFC 6455, section 10.2).
    fn allows_origin(&self, request: &Request) -> bool {
        let Some(origin) = request.headers().get(header::ORIGIN) else {
            return true;
        };
        let is_allowed = |allowed: &String| origin.as_bytes().eq_ignore_ascii_case(allowed.as_bytes());
        self.allowed_origins.is_empty() || self.allowed_origins.iter().any(is_allowed)
    }

    /// Websockets are accepted at any path, as clients have always used `/` and others at will.
    fn upgrade(&self, request: &Request) -> Route {
        match create_response(request) {
            Ok(mut response) => {
                for (name, value) in &self.response_headers {
                    response.headers_mut().append(name, value.clone());
                }
                Route::Websocket(response)
            }
            Err(Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader)) => Route::Refused(Reply {
                hint: Some((header::SEC_WEBSOCKET_VERSION, "13")),
                ..Reply::text(StatusCode::UPGRADE_REQUIRED, "websocket version 13 is needed")
            }),
            Err(error) => Route::Refused(Reply::text(StatusCode::BAD_REQUEST, error.to_string())),
        }
    }
}

impl Reply {
    pub(crate) fn text(status: StatusCode, body: impl Into<String>) -> Self {
        let body = format!("{}\n", body.into());
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            hint: None,
            body,
        }
    }

    /// A page for Prometheus.
    pub(crate) fn metrics(body: String) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: "text/plain; version=0.0.4",
            hint: None,
            body,
        }
    }

    /// Whether a token was missing.
    pub(crate) fn is_unauthorized(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    fn unauthorized() -> Self {
        let hint = Some((header::WWW_AUTHENTICATE, "Bearer"));
        Self {
            hint,
            ..Self::text(StatusCode::UNAUTHORIZED, "a token is needed")
        }
    }

    /// Sends the reply and ends the connection.
    pub(crate) async fn send<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> std::io::Result<()> {
        let hint = self
            .hint
            .as_ref()
            .map_or(String::new(), |(name, value)| format!("{name}: {value}\r\n"));
        let head = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n{hint}Connection: close\r\n\r\n",
            self.status,
            self.content_type,
            self.body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(self.body.as_bytes()).await?;
        stream.shutdown().await?;
        // Data left unread would turn the end into a reset, which can overtake the reply.
        let mut scrap = [0; 1024];
        while stream.read(&mut scrap).await? > 0 {}
        Ok(())
    }
}

/// Reads the head of a request. Returns it with what was read beyond it.
pub(crate) async fn read_request<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> Result<(Request, Vec<u8>), NoRequest> {
    let mut head = Vec::new();
    loop {
        let mut part = [0; 1024];
        let length = stream.read(&mut part).await.map_err(|_| NoRequest::Gone)?;
        if length == 0 {
            return Err(NoRequest::Gone);
        }
        let seen = head.len().saturating_sub(END_OF_HEAD.len() - 1);
        head.extend_from_slice(&part[..length]);
        // Parsing again with every byte that trickles in would be quadratic.
        let is_complete = head[seen..]
            .windows(END_OF_HEAD.len())
            .any(|window| window == END_OF_HEAD);
        if is_complete || !looks_like_http(&head) {
            return parse(head);
        }
        if head.len() > MAX_HEAD {
            let text = "the header fields are too large";
            return Err(NoRequest::Bad(Reply::text(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                text,
            )));
        }
    }
}

/// Makes a request of a complete head, or the reply to what is none.
fn parse(head: Vec<u8>) -> Result<(Request, Vec<u8>), NoRequest> {
    match Request::try_parse(&head) {
        Ok(Some((length, request))) => Ok((request, head[length..].to_vec())),
        Err(Error::Protocol(ProtocolError::WrongHttpMethod)) => {
            let reply = Reply::text(StatusCode::METHOD_NOT_ALLOWED, "only GET is allowed");
            Err(NoRequest::Bad(Reply {
                hint: Some((header::ALLOW, "GET")),
                ..reply
            }))
        }
        Ok(None) => Err(NoRequest::Bad(Reply::text(
            StatusCode::BAD_REQUEST,
            "this is no request",
        ))),
        Err(error) => Err(NoRequest::Bad(Reply::text(
            StatusCode::BAD_REQUEST,
            error.to_string(),
        ))),
    }
}

/// Whether the beginning can be that of a request, so that a TLS greeting to a plain port is answered at once.
fn looks_like_http(head: &[u8]) -> bool {
    head.first().is_some_and(u8::is_ascii_alphabetic)
}

/// The response that completes an upgrade, as it goes on the wire.
pub(crate) fn upgrade_bytes(response: &Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_response(&mut bytes, response)
        .expect("headers were checked to be text, and vectors take all writes");
    bytes
}

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// As much as common servers take (nginx large_client_header_buffers, Apache LimitRequestFieldSize: 8 KiB a field).
const MAX_HEAD: usize = 16 * 1024;

/// What makes the upgrade; nobody else may set it.
const OUR_HEADERS: [HeaderName; 5] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_ACCEPT,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
];

#[cfg(test)]
mod tests {
    use super::*;

    const HANDSHAKE: &str = "Host: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    fn access(token: Option<&str>) -> Access {
        Access::new(
            token.map(AuthToken::new),
            Vec::new(),
            &[("X-Served-By".into(), "us".into())],
        )
        .unwrap()
    }

    fn request(target: &str, headers: &str) -> Request {
        let head = format!("GET {target} HTTP/1.1\r\n{headers}\r\n");
        Request::try_parse(head.as_bytes()).unwrap().unwrap().1
    }

    /// The status a request leads to.
    fn status(access: &Access, target: &str, headers: &str) -> u16 {
        match access.route(&request(target, headers)) {
            Route::Websocket(response) => response.status().as_u16(),
            Route::Health | Route::Metrics => 200,
            Route::Refused(reply) => reply.status.as_u16(),
        }
    }

    #[test]
    fn requests_lead_where_they_should() {
        let authorized = format!("{HANDSHAKE}Authorization: Bearer t\r\n");
        let old = HANDSHAKE.replace("13", "8");
        let keyless = HANDSHAKE.replace("Sec-WebSocket-Key", "X-Key");
        let h2c = "Host: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n";
        for (token, target, headers, expected) in [
            (None, "/", HANDSHAKE, 101),
            (None, "/any/path?with=query", HANDSHAKE, 101),
            (None, "/health", HANDSHAKE, 101),
            (None, "/", &old, 426),
            (None, "/", &keyless, 400),
            (None, "/", h2c, 426),
            (None, "/health", h2c, 200),
            (None, "/", "Host: x\r\n", 426),
            (None, "/health", "Host: x\r\n", 200),
            (None, "/metrics", "Host: x\r\n", 200),
            (Some("t"), "/", HANDSHAKE, 401),
            (Some("t"), "/", &authorized, 101),
            (Some("t"), "/?token=t", HANDSHAKE, 101),
            (Some("t"), "/?token=T", HANDSHAKE, 401),
            (Some("t"), "/health", "Host: x\r\n", 200),
            (Some("t"), "/metrics", "Host: x\r\n", 401),
            (
                Some("t"),
                "/metrics",
                "Host: x\r\nAuthorization: Bearer t\r\n",
                200,
            ),
        ] {
            assert_eq!(
                status(&access(token), target, headers),
                expected,
                "{token:?} {target} {headers}"
            );
        }
    }

    #[test]
    fn an_upgrade_carries_the_accept_key_and_the_configured_headers() {
        let Route::Websocket(response) = access(None).route(&request("/", HANDSHAKE)) else {
            panic!()
        };
        let text = String::from_utf8(upgrade_bytes(&response))
            .unwrap()
            .to_lowercase();
        assert!(text.starts_with("http/1.1 101 "), "{text}");
        // The example of RFC 6455, section 1.3.
        assert!(
            text.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"),
            "{text}"
        );
        assert!(text.contains("x-served-by: us\r\n"), "{text}");
    }

    #[test]
    fn pages_of_other_origins_are_refused_where_origins_are_named() {
        let origins = vec![
            "https://example.org".to_owned(),
            "http://localhost:8080".to_owned(),
        ];
        let named = Access::new(None, origins, &[]).unwrap();
        for (origin, expected) in [
            (None, 101),
            (Some("https://example.org"), 101),
            (Some("HTTPS://Example.org"), 101),
            (Some("http://localhost:8080"), 101),
            (Some("http://example.org"), 403),
            (Some("https://example.org.evil.test"), 403),
            (Some("null"), 403),
        ] {
            let origin = origin.map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
            assert_eq!(
                status(&named, "/", &format!("{HANDSHAKE}{origin}")),
                expected,
                "{origin}"
            );
            assert_eq!(
                status(&access(None), "/", &format!("{HANDSHAKE}{origin}")),
                101,
                "{origin}"
            );
        }
    }

    #[test]
    fn headers_that_would_break_the_response_are_refused() {
        for (name, value) in [
            ("bad name", "v"),
            ("", "v"),
            ("X-Split", "a\r\nSet-Cookie: b"),
            ("X-Binary", "\u{7f}"),
            ("Connection", "close"),
            ("sec-websocket-accept", "forged"),
        ] {
            let refused = Access::new(None, Vec::new(), &[(name.into(), value.into())]);
            assert!(
                matches!(refused, Err(ServerError::Header { .. })),
                "{name:?}: {value:?}"
            );
        }
    }

    async fn read(bytes: &[u8]) -> Result<(Request, Vec<u8>), NoRequest> {
        read_request(&mut &*bytes).await
    }

    fn refusal(result: Result<(Request, Vec<u8>), NoRequest>) -> Option<u16> {
        match result {
            Err(NoRequest::Bad(reply)) => Some(reply.status.as_u16()),
            Err(NoRequest::Gone) => None,
            Ok((request, _)) => panic!("accepted {request:?}"),
        }
    }

    #[tokio::test]
    async fn what_is_read_beyond_the_request_is_kept() {
        let bytes = format!("GET / HTTP/1.1\r\n{HANDSHAKE}\r\n\u{1}frame");
        let (_, rest) = read(bytes.as_bytes()).await.unwrap();
        assert_eq!(rest, b"\x01frame");
    }

    #[tokio::test]
    async fn a_request_may_come_in_pieces() {
        let (mut client, mut server) = tokio::io::duplex(64);
        let bytes = format!("GET /x HTTP/1.1\r\n{HANDSHAKE}\r\n");
        let send = async {
            for byte in bytes.as_bytes() {
                client.write_all(&[*byte]).await.unwrap();
            }
        };
        let (request, ()) = tokio::join!(read_request(&mut server), send);
        assert_eq!(request.unwrap().0.uri().path(), "/x");
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused() {
        let large = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(2 * MAX_HEAD));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(200));
        for (bytes, expected) in [
            (&b"POST / HTTP/1.1\r\nHost: x\r\n\r\n"[..], Some(405)),
            (b"GET / HTTP/1.0\r\n\r\n", Some(400)),
            (b"GET\r\n\r\n", Some(400)),
            (b"\x16\x03\x01\x02\x00\x01", Some(400)),
            (large.as_bytes(), Some(431)),
            (many.as_bytes(), Some(400)),
            (b"GET / HT", None),
            (b"", None),
        ] {
            assert_eq!(
                refusal(read(bytes).await),
                expected,
                "{:?}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(40)])
            );
        }
    }
}
