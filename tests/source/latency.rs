// SPDX-License-Identifier: MPL-2.0
//! What the property `latency` does to what is seen, not only to what is said of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gst::prelude::*;

use crate::common::init;
use crate::common::pipelines::{Producer, SMALL, video};
use crate::common::receiver::Receiver;
use crate::shown::Shown;

/// How long after a picture left the payloader a synchronised sink shows it, at this `latency`.
fn measured(latency_ms: u32) -> Duration {
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
    shown.behind(&sent, 60)
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
