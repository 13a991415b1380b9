// SPDX-License-Identifier: MPL-2.0
//! Producers and signallers that do what none should, and applications that stop at the worst moment.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};
use gstrswebrtc::signaller::signals;

use crate::common::loopback::Sent;
use crate::common::pipelines::{self, SMALL, audio, video};
use crate::common::producer::{Producer, VP8};
use crate::common::receiver::Receiver;
use crate::common::{DEADLINE, init, wait_until};

const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96\na=sendonly\na=rtpmap:96 VP8/90000\n";
const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\na=sendonly\na=rtpmap:111 OPUS/48000/2\n";
const CHANNELS: &str = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=sctp-port:5000\n";
const TEXT: &str = "m=text 9 UDP/TLS/RTP/SAVPF 98\na=rtpmap:98 t140/1000\n";
/// Nobody is behind it.
const TRANSPORT: &str = "c=IN IP4 0.0.0.0\na=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuvwx\na=setup:actpass\n\
    a=fingerprint:sha-256 B6:9D:10:F4:66:D0:9B:C3:D6:57:3B:9F:E6:A5:8E:2C:80:3F:67:04:D4:8B:1C:8D:C8:6E:76:ED:63:47:27:C4\n";

/// An offer of these m-lines, bundled.
fn offer(lines: &[&str]) -> String {
    let mids: Vec<String> = (0..lines.len()).map(|index| format!("m{index}")).collect();
    let mut text = format!(
        "v=0\no=- 7 1 IN IP4 0.0.0.0\ns=-\nt=0 0\na=group:BUNDLE {}\n",
        mids.join(" ")
    );
    for (line, mid) in lines.iter().zip(&mids) {
        let (first, rest) = line.split_once('\n').expect("an m-line ends");
        text.push_str(&format!("{first}\n{TRANSPORT}a=mid:{mid}\na=rtcp-mux\n{rest}"));
    }
    text
}

fn description(kind: WebRTCSDPType, text: &str) -> Sent {
    let text = text.replace('\n', "\r\n");
    let sdp = gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).expect("GStreamer reads almost anything");
    Sent::Description(WebRTCSessionDescription::new(kind, sdp))
}

/// What comes of these offers, one after the other: the ports of each answer, or the nick of the end.
fn outcome(offers: &[String]) -> String {
    let receiver = Receiver::new(|_| Some("queue"));
    let (sender, sent) = mpsc::channel();
    receiver.signaller.route("odd", move |message| {
        // Nobody listens once the session has ended.
        let _ = sender.send(message);
    });
    signals::emit_session_started(receiver.signaller.upcast_ref(), "odd", "peer");
    let mut outcomes = Vec::new();
    for text in offers {
        receiver
            .signaller
            .receive("odd", description(WebRTCSDPType::Offer, text));
        outcomes.push(next_outcome(&sent));
    }
    outcomes.join(", ")
}

fn next_outcome(sent: &mpsc::Receiver<Sent>) -> String {
    loop {
        match sent.recv_timeout(DEADLINE).expect("an answer or an end") {
            Sent::Description(answer) => break ports(&answer),
            Sent::Candidate(..) => {}
            Sent::End(reason) => {
                let reason = reason.unwrap_or_default();
                break reason.split(':').next().unwrap_or_default().to_owned();
            }
        }
    }
}

fn ports(answer: &WebRTCSessionDescription) -> String {
    let ports: Vec<String> = answer
        .sdp()
        .medias()
        .map(|media| media.port().to_string())
        .collect();
    ports.join(" ")
}

#[test]
fn odd_offers_are_answered_or_refused_with_their_reason() {
    init();
    let one = |lines: &[&str]| vec![offer(lines)];
    let two = |first: &[&str], second: &[&str]| vec![offer(first), offer(second)];
    let changed = |from: &str, to: &str| vec![offer(&[VIDEO, AUDIO]).replace(from, to)];
    let switched_off = VIDEO.replace("m=video 9", "m=video 0");
    let renumbered = VIDEO.replace("96", "100");
    let recoded = VIDEO.replace("96", "100").replace("VP8", "H264");
    let flood: String = (1..5000).map(|ssrc| format!("a=ssrc:{ssrc} cname:x\n")).collect();
    let fifty = [VIDEO, AUDIO].repeat(25);
    let nonsense = "a=ssrc:99999999999999 cname:x\na=ssrc: \na=ssrc-group:FID x y\na=extmap:999 urn:x\na=extmap:0\na=rtcp-fb:\n\
        a=fmtp:96\na=candidate:\na=candidate:1 1 UDP 1 999.999.1.1 99999 typ host\na=rtcp-mux";
    let cases = [
        (one(&[CHANNELS]), "9"),
        (one(&[CHANNELS, CHANNELS, VIDEO]), "9 9 9"),
        (one(&[TEXT]), "no-common-codec"),
        (one(&[TEXT, AUDIO]), "0 9"),
        (one(&[&switched_off]), "no-common-codec"),
        (one(&[&switched_off, AUDIO]), "0 9"),
        (one(&fifty), ["9"; 50].join(" ").leak()),
        (one(&[&format!("{VIDEO}{flood}")]), "9"),
        (two(&[CHANNELS], &[CHANNELS, VIDEO, AUDIO]), "9, 9 9 9"),
        (two(&[VIDEO], &[&renumbered]), "9, 9"),
        (two(&[VIDEO], &[&recoded]), "9, 9"),
        (two(&[VIDEO], &[AUDIO]), "9, bad-description"),
        (two(&[VIDEO, AUDIO], &[VIDEO]), "9 9, bad-description"),
        (changed("a=group:BUNDLE m0 m1\n", ""), "9 9"),
        (changed("BUNDLE m0 m1", "BUNDLE x y"), "9 9"),
        (changed("a=mid:", "a=x:"), "9 9"),
        (changed("a=mid:m1", "a=mid:m0"), "bad-description"),
        (changed("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "9 9"),
        (changed("/90000", "/0"), "9 9"),
        (changed("a=rtcp-mux", nonsense), "9 9"),
        (changed("a=setup:actpass", "a=setup:holdconn"), "bad-description"),
    ];
    for (offers, expected) in cases {
        assert_eq!(outcome(&offers), expected, "{}", offers.join("\n"));
    }
}

#[test]
fn sound_alone_is_received_of_a_producer_that_has_pictures_first() {
    init();
    let no_codecs = |src: &gst::Element| src.set_property("video-codecs", gst::Array::default());
    let receiver = Receiver::configured(|_| Some("queue"), no_codecs);
    // A webrtcbin of 1.22 by itself does not connect where the first of its m-lines is refused.
    let producer = pipelines::Producer::start(&[video(SMALL), audio()], |_| ());
    producer.signaller.join(&receiver.signaller);
    producer.signaller.begin("sound", None);
    receiver.wait_buffers("audio_0", 20);
    assert_eq!(receiver.src.num_src_pads(), 1);
    producer.assert_no_errors();
}

#[test]
fn signalling_out_of_turn_costs_nothing() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    let (signaller, this) = (&receiver.signaller, receiver.signaller.upcast_ref());
    let (first, second) = (offer(&[VIDEO]), offer(&[VIDEO, AUDIO]));
    let candidate = |index| Sent::Candidate(index, "candidate:1 1 UDP 1 127.0.0.1 9 typ host".to_owned());
    for round in 0..10 {
        let id = format!("odd{round}");
        let receive = |sent| signaller.receive(&id, sent);
        receive(Sent::End(None));
        receive(Sent::Candidate(7, "nonsense".to_owned()));
        receive(description(WebRTCSDPType::Answer, &first));
        signals::emit_session_started(this, &id, "peer");
        signals::emit_session_started(this, &id, "peer");
        for kind in [
            WebRTCSDPType::Answer,
            WebRTCSDPType::Pranswer,
            WebRTCSDPType::Rollback,
        ] {
            receive(description(kind, &first));
        }
        receive(candidate(u32::MAX));
        receive(Sent::Candidate(0, String::new()));
        receive(description(WebRTCSDPType::Offer, &first));
        receive(description(WebRTCSDPType::Offer, &second));
        signals::emit_session_requested(this, &id, "peer", None);
        signals::emit_session_requested(this, &id, "peer", None);
        if round % 2 == 0 {
            wait_until("the session gets to work", || state(&receiver) != "new");
        }
        (0..300).for_each(|_| receive(candidate(0)));
        receive(Sent::End(Some("x".repeat(10_000))));
        receive(Sent::End(None));
    }
    plays(&receiver);
}

/// The state of the session that is on; empty where there is none.
fn state(receiver: &Receiver) -> String {
    let stats = receiver.src.property::<gst::Structure>("stats");
    stats.get("state").unwrap_or_default()
}

fn plays(receiver: &Receiver) {
    let producer = Producer::new(&receiver.signaller, "sane", &[VP8]);
    producer.offer();
    receiver.wait_buffers("video_0", 10);
}

#[test]
fn it_stops_at_any_moment_of_a_session() {
    init();
    let receiver = Receiver::new(|_| Some("videoconvert"));
    let moments: [(&str, fn(&Receiver, usize) -> bool); 5] = [
        ("before anything", |_, _| true),
        ("at the offer", |receiver, _| state(receiver) != "new"),
        ("at the first pad", |receiver, pads| {
            receiver.seen.pads_added.lock().unwrap().len() > pads
        }),
        ("connected", |receiver, _| state(receiver) == "connected"),
        ("at the first picture", |receiver, _| {
            receiver
                .stream("video_0")
                .is_some_and(|stream| stream.last.lock().unwrap().is_some())
        }),
    ];
    for target in [gst::State::Null, gst::State::Ready, gst::State::Paused] {
        for (name, is_reached) in &moments {
            receiver.seen.streams.lock().unwrap().clear();
            let pads = receiver.seen.pads_added.lock().unwrap().len();
            let producer = Producer::new(&receiver.signaller, &format!("{target:?} {name}"), &[VP8]);
            producer.offer();
            wait_until(name, || is_reached(&receiver, pads));
            let begin = Instant::now();
            receiver.pipeline.set_state(target).expect("it stops");
            assert!(begin.elapsed() < Duration::from_secs(5), "{target:?} {name}");
            receiver
                .pipeline
                .set_state(gst::State::Playing)
                .expect("it plays again");
            producer.leave();
            wait_until("the session leaves", || state(&receiver).is_empty());
        }
    }
    assert!(receiver.errors().is_empty(), "{:?}", receiver.errors());
    plays(&receiver);
}

#[test]
fn a_session_that_comes_while_nothing_plays_is_refused() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    for target in [gst::State::Null, gst::State::Ready] {
        receiver.pipeline.set_state(target).expect("it stops");
        let producer = Producer::new(&receiver.signaller, &format!("{target:?}"), &[VP8]);
        let told = Some("closed: the consumer does not play".to_owned());
        assert_eq!(producer.end(), Some(told), "{target:?}");
    }
    receiver
        .pipeline
        .set_state(gst::State::Playing)
        .expect("it plays again");
    plays(&receiver);
}
