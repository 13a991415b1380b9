// SPDX-License-Identifier: MPL-2.0
//! Three consumers, one of them slow: two encoders, the slow one alone; when it recovers they share again, and nobody's
//! numbering shows it. Once with targets by script, once with what the estimator makes of real links.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use testkit::link::Plan;
use testkit::relay::{Link, Side};

use super::common::consumer::{Consumer, Options};
use super::common::pipelines::Producer;
use super::common::{wait_until, wait_within};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Which sessions are fed by the same branch, each group in order; nothing while a consumer has no branch.
fn groups(producer: &Producer) -> Vec<Vec<String>> {
    let mut branches: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let stats = producer.sink.property::<gst::Structure>("stats");
    for (session, value) in stats.iter() {
        let stats = value.get::<gst::Structure>().unwrap();
        let consumer = stats.get::<gst::Structure>("consumer-stats").unwrap();
        for stream in consumer.get::<gst::Array>("streams").unwrap().iter() {
            let stream = stream.get::<gst::Structure>().unwrap();
            if let Ok(branch) = stream.get::<String>("branch") {
                branches.entry(branch).or_default().push(session.to_string());
            }
        }
    }
    let mut groups: Vec<_> = branches.into_values().collect();
    groups.iter_mut().for_each(|group| group.sort());
    groups.sort();
    groups
}

/// Encoders that run, by the pipelines that hold them.
fn count_encoders(producer: &Producer) -> Arc<Mutex<Vec<gst::glib::WeakRef<gst::Element>>>> {
    let encoders: Arc<Mutex<Vec<gst::glib::WeakRef<gst::Element>>>> = Arc::default();
    let made = encoders.clone();
    producer.sink.connect("encoder-setup", false, move |values| {
        if values[1].get::<&str>() != Ok("discovery") {
            made.lock()
                .unwrap()
                .push(values[3].get::<gst::Element>().unwrap().downgrade());
        }
        Some(false.to_value())
    });
    encoders
}

fn running(encoders: &Mutex<Vec<gst::glib::WeakRef<gst::Element>>>) -> usize {
    let encoders = encoders.lock().unwrap();
    encoders.iter().filter_map(|weak| weak.upgrade()).count()
}

fn missing(consumer: &Consumer) -> u64 {
    consumer.stream(0).unwrap().missing.load(Ordering::SeqCst)
}

fn size(consumer: &Consumer) -> (i32, i32) {
    *consumer.stream(0).unwrap().size.lock().unwrap()
}

/// Pictures that reach a decoder. A decoder takes a picture of another size only from a key frame, so that the size of
/// what it puts out tells which branch feeds it, and that the change was made where it may be.
fn decoded(consumer: &Consumer) -> u64 {
    consumer.stream(0).unwrap().decoded.load(Ordering::SeqCst)
}

#[test]
fn scripted_targets_make_two_encoders_and_one_again() {
    let source = "videotestsrc is-live=true pattern=ball ! \
        video/x-raw,format=I420,width=640,height=480,framerate=15/1 ! sink.";
    let producer = Producer::prepare(&[source.to_owned()], |_| ());
    let encoders = count_encoders(&producer);
    let script: Arc<Mutex<BTreeMap<String, i32>>> = Arc::default();
    let set = |name: &str, kbps: i32| {
        script.lock().unwrap().insert(format!("peer-{name}"), kbps * 1000);
    };
    NAMES.iter().for_each(|name| set(name, 3000));
    let scripted = script.clone();
    producer
        .sink
        .connect("define-encoder-bitrates", false, move |values| {
            let peer = values[1].get::<String>().unwrap();
            let mut bitrates = values[3].get::<gst::Structure>().unwrap();
            bitrates.set("video_0", scripted.lock().unwrap()[&peer]);
            Some(bitrates.to_value())
        });
    producer.play();
    let options = Options {
        decode: true,
        video_codec: Some("VP8"),
        ..Options::default()
    };
    let consumers = NAMES.map(|name| Consumer::join_with(&producer.signaller, name, options));
    wait_until("everybody sees the whole picture", || {
        consumers
            .iter()
            .all(|it| it.stream(0).is_some() && size(it) == (640, 480))
    });
    wait_until("one encoder", || {
        groups(&producer) == [NAMES] && running(&encoders) == 1
    });

    set("b", 2900);
    set("c", 499);
    wait_until("two encoders", || {
        groups(&producer) == [vec!["a", "b"], vec!["c"]] && running(&encoders) == 2
    });
    wait_until("the slow one sees a smaller picture", || {
        size(&consumers[2]) == (480, 360)
    });
    let before = [decoded(&consumers[0]), decoded(&consumers[1])];

    set("c", 2950);
    wait_until("one encoder", || {
        groups(&producer) == [NAMES] && running(&encoders) == 1
    });
    wait_until("the slow one sees the whole picture", || {
        size(&consumers[2]) == (640, 480)
    });
    for consumer in &consumers {
        consumer.wait_frames(0, 15);
        assert_eq!(missing(consumer), 0, "{}: packets are missing", consumer.id);
    }
    // Both were fed the same pictures all along; what one is ahead of the other is on its way.
    let since = [0, 1].map(|n| decoded(&consumers[n]) - before[n]);
    assert!(since[0].abs_diff(since[1]) <= 3, "{since:?} pictures");
    assert_eq!([size(&consumers[0]), size(&consumers[1])], [(640, 480); 2]);
    producer.assert_no_errors();
}

/// The estimator needs its time on a machine that does other things.
const PATIENCE: Duration = Duration::from_secs(150);

/// Waits until the groups have been these for a while.
fn wait_settled(producer: &Producer, what: &str, wanted: &[&[&str]]) {
    let mut since = None;
    wait_within(PATIENCE, what, || {
        if groups(producer) != wanted {
            since = None;
            return false;
        }
        since.get_or_insert_with(Instant::now).elapsed() > Duration::from_secs(2)
    });
}

fn plan(kbps: u64) -> Plan {
    // A queue that a probe does not fill: what this is about is not loss.
    Plan::bottleneck(
        kbps * 1000,
        Duration::from_millis(20),
        Duration::from_millis(1500),
    )
}

/// What a link dropped so far.
fn dropped(link: &Link) -> u64 {
    link.passed(Side::Left).iter().map(|it| it.dropped).sum()
}

#[test]
fn links_of_different_capacity_make_two_encoders_and_one_again() {
    // Noise, which an encoder can spend any bitrate on.
    let source = "videotestsrc is-live=true pattern=snow ! \
        video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! sink.";
    let producer = Producer::prepare(&[source.to_owned()], |sink| {
        sink.set_property("start-bitrate", 500_000u32);
        // Where the fast ones end up, so that their estimates are the same and not only close.
        sink.set_property("max-bitrate", 2_000_000u32);
    });
    let encoders = count_encoders(&producer);
    producer.play();
    let links = [3000, 2900, 500].map(|kbps| -> &'static Link {
        Box::leak(Box::new(Link::new(
            plan(kbps),
            Plan::clear(Duration::from_millis(20)),
        )))
    });
    let consumers: Vec<_> = NAMES
        .iter()
        .zip(links)
        .map(|(name, link)| {
            let options = Options {
                link: Some(link),
                // A machine that does other things delivers late; what is looked for is what was never sent.
                latency_ms: Some(1500),
                ..Options::default()
            };
            Consumer::join_with(&producer.signaller, name, options)
        })
        .collect();
    wait_settled(&producer, "the slow one is alone", &[&["a", "b"], &["c"]]);
    wait_until("two encoders", || running(&encoders) == 2);
    let before: Vec<_> = consumers.iter().map(missing).collect();
    // What waits in its queue stays in front: a path that reorders is not what this is about.
    links[2].set_rate(3_000_000);
    wait_settled(&producer, "all share", &[&NAMES]);
    wait_until("one encoder", || running(&encoders) == 1);
    for ((consumer, before), link) in consumers.iter().zip(before).zip(links) {
        consumer.wait_frames(0, 30);
        // A drop shortly before is missed only when the jitterbuffer has waited for it.
        let (missing, dropped) = (missing(consumer) - before, dropped(link));
        assert!(
            missing <= dropped,
            "{}: {missing} packets are missing, of which the link dropped {dropped}",
            consumer.id
        );
    }
    let names: BTreeSet<_> = producer.sessions().into_iter().collect();
    assert_eq!(names.len(), 3, "nobody was lost: {names:?}");
    producer.assert_no_errors();
}
