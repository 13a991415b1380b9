// SPDX-License-Identifier: MPL-2.0
//! One run of a real sink to a real consumer over the link, recorded.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use gst::prelude::*;
use testkit::link::Plan;
use testkit::relay::{INTERVAL, Link, Passed, Side};

use super::cases::Case;
use super::common::consumer::{Consumer, Options};
use super::common::pipelines::Producer;
use super::viewer::{Seen, Viewer};

/// A 720p30 picture of coloured clouds, cheap to make: VP8 fills any bitrate with it and skips no picture at 600 kbit/s
/// (of moving bars it skips every second one).
const PICTURE: &str = "videotestsrc is-live=true pattern=snow ! video/x-raw,width=16,height=8,framerate=30/1 ! \
    videoscale ! video/x-raw,format=I420,width=1280,height=720 ! sink.";
/// "Fills to 3 Mbit/s."
const MOST: u32 = 3_000_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// Who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// A stock webrtcbin.
    Webrtcbin,
    /// Chromium, which also tells how long its picture was frozen.
    Chromium,
}

/// What a run recorded, from the first picture on.
pub(crate) struct Run {
    /// What entered the link and left it, by [`INTERVAL`].
    pub(crate) passed: Vec<Passed>,
    /// The sink's `stats` over time.
    pub(crate) samples: Vec<Sample>,
    /// What Chromium says at the end less what it said at the beginning.
    pub(crate) seen: Option<Seen>,
}

/// The estimate in bit/s as the sink tells it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) estimate: u64,
    /// How long Chromium's picture has been frozen in all.
    pub(crate) frozen: Duration,
}

/// Runs a case in real time.
pub(crate) fn run(case: &Case) -> Result<Run> {
    let producer = Producer::start(&[PICTURE.to_owned()], |sink| {
        sink.set_property_from_str("congestion-control", case.control);
        sink.set_property("max-bitrate", MOST);
        sink.set_property("video-caps", gst::Caps::new_empty_simple(case.codec));
    });
    // Connects without loss, so that the beginning is the same in every run; the schedule begins with the pictures.
    let beginning = Plan {
        loss_ratio: 0.0,
        ..case.forward.clone()
    };
    // The consumer's callbacks outlive this function's borrow of it.
    let link: &'static Link = Box::leak(Box::new(Link::new(beginning, case.backward.clone())));
    let watched = Watched::start(case, &producer, link)?;
    link.restart(case.forward.clone(), case.backward.clone());
    let began = Instant::now();
    let before = watched.seen();
    let mut samples = Vec::new();
    while began.elapsed() < case.length {
        let next = INTERVAL * (samples.len() as u32 + 1);
        std::thread::sleep(next.saturating_sub(began.elapsed()));
        let frozen = watched.seen().map(|seen| seen.frozen).unwrap_or_default();
        samples.push(sample(&producer, began.elapsed(), frozen));
    }
    let passed = link.passed(Side::Left);
    let seen = watched
        .seen()
        .zip(before)
        .map(|(after, before)| after.since(&before));
    watched.leave();
    producer.assert_no_errors();
    Ok(Run {
        passed,
        samples,
        seen,
    })
}

/// The consumer of a run.
enum Watched {
    Webrtcbin(Consumer),
    Chromium(Viewer),
}

impl Watched {
    /// Joins, and waits for the first pictures.
    fn start(case: &Case, producer: &Producer, link: &'static Link) -> Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        let watched = match case.receiver {
            Receiver::Webrtcbin => {
                let options = Options {
                    link: Some(link),
                    ..Options::default()
                };
                Self::Webrtcbin(Consumer::join_with(&producer.signaller, case.name, options))
            }
            Receiver::Chromium => Self::Chromium(Viewer::join(&producer.signaller, case.name, link)?),
        };
        while !watched.is_watching() {
            ensure!(Instant::now() < deadline, "{} gets no picture", case.name);
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(watched)
    }

    fn is_watching(&self) -> bool {
        match self {
            Self::Webrtcbin(consumer) => consumer.frames(0) > 0,
            Self::Chromium(viewer) => viewer.seen().frames > 0,
        }
    }

    fn seen(&self) -> Option<Seen> {
        match self {
            Self::Webrtcbin(_) => None,
            Self::Chromium(viewer) => Some(viewer.seen()),
        }
    }

    fn leave(self) {
        match self {
            Self::Webrtcbin(consumer) => consumer.leave(),
            Self::Chromium(viewer) => viewer.leave(),
        }
    }
}

fn sample(producer: &Producer, at: Duration, frozen: Duration) -> Sample {
    let estimate = || {
        let stats = producer.sink.property::<gst::Structure>("stats");
        let session = stats.iter().next()?.1.get::<gst::Structure>().ok()?;
        let consumer = session.get::<gst::Structure>("consumer-stats").ok()?;
        consumer.get::<u64>("estimated-bitrate").ok()
    };
    Sample {
        at,
        // There is none without congestion control.
        estimate: estimate().unwrap_or_default(),
        frozen,
    }
}
