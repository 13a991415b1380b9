// SPDX-License-Identifier: MPL-2.0
//! The estimator in pipelines: what enters leaves, paced, whatever happens around it.

use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};

use congestion::PacketReport;
use congestion::units::{Bitrate, Timestamp};
use gst_app::{AppSink, AppSinkCallbacks, AppSrc};

use super::packet::Header;
use super::packet::tests::packet;
use super::*;

const PATIENCE: Duration = Duration::from_secs(30);
const TWCC_URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// appsrc ! estimator ! appsink.
struct Rig {
    pipeline: gst::Pipeline,
    source: AppSrc,
    estimator: BandwidthEstimator,
    sink: AppSink,
    received: mpsc::Receiver<Option<(Instant, gst::Buffer)>>,
}

impl Rig {
    fn new(start_kbps: u64) -> Self {
        gst::init().expect("GStreamer initialises");
        let kbps = Bitrate::from_kbps;
        let limits = Limits::new(kbps(100), kbps(5000), kbps(start_kbps));
        let estimator = BandwidthEstimator::new(Algorithm::Gcc, limits);
        let source = AppSrc::builder().caps(&caps()).format(gst::Format::Time).build();
        let sink = AppSink::builder().sync(false).async_(false).build();
        let (sender, received) = mpsc::channel();
        let ends = sender.clone();
        let callbacks = AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let buffer = sample.buffer_owned().ok_or(gst::FlowError::Error)?;
                let sent = sender.send(Some((Instant::now(), buffer)));
                sent.map(|()| gst::FlowSuccess::Ok)
                    .map_err(|_| gst::FlowError::Error)
            })
            .eos(move |_| {
                let _ = ends.send(None);
            })
            .build();
        sink.set_callbacks(callbacks);
        let pipeline = gst::Pipeline::new();
        let elements: [&gst::Element; 3] = [source.upcast_ref(), estimator.upcast_ref(), sink.upcast_ref()];
        pipeline.add_many(elements).expect("elements are new");
        gst::Element::link_many(elements).expect("pads fit");
        Self {
            pipeline,
            source,
            estimator,
            sink,
            received,
        }
    }

    fn playing(start_kbps: u64) -> Self {
        let rig = Self::new(start_kbps);
        rig.pipeline.set_state(gst::State::Playing).expect("it plays");
        rig
    }

    fn push(&self, sequence: u16, payload: usize) {
        let bytes = packet(96, 1000, sequence, payload);
        self.source
            .push_buffer(gst::Buffer::from_mut_slice(bytes))
            .expect("it flows");
    }

    /// The next packet, `None` at the end of the stream.
    fn next(&self) -> Option<(Instant, Header)> {
        let (at, buffer) = self
            .received
            .recv_timeout(PATIENCE)
            .expect("it arrives in time")?;
        let bytes = buffer.map_readable().expect("it is memory");
        Some((at, Header::parse(&bytes, Some(5)).expect("it is RTP")))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).expect("it stops");
    }
}

fn caps() -> gst::Caps {
    gst::Caps::builder("application/x-rtp")
        .field("media", "video")
        .field("encoding-name", "VP8")
        .field("clock-rate", 90_000i32)
        .field("payload", 96i32)
        .field("ssrc", 1000u32)
        .field("extmap-5", TWCC_URI)
        .field("rtcp-fb-transport-cc", true)
        .build()
}

/// A description with the extension, but without retransmission.
fn streams() -> Streams {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n\
         a=rtpmap:96 VP8/90000\r\na=extmap:5 {TWCC_URI}\r\n"
    );
    Streams::from_description(&gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).expect("it is valid"))
}

/// A report of packets that arrived `delay_ms` after they were sent, every 10 ms.
fn report(sequences: std::ops::Range<u16>, delay_ms: impl Fn(u16) -> u64) -> Vec<PacketReport> {
    let arrived = |sequence| Timestamp::from_millis(1000 + u64::from(sequence) * 10 + delay_ms(sequence));
    sequences
        .map(|sequence| PacketReport {
            sequence,
            arrived: Some(arrived(sequence)),
        })
        .collect()
}

#[test]
fn everything_arrives_in_order_and_then_the_end() {
    let rig = Rig::playing(5000);
    (0..50).for_each(|n| rig.push(n, 500));
    rig.source.end_of_stream().expect("it ends");
    for n in 0..50 {
        assert_eq!(rig.next().map(|(_, header)| header.sequence), Some(n));
    }
    assert!(rig.next().is_none());
}

#[test]
fn a_burst_is_spread() {
    let rig = Rig::playing(1000);
    // 100 packets of about 10 kbit: a second at the start rate, of which 4 % may leave at once and 5 % be gained.
    (0..100).for_each(|n| rig.push(n, 1192));
    let arrivals: Vec<_> = (0..100).filter_map(|_| rig.next()).map(|(at, _)| at).collect();
    let took = arrivals[99] - arrivals[0];
    assert!(took >= Duration::from_millis(850), "{took:?}");
}

/// A pad in front of the estimator, one behind it, and what arrives there.
fn between_pads(estimator: &BandwidthEstimator) -> (gst::Pad, gst::Pad, mpsc::Receiver<u16>) {
    let (sender, received) = mpsc::channel();
    let behind = gst::Pad::builder(gst::PadDirection::Sink)
        .chain_function(move |_, _, buffer| {
            let bytes = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
            let header = Header::parse(&bytes, Some(5)).ok_or(gst::FlowError::Error)?;
            // The test may have seen enough.
            let _ = sender.send(header.sequence);
            Ok(gst::FlowSuccess::Ok)
        })
        .build();
    let front = gst::Pad::builder(gst::PadDirection::Src).build();
    let pad = |name| estimator.static_pad(name).expect("it has one");
    front.link(&pad("sink")).expect("pads fit");
    pad("src").link(&behind).expect("pads fit");
    front.set_active(true).expect("it can be");
    behind.set_active(true).expect("it can be");
    estimator.set_state(gst::State::Playing).expect("it plays");
    (front, behind, received)
}

/// A new stream with one packet, which arrives.
fn stream_flows(front: &gst::Pad, received: &mpsc::Receiver<u16>, sequence: u16) {
    assert!(front.push_event(gst::event::StreamStart::new(&format!("stream {sequence}"))));
    assert!(front.push_event(gst::event::Caps::new(&caps())));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(front.push_event(gst::event::Segment::new(&segment)));
    let buffer = gst::Buffer::from_mut_slice(packet(96, 1000, sequence, 100));
    front.push(buffer).expect("it flows");
    assert_eq!(received.recv_timeout(PATIENCE), Ok(sequence));
}

#[test]
fn a_stream_that_follows_one_that_ended_flows() {
    gst::init().expect("GStreamer initialises");
    let kbps = Bitrate::from_kbps;
    let estimator = BandwidthEstimator::new(Algorithm::Gcc, Limits::new(kbps(100), kbps(5000), kbps(1000)));
    let (front, _behind, received) = between_pads(&estimator);
    for sequence in 0..20 {
        stream_flows(&front, &received, sequence);
        assert!(front.push_event(gst::event::Eos::new()));
    }
    estimator.set_state(gst::State::Null).expect("it stops");
}

/// Has events of this type wait at the pad until somebody else waits at the barrier.
fn meet_at(pad: &gst::Pad, event_type: gst::EventType, barrier: &Arc<Barrier>) {
    let barrier = Arc::clone(barrier);
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if info.event().is_some_and(|event| event.type_() == event_type) {
            barrier.wait();
        }
        gst::PadProbeReturn::Ok
    });
}

#[test]
fn a_stream_that_begins_while_the_last_one_ends_stays_behind_its_end() {
    gst::init().expect("GStreamer initialises");
    let kbps = Bitrate::from_kbps;
    let estimator = BandwidthEstimator::new(Algorithm::Gcc, Limits::new(kbps(100), kbps(5000), kbps(1000)));
    let (front, behind, received) = between_pads(&estimator);
    let begins = Arc::new(Barrier::new(2));
    meet_at(&behind, gst::EventType::Eos, &begins);
    stream_flows(&front, &received, 0);
    assert!(front.push_event(gst::event::Eos::new()));
    let sink_pad = estimator.static_pad("sink").expect("it has one");
    meet_at(&sink_pad, gst::EventType::StreamStart, &begins);
    stream_flows(&front, &received, 1);
    estimator.set_state(gst::State::Null).expect("it stops");
}

#[test]
fn a_flush_drops_what_waits_and_the_stream_goes_on() {
    gst::init().expect("GStreamer initialises");
    let kbps = Bitrate::from_kbps;
    let estimator = BandwidthEstimator::new(Algorithm::Gcc, Limits::new(kbps(100), kbps(5000), kbps(100)));
    let (front, _behind, received) = between_pads(&estimator);
    for sequence in 0..20 {
        stream_flows(&front, &received, sequence);
        for _ in 0..200 {
            let buffer = gst::Buffer::from_mut_slice(packet(96, 1000, 999, 1000));
            front.push(buffer).expect("it flows");
        }
        assert!(front.push_event(gst::event::FlushStart::new()));
        assert_eq!(estimator.snapshot().backlog.bytes(), 0, "it was dropped");
        assert!(front.push_event(gst::event::FlushStop::new(true)));
        received.try_iter().for_each(drop);
    }
    estimator.set_state(gst::State::Null).expect("it stops");
}

#[test]
fn states_come_and_go_while_packets_wait() {
    let rig = Rig::new(100);
    for _ in 0..5 {
        rig.pipeline.set_state(gst::State::Playing).expect("it plays");
        (0..50).for_each(|n| rig.push(n, 1000));
        rig.next().expect("the first leaves");
        rig.pipeline
            .set_state(gst::State::Ready)
            .expect("it stops though packets wait");
    }
}

#[test]
fn a_downstream_that_fails_is_told_upstream() {
    let mut rig = Rig::playing(5000);
    rig.received = mpsc::channel().1;
    let bus = rig.pipeline.bus().expect("a pipeline has a bus");
    let deadline = Instant::now() + PATIENCE;
    loop {
        rig.push(0, 100);
        let wait = gst::ClockTime::from_mseconds(10);
        if bus.timed_pop_filtered(wait, &[gst::MessageType::Error]).is_some() {
            break;
        }
        assert!(Instant::now() < deadline, "upstream goes on");
    }
}

#[test]
fn reports_of_a_growing_queue_lower_the_estimate_and_tell() {
    let rig = Rig::playing(1000);
    rig.estimator.set_streams(streams());
    let (sender, estimates) = mpsc::channel();
    rig.estimator.connect_estimate(move |estimator| {
        // The test may have seen enough.
        let _ = sender.send(estimator.snapshot().estimate.target);
    });
    (0..100).for_each(|n| rig.push(n, 1100));
    assert!((0..100).all(|_| rig.next().is_some()));
    for n in 0..10 {
        let report = report(n * 10..n * 10 + 10, |sequence| u64::from(sequence) * 8);
        rig.estimator.imp().on_feedback(&report);
    }
    let lowest = estimates.try_iter().min().expect("the estimate moved");
    assert!(lowest < Bitrate::from_kbps(900), "{lowest}");
    assert!(rig.estimator.snapshot().has_feedback);
}

#[test]
fn limits_move_the_estimate_at_once() {
    let rig = Rig::playing(1000);
    rig.estimator.set_property("max-bitrate", 300_000u32);
    assert_eq!(rig.estimator.property::<u32>("estimated-bitrate"), 300_000);
    rig.estimator.on_remb(Bitrate::from_kbps(200));
    assert_eq!(rig.estimator.property::<u32>("estimated-bitrate"), 200_000);
}

#[test]
fn receiver_reports_do_where_there_is_no_feedback() {
    let rig = Rig::playing(1000);
    let report = ReceiverReport {
        loss_ratio: 0.5,
        rtt: Some(Duration::from_millis(30)),
    };
    rig.estimator.on_receiver_report(&report);
    let estimate = rig.estimator.snapshot().estimate;
    assert!(estimate.target < Bitrate::from_kbps(800), "{}", estimate.target);
    assert_eq!(estimate.rtt, report.rtt);
}

/// Two sessions in a bin with a pad `sink`: what enters the first arrives at the second, whose reports come back.
fn sessions() -> gst::Bin {
    let description = "rtpsession name=a rtp-profile=avpf rtpsession name=b rtp-profile=avpf \
        fakesink name=media sync=false async=false appsink name=reports sync=false async=false \
        appsrc name=back caps=application/x-rtcp";
    let bin = gst::parse::bin_from_description(description, false).expect("rtpsession is installed");
    let bin = bin.downcast::<gst::Bin>().expect("it is a bin");
    let [a, b, media, reports, back] =
        ["a", "b", "media", "reports", "back"].map(|name| bin.by_name(name).expect("it is there"));
    // Requested first and linked then: what links when a pad appears meets the session's lock.
    let input = a.request_pad_simple("send_rtp_sink").expect("it sends");
    let arriving = b.request_pad_simple("recv_rtp_sink").expect("it receives");
    let leaving = a.static_pad("send_rtp_src").expect("it came with the request");
    leaving.link(&arriving).expect("pads fit");
    b.link_pads(Some("recv_rtp_src"), &media, Some("sink"))
        .expect("pads fit");
    b.link_pads(Some("send_rtcp_src"), &reports, Some("sink"))
        .expect("pads fit");
    back.link_pads(Some("src"), &a, Some("recv_rtcp_sink"))
        .expect("pads fit");
    let ghost = gst::GhostPad::builder_with_target(&input)
        .expect("it has no parent yet")
        .name("sink")
        .build();
    bin.add_pad(&ghost).expect("its name is free");
    let back = back.downcast::<AppSrc>().expect("it is an appsrc");
    let reports = reports.downcast::<AppSink>().expect("it is an appsink");
    let bring_back = move |sink: &AppSink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        back.push_buffer(sample.buffer_owned().ok_or(gst::FlowError::Error)?)
    };
    reports.set_callbacks(AppSinkCallbacks::builder().new_sample(bring_back).build());
    bin
}

/// The numbers that rtpsession gives and reports are the ones the history counts.
#[test]
fn a_real_session_reports_what_was_sent() {
    let rig = Rig::new(3000);
    rig.estimator.set_streams(streams());
    rig.estimator.unlink(&rig.sink);
    rig.pipeline.remove(&rig.sink).expect("it was in");
    let sessions = sessions();
    rig.pipeline.add(&sessions).expect("it is new");
    rig.estimator.link(&sessions).expect("pads fit");
    rig.pipeline.set_state(gst::State::Playing).expect("it plays");
    let is_measured = || {
        let acknowledged = rig.estimator.snapshot().estimate.acknowledged;
        acknowledged.is_some_and(|rate| rate > Bitrate::from_kbps(200))
    };
    let deadline = Instant::now() + PATIENCE;
    let mut sequence = 0;
    while !is_measured() {
        assert!(
            Instant::now() < deadline,
            "nothing is acknowledged: {:?}",
            rig.estimator.snapshot()
        );
        let mut bytes = packet(0x80 | 96, 1000, sequence, 1000);
        bytes[4..8].copy_from_slice(&(u32::from(sequence) * 900).to_be_bytes());
        rig.source
            .push_buffer(gst::Buffer::from_mut_slice(bytes))
            .expect("it flows");
        sequence = sequence.wrapping_add(1);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(rig.estimator.snapshot().estimate.loss_ratio, 0.0);
}
