// SPDX-License-Identifier: MPL-2.0
//! The shape of the property `stats`, and that it is fresh for those who read it often.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::collections::BTreeSet;

use common::consumer::Consumer;
use common::pipelines::{Producer, SMALL, audio, video};
use common::wait_until;
use gst::glib;
use gst::prelude::*;

fn session(producer: &Producer, id: &str) -> Option<gst::Structure> {
    let stats = producer.sink.property::<gst::Structure>("stats");
    assert_eq!(stats.name(), "application/x-webrtcsink-stats");
    stats.get::<gst::Structure>(id).ok()
}

fn consumer_stats(producer: &Producer, id: &str) -> Option<gst::Structure> {
    let consumer = session(producer, id)?
        .get::<gst::Structure>("consumer-stats")
        .ok()?;
    assert_eq!(consumer.name(), "application/x-webrtcsink-consumer-stats");
    Some(consumer)
}

fn structures(of: &gst::Structure, field: &str) -> Vec<gst::Structure> {
    let array = of.get::<gst::Array>(field).unwrap();
    array
        .iter()
        .map(|it| it.get::<gst::Structure>().unwrap())
        .collect()
}

/// Checks that `structure` has the fields, with the types.
fn assert_fields(structure: &gst::Structure, fields: &[(&str, glib::Type)]) {
    for (name, kind) in fields {
        let value = structure
            .value(*name)
            .unwrap_or_else(|_| panic!("no {name}: {structure}"));
        assert_eq!(value.type_(), *kind, "{name} of {structure}");
    }
}

#[test]
fn statistics_tell_who_is_served_by_what() {
    let producer = Producer::start(&[video(SMALL), audio()], |_| ());
    let consumers = ["one", "two"].map(|id| Consumer::join(&producer.signaller, id));
    for consumer in &consumers {
        consumer.wait_frames(0, 5);
        let is_reported = || {
            let stats = consumer_stats(&producer, &consumer.id);
            stats
                .is_some_and(|stats| stats.has_field("round-trip-time") && stats.has_field("local-candidate"))
        };
        wait_until("the peer's reports are read", is_reported);
    }
    let stats = consumer_stats(&producer, "one").unwrap();
    assert_fields(
        &stats,
        &[
            ("peer-id", glib::Type::STRING),
            ("state", glib::Type::STRING),
            ("connect-time", gst::ClockTime::static_type()),
            ("time-to-first-frame", gst::ClockTime::static_type()),
            ("round-trip-time", glib::Type::F64),
            ("loss-ratio", glib::Type::F64),
            ("packets-lost", glib::Type::U64),
            ("bytes-sent", glib::Type::U64),
            ("estimated-bitrate", glib::Type::U64),
            ("media-bitrate", glib::Type::U64),
            ("sent-bitrate", glib::Type::U64),
            ("playout-delay", gst::ClockTime::static_type()),
            ("local-candidate", glib::Type::STRING),
            ("remote-candidate", glib::Type::STRING),
        ],
    );
    assert_eq!(stats.get::<String>("peer-id").unwrap(), "peer-one");
    let state = stats.get::<String>("state").unwrap();
    // A loaded machine may be silent for long enough.
    assert!(["connected", "recovering"].contains(&state.as_str()), "{state}");
    let connected = stats.get::<gst::ClockTime>("connect-time").unwrap();
    assert!(stats.get::<gst::ClockTime>("time-to-first-frame").unwrap() >= connected);
    let rate = |field: &str| stats.get::<u64>(field).unwrap();
    assert!(
        (1_000..=2 * 8_192_000).contains(&rate("estimated-bitrate")),
        "{stats}"
    );
    assert!(rate("media-bitrate") < rate("estimated-bitrate"), "{stats}");
    assert!(rate("sent-bitrate") > 0, "{stats}");
    assert!(
        session(&producer, "one").unwrap().n_fields() > 1,
        "webrtcbin's own numbers"
    );
}

#[test]
fn encoders_are_listed_as_ever_and_streams_say_who_shares_them() {
    let producer = Producer::start(&[video(SMALL), audio()], |_| ());
    let consumers = ["one", "two"].map(|id| Consumer::join(&producer.signaller, id));
    let streams =
        |id: &str| consumer_stats(&producer, id).map_or(Vec::new(), |it| structures(&it, "streams"));
    for consumer in &consumers {
        consumer.wait_frames(0, 5);
        let is_sent = |it: &gst::Structure| it.get::<u64>("bitrate-sent").is_ok_and(|sent| sent > 0);
        wait_until("bitrates are measured", || {
            let streams = streams(&consumer.id);
            streams.len() == 2 && streams.iter().all(is_sent)
        });
    }
    let stats = consumer_stats(&producer, "one").unwrap();
    let encoders = structures(&stats, "video-encoders");
    assert_eq!(encoders.len(), 1);
    assert_fields(
        &encoders[0],
        &[
            ("bitrate", glib::Type::I32),
            ("codec-name", glib::Type::STRING),
            ("fec-percentage", glib::Type::U32),
            ("pad", glib::Type::STRING),
        ],
    );
    assert_eq!(encoders[0].get::<String>("codec-name").unwrap(), "video/x-vp8");
    assert_eq!(
        encoders[0].value("mitigation-mode").unwrap().type_().name(),
        "GstWebRTCSinkMitigationMode"
    );
    assert!((1_000..=8_192_000).contains(&encoders[0].get::<i32>("bitrate").unwrap()));
    for (stream, pad) in streams("one").iter().zip(["audio_0", "video_0"]) {
        assert_eq!(stream.get::<String>("pad").unwrap(), pad);
        assert_fields(
            stream,
            &[
                ("codec", glib::Type::STRING),
                ("branch", glib::Type::STRING),
                ("encoder", glib::Type::STRING),
                ("shared-with", gst::Array::static_type()),
                ("bitrate-sent", glib::Type::U64),
                ("target-bitrate", glib::Type::U64),
                ("frames", glib::Type::U64),
                ("key-frames", glib::Type::U64),
            ],
        );
        let sharers = stream.get::<gst::Array>("shared-with").unwrap();
        let sharers: BTreeSet<_> = sharers.iter().map(|it| it.get::<String>().unwrap()).collect();
        assert_eq!(
            sharers,
            BTreeSet::from(["one".to_owned(), "two".to_owned()]),
            "{pad}"
        );
    }
    assert_eq!(
        streams("one")[1].get::<String>("branch"),
        streams("two")[1].get::<String>("branch")
    );
}

#[test]
fn statistics_are_fresh_while_they_are_read() {
    let producer = Producer::start(&[video(SMALL)], |_| ());
    let consumer = Consumer::join(&producer.signaller, "one");
    consumer.wait_frames(0, 5);
    let stamps = std::cell::RefCell::new(BTreeSet::new());
    let began = std::time::Instant::now();
    wait_until("they are collected a dozen times", || {
        let entries = session(&producer, "one").unwrap();
        let mut entries = entries
            .iter()
            .filter_map(|(_, value)| value.get::<gst::Structure>().ok());
        let stamp = entries.find_map(|entry| entry.get::<f64>("timestamp").ok());
        stamps.borrow_mut().extend(stamp.map(f64::to_bits));
        stamps.borrow().len() >= 12
    });
    let each = began.elapsed() / 12;
    assert!(each < std::time::Duration::from_millis(900), "every {each:?}");
}
