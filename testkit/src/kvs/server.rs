// SPDX-License-Identifier: MPL-2.0
//! HTTP/1.1 behind TLS: the control plane's calls, and the upgrade to a websocket. One thread.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::SystemTime;

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request as HttpRequest, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::control::{self, Answer};
use super::routing::Role;
use super::signature::{Refused, Request};
use super::switches::Call;
use super::{Shared, websocket};

/// A listener on a free port, and the port.
pub(super) async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("there are free ports");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, port)
}

/// Serves until dropped.
pub(super) async fn serve(listener: TcpListener, port: u16, tls: Arc<ServerConfig>, shared: Arc<Shared>) {
    let acceptor = TlsAcceptor::from(tls);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(connection(stream, port, acceptor.clone(), shared.clone()));
    }
}

async fn connection(stream: TcpStream, port: u16, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    // A client that does not trust the certificate is a test of its own.
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(answer(request, port, shared).await) }
    });
    // Clients that leave in the middle of a request are their own business.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

async fn answer(request: HttpRequest<Incoming>, port: u16, shared: Arc<Shared>) -> Response<Full<Bytes>> {
    if request.headers().contains_key(header::UPGRADE) {
        return upgrade(request, shared).await;
    }
    let Some(call) = control::call(request.uri().path()) else {
        return plain(&Answer::error(
            404,
            "UnknownOperationException",
            "no such operation",
        ));
    };
    let (switches, refusal) = shared.call(call);
    tokio::time::sleep(switches.delay).await;
    if let Some(refusal) = refusal {
        return plain(&Answer::error(
            refusal.status,
            refusal.kind,
            "as the test wants it",
        ));
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await.map(|body| body.to_bytes()) else {
        return plain(&Answer::error(
            400,
            "InvalidArgumentException",
            "the body is incomplete",
        ));
    };
    let headers = headers(&parts.headers);
    let signed = Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &headers,
        body: &body,
    };
    let region = &shared.channel.region;
    match shared.keys.check_headers(signed, region, switches.now()) {
        Ok(()) => plain(&shared.channel.answer(call, &body, port, &switches.ice)),
        Err(refused) => plain(&refusal_of(&refused)),
    }
}

async fn upgrade(request: HttpRequest<Incoming>, shared: Arc<Shared>) -> Response<Full<Bytes>> {
    let (switches, refusal) = shared.call(Call::Connect);
    tokio::time::sleep(switches.delay).await;
    if let Some(refusal) = refusal {
        return plain(&Answer::error(
            refusal.status,
            refusal.kind,
            "as the test wants it",
        ));
    }
    let role = match role(&request, &shared, switches.now()) {
        Ok(role) => role,
        Err(answer) => return plain(&answer),
    };
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        return plain(&Answer::error(
            400,
            "InvalidArgumentException",
            "no websocket key",
        ));
    };
    let accept = derive_accept_key(key.as_bytes());
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(request).await {
            websocket::talk(TokioIo::new(upgraded), role, shared).await;
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::UPGRADE, "websocket")
        .header(header::CONNECTION, "Upgrade")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Full::default())
        .expect("these are valid headers")
}

/// Who wants to connect, if it may.
fn role(request: &HttpRequest<Incoming>, shared: &Shared, now: SystemTime) -> Result<Role, Answer> {
    let headers = headers(request.headers());
    let signed = Request {
        method: "GET",
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers: &headers,
        body: b"",
    };
    let checked = shared.keys.check_query(signed, &shared.channel.region, now);
    checked.map_err(|refused| Answer::error(403, "AccessDeniedException", &format!("{refused:?}")))?;
    if signed.parameter("X-Amz-ChannelARN").as_deref() != Some(&shared.channel.arn) {
        return Err(Answer::error(
            404,
            "ResourceNotFoundException",
            "The requested channel is not found",
        ));
    }
    let Some(id) = signed.parameter("X-Amz-ClientId") else {
        return Ok(Role::Master);
    };
    let is_valid = (1..=256).contains(&id.len())
        && !id.starts_with("AWS_")
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if !is_valid {
        return Err(Answer::error(
            400,
            "InvalidArgumentException",
            "the client id is malformed",
        ));
    }
    if shared.state().routing.viewers() >= MAX_VIEWERS {
        return Err(Answer::error(
            400,
            "ClientLimitExceededException",
            "too many viewers",
        ));
    }
    Ok(Role::Viewer(id))
}

fn refusal_of(refused: &Refused) -> Answer {
    match refused {
        Refused::Incomplete(what) => Answer::error(403, "IncompleteSignature", &format!("{what} is missing")),
        Refused::UnknownKey(_) => Answer::error(
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        Refused::Scope(scope) => Answer::error(
            403,
            "InvalidSignatureException",
            &format!("{scope} is not the scope"),
        ),
        Refused::Expired(text) => Answer::error(403, "InvalidSignatureException", text),
        Refused::Mismatch => Answer::error(
            403,
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided.",
        ),
    }
}

fn headers(headers: &hyper::HeaderMap) -> Vec<(String, String)> {
    let readable = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    readable.collect()
}

fn plain(answer: &Answer) -> Response<Full<Bytes>> {
    let mut response = Response::builder()
        .status(answer.status)
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(kind) = &answer.error {
        response = response.header("x-amzn-ErrorType", kind.as_str());
    }
    let body = if answer.body.is_null() {
        json!({})
    } else {
        answer.body.clone()
    };
    response
        .body(Full::new(body.to_string().into()))
        .expect("these are valid headers")
}

/// The service's quota for one channel.
const MAX_VIEWERS: usize = 10;
