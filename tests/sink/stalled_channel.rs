// SPDX-License-Identifier: MPL-2.0
//! A consumer that goes on asking on its data channel and takes no answer: the sink's memory stays bounded, its media
//! and everybody else's go on, and stopping is as quick as ever.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_webrtc::{WebRTCDataChannel, WebRTCDataChannelState};

use super::common::consumer::Consumer;
use super::common::pipelines::{Producer, SMALL, video};
use super::common::wait_until;

/// What the sink lets wait for a consumer (`datachannel/sending.rs`).
const MAX_WAITING: u64 = 256 * 1024;
/// More than ten times that, were every one answered.
const REQUESTS: u64 = 30_000;
/// Each answer repeats the type, up to 256 bytes of it.
const REQUEST_TYPE: &str =
    "dance-dance-dance-dance-dance-dance-dance-dance-dance-dance-dance-dance-dance-dance-dance";

/// The sink's own ends of the channels, by the session pipeline they are made in.
fn watch_channels(producer: &Producer) -> Arc<Mutex<Vec<WebRTCDataChannel>>> {
    let channels: Arc<Mutex<Vec<WebRTCDataChannel>>> = Arc::default();
    let found = channels.clone();
    producer
        .sink
        .connect("consumer-pipeline-created", false, move |values| {
            let pipeline = values[2].get::<gst::Pipeline>().unwrap();
            let found = found.clone();
            pipeline.connect_deep_element_added(move |_, _, element| {
                if element.factory().is_some_and(|it| it.name() == "webrtcbin") {
                    let found = found.clone();
                    element.connect("prepare-data-channel", false, move |values| {
                        found.lock().unwrap().push(values[1].get().unwrap());
                        None
                    });
                }
            });
            None
        });
    channels
}

/// Loses every packet with data for the consumer while `is_deaf`; acknowledgements of its own pass (RFC 9260, section 3.2).
fn deafen(consumer: &Consumer, is_deaf: &Arc<AtomicBool>) {
    const COMMON_HEADER: usize = 12;
    const DATA: u8 = 0;
    let bin = consumer.webrtcbin.downcast_ref::<gst::Bin>().unwrap();
    let decoder = bin
        .iterate_recurse()
        .into_iter()
        .flatten()
        .find(|element| element.factory().is_some_and(|it| it.name() == "sctpdec"))
        .expect("there is a channel");
    let is_deaf = is_deaf.clone();
    let pad = decoder.static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let mut kind = [DATA];
        let has_data = info
            .buffer()
            .is_some_and(|buffer| buffer.copy_to_slice(COMMON_HEADER, &mut kind).is_ok() && kind[0] == DATA);
        if has_data && is_deaf.load(Ordering::SeqCst) {
            gst::PadProbeReturn::Handled
        } else {
            gst::PadProbeReturn::Ok
        }
    });
}

fn control(consumer: &Consumer) -> WebRTCDataChannel {
    let find = || consumer.seen.channels.lock().unwrap().get("control").cloned();
    wait_until("the channel opens", || {
        find().is_some_and(|channel| channel.ready_state() == WebRTCDataChannelState::Open)
    });
    find().unwrap()
}

fn replies(consumer: &Consumer) -> usize {
    consumer.seen.messages.lock().unwrap().len()
}

fn ask(channel: &WebRTCDataChannel, id: u64) {
    // What cannot be sent any more waits at the consumer, at whose cost it is.
    let request = format!(r#"{{"id":{id},"request":{{"type":"{REQUEST_TYPE}"}}}}"#);
    channel.send_string_full(Some(&request)).unwrap();
}

#[test]
fn one_that_takes_no_answer_fills_nothing_and_stops_nobody() {
    let producer = Producer::prepare(&[video(SMALL)], |sink| {
        sink.set_property("enable-control-data-channel", true);
    });
    let channels = watch_channels(&producer);
    producer.play();
    let stalled = Consumer::join(&producer.signaller, "stalled");
    stalled.wait_frames(0, 10);
    let channel = control(&stalled);
    ask(&channel, 1);
    wait_until("an answer while it still takes one", || replies(&stalled) == 1);
    let ours = channels.lock().unwrap()[0].clone();

    let is_deaf = Arc::new(AtomicBool::new(true));
    deafen(&stalled, &is_deaf);
    let most = Arc::new(Mutex::new(0));
    for id in 0..REQUESTS {
        ask(&channel, id);
        let mut most = most.lock().unwrap();
        *most = ours.buffered_amount().max(*most);
    }
    wait_until("the limit is reached", || {
        let mut most = most.lock().unwrap();
        *most = ours.buffered_amount().max(*most);
        *most > MAX_WAITING - 1024
    });
    stalled.wait_frames(0, 60);
    assert_eq!(stalled.stream(0).unwrap().missing.load(Ordering::SeqCst), 0);
    let waiting = ours.buffered_amount().max(*most.lock().unwrap());
    assert!(waiting <= MAX_WAITING, "{waiting} bytes wait");

    let healthy = Consumer::join(&producer.signaller, "healthy");
    healthy.wait_frames(0, 10);
    ask(&control(&healthy), 7);
    wait_until("somebody else is answered", || replies(&healthy) == 1);

    is_deaf.store(false, Ordering::SeqCst);
    wait_until("what had to wait arrives", || replies(&stalled) > 500);
    is_deaf.store(true, Ordering::SeqCst);
    producer.assert_no_errors();
    let began = Instant::now();
    producer.pipeline.set_state(gst::State::Null).unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
