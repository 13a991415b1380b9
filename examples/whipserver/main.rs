// SPDX-License-Identifier: MPL-2.0
//! A WHIP server of the application's own: each client gets a pipeline, and so does not wait for the others.
//!
//! ```sh
//! cargo run --example whipserver -- http://127.0.0.1:8190
//! ```
//!
//! Clients POST to `/whip/endpoint`, or to `/whip/endpoint/<id>` to choose their id.

#[path = "../http_front/mod.rs"]
mod http_front;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use bytes::Bytes;
use futures::StreamExt as _;
use gst::glib;
use gst::prelude::*;
use http::{Method, Request, Response, StatusCode};

use http_front::{empty, forward, headers, id, options};

const STUN_SERVER: &str = "stun:stun.l.google.com:19302";

/// The pipelines by the id of their session.
#[derive(Clone, Default)]
struct Server {
    sessions: Arc<Mutex<HashMap<String, Session>>>,
}

#[derive(Clone)]
struct Session {
    pipeline: gst::Pipeline,
    source: gst::Element,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let host_addr = std::env::args().nth(1).context("usage: whipserver <HOST_ADDR>")?;
    gst::init()?;
    gstrswebrtc::plugin_register_static()?;
    let server = Server::default();
    let handler = server.clone();
    http_front::serve(&host_addr, move |request| {
        let server = handler.clone();
        async move { server.handle(request).await }
    })
    .await?;
    let sessions = std::mem::take(&mut *server.sessions());
    for session in sessions.into_values() {
        session.pipeline.set_state(gst::State::Null)?;
    }
    Ok(())
}

impl Server {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path().to_owned();
        match (
            request.method(),
            id(&path, "/whip/endpoint"),
            id(&path, "/whip/resource"),
        ) {
            (&Method::OPTIONS, Some(_), _) => options(STUN_SERVER),
            (&Method::POST, Some(id), _) => self.post(id, request.body()).await,
            (&Method::PATCH, _, Some(Some(id))) => self.patch(id, &request).await,
            (&Method::DELETE, _, Some(Some(id))) => self.delete(id).await,
            (_, None, None) => empty(StatusCode::NOT_FOUND),
            _ => empty(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    async fn post(&self, id: Option<&str>, offer: &Bytes) -> Response<Bytes> {
        let session = match Session::start() {
            Ok(session) => session,
            Err(error) => {
                eprintln!("No pipeline for a client: {error:#}");
                return empty(StatusCode::INTERNAL_SERVER_ERROR);
            }
        };
        let response = forward(
            &session.source,
            "post",
            &[&id, &glib::Bytes::from_owned(offer.clone())],
        )
        .await;
        let location = response
            .headers()
            .get(http::header::LOCATION)
            .and_then(|value| value.to_str().ok());
        match location.and_then(|location| location.rsplit('/').next()) {
            Some(id) if response.status() == StatusCode::CREATED => {
                println!("Session created with ID {id}");
                self.watch(id.to_owned(), session);
            }
            _ => stop(session),
        }
        response
    }

    async fn patch(&self, id: &str, request: &Request<Bytes>) -> Response<Bytes> {
        let session = self.sessions().get(id).cloned();
        let Some(session) = session else {
            return empty(StatusCode::NOT_FOUND);
        };
        let fragment = glib::Bytes::from_owned(request.body().clone());
        forward(&session.source, "patch", &[&id, &fragment, &headers(request)]).await
    }

    async fn delete(&self, id: &str) -> Response<Bytes> {
        let session = self.sessions().remove(id);
        let Some(session) = session else {
            return empty(StatusCode::NOT_FOUND);
        };
        let response = forward(&session.source, "delete", &[&id]).await;
        stop(session);
        println!("Session {id} was removed");
        response
    }

    /// An error of a pipeline ends its session and no other. The messages end with the pipeline.
    fn watch(&self, id: String, session: Session) {
        let mut messages = session.pipeline.bus().expect("a pipeline has a bus").stream();
        self.sessions().insert(id.clone(), session);
        let server = self.clone();
        tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                match message.view() {
                    gst::MessageView::Error(error) => eprintln!("Session {id}: {}", error.error()),
                    gst::MessageView::Eos(_) => println!("Session {id}: EOS"),
                    _ => continue,
                }
                let session = server.sessions().remove(&id);
                session.into_iter().for_each(stop);
                break;
            }
        });
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn start() -> anyhow::Result<Self> {
        let pipeline = gst::Pipeline::new();
        let source = gst::ElementFactory::make("whipserversrc")
            .property("enable-data-channel-navigation", true)
            .build()?;
        source
            .property::<glib::Object>("signaller")
            .set_property("host-addr", None::<String>);
        pipeline.add(&source)?;
        let weak = pipeline.downgrade();
        source.connect_pad_added(move |_, pad| {
            let shown = weak.upgrade().map(|pipeline| show(&pipeline, pad));
            if let Some(Err(error)) = shown {
                eprintln!("{} is not shown: {error:#}", pad.name());
            }
        });
        pipeline.set_state(gst::State::Playing)?;
        Ok(Self { pipeline, source })
    }
}

/// Plays a pad until it is removed.
fn show(pipeline: &gst::Pipeline, pad: &gst::Pad) -> anyhow::Result<()> {
    let line = if pad.name().starts_with("video") {
        "queue ! videoconvert ! autovideosink"
    } else {
        "queue ! audioconvert ! audioresample ! autoaudiosink"
    };
    let player = gst::parse::bin_from_description(line, true)?;
    pipeline.add(&player)?;
    player.sync_state_with_parent()?;
    let sink = player.static_pad("sink").context("the bin has a sink pad")?;
    pad.link(&sink)?;
    pad.connect_unlinked(move |_, peer| {
        let Some(player) = peer.parent_element() else {
            return;
        };
        // A pad cannot take its own streaming thread down.
        player.call_async(|player| {
            // A bin without a sink behind it always reaches NULL.
            let _ = player.set_state(gst::State::Null);
            if let Some(pipeline) = player.parent().and_downcast::<gst::Bin>() {
                let _ = pipeline.remove(player);
            }
        });
    });
    Ok(())
}

/// Takes a pipeline down in the background: its client has its answer already.
fn stop(session: Session) {
    tokio::task::spawn_blocking(move || session.pipeline.set_state(gst::State::Null));
}
