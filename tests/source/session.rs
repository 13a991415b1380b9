// SPDX-License-Identifier: MPL-2.0
//! How sessions begin, end and come back: what the pads, the bus and the peer get to see of it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstrswebrtc::signaller::signals;

use crate::common::producer::{H264, OPUS, Producer, VP8};
use crate::common::receiver::{Receiver, attach};
use crate::common::{init, wait_until};

#[test]
fn a_producer_that_leaves_ends_every_pad() {
    init();
    let receiver = Receiver::new(|name| name.starts_with("video").then_some("videoconvert"));
    let producer = Producer::new(&receiver.signaller, "leaving", &[VP8, OPUS]);
    producer.offer();
    receiver.wait_buffers("video_0", 10);
    producer.leave();
    receiver.wait_end("video_0");
    receiver.wait_end("audio_0");
    assert_eq!(receiver.wait_session_end(), ("closed".into(), String::new()));
    assert!(receiver.errors().is_empty() && receiver.warnings().is_empty());
    assert_eq!(receiver.src.num_src_pads(), 2, "pads stay");
    assert_eq!(producer.end(), None, "the peer knows already");
}

#[test]
fn the_next_producer_is_received_in_place_of_the_last() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    for round in 0..3 {
        let producer = Producer::new(&receiver.signaller, &format!("round{round}"), &[VP8]);
        producer.offer();
        wait_until("the pad is there anew", || {
            receiver.seen.pads_added.lock().unwrap().len() == round + 1
        });
        receiver.wait_buffers("video_0", 10);
        producer.leave();
        wait_until("the stream ends", || {
            receiver.stream("video_0").unwrap().ends.load(Ordering::SeqCst) == round as u64 + 1
        });
    }
    assert!(receiver.errors().is_empty());
}

#[test]
fn pads_are_removed_where_the_user_wants_that() {
    init();
    let configure = |src: &gst::Element| src.set_property_from_str("on-session-end", "remove-pads");
    let receiver = Receiver::configured(|_| Some("queue"), configure);
    for round in 0..3 {
        let producer = Producer::new(&receiver.signaller, &format!("round{round}"), &[VP8, OPUS]);
        producer.offer();
        receiver.wait_buffers("video_0", 10);
        producer.leave();
        wait_until("both pads are removed", || receiver.src.num_src_pads() == 0);
        assert_eq!(receiver.stream("video_0").unwrap().ends.load(Ordering::SeqCst), 0);
    }
    assert!(receiver.errors().is_empty() && receiver.warnings().is_empty());
}

#[test]
fn a_producers_error_reaches_the_bus() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    let producer = Producer::new(&receiver.signaller, "failing", &[VP8]);
    producer.offer();
    receiver.wait_buffers("video_0", 10);
    producer.leave_with("camera unplugged");
    receiver.wait_end("video_0");
    receiver.wait_session_end();
    assert_eq!(receiver.errors(), ["Session ended with error: camera unplugged"]);
}

#[test]
fn a_wrong_certificate_lets_no_media_in() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    let producer = Producer::new(&receiver.signaller, "forged", &[VP8]);
    producer.offer_altered(|text| {
        let (before, after) = text.split_once("a=fingerprint:sha-256 ").expect("a fingerprint");
        let (first, rest) = after.split_at(1);
        let other = if first == "0" { "1" } else { "0" };
        format!("{before}a=fingerprint:sha-256 {other}{rest}")
    });
    let (nick, _) = receiver.wait_session_end();
    assert_eq!(nick, "fingerprint-mismatch");
    assert_eq!(receiver.buffers("video_0"), 0);
    wait_until("the producer is told", || producer.end().is_some());
    assert!(
        producer
            .end()
            .flatten()
            .is_some_and(|text| text.starts_with("fingerprint-mismatch"))
    );
    assert_eq!(
        receiver.errors().len(),
        1,
        "nothing will come: {:?}",
        receiver.errors()
    );
}

#[test]
fn descriptions_that_cannot_be_used_end_the_session_with_their_reason() {
    init();
    let cases: [(fn(String) -> String, &str); 4] = [
        (|text| text.replace("a=ice-ufrag", "a=x"), "bad-description"),
        (|text| text.replace("a=fingerprint", "a=x"), "bad-description"),
        (|text| text.replace("VP8", "THEORA"), "no-common-codec"),
        (
            |_| "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n".to_owned(),
            "bad-description",
        ),
    ];
    for (alter, expected) in cases {
        let receiver = Receiver::new(|_| Some("queue"));
        let producer = Producer::new(&receiver.signaller, "bad", &[VP8]);
        producer.offer_altered(alter);
        assert_eq!(receiver.wait_session_end().0, expected);
        wait_until("the producer is told", || producer.end().is_some());
    }
}

#[test]
fn a_producer_that_never_connects_is_given_up() {
    init();
    let receiver = Receiver::configured(|_| Some("queue"), |src| src.set_property("session-timeout", 1u32));
    let _silent = Producer::new(&receiver.signaller, "silent", &[VP8]);
    assert_eq!(receiver.wait_session_end().0, "timeout");
    assert_eq!(receiver.errors().len(), 1);
}

#[test]
fn a_second_session_is_refused_and_the_first_goes_on() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    let first = Producer::new(&receiver.signaller, "first", &[VP8]);
    first.offer();
    receiver.wait_buffers("video_0", 10);
    let second = Producer::new(&receiver.signaller, "second", &[VP8]);
    wait_until("the second is told", || second.end().is_some());
    second.leave();
    receiver.wait_buffers("video_0", 30);
}

#[test]
fn end_of_stream_sent_to_the_element_ends_the_session() {
    init();
    let receiver = Receiver::new(|_| Some("videoconvert"));
    let producer = Producer::new(&receiver.signaller, "eos", &[VP8]);
    producer.offer();
    receiver.wait_buffers("video_0", 10);
    assert!(receiver.src.send_event(gst::event::Eos::new()));
    receiver.wait_end("video_0");
    wait_until("the producer is told", || producer.end().is_some());
    assert!(receiver.errors().is_empty());
}

#[test]
fn it_plays_again_after_ready_and_after_null() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    for round in 0..10 {
        let state = if round % 2 == 0 {
            gst::State::Ready
        } else {
            gst::State::Null
        };
        let producer = Producer::new(&receiver.signaller, &format!("run{round}"), &[VP8]);
        producer.offer();
        wait_until("the pad is there anew", || receiver.src.num_src_pads() == 1);
        receiver.wait_buffers("video_0", 5);
        let begin = Instant::now();
        receiver.pipeline.set_state(state).expect("it stops");
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "round {round}: {:?}",
            begin.elapsed()
        );
        assert_eq!(receiver.src.num_src_pads(), 0, "round {round}");
        wait_until("the producer is told", || producer.end().is_some());
        receiver
            .pipeline
            .set_state(gst::State::Playing)
            .expect("it plays again");
    }
    assert!(receiver.errors().is_empty(), "{:?}", receiver.errors());
}

#[test]
fn a_fresh_connection_of_the_producer_goes_on_at_the_same_pads() {
    init();
    let receiver = Receiver::new(|_| Some("videoconvert"));
    let first = Producer::new(&receiver.signaller, "same", &[VP8]);
    first.offer();
    receiver.wait_buffers("video_0", 20);
    drop(first);
    // The same session, a webrtcbin that knows nothing of the last one. The element has the session already.
    let second = Producer::returning(&receiver.signaller, "same", &[VP8]);
    second.offer();
    receiver.wait_buffers("video_0", 60);
    assert_eq!(*receiver.seen.pads_added.lock().unwrap(), ["video_0"]);
    assert!(receiver.seen.pads_removed.lock().unwrap().is_empty());
    assert_eq!(receiver.stream("video_0").unwrap().ends.load(Ordering::SeqCst), 0);
    assert!(receiver.errors().is_empty());
}

/// What a stock webrtcbin that sends `streams` needs to be named to answer an offer of ours.
fn answered(id: &str, streams: &[&str], payload_types: &[usize], pads: &[&str]) {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    let producer = Producer::with_payload_types(&receiver.signaller, id, streams, payload_types);
    producer.answer_offer();
    for pad in pads {
        receiver.wait_buffers(pad, 20);
    }
    assert!(receiver.errors().is_empty(), "{:?}", receiver.errors());
}

#[test]
fn an_offer_of_ours_brings_what_the_peer_has() {
    // VP8 is the first video codec of an offer; Opus comes behind five of them with their repair.
    answered("offered", &[VP8, OPUS], &[96, 109], &["video_0", "audio_0"]);
}

#[test]
fn pads_that_were_requested_are_what_is_offered() {
    init();
    let receiver = Receiver::configured(
        |_| None,
        |src| {
            for template in ["req_audio_%u", "req_video_%u"] {
                src.request_pad_simple(template).expect("the template exists");
            }
        },
    );
    for (name, line) in [("req_audio_0", "audioconvert"), ("req_video_0", "h264parse")] {
        let pad = receiver.src.static_pad(name).expect("it was requested");
        receiver.count(&pad);
        attach(&receiver.pipeline, &pad, line);
    }
    // Opus is all that audio pads are offered with, and H.264 all that this video pad takes.
    let producer = Producer::with_payload_types(&receiver.signaller, "asked", &[OPUS, H264], &[96, 97]);
    producer.answer_offer();
    receiver.wait_buffers("req_video_0", 20);
    receiver.wait_buffers("req_audio_0", 20);
    assert_eq!(receiver.caps_name("req_video_0"), "video/x-h264");
    assert!(receiver.errors().is_empty(), "{:?}", receiver.errors());
}

#[test]
fn an_offer_of_ours_yields_to_the_producers() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    let producer = Producer::new(&receiver.signaller, "glare", &[VP8, OPUS]);
    signals::emit_session_requested(receiver.signaller.upcast_ref(), "glare", "peer-glare", None);
    wait_until("our offer is out", || producer.answer().is_some());
    producer.offer();
    receiver.wait_buffers("video_0", 20);
    receiver.wait_buffers("audio_0", 20);
    let descriptions = producer.seen.descriptions.lock().unwrap();
    assert_eq!(descriptions.len(), 2, "an offer and an answer: {descriptions:#?}");
    assert!(receiver.errors().is_empty(), "{:?}", receiver.errors());
}

#[test]
fn statistics_name_the_session_and_its_streams() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    let producer = Producer::new(&receiver.signaller, "stats", &[VP8]);
    producer.offer();
    receiver.wait_buffers("video_0", 30);
    let stats = receiver.src.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<&str>("session-id"), Ok("stats"));
    assert_eq!(stats.get::<&str>("state"), Ok("connected"));
    assert!(stats.get::<gst::Structure>("video_0").is_ok(), "{stats}");
    let inner = stats.get::<gst::Structure>("webrtcbin").expect("webrtcbin's own");
    assert!(inner.n_fields() > 0);
}

#[test]
fn statistics_of_one_stream_show_loss_and_jitter() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    let producer = Producer::new(&receiver.signaller, "stats", &[VP8, OPUS]);
    producer.offer();
    receiver.wait_buffers("video_0", 30);
    let pad = receiver.src.static_pad("video_0").expect("the pad is there");
    let (sender, replies) = std::sync::mpsc::channel();
    let promise = gst::Promise::with_change_func(move |reply| {
        let stats = reply.ok().flatten().map(|stats| stats.to_owned());
        sender.send(stats).expect("the test waits");
    });
    receiver.src.emit_by_name::<()>("get-stats", &[&pad, &promise]);
    let stats = replies.recv_timeout(Duration::from_secs(60)).expect("a reply");
    let stats = stats.expect("statistics");
    assert!(
        stats
            .get::<u64>("packets-received")
            .is_ok_and(|count| count >= 30),
        "{stats}"
    );
    assert_eq!(stats.get::<u64>("packets-lost"), Ok(0), "{stats}");
    assert!(stats.get::<f64>("jitter").is_ok(), "{stats}");
    assert!(stats.get::<u64>("retransmissions-requested").is_ok(), "{stats}");
}

#[test]
fn trouble_of_the_signaller_is_a_warning_on_the_bus() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    signals::emit_warning(receiver.signaller.upcast_ref(), "the server is slow");
    assert_eq!(receiver.warnings(), ["the server is slow"]);
    assert!(receiver.errors().is_empty());
}
