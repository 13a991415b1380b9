// SPDX-License-Identifier: MPL-2.0
//! The surface of encoding: streams in, consumers on and off.
//!
//! Everything but input goes through the worker; [`BranchPool::push_input`] is the one hot path and touches only the
//! list of feeds.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use congestion::units::Bitrate;

use super::convert::square_size;
use super::lastkey::LastKey;
use super::state::{Inputs, Shared};
use super::tap::Tap;
use super::timeline::on_running_time;
use super::worker::{self, Command};
use super::{AttachRequest, BranchError, BranchHost, BranchId, BranchSnapshot, StreamId};
use crate::codec::{Catalogue, catalogue};

/// All branches of one element. Clones are the same pool; with the last one everything stops.
#[derive(Clone)]
pub(crate) struct BranchPool {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    commands: Sender<Command>,
    worker: Option<ThreadId>,
}

impl BranchPool {
    /// An empty pool for an element.
    pub(crate) fn new(host: Arc<dyn BranchHost>) -> Self {
        Self::with_catalogue(host, catalogue())
    }

    /// One that takes its encoders from elsewhere.
    pub(super) fn with_catalogue(host: Arc<dyn BranchHost>, catalogue: &'static Catalogue) -> Self {
        let shared = Shared::new(host, catalogue);
        let (commands, receiver) = channel();
        let (for_worker, sender) = (shared.clone(), commands.clone());
        let spawned = std::thread::Builder::new()
            .name("encode-pool".to_owned())
            .spawn(move || worker::run(for_worker, &receiver, sender));
        // A process out of threads gets a pool that refuses everybody: the receiver is gone.
        let worker = spawned.ok().map(|handle| handle.thread().id());
        Self {
            inner: Arc::new(Inner {
                shared,
                commands,
                worker,
            }),
        }
    }

    /// Adds a consumer. Blocks while a branch is made, some milliseconds: not for a streaming thread, and not for a
    /// handler that the pool called. Nothing reaches the consumer before [`Attachment::set_flowing`].
    ///
    /// # Errors
    /// [`BranchError`] says what was tried. An encoder that fails later is replaced by the next one; when none is left
    /// the host hears of it by `branch_failed`.
    pub(crate) fn attach(&self, request: AttachRequest) -> Result<Attachment, BranchError> {
        let (reply, answer) = sync_channel(1);
        self.inner
            .commands
            .send(Command::Attach(Box::new(request), reply))
            .map_err(|_| BranchError::ShutDown)?;
        let tap = answer.recv().map_err(|_| BranchError::ShutDown)??;
        let (shared, commands) = (self.inner.shared.clone(), self.inner.commands.clone());
        Ok(Attachment {
            tap,
            shared,
            commands,
        })
    }

    /// A stream has these caps from its next buffer on; also how a stream becomes known. Running branches follow.
    pub(crate) fn input_caps_changed(&self, stream: &StreamId, caps: &gst::Caps) {
        {
            let mut inputs = self.inner.shared.inputs();
            let input = inputs.entry(stream.clone()).or_default();
            input.caps = Some(caps.clone());
            input.key = LastKey::default();
        }
        self.inner.tell(Command::InputCaps(stream.clone()));
    }

    /// Latency of everything before the pad, as its latency query gives it.
    pub(crate) fn input_latency_changed(&self, stream: &StreamId, latency: gst::ClockTime) {
        self.inner
            .shared
            .inputs()
            .entry(stream.clone())
            .or_default()
            .latency = latency;
        self.inner.tell(Command::InputLatency(stream.clone()));
    }

    /// Hands one buffer of input to every branch of the stream. For the streaming thread: never blocks.
    pub(crate) fn push_input(&self, stream: &StreamId, sample: &gst::Sample) {
        let (feeds, last, completed) = {
            let mut inputs = self.inner.shared.inputs();
            let Some(input) = inputs.get_mut(stream) else {
                return;
            };
            let mut completed = None;
            if input.is_encoded() {
                completed = input.parameters.complete(sample);
                if input.key.note(completed.as_ref().unwrap_or(sample)) {
                    self.inner.shared.key_frame_arrived.notify_all();
                }
            }
            if input.feeds.is_empty() {
                return;
            }
            (input.feeds.clone(), input.last, completed)
        };
        let Some((sample, time)) = on_running_time(completed.as_ref().unwrap_or(sample), last) else {
            return;
        };
        for appsrc in feeds.values() {
            // Refused only by a branch that is stopping.
            let _ = appsrc.push_sample(&sample);
        }
        if let Some(input) = self.inner.shared.inputs().get_mut(stream) {
            input.last = time;
        }
    }

    /// The last key frame of a stream that comes encoded. Asks for one and waits, not for long, while there was none.
    pub(crate) fn key_frame(&self, stream: &StreamId) -> Option<gst::Sample> {
        let shared = &self.inner.shared;
        let last = shared
            .inputs()
            .get(stream)
            .and_then(|input| input.key.frame().cloned());
        if last.is_some() {
            return last;
        }
        shared.host.request_upstream_key_frame(stream, None);
        let is_missing = |inputs: &mut Inputs| {
            inputs
                .get(stream)
                .is_some_and(|input| input.key.frame().is_none())
        };
        let waited =
            shared
                .key_frame_arrived
                .wait_timeout_while(shared.inputs(), KEY_FRAME_PATIENCE, is_missing);
        let (inputs, _) = waited.unwrap_or_else(PoisonError::into_inner);
        inputs.get(stream).and_then(|input| input.key.frame().cloned())
    }

    /// The input ended: what is being encoded is finished, then consumers get EOS.
    pub(crate) fn end_of_stream(&self, stream: &StreamId) {
        if let Some(input) = self.inner.shared.inputs().get_mut(stream) {
            input.is_ended = true;
        }
        self.inner.tell(Command::InputEnded(stream.clone()));
    }

    /// The pad is gone; its branches stop and its attachments fall silent.
    pub(crate) fn remove_stream(&self, stream: &StreamId) {
        self.inner.shared.inputs().remove(stream);
        self.inner.tell(Command::RemoveStream(stream.clone()));
    }

    /// The element has another clock or base time, after a pause or for want of the old clock.
    pub(crate) fn clock_changed(&self) {
        self.inner.tell(Command::ClockChanged);
    }

    /// Whether a stream's buffers go to any branch.
    #[cfg(test)]
    pub(super) fn is_fed(&self, stream: &StreamId) -> bool {
        let inputs = self.inner.shared.inputs();
        inputs.get(stream).is_some_and(|input| !input.feeds.is_empty())
    }

    /// What statistics show.
    pub(crate) fn snapshot(&self) -> Vec<BranchSnapshot> {
        self.inner.shared.snapshot()
    }

    /// Stops everything and refuses newcomers. Returns when all branches are down, or after two seconds.
    pub(crate) fn shutdown(&self) {
        self.inner.quit();
    }
}

impl Inner {
    fn tell(&self, command: Command) {
        // Refused only after shutdown, when nothing is left that could follow.
        let _ = self.commands.send(command);
    }

    fn quit(&self) {
        let (done, stopped) = sync_channel(1);
        let is_told = self.commands.send(Command::Quit(done)).is_ok();
        let is_worker = self.worker == Some(std::thread::current().id());
        if is_told && !is_worker {
            // A driver that hangs must not hang the element as well.
            let _ = stopped.recv_timeout(MAX_SHUTDOWN);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.quit();
    }
}

/// A consumer's hold on the encoded form of one stream. Dropping it lets go: no new sample is pushed when that returns,
/// and the last one out stops the branch.
pub(crate) struct Attachment {
    tap: Arc<Tap>,
    shared: Arc<Shared>,
    commands: Sender<Command>,
}

impl Attachment {
    /// What the consumer's congestion controller allows now.
    pub(crate) fn set_target(&self, target: Bitrate) {
        let is_new = self
            .shared
            .state()
            .members
            .get_mut(&self.tap.id())
            .is_some_and(|member| std::mem::replace(&mut member.target, target) != target);
        if is_new {
            self.regroup();
        }
    }

    /// Whether samples may reach the consumer. Starts as `false`; turning it on asks for a key frame to begin with.
    /// Later requests come as force-key-unit events to the appsrc's source pad; they are merged, never lost.
    pub(crate) fn set_flowing(&self, flowing: bool) {
        self.tap.set_flowing(flowing);
    }

    /// Whether the consumer needs frames at all: a branch that nobody needs rests, its encoder with it. Starts as `true`.
    pub(crate) fn set_needed(&self, needed: bool) {
        let is_new = self
            .shared
            .state()
            .members
            .get_mut(&self.tap.id())
            .is_some_and(|member| std::mem::replace(&mut member.is_needed, needed) != needed);
        if !is_new {
            return;
        }
        if needed {
            // The picture that was held for a consumer about to be connected is as old as the rest was long.
            self.tap
                .branch()
                .iter()
                .for_each(|branch| self.tap.restarted(*branch));
        }
        // Refused only when the pool is gone.
        let _ = self.commands.send(Command::Need(self.tap.id()));
    }

    /// Size of the pictures that come in, in square pixels; `None` while it is unknown.
    pub(crate) fn input_size(&self) -> Option<(u32, u32)> {
        let branch = self.shared.branch_of(self.tap.id())?;
        square_size(self.shared.input_caps(&branch.key().stream)?.as_ref())
    }

    /// The branch the consumer belongs to; `None` once its stream is gone or has failed.
    pub(crate) fn branch_id(&self) -> Option<BranchId> {
        self.shared.branch_of(self.tap.id()).map(|branch| branch.id())
    }

    /// Has consumers regrouped; many changes of targets make one regrouping.
    fn regroup(&self) {
        if !self.shared.regroup_pending.swap(true, Ordering::AcqRel) {
            // Refused only when the pool is gone.
            let _ = self.commands.send(Command::Regroup);
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.tap.close();
        // Refused only when the pool is gone, and all members with it.
        let _ = self.commands.send(Command::Detach(self.tap.id()));
    }
}

/// A source that heard the request answers within some frames; one that did not makes key frames about every second
/// or two.
const KEY_FRAME_PATIENCE: Duration = Duration::from_secs(3);

/// What an element may spend here of the five seconds it has for going to NULL.
const MAX_SHUTDOWN: Duration = Duration::from_secs(2);
