// SPDX-License-Identifier: MPL-2.0
//! Asks for a key frame until one has come.
//!
//! A stream may begin between key frames, where a server forwards it or its first packets came too early. Depayloaders
//! ask once then; a server that limits requests may not pass that one on, and most parsers and decoders of such a stream
//! wait in silence. Owns the repeating; what is lost later is asked for by the depayloader. Runs on the streaming thread.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::outlet::key_frame_request;

/// Watches what leaves `depayloader` until it is a key frame. What has no others, as audio, ends it at once.
pub(super) fn watch(depayloader: &gst::Element) {
    watch_every(depayloader, INTERVAL);
}

fn watch_every(depayloader: &gst::Element, interval: Duration) {
    let Some(pad) = depayloader.static_pad("src") else {
        return;
    };
    let due = Mutex::new(None::<Instant>);
    pad.add_probe(
        gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST,
        move |pad, info| {
            if !is_delta(info) {
                return gst::PadProbeReturn::Remove;
            }
            let now = Instant::now();
            let is_due = {
                let mut due = due.lock().unwrap_or_else(PoisonError::into_inner);
                let is_due = now >= *due.get_or_insert(now + interval);
                if is_due {
                    *due = Some(now + interval);
                }
                is_due
            };
            if is_due {
                // A stream that is being taken apart takes none.
                pad.send_event(key_frame_request());
            }
            gst::PadProbeReturn::Ok
        },
    );
}

fn is_delta(info: &gst::PadProbeInfo) -> bool {
    let first = match &info.data {
        Some(gst::PadProbeData::Buffer(buffer)) => Some(buffer.as_ref()),
        Some(gst::PadProbeData::BufferList(list)) => list.get(0),
        _ => None,
    };
    first.is_some_and(|buffer| buffer.flags().contains(gst::BufferFlags::DELTA_UNIT))
}

/// As long as the LiveKit server lets pass between two requests for its smallest layer (`pli_throttle`).
const INTERVAL: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// An element that `watch_every` watches, and how many requests came through it.
    fn watched(interval: Duration) -> (gst::Element, Arc<AtomicUsize>) {
        gst::init().unwrap();
        let element = gst::ElementFactory::make("identity").build().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = requests.clone();
        let sink = element.static_pad("sink").unwrap();
        sink.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
            let is_request = info
                .event()
                .is_some_and(|event| gst_video::ForceKeyUnitEvent::is(event));
            counted.fetch_add(usize::from(is_request), Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
        watch_every(&element, interval);
        element.set_state(gst::State::Playing).unwrap();
        sink.send_event(gst::event::StreamStart::new("test"));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        sink.send_event(gst::event::Segment::new(&segment));
        (element, requests)
    }

    fn push(element: &gst::Element, flags: gst::BufferFlags) {
        let mut buffer = gst::Buffer::new();
        buffer.get_mut().unwrap().set_flags(flags);
        // Nobody is linked behind.
        let _ = element.static_pad("sink").unwrap().chain(buffer);
    }

    #[test]
    fn a_key_frame_is_asked_for_until_it_comes() {
        let (element, requests) = watched(Duration::ZERO);
        let delta = gst::BufferFlags::DELTA_UNIT;
        for expected in 1..4 {
            push(&element, delta);
            assert_eq!(requests.load(Ordering::Relaxed), expected);
        }
        push(&element, gst::BufferFlags::empty());
        push(&element, delta);
        assert_eq!(requests.load(Ordering::Relaxed), 3);
        element.set_state(gst::State::Null).unwrap();
    }

    #[test]
    fn requests_have_time_to_be_answered() {
        let (element, requests) = watched(Duration::from_secs(3600));
        for _ in 0..100 {
            push(&element, gst::BufferFlags::DELTA_UNIT);
        }
        assert_eq!(requests.load(Ordering::Relaxed), 0);
        element.set_state(gst::State::Null).unwrap();
    }
}
