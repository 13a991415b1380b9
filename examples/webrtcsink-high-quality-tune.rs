// SPDX-License-Identifier: MPL-2.0
//! Tunes scaler and encoder for one demanding consumer, at the price of CPU time and latency.
//!
//! ```sh
//! gst-webrtc-signalling-server &
//! cargo run --example webrtcsink-high-quality-tune
//! ```
//!
//! Scalers are found by `consumer-pipeline-created`, encoders come by `encoder-setup`. An argument names another
//! signalling server than `ws://127.0.0.1:8443`.

use anyhow::{Context as _, bail};
use gst::prelude::*;

fn main() -> anyhow::Result<()> {
    gst::init()?;
    gstrswebrtc::plugin_register_static()?;
    let pipeline = gst::parse::launch("videotestsrc ! queue ! webrtcsink name=sink video-caps=video/x-h264")?;
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .ok()
        .context("a launch line makes a pipeline")?;
    let sink = pipeline.by_name("sink").context("the sink has its name")?;
    if let Some(uri) = std::env::args().nth(1) {
        sink.property::<gst::glib::Object>("signaller")
            .set_property("uri", uri);
    }
    sink.connect("consumer-pipeline-created", false, |values| {
        let pipeline = values[2].get::<gst::Pipeline>().ok()?;
        pipeline.connect_deep_element_added(|_, _, element| tune_scaler(element));
        None
    });
    // After the element's own settings, to change some of them.
    sink.connect("encoder-setup", true, |values| {
        let encoder = values[3].get::<gst::Element>().ok()?;
        tune_encoder(&encoder);
        Some(false.to_value())
    });
    pipeline.set_state(gst::State::Playing)?;
    let outcome = run(&pipeline);
    pipeline.set_state(gst::State::Null)?;
    outcome
}

fn tune_scaler(element: &gst::Element) {
    if is_made_by(element, "videoscale") {
        println!("Tuning videoscale");
        element.set_property_from_str("method", "lanczos");
    }
}

fn tune_encoder(encoder: &gst::Element) {
    let factory = encoder.factory().map(|factory| factory.name().to_string());
    println!("Encoder: {}", factory.unwrap_or_default());
    if is_made_by(encoder, "x264enc") {
        encoder.set_property_from_str("speed-preset", "medium");
    } else {
        println!("To tune x264enc, raise its rank: GST_PLUGIN_FEATURE_RANK=x264enc:1000");
    }
}

fn is_made_by(element: &gst::Element, name: &str) -> bool {
    element.factory().is_some_and(|factory| factory.name() == name)
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
