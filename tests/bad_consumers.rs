// SPDX-License-Identifier: MPL-2.0
//! Consumers that misbehave end alone, each with its own reason: others lose no frame, newcomers get in, the bus
//! hears of no error.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::atomic::Ordering;

use common::consumer::{Consumer, Options};
use common::loopback::{Loopback, Sent};
use common::pipelines::{Producer, SMALL, video};
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};

/// Answers every description with `reply`, made from the offer's text.
fn join_badly(signaller: &Loopback, id: &str, kind: WebRTCSDPType, reply: fn(&str) -> String) {
    let (this, session) = (signaller.clone(), id.to_owned());
    signaller.route(id, move |sent| {
        if let Sent::Description(offer) = sent {
            let text = reply(&offer.sdp().as_text().unwrap());
            let sdp = gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).unwrap();
            this.receive(
                &session,
                Sent::Description(WebRTCSessionDescription::new(kind, sdp)),
            );
        }
    });
    signaller.request(id, &format!("peer-{id}"), None);
}

fn join_silently(signaller: &Loopback, id: &str) {
    signaller.route(id, |_| ());
    signaller.request(id, &format!("peer-{id}"), None);
}

/// A producer with one consumer that behaves; checks at the end that it saw nothing of the others.
fn among_others(test: impl FnOnce(&Producer)) {
    let producer = Producer::start(&[video(SMALL)], |sink| {
        gst::prelude::ObjectExt::set_property(sink, "session-timeout", 5u32);
    });
    let watcher = Consumer::join(&producer.signaller, "watcher");
    watcher.wait_frames(0, 10);
    test(&producer);
    watcher.wait_frames(0, 30);
    assert_eq!(watcher.stream(0).unwrap().missing.load(Ordering::SeqCst), 0);
    assert_eq!(*watcher.seen.end.lock().unwrap(), None);
    let newcomer = Consumer::join(&producer.signaller, "newcomer");
    newcomer.wait_frames(0, 10);
    producer.assert_no_errors();
}

fn offer_text(offer: &str) -> String {
    offer.to_owned()
}

#[test]
fn one_that_never_answers_times_out() {
    among_others(|producer| {
        join_silently(&producer.signaller, "silent");
        let (nick, text) = producer.wait_end("silent");
        assert_eq!(
            (nick.as_str(), text.as_str()),
            ("timeout", "the peer did not answer within 5 s")
        );
    });
}

#[test]
fn one_that_answers_garbage_has_a_bad_description() {
    among_others(|producer| {
        let garbage = |_: &str| "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=nonsense\r\n".to_owned();
        join_badly(&producer.signaller, "garbage", WebRTCSDPType::Answer, garbage);
        assert_eq!(producer.wait_end("garbage").0, "bad-description");
    });
}

#[test]
fn one_that_answers_with_an_offer_has_a_bad_description() {
    among_others(|producer| {
        join_badly(&producer.signaller, "offer", WebRTCSDPType::Offer, offer_text);
        let (nick, text) = producer.wait_end("offer");
        assert_eq!(nick, "bad-description");
        assert_eq!(text, "an offer came where an answer was expected");
    });
}

#[test]
fn one_that_sends_our_own_offer_back_as_its_answer_is_told_that_it_declined() {
    among_others(|producer| {
        // Both sides sending only leaves nobody to receive.
        join_badly(&producer.signaller, "echo", WebRTCSDPType::Answer, offer_text);
        assert_eq!(producer.wait_end("echo").0, "no-common-codec");
    });
}

#[test]
fn one_whose_answer_lacks_transport_lines_has_a_bad_description() {
    among_others(|producer| {
        let bare = |offer: &str| {
            let lines = offer
                .lines()
                .filter(|line| !line.starts_with("a=ice-") && !line.starts_with("a=fingerprint"));
            lines
                .map(|line| format!("{line}\r\n"))
                .collect::<String>()
                .replace("a=sendonly", "a=recvonly")
        };
        join_badly(&producer.signaller, "bare", WebRTCSDPType::Answer, bare);
        assert_eq!(producer.wait_end("bare").0, "bad-description");
    });
}

#[test]
fn one_with_a_made_up_fingerprint_gets_no_media() {
    among_others(|producer| {
        let alter_answer: fn(String) -> String = |answer| {
            let forged = |line: &str| match line.split_once("sha-256 ") {
                Some((head, digest)) => {
                    let other = if digest.starts_with('0') { "1" } else { "0" };
                    format!("{head}sha-256 {other}{}\r\n", &digest[1..])
                }
                None => format!("{line}\r\n"),
            };
            answer.lines().map(forged).collect()
        };
        let options = Options {
            alter_answer: Some(alter_answer),
            ..Options::default()
        };
        let forger = Consumer::join_with(&producer.signaller, "forger", options);
        assert_eq!(producer.wait_end("forger").0, "fingerprint-mismatch");
        assert_eq!(forger.frames(0), 0);
    });
}

#[test]
fn one_that_vanishes_mid_stream_is_noticed() {
    among_others(|producer| {
        let victim = Consumer::join(&producer.signaller, "victim");
        victim.wait_frames(0, 10);
        producer.signaller.route("victim", |_| ());
        drop(victim);
        let (nick, _) = producer.wait_end("victim");
        assert!(["stalled", "ice-failed"].contains(&nick.as_str()), "{nick}");
    });
}
