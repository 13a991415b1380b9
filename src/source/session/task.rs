// SPDX-License-Identifier: MPL-2.0
//! The loop of a session's thread: takes operations in order and carries out what the machines say.
//!
//! Owns everything a session has, and the order of its work: operations, messages of the peer and deadlines are taken
//! one at a time, so no lock guards any of it. Whether the session lives is `machine`'s to say, what descriptions mean
//! `negotiate`'s; the steps of offer and answer are in `answer`, the end in `ending`.
//!
//! Runs on the session's own thread, on a runtime of its own: applications' handlers and state changes may block it.
//! Only `Shared`, which statistics read, is reached from other threads.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_webrtc::{WebRTCICEConnectionState, WebRTCPeerConnectionState};
use tokio::sync::{mpsc, watch};

use super::channels::{Channels, notice};
use super::machine::{Action, Input, Limits, Machine};
use super::streams::Streams;
use super::transport::{Event, Transport};
use super::{By, Op, Remote, Session};
use crate::end_reason::{EndReason, SessionEndReason};
use crate::sdp::candidate::Inbox;
use crate::signaller::{Signallable, SignallableExt, signals};
use crate::source::exposure;
use crate::source::negotiate::describe;
use crate::source::negotiate::description::Description;
use crate::source::negotiate::lines::Line;
use crate::source::negotiate::machine::Machine as Order;
use crate::source::negotiate::select::Abilities;
use crate::source::output::outlet::Notice;
use crate::source::output::stream::Input as MediaInput;
use crate::source::settings::Settings;
use crate::source::{BaseWebRTCSrc, CAT};
use crate::webrtcbin::Config;
use crate::webrtcbin::fingerprint::Verdict;
use crate::{error, runtime};

/// Everything a session has. Owned by its thread.
pub(crate) struct Task {
    pub(super) src: BaseWebRTCSrc,
    pub(super) session: Arc<Session>,
    pub(super) signaller: Signallable,
    pub(super) settings: Settings,
    pub(super) abilities: Abilities,
    pub(super) life: Machine,
    pub(super) order: Order,
    pub(super) transport: Option<Transport>,
    /// Which webrtcbin in the session's life is the present one, from 1 on; reports carry it, so that late ones of a
    /// replaced webrtcbin are told apart.
    pub(super) generation: u64,
    /// Whether the peer's certificate was found to be the one it described.
    pub(super) is_verified: bool,
    pub(super) streams: Streams,
    /// What the m-lines have become, in their order. Never shortened within one connection (RFC 8829, section 5.2.2).
    pub(super) lines: Vec<Line>,
    /// The peer's last description as it wrote it; webrtcbin is shown less.
    pub(super) theirs: Option<Description>,
    /// What this side offered, when it did.
    pub(super) offered: Vec<describe::Proposal>,
    /// Version of the next description of ours.
    pub(super) version: u64,
    /// Local candidates as sent, to be sent again when ICE is restarted.
    pub(super) sent_candidates: Vec<(u32, String)>,
    /// The peer's candidates, which mean nothing before its description.
    pub(super) candidates: Inbox,
    pub(super) channels: Channels,
    stop: watch::Receiver<bool>,
}

/// How a step went on.
pub(super) enum Flow {
    /// The session lives.
    On,
    /// It is over.
    Over(EndReason, By),
    /// The element stops: nobody needs to be waited for.
    Stopped,
}

/// Something that was waited for did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// The element stops.
    Stopped,
    /// It took too long.
    TooLong,
}

/// Runs a session to its end.
pub(crate) async fn run(
    src: &BaseWebRTCSrc,
    session: &Arc<Session>,
    mut queue: mpsc::UnboundedReceiver<Op>,
    mut remote: mpsc::Receiver<Remote>,
    stop: watch::Receiver<bool>,
) {
    let Some(signaller) = src.imp().signaller() else {
        return;
    };
    // What the session before this one has left for the application to see.
    exposure::withdraw_all(src);
    let mut task = Task::new(src, session, signaller, stop);
    let flow = match task.open_transport().await {
        Flow::On => task.serve(&mut queue, &mut remote).await,
        flow => flow,
    };
    task.finish(flow, &mut queue).await;
}

impl Task {
    fn new(
        src: &BaseWebRTCSrc,
        session: &Arc<Session>,
        signaller: Signallable,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let settings = src.imp().settings().clone();
        let limits = Limits {
            connect: settings.session_timeout(),
            negotiate: signaller_timeout(&signaller),
        };
        Self {
            src: src.clone(),
            session: session.clone(),
            signaller,
            abilities: Abilities {
                retransmission: settings.do_retransmission,
                fec: ["rtpreddec", "rtpulpfecdec"]
                    .into_iter()
                    .all(|name| gst::ElementFactory::find(name).is_some()),
            },
            life: Machine::new(Instant::now(), limits),
            order: Order::new(),
            transport: None,
            generation: 0,
            is_verified: false,
            streams: Streams::new(src, session),
            lines: Vec::new(),
            theirs: None,
            offered: Vec::new(),
            version: 0,
            sent_candidates: Vec::new(),
            candidates: Inbox::default(),
            channels: Channels::new(&settings),
            settings,
            stop,
        }
    }

    /// Takes in what comes until the session is over. What the element wants goes before what the peer sends, so that a
    /// peer that floods its queue cannot keep the session from ending.
    async fn serve(
        &mut self,
        queue: &mut mpsc::UnboundedReceiver<Op>,
        remote: &mut mpsc::Receiver<Remote>,
    ) -> Flow {
        loop {
            let deadline = self.life.deadline();
            let mut stop = self.stop.clone();
            let flow = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => Flow::Stopped,
                Some(op) = queue.recv() => self.op(op).await,
                Some(message) = remote.recv() => self.remote(message).await,
                () = sleep_until(deadline) => self.tick(),
            };
            if !matches!(flow, Flow::On) {
                return flow;
            }
            self.session.shared().state_name = self.life.state_name();
        }
    }

    /// An operation of this side: of the element, its pads, its data channels or its webrtcbin.
    async fn op(&mut self, op: Op) -> Flow {
        match op {
            Op::Offer => return self.offer().await,
            Op::Webrtcbin(generation, event) if generation == self.generation => return self.reported(event),
            // It was replaced since.
            Op::Webrtcbin(..) => {}
            Op::Linked(pad) => self.streams.linked(&pad, self.transport.as_ref()),
            Op::Released(pad) => self.streams.released(&pad),
            Op::Outlet(name, Notice::Upstream(event)) => {
                let mid = self.streams.mid(&name);
                self.channels.send(&event, mid);
            }
            Op::Outlet(name, Notice::Ended) => self.streams.ended(&name),
            Op::Outlet(name, Notice::Refused) => {
                let text = format!("what is behind {name} does not take its format, the stream is dropped");
                error::post_warning(&self.src, &text);
            }
            Op::Event(event) => self.channels.send(&event, None),
            Op::Failed(origin, text) => return self.failed(&origin, &text),
            Op::EndOfStream => {
                let reason = EndReason::new(SessionEndReason::Closed, "the application ended the stream");
                return Flow::Over(reason, By::Application);
            }
            Op::End(reason, by) => return Flow::Over(reason, by),
        }
        Flow::On
    }

    /// A message of the peer, from the queue that is bounded.
    async fn remote(&mut self, message: Remote) -> Flow {
        match message {
            Remote::Description(kind, text) => self.described(kind, &text).await,
            Remote::Candidate(index, text) => {
                self.candidate(index, &text);
                Flow::On
            }
            Remote::Message(text) => {
                if let Some((mid, time_code)) = notice(&text) {
                    self.streams.attach(&mid, time_code);
                }
                Flow::On
            }
        }
    }

    /// A report of the present webrtcbin, made on one of its threads and queued.
    fn reported(&mut self, event: Event) -> Flow {
        match event {
            Event::Candidate { index, text } => self.send_candidate(index, text),
            Event::Media { pad, gate, first } => self.media(pad, gate, &first),
            Event::Ice(WebRTCICEConnectionState::Failed) => return self.live(Input::IceFailed),
            Event::Peer(WebRTCPeerConnectionState::Connected) => return self.live(Input::Connected),
            Event::Peer(WebRTCPeerConnectionState::Failed) if self.is_ice_connected() => {
                return self.live(Input::DtlsFailed);
            }
            Event::Ice(_) | Event::Peer(_) => {}
            Event::Certificate(Verdict::Matches) => {
                self.is_verified = true;
                self.streams.open(self.transport.as_ref());
            }
            Event::Certificate(Verdict::Refused(text)) => {
                return over(SessionEndReason::FingerprintMismatch, &text);
            }
            Event::Channel(channel) => {
                self.channels.add(channel, &self.session.remote);
                // webrtcbin does not count the transport of data channels alone.
                return self.live(Input::Connected);
            }
        }
        Flow::On
    }

    /// A deadline of the life machine has passed.
    fn tick(&mut self) -> Flow {
        // A session that is not meant to hear anything does not stall.
        let is_quiet = self.session.is_silence_expected()
            || self.src.current_state() != gst::State::Playing
            || !self.lines.iter().any(|line| line.receiving().is_some());
        let heard = self.transport.as_ref().and_then(Transport::last_packet);
        let last_packet = if is_quiet { Some(Instant::now()) } else { heard };
        self.live(Input::Tick { last_packet })
    }

    /// Feeds the life machine and does what it says.
    pub(super) fn live(&mut self, input: Input) -> Flow {
        for action in self.life.handle(Instant::now(), input) {
            match action {
                Action::Connected => {
                    gst::info!(CAT, obj = &self.src, "session {} is connected", self.session.id)
                }
                Action::Recovering => {
                    gst::warning!(
                        CAT,
                        obj = &self.src,
                        "session {} hears nothing, waits for it",
                        self.session.id
                    );
                }
                Action::Recovered => {
                    gst::info!(
                        CAT,
                        obj = &self.src,
                        "session {} hears its producer again",
                        self.session.id
                    );
                    self.streams.request_key_frames();
                }
                Action::End(reason) => return Flow::Over(reason, By::Us),
            }
        }
        Flow::On
    }

    /// Makes a webrtcbin, the first or one in place of another.
    pub(super) async fn open_transport(&mut self) -> Flow {
        let stun = self.src.imp().state().stun.clone();
        let stun_server = match stun {
            Some(stun) => match self.within(stun.resolved(STUN_PATIENCE)).await {
                Ok(server) => server,
                Err(Interrupted::Stopped) => return Flow::Stopped,
                Err(Interrupted::TooLong) => None,
            },
            None => None,
        };
        let config = Config {
            stun_server,
            turn_servers: self.settings.turn_servers(),
            relay_only: false,
            latency_ms: Some(self.settings.latency),
        };
        self.generation += 1;
        match Transport::new(&self.src, self.generation, &config, &self.session.queue) {
            Ok(transport) => {
                self.is_verified = false;
                self.session.shared().webrtcbin = Some(transport.webrtcbin.clone());
                signals::emit_webrtcbin_ready(&self.signaller, &self.session.id, &transport.webrtcbin);
                self.transport = Some(transport);
                Flow::On
            }
            Err(error) => over(SessionEndReason::Internal, &error.to_string()),
        }
    }

    /// Replaces the webrtcbin; pads stay.
    pub(super) async fn renew_transport(&mut self) -> Flow {
        gst::info!(
            CAT,
            obj = &self.src,
            "session {} gets a fresh connection",
            self.session.id
        );
        self.streams.disconnect();
        if let Some(old) = self.transport.take() {
            runtime::run_blocking(move || drop(old));
        }
        self.lines.clear();
        self.theirs = None;
        self.offered.clear();
        self.version = 0;
        self.sent_candidates.clear();
        self.candidates = Inbox::default();
        self.order = Order::new();
        self.channels = Channels::new(&self.settings);
        match self.live(Input::Renewed) {
            Flow::On => self.open_transport().await,
            flow => flow,
        }
    }

    /// Waits for `future`, but not longer than the element runs or a description may take.
    pub(super) async fn within<T>(&self, future: impl Future<Output = T>) -> Result<T, Interrupted> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Err(Interrupted::Stopped),
            outcome = tokio::time::timeout(PROMISE_PATIENCE, future) => outcome.map_err(|_| Interrupted::TooLong),
        }
    }

    /// A new pad of webrtcbin, held at `gate` with its first packet. It is fed to a stream only once the peer's
    /// certificate is verified: webrtcbin 1.22 decrypts whoever completes the handshake.
    fn media(&mut self, pad: gst::Pad, gate: gst::PadProbeId, first: &super::packet::FirstPacket) {
        let theirs = self.theirs.as_ref();
        let index = theirs.and_then(|theirs| first.line(theirs, &self.lines));
        gst::debug!(
            CAT,
            obj = &self.src,
            "session {}: SSRC {} is m-line {index:?}",
            self.session.id,
            first.ssrc
        );
        let transport = self.transport.as_ref().filter(|_| self.is_verified);
        self.streams
            .media(index, MediaInput::held(pad, first.ssrc, gate), transport);
    }

    /// An element inside of the bin failed: in a stream's branch it costs that stream, in webrtcbin the session.
    fn failed(&mut self, origin: &gst::Object, text: &str) -> Flow {
        if let Some(name) = self.streams.failed(origin) {
            error::post_warning(&self.src, &format!("stream {name} cannot go on: {text}"));
            return Flow::On;
        }
        let is_ours = self.transport.as_ref().is_some_and(|transport| {
            origin.has_as_ancestor(&transport.webrtcbin) || *origin == transport.webrtcbin
        });
        if is_ours {
            return over(SessionEndReason::Internal, text);
        }
        gst::warning!(
            CAT,
            obj = &self.src,
            "session {}: something left behind failed: {text}",
            self.session.id
        );
        Flow::On
    }

    /// Tells a failed handshake from a failed path, both of which webrtcbin reports as a failed connection.
    fn is_ice_connected(&self) -> bool {
        let state = |transport: &Transport| transport.webrtcbin.property("ice-connection-state");
        matches!(
            self.transport.as_ref().map(state),
            Some(WebRTCICEConnectionState::Connected | WebRTCICEConnectionState::Completed)
        )
    }

    fn candidate(&mut self, index: u32, text: &str) {
        match self.candidates.take(index, text) {
            Ok(Some((index, candidate))) => self.add_candidate(index, &candidate),
            Ok(None) => {}
            Err(error) => gst::warning!(
                CAT,
                obj = &self.src,
                "session {}: candidate dropped: {error}",
                self.session.id
            ),
        }
    }

    /// Hands a candidate to the agent. All m-lines of a bundle share one transport, whichever is named.
    fn add_candidate(&self, index: u32, candidate: &str) {
        let (Some(transport), Some(theirs)) = (&self.transport, &self.theirs) else {
            return;
        };
        let bundled =
            describe::local_bundle_index(theirs, &self.lines).and_then(|bundle| u32::try_from(bundle).ok());
        transport.add_candidate(bundled.unwrap_or(index), candidate);
    }

    /// Sends a candidate of ours under the m-line that carries the bundle: peers drop those of m-lines they bundled
    /// away.
    fn send_candidate(&mut self, index: u32, text: String) {
        self.sent_candidates.push((index, text.clone()));
        let theirs = self.theirs.as_ref();
        let bundle = theirs
            .and_then(Description::bundle_index)
            .and_then(|bundle| u32::try_from(bundle).ok());
        let index = bundle.unwrap_or(index);
        let mid = theirs.map(|theirs| describe::mid(theirs, index as usize));
        self.signaller.add_ice(&self.session.id, &text, index, mid);
    }

    /// Sends the local candidates once more, after ICE was restarted.
    pub(super) fn repeat_candidates(&mut self) {
        for (index, text) in std::mem::take(&mut self.sent_candidates) {
            self.send_candidate(index, text);
        }
    }

    /// Hands over the candidates that came too early, as soon as there is a description they belong to.
    pub(super) fn take_early_candidates(&mut self) {
        for (index, candidate) in self.candidates.described() {
            self.add_candidate(index, &candidate);
        }
    }

    pub(super) fn has_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    pub(super) fn streams_by_line(&self) -> &BTreeMap<usize, crate::source::output::stream::Stream> {
        self.streams.by_line()
    }
}

/// An end that this side decides.
pub(super) fn over(kind: SessionEndReason, text: &str) -> Flow {
    Flow::Over(EndReason::new(kind, text), By::Us)
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// How long a signaller gives a peer to answer, where it has such a property; in seconds.
fn signaller_timeout(signaller: &Signallable) -> Option<Duration> {
    let property = signaller.find_property("timeout")?;
    let seconds =
        (property.value_type() == u32::static_type()).then(|| signaller.property::<u32>("timeout"))?;
    Some(Duration::from_secs(seconds.into()))
}

/// webrtcbin answers in milliseconds; the first DTLS certificate of a process takes half a second, on a busy machine more.
const PROMISE_PATIENCE: Duration = Duration::from_secs(10);
/// A name that takes longer to look up is done without.
const STUN_PATIENCE: Duration = Duration::from_millis(500);
