// SPDX-License-Identifier: MPL-2.0
//! A network that goes and comes back between this crate's sink and its source: what plays goes on, at the same pads.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_webrtc::WebRTCSessionDescription;
use gstrswebrtc::signaller::signals;
use testkit::candidate;
use testkit::link::Plan;
use testkit::relay::{Link, Side};

use crate::common::loopback::{Loopback, Sent};
use crate::common::pipelines::{Producer, SMALL, video};
use crate::common::receiver::Receiver;
use crate::common::{init, wait_until, wait_within};

/// A sink and a source whose packets all pass an emulated link.
struct Joined {
    producer: Producer,
    receiver: Receiver,
    link: Arc<Link>,
}

impl Joined {
    fn new() -> Self {
        init();
        let clear = Plan::clear(Duration::from_millis(5));
        let link = Arc::new(Link::new(clear.clone(), clear));
        let producer = Producer::start(&[video(SMALL)], |_| ());
        let receiver = Receiver::new(|_| Some("videoconvert"));
        join(&producer, &receiver, &link, "one");
        receiver.wait_buffers("video_0", 30);
        Self {
            producer,
            receiver,
            link,
        }
    }

    /// Lets nothing pass for so long.
    fn cut(&self, length: Duration) {
        let begin = Instant::now();
        self.take_network_away();
        wait_within(length * 2, "the network is gone", || begin.elapsed() >= length);
        self.bring_network_back();
    }

    fn take_network_away(&self) {
        let lossy = Plan::clear(Duration::ZERO).losing(1.0);
        self.link.restart(lossy.clone(), lossy);
    }

    fn bring_network_back(&self) {
        let clear = Plan::clear(Duration::from_millis(5));
        self.link.restart(clear.clone(), clear);
    }

    /// Media came back in time, and nobody was told of any end.
    fn assert_goes_on(&self) {
        self.receiver.wait_buffers("video_0", 30);
        assert_eq!(*self.receiver.seen.pads_added.lock().unwrap(), ["video_0"]);
        assert_eq!(
            self.receiver
                .stream("video_0")
                .unwrap()
                .ends
                .load(Ordering::SeqCst),
            0
        );
        assert!(self.receiver.errors().is_empty(), "{:?}", self.receiver.errors());
        assert_eq!(self.producer.sessions(), ["one"]);
        self.producer.assert_no_errors();
    }
}

/// Begins a session between a sink and a source, each of whose candidates leads through the link.
pub(crate) fn join(producer: &Producer, receiver: &Receiver, link: &Arc<Link>, session: &'static str) {
    lead(
        &producer.signaller,
        &receiver.signaller,
        link,
        Side::Left,
        session,
    );
    lead(
        &receiver.signaller,
        &producer.signaller,
        link,
        Side::Right,
        session,
    );
    signals::emit_session_started(receiver.signaller.upcast_ref(), session, "producer");
    producer.signaller.request(session, "consumer", None);
}

/// What `from` sends reaches `to` with candidates that lead through the link.
fn lead(from: &Loopback, to: &Loopback, link: &Arc<Link>, side: Side, session: &'static str) {
    let (to, link) = (to.clone(), link.clone());
    from.route(session, move |sent| {
        let relay = |address| link.relay(side, address);
        match sent {
            Sent::Description(description) => {
                let text = description.sdp().as_text().expect("it prints");
                let text = candidate::rewrite_description(&text, relay);
                let sdp = gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).expect("it parses");
                to.receive(
                    session,
                    Sent::Description(WebRTCSessionDescription::new(description.type_(), sdp)),
                );
            }
            Sent::Candidate(index, text) => {
                if let Some(text) = candidate::rewrite(&text, relay) {
                    to.receive(session, Sent::Candidate(index, text));
                }
            }
            Sent::End(reason) => to.receive(session, Sent::End(reason)),
        }
    });
}

#[test]
fn a_short_cut_is_only_a_gap() {
    let joined = Joined::new();
    joined.cut(Duration::from_secs(3));
    joined.assert_goes_on();
}

#[test]
fn a_long_cut_is_recovered_from() {
    let joined = Joined::new();
    joined.cut(Duration::from_secs(15));
    joined.assert_goes_on();
}

#[test]
fn a_cut_of_a_minute_ends_the_session_with_its_reason_and_another_may_begin() {
    let joined = Joined::new();
    let begin = Instant::now();
    joined.take_network_away();
    let (nick, _) = joined.receiver.wait_session_end();
    assert!(
        ["stalled", "ice-failed", "peer-gone"].contains(&nick.as_str()),
        "{nick}"
    );
    joined.receiver.wait_end("video_0");
    assert_eq!(
        joined.receiver.warnings().len(),
        1,
        "{:?}",
        joined.receiver.warnings()
    );
    wait_until("the sink gives up as well", || {
        joined.producer.sessions().is_empty()
    });
    let minute = Duration::from_secs(60);
    wait_within(minute * 2, "the minute is over", || begin.elapsed() >= minute);
    joined.bring_network_back();
    join(&joined.producer, &joined.receiver, &joined.link, "two");
    wait_until("the pad is there anew", || {
        joined.receiver.seen.pads_added.lock().unwrap().len() == 2
    });
    joined.receiver.wait_buffers("video_0", 30);
    assert!(
        joined.receiver.errors().is_empty(),
        "{:?}",
        joined.receiver.errors()
    );
    joined.producer.assert_no_errors();
}
