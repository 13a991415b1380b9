// SPDX-License-Identifier: MPL-2.0
//! The HTTP server of an application that forwards requests to WHIP and WHEP elements: their action signals answer with a
//! structure, from which the HTTP answer is made.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use gst::glib;
use gst::prelude::*;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

/// A description is a few kilobytes; nobody needs to send more.
const MAX_BODY: usize = 64 * 1024;

/// Serves `host_addr`, a URL, until ctrl-c.
pub(crate) async fn serve<F, R>(host_addr: &str, handler: F) -> anyhow::Result<()>
where
    F: Fn(Request<Bytes>) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Bytes>> + Send + 'static,
{
    let url = url::Url::parse(host_addr).context("the address is a URL")?;
    let addresses: Vec<SocketAddr> = url.socket_addrs(|| None)?;
    let listener = tokio::net::TcpListener::bind(addresses.as_slice()).await?;
    println!("Listening on {}", listener.local_addr()?);
    let handler = Arc::new(handler);
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            stop = tokio::signal::ctrl_c() => return stop.context("ctrl-c can be waited for"),
        };
        tokio::spawn(connection(stream, handler.clone()));
    }
}

async fn connection<F, R>(stream: tokio::net::TcpStream, handler: Arc<F>)
where
    F: Fn(Request<Bytes>) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Bytes>> + Send + 'static,
{
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        let handler = handler.clone();
        async move {
            let (parts, body) = request.into_parts();
            let response = match Limited::new(body, MAX_BODY).collect().await {
                Ok(body) => handler(Request::from_parts(parts, body.to_bytes())).await,
                Err(_) => empty(StatusCode::PAYLOAD_TOO_LARGE),
            };
            Ok::<_, Infallible>(response.map(Full::new))
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        eprintln!("A client broke off: {error}");
    }
}

/// Emits an action signal of the signaller of `element`, and makes an HTTP answer of its reply.
pub(crate) fn forward(
    element: &gst::Element,
    action: &str,
    arguments: &[&(dyn ToValue + Sync)],
) -> impl Future<Output = Response<Bytes>> + Send + use<> {
    let (promise, reply) = gst::Promise::new_future();
    let mut values: Vec<glib::Value> = arguments.iter().map(|argument| argument.to_value()).collect();
    values.push(promise.to_value());
    element
        .property::<glib::Object>("signaller")
        .emit_by_name_with_values(action, &values);
    async move {
        match reply.await {
            Ok(Some(reply)) => answer(&reply),
            _ => empty(StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

fn answer(reply: &gst::StructureRef) -> Response<Bytes> {
    let status = reply
        .get::<u32>("status")
        .ok()
        .and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let mut response = empty(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    if let Ok(headers) = reply.get::<gst::Structure>("headers") {
        for (name, value) in headers.iter() {
            let name = http::HeaderName::from_bytes(name.as_str().as_bytes());
            let value = value
                .get::<String>()
                .ok()
                .and_then(|value| HeaderValue::from_str(&value).ok());
            if let (Ok(name), Some(value)) = (name, value) {
                response.headers_mut().insert(name, value);
            }
        }
    }
    if let Ok(body) = reply.get::<glib::Bytes>("body") {
        *response.body_mut() = Bytes::copy_from_slice(&body);
    }
    response
}

/// The headers of a request as an action takes them.
pub(crate) fn headers(request: &Request<Bytes>) -> gst::Structure {
    let mut headers = gst::Structure::new_empty("headers");
    for (name, value) in request.headers() {
        if let Ok(value) = value.to_str() {
            headers.set(name.as_str(), value);
        }
    }
    headers
}

/// The answer to OPTIONS.
pub(crate) fn options(stun_server: &str) -> Response<Bytes> {
    let mut response = empty(StatusCode::OK);
    response
        .headers_mut()
        .insert("accept-post", HeaderValue::from_static("application/sdp"));
    if let Ok(link) = HeaderValue::from_str(&format!("<{stun_server}>; rel=\"ice-server\"")) {
        response.headers_mut().insert(http::header::LINK, link);
    }
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// What stands behind `prefix` in a path: `None` for another path, and no id when nothing follows.
pub(crate) fn id<'a>(path: &'a str, prefix: &str) -> Option<Option<&'a str>> {
    let rest = path.strip_prefix(prefix)?;
    match rest.strip_prefix('/') {
        None if rest.is_empty() => Some(None),
        Some("") => Some(None),
        Some(id) if !id.contains('/') => Some(Some(id)),
        _ => None,
    }
}
