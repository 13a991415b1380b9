// SPDX-License-Identifier: MPL-2.0
//! Data channels: input events and requests towards the producer, time codes from it.

use gst::prelude::*;

use crate::common::pipelines;
use crate::common::producer::{Producer, VP8};
use crate::common::receiver::Receiver;
use crate::common::{init, wait_until};

fn messages(producer: &Producer, label: &str) -> Vec<serde_json::Value> {
    let messages = producer.seen.messages.lock().unwrap();
    let of_label = messages.iter().filter(|(channel, _)| channel == label);
    of_label
        .map(|(_, text)| serde_json::from_str(text).expect("JSON"))
        .collect()
}

fn key_press(key: &str) -> gst::Event {
    gst::event::Navigation::new(gst_video::NavigationEvent::new_key_press(key).structure())
}

/// A receiver with both channels on, and a producer that opened them.
fn with_channels() -> (Receiver, Producer) {
    init();
    let receiver = Receiver::configured(
        |_| Some("queue"),
        |src| {
            src.set_property("enable-data-channel-navigation", true);
            src.set_property("enable-control-data-channel", true);
        },
    );
    let producer = Producer::new(&receiver.signaller, "channels", &[VP8]);
    producer.channel("input");
    producer.channel("control");
    producer.channel("something else");
    producer.offer();
    receiver.wait_buffers("video_0", 10);
    (receiver, producer)
}

#[test]
fn events_sent_to_the_element_reach_the_producer() {
    let (receiver, producer) = with_channels();
    wait_until("a key press arrives on both channels", || {
        assert!(receiver.src.send_event(key_press("a")));
        !messages(&producer, "input").is_empty() && !messages(&producer, "control").is_empty()
    });
    let input = &messages(&producer, "input")[0];
    assert_eq!(
        (&input["event"], &input["key"]),
        (&"KeyPress".into(), &"a".into())
    );
    assert_eq!(input["modifier_state"], "");
    let control = &messages(&producer, "control")[0];
    assert_eq!(control["request"]["type"], "navigationEvent");
    assert_eq!(control["request"]["event"]["event"], "KeyPress");
    assert!(messages(&producer, "something else").is_empty());
}

#[test]
fn events_from_downstream_name_their_stream_and_go_on() {
    let (receiver, producer) = with_channels();
    let pad = receiver.src.static_pad("video_0").expect("the pad is there");
    let mid = pad.property::<Option<String>>("mid");
    let structure = gst::Structure::builder("app/ask").field("on", true).build();
    wait_until("a custom event arrives", || {
        pad.send_event(gst::event::CustomUpstream::new(structure.clone()));
        messages(&producer, "control")
            .iter()
            .any(|message| message["request"]["structureName"] == "app/ask")
    });
    let all = messages(&producer, "control");
    let found = all
        .iter()
        .find(|message| message["request"]["structureName"] == "app/ask")
        .expect("it was there");
    assert_eq!(found["mid"].as_str(), mid.as_deref());
    assert_eq!(found["request"]["structure"]["on"], true);
    let ids: Vec<_> = all
        .iter()
        .map(|message| message["id"].as_u64().expect("a number"))
        .collect();
    assert_eq!(ids, (0..ids.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_time_code_is_attached_to_a_buffer() {
    init();
    let receiver = Receiver::configured(
        |_| Some("queue"),
        |src| src.set_property("enable-control-data-channel", true),
    );
    let producer = Producer::new(&receiver.signaller, "timecode", &[VP8]);
    let channel = producer.channel("control");
    producer.offer();
    receiver.wait_buffers("video_0", 10);
    let pad = receiver.src.static_pad("video_0").expect("the pad is there");
    let mid = pad.property::<Option<String>>("mid").expect("it has a name");
    let found = std::sync::Arc::new(std::sync::Mutex::new(None));
    let slot = found.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let meta = info
            .buffer()
            .and_then(|buffer| buffer.meta::<gst_video::VideoTimeCodeMeta>());
        if let Some(meta) = meta {
            *slot.lock().unwrap() = Some(meta.tc().frames());
        }
        gst::PadProbeReturn::Ok
    });
    let notice = format!(
        r#"{{"type":"InfoMessage","mid":"{mid}","info":{{"meta":{{"type":"timeCode","hours":0,"minutes":0,"seconds":5,
        "frames":17,"field_count":0,"fps":[30,1],"flags":"none","latest_daily_jam":null}}}}}}"#
    );
    wait_until("a buffer carries the time code", || {
        let _ = channel.send_string_full(Some(&notice));
        *found.lock().unwrap() == Some(17)
    });
}

#[test]
fn time_codes_of_our_own_sinks_input_are_attached_to_pictures() {
    let source = "videotestsrc is-live=true ! timecodestamper ! \
        video/x-raw,format=I420,width=160,height=120,framerate=15/1 ! sink.";
    let sender = pipelines::Producer::start(&[source.to_owned()], |sink| {
        sink.set_property("enable-control-data-channel", true);
        sink.set_property("forward-metas", "timecode");
    });
    let receiver = Receiver::configured(
        |_| Some("videoconvert"),
        |src| src.set_property("enable-control-data-channel", true),
    );
    sender.signaller.join(&receiver.signaller);
    sender.signaller.begin("one", None);
    receiver.wait_buffers("video_0", 5);
    let stream = receiver.stream("video_0").expect("the pad is there");
    wait_until("a picture carries its time code", || {
        let last = stream.last.lock().unwrap();
        let buffer = last.as_ref().and_then(|sample| sample.buffer());
        let meta = buffer.and_then(|buffer| buffer.meta::<gst_video::VideoTimeCodeMeta>());
        meta.is_some_and(|meta| meta.tc().fps() == gst::Fraction::new(15, 1))
    });
}
