// SPDX-License-Identifier: MPL-2.0
//! One stream of the producer: webrtcbin's pad on one side, the element's on the other, a branch between them.
//!
//! While nothing can be done with its data (downstream is not linked, takes none of the forms, or its branch failed)
//! the stream is drained: packets are dropped as they leave webrtcbin. Owned by the session's thread. Owns the link
//! between both pads and the gate at webrtcbin's; which form is wanted is said by `form`, its elements are `branch`'s,
//! identity and the end of stream `outlet`'s.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gst::prelude::*;

use super::branch::{Branch, BranchError, Plan};
use super::form::{self, Form};
use super::outlet::{Outlet, key_frame_request};
use crate::codec::{Codec, MediaKind};
use crate::source::{CAT, WebRTCSrcPad};

/// One stream.
pub(crate) struct Stream {
    /// The element's pad.
    pub(crate) pad: WebRTCSrcPad,
    /// What feeds it.
    pub(crate) outlet: Outlet,
    /// Sound or pictures.
    pub(crate) kind: MediaKind,
    /// The codec that was negotiated last.
    pub(crate) codec: Codec,
    /// Shared with the outlet.
    pub(crate) leaked: Arc<AtomicBool>,
    /// `None` until media comes, and again when the connection goes.
    input: Option<Input>,
    branch: Option<Branch>,
}

/// Numbers branches: the one before may still be on its way out of the bin, under its own name.
static BRANCHES: AtomicU64 = AtomicU64::new(0);

/// webrtcbin's pad of the stream.
pub(crate) struct Input {
    pad: gst::Pad,
    ssrc: u32,
    gate: Gate,
}

/// What happens to data at webrtcbin's pad.
enum Gate {
    /// It flows.
    Open,
    /// It waits, held back by this probe.
    Held(gst::PadProbeId),
    /// This probe drops it.
    Dropping(gst::PadProbeId),
}

impl Stream {
    /// A stream for which nothing has come yet.
    pub(crate) fn new(pad: WebRTCSrcPad, outlet: Outlet, leaked: Arc<AtomicBool>, codec: Codec) -> Self {
        Self {
            pad,
            outlet,
            kind: codec.media(),
            codec,
            leaked,
            input: None,
            branch: None,
        }
    }

    /// Whether media has come.
    pub(crate) fn has_input(&self) -> bool {
        self.input.is_some()
    }

    /// Media comes by `input`. One before it is drained from now on.
    pub(crate) fn set_input(&mut self, input: Input) {
        drop(self.take_input());
        self.outlet.set_ssrc(input.ssrc);
        self.input = Some(input);
    }

    /// The connection that fed the stream is gone; the pad stays.
    pub(crate) fn disconnect(&mut self) {
        drop(self.retire());
    }

    /// Nothing more comes out of this stream; gives what fed it, drained.
    pub(crate) fn retire(&mut self) -> Option<Input> {
        let input = self.take_input();
        self.drop_branch();
        input
    }

    /// Whether `object` belongs to the stream's branch.
    pub(crate) fn contains(&self, object: &gst::Object) -> bool {
        self.branch.as_ref().is_some_and(|branch| branch.contains(object))
    }

    /// What downstream takes of what the stream can be; `None` while nothing is linked.
    pub(crate) fn downstream(&self, codecs: &[Codec]) -> Option<gst::Caps> {
        self.pad
            .is_linked()
            .then(|| self.pad.peer_query_caps(Some(&form::possible(self.kind, codecs))))
    }

    /// Lets data flow in the form downstream asks for, building the branch for it unless it is there. `filter` is asked
    /// for the application's element when a branch is built.
    ///
    /// # Errors
    /// [`BranchError`]; the stream is drained then.
    pub(crate) fn connect(
        &mut self,
        bin: &gst::Bin,
        filter: impl FnOnce(&Self) -> Option<gst::Element>,
    ) -> Result<(), BranchError> {
        if self.input.is_none() {
            return Ok(());
        }
        let Some(form) = self.form() else {
            self.drain();
            return Ok(());
        };
        if self
            .branch
            .as_ref()
            .is_none_or(|branch| !branch.is(form, self.codec))
        {
            self.drain();
            let plan = Plan {
                name: format!("{}_{}", self.pad.name(), BRANCHES.fetch_add(1, Ordering::Relaxed)),
                form,
                codec: self.codec,
                latency: self.outlet.latency(),
                filter: filter(self),
                leaked: self.leaked.clone(),
            };
            gst::debug!(CAT, obj = &self.pad, "gives out {} as {form:?}", self.codec);
            self.branch = Some(Branch::build(bin, self.outlet.sink_pad(), &plan)?);
        }
        self.open();
        Ok(())
    }

    /// Drops what comes until [`Stream::connect`] succeeds.
    pub(crate) fn drain(&mut self) {
        if let Some(input) = &mut self.input {
            input.drain();
        }
        self.drop_branch();
    }

    /// Sends end of stream behind what is still on its way; gives what fed the stream, drained, for it may come back.
    pub(crate) fn end(&mut self) -> Option<Input> {
        let input = self.take_input();
        self.outlet.let_end_pass();
        let entry = self.branch.as_ref().and_then(Branch::entry);
        match entry.filter(|_| self.outlet.sink_pad().has_current_caps()) {
            Some(entry) => drop(entry.send_event(gst::event::Eos::new())),
            // Nothing has passed the branch, or there is none: decoders without input would keep the event.
            None => self.outlet.end(),
        }
        input
    }

    /// Asks the producer for a key frame.
    pub(crate) fn request_key_frame(&self) {
        if let Some(input) = self.input.as_ref().filter(|_| self.kind == MediaKind::Video) {
            input.pad.send_event(key_frame_request());
        }
    }

    fn form(&self) -> Option<Form> {
        let downstream = self.downstream(&[self.codec])?;
        let form = form::preferred(&downstream).filter(|form| super::branch::is_possible(self.codec, *form));
        if form.is_none() {
            gst::warning!(
                CAT,
                obj = &self.pad,
                "downstream takes no form of {}, the stream is drained",
                self.codec
            );
        }
        form
    }

    /// Links webrtcbin's pad to the branch and lets go of what waits there.
    fn open(&mut self) {
        let Some(entry) = self.branch.as_ref().and_then(Branch::entry) else {
            return;
        };
        let Some(input) = &mut self.input else { return };
        if input.pad.peer().as_ref() != Some(&entry)
            && let Err(error) = input.pad.link(&entry)
        {
            gst::warning!(CAT, obj = &self.pad, "stays without data: {error}");
            return;
        }
        let has_gap = input.release();
        if has_gap {
            self.request_key_frame();
        }
    }

    fn drop_branch(&mut self) {
        if let Some(branch) = self.branch.take() {
            branch.retire();
        }
    }

    fn take_input(&mut self) -> Option<Input> {
        let mut input = self.input.take()?;
        input.drain();
        Some(input)
    }
}

impl Input {
    /// Media of the stream with this SSRC waits at `pad`, held by the probe `gate`.
    pub(crate) fn held(pad: gst::Pad, ssrc: u32, gate: gst::PadProbeId) -> Self {
        Self {
            pad,
            ssrc,
            gate: Gate::Held(gate),
        }
    }

    /// Drops everything that would leave the pad.
    pub(crate) fn drain(&mut self) {
        let dropping = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        let held = match std::mem::replace(&mut self.gate, Gate::Open) {
            Gate::Dropping(probe) => return self.gate = Gate::Dropping(probe),
            Gate::Held(probe) => Some(probe),
            Gate::Open => None,
        };
        // An idle probe would be called at once and have no id; this one is not.
        if let Some(probe) = self.pad.add_probe(dropping, |_, _| gst::PadProbeReturn::Drop) {
            self.gate = Gate::Dropping(probe);
        }
        // What waited comes to the new probe.
        held.into_iter().for_each(|probe| self.pad.remove_probe(probe));
        if let Some(peer) = self.pad.peer() {
            // They are linked.
            let _ = self.pad.unlink(&peer);
        }
    }

    /// Lets data pass; says whether some was dropped before.
    fn release(&mut self) -> bool {
        match std::mem::replace(&mut self.gate, Gate::Open) {
            Gate::Open => false,
            Gate::Held(probe) => {
                self.pad.remove_probe(probe);
                false
            }
            Gate::Dropping(probe) => {
                self.pad.remove_probe(probe);
                true
            }
        }
    }
}
