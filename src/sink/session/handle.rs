// SPDX-License-Identifier: MPL-2.0
//! What any thread may reach of a session: identity, queue, end, and what statistics show.
//!
//! The view's lock guards plain data; whoever needs an object behind it takes a clone and lets go first. Everything
//! here returns at once: what takes time is posted to the session's task (`driver`), whose queues are bounded. A
//! session holds its element weakly, as the element holds its sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_webrtc::{WebRTCDataChannel, WebRTCSessionDescription};
use tokio::sync::{Notify, mpsc, watch};

use super::machine::Fact;
use super::outlet::Outlet;
use super::traffic::Traffic;
use super::{Input, driver};
use crate::datachannel::control::{ControlMessage, Info};
use crate::datachannel::sending;
use crate::end_reason::{EndReason, SessionEndReason};
use crate::runtime;
use crate::signaller::Signallable;
use crate::sink::encode::StreamId;
use crate::sink::imp::CAT;
use crate::sink::settings::Settings;
use crate::sink::{BaseWebRTCSink, WebRTCSinkError, rate, signals};

/// One consumer of a sink.
pub(in crate::sink) struct Session {
    id: String,
    peer_id: String,
    sink: glib::WeakRef<BaseWebRTCSink>,
    /// A copy: what a user changes meanwhile counts for the next consumer.
    settings: Settings,
    pipeline: gst::Pipeline,
    /// What is to be done with webrtcbin, one thing at a time.
    inbox: mpsc::Sender<Input>,
    /// What has happened to it. A queue of its own, so that a connection's end is not read behind a long negotiation.
    facts: mpsc::Sender<Fact>,
    /// The first end that anybody asked for.
    ending: watch::Sender<Option<Ending>>,
    is_released: watch::Sender<bool>,
    /// Whether outlets let media pass; read by those that are added later.
    is_flowing: AtomicBool,
    /// What data channels look at before they believe a message.
    is_verified: AtomicBool,
    view: Mutex<View>,
    /// Told when somebody reads the statistics, which are collected more often then.
    pub(super) statistics_read: Notify,
    /// When the peer was heard, and when media went out.
    pub(super) traffic: Traffic,
    /// Held while a thread is at work that the session's task cannot interrupt.
    pub(super) busy: Arc<tokio::sync::Mutex<()>>,
}

/// How a session ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink) struct Ending {
    /// Why.
    pub(in crate::sink) reason: EndReason,
    /// Whether the peer said so itself, and need not be told.
    pub(in crate::sink) is_by_peer: bool,
}

/// What there is to see of a session.
#[derive(Default)]
pub(in crate::sink) struct View {
    /// The session's webrtcbin once it was announced.
    pub(in crate::sink) webrtcbin: Option<gst::Element>,
    /// Name of the machine's state.
    pub(in crate::sink) state: &'static str,
    /// The streams that reach the consumer.
    pub(in crate::sink) outlets: BTreeMap<StreamId, Arc<Outlet>>,
    /// Streams by the `mid` of their section.
    pub(in crate::sink) mids: BTreeMap<String, StreamId>,
    /// The channel for notices, once it is open.
    pub(in crate::sink) control: Option<WebRTCDataChannel>,
    /// webrtcbin's statistics as they were last collected.
    pub(in crate::sink) stats: Option<gst::Structure>,
    /// What decides how much may be sent, unless nothing does.
    pub(in crate::sink) control_of_rate: Option<Arc<rate::Control>>,
    /// How long it took from the request to being connected.
    pub(in crate::sink) connect_time: Option<Duration>,
    /// What was last told about each stream, so that nothing is told twice in a row.
    informed: BTreeMap<StreamId, Info>,
    /// Streams whose input has come to its end.
    ended_streams: BTreeSet<StreamId>,
    /// The layers of streams that somebody receives, as far as that was told.
    wanted_layers: BTreeMap<StreamId, Vec<String>>,
}

impl Session {
    /// Starts a session. The application hears of its pipeline before anything else is done, on this thread.
    ///
    /// # Errors
    /// When the element is not running or knows a session of this id.
    pub(in crate::sink) fn start(
        sink: &BaseWebRTCSink,
        signaller: &Signallable,
        id: &str,
        peer_id: &str,
        offer: Option<WebRTCSessionDescription>,
    ) -> Result<(), WebRTCSinkError> {
        let (inbox, inputs) = mpsc::channel(INBOX_LENGTH);
        let (facts, observed) = mpsc::channel(INBOX_LENGTH);
        // The property may say another one by now, for the next start.
        let settings = Settings {
            signaller: signaller.clone(),
            ..sink.imp().settings().clone()
        };
        let session = Arc::new(Self {
            id: id.to_owned(),
            peer_id: peer_id.to_owned(),
            sink: sink.downgrade(),
            settings,
            pipeline: gst::Pipeline::with_name(&format!("session-pipeline-{id}")),
            inbox,
            facts,
            ending: watch::Sender::new(None),
            is_released: watch::Sender::new(false),
            is_flowing: AtomicBool::new(false),
            is_verified: AtomicBool::new(false),
            view: Mutex::default(),
            statistics_read: Notify::new(),
            traffic: Traffic::new(Instant::now()),
            busy: Arc::default(),
        });
        sink.imp().state().add_session(session.clone())?;
        signals::emit_consumer_pipeline_created(sink, peer_id, &session.pipeline);
        runtime::spawn(driver::run(session, inputs, observed, offer)).detach();
        Ok(())
    }

    pub(in crate::sink) fn id(&self) -> &str {
        &self.id
    }

    pub(in crate::sink) fn peer_id(&self) -> &str {
        &self.peer_id
    }

    /// The element, unless it is gone.
    pub(in crate::sink) fn sink(&self) -> Option<BaseWebRTCSink> {
        self.sink.upgrade()
    }

    /// The element's settings as they were when the session began, with the signaller it came by.
    pub(in crate::sink) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(in crate::sink) fn pipeline(&self) -> &gst::Pipeline {
        &self.pipeline
    }

    pub(in crate::sink) fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enqueues `input`. A peer that floods the queue ends its session, and no other.
    pub(in crate::sink) fn post(&self, input: Input) {
        if let Err(mpsc::error::TrySendError::Full(input)) = self.inbox.try_send(input) {
            gst::warning!(CAT, "session {}: no room for {input:?}", self.id);
            self.end(EndReason::new(
                SessionEndReason::Internal,
                "too many messages at once",
            ));
        }
    }

    /// Lets the machine know. For callbacks of webrtcbin.
    pub(super) fn observe(&self, fact: Fact) {
        if fact == Fact::FingerprintMatched {
            self.is_verified.store(true, Ordering::SeqCst);
        }
        if let Err(mpsc::error::TrySendError::Full(fact)) = self.facts.try_send(fact) {
            self.end(EndReason::new(
                SessionEndReason::Internal,
                format!("no room for {fact:?}"),
            ));
        }
    }

    /// Ends the session from this side. The first end counts.
    pub(in crate::sink) fn end(&self, reason: EndReason) {
        self.set_ending(Ending {
            reason,
            is_by_peer: false,
        });
    }

    /// Ends the session because the peer said so.
    pub(in crate::sink) fn end_by_peer(&self, reason: EndReason) {
        self.set_ending(Ending {
            reason,
            is_by_peer: true,
        });
    }

    fn set_ending(&self, ending: Ending) {
        self.ending.send_if_modified(|current| {
            let is_first = current.is_none();
            if is_first {
                *current = Some(ending);
            }
            is_first
        });
    }

    /// Waits until somebody asked for the session's end.
    pub(super) async fn ending(&self) -> Ending {
        let mut ending = self.ending.subscribe();
        match ending
            .wait_for(Option::is_some)
            .await
            .map(|ending| ending.clone())
        {
            Ok(Some(ending)) => ending,
            // The sender lives in this very object, and nothing else satisfies the condition.
            _ => std::future::pending().await,
        }
    }

    /// Waits until everything the session made is released and everybody was told.
    pub(in crate::sink) async fn finished(&self) {
        // The sender lives in this very object.
        let _ = self
            .is_released
            .subscribe()
            .wait_for(|is_released| *is_released)
            .await;
    }

    pub(super) fn mark_released(&self) {
        self.is_released.send_replace(true);
    }

    /// Whether the peer's certificate was checked and is the right one.
    pub(in crate::sink) fn is_verified(&self) -> bool {
        self.is_verified.load(Ordering::SeqCst)
    }

    /// Whether media may flow.
    pub(super) fn is_flowing(&self) -> bool {
        self.is_flowing.load(Ordering::SeqCst)
    }

    /// Lets media flow, beginning with a key frame. Also after an interruption.
    pub(super) fn start_media(&self) {
        // Set before the outlets are looked at: one that is added meanwhile looks at the flag.
        self.is_flowing.store(true, Ordering::SeqCst);
        for outlet in self.outlets() {
            outlet.start();
        }
    }

    pub(super) fn outlets(&self) -> Vec<Arc<Outlet>> {
        self.view().outlets.values().cloned().collect()
    }

    /// Where a request for a key frame of the layer with this SSRC goes in.
    pub(super) fn layer_end(&self, ssrc: u32) -> Option<gst::Pad> {
        self.outlets().iter().find_map(|outlet| outlet.layer_end(ssrc))
    }

    /// The consumer, or who forwards to others for it, receives these layers of the section `mid` and no others.
    pub(in crate::sink) fn set_wanted_layers(&self, mid: &str, rids: Vec<String>) {
        let outlet = {
            let mut view = self.view();
            let Some(stream) = view.mids.get(mid).cloned() else {
                return;
            };
            gst::debug!(CAT, "session {}: of {stream} only {rids:?} is received", self.id);
            view.wanted_layers.insert(stream.clone(), rids.clone());
            view.outlets.get(&stream).cloned()
        };
        if let Some(outlet) = outlet {
            outlet.set_wanted_layers(rids);
        }
    }

    /// A stream reaches the consumer from now on, in the layers that it was said to receive.
    pub(super) fn add_outlet(&self, outlet: Arc<Outlet>) {
        let wanted = {
            let mut view = self.view();
            let stream = outlet.stream().clone();
            let wanted = view.wanted_layers.get(&stream).cloned();
            view.outlets.insert(stream, outlet.clone());
            wanted
        };
        if let Some(rids) = wanted {
            outlet.set_wanted_layers(rids);
        }
        // Looked at after the outlet can be seen: whoever sets the flag looks at the outlets afterwards.
        if self.is_flowing() {
            outlet.start();
        }
    }

    /// A stream's input has ended. When all of them have, so has the session.
    pub(in crate::sink) fn stream_ended(&self, stream: &StreamId) {
        let is_last = {
            let mut view = self.view();
            view.ended_streams.insert(stream.clone());
            view.outlets
                .keys()
                .all(|stream| view.ended_streams.contains(stream))
        };
        if is_last {
            self.end(EndReason::new(SessionEndReason::Closed, "end of stream"));
        }
    }

    /// Somebody reads what [`View::stats`] holds: it is worth being fresh.
    pub(in crate::sink) fn note_statistics_read(&self) {
        self.statistics_read.notify_one();
    }

    /// How long it took from the request to the first complete video frame on its way to the consumer.
    pub(in crate::sink) fn time_to_first_frame(&self) -> Option<Duration> {
        self.traffic.first_frame()
    }

    /// Tells the consumer about a stream, if it has a control channel and was not told the same before.
    pub(in crate::sink) fn inform(&self, stream: &StreamId, info: &Info) {
        let (channel, mid) = {
            let mut view = self.view();
            let Some(channel) = view.control.clone() else {
                return;
            };
            let Some(mid) = view.mid_of(stream) else {
                return;
            };
            if view.informed.insert(stream.clone(), info.clone()).as_ref() == Some(info) {
                return;
            }
            (channel, mid)
        };
        let message = ControlMessage::InfoMessage {
            mid,
            info: info.clone(),
        };
        if let Err(error) = sending::send(&channel, &message.to_json()) {
            gst::warning!(CAT, "session {}: notice not sent: {error}", self.id);
        }
    }

    /// Follows the element's clock, whose base time changes with every pause.
    pub(in crate::sink) fn adopt_clock(&self, sink: &BaseWebRTCSink) {
        if let Some(clock) = sink.clock() {
            self.pipeline.use_clock(Some(&clock));
        }
        if let Some(base_time) = sink.base_time() {
            self.pipeline.set_start_time(gst::ClockTime::NONE);
            self.pipeline.set_base_time(base_time);
        }
    }
}

impl View {
    /// The `mid` of a stream's section, once it has one.
    pub(super) fn mid_of(&self, stream: &StreamId) -> Option<String> {
        let mut mids = self.mids.iter();
        mids.find(|(_, known)| *known == stream)
            .map(|(mid, _)| mid.clone())
    }
}

/// A peer with ten interfaces sends about a hundred candidates, each of which is handled in microseconds.
const INBOX_LENGTH: usize = 512;
