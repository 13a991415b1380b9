// SPDX-License-Identifier: MPL-2.0
//! The GObject shell of the estimator: pads, properties, and how its parts are reached.
//!
//! Owns the locks and how the parts are reached under them: every report goes through `with_engine`. What to send when
//! is `engine`'s to decide, moving packets and events is `flow`'s, settings and state have files of their own.
//!
//! Reports come on the RTP session's threads, packets on the streaming thread and the source pad's task. The locks of
//! settings and state are never held together, and signals and pushes happen with neither.

#![allow(unreachable_pub, reason = "the derive makes a property's accessors public")]

use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use congestion::units::{Bitrate, DataSize, Timestamp};
use congestion::{Limits, PacketReport, ReceiverReport};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::engine::Engine;
use super::settings::Settings;
use super::snapshot::Snapshot;
use super::state::{Notified, State};
use super::streams::Streams;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "rswebrtc-bwe",
        gst::DebugColorFlags::empty(),
        Some("WebRTC pacing and bandwidth estimation"),
    )
});

#[derive(glib::Properties)]
#[properties(wrapper_type = super::BandwidthEstimator)]
pub(crate) struct BandwidthEstimator {
    #[property(name = "algorithm", type = String, get = |imp: &Self| imp.settings().algorithm.name().to_owned(),
        set = Self::set_algorithm, construct, default = "gcc",
        blurb = "Congestion control algorithm, gcc or homegrown; read when the element starts")]
    #[property(name = "min-bitrate", type = u32, get, set = Self::set_min_bitrate, member = min_bitrate, construct,
        default = Settings::MIN_BITRATE, blurb = "Lowest estimate, in bit/s; takes effect at once")]
    #[property(name = "max-bitrate", type = u32, get, set = Self::set_max_bitrate, member = max_bitrate, construct,
        default = Settings::MAX_BITRATE, blurb = "Highest estimate, in bit/s; takes effect at once")]
    #[property(name = "start-bitrate", type = u32, get, set, member = start_bitrate, construct,
        default = Settings::START_BITRATE, blurb = "First estimate, in bit/s; read when the element starts")]
    settings: Mutex<Settings>,
    #[property(name = "estimated-bitrate", type = u32, get = Self::estimated_bitrate,
        blurb = "What the network carries, in bit/s, everything sent included; notified when it changes")]
    pub(super) sink_pad: gst::Pad,
    pub(super) src_pad: gst::Pad,
    /// Innermost: nothing is called with it held.
    state: Mutex<State>,
    /// Something was queued, or the task is to end.
    pub(super) changed: Condvar,
    /// Where the element's own time begins; monotonic, apart from the pipeline's clock, which may be set.
    origin: Instant,
}

impl BandwidthEstimator {
    pub(super) fn set_limits(&self, limits: Limits) {
        {
            let mut settings = self.settings();
            (settings.min_bitrate, settings.max_bitrate) = (bps(limits.min()), bps(limits.max()));
            (settings.start_bitrate, settings.needed_bitrate) = (bps(limits.start()), bps(limits.needed()));
        }
        self.with_engine(|engine, now| engine.set_limits(now, limits));
    }

    pub(super) fn set_streams(&self, streams: Streams) {
        self.state().streams = streams.clone();
        self.with_engine(|engine, _| engine.set_streams(streams));
    }

    /// A transport-wide report, as the session's event has it.
    pub(super) fn on_feedback(&self, reports: &[PacketReport]) {
        self.with_engine(|engine, now| engine.on_feedback(now, reports));
    }

    pub(super) fn on_receiver_report(&self, report: &ReceiverReport) {
        self.with_engine(|engine, now| engine.on_receiver_report(now, report));
        if self.falls_back() {
            gst::info!(
                CAT,
                imp = self,
                "the receiver gives no transport-wide feedback: using receiver reports"
            );
        }
    }

    pub(super) fn ask_playout_delay(&self, delay: Duration) {
        let now = self.now();
        if let Some(engine) = &mut self.state().engine {
            engine.ask_playout_delay(now, delay);
        }
    }

    pub(super) fn on_remb(&self, maximum: Bitrate) {
        self.with_engine(|engine, now| engine.on_remb(now, maximum));
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let now = self.now();
        let snapshot = self.state().engine.as_ref().map(|engine| engine.snapshot(now));
        snapshot.unwrap_or_else(|| self.new_engine(now).snapshot(now))
    }

    fn set_algorithm(&self, name: String) {
        match name.parse() {
            Ok(algorithm) => self.settings().algorithm = algorithm,
            Err(error) => gst::warning!(CAT, imp = self, "{error}"),
        }
    }

    fn set_min_bitrate(&self, bitrate: u32) {
        self.settings().min_bitrate = bitrate;
        self.apply_limits();
    }

    fn set_max_bitrate(&self, bitrate: u32) {
        self.settings().max_bitrate = bitrate;
        self.apply_limits();
    }

    fn estimated_bitrate(&self) -> u32 {
        bps(self.snapshot().estimate.target)
    }

    fn apply_limits(&self) {
        let limits = self.settings().limits();
        self.with_engine(|engine, now| engine.set_limits(now, limits));
    }

    /// Does something to the engine if it runs, wakes the task and notifies a change of the estimate.
    pub(super) fn with_engine(&self, change: impl FnOnce(&mut Engine, Timestamp)) {
        let now = self.now();
        {
            let mut state = self.state();
            let Some(engine) = &mut state.engine else { return };
            change(engine, now);
        }
        self.changed.notify_one();
        self.notify_estimate();
    }

    /// Notifies an estimate that is new, or that is worth something else now because packets wait or are changed, or did
    /// or were.
    fn notify_estimate(&self) {
        let now = self.now();
        let (is_new, snapshot) = {
            let mut state = self.state();
            let Some(engine) = &state.engine else { return };
            let snapshot = engine.snapshot(now);
            let view = Notified {
                estimate: bps(snapshot.estimate.target),
                has_backlog: snapshot.backlog > DataSize::ZERO,
                is_telling: snapshot.is_telling,
            };
            let before = std::mem::replace(&mut state.notified, view);
            (before != view || view.has_backlog, snapshot)
        };
        gst::trace!(CAT, imp = self, "{snapshot}");
        if is_new {
            self.obj().notify("estimated-bitrate");
        }
    }

    /// Whether this is the first receiver report that has to do.
    fn falls_back(&self) -> bool {
        let now = self.now();
        let mut state = self.state();
        let lacks = state
            .engine
            .as_ref()
            .is_some_and(|engine| !engine.snapshot(now).has_feedback);
        lacks && !std::mem::replace(&mut state.has_fallen_back, true)
    }

    /// An engine that knows nothing of the network yet; each activation of the source pad gets a fresh one.
    pub(super) fn new_engine(&self, now: Timestamp) -> Engine {
        let controller = {
            let settings = self.settings();
            settings.algorithm.controller(settings.limits(), now)
        };
        Engine::new(controller, self.state().streams.clone())
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.origin.elapsed()
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[glib::object_subclass]
impl ObjectSubclass for BandwidthEstimator {
    const NAME: &'static str = "GstRsWebRTCBandwidthEstimator";
    type Type = super::BandwidthEstimator;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let template = |name| class.pad_template(name).expect("templates are of this class");
        let sink_pad = gst::Pad::builder_from_template(&template("sink"))
            .chain_function(|_, parent, buffer| {
                Self::catch_panic_pad_function(parent, || Err(gst::FlowError::Error), |imp| imp.chain(buffer))
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.sink_event(pad, event))
            })
            .flags(gst::PadFlags::PROXY_CAPS | gst::PadFlags::PROXY_ALLOCATION)
            .build();
        let src_pad = gst::Pad::builder_from_template(&template("src"))
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.src_event(pad, event))
            })
            .activatemode_function(|_, parent, _, is_active| {
                let panicked = || Err(gst::loggable_error!(CAT, "panicked while activating"));
                Self::catch_panic_pad_function(parent, panicked, |imp| imp.activate(is_active))
            })
            .flags(gst::PadFlags::PROXY_CAPS)
            .build();
        Self {
            settings: Mutex::default(),
            sink_pad,
            src_pad,
            state: Mutex::default(),
            changed: Condvar::new(),
            origin: Instant::now(),
        }
    }
}

#[glib::derived_properties]
impl ObjectImpl for BandwidthEstimator {
    fn constructed(&self) {
        self.parent_constructed();
        for pad in [&self.sink_pad, &self.src_pad] {
            self.obj().add_pad(pad).expect("a new element has no pads");
        }
    }
}

impl GstObjectImpl for BandwidthEstimator {}

impl ElementImpl for BandwidthEstimator {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "WebRTC bandwidth estimator",
                "Network/RTP/Filter",
                "Paces packets and estimates what the network carries",
                "The gst-plugin-webrtc developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst::Caps::new_empty_simple("application/x-rtp");
            let template = |name, direction| {
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps)
                    .expect("name, direction and caps go together")
            };
            vec![
                template("sink", gst::PadDirection::Sink),
                template("src", gst::PadDirection::Src),
            ]
        });
        &TEMPLATES
    }
}

/// The property counts in 32 bits; what is beyond is shown as the most it can.
pub(super) fn bps(rate: Bitrate) -> u32 {
    u32::try_from(rate.bps()).unwrap_or(u32::MAX)
}
