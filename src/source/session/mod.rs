// SPDX-License-Identifier: MPL-2.0
//! The connection to the producer: a thread with a queue of operations, handled one at a time.
//!
//! - `machine` decides how the session lives and ends; `negotiate` (beside this folder) what descriptions mean.
//! - `task` is the loop: it takes operations and carries out what the machines say. `answer` negotiates, `streams`
//!   brings media to pads, which `pads` makes, `ending` lets go of everything, `channels` speaks on data channels.
//! - `clocks` lets jitterbuffers know of the producer's reference clocks.
//! - `presence` sees to it that a session leaves the element however its thread ends.
//! - `transport` is one webrtcbin; a session may have several in its life, one after the other. `packet` says which
//!   stream a packet belongs to.
//!
//! The thread may block on an application's handlers and on state changes; nobody else's work waits for it. What a
//! peer causes comes by a bounded queue, and what overflows it is dropped.

mod answer;
mod channels;
mod clocks;
mod ending;
mod machine;
mod packet;
mod pads;
mod presence;
mod streams;
mod task;
mod transport;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};
use tokio::sync::{mpsc, watch};

use super::output::outlet::Notice;
use super::{BaseWebRTCSrc, CAT, WebRTCSrcPad};
use crate::end_reason::EndReason;

use presence::Presence;

pub(crate) use ending::By;

/// What the element and webrtcbin ask of a session.
#[derive(Debug)]
pub(crate) enum Op {
    /// Make an offer to receive.
    Offer,
    /// The webrtcbin with this number reports something.
    Webrtcbin(u64, transport::Event),
    /// The pad was linked.
    Linked(WebRTCSrcPad),
    /// The application gave a requested pad back.
    Released(WebRTCSrcPad),
    /// The outlet of the pad of this name reports something.
    Outlet(String, Notice),
    /// An event was sent to the element, for the producer.
    Event(gst::Event),
    /// An element inside failed.
    Failed(gst::Object, String),
    /// The application ends the stream.
    EndOfStream,
    /// The session is over.
    End(EndReason, By),
}

/// What comes from the peer.
#[derive(Debug)]
pub(crate) enum Remote {
    /// A description.
    Description(WebRTCSDPType, String),
    /// A candidate for the m-line.
    Candidate(u32, String),
    /// A text on the control channel.
    Message(String),
}

/// Handle of a session.
pub(crate) struct Session {
    id: String,
    peer: String,
    queue: mpsc::UnboundedSender<Op>,
    remote: mpsc::Sender<Remote>,
    stop: watch::Sender<bool>,
    shared: Mutex<Shared>,
    finished: Condvar,
}

/// What others may look at.
struct Shared {
    webrtcbin: Option<gst::Element>,
    state_name: &'static str,
    /// Whether the peer has nothing to send for now.
    is_silence_expected: bool,
    /// Whether everybody was told of the end.
    is_announced: bool,
    has_finished: bool,
}

/// A session that has not begun.
pub(crate) struct Start {
    src: BaseWebRTCSrc,
    session: Arc<Session>,
    queue: mpsc::UnboundedReceiver<Op>,
    remote: mpsc::Receiver<Remote>,
    stop: watch::Receiver<bool>,
}

impl Session {
    /// A session of `src` with `peer`; it begins when the second half of the result is run.
    pub(crate) fn new(src: &BaseWebRTCSrc, id: &str, peer: &str) -> (Arc<Self>, Start) {
        let (queue, queue_end) = mpsc::unbounded_channel();
        let (remote, remote_end) = mpsc::channel(REMOTE_QUEUE);
        let (stop, stop_end) = watch::channel(false);
        let session = Arc::new(Self {
            id: id.to_owned(),
            peer: peer.to_owned(),
            queue,
            remote,
            stop,
            shared: Mutex::new(Shared {
                webrtcbin: None,
                state_name: "new",
                is_silence_expected: false,
                is_announced: false,
                has_finished: false,
            }),
            finished: Condvar::new(),
        });
        let start = Start {
            src: src.clone(),
            session: session.clone(),
            queue: queue_end,
            remote: remote_end,
            stop: stop_end,
        };
        (session, start)
    }

    /// Its id, as the signaller gave it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Name of the state it is in.
    pub(crate) fn state_name(&self) -> &'static str {
        self.shared().state_name
    }

    /// The webrtcbin it uses at the moment.
    pub(crate) fn webrtcbin(&self) -> Option<gst::Element> {
        self.shared().webrtcbin.clone()
    }

    /// Makes an offer instead of waiting for one.
    pub(crate) fn offer(&self) {
        self.tell(Op::Offer);
    }

    /// The peer described itself.
    pub(crate) fn describe(&self, description: &WebRTCSessionDescription) {
        match description.sdp().as_text() {
            Ok(text) => self.hear(Remote::Description(description.type_(), text)),
            Err(error) => gst::warning!(CAT, "session {}: a description cannot be read: {error}", self.id),
        }
    }

    /// The peer has a candidate.
    pub(crate) fn candidate(&self, index: u32, text: String) {
        self.hear(Remote::Candidate(index, text));
    }

    /// Whether the peer has nothing to send for now: it is not missed then.
    pub(crate) fn expect_silence(&self, is_expected: bool) {
        self.shared().is_silence_expected = is_expected;
    }

    /// The session is over.
    pub(crate) fn end(&self, reason: EndReason, by: By) {
        self.tell(Op::End(reason, by));
    }

    /// Ends every pad's stream, then the session.
    pub(crate) fn end_of_stream(&self) {
        self.tell(Op::EndOfStream);
    }

    /// The application linked the pad.
    pub(crate) fn linked(&self, pad: &WebRTCSrcPad) {
        self.tell(Op::Linked(pad.clone()));
    }

    /// The application gave a requested pad back.
    pub(crate) fn released(&self, pad: &WebRTCSrcPad) {
        self.tell(Op::Released(pad.clone()));
    }

    /// Sends an event to the producer.
    pub(crate) fn send_event(&self, event: gst::Event) {
        self.tell(Op::Event(event));
    }

    /// An element inside of the session's bin failed.
    pub(crate) fn failed(&self, origin: &gst::Object, text: String) {
        self.tell(Op::Failed(origin.clone(), text));
    }

    /// Asks the session to let go of everything without ceremony.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until everything is let go of; false when that takes longer than `patience`.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        let waiting = self
            .finished
            .wait_timeout_while(self.shared(), patience, |shared| !shared.has_finished)
            .unwrap_or_else(PoisonError::into_inner);
        !waiting.1.timed_out()
    }

    fn tell(&self, op: Op) {
        // The thread is gone when the session is over.
        let _ = self.queue.send(op);
    }

    fn hear(&self, message: Remote) {
        if let Err(mpsc::error::TrySendError::Full(message)) = self.remote.try_send(message) {
            gst::warning!(
                CAT,
                "session {}: the peer sends too much at once, dropped {message:?}",
                self.id
            );
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_silence_expected(&self) -> bool {
        self.shared().is_silence_expected
    }

    fn set_announced(&self) {
        self.shared().is_announced = true;
    }

    fn is_announced(&self) -> bool {
        self.shared().is_announced
    }

    fn set_finished(&self) {
        let mut shared = self.shared();
        shared.has_finished = true;
        shared.webrtcbin = None;
        self.finished.notify_all();
    }
}

impl Start {
    /// Starts the session's thread, which first waits for those that are still `leaving` their pads.
    pub(crate) fn run(self, leaving: Vec<Arc<Session>>) {
        let Self {
            src,
            session,
            queue,
            remote,
            stop,
        } = self;
        // Dropped with the closure where no thread can be started, and with the thread's stack where it panics.
        let presence = Presence::new(src, session);
        let thread = std::thread::Builder::new().name("webrtcsrc-session".to_owned());
        let started = thread.spawn(move || {
            for other in leaving {
                other.wait(LEAVING_PATIENCE);
            }
            let executor = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build();
            match executor {
                Ok(executor) => {
                    executor.block_on(task::run(presence.src(), presence.session(), queue, remote, stop))
                }
                Err(error) => gst::error!(CAT, obj = presence.src(), "a session cannot run: {error}"),
            }
        });
        if let Err(error) = started {
            gst::error!(CAT, "a session cannot start a thread: {error}");
        }
    }
}

/// Candidates of a host with many interfaces, a description and some messages at once.
const REMOTE_QUEUE: usize = 256;
/// As long as stopping an element gives its sessions.
const LEAVING_PATIENCE: Duration = Duration::from_secs(2);
