// SPDX-License-Identifier: MPL-2.0
//! The pool with real pipelines: a live test source, viewers that write down what they get, a host that remembers.
//!
//! Tests wait for conditions with a generous deadline; none measures time.

mod codecs;
mod failures;
mod fan_out;
mod input;
mod layers;
mod moves;
mod rate;
mod stress;

use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use congestion::units::Bitrate;
use gst::prelude::*;

use super::*;
use crate::codec::{Catalogue, Codec, EncoderControl};

/// Waits for something to become true.
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Remembers what the pool asked and reported.
struct TestHost {
    clock: gst::Clock,
    base_time: gst::ClockTime,
    max_encoders: AtomicU32,
    mitigation: Mutex<Mitigation>,
    chosen_caps: Mutex<Option<gst::Caps>>,
    setups: Mutex<Vec<(String, String)>>,
    pipelines: Mutex<Vec<(String, gst::glib::WeakRef<gst::Pipeline>)>>,
    /// What entered each branch, in the order they were made.
    fed: Mutex<Vec<Arc<Mutex<Vec<u64>>>>>,
    upstream_requests: AtomicU32,
    failures: Mutex<Vec<BranchFailure>>,
    ended: Mutex<Vec<Vec<String>>>,
}

impl TestHost {
    fn new() -> Arc<Self> {
        gst::init().unwrap();
        let clock = gst::SystemClock::obtain();
        let base_time = clock.time();
        Arc::new(Self {
            clock,
            base_time,
            max_encoders: AtomicU32::new(3),
            mitigation: Mutex::default(),
            chosen_caps: Mutex::default(),
            setups: Mutex::default(),
            pipelines: Mutex::default(),
            fed: Mutex::default(),
            upstream_requests: AtomicU32::new(0),
            failures: Mutex::default(),
            ended: Mutex::default(),
        })
    }

    fn put_on_clock(&self, pipeline: &gst::Pipeline) {
        pipeline.use_clock(Some(&self.clock));
        pipeline.set_start_time(gst::ClockTime::NONE);
        pipeline.set_base_time(self.base_time);
    }
}

impl BranchHost for TestHost {
    fn clock_and_base_time(&self) -> Option<(gst::Clock, gst::ClockTime)> {
        Some((self.clock.clone(), self.base_time))
    }

    fn encode_settings(&self) -> EncodeSettings {
        EncodeSettings {
            max_encoders: self.max_encoders.load(Ordering::Relaxed),
            mitigation: *self.mitigation.lock().unwrap(),
        }
    }

    fn pipeline_created(&self, consumer_id: &str, pipeline: &gst::Pipeline) {
        assert_eq!(pipeline.children().len(), 0, "it is announced empty");
        self.pipelines
            .lock()
            .unwrap()
            .push((consumer_id.to_owned(), pipeline.downgrade()));
        self.fed.lock().unwrap().push(write_down_input(pipeline));
    }

    fn encoder_setup(&self, consumer_id: &str, pad_name: &str, encoder: &gst::Element) {
        EncoderControl::new(encoder).apply_defaults(Bitrate::from_kbps(1000));
        self.setups
            .lock()
            .unwrap()
            .push((consumer_id.to_owned(), pad_name.to_owned()));
    }

    fn mitigation_caps(
        &self,
        _: &str,
        _: &gst_video::VideoInfo,
        _: Bitrate,
        _: Mitigation,
    ) -> Option<gst::Caps> {
        self.chosen_caps.lock().unwrap().clone()
    }

    fn request_upstream_key_frame(&self, _: &StreamId, _: Option<gst::ClockTime>) {
        self.upstream_requests.fetch_add(1, Ordering::Relaxed);
    }

    fn branch_failed(&self, failure: BranchFailure) {
        self.failures.lock().unwrap().push(failure);
    }

    fn stream_ended(&self, _: &StreamId, sessions: Vec<String>) {
        self.ended.lock().unwrap().push(sessions);
    }

    fn context_message(&self, _: &gst::Message) {}
}

/// The timestamps of what leaves the appsrc of a branch.
fn write_down_input(pipeline: &gst::Pipeline) -> Arc<Mutex<Vec<u64>>> {
    let fed: Arc<Mutex<Vec<u64>>> = Arc::default();
    let written = fed.clone();
    pipeline.connect_element_added(move |_, element| {
        if element.is::<gst_app::AppSrc>() {
            let fed = written.clone();
            element
                .static_pad("src")
                .unwrap()
                .add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                    let pts = info.buffer().and_then(|buffer| buffer.pts());
                    fed.lock().unwrap().extend(pts.map(|pts| pts.nseconds()));
                    gst::PadProbeReturn::Ok
                });
        }
    });
    fed
}

/// A pool with one input stream.
struct Rig {
    host: Arc<TestHost>,
    pool: BranchPool,
    stream: StreamId,
    source: Mutex<Option<gst::Pipeline>>,
    pushed: Arc<Mutex<Vec<u64>>>,
}

impl Rig {
    /// Plays this launch line, whose last element is made an appsink, into a pool.
    fn new(line: &str) -> Self {
        let host = TestHost::new();
        let pool = BranchPool::new(host.clone());
        Self::with_pool(host, pool, line)
    }

    /// One whose pool takes encoders from this catalogue.
    fn with_catalogue(catalogue: Catalogue, line: &str) -> Self {
        let host = TestHost::new();
        let pool = BranchPool::with_catalogue(host.clone(), Box::leak(Box::new(catalogue)));
        Self::with_pool(host, pool, line)
    }

    fn with_pool(host: Arc<TestHost>, pool: BranchPool, line: &str) -> Self {
        let rig = Self {
            host,
            pool,
            stream: StreamId::new("video_0"),
            source: Mutex::default(),
            pushed: Arc::default(),
        };
        rig.play(line);
        wait_for("caps of the input", || rig.has_caps());
        rig
    }

    fn video() -> Self {
        Self::new(VIDEO)
    }

    fn has_caps(&self) -> bool {
        !self.pushed.lock().unwrap().is_empty()
    }

    /// Replaces the source by another one on the same stream.
    fn play(&self, line: &str) {
        let pipeline = gst::parse::launch(&format!("{line} ! appsink name=out sync=false")).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        self.host.put_on_clock(&pipeline);
        let appsink = pipeline
            .by_name("out")
            .unwrap()
            .downcast::<gst_app::AppSink>()
            .unwrap();
        let (pool, at_end, stream, pushed) = (
            self.pool.clone(),
            self.pool.clone(),
            self.stream.clone(),
            self.pushed.clone(),
        );
        let ended = stream.clone();
        let mut caps = None;
        let callbacks = gst_app::AppSinkCallbacks::builder()
            .new_sample(move |appsink| {
                let sample = appsink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                if caps != sample.caps_owned() {
                    caps = sample.caps_owned();
                    pool.input_caps_changed(&stream, caps.as_ref().unwrap());
                }
                pool.push_input(&stream, &sample);
                let pts = sample.buffer().and_then(|buffer| buffer.pts());
                pushed.lock().unwrap().extend(pts.map(|pts| pts.nseconds()));
                Ok(gst::FlowSuccess::Ok)
            })
            .eos(move |_| at_end.end_of_stream(&ended))
            .build();
        appsink.set_callbacks(callbacks);
        let old = self.source.lock().unwrap().replace(pipeline.clone());
        if let Some(old) = old {
            old.set_state(gst::State::Null).unwrap();
        }
        pipeline.set_state(gst::State::Playing).unwrap();
    }

    fn stop_source(&self) {
        if let Some(source) = self.source.lock().unwrap().take() {
            source.set_state(gst::State::Null).unwrap();
        }
    }

    /// A viewer whose frames flow.
    fn viewer(&self, name: &str, codec: Codec, kbps: u64) -> Viewer {
        let viewer = self.try_viewer(name, codec, kbps).unwrap();
        viewer.attachment().set_flowing(true);
        viewer
    }

    fn try_viewer(&self, name: &str, codec: Codec, kbps: u64) -> Result<Viewer, BranchError> {
        self.try_viewer_with(name, codec, kbps, gst::Caps::new_any())
    }

    fn try_viewer_with(
        &self,
        name: &str,
        codec: Codec,
        kbps: u64,
        caps: gst::Caps,
    ) -> Result<Viewer, BranchError> {
        self.try_viewer_of(name, codec, kbps, caps, PictureSize::Adaptive)
    }

    fn try_viewer_of(
        &self,
        name: &str,
        codec: Codec,
        kbps: u64,
        caps: gst::Caps,
        size: PictureSize,
    ) -> Result<Viewer, BranchError> {
        let mut viewer = Viewer::new(&self.host);
        viewer.attachment = Some(self.pool.attach(AttachRequest {
            stream: self.stream.clone(),
            codec,
            encoder_caps: caps,
            size,
            consumer_id: format!("peer-{name}"),
            session_id: name.to_owned(),
            appsrc: viewer.appsrc.clone(),
            target: Bitrate::from_kbps(kbps),
        })?);
        Ok(viewer)
    }

    /// Which sessions are on which branch, largest first.
    fn grouping(&self) -> Vec<Vec<String>> {
        let mut groups: Vec<Vec<String>> = self
            .pool
            .snapshot()
            .into_iter()
            .map(|branch| {
                branch
                    .consumers
                    .into_iter()
                    .map(|consumer| consumer.session_id)
                    .collect()
            })
            .collect();
        groups.sort_by_key(|group| (std::cmp::Reverse(group.len()), group.clone()));
        groups
    }

    /// The branch that a viewer belongs to.
    fn branch_of(&self, viewer: &Viewer) -> Option<BranchSnapshot> {
        let id = viewer.attachment().branch_id()?;
        self.pool
            .snapshot()
            .into_iter()
            .find(|branch| branch.branch == id)
    }

    fn bitrate_of(&self, viewer: &Viewer) -> Option<Bitrate> {
        self.branch_of(viewer)?.bitrate
    }

    fn encoder_of(&self, viewer: &Viewer) -> Option<String> {
        self.branch_of(viewer)?.encoder
    }

    /// Input that some branch was too late for.
    fn dropped(&self) -> Vec<u64> {
        let pushed = self.pushed.lock().unwrap();
        let mut dropped = Vec::new();
        for fed in self.host.fed.lock().unwrap().iter() {
            let fed = fed.lock().unwrap();
            let (Some(first), Some(last)) = (fed.first(), fed.last()) else {
                continue;
            };
            dropped.extend(
                pushed
                    .iter()
                    .filter(|pts| (first..=last).contains(pts) && !fed.contains(pts)),
            );
        }
        dropped
    }

    fn running_pipelines(&self) -> usize {
        let pipelines = self.host.pipelines.lock().unwrap();
        pipelines
            .iter()
            .filter(|(_, pipeline)| pipeline.upgrade().is_some())
            .count()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop_source();
        self.pool.shutdown();
    }
}

/// What a viewer wrote down of a frame.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    pts: u64,
    is_key: bool,
    size: usize,
    caps: gst::Caps,
}

/// The stand-in for a session: its pipeline, and what arrived there.
struct Viewer {
    pipeline: gst::Pipeline,
    appsrc: gst_app::AppSrc,
    seen: Arc<Mutex<Vec<Seen>>>,
    ended: Arc<AtomicU32>,
    attachment: Option<Attachment>,
}

impl Viewer {
    fn new(host: &TestHost) -> Self {
        let pipeline = gst::Pipeline::new();
        host.put_on_clock(&pipeline);
        let appsrc = gst_app::AppSrc::builder()
            .is_live(true)
            .format(gst::Format::Time)
            .build();
        let appsink = gst_app::AppSink::builder().sync(false).async_(false).build();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let ended = Arc::new(AtomicU32::new(0));
        let (write, end) = (seen.clone(), ended.clone());
        let callbacks = gst_app::AppSinkCallbacks::builder()
            .new_sample(move |appsink| {
                let sample = appsink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let buffer = sample.buffer().unwrap();
                write.lock().unwrap().push(Seen {
                    pts: buffer.pts().unwrap().nseconds(),
                    is_key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
                    size: buffer.size(),
                    caps: sample.caps_owned().unwrap(),
                });
                Ok(gst::FlowSuccess::Ok)
            })
            .eos(move |_| {
                end.fetch_add(1, Ordering::Relaxed);
            })
            .build();
        appsink.set_callbacks(callbacks);
        pipeline
            .add_many([appsrc.upcast_ref(), appsink.upcast_ref::<gst::Element>()])
            .unwrap();
        appsrc.link(&appsink).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Self {
            pipeline,
            appsrc,
            seen,
            ended,
            attachment: None,
        }
    }

    fn attachment(&self) -> &Attachment {
        self.attachment.as_ref().unwrap()
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// As a request from the network arrives.
    fn request_key_frame(&self) {
        let event = gst_video::UpstreamForceKeyUnitEvent::builder()
            .all_headers(true)
            .build();
        self.appsrc.static_pad("src").unwrap().send_event(event);
    }

    fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    fn key_count(&self) -> usize {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .filter(|seen| seen.is_key)
            .count()
    }

    /// Waits for so many more frames.
    fn wait_more(&self, frames: usize) {
        let goal = self.count() + frames;
        wait_for("frames", || self.count() >= goal);
    }

    /// No frame came twice or late, and between the first and the last none is missing that entered the encoders. On
    /// a machine that stalls a branch may have dropped input; that is no fault of the fan-out.
    fn assert_complete(&self, rig: &Rig) {
        let pts: Vec<u64> = self.seen().iter().map(|seen| seen.pts).collect();
        assert!(
            pts.is_sorted_by(|a, b| a < b),
            "frames doubled or out of order: {pts:?}"
        );
        let (first, last) = (pts[0], *pts.last().unwrap());
        let dropped = rig.dropped();
        let pushed = rig.pushed.lock().unwrap();
        let missing: Vec<u64> = pushed
            .iter()
            .filter(|p| (first..=last).contains(*p) && !pts.contains(p) && !dropped.contains(p))
            .copied()
            .collect();
        assert!(
            missing.is_empty(),
            "{} frames lost of {}: {missing:?}",
            missing.len(),
            pts.len()
        );
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.attachment = None;
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

/// Small, so that a busy machine keeps up.
const VIDEO: &str =
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=160,height=120,framerate=30/1";

fn caps(text: &str) -> gst::Caps {
    gst::init().unwrap();
    gst::Caps::from_str(text).unwrap()
}
