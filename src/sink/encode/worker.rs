// SPDX-License-Identifier: MPL-2.0
//! The one thread of a pool: takes commands in order, and looks after regrouping when time has passed.
//!
//! Making and stopping pipelines blocks, and calls the application's signal handlers; here it blocks nobody else, and
//! commands never overlap. Owns the order only: what a command does is `registry`'s. Senders never wait, so that
//! streaming threads may tell it anything; changes of targets are merged before they come here.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender};
use std::time::Duration;

use super::registry::Registry;
use super::state::Shared;
use super::tap::{MemberId, Tap};
use super::{AttachRequest, BranchError, BranchId, StreamId};

/// What a pool's worker is told.
pub(super) enum Command {
    /// A consumer comes.
    Attach(Box<AttachRequest>, SyncSender<Result<Arc<Tap>, BranchError>>),
    /// A consumer left.
    Detach(MemberId),
    /// A consumer takes nothing from this branch any more.
    Left {
        /// Who.
        member: MemberId,
        /// From where.
        branch: BranchId,
    },
    /// The input of a stream came to its end.
    InputEnded(StreamId),
    /// A consumer needs frames, or does not for a while.
    Need(MemberId),
    /// Targets or settings changed.
    Regroup,
    /// A stream has other caps.
    InputCaps(StreamId),
    /// A stream has another latency.
    InputLatency(StreamId),
    /// A branch may have another latency.
    LatencyChanged(BranchId),
    /// An element of a branch posted an error.
    Failed {
        /// Which branch.
        branch: BranchId,
        /// Which of its pipelines.
        generation: u64,
        /// What the element said.
        reason: String,
    },
    /// Nothing more leaves a branch: its input ended, or an element failed.
    Ended {
        /// Which branch.
        branch: BranchId,
        /// Which of its pipelines.
        generation: u64,
    },
    /// A pad was released.
    RemoveStream(StreamId),
    /// The element has another clock or base time.
    ClockChanged,
    /// Stop everything; answer when it is done.
    Quit(SyncSender<()>),
}

/// Runs until told to quit.
pub(super) fn run(shared: Arc<Shared>, commands: &Receiver<Command>, sender: Sender<Command>) {
    let mut registry = Registry::new(shared, sender);
    loop {
        let command = if registry.is_idle() {
            commands.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            commands.recv_timeout(TICK)
        };
        match command {
            Ok(Command::Quit(done)) => {
                registry.stop_everything();
                // Whoever waited may have given up.
                let _ = done.send(());
                return;
            }
            Ok(command) => perform(&mut registry, command),
            Err(RecvTimeoutError::Timeout) => registry.tick(),
            Err(RecvTimeoutError::Disconnected) => return registry.stop_everything(),
        }
    }
}

/// One command. Nothing in it may fail: what goes wrong is reported to whom it concerns.
fn perform(registry: &mut Registry, command: Command) {
    match command {
        Command::Attach(request, reply) => {
            let id = registry.attach(*request);
            // A caller that is gone dropped the receiver, and the tap with it; its attachment does not exist.
            if let Err(std::sync::mpsc::SendError(Ok(tap))) = reply.send(id) {
                registry.detach(tap.id());
            }
        }
        Command::Detach(member) => registry.detach(member),
        Command::Left { member, branch } => registry.left(member, branch),
        Command::InputEnded(stream) => registry.input_ended(&stream),
        Command::Need(member) => registry.need_changed(member),
        Command::Regroup => registry.regroup_all(),
        Command::InputCaps(stream) => registry.input_caps_changed(&stream),
        Command::InputLatency(stream) => registry.input_latency_changed(&stream),
        Command::LatencyChanged(branch) => registry.latency_changed(branch),
        Command::Failed {
            branch,
            generation,
            reason,
        } => registry.failed(branch, generation, &reason),
        Command::Ended { branch, generation } => registry.ended(branch, generation),
        Command::RemoveStream(stream) => registry.remove_stream(&stream),
        Command::ClockChanged => registry.clock_changed(),
        Command::Quit(_) => unreachable!("handled by the loop"),
    }
}

/// How often waiting moves and sizes are looked at while anybody is attached.
const TICK: Duration = Duration::from_secs(1);
