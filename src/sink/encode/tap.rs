// SPDX-License-Identifier: MPL-2.0
//! One consumer's end of the fan-out: what its switch lets through goes into its appsrc.
//!
//! Frames arrive on the streaming threads of up to two branches. The lock covers the decision only; whoever finds
//! nobody pushing pushes what is in the outbox, so that order is kept without holding a lock while pushing. Owns the
//! appsrc's set-up and the outbox; when to change branches is `switch`'s to decide. A tap reports to the worker by its
//! queue, so it never waits for anybody but its own appsrc, which does not block.

use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use gst::prelude::*;

use super::BranchId;
use super::keysource::KeySource;
use super::switch::{Effect, Frame, Switch};
use super::worker::Command;

/// A consumer of one stream; unique within a pool and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct MemberId(pub(super) u64);

/// See the module.
pub(super) struct Tap {
    id: MemberId,
    consumer_id: String,
    session_id: String,
    appsrc: gst_app::AppSrc,
    commands: Sender<Command>,
    inner: Mutex<Inner>,
}

struct Inner {
    switch: Switch<gst::Sample>,
    /// Of the branches that feed it or will, at most two.
    sources: Vec<(BranchId, Arc<KeySource>)>,
    outbox: VecDeque<Parcel>,
    /// Whether some thread is emptying the outbox.
    is_pushing: bool,
    is_closed: bool,
    /// Taken off when the tap is closed: the appsrc may live on in its session.
    request_probe: Option<gst::PadProbeId>,
}

enum Parcel {
    Sample(gst::Sample),
    EndOfStream,
}

impl Tap {
    /// Sets the appsrc up and answers key frame requests that reach it.
    pub(super) fn new(
        id: MemberId,
        consumer_id: String,
        session_id: String,
        appsrc: gst_app::AppSrc,
        commands: Sender<Command>,
    ) -> Arc<Self> {
        configure(&appsrc);
        let inner = Inner {
            switch: Switch::new(),
            sources: Vec::new(),
            outbox: VecDeque::new(),
            is_pushing: false,
            is_closed: false,
            request_probe: None,
        };
        let tap = Arc::new(Self {
            id,
            consumer_id,
            session_id,
            appsrc,
            commands,
            inner: Mutex::new(inner),
        });
        let probe = tap.watch_requests();
        tap.lock().request_probe = probe;
        tap
    }

    /// Who this is.
    pub(super) const fn id(&self) -> MemberId {
        self.id
    }

    /// Peer id of the consumer.
    pub(super) fn consumer_id(&self) -> &str {
        &self.consumer_id
    }

    /// Its session.
    pub(super) fn session_id(&self) -> &str {
        &self.session_id
    }

    /// The branch that feeds it, or will.
    pub(super) fn branch(&self) -> Option<BranchId> {
        self.lock().switch.branch()
    }

    /// A frame of a branch. On that branch's streaming thread.
    pub(super) fn deliver(&self, branch: BranchId, frame: Frame<gst::Sample>) {
        self.act(|inner| inner.switch.deliver(branch, frame));
    }

    /// Frames of this branch are wanted from its next key frame on.
    pub(super) fn move_to(&self, branch: BranchId, source: Arc<KeySource>) {
        self.act(|inner| {
            inner.sources.retain(|(id, _)| *id != branch);
            inner.sources.push((branch, source));
            inner.switch.move_to(branch)
        });
    }

    /// The encoder of a branch was replaced.
    pub(super) fn restarted(&self, branch: BranchId) {
        self.act(|inner| inner.switch.restarted(branch));
    }

    /// A branch delivers nothing more.
    pub(super) fn gone(&self, branch: BranchId) {
        self.act(|inner| inner.switch.gone(branch));
    }

    /// Lets frames through, or not.
    pub(super) fn set_flowing(&self, flowing: bool) {
        self.act(|inner| inner.switch.set_flowing(flowing));
    }

    /// The consumer needs a key frame.
    pub(super) fn request_key_frame(&self) {
        let source = {
            let inner = self.lock();
            let branch = inner.switch.branch();
            inner
                .sources
                .iter()
                .find(|(id, _)| Some(*id) == branch)
                .map(|(_, source)| source.clone())
        };
        if let Some(source) = source {
            source.request();
        }
    }

    /// The stream ended on this branch; nothing follows if the consumer was fed by it.
    pub(super) fn end_of_stream(&self, branch: BranchId) {
        self.act(|inner| {
            let (effects, is_end) = inner.switch.ended(branch);
            if is_end {
                inner.outbox.push_back(Parcel::EndOfStream);
            }
            effects
        });
    }

    /// What is before the appsrc takes at least so long.
    pub(super) fn set_latency(&self, latency: gst::ClockTime) {
        if self.appsrc.latency().0 != Some(latency) {
            self.appsrc.set_latency(latency, gst::ClockTime::NONE);
        }
    }

    /// Nothing reaches the consumer any more.
    pub(super) fn close(&self) {
        let probe = {
            let mut inner = self.lock();
            inner.is_closed = true;
            inner.outbox.clear();
            inner.sources.clear();
            inner.request_probe.take()
        };
        if let (Some(pad), Some(probe)) = (self.appsrc.static_pad("src"), probe) {
            pad.remove_probe(probe);
        }
    }

    /// Lets `decide` change the switch, then does what that leads to, with no lock held.
    fn act(&self, decide: impl FnOnce(&mut Inner) -> Vec<Effect<gst::Sample>>) {
        let mut asks = Vec::new();
        let mut left = Vec::new();
        let pushes = {
            let mut inner = self.lock();
            if inner.is_closed {
                return;
            }
            for effect in decide(&mut inner) {
                match effect {
                    Effect::Forward(sample) => inner.outbox.push_back(Parcel::Sample(sample)),
                    Effect::AskKey(branch, at) => {
                        asks.extend(inner.source(branch).map(|source| (source, at)))
                    }
                    Effect::Left(branch) => {
                        inner.sources.retain(|(id, _)| *id != branch);
                        left.push(branch);
                    }
                }
            }
            !inner.outbox.is_empty() && !std::mem::replace(&mut inner.is_pushing, true)
        };
        for (source, at) in asks {
            at.map_or_else(|| source.request(), |at| source.request_at(at));
        }
        for branch in left {
            // Refused only when the pool is gone, and then there is nothing to tidy up.
            let _ = self.commands.send(Command::Left {
                member: self.id,
                branch,
            });
        }
        if pushes {
            self.empty_outbox();
        }
    }

    /// One thread at a time comes here; what others put in meanwhile is pushed by it.
    fn empty_outbox(&self) {
        loop {
            let next = self.lock().next_parcel();
            let Some(parcel) = next else { return };
            // A consumer that is shutting down refuses; its session ends by itself.
            let _ = match parcel {
                Parcel::Sample(sample) => self.appsrc.push_sample(&sample),
                Parcel::EndOfStream => self.appsrc.end_of_stream(),
            };
        }
    }

    /// Requests from the network side reach the appsrc's source pad, and would end there.
    fn watch_requests(self: &Arc<Self>) -> Option<gst::PadProbeId> {
        let tap: Weak<Self> = Arc::downgrade(self);
        self.appsrc
            .static_pad("src")?
            .add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
                let is_request = info
                    .event()
                    .is_some_and(|event| gst_video::ForceKeyUnitEvent::is(event));
                match tap.upgrade().filter(|_| is_request) {
                    Some(tap) => {
                        tap.request_key_frame();
                        // The bindings release an event that a probe drops, and GStreamer 1.22 would do so again.
                        gst::PadProbeReturn::Handled
                    }
                    None => gst::PadProbeReturn::Ok,
                }
            })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn source(&self, branch: BranchId) -> Option<Arc<KeySource>> {
        self.sources
            .iter()
            .find(|(id, _)| *id == branch)
            .map(|(_, source)| source.clone())
    }

    fn next_parcel(&mut self) -> Option<Parcel> {
        let parcel = self.outbox.pop_front();
        self.is_pushing = parcel.is_some();
        parcel
    }
}

/// Live, in time, and never a brake on the encoder: a consumer that does not take its frames loses the oldest.
fn configure(appsrc: &gst_app::AppSrc) {
    appsrc.set_is_live(true);
    appsrc.set_format(gst::Format::Time);
    appsrc.set_leaky_type(gst_app::AppLeakyType::Downstream);
    appsrc.set_max_time(MAX_QUEUE);
    appsrc.set_max_bytes(0);
    appsrc.set_max_buffers(0);
    appsrc.set_do_timestamp(false);
    appsrc.set_automatic_eos(false);
}

/// Twice what a move releases at once (`moving`); more would only be delay.
const MAX_QUEUE: gst::ClockTime = gst::ClockTime::from_seconds(1);
