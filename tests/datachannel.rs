// SPDX-License-Identifier: MPL-2.0
//! What a consumer says on its data channels reaches the streams, and is answered.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::{Arc, Mutex};

use common::consumer::Consumer;
use common::pipelines::{Producer, SMALL, audio, video};
use common::wait_until;
use gst::prelude::*;

/// Upstream events that left the sink, by pad and name of their structure.
fn record_events(producer: &Producer) -> Arc<Mutex<Vec<(String, gst::Structure)>>> {
    let events = Arc::new(Mutex::new(Vec::new()));
    for pad in producer.sink.sink_pads() {
        let (seen, name) = (events.clone(), pad.name().to_string());
        let peer = pad.peer().expect("linked");
        peer.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
            let structure = info
                .event()
                .and_then(|event| event.structure().map(|structure| structure.to_owned()));
            if let Some(structure) = structure {
                seen.lock().unwrap().push((name.clone(), structure));
            }
            // As if the application had handled it.
            gst::PadProbeReturn::Handled
        });
    }
    events
}

fn producer(property: &str) -> Producer {
    Producer::start(&[video(SMALL), audio()], |sink| sink.set_property(property, true))
}

fn channel(consumer: &Consumer, label: &str) -> gst_webrtc::WebRTCDataChannel {
    let find = || consumer.seen.channels.lock().unwrap().get(label).cloned();
    wait_until(&format!("channel {label} opens"), || {
        find().is_some_and(|channel| channel.ready_state() == gst_webrtc::WebRTCDataChannelState::Open)
    });
    find().unwrap()
}

fn named<'a>(
    events: &'a [(String, gst::Structure)],
    name: &'a str,
) -> impl Iterator<Item = &'a (String, gst::Structure)> {
    events
        .iter()
        .filter(move |(_, structure)| structure.name() == name)
}

const NAVIGATION: &str = "application/x-gst-navigation";

#[test]
fn navigation_reaches_video_and_not_audio() {
    let producer = producer("enable-data-channel-navigation");
    let events = record_events(&producer);
    let consumer = Consumer::join(&producer.signaller, "one");
    let input = channel(&consumer, "input");
    input.send_string_full(Some("nonsense")).unwrap();
    input
        .send_string_full(Some(
            r#"{"event":"MouseMove","x":10.0,"y":20.0,"modifier_state":""}"#,
        ))
        .unwrap();
    wait_until("the event leaves", || {
        named(&events.lock().unwrap(), NAVIGATION).next().is_some()
    });
    let events = events.lock().unwrap();
    let (pad, structure) = named(&events, NAVIGATION).next().unwrap();
    assert_eq!(pad, "video_0");
    assert_eq!(structure.get::<f64>("pointer_x"), Ok(10.0));
    assert!(named(&events, NAVIGATION).all(|(pad, _)| pad == "video_0"));
}

#[test]
fn control_requests_are_carried_out_and_answered() {
    let producer = producer("enable-control-data-channel");
    let events = record_events(&producer);
    let consumer = Consumer::join(&producer.signaller, "one");
    let control = channel(&consumer, "control");
    let requests = [
        r#"{"id":1,"request":{"type":"customUpstreamEvent","structureName":"app/foo","structure":{"a":1}}}"#,
        r#"{"id":2,"mid":"nowhere","request":{"type":"customUpstreamEvent","structureName":"app/foo","structure":{}}}"#,
        r#"{"id":3,"request":{"type":"dance"}}"#,
        r#"{"id":4,"request":{"type":"customUpstreamEvent","structureName":"app/foo","structure":{"a":null}}}"#,
    ];
    for request in requests {
        control.send_string_full(Some(request)).unwrap();
    }
    let long = format!(
        r#"{{"id":5,"mid":"{}","request":{{"type":"customUpstreamEvent","structureName":"a","structure":{{}}}}}}"#,
        "m".repeat(10_000)
    );
    control.send_string_full(Some(&long)).unwrap();
    wait_until("every request is answered", || {
        consumer.seen.messages.lock().unwrap().len() == requests.len() + 1
    });
    let replies: Vec<serde_json::Value> = consumer
        .seen
        .messages
        .lock()
        .unwrap()
        .iter()
        .map(|(_, text)| serde_json::from_str(text).unwrap())
        .collect();
    assert_eq!(
        replies[0],
        serde_json::json!({"type": "ControlResponseMessage", "id": 1, "error": null})
    );
    for (reply, id) in replies[1..].iter().zip(2..) {
        assert_eq!(reply["id"], id);
        assert!(
            reply["error"].as_str().is_some_and(|error| error.len() <= 256),
            "{reply}"
        );
    }
    let events = events.lock().unwrap();
    let pads: Vec<_> = named(&events, "app/foo").map(|(pad, _)| pad.as_str()).collect();
    assert_eq!(pads, ["video_0", "audio_0"]);
}

#[test]
fn the_element_itself_takes_navigation() {
    let producer = producer("enable-control-data-channel");
    let events = record_events(&producer);
    let structure = gst::Structure::builder(NAVIGATION)
        .field("event", "key-press")
        .field("key", "a")
        .build();
    let navigation = producer
        .sink
        .upcast_ref::<gst::Element>()
        .dynamic_cast_ref::<gst_video::Navigation>()
        .unwrap();
    gst_video::prelude::NavigationExt::send_event(navigation, structure);
    let events = events.lock().unwrap();
    assert_eq!(
        named(&events, NAVIGATION)
            .map(|(pad, _)| pad.as_str())
            .collect::<Vec<_>>(),
        ["video_0"]
    );
}

/// What each message of the channel for navigation becomes: the event's name, and a field with its value.
const MESSAGES: [(&str, &str, &str, &str); 13] = [
    (r#""event":"KeyPress","key":"a""#, "key-press", "key", "a"),
    (r#""event":"KeyRelease","key":"Up""#, "key-release", "key", "Up"),
    (
        r#""event":"MouseMove","x":1.5,"y":2.5"#,
        "mouse-move",
        "pointer_y",
        "2.5",
    ),
    (
        r#""event":"MouseButtonPress","button":1,"x":1.0,"y":2.0"#,
        "mouse-button-press",
        "button",
        "1",
    ),
    (
        r#""event":"MouseButtonRelease","button":3,"x":1.0,"y":2.0"#,
        "mouse-button-release",
        "button",
        "3",
    ),
    (
        r#""event":"MouseDoubleClick","button":1,"x":1.0,"y":2.0"#,
        "mouse-double-click",
        "pointer_x",
        "1",
    ),
    (
        r#""event":"MouseScroll","x":1.0,"y":2.0,"delta_x":0.0,"delta_y":-120.0"#,
        "mouse-scroll",
        "delta_pointer_y",
        "-120",
    ),
    (
        r#""event":"TouchDown","identifier":7,"x":1.0,"y":2.0,"pressure":0.5"#,
        "touch-down",
        "identifier",
        "7",
    ),
    (
        r#""event":"TouchMotion","identifier":7,"x":1.0,"y":2.0,"pressure":0.5"#,
        "touch-motion",
        "pressure",
        "0.5",
    ),
    (
        r#""event":"TouchUp","identifier":7,"x":1.0,"y":2.0"#,
        "touch-up",
        "pointer_y",
        "2",
    ),
    (r#""event":"TouchFrame""#, "touch-frame", "", ""),
    (r#""event":"TouchCancel""#, "touch-cancel", "", ""),
    (
        r#""event":"Command","command":"menu1""#,
        "command",
        "command-code",
        "1",
    ),
];

/// A field as a launch line would write it, without its type.
fn text(structure: &gst::Structure, field: &str) -> String {
    let value = structure.value(field).unwrap();
    match value.get::<f64>() {
        Ok(number) => number.to_string(),
        Err(_) => value.serialize().unwrap().to_string(),
    }
}

/// Every event arrives at the source of pictures, over either channel.
#[track_caller]
fn arrives(producer: &Producer, label: &str, wrap: impl Fn(usize, &str) -> String) {
    let events = record_events(producer);
    let consumer = Consumer::join(&producer.signaller, "one");
    let channel = channel(&consumer, label);
    for (index, (message, ..)) in MESSAGES.iter().enumerate() {
        let event = format!(r#"{{{message},"modifier_state":"shift-mask"}}"#);
        channel.send_string_full(Some(&wrap(index, &event))).unwrap();
    }
    let arrived = || -> Vec<gst::Structure> {
        let events = events.lock().unwrap();
        let of_video = named(&events, NAVIGATION).filter(|(pad, _)| pad == "video_0");
        of_video.map(|(_, structure)| structure.clone()).collect()
    };
    wait_until("every event leaves", || arrived().len() == MESSAGES.len());
    for ((message, name, field, value), structure) in MESSAGES.iter().zip(arrived()) {
        assert_eq!(
            structure.get::<&str>("event"),
            Ok(*name),
            "{message}: {structure}"
        );
        if !field.is_empty() {
            assert_eq!(text(&structure, field), *value, "{message}: {structure}");
        }
    }
}

#[test]
fn every_event_of_a_user_arrives_over_the_channel_for_navigation() {
    let producer = producer("enable-data-channel-navigation");
    arrives(&producer, "input", |_, event| event.to_owned());
}

#[test]
fn every_event_of_a_user_arrives_over_the_channel_for_control() {
    let producer = producer("enable-control-data-channel");
    arrives(&producer, "control", |id, event| {
        format!(r#"{{"id":{id},"mid":"video0","request":{{"type":"navigationEvent","event":{event}}}}}"#)
    });
}

#[test]
fn a_request_for_a_mix_matrix_reaches_the_stream_it_names_with_its_numbers() {
    let producer = producer("enable-control-data-channel");
    let events = record_events(&producer);
    let consumer = Consumer::join(&producer.signaller, "one");
    let control = channel(&consumer, "control");
    // As a string of its own as well as an object; rows of whole numbers become what the others are.
    let request = r#"{"type":"customUpstreamEvent","structureName":"GstRequestAudioMixMatrix","structure":{"matrix":[[1,0],[0.5,0.5]]}}"#;
    let quoted = serde_json::Value::String(request.to_owned());
    for (id, request) in [(1, request.to_owned()), (2, quoted.to_string())] {
        let message = format!(r#"{{"id":{id},"mid":"audio1","request":{request}}}"#);
        control.send_string_full(Some(&message)).unwrap();
    }
    let arrived = || {
        let events = events.lock().unwrap();
        named(&events, "GstRequestAudioMixMatrix")
            .cloned()
            .collect::<Vec<_>>()
    };
    wait_until("both leave", || arrived().len() == 2);
    for (pad, structure) in arrived() {
        assert_eq!(pad, "audio_0");
        let rows = structure.get::<gst::Array>("matrix").unwrap();
        let numbers: Vec<Vec<f64>> = rows
            .iter()
            .map(|row| {
                let row = row.get::<gst::Array>().unwrap();
                row.iter().map(|number| number.get::<f64>().unwrap()).collect()
            })
            .collect();
        assert_eq!(numbers, [[1.0, 0.0], [0.5, 0.5]]);
    }
}
