// SPDX-License-Identifier: MPL-2.0
//! A consumer's congestion controller: made with its webrtcbin, fed with its reports, its estimates applied.
//!
//! The estimator sits in webrtcbin's send path and calls back from the thread that received a report. What it leaves
//! for pictures is the estimate without audio, retransmissions, redundancy, headers and what still waits to leave. Owns
//! the way of an estimate from the element `bwe` to `apply`, and how much redundancy it is to contain. Estimating
//! itself is the crate `congestion`'s.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use congestion::allocate::Budget;
use congestion::fec::FecPolicy;
use congestion::path::PathRoundTrip;
use congestion::playout::PlayoutPolicy;
use congestion::units::{Bitrate, DataSize, Timestamp};
use congestion::{Algorithm, Estimate, Limits, ReceiverReport};
use gst::prelude::*;
use gst_webrtc::{WebRTCSessionDescription, WebRTCSignalingState};

use super::apply::apply;
use crate::bwe::{BandwidthEstimator, Snapshot, Streams, parse_remb};
use crate::sink::WebRTCSinkCongestionControl;
use crate::sink::session::{Outlet, Session};
use crate::sink::settings::Settings;
use crate::stats::ConnectionStats;

/// The controller of one consumer.
pub(in crate::sink) struct Control {
    estimator: BandwidthEstimator,
    /// Zero of the times that the policies are given.
    origin: Instant,
    /// The most that one encoder is asked for, in bit/s.
    max_bitrate: u32,
    /// Plain data; nothing is called with it held.
    state: Mutex<State>,
}

struct State {
    /// How far away the consumer is.
    path: PathRoundTrip,
    /// How much redundancy is worth its bits.
    fec: FecPolicy,
    /// For how long pictures are worth holding.
    playout: PlayoutPolicy,
    /// For how many encoders the estimator's limits are.
    encoders: u32,
    /// What was last spread, and when.
    applied: Option<(Bitrate, Instant)>,
}

impl Control {
    /// Puts a controller into the send path of a new `webrtcbin`, if the settings want one.
    pub(in crate::sink) fn install(session: &Arc<Session>, webrtcbin: &gst::Element) {
        let settings = session.settings();
        let Some(algorithm) = algorithm(settings.congestion_control) else {
            return;
        };
        let estimator = BandwidthEstimator::new(algorithm, limits(settings, 1));
        lend_to(webrtcbin, &estimator);
        listen_for_maxima(webrtcbin, &estimator);
        let weak = Arc::downgrade(session);
        estimator.connect_estimate(move |_| {
            if let Some(session) = weak.upgrade() {
                with_control(&session, |control| control.apply(&session));
            }
        });
        let state = State {
            path: PathRoundTrip::new(),
            fec: FecPolicy::new(settings.do_fec),
            playout: PlayoutPolicy::new(Duration::from_millis(settings.max_playout_delay.into())),
            encoders: 1,
            applied: None,
        };
        let control = Self {
            estimator,
            origin: Instant::now(),
            max_bitrate: settings.max_bitrate,
            state: Mutex::new(state),
        };
        session.view().control_of_rate = Some(Arc::new(control));
    }

    /// What the peer reported, once a second: for the choice of redundancy, and for the estimate where nothing better
    /// comes.
    pub(in crate::sink) fn observe(session: &Arc<Session>, stats: &gst::StructureRef) {
        let stats = ConnectionStats::read(stats);
        with_control(session, |control| control.on_stats(session, &stats));
    }

    /// What is believed of the consumer's network and sent over it, as fields of the public structure.
    pub(in crate::sink) fn write(&self, structure: &mut gst::StructureRef) {
        let snapshot = self.estimator.snapshot();
        structure.set("estimated-bitrate", snapshot.estimate.target.bps());
        structure.set("media-bitrate", self.media(&snapshot).bps());
        structure.set("sent-bitrate", snapshot.sent.bps());
        structure.set("retransmission-bitrate", snapshot.retransmissions.bps());
        let playout_delay = gst::ClockTime::try_from(self.state().playout.delay()).ok();
        structure.set("playout-delay", playout_delay);
        if let Some(received) = snapshot.estimate.acknowledged {
            structure.set("received-bitrate", received.bps());
        }
    }

    /// Receiver reports serve the estimator where transport-wide feedback does not come; loss decides on redundancy.
    fn on_stats(&self, session: &Session, stats: &ConnectionStats) {
        let rtt = stats
            .round_trip_time
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        if stats.loss_ratio.is_some() || rtt.is_some() {
            let loss_ratio = stats.loss_ratio.unwrap_or_default();
            self.estimator
                .on_receiver_report(&ReceiverReport { loss_ratio, rtt });
        }
        self.apply(session);
    }

    /// Spreads what the estimate leaves for pictures, unless that is about what it was a moment ago.
    fn apply(&self, session: &Session) {
        let encoders = u32::try_from(video(session).len().max(1)).unwrap_or(u32::MAX);
        if std::mem::replace(&mut self.state().encoders, encoders) != encoders {
            self.estimator.set_limits(limits(session.settings(), encoders));
        }
        self.decide(&self.estimator.snapshot());
        let snapshot = self.estimator.snapshot();
        if snapshot.has_fec {
            // Streams come and go: one that came later is protected as well.
            let percentage = self.redundancy(&snapshot);
            video(session)
                .iter()
                .for_each(|outlet| outlet.set_fec_percentage(percentage));
        }
        let media = self.media(&snapshot);
        if self.state().is_news(media, Instant::now()) {
            apply(session, media);
        }
    }

    /// Decides what is done about loss, and has pictures held where repairs would come too late otherwise.
    fn decide(&self, snapshot: &Snapshot) {
        let Estimate {
            loss_ratio,
            own_loss_ratio,
            rtt,
            ..
        } = snapshot.estimate;
        let now = self.now();
        let delay = {
            let State {
                path, fec, playout, ..
            } = &mut *self.state();
            let path = path.update(now, rtt);
            if snapshot.has_fec {
                fec.update(now, loss_ratio, path);
            }
            playout.update(now, own_loss_ratio, path)
        };
        self.estimator.ask_playout_delay(delay);
    }

    /// How much redundancy there is, in percent: as much as pays, and none where it would do harm.
    fn redundancy(&self, snapshot: &Snapshot) -> u32 {
        if snapshot.is_telling {
            0
        } else {
            self.state().fec.percentage()
        }
    }

    /// What is left for pictures, as far as encoders may use it: everything else that goes over the same path is taken
    /// off first.
    fn media(&self, snapshot: &Snapshot) -> Bitrate {
        let budget = Budget {
            estimate: snapshot.estimate.target,
            fixed: snapshot.audio,
            retransmissions: snapshot.retransmissions,
            fec_percentage: self.redundancy(snapshot),
            header_ratio: congestion::allocate::header_ratio(PAYLOAD, HEADER),
            backlog: snapshot.backlog,
        };
        budget.media().min(total(self.max_bitrate, self.state().encoders))
    }

    /// Now, as the policies count.
    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.origin.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_news(&mut self, media: Bitrate, now: Instant) -> bool {
        let is_old = self.applied.is_some_and(|(applied, at)| {
            let change = (media.ratio(applied) - 1.0).abs();
            change < WORTH_APPLYING && now - at < STALE
        });
        if !is_old {
            self.applied = Some((media, now));
        }
        !is_old
    }
}

/// Runs something with the session's controller, outside of the view's lock.
fn with_control(session: &Session, run: impl FnOnce(&Control)) {
    let control = session.view().control_of_rate.clone();
    if let Some(control) = control {
        run(&control);
    }
}

fn video(session: &Session) -> Vec<Arc<Outlet>> {
    let view = session.view();
    let video = view.outlets.values().filter(|outlet| outlet.is_video());
    video.cloned().collect()
}

/// Gives the estimator to webrtcbin when it asks, and tells it what was agreed on when that is known.
fn lend_to(webrtcbin: &gst::Element, estimator: &BandwidthEstimator) {
    crate::webrtcbin::send_through(webrtcbin, estimator.upcast_ref());
    let weak = estimator.downgrade();
    webrtcbin.connect_notify(Some("signaling-state"), move |webrtcbin, _| {
        if let Some((estimator, streams)) = weak.upgrade().zip(streams(webrtcbin)) {
            estimator.set_streams(streams);
        }
    });
}

/// What packets will be. Our first offer says so already, and has to: with its answer packets begin to flow, and one that is
/// not counted as the RTP session does would shift all reports. Later offers count once they are answered.
fn streams(webrtcbin: &gst::Element) -> Option<Streams> {
    let description = |name| webrtcbin.property::<Option<WebRTCSessionDescription>>(name);
    let local = description("local-description")?;
    let state = webrtcbin.property::<WebRTCSignalingState>("signaling-state");
    match description("remote-description") {
        Some(remote) if state == WebRTCSignalingState::Stable => {
            Some(Streams::negotiated(local.sdp(), remote.sdp()))
        }
        None => Some(Streams::from_description(local.sdp())),
        Some(_) => None,
    }
}

/// Receivers without transport-wide feedback may name a maximum instead, in RTCP that only the RTP session sees.
fn listen_for_maxima(webrtcbin: &gst::Element, estimator: &BandwidthEstimator) {
    let weak = estimator.downgrade();
    crate::webrtcbin::for_each_inside(webrtcbin, "rtpsession", move |element| {
        let weak = weak.clone();
        let session = element.property::<gst::glib::Object>("internal-session");
        session.connect("on-feedback-rtcp", false, move |values| {
            let maximum = maximum(values)?;
            weak.upgrade()?.on_remb(maximum);
            None
        });
    });
}

/// The maximum that an `on-feedback-rtcp` signal of an RTP session brings, if it does.
fn maximum(values: &[gst::glib::Value]) -> Option<Bitrate> {
    let number = |index: usize| values.get(index)?.get::<u32>().ok();
    let is_application_layer =
        number(1)? == PAYLOAD_SPECIFIC_FEEDBACK && number(2)? == APPLICATION_LAYER_FEEDBACK;
    let information = values
        .get(5)?
        .get::<gst::Buffer>()
        .ok()
        .filter(|_| is_application_layer)?;
    parse_remb(&information.map_readable().ok()?)
}

const fn algorithm(control: WebRTCSinkCongestionControl) -> Option<Algorithm> {
    match control {
        WebRTCSinkCongestionControl::Disabled => None,
        WebRTCSinkCongestionControl::Homegrown => Some(Algorithm::Homegrown),
        WebRTCSinkCongestionControl::GoogleCongestionControl => Some(Algorithm::Gcc),
    }
}

/// The settings are for one encoder, the estimate for all of a consumer's. It may exceed what encoders are asked for: a
/// link known to carry more gets their pictures without being paced, and has room for repairs.
fn limits(settings: &Settings, encoders: u32) -> Limits {
    let max = total(settings.max_bitrate, encoders);
    Limits::new(
        total(settings.min_bitrate, encoders),
        max * HEADROOM,
        total(settings.start_bitrate, encoders).min(max),
    )
    .needing(max * WITH_OVERHEAD)
}

fn total(bitrate: u32, encoders: u32) -> Bitrate {
    Bitrate::from_bps(u64::from(bitrate) * u64::from(encoders))
}

/// Packet type and format of application layer feedback (RFC 4585, sections 6.1 and 6.4).
const PAYLOAD_SPECIFIC_FEEDBACK: u32 = 206;
const APPLICATION_LAYER_FEEDBACK: u32 = 15;
/// How far an estimate may exceed the encoders' maximum (libwebrtc probes for twice the allocated maximum as well).
const HEADROOM: f64 = 2.0;
/// What encoders at their maximum need on the wire: headers take 5 %, audio and repairs about as much again.
const WITH_OVERHEAD: f64 = 1.2;
/// Changes smaller than this are not worth an encoder's reconfiguration: one probe of the additive increase
/// (draft-ietf-rmcat-gcc-02, section 5.5) a second is about as much.
const WORTH_APPLYING: f64 = 0.02;
/// How long a target may differ from what the estimate says by that little.
const STALE: Duration = Duration::from_secs(1);
/// The usual packet of a payloader, and RTP with extensions, SRTP's tag, UDP and IP around it.
const PAYLOAD: DataSize = DataSize::from_bytes(1150);
const HEADER: DataSize = DataSize::from_bytes(58);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_grow_with_the_encoders() {
        gst::init().expect("GStreamer initialises");
        let settings = Settings::default();
        let (one, three) = (limits(&settings, 1), limits(&settings, 3));
        assert_eq!(one.max().bps() * 3, three.max().bps());
        assert_eq!(three.start().bps(), u64::from(settings.start_bitrate) * 3);
    }

    #[test]
    fn every_way_of_control_has_its_algorithm() {
        assert_eq!(algorithm(WebRTCSinkCongestionControl::Disabled), None);
        assert_eq!(
            algorithm(WebRTCSinkCongestionControl::Homegrown),
            Some(Algorithm::Homegrown)
        );
        assert_eq!(
            algorithm(WebRTCSinkCongestionControl::GoogleCongestionControl),
            Some(Algorithm::Gcc)
        );
    }

    #[test]
    fn only_a_remb_is_a_maximum() {
        gst::init().expect("GStreamer initialises");
        let signal = |kind: u32, format: u32, bytes: &'static [u8]| {
            let buffer = gst::Buffer::from_slice(bytes);
            let values = [
                0u32.to_value(),
                kind.to_value(),
                format.to_value(),
                0u32.to_value(),
                0u32.to_value(),
            ];
            maximum(&[&values[..], &[buffer.to_value()]].concat())
        };
        let remb = b"REMB\x01\x00\x03\xe8\x00\x00\x00\x01";
        assert_eq!(signal(206, 15, remb), Some(Bitrate::from_bps(1000)));
        assert_eq!(signal(206, 1, remb), None);
        assert_eq!(signal(205, 15, remb), None);
        assert_eq!(signal(206, 15, b"none"), None);
        assert_eq!(maximum(&[]), None);
    }

    #[test]
    fn small_changes_wait_and_large_ones_do_not() {
        let mut state = State {
            path: PathRoundTrip::new(),
            fec: FecPolicy::new(true),
            playout: PlayoutPolicy::new(Duration::ZERO),
            encoders: 1,
            applied: None,
        };
        let began = Instant::now();
        let kbps = Bitrate::from_kbps;
        assert!(state.is_news(kbps(1000), began));
        assert!(!state.is_news(kbps(1010), began));
        assert!(state.is_news(kbps(900), began));
        assert!(!state.is_news(kbps(905), began + Duration::from_millis(900)));
        assert!(state.is_news(kbps(905), began + Duration::from_millis(1100)));
    }
}
