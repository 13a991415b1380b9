// SPDX-License-Identifier: MPL-2.0
//! One request at a time, redirects not followed: where a token may go is the caller's to decide.
//!
//! Owns time, size and trust of one exchange. Redirects, retries and credentials are `signallers/wish`'s, which knows
//! the protocol; what TLS trusts comes from `net/tls`. Runs on the runtime; dropping the future ends the exchange.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};

use super::MAX_BODY;
use crate::error::with_causes;

/// Why a request got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FetchError {
    /// Nobody listens there, or TLS failed.
    #[error("unable to connect: {0}")]
    Connect(String),
    /// The connection broke before there was a whole answer.
    #[error("connection lost: {0}")]
    Lost(String),
    /// No whole answer in time.
    #[error("Request timeout, elapsed {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// The answer is larger than anyone needs.
    #[error("answer of more than {MAX_BODY} bytes")]
    TooLarge,
}

/// A client with its own pool of connections.
#[derive(Clone, Debug)]
pub(crate) struct Client(reqwest::Client);

impl Client {
    /// A client that trusts whom `tls` trusts.
    ///
    /// # Errors
    /// When the system's proxy settings cannot be used.
    pub(crate) fn new(tls: rustls::ClientConfig) -> Result<Self, FetchError> {
        let builder = reqwest::Client::builder()
            .use_preconfigured_tls(tls)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("gst-plugin-webrtc/", env!("CARGO_PKG_VERSION")));
        builder
            .build()
            .map(Self)
            .map_err(|error| FetchError::Connect(causes(&error)))
    }

    /// Sends a request and reads its whole answer, within `timeout` if there is one.
    ///
    /// # Errors
    /// When there is no whole answer; an answer of whatever status is none.
    pub(crate) async fn fetch(
        &self,
        request: Request<Bytes>,
        timeout: Option<Duration>,
    ) -> Result<Response<Bytes>, FetchError> {
        let answer = self.exchange(request);
        match timeout {
            Some(limit) => tokio::time::timeout(limit, answer)
                .await
                .map_err(|_| FetchError::Timeout(limit))?,
            None => answer.await,
        }
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
        let request =
            reqwest::Request::try_from(request).map_err(|error| FetchError::Connect(causes(&error)))?;
        let mut answer = self.0.execute(request).await.map_err(failure)?;
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(failure)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

fn failure(error: reqwest::Error) -> FetchError {
    let text = causes(&error);
    if error.is_connect() {
        FetchError::Connect(text)
    } else {
        FetchError::Lost(text)
    }
}

/// The causes of an error, which is where reqwest says what happened. URLs are left out: they may hold secrets.
fn causes(error: &reqwest::Error) -> String {
    std::error::Error::source(error).map_or_else(|| "request failed".to_owned(), with_causes)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::runtime;

    /// Serves one connection with `answer`, then closes it.
    async fn serve(answer: Vec<u8>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        runtime::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            let _ = socket.read(&mut buffer).await;
            let _ = socket.write_all(&answer).await;
        })
        .detach();
        url
    }

    async fn fetch(url: &str) -> Result<Response<Bytes>, FetchError> {
        let tls = crate::net::tls::client_config(None, true).unwrap();
        let request = Request::get(url).body(Bytes::new()).unwrap();
        Client::new(tls)
            .unwrap()
            .fetch(request, Some(Duration::from_secs(30)))
            .await
    }

    #[test]
    fn redirects_are_handed_to_the_caller() {
        let answer =
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /b\r\nContent-Length: 2\r\n\r\nhi".to_vec();
        let response = runtime::block_on(async { fetch(&serve(answer).await).await }).unwrap();
        assert_eq!(
            (response.status().as_u16(), response.body().as_ref()),
            (307, b"hi".as_slice())
        );
    }

    #[test]
    fn failures_are_told_apart() {
        runtime::block_on(async {
            let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi".to_vec();
            assert!(matches!(fetch(&serve(cut).await).await, Err(FetchError::Lost(_))));
            assert!(matches!(
                fetch(&serve(vec![]).await).await,
                Err(FetchError::Lost(_))
            ));
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            drop(listener);
            assert!(matches!(fetch(&url).await, Err(FetchError::Connect(_))));
        });
    }

    #[test]
    fn a_huge_answer_is_refused() {
        let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        answer.resize(MAX_BODY + 1000, b'x');
        assert_eq!(
            runtime::block_on(async { fetch(&serve(answer).await).await }).unwrap_err(),
            FetchError::TooLarge
        );
    }
}
