// SPDX-License-Identifier: MPL-2.0
//! Publishes a test picture and a test tone to a WHIP server.
//!
//! ```sh
//! cargo run --example whipclient -- http://127.0.0.1:8080/whip/endpoint
//! ```

use anyhow::{Context as _, bail};
use gst::prelude::*;

fn main() -> anyhow::Result<()> {
    let endpoint = std::env::args()
        .nth(1)
        .context("usage: whipclient <WHIP_ENDPOINT>")?;
    gst::init()?;
    gstrswebrtc::plugin_register_static()?;

    let pipeline = gst::parse::launch(
        "whipclientsink name=sink \
         videotestsrc is-live=true ! queue ! sink. \
         audiotestsrc is-live=true ! queue ! sink.",
    )?;
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .ok()
        .context("a launch line makes a pipeline")?;
    let sink = pipeline.by_name("sink").context("the sink has its name")?;
    let sink = sink
        .dynamic_cast::<gst::ChildProxy>()
        .ok()
        .context("the sink is a child proxy")?;
    sink.set_child_property("signaller::whip-endpoint", &endpoint);

    pipeline.set_state(gst::State::Playing)?;
    let outcome = run(&pipeline);
    // Tells the server that the session is over.
    pipeline.set_state(gst::State::Null)?;
    outcome
}

/// Waits for the end of the pipeline.
fn run(pipeline: &gst::Pipeline) -> anyhow::Result<()> {
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    for message in bus.iter_timed(gst::ClockTime::NONE) {
        match message.view() {
            gst::MessageView::Eos(_) => {
                println!("EOS");
                break;
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
