// SPDX-License-Identifier: MPL-2.0
//! The throw-away pipeline of one trial: the chain of a branch, the application's filter, a payloader.
//!
//! It runs on its own threads; the caller waits for what they report, with a limit. Owns one run; what is fed is
//! `specimen`'s, what is remembered `mod.rs`'s. The same chain and the same signals as in earnest are used, so that
//! what is found out holds for consumers; those hear the consumer id `discovery`.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use gst::prelude::*;

use super::DiscoveryHost;
use super::specimen::Specimen;
use crate::gst_ext::make;
use crate::sink::encode::chain::{Chain, ChainSpec};

/// See the module. Dropping it stops everything.
pub(super) struct Trial {
    pipeline: gst::Pipeline,
    appsrc: gst_app::AppSrc,
    reports: Receiver<Report>,
}

enum Report {
    /// The payloader said what it makes.
    Caps(gst::Caps),
    /// A packet came out, with these caps.
    Packet(gst::Caps),
    /// An element failed.
    Failed(String),
    /// Nothing more comes out.
    Ended,
}

impl Trial {
    /// Builds everything; nothing runs yet.
    pub(super) fn build(
        host: &Arc<dyn DiscoveryHost>,
        pad_name: &str,
        spec: &ChainSpec<'_>,
        payloader: gst::Element,
    ) -> Result<Self, String> {
        let pipeline = gst::Pipeline::new();
        let chain = Chain::build(spec, &pipeline).map_err(|error| error.to_string())?;
        if let Some(control) = &chain.encoder {
            host.encoder_setup(pad_name, control.encoder());
        }
        host.payloader_setup(pad_name, &payloader);
        let appsink = make::element("appsink", None, "to see packets").map_err(|error| error.to_string())?;
        let mut elements = vec![chain.last.clone()];
        elements.extend(host.encoded_filter(pad_name, &spec.codec.caps()));
        elements.extend([payloader, appsink.clone()]);
        pipeline
            .add_many(&elements[1..])
            .map_err(|error| error.to_string())?;
        gst::Element::link_many(&elements).map_err(|error| error.to_string())?;

        let (reporter, reports) = channel();
        watch_bus(&pipeline, host, reporter.clone());
        watch_output(&appsink, reporter);
        Ok(Self {
            pipeline,
            appsrc: chain.appsrc,
            reports,
        })
    }

    /// Runs `specimen` through and returns the RTP caps it leaves in.
    pub(super) fn run(self, specimen: &Specimen) -> Result<gst::Caps, String> {
        let started = self.pipeline.set_state(gst::State::Playing);
        if started.is_err() {
            return Err(self.reason().unwrap_or_else(|| "it does not start".to_owned()));
        }
        for buffer in &specimen.buffers {
            // Refused by an element that failed, which reports it.
            let _ = self.appsrc.push_buffer(buffer.clone());
        }
        if !specimen.buffers.is_empty() {
            let _ = self.appsrc.end_of_stream();
        }
        self.wait(specimen.must_pass)
    }

    /// Raw input must give a packet: an encoder that negotiates may still fail at its first frame.
    fn wait(&self, must_pass: bool) -> Result<gst::Caps, String> {
        let deadline = std::time::Instant::now() + if must_pass { MAX_TRIAL } else { MAX_CAPS_WAIT };
        loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            match self.reports.recv_timeout(left) {
                Ok(Report::Caps(_)) if must_pass => {}
                Ok(Report::Caps(caps) | Report::Packet(caps)) => return Ok(caps),
                Ok(Report::Failed(reason)) => return Err(reason),
                Ok(Report::Ended) => return Err("nothing came out".to_owned()),
                Err(_) => return Err("nothing came out in time".to_owned()),
            }
        }
    }

    /// What an element said before it refused to start.
    fn reason(&self) -> Option<String> {
        self.reports.try_iter().find_map(|report| match report {
            Report::Failed(reason) => Some(reason),
            _ => None,
        })
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
        // What cannot be stopped has already said why.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn watch_bus(pipeline: &gst::Pipeline, host: &Arc<dyn DiscoveryHost>, reporter: Sender<Report>) {
    let Some(bus) = pipeline.bus() else { return };
    let host = host.clone();
    bus.set_sync_handler(move |_, message| {
        match message.view() {
            gst::MessageView::NeedContext(_) | gst::MessageView::HaveContext(_) => {
                host.context_message(message)
            }
            // The receiver is gone once the trial has its answer.
            gst::MessageView::Error(error) => drop(reporter.send(Report::Failed(error.error().to_string()))),
            gst::MessageView::Eos(_) => drop(reporter.send(Report::Ended)),
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
}

/// Sees caps and packets before the appsink does, whose own queue is of no use here.
fn watch_output(appsink: &gst::Element, reporter: Sender<Report>) {
    appsink.set_property("sync", false);
    appsink.set_property("async", false);
    let Some(pad) = appsink.static_pad("sink") else {
        return;
    };
    let packets = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM | packets, move |pad, info| {
        let report = match &info.data {
            Some(gst::PadProbeData::Event(event)) => match event.view() {
                gst::EventView::Caps(caps) => Some(Report::Caps(caps.caps_owned())),
                _ => None,
            },
            Some(gst::PadProbeData::Buffer(_) | gst::PadProbeData::BufferList(_)) => {
                pad.current_caps().map(Report::Packet)
            }
            _ => None,
        };
        // The receiver is gone once the trial has its answer.
        report.into_iter().for_each(|report| drop(reporter.send(report)));
        gst::PadProbeReturn::Ok
    });
}

/// For an encoder that loads a model or firmware first, on a busy machine.
const MAX_TRIAL: Duration = Duration::from_secs(10);
/// Parsers and payloaders answer at once or lack something.
const MAX_CAPS_WAIT: Duration = Duration::from_secs(2);
