// SPDX-License-Identifier: MPL-2.0
//! A WHEP server of the application's own: one pipeline for all players.
//!
//! ```sh
//! cargo run --example whepserver -- http://127.0.0.1:9190
//! ```

#[path = "../http_front/mod.rs"]
mod http_front;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use gst::glib;
use gst::prelude::*;
use http::{Method, Request, Response, StatusCode};

use http_front::{empty, forward, headers, id, options};

const STUN_SERVER: &str = "stun:stun.l.google.com:19302";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let host_addr = std::env::args().nth(1).context("usage: whepserver <HOST_ADDR>")?;
    gst::init()?;
    gstrswebrtc::plugin_register_static()?;
    let pipeline = gst::parse::launch("videotestsrc is-live=true ! whepserversink name=sink")?;
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .ok()
        .context("a launch line makes a pipeline")?;
    let sink = pipeline.by_name("sink").context("the sink has its name")?;
    sink.property::<glib::Object>("signaller")
        .set_property("host-addr", None::<String>);
    pipeline.set_state(gst::State::Playing)?;

    let serving = http_front::serve(&host_addr, move |request| {
        let sink = sink.clone();
        async move { handle(&sink, request).await }
    });
    let outcome = tokio::select! {
        outcome = serving => outcome,
        outcome = failure(&pipeline) => outcome,
    };
    pipeline.set_state(gst::State::Null)?;
    outcome
}

async fn handle(sink: &gst::Element, request: Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path().to_owned();
    let body = glib::Bytes::from_owned(request.body().clone());
    match (
        request.method(),
        id(&path, "/whep/endpoint"),
        id(&path, "/whep/resource"),
    ) {
        (&Method::OPTIONS, Some(_), _) => options(STUN_SERVER),
        (&Method::POST, Some(id), _) => forward(sink, "post", &[&id, &body]).await,
        (&Method::PATCH, _, Some(Some(id))) => {
            let forwarded = forward(sink, "patch", &[&id, &body, &headers(&request)]);
            forwarded.await
        }
        (&Method::DELETE, _, Some(Some(id))) => forward(sink, "delete", &[&id]).await,
        (_, None, None) => empty(StatusCode::NOT_FOUND),
        _ => empty(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// Waits for an error of the pipeline.
async fn failure(pipeline: &gst::Pipeline) -> anyhow::Result<()> {
    use futures::StreamExt as _;
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    let mut messages = bus.stream_filtered(&[gst::MessageType::Error, gst::MessageType::Eos]);
    match messages.next().await.as_deref().map(gst::MessageRef::view) {
        Some(gst::MessageView::Error(error)) => bail!("{}", error.error()),
        _ => Ok(()),
    }
}
