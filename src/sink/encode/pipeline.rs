// SPDX-License-Identifier: MPL-2.0
//! The running pipeline of a branch: made, wired to the branch and the worker, and stopped when dropped.
//!
//! Its bus has no queue: errors and latency changes become commands of the worker, contexts go to the host at once.
//! Which elements are in it is decided by `chain`; when to start and stop it, by `lifecycle`. Made and dropped on the
//! worker; samples leave on the pipeline's streaming thread, messages on whatever thread posts them.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

use super::branch::Branch;
use super::chain::{Chain, ChainError, ChainSpec};
use super::keysource::Outlet;
use super::lifecycle::Shape;
use super::worker::Command;
use super::{BranchHost, BranchId};
use crate::codec::EncoderControl;
use crate::gst_ext::make;

/// See the module. Dropping it stops everything, which blocks for some milliseconds.
pub(super) struct BranchPipeline {
    pipeline: gst::Pipeline,
    chain: Chain,
    appsink: gst_app::AppSink,
    /// What an element said while the state changed: a refusal to start carries no reason of its own.
    last_error: Arc<Mutex<Option<String>>>,
    shape: Shape,
}

/// Why a pipeline did not start.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum StartError {
    /// It could not be built.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// An element refused to change state.
    #[error("{0}")]
    Refused(String),
    /// The element has no clock to run on yet.
    #[error("the element has no clock yet")]
    NoClock,
}

impl BranchPipeline {
    /// Builds what `spec` says; nothing runs yet.
    pub(super) fn build(
        branch: &Arc<Branch>,
        generation: u64,
        spec: &ChainSpec<'_>,
        host: &Arc<dyn BranchHost>,
        commands: &Sender<Command>,
    ) -> Result<Self, StartError> {
        let key = branch.key();
        let name = format!("encode-{}-{}-{}-{generation}", key.stream, key.codec, branch.id());
        let pipeline = gst::Pipeline::with_name(&name);
        host.pipeline_created(branch.cause(), &pipeline);
        let chain = Chain::build(spec, &pipeline)?;
        if let Some(control) = &chain.encoder {
            host.encoder_setup(branch.cause(), key.stream.as_str(), control.encoder());
        }
        let appsink = add_appsink(&pipeline, &chain.last)?;
        appsink.set_callbacks(callbacks(branch, generation, commands));
        let last_error = Arc::default();
        watch(&pipeline, branch.id(), generation, host, commands, &last_error);
        Ok(Self {
            pipeline,
            chain,
            appsink,
            last_error,
            shape: Shape::of(spec.input),
        })
    }

    /// Puts it on the element's clock and lets it run. What is returned is to be called with no lock held.
    pub(super) fn start_on(
        &self,
        clock: gst::Clock,
        base_time: gst::ClockTime,
    ) -> impl FnOnce() -> Result<(), StartError> + use<> {
        let (pipeline, last_error) = (self.pipeline.clone(), self.last_error.clone());
        move || {
            pipeline.use_clock(Some(&clock));
            pipeline.set_start_time(gst::ClockTime::NONE);
            pipeline.set_base_time(base_time);
            pipeline
                .set_state(gst::State::Playing)
                .map(|_| ())
                .map_err(|error| {
                    let said = last_error.lock().unwrap_or_else(PoisonError::into_inner).take();
                    StartError::Refused(said.unwrap_or_else(|| error.to_string()))
                })
        }
    }

    /// Moves it to another clock or base time. What is returned is to be called with no lock held.
    pub(super) fn set_clock(&self, clock: gst::Clock, base_time: gst::ClockTime) -> impl FnOnce() + use<> {
        let pipeline = self.pipeline.clone();
        move || {
            pipeline.use_clock(Some(&clock));
            // Nothing in a branch waits for the clock: an element that refuses another one runs on.
            let _ = pipeline.set_clock(Some(&clock));
            pipeline.set_base_time(base_time);
        }
    }

    /// What of the input decided its elements.
    pub(super) const fn shape(&self) -> Shape {
        self.shape
    }

    /// Where input goes.
    pub(super) const fn appsrc(&self) -> &gst_app::AppSrc {
        &self.chain.appsrc
    }

    /// The encoder, where there is one.
    pub(super) const fn encoder(&self) -> Option<&EncoderControl> {
        self.chain.encoder.as_ref()
    }

    /// The filter before the encoder.
    pub(super) fn raw_filter(&self) -> Option<gst::Element> {
        self.chain.raw_filter.clone()
    }

    /// Where key frame requests enter.
    pub(super) fn request_outlet(&self) -> Outlet {
        self.appsink
            .static_pad("sink")
            .map_or(Outlet::Nowhere, |pad| Outlet::Encoder(pad.downgrade()))
    }

    /// The query for what its elements and their input add. To be run with no lock held.
    pub(super) fn latency_query(&self) -> impl FnOnce() -> gst::ClockTime + use<> {
        let pad = self.appsink.static_pad("sink");
        move || {
            let mut query = gst::query::Latency::new();
            let answered = pad.is_some_and(|pad| pad.peer_query(&mut query));
            if answered {
                query.result().1
            } else {
                gst::ClockTime::ZERO
            }
        }
    }
}

impl Drop for BranchPipeline {
    fn drop(&mut self) {
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
        // What cannot be stopped has already said why.
        let _ = self.pipeline.set_state(gst::State::Null);
        self.appsink
            .set_callbacks(gst_app::AppSinkCallbacks::builder().build());
    }
}

/// An appsink that never waits for the clock: consumers' pipelines do their own timing.
fn add_appsink(pipeline: &gst::Pipeline, last: &gst::Element) -> Result<gst_app::AppSink, StartError> {
    let purpose = "to take what was encoded";
    let appsink = make::element("appsink", None, purpose).map_err(ChainError::from)?;
    pipeline
        .add(&appsink)
        .expect("a new element has a name of its own");
    last.link(&appsink).map_err(|_| ChainError::Unlinkable {
        from: last.name().to_string(),
        to: appsink.name().to_string(),
    })?;
    let appsink = appsink
        .downcast::<gst_app::AppSink>()
        .map_err(|_| ChainError::from(make::missing("appsink", purpose)))?;
    appsink.set_property("sync", false);
    appsink.set_property("async", false);
    appsink.set_property("enable-last-sample", false);
    Ok(appsink)
}

/// The branch is held weakly: it owns the pipeline that owns these.
fn callbacks(branch: &Arc<Branch>, generation: u64, commands: &Sender<Command>) -> gst_app::AppSinkCallbacks {
    let (id, branch, commands) = (branch.id(), Arc::downgrade(branch), commands.clone());
    gst_app::AppSinkCallbacks::builder()
        .new_sample(move |appsink| {
            let sample = appsink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            if let Some(branch) = branch.upgrade() {
                branch.on_sample(&sample);
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .eos(move |_| {
            // Refused only when the pool is gone.
            let _ = commands.send(Command::Ended {
                branch: id,
                generation,
            });
        })
        .build()
}

/// Handles messages where they are posted; a state change that posts an error must not wait for a reader of the bus.
fn watch(
    pipeline: &gst::Pipeline,
    branch: BranchId,
    generation: u64,
    host: &Arc<dyn BranchHost>,
    commands: &Sender<Command>,
    last_error: &Arc<Mutex<Option<String>>>,
) {
    let Some(bus) = pipeline.bus() else { return };
    let (host, commands, last_error) = (host.clone(), commands.clone(), last_error.clone());
    bus.set_sync_handler(move |_, message| {
        let command = match message.view() {
            gst::MessageView::NeedContext(_) | gst::MessageView::HaveContext(_) => {
                host.context_message(message);
                None
            }
            gst::MessageView::Error(error) => {
                let reason = describe(error);
                *last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.clone());
                Some(Command::Failed {
                    branch,
                    generation,
                    reason,
                })
            }
            gst::MessageView::Latency(_) => Some(Command::LatencyChanged(branch)),
            _ => None,
        };
        if let Some(command) = command {
            // Refused only when the pool is gone.
            let _ = commands.send(command);
        }
        gst::BusSyncReply::Drop
    });
}

fn describe(error: &gst::message::Error) -> String {
    let source = error
        .src()
        .map(|source| source.name().to_string())
        .unwrap_or_default();
    match error.debug() {
        Some(debug) => format!("{} ({source}: {debug})", error.error()),
        None => format!("{} ({source})", error.error()),
    }
}
