// SPDX-License-Identifier: MPL-2.0
//! A hundred consumers in turn leave nothing behind: threads, file descriptors, pipelines and their elements are back where they were.
//!
//! Alone in its binary: it counts what the whole process has.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::{Arc, Mutex};

use common::consumer::Consumer;
use common::pipelines::{Producer, SMALL, video};
use common::wait_until;
use gst::prelude::*;

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).expect("a Linux machine").count()
}

fn visit(producer: &Producer, id: &str) {
    let consumer = Consumer::join(&producer.signaller, id);
    consumer.wait_frames(0, 1);
    consumer.leave();
    wait_until("the session is gone", || producer.sessions().is_empty());
}

#[test]
fn a_hundred_visits_leave_nothing_behind() {
    let producer = Producer::prepare(&[video(SMALL)], |_| ());
    let pipelines = Arc::new(Mutex::new(Vec::new()));
    let elements = Arc::new(Mutex::new(Vec::new()));
    let (made, added) = (pipelines.clone(), elements.clone());
    producer
        .sink
        .connect("consumer-pipeline-created", false, move |values| {
            let pipeline = values[2].get::<gst::Pipeline>().unwrap();
            let added = added.clone();
            pipeline.connect_deep_element_added(move |_, _, element| {
                added.lock().unwrap().push((element.name(), element.downgrade()));
            });
            made.lock().unwrap().push(pipeline.downgrade());
            None
        });
    producer.play();
    // The first visits make what the process keeps: the runtime's threads, GLib's pools.
    for round in 0..10 {
        visit(&producer, &format!("warm-{round}"));
    }
    let (threads, files) = (count("/proc/self/task"), count("/proc/self/fd"));
    for round in 0..100 {
        visit(&producer, &format!("visit-{round}"));
    }
    // Pools of threads shrink and grow by a few; a leak would be a hundred times as much.
    wait_until("threads are back", || count("/proc/self/task") <= threads + 8);
    wait_until("files are back", || count("/proc/self/fd") <= files + 8);
    wait_until("pipelines are gone", || {
        pipelines.lock().unwrap().iter().all(|it| it.upgrade().is_none())
    });
    wait_until("everything in them is gone", || {
        let elements = elements.lock().unwrap();
        let left = elements
            .iter()
            .filter_map(|(name, it)| it.upgrade().map(|_| name));
        let left: Vec<_> = left.collect();
        if !left.is_empty() {
            eprintln!("left: {left:?}");
        }
        left.is_empty()
    });
    producer.assert_no_errors();
}
