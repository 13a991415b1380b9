// SPDX-License-Identifier: MPL-2.0
//! What a packet costs on its way through the pacing element, next to a plain `queue`: CPU time of the whole pipeline.

use std::time::Duration;

use anyhow::{Context, Result};
use gst::glib;
use gst::prelude::*;

use super::common::consumer::Consumer;
use super::common::pipelines::{Producer, SMALL, video};
use super::common::wait_until;

const PACKETS: u32 = 20_000;
const ROUNDS: usize = 5;
/// The private element's type, which the first session registers.
const PACER: &str = "GstRsWebRTCBandwidthEstimator";

/// Prints nanoseconds a packet for a pipeline without either, with a queue and with the pacing element, and their ratio.
pub(crate) fn print() -> Result<()> {
    register();
    let bare = per_packet(None)?;
    let queue = per_packet(Some(|| Ok(gst::ElementFactory::make("queue").build()?)))? - bare;
    let pacer = per_packet(Some(pacer))? - bare;
    println!(
        "cost: queue {} ns a packet, pacing element {} ns, {:.2} times the queue; the pipeline around either {} ns",
        queue.as_nanos(),
        pacer.as_nanos(),
        pacer.as_secs_f64() / queue.as_secs_f64().max(1e-9),
        bare.as_nanos()
    );
    Ok(())
}

fn register() {
    let producer = Producer::start(&[video(SMALL)], |_| ());
    let consumer = Consumer::join(&producer.signaller, "first");
    wait_until("a session begins", || glib::Type::from_name(PACER).is_some());
    consumer.leave();
}

/// The element with an estimate that never makes a packet wait.
fn pacer() -> Result<gst::Element> {
    let kind = glib::Type::from_name(PACER).context("it is registered")?;
    let pacer = glib::Object::with_type(kind).downcast::<gst::Element>();
    let pacer = pacer.ok().context("it is an element")?;
    pacer.set_property("max-bitrate", u32::MAX);
    pacer.set_property("min-bitrate", u32::MAX);
    Ok(pacer)
}

/// The least of some rounds: what else runs on the machine only adds.
fn per_packet(between: Option<fn() -> Result<gst::Element>>) -> Result<Duration> {
    let mut least = Duration::MAX;
    for _ in 0..ROUNDS {
        least = least.min(round(between)? / PACKETS);
    }
    Ok(least)
}

fn round(between: Option<fn() -> Result<gst::Element>>) -> Result<Duration> {
    let pipeline = gst::Pipeline::new();
    let source = gst::ElementFactory::make("fakesrc")
        .property("num-buffers", PACKETS as i32)
        .property_from_str("sizetype", "fixed")
        .property("sizemax", 1200i32)
        .build()?;
    let caps = gst::ElementFactory::make("capsfilter")
        .property("caps", gst::Caps::new_empty_simple("application/x-rtp"))
        .build()?;
    let sink = gst::ElementFactory::make("fakesink")
        .property("sync", false)
        .build()?;
    let mut elements = vec![source, caps];
    if let Some(make) = between {
        elements.push(make()?);
    }
    elements.push(sink);
    pipeline.add_many(&elements)?;
    gst::Element::link_many(&elements)?;
    let before = cpu_time()?;
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends);
    let took = cpu_time()? - before;
    pipeline.set_state(gst::State::Null)?;
    let end = end.context("the pipeline ends in time")?;
    anyhow::ensure!(
        end.type_() == gst::MessageType::Eos,
        "the pipeline failed: {end:?}"
    );
    Ok(took)
}

/// What the threads of this process ran, without the end of line of `schedstat`: nanoseconds on a CPU come first.
fn cpu_time() -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let stat = std::fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        let nanos = stat.split_whitespace().next().and_then(|word| word.parse().ok());
        sum += Duration::from_nanos(nanos.unwrap_or_default());
    }
    Ok(sum)
}
