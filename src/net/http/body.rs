// SPDX-License-Identifier: MPL-2.0
//! Reading the body of a request, within limits of size and time.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::MAX_BODY;

/// Time to send a body.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a whole body.
///
/// # Errors
/// The status to answer with when it is too large, too slow or broken.
pub(crate) async fn read(request: Request<Incoming>) -> Result<Bytes, StatusCode> {
    let announced = request.headers().get(http::header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let read = Limited::new(request.into_body(), MAX_BODY).collect();
    match tokio::time::timeout(TIMEOUT, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(_)) => Err(StatusCode::BAD_REQUEST),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, sync::Arc};

    use http::Response;
    use http_body_util::Full;

    use super::super::server::{Server, Service, tests::exchange};
    use super::*;
    use crate::runtime;

    /// Says what it was told.
    struct Echo;

    impl Service for Echo {
        type Body = Full<Bytes>;

        async fn call(&self, _: IpAddr, request: Request<Incoming>) -> Response<Self::Body> {
            let (status, body) = match read(request).await {
                Ok(body) => (StatusCode::OK, body),
                Err(status) => (status, Bytes::new()),
            };
            let mut response = Response::new(Full::new(body));
            *response.status_mut() = status;
            response
        }
    }

    #[test]
    fn bodies_are_read_up_to_their_limit() {
        let server =
            runtime::block_on(async { Server::start("127.0.0.1", 0, None, Arc::new(Echo)).await }).unwrap();
        let post = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
        let small = format!("{post}Content-Length: 5\r\n\r\nhello");
        assert!(exchange(&server, &small).ends_with("\r\n\r\nhello"));
        let large = format!("{post}Content-Length: 52428800\r\n\r\nhello");
        assert!(exchange(&server, &large).starts_with("HTTP/1.1 413"));
        let mut chunked = format!("{post}Transfer-Encoding: chunked\r\n\r\n");
        chunked += &format!("{:x}\r\n{}\r\n0\r\n\r\n", MAX_BODY + 1, "x".repeat(MAX_BODY + 1));
        assert!(exchange(&server, &chunked).starts_with("HTTP/1.1 413"));
    }
}
