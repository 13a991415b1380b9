// SPDX-License-Identifier: MPL-2.0
//! Clocks of the producer (RFC 7273) and its capture times, for receivers that play together.

use std::sync::{Arc, Mutex};

use std::time::Duration;

use gst::prelude::*;
use gstrswebrtc::signaller::{Signallable, signals};
use testkit::link::Plan;
use testkit::ntp;
use testkit::relay::Link;

use crate::common::pipelines::{self, SMALL, video};
use crate::common::producer::{Producer, VP8};
use crate::common::receiver::Receiver;
use crate::common::{DEADLINE, init, wait_until};
use crate::recovery;
use crate::shown::Shown;

/// Does something to the rtpbin of each of a source's sessions before it begins.
fn on_rtpbin(src: &gst::Element, change: impl Fn(&gst::Element) + Send + Sync + 'static) {
    let signaller = src.property::<Signallable>("signaller");
    signals::connect_webrtcbin_ready(&signaller, move |_, _, webrtcbin| {
        let rtpbin = webrtcbin
            .downcast_ref::<gst::Bin>()
            .and_then(|bin| bin.by_name("rtpbin"))
            .expect("webrtcbin has one");
        change(&rtpbin);
    });
}

/// A receiver whose rtpbin is told to add capture times, and its jitterbuffers.
fn with_times() -> (Receiver, Arc<Mutex<Vec<gst::Element>>>) {
    init();
    let jitterbuffers = Arc::new(Mutex::new(Vec::new()));
    let list = jitterbuffers.clone();
    let receiver = Receiver::configured(
        |_| Some("queue"),
        |src| {
            on_rtpbin(src, move |rtpbin| {
                rtpbin.set_property("add-reference-timestamp-meta", true);
                let list = list.clone();
                rtpbin.connect("new-jitterbuffer", false, move |values| {
                    list.lock().unwrap().push(values[1].get().expect("an element"));
                    None
                });
            });
        },
    );
    (receiver, jitterbuffers)
}

#[test]
fn sender_reports_become_reference_timestamps() {
    let (receiver, _) = with_times();
    let producer = Producer::new(&receiver.signaller, "times", &[VP8]);
    // What comes inside of RED is made anew by rtpreddec, which keeps no metadata.
    producer.offer_altered(|text| {
        text.replace(" red/90000", " x-red/90000")
            .replace(" ulpfec/90000", " x-fec/90000")
    });
    wait_until("a packet carries its capture time", || {
        let stream = receiver.stream("video_0");
        stream.is_some_and(|stream| {
            let last = stream.last.lock().unwrap();
            last.as_ref()
                .and_then(|sample| sample.buffer())
                .is_some_and(|buffer| buffer.meta::<gst::ReferenceTimestampMeta>().is_some())
        })
    });
}

#[test]
fn jitterbuffers_hear_of_the_producers_clock() {
    let (receiver, jitterbuffers) = with_times();
    let producer = Producer::new(&receiver.signaller, "clock", &[VP8]);
    producer
        .offer_altered(|text| text.replace("a=mid:", "a=ts-refclk:local\r\na=mediaclk:direct=7\r\na=mid:"));
    receiver.wait_buffers("video_0", 30);
    let jitterbuffer = jitterbuffers
        .lock()
        .unwrap()
        .first()
        .cloned()
        .expect("one stream");
    let caps = jitterbuffer.emit_by_name::<Option<gst::Caps>>("request-pt-map", &[&96u32]);
    let caps = caps.expect("the payload type is known");
    let structure = caps.structure(0).expect("one structure");
    assert_eq!(structure.get::<&str>("a-ts-refclk"), Ok("local"), "{caps}");
    assert_eq!(structure.get::<&str>("a-mediaclk"), Ok("direct=7"), "{caps}");
    assert_eq!(structure.get::<i32>("clock-rate"), Ok(90_000), "{caps}");
}

/// A receiver on `clock` of a session that passes `link`; it follows the producer's clock where `follows`.
fn on_clock(
    clock: &gst_net::NtpClock,
    producer: &pipelines::Producer,
    session: &'static str,
    link: &Arc<Link>,
    follows: bool,
) -> (Receiver, Shown) {
    let receiver = Receiver::configured(
        |_| None,
        |src| {
            // As long as encoding and sending may take on a busy machine: a picture that comes too late is shown at
            // once, whatever the clock says.
            src.set_property("latency", 2_000u32);
            on_rtpbin(src, move |rtpbin| rtpbin.set_property("rfc7273-sync", follows));
        },
    );
    let state = |state| receiver.pipeline.set_state(state).expect("it changes state");
    state(gst::State::Ready);
    receiver.pipeline.use_clock(Some(clock));
    state(gst::State::Playing);
    recovery::join(producer, &receiver, link, session);
    let shown = Shown::by(&receiver);
    (receiver, shown)
}

/// How far apart two receivers of a sink show the same picture, one of them behind a path that is longer.
fn skew(clock: &gst_net::NtpClock, longer_by: Duration, follow: bool) -> Duration {
    let producer = pipelines::Producer::prepare(&[video(SMALL)], |sink| {
        sink.set_property("do-clock-signalling", true);
    });
    producer.pipeline.use_clock(Some(clock));
    producer.play();
    let link = |delay| Arc::new(Link::new(Plan::clear(delay), Plan::clear(delay)));
    let (near, far) = (link(Duration::from_millis(5)), link(longer_by));
    let (_one, here) = on_clock(clock, &producer, "one", &near, follow);
    let (_two, there) = on_clock(clock, &producer, "two", &far, follow);
    here.skew(&there, 60)
}

#[test]
fn receivers_that_follow_the_producers_clock_show_the_same_picture_at_the_same_time() {
    init();
    let server = ntp::Server::start().expect("a free port");
    let clock = gst_net::NtpClock::new(None, "127.0.0.1", i32::from(server.port()), gst::ClockTime::ZERO);
    clock
        .wait_for_sync(gst::ClockTime::try_from(DEADLINE).expect("a minute"))
        .expect("the clock hears its server");
    let longer_by = Duration::from_millis(150);
    let (apart, together) = (skew(&clock, longer_by, false), skew(&clock, longer_by, true));
    eprintln!("apart by {apart:?}, following the clock by {together:?}");
    assert!(apart > longer_by / 2, "nothing to be mended: {apart:?}");
    assert!(together < longer_by / 4, "{together:?}");
}
