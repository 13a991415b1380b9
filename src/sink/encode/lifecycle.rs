// SPDX-License-Identifier: MPL-2.0
//! Starting, adjusting and stopping one branch. On the worker; no lock is held while elements are touched.
//!
//! Owns what happens to a branch's pipeline: the order of starting (elements, rate, clock, then input), the rate and
//! size it is given, and the order of stopping (input first). Who has a branch at all is decided by `registry` and
//! `grouping`; elements are made by `pipeline` and `chain`.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use gst::prelude::*;

use super::branch::Branch;
use super::chain::{self, ChainSpec};
use super::convert::{self, Memory};
use super::keysource::Outlet;
use super::mitigation;
use super::pipeline::{BranchPipeline, StartError};
use super::state::Shared;
use super::worker::Command;
use super::{BranchError, PictureSize, StreamId};
use crate::codec::{self, EncoderControl};

/// Starts branches.
pub(super) struct Starter<'a> {
    /// The pool's state.
    pub(super) shared: &'a Arc<Shared>,
    /// Where the branch reports to.
    pub(super) commands: &'a Sender<Command>,
}

impl Starter<'_> {
    /// Tries encoders in order until one runs.
    pub(super) fn start(&self, branch: &Arc<Branch>) -> Result<(), BranchError> {
        let stream = &branch.key().stream;
        let input = self
            .shared
            .input_caps(stream)
            .ok_or_else(|| BranchError::UnknownStream(stream.clone()))?;
        loop {
            let candidate = branch.running().candidates.current().cloned();
            let Some(encoder) = candidate else {
                return Err(exhausted(branch, input));
            };
            match self.try_start(branch, encoder.as_ref(), &input) {
                Ok(()) => return Ok(()),
                Err(error) => branch
                    .running()
                    .give_up(Instant::now(), false, &error.to_string()),
            }
        }
    }

    /// One attempt with one encoder. The generation goes up first, so that errors of an attempt before are not taken
    /// for those of this one.
    fn try_start(
        &self,
        branch: &Arc<Branch>,
        encoder: Option<&gst::ElementFactory>,
        input: &gst::Caps,
    ) -> Result<(), StartError> {
        let host = &self.shared.host;
        let (clock, base_time) = host.clock_and_base_time().ok_or(StartError::NoClock)?;
        let key = branch.key();
        let spec = ChainSpec {
            input,
            codec: key.codec,
            encoder,
            encoder_caps: &key.encoder_caps,
            size: key.size,
        };
        let generation = {
            let mut running = branch.running();
            running.generation += 1;
            running.generation
        };
        branch.begin_output();
        let pipeline = BranchPipeline::build(branch, generation, &spec, host, self.commands)?;
        let appsrc = pipeline.appsrc().clone();
        branch.keys().set_outlet(self.outlet(branch, &pipeline, input));
        branch.running().pipeline = Some(pipeline);
        apply_rate(self.shared, branch);
        let started = with_pipeline(branch, |pipeline| pipeline.start_on(clock, base_time));
        if let Some(start) = started {
            let result = start();
            if result.is_err() {
                stop(self.shared, branch);
            }
            result?;
        }
        self.feed(branch, &appsrc);
        update_latency(branch);
        Ok(())
    }

    /// Encoded input has no encoder to ask: its key frames come from whoever makes the stream.
    fn outlet(&self, branch: &Branch, pipeline: &BranchPipeline, input: &gst::Caps) -> Outlet {
        let key = branch.key();
        if !key.codec.has_key_frames() {
            Outlet::Nowhere
        } else if codec::caps::is_raw(input) {
            pipeline.request_outlet()
        } else {
            Outlet::Producer(self.shared.host.clone(), key.stream.clone())
        }
    }

    /// From now on the stream's buffers go to this branch too, if anybody needs what it makes of them.
    fn feed(&self, branch: &Branch, appsrc: &gst_app::AppSrc) {
        set_fed(self.shared, branch);
        let (latency, is_ended) = {
            let inputs = self.shared.inputs();
            let Some(input) = inputs.get(&branch.key().stream) else {
                return;
            };
            (input.latency, input.is_ended)
        };
        appsrc.set_latency(latency, gst::ClockTime::NONE);
        if is_ended {
            // Refused only by an appsrc that is stopping.
            let _ = appsrc.end_of_stream();
        }
    }
}

/// Has the stream's buffers go to the branch while one of its members needs them; else the encoder rests where it is.
/// Whether that is a change.
pub(super) fn set_fed(shared: &Shared, branch: &Branch) -> bool {
    let is_needed = shared.state().is_needed(branch);
    let appsrc = with_pipeline(branch, |pipeline| pipeline.appsrc().clone()).filter(|_| is_needed);
    let mut inputs = shared.inputs();
    let Some(input) = inputs.get_mut(&branch.key().stream) else {
        return false;
    };
    if input.feeds.contains_key(&branch.id()) == appsrc.is_some() {
        return false;
    }
    let feeds = Arc::make_mut(&mut input.feeds);
    match appsrc {
        Some(appsrc) => feeds.insert(branch.id(), appsrc),
        None => feeds.remove(&branch.id()),
    };
    true
}

/// Nothing more comes in.
pub(super) fn end_input(branch: &Branch) {
    if let Some(appsrc) = with_pipeline(branch, |pipeline| pipeline.appsrc().clone()) {
        // Refused only by a branch that is stopping.
        let _ = appsrc.end_of_stream();
    }
}

/// Sets the encoder's bitrate, and size and frame rate with it.
pub(super) fn apply_rate(shared: &Shared, branch: &Branch) {
    let (control, filter, rate) = {
        let running = branch.running();
        let Some(pipeline) = &running.pipeline else { return };
        (pipeline.encoder().cloned(), pipeline.raw_filter(), running.rate)
    };
    let Some(control) = control else { return };
    if control.is_controlled() && control.bitrate() != Some(rate) {
        control.set_bitrate(rate);
    }
    if let Some(filter) = filter.filter(|_| branch.is_scalable()) {
        apply_size(shared, branch, &control, &filter);
    }
}

/// Writes the filter before the encoder where that changes it.
fn apply_size(shared: &Shared, branch: &Branch, control: &EncoderControl, filter: &gst::Element) {
    let key = branch.key();
    let Some(input) = shared.input_caps(&key.stream) else {
        return;
    };
    let full = chain::filter_before(key.codec, &input, Some(control), key.size);
    let caps = if control.is_controlled() && key.size == PictureSize::Adaptive {
        suited(shared, branch, &input, &full)
    } else {
        full
    };
    if filter.property::<Option<gst::Caps>>("caps").as_ref() != Some(&caps) {
        filter.set_property("caps", caps);
    }
}

/// The application's choice for this bitrate, else the ladder's.
fn suited(shared: &Shared, branch: &Branch, input: &gst::Caps, full: &gst::Caps) -> gst::Caps {
    let Ok(video) = gst_video::VideoInfo::from_caps(input) else {
        return full.clone();
    };
    let allowed = shared.host.encode_settings().mitigation;
    let rate = branch.running().rate;
    let stream: &StreamId = &branch.key().stream;
    let chosen = shared
        .host
        .mitigation_caps(stream.as_str(), &video, rate, allowed);
    chosen
        .and_then(|chosen| mitigation::chosen_caps(full, &chosen))
        .unwrap_or_else(|| branch.running().ladder.caps(rate, &video, allowed, full))
}

/// Whether the elements of a branch cannot follow to these caps.
pub(super) fn needs_rebuild(branch: &Branch, caps: &gst::Caps) -> bool {
    let shape = branch.running().pipeline.as_ref().map(BranchPipeline::shape);
    shape.is_some_and(|shape| shape != Shape::of(caps))
}

/// What of the input decides which elements a branch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// With or without an encoder.
    is_raw: bool,
    /// Converters are of one kind of memory.
    memory: Memory,
    /// Variable frame rates have no rate to change, and no element for it.
    has_framerate: bool,
}

impl Shape {
    /// That of these caps.
    pub(super) fn of(caps: &gst::CapsRef) -> Self {
        Self {
            is_raw: codec::caps::is_raw(caps),
            memory: Memory::of_caps(caps),
            has_framerate: convert::has_framerate(caps),
        }
    }
}

/// The stream takes so long to arrive.
pub(super) fn set_input_latency(branch: &Branch, latency: gst::ClockTime) {
    let appsrc = branch
        .running()
        .pipeline
        .as_ref()
        .map(|pipeline| pipeline.appsrc().clone());
    if let Some(appsrc) = appsrc {
        appsrc.set_latency(latency, gst::ClockTime::NONE);
    }
}

/// Asks the branch how long it takes and tells those who are fed.
pub(super) fn update_latency(branch: &Branch) {
    if let Some(query) = with_pipeline(branch, BranchPipeline::latency_query) {
        branch.set_latency(query());
    }
}

/// Moves the branch to the element's clock.
pub(super) fn set_clock(shared: &Shared, branch: &Branch) {
    let Some((clock, base_time)) = shared.host.clock_and_base_time() else {
        return;
    };
    if let Some(set) = with_pipeline(branch, |pipeline| pipeline.set_clock(clock, base_time)) {
        set();
    }
}

/// Stops what runs.
pub(super) fn stop(shared: &Shared, branch: &Branch) {
    if let Some(input) = shared.inputs().get_mut(&branch.key().stream) {
        Arc::make_mut(&mut input.feeds).remove(&branch.id());
    }
    branch.keys().set_outlet(Outlet::Nowhere);
    let pipeline = branch.running().pipeline.take();
    drop(pipeline);
}

/// Something to be done to the pipeline once the lock is released.
fn with_pipeline<T>(branch: &Branch, prepare: impl FnOnce(&BranchPipeline) -> T) -> Option<T> {
    branch.running().pipeline.as_ref().map(prepare)
}

/// No encoder is left to try. Without an encoder in the branch it was the input that could not be handled.
fn exhausted(branch: &Branch, input: gst::Caps) -> BranchError {
    let codec = branch.key().codec;
    let tried = branch.running().candidates.tried();
    if codec::caps::is_raw(&input) && !codec.is_raw_payload() {
        if tried.is_empty() {
            return BranchError::NoEncoder(codec);
        }
        return BranchError::EncodersFailed { codec, input, tried };
    }
    BranchError::Broken { codec, reason: tried }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    #[test]
    fn size_alone_needs_no_other_elements() {
        gst::init().unwrap();
        let shape = |text| Shape::of(&gst::Caps::from_str(text).unwrap());
        let base = shape("video/x-raw, width=640, framerate=30/1");
        assert_eq!(base, shape("video/x-raw, width=320, framerate=25/1"));
        assert_ne!(base, shape("video/x-raw, width=640, framerate=0/1"));
        assert_ne!(
            base,
            shape("video/x-raw(memory:GLMemory), width=640, framerate=30/1")
        );
        assert_ne!(base, shape("video/x-vp8, framerate=30/1"));
    }
}
