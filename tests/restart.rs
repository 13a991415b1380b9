// SPDX-License-Identifier: MPL-2.0
//! A producer that is stopped and started again serves again, through NULL and through READY.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use common::consumer::Consumer;
use common::loopback::Loopback;
use common::pipelines::{Producer, SMALL, audio, video};
use common::wait_until;
use gst::prelude::*;

const ROUNDS: u32 = 10;

fn restarts_through(state: gst::State) {
    let producer = Producer::start(&[video(SMALL), audio()], |_| ());
    for round in 1..=ROUNDS {
        assert_eq!(producer.signaller.starts(), round);
        let consumer = Consumer::join(&producer.signaller, &format!("round-{round}"));
        consumer.wait_frames(0, 3);
        consumer.wait_frames(1, 3);
        producer.pipeline.set_state(state).unwrap();
        assert!(producer.sessions().is_empty());
        assert!(!producer.signaller.is_started());
        assert_eq!(consumer.wait_end(), None);
        producer.play();
    }
    wait_until("every end was told", || {
        producer.ends.lock().unwrap().len() == ROUNDS as usize
    });
    assert!(producer.ends.lock().unwrap().iter().all(|end| end.2 == "closed"));
    producer.assert_no_errors();
}

#[test]
fn ten_times_through_null() {
    restarts_through(gst::State::Null);
}

#[test]
fn ten_times_through_ready() {
    restarts_through(gst::State::Ready);
}

#[test]
fn a_signaller_set_while_playing_takes_over_at_the_next_start() {
    let producer = Producer::start(&[video(SMALL)], |_| ());
    let consumer = Consumer::join(&producer.signaller, "one");
    consumer.wait_frames(0, 1);
    let next = Loopback::default();
    producer.sink.set_property("signaller", &next);
    consumer.wait_frames(0, 3);
    let newcomer = Consumer::join(&producer.signaller, "two");
    newcomer.wait_frames(0, 1);
    producer.pipeline.set_state(gst::State::Ready).unwrap();
    assert!(!producer.signaller.is_started());
    assert_eq!((consumer.wait_end(), newcomer.wait_end()), (None, None));
    producer.pipeline.set_state(gst::State::Playing).unwrap();
    wait_until("the new signaller is started", || next.is_started());
    assert_eq!((producer.signaller.starts(), next.starts()), (1, 1));
    let consumer = Consumer::join(&next, "three");
    consumer.wait_frames(0, 1);
    producer.assert_no_errors();
}
