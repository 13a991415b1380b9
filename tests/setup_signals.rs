// SPDX-License-Identifier: MPL-2.0
//! Applications configure what the sink makes: encoders, payloaders, filters, data channels, descriptions.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::{Arc, Mutex};

use common::consumer::Consumer;
use common::loopback::Sent;
use common::pipelines::{Producer, SMALL, audio, video};
use common::wait_until;
use gst::prelude::*;

type Calls = Arc<Mutex<Vec<String>>>;

fn record(producer: &Producer, signal: &'static str, after: bool, answer: Option<bool>) -> Calls {
    let calls = Calls::default();
    let seen = calls.clone();
    producer.sink.connect(signal, after, move |values| {
        let text = |index: usize| {
            values[index]
                .get::<Option<String>>()
                .ok()
                .flatten()
                .unwrap_or_default()
        };
        seen.lock().unwrap().push(format!(
            "{} {}",
            text(1),
            values.get(2).map(|_| text(2)).unwrap_or_default()
        ));
        answer.map(|answer| answer.to_value())
    });
    calls
}

#[test]
fn a_handler_that_returns_true_keeps_the_defaults_away() {
    let producer = Producer::prepare(&[video(SMALL)], |_| ());
    let payloader = Arc::new(Mutex::new(None));
    let kept = payloader.clone();
    producer.sink.connect("payloader-setup", false, move |values| {
        let element = values[3].get::<gst::Element>().unwrap();
        element.set_property("mtu", 900u32);
        *kept.lock().unwrap() = Some(element);
        Some(true.to_value())
    });
    producer.play();
    let consumer = Consumer::join(&producer.signaller, "one");
    consumer.wait_frames(0, 2);
    let payloader = payloader.lock().unwrap().clone().unwrap();
    assert_eq!(payloader.property::<u32>("mtu"), 900);
    assert_eq!(payloader.property::<u32>("pt"), 96);
}

#[test]
fn a_handler_that_returns_false_is_overwritten_by_the_defaults() {
    let producer = Producer::prepare(&[video(SMALL)], |_| ());
    let payloader = Arc::new(Mutex::new(None));
    let kept = payloader.clone();
    producer.sink.connect("payloader-setup", false, move |values| {
        let element = values[3].get::<gst::Element>().unwrap();
        element.set_property("mtu", 900u32);
        *kept.lock().unwrap() = Some(element);
        Some(false.to_value())
    });
    producer.play();
    let consumer = Consumer::join(&producer.signaller, "one");
    consumer.wait_frames(0, 2);
    assert_eq!(
        payloader.lock().unwrap().clone().unwrap().property::<u32>("mtu"),
        1200
    );
}

#[test]
fn signals_come_with_the_peers_id_and_in_order() {
    let producer = Producer::prepare(&[video(SMALL), audio()], |_| ());
    let pipelines = record(&producer, "consumer-pipeline-created", false, None);
    let added = record(&producer, "consumer-added", false, None);
    let removed = record(&producer, "consumer-removed", false, None);
    let payloaders = record(&producer, "payloader-setup", false, Some(false));
    producer.play();
    let consumer = Consumer::join(&producer.signaller, "one");
    consumer.wait_frames(0, 2);
    consumer.wait_frames(1, 2);
    assert!(pipelines.lock().unwrap()[0].starts_with("peer-one"));
    assert_eq!(added.lock().unwrap().len(), 1);
    let of_sessions = |calls: &Calls| {
        let calls = calls.lock().unwrap();
        calls
            .iter()
            .filter(|call| !call.starts_with("discovery"))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(of_sessions(&payloaders), ["peer-one video_0", "peer-one audio_0"]);
    assert!(removed.lock().unwrap().is_empty());
    consumer.leave();
    wait_until("the consumer is removed", || removed.lock().unwrap().len() == 1);
}

#[test]
fn an_application_may_put_a_filter_before_the_payloader() {
    let producer = Producer::prepare(&[video(SMALL)], |_| ());
    let filter = gst::ElementFactory::make("identity")
        .property("signal-handoffs", true)
        .build()
        .unwrap();
    let handoffs = Arc::new(Mutex::new(0u32));
    let counted = handoffs.clone();
    filter.connect("handoff", false, move |_| {
        *counted.lock().unwrap() += 1;
        None
    });
    let given = filter.clone();
    producer
        .sink
        .connect("request-encoded-filter", false, move |values| {
            let is_session = values[1].get::<Option<String>>().unwrap().is_some();
            Some(is_session.then(|| given.clone()).to_value())
        });
    producer.play();
    let consumer = Consumer::join(&producer.signaller, "one");
    consumer.wait_frames(0, 10);
    assert!(*handoffs.lock().unwrap() >= 10);
}

#[test]
fn a_handler_may_read_every_property() {
    let producer = Producer::prepare(&[video(SMALL)], |_| ());
    let sink = producer.sink.downgrade();
    producer.sink.connect("consumer-added", false, move |_| {
        let sink = sink.upgrade().unwrap();
        for property in sink.list_properties() {
            sink.property_value(property.name());
        }
        assert_eq!(sink.emit_by_name::<Vec<String>>("get-sessions", &[]), ["one"]);
        None
    });
    producer.play();
    let consumer = Consumer::join(&producer.signaller, "one");
    consumer.wait_frames(0, 2);
}

#[test]
fn pads_are_named_in_order_and_carry_their_stream_id() {
    let producer = Producer::prepare(&[video(SMALL), audio(), video(SMALL)], |_| ());
    let names: Vec<_> = producer
        .sink
        .sink_pads()
        .iter()
        .map(|pad| pad.name().to_string())
        .collect();
    assert_eq!(names, ["video_0", "audio_0", "video_1"]);
    let proxy = producer
        .sink
        .upcast_ref::<gst::Bin>()
        .dynamic_cast_ref::<gst::ChildProxy>()
        .unwrap();
    proxy.set_child_property("video_1::msid", "second camera".to_value());
    producer.play();
    let offers = Arc::new(Mutex::new(Vec::new()));
    let seen = offers.clone();
    producer.signaller.route("raw", move |sent| {
        if let Sent::Description(offer) = sent {
            seen.lock().unwrap().push(offer.sdp().as_text().unwrap());
        }
    });
    producer.signaller.request("raw", "peer", None);
    wait_until("an offer is made", || !offers.lock().unwrap().is_empty());
    let offer = offers.lock().unwrap()[0].clone();
    let kinds: Vec<_> = offer
        .lines()
        .filter_map(|line| line.strip_prefix("m=")?.split(' ').next())
        .collect();
    assert_eq!(kinds, ["video", "audio", "video"]);
    assert!(offer.contains("second camera"), "{offer}");
    let extension = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
    assert_eq!(offer.matches(extension).count(), 3, "{offer}");
}

#[test]
fn a_launch_line_names_the_stream_of_a_pad_that_is_yet_to_come() {
    common::init();
    let line = "webrtcsink name=ws video_1::msid=screen videotestsrc ! ws. videotestsrc ! ws.";
    let pipeline = gst::parse::launch(line)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let sink = pipeline.by_name("ws").unwrap();
    let msid = |name: &str| sink.static_pad(name).unwrap().property::<Option<String>>("msid");
    assert_eq!(
        (msid("video_0"), msid("video_1").as_deref()),
        (None, Some("screen"))
    );
}

#[test]
fn buffer_time_codes_are_told_on_the_control_channel() {
    let source = "videotestsrc is-live=true ! timecodestamper ! \
        video/x-raw,format=I420,width=160,height=120,framerate=15/1 ! sink.";
    let producer = Producer::start(&[source.to_owned()], |sink| {
        sink.set_property("enable-control-data-channel", true);
        sink.set_property("forward-metas", "timecode");
    });
    let consumer = Consumer::join(&producer.signaller, "one");
    wait_until("time codes arrive", || {
        consumer.seen.messages.lock().unwrap().len() >= 3
    });
    let messages = consumer.seen.messages.lock().unwrap();
    let info: serde_json::Value = serde_json::from_str(&messages[0].1).unwrap();
    assert_eq!(
        (info["type"].as_str(), info["mid"].as_str()),
        (Some("InfoMessage"), Some("video0"))
    );
    assert_eq!(info["info"]["meta"]["type"], "timeCode");
    assert_eq!(info["info"]["meta"]["fps"], serde_json::json!([15, 1]));
    assert!(messages.windows(2).all(|pair| pair[0].1 != pair[1].1));
}

#[test]
fn offers_tell_the_clock_when_asked_to() {
    let producer = Producer::start(&[video(SMALL), audio()], |sink| {
        sink.set_property("do-clock-signalling", true)
    });
    let consumer = Consumer::join(&producer.signaller, "one");
    consumer.wait_frames(0, 5);
    let offer = consumer.seen.descriptions.lock().unwrap()[0].clone();
    assert_eq!(offer.matches("a=ts-refclk:local").count(), 2, "{offer}");
    assert_eq!(offer.matches("a=mediaclk:sender").count(), 2, "{offer}");
}
