// SPDX-License-Identifier: MPL-2.0
//! One consumer from its request to frames on its screen.

mod common;

use std::sync::atomic::Ordering;

use common::consumer::{Consumer, Options};
use common::pipelines::{Producer, SMALL, audio, video};
use common::wait_until;

#[test]
fn a_stock_consumer_decodes_video_and_gets_audio() {
    let producer = Producer::start(&[video(SMALL), audio()], |_| ());
    let consumer = Consumer::join_with(
        &producer.signaller,
        "one",
        Options {
            decode: true,
            ..Options::default()
        },
    );
    wait_until("video is decoded", || {
        consumer
            .stream(0)
            .is_some_and(|stream| stream.decoded.load(Ordering::SeqCst) >= 30)
    });
    consumer.wait_frames(1, 50);
    assert_eq!(*consumer.stream(0).unwrap().size.lock().unwrap(), (320, 240));
    assert_eq!(producer.sessions(), ["one"]);
    consumer.leave();
    let (nick, _) = producer.wait_end("one");
    assert_eq!(nick, "peer-gone");
    wait_until("the session is gone", || producer.sessions().is_empty());
    producer.assert_no_errors();
}
