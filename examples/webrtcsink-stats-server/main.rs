// SPDX-License-Identifier: MPL-2.0
//! Serves a file or stream with audio and video to consumers, and the statistics of `webrtcsink` over a websocket.
//!
//! ```sh
//! gst-webrtc-signalling-server &
//! cargo run --example webrtcsink-stats-server -- file:///path/to/video.webm
//! ```
//!
//! Every 100 ms each websocket client at `ws://127.0.0.1:8484` gets the property `stats` as one JSON text; the page in
//! `examples/webrtcsink-stats` draws it. `WEBRTCSINK_STATS_LOG` is the log filter, `info` by default.

mod arguments;
mod feed;

use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use gst::prelude::*;
use gstrswebrtc::gst_ext::structure::to_json;
use tracing_subscriber::EnvFilter;

use arguments::{Arguments, Parsed};

#[tokio::main]
async fn main() -> Result<()> {
    let filter = std::env::var("WEBRTCSINK_STATS_LOG").unwrap_or_else(|_| "info".to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .init();
    let arguments = match arguments::parse(std::env::args().skip(1))? {
        Parsed::Run(arguments) => arguments,
        Parsed::Say(text) => {
            println!("{text}");
            return Ok(());
        }
    };
    gst::init()?;
    gstrswebrtc::plugin_register_static()?;
    let (pipeline, sink) = pipeline(&arguments)?;
    let statistics = move || to_json(&sink.property::<gst::Structure>("stats")).to_string();
    pipeline.set_state(gst::State::Playing)?;
    let outcome = tokio::select! {
        ended = watch(&pipeline) => ended,
        failed = feed::serve(arguments.listen, statistics) => failed,
        stop = tokio::signal::ctrl_c() => stop.context("ctrl-c can be waited for"),
    };
    // Consumers are told that their sessions are over.
    pipeline.set_state(gst::State::Null)?;
    outcome
}

fn pipeline(arguments: &Arguments) -> Result<(gst::Pipeline, gst::Element)> {
    let line = "webrtcsink name=sink \
                uridecodebin name=media \
                media. ! video/x-raw ! queue ! sink.video_0 \
                media. ! audio/x-raw ! queue ! sink.audio_0";
    let pipeline = gst::parse::launch(line)?
        .downcast::<gst::Pipeline>()
        .ok()
        .context("a launch line makes a pipeline")?;
    let by_name = |name: &str| pipeline.by_name(name).context("it is in the line");
    by_name("media")?.set_property("uri", &arguments.uri);
    let sink = by_name("sink")?;
    sink.set_property("do-fec", arguments.does_fec);
    sink.set_property("do-retransmission", arguments.does_retransmission);
    let control = if arguments.controls_congestion {
        "homegrown"
    } else {
        "disabled"
    };
    sink.set_property_from_str("congestion-control", control);
    if let Some(uri) = &arguments.signaller {
        sink.property::<gst::glib::Object>("signaller")
            .set_property("uri", uri);
    }
    sink.connect("encoder-setup", false, |values| {
        let encoder = values[3].get::<gst::Element>().ok()?;
        let factory = encoder.factory()?;
        tracing::info!("encoder: {}", factory.name());
        // It is to be configured as usual.
        Some(false.to_value())
    });
    Ok((pipeline, sink))
}

/// Waits for the end of the pipeline.
async fn watch(pipeline: &gst::Pipeline) -> Result<()> {
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    let mut messages = bus.stream();
    while let Some(message) = messages.next().await {
        match message.view() {
            gst::MessageView::Eos(_) => {
                tracing::info!("EOS");
                return Ok(());
            }
            gst::MessageView::Error(error) => {
                let source = error.src().map(|source| source.path_string()).unwrap_or_default();
                bail!(
                    "{source}: {} ({})",
                    error.error(),
                    error.debug().unwrap_or_default()
                );
            }
            _ => {}
        }
    }
    Ok(())
}
