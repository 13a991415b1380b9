// SPDX-License-Identifier: MPL-2.0
//! Requests in, answers out: over sockets, or from an application that runs its own HTTP server and forwards requests
//! through action signals. Both go the same way, so both get the same answers.
//!
//! Owns the order: limits, then token and method, then the body, then the machine; a request that is refused early
//! costs no reading. Rules are `protocol`'s, sessions `machine`'s, sockets `net/http/server`'s. Runs on the runtime;
//! the lock of the limits is held for a look-up.

use std::{
    future::Future,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use http::{Request, StatusCode, request::Parts};
use http_body_util::Full;
use hyper::body::Incoming;

use super::super::resource::Names;
use super::actor::Inbox;
use super::limits::Limits;
use super::protocol::{Ask, Protocol};
use super::response::{self, Response};
use crate::net::http::{body, server::Service};

/// One server's way from requests to its machine.
#[derive(Debug)]
pub(crate) struct Front {
    protocol: Protocol,
    inbox: Inbox,
    limits: Mutex<Limits>,
}

impl Front {
    pub(crate) fn new(protocol: Protocol, inbox: Inbox) -> Self {
        Self {
            protocol,
            inbox,
            limits: Mutex::default(),
        }
    }

    /// Answers a request that an application forwards. It has checked whom it lets in, and guards the URLs it gives out.
    pub(crate) async fn forwarded(&self, request: Request<Bytes>) -> Response {
        let (parts, body) = request.into_parts();
        self.answer(&parts, async { Ok(body) }, Names::guarded).await
    }

    async fn answer(
        &self,
        parts: &Parts,
        body: impl Future<Output = Result<Bytes, StatusCode>> + Send,
        name: fn(Option<&str>) -> Names,
    ) -> Response {
        match self.question(parts, body).await {
            Ok(ask) => {
                let names = match &ask {
                    Ask::Post { chosen, .. } => name(chosen.as_deref()),
                    _ => name(None),
                };
                self.inbox.ask(ask, names).await
            }
            Err(response) => *response,
        }
    }

    /// Checks the head before the body is read.
    async fn question(
        &self,
        parts: &Parts,
        body: impl Future<Output = Result<Bytes, StatusCode>> + Send,
    ) -> Result<Ask, Box<Response>> {
        let wanted = self.protocol.head(parts)?;
        let body = if wanted.needs_body() {
            body.await.map_err(|status| Box::new(response::empty(status)))?
        } else {
            Bytes::new()
        };
        wanted.with_body(&body)
    }

    fn limits(&self) -> std::sync::MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts requests that were of no use, by which `limits` tells a flood from a crowd.
    fn note(&self, peer: IpAddr, status: StatusCode) {
        // A conflict, a precondition or an overload is no sign of ill will.
        let is_useless = status.is_client_error()
            && !matches!(
                status,
                StatusCode::NOT_ACCEPTABLE
                    | StatusCode::CONFLICT
                    | StatusCode::PRECONDITION_FAILED
                    | StatusCode::PRECONDITION_REQUIRED
            );
        if is_useless {
            self.limits().refused(Instant::now(), peer);
        }
    }
}

impl Service for Front {
    type Body = Full<Bytes>;

    async fn call(&self, peer: IpAddr, request: Request<Incoming>) -> http::Response<Self::Body> {
        let (parts, body) = request.into_parts();
        let wait = self.limits().wait(Instant::now(), peer);
        let mut response = match wait {
            Some(wait) => response::later(
                StatusCode::TOO_MANY_REQUESTS,
                "too many refused requests",
                wait.as_secs() + 1,
            ),
            None => {
                let body = body::read(Request::from_parts(parts.clone(), body));
                self.answer(&parts, body, Names::fresh).await
            }
        };
        self.note(peer, response.status());
        response::allow_cross_origin(&mut response, self.protocol.allowed(parts.uri.path()));
        response.map(Full::new)
    }
}
