// SPDX-License-Identifier: MPL-2.0
//! Several consumers of one stream: one encoder serves them all, and whoever comes or goes disturbs nobody.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::consumer::Consumer;
use common::pipelines::{Producer, SMALL, video};
use common::wait_until;
use gst::prelude::*;

/// Counts encoders that are made for consumers, not for finding out what works.
fn count_encoders(producer: &Producer) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    producer.sink.connect("encoder-setup", false, move |values| {
        if values[1].get::<&str>() != Ok("discovery") {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        Some(false.to_value())
    });
    count
}

/// Which branches feed the sessions, and the encoders in them.
fn branches(producer: &Producer) -> (BTreeSet<String>, BTreeSet<String>) {
    let stats = producer.sink.property::<gst::Structure>("stats");
    let mut found = (BTreeSet::new(), BTreeSet::new());
    for (_, session) in stats.iter() {
        let session = session.get::<gst::Structure>().unwrap();
        let consumer = session.get::<gst::Structure>("consumer-stats").unwrap();
        for stream in consumer.get::<gst::Array>("streams").unwrap().iter() {
            let stream = stream.get::<gst::Structure>().unwrap();
            found.0.extend(stream.get::<String>("branch"));
            found.1.extend(stream.get::<String>("encoder"));
        }
    }
    found
}

#[test]
fn four_consumers_share_one_encoder_and_lose_no_frame() {
    let producer = Producer::prepare(&[video(SMALL)], |_| ());
    let encoders = count_encoders(&producer);
    producer.play();
    let consumers: Vec<_> = (0..4)
        .map(|n| Consumer::join(&producer.signaller, &n.to_string()))
        .collect();
    for consumer in &consumers {
        consumer.wait_frames(0, 60);
    }
    for consumer in &consumers {
        let stream = consumer.stream(0).unwrap();
        assert_eq!(stream.missing.load(Ordering::SeqCst), 0, "{}", consumer.id);
    }
    assert_eq!(encoders.load(Ordering::SeqCst), 1);
    let (branches, factories) = branches(&producer);
    assert_eq!(
        (branches.len(), factories.len()),
        (1, 1),
        "{branches:?} {factories:?}"
    );
    producer.assert_no_errors();
}

#[test]
fn without_consumers_nothing_is_encoded() {
    let producer = Producer::prepare(&[video(SMALL)], |_| ());
    let pipelines = Arc::new(Mutex::new(Vec::new()));
    let made = pipelines.clone();
    producer
        .sink
        .connect("consumer-pipeline-created", false, move |values| {
            made.lock()
                .unwrap()
                .push(values[2].get::<gst::Pipeline>().unwrap().downgrade());
            None
        });
    producer.play();
    assert!(pipelines.lock().unwrap().is_empty());
    let consumer = Consumer::join(&producer.signaller, "only");
    consumer.wait_frames(0, 10);
    consumer.leave();
    wait_until("every pipeline is gone", || {
        pipelines
            .lock()
            .unwrap()
            .iter()
            .all(|pipeline| pipeline.upgrade().is_none())
    });
}

#[test]
fn joins_and_leaves_are_not_seen_by_others() {
    let producer = Producer::start(&[video(SMALL)], |_| ());
    let watcher = Consumer::join(&producer.signaller, "watcher");
    watcher.wait_frames(0, 10);
    for round in 0..4 {
        let visitor = Consumer::join(&producer.signaller, &format!("visitor-{round}"));
        visitor.wait_frames(0, 5);
        visitor.leave();
    }
    watcher.wait_frames(0, 10);
    let stream = watcher.stream(0).unwrap();
    assert_eq!(stream.missing.load(Ordering::SeqCst), 0);
    producer.assert_no_errors();
}
