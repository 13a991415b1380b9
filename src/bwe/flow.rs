// SPDX-License-Identifier: MPL-2.0
//! How packets and events pass the estimator: in on the streaming thread, out on the source pad's task.
//!
//! The task decides with the lock held and pushes without it. While nothing is queued and after the end of a stream it
//! sleeps; a push or the next stream wakes it. During a flush it is paused. Owns the element's data flow and nothing of
//! the decision what to send, which is `engine`'s. Between the streaming thread and the network there is always this
//! queue, so an encoder is never held up by pacing; the engine bounds it.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::engine::Next;
use super::feedback;
use super::imp::{BandwidthEstimator, CAT};
use super::state::State;

/// What the task does next.
enum Work {
    Push(gst::Buffer),
    End(gst::Event),
    Stop,
}

impl BandwidthEstimator {
    /// A packet comes in: it waits for its turn, the caller does not.
    pub(super) fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let now = self.now();
        let overflow = {
            let mut state = self.state();
            if state.is_flushing {
                return Err(gst::FlowError::Flushing);
            }
            state.flow?;
            let engine = state.engine.as_mut().ok_or(gst::FlowError::Flushing)?;
            engine.push(now, buffer).err()
        };
        self.changed.notify_one();
        if let Some(overflow) = overflow {
            gst::warning!(CAT, imp = self, "{overflow}");
            let request = gst_video::UpstreamForceKeyUnitEvent::builder()
                .all_headers(true)
                .build();
            // Nobody upstream may know how; the receiver asks then.
            let _ = self.sink_pad.push_event(request);
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// An event comes with the media. The end of the stream waits for what waits; the rest goes ahead: it is about
    /// streams as a whole, and a packet more or less before it changes nothing.
    pub(super) fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::Eos(_) => {
                self.state().end = Some(event);
                self.changed.notify_one();
                true
            }
            gst::EventView::FlushStart(_) => self.begin_flush(event),
            gst::EventView::FlushStop(_) => self.end_flush(event),
            gst::EventView::StreamStart(_) => {
                self.begin_stream();
                gst::Pad::event_default(pad, Some(&*self.obj()), event)
            }
            _ => gst::Pad::event_default(pad, Some(&*self.obj()), event),
        }
    }

    /// A flush begins. Waits for the task, which may have a packet in its hands: kept for long it would leave in the next
    /// stream.
    fn begin_flush(&self, event: gst::Event) -> bool {
        let is_forwarded = self.src_pad.push_event(event);
        self.set_flushing(true);
        // Fails only for a pad without a task, which has nothing in its hands.
        let _ = self.src_pad.pause_task();
        is_forwarded
    }

    fn end_flush(&self, event: gst::Event) -> bool {
        let is_forwarded = self.src_pad.push_event(event);
        let is_active = self.state().engine.is_some();
        if is_active {
            self.set_flushing(false);
            if let Err(error) = self.start_task() {
                error.log_with_imp(self);
                return false;
            }
        }
        is_forwarded
    }

    /// The next stream begins, behind the last one's end if that is on its way: overtaken, it would end this one.
    fn begin_stream(&self) {
        let mut state = self.state();
        while state.is_ending {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.begin_stream();
        drop(state);
        self.changed.notify_one();
    }

    /// An event comes from the session: its reports end here.
    pub(super) fn src_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        let report = event
            .structure()
            .filter(|structure| structure.name() == feedback::TWCC_EVENT);
        if let Some(report) = report.map(feedback::packet_reports) {
            self.on_feedback(&report);
            return true;
        }
        gst::Pad::event_default(pad, Some(&*self.obj()), event)
    }

    /// Packets may flow, or no longer. Stopping waits for the task, which without an engine waits for nothing but downstream.
    pub(super) fn activate(&self, is_active: bool) -> Result<(), gst::LoggableError> {
        if is_active {
            let engine = self.new_engine(self.now());
            {
                let mut state = self.state();
                (state.engine, state.end, state.has_fallen_back) = (Some(engine), None, false);
            }
            self.set_flushing(false);
            return self.start_task();
        }
        self.set_flushing(true);
        let engine = self.state().engine.take();
        self.changed.notify_one();
        let stopped = self.src_pad.stop_task();
        drop(engine);
        stopped.map_err(|error| gst::LoggableError::new(*CAT, error))
    }

    fn start_task(&self) -> Result<(), gst::LoggableError> {
        let weak = self.downgrade();
        let started = self.src_pad.start_task(move || {
            if let Some(imp) = weak.upgrade() {
                imp.work();
            }
        });
        started.map_err(|error| gst::LoggableError::new(*CAT, error))
    }

    fn set_flushing(&self, is_flushing: bool) {
        self.state().set_flushing(is_flushing);
        self.changed.notify_one();
    }

    /// One round of the task.
    fn work(&self) {
        match self.next_work() {
            Work::Push(buffer) => {
                let flow = self.src_pad.push(buffer);
                self.state().record(flow);
            }
            Work::End(event) => {
                self.src_pad.push_event(event);
                self.state().ended();
                self.changed.notify_one();
            }
            Work::Stop => {
                // Fails only while the pad is being deactivated, which stops the task as well.
                let _ = self.src_pad.pause_task();
            }
        }
    }

    /// Waits until there is something to do.
    fn next_work(&self) -> Work {
        let mut state = self.state();
        loop {
            if state.is_flushing {
                return Work::Stop;
            }
            let may_flow = state.flow.is_ok();
            let now = self.now();
            let Some(engine) = &mut state.engine else {
                return Work::Stop;
            };
            if !may_flow {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let next = engine.poll(now);
            if engine.is_empty()
                && !matches!(next, Next::Send(_))
                && let Some(event) = state.take_end()
            {
                return Work::End(event);
            }
            state = match next {
                Next::Send(buffer) => return Work::Push(buffer),
                Next::Wait(until) => self.wait(state, until - now),
                Next::Idle => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
