// SPDX-License-Identifier: MPL-2.0
//! A webrtcsink with a signaller of the application's own.
//!
//! `signaller.rs` is where your protocol goes: here it only prints what the sink asks it to do. Run it, and the sink asks
//! it to start; call `session-requested` on it for a consumer, and the sink makes an offer for that consumer.

mod signaller;

use anyhow::Context;
use gst::prelude::*;
use gstrswebrtc::signaller::Signallable;
use gstrswebrtc::webrtcsink::BaseWebRTCSink;

use crate::signaller::MyCustomSignaller;

fn main() -> anyhow::Result<()> {
    gst::init()?;
    gstrswebrtc::plugin_register_static()?;

    let signaller = MyCustomSignaller::default();
    let sink = BaseWebRTCSink::with_signaller(signaller.clone().upcast::<Signallable>());
    let source = gst::ElementFactory::make("videotestsrc")
        .property("is-live", true)
        .build()?;
    let pipeline = gst::Pipeline::new();
    pipeline.add_many([&source, sink.upcast_ref()])?;
    source.link(&sink)?;
    pipeline.set_state(gst::State::Playing)?;

    // Somebody wants to watch: your protocol would say so.
    signaller.consumer_arrived("session-1", "a viewer");

    let bus = pipeline.bus().context("a pipeline has a bus")?;
    for message in bus.iter_timed(gst::ClockTime::NONE) {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => {
                eprintln!(
                    "{}: {}",
                    message.src().map(|it| it.path_string()).unwrap_or_default(),
                    error.error()
                );
                break;
            }
            gst::MessageView::Element(element) => println!("{:?}", element.structure()),
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null)?;
    Ok(())
}
