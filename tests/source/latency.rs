// SPDX-License-Identifier: MPL-2.0
//! What the property `latency` does to what is seen, not only to what is said of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gst::prelude::*;

use crate::common::pipelines::{Producer, SMALL, video};
use crate::common::receiver::Receiver;
use crate::common::{init, wait_until};
use crate::shown::Shown;

/// What leaves a sink's payloader, and what a synchronised sink shows of it behind a source with this `latency`.
struct Path {
    _ends: (Producer, Receiver),
    sent: Shown,
    shown: Shown,
}

fn path(latency_ms: u32) -> Path {
    init();
    let sent = Arc::new(Mutex::new(None));
    let slot = sent.clone();
    let producer = Producer::start(&[video(SMALL)], |sink| {
        sink.set_property_from_str("congestion-control", "disabled");
        sink.connect("payloader-setup", false, move |values| {
            let payloader = values[3].get::<gst::Element>().expect("a payloader");
            *slot.lock().unwrap() = Some(Shown::sent(&payloader));
            Some(false.to_value())
        });
    });
    let receiver = Receiver::configured(|_| None, |src| src.set_property("latency", latency_ms));
    producer.signaller.join(&receiver.signaller);
    producer.signaller.begin("one", None);
    let shown = Shown::by(&receiver);
    let sent = sent.lock().unwrap().clone().expect("a payloader was set up");
    Path {
        _ends: (producer, receiver),
        sent,
        shown,
    }
}

/// How long after a picture left the payloader it is shown.
fn measured(latency_ms: u32) -> Duration {
    let path = path(latency_ms);
    path.shown.behind(&path.sent, 60)
}

#[test]
fn a_synchronised_sink_shows_pictures_as_late_as_asked_for() {
    let (short, long) = (measured(100), measured(500));
    eprintln!("latency 100: {short:?}, 500: {long:?}");
    let difference = long.saturating_sub(short);
    // Pictures may come a little later on a busy machine, but none is shown sooner than it is due.
    assert!(short >= Duration::from_millis(80), "{short:?}");
    assert!(long >= Duration::from_millis(480), "{long:?}");
    assert!(difference >= Duration::from_millis(200), "{difference:?}");
    assert!(difference <= Duration::from_millis(600), "{difference:?}");
}

#[test]
fn pictures_that_wait_for_seconds_are_all_shown() {
    let path = path(2_500);
    let completeness = path.shown.completeness(&path.sent, 60);
    // A busy machine may lose some on the way.
    assert!(completeness > 0.8, "{completeness}");
}

/// How long after their time buffers leave `element`.
fn lateness(element: &gst::Element) -> Arc<Mutex<Vec<gst::ClockTime>>> {
    let late = Arc::new(Mutex::new(Vec::new()));
    let (log, weak) = (late.clone(), element.downgrade());
    let pad = element.static_pad("src").expect("it has one");
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let now = weak.upgrade().and_then(|element| element.current_running_time());
        let due = info.buffer().and_then(|buffer| buffer.pts());
        let late = now.zip(due).map(|(now, due)| now.saturating_sub(due));
        log.lock().unwrap().extend(late);
        gst::PadProbeReturn::Ok
    });
    late
}

#[test]
fn live_input_is_not_held_back_for_the_latency_of_its_source() {
    let claimed = gst::ClockTime::from_mseconds(500);
    let producer = Producer::prepare(&[video(SMALL)], |_| ());
    let pad = producer.sink.static_pad("video_0").expect("one stream was added");
    let output = pad.peer().expect("it is linked");
    let asked = gst::PadProbeType::QUERY_UPSTREAM | gst::PadProbeType::PULL;
    output.add_probe(asked, move |_, info| {
        if let Some(gst::QueryViewMut::Latency(latency)) = info.query_mut().map(|query| query.view_mut()) {
            latency.set(true, claimed, gst::ClockTime::NONE);
        }
        gst::PadProbeReturn::Ok
    });
    let bin = producer.sink.upcast_ref::<gst::Bin>();
    let pacer = bin.iterate_elements().into_iter().flatten().find(|element| {
        element
            .factory()
            .is_some_and(|factory| factory.name() == "clocksync")
    });
    let late = lateness(&pacer.expect("input is paced"));
    producer.play();
    wait_until("pictures pass", || late.lock().unwrap().len() >= 60);
    let mut late = late.lock().unwrap();
    late.sort();
    assert!(late[late.len() / 2] < claimed / 2, "{late:?}");
}
