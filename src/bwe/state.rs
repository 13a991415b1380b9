// SPDX-License-Identifier: MPL-2.0
//! The data behind an estimator's one lock: what runs, whether it flushes, what downstream said.
//!
//! Owns what a flush and an answer of downstream mean for the rest; the lock itself and its order are in `imp`. Locked
//! for each packet by the streaming thread and the pad's task in turn, so nothing in here takes long.

use super::engine::Engine;
use super::streams::Streams;

/// Everything that changes while packets pass.
pub(super) struct State {
    /// While the source pad is active.
    pub(super) engine: Option<Engine>,
    /// Kept beside the engine, which is made anew at each activation.
    pub(super) streams: Streams,
    pub(super) is_flushing: bool,
    /// The end of the stream, to follow what waits.
    pub(super) end: Option<gst::Event>,
    /// Whether the end is on its way downstream; what belongs to the next stream has to stay behind it.
    pub(super) is_ending: bool,
    /// What downstream said last.
    pub(super) flow: Result<gst::FlowSuccess, gst::FlowError>,
    /// What was notified last.
    pub(super) notified: Notified,
    /// Whether it was logged that the peer gives no transport-wide feedback; once is enough.
    pub(super) has_fallen_back: bool,
}

/// What makes an estimate news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Notified {
    /// In bit/s.
    pub(super) estimate: u32,
    /// Whether packets waited.
    pub(super) has_backlog: bool,
    /// Whether packets were changed, so that none could be protected.
    pub(super) is_telling: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            engine: None,
            streams: Streams::default(),
            is_flushing: true,
            end: None,
            is_ending: false,
            flow: Err(gst::FlowError::Flushing),
            notified: Notified::default(),
            has_fallen_back: false,
        }
    }
}

impl State {
    /// Begins to refuse packets and drops what waits, or accepts them again.
    pub(super) fn set_flushing(&mut self, is_flushing: bool) {
        self.is_flushing = is_flushing;
        self.flow = if is_flushing {
            Err(gst::FlowError::Flushing)
        } else {
            Ok(gst::FlowSuccess::Ok)
        };
        if is_flushing {
            self.end = None;
            if let Some(engine) = &mut self.engine {
                engine.clear();
            }
        }
    }

    /// The end of the stream, if one waits. It is on its way until [`State::ended`].
    pub(super) fn take_end(&mut self) -> Option<gst::Event> {
        let end = self.end.take();
        self.is_ending = end.is_some();
        end
    }

    /// The end has passed.
    pub(super) fn ended(&mut self) {
        self.is_ending = false;
        self.record(Err(gst::FlowError::Eos));
    }

    /// Another stream follows one that ended, or that was about to.
    pub(super) fn begin_stream(&mut self) {
        self.end = None;
        if self.flow == Err(gst::FlowError::Eos) {
            self.flow = Ok(gst::FlowSuccess::Ok);
        }
    }

    /// Remembers what downstream said. A flush that came meanwhile stays.
    pub(super) fn record(&mut self, flow: Result<gst::FlowSuccess, gst::FlowError>) {
        if !self.is_flushing && self.flow.is_ok() {
            self.flow = flow;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_estimator_takes_nothing() {
        assert_eq!(State::default().flow, Err(gst::FlowError::Flushing));
    }

    #[test]
    fn another_stream_undoes_an_end_and_nothing_else() {
        let mut state = State::default();
        state.begin_stream();
        assert_eq!(state.flow, Err(gst::FlowError::Flushing));
        state.set_flushing(false);
        state.record(Err(gst::FlowError::Eos));
        state.begin_stream();
        assert_eq!(state.flow, Ok(gst::FlowSuccess::Ok));
        state.record(Err(gst::FlowError::NotLinked));
        state.begin_stream();
        assert_eq!(state.flow, Err(gst::FlowError::NotLinked));
    }

    #[test]
    fn an_end_is_on_its_way_until_it_has_passed() {
        gst::init().expect("GStreamer initialises");
        let mut state = State::default();
        state.set_flushing(false);
        assert!(state.take_end().is_none());
        assert!(!state.is_ending);
        state.end = Some(gst::event::Eos::new());
        assert!(state.take_end().is_some());
        assert!(state.is_ending);
        assert_eq!(state.flow, Ok(gst::FlowSuccess::Ok));
        state.ended();
        assert!(!state.is_ending);
        assert_eq!(state.flow, Err(gst::FlowError::Eos));
    }

    #[test]
    fn an_error_stays_until_a_flush_is_over() {
        let mut state = State::default();
        state.record(Ok(gst::FlowSuccess::Ok));
        assert_eq!(state.flow, Err(gst::FlowError::Flushing), "it flushes");
        state.set_flushing(false);
        state.record(Err(gst::FlowError::Eos));
        state.record(Ok(gst::FlowSuccess::Ok));
        assert_eq!(state.flow, Err(gst::FlowError::Eos));
        state.set_flushing(true);
        state.set_flushing(false);
        assert_eq!(state.flow, Ok(gst::FlowSuccess::Ok));
    }
}
