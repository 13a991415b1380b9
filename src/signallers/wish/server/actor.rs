// SPDX-License-Identifier: MPL-2.0
//! The thread that owns a server's machine: one input at a time, deadlines kept, actions carried out in order.
//!
//! Words of the element, requests and deadlines all come through one queue, so no lock is ever held while a signal is
//! emitted. The queue needs no bound of its own: requests are bounded by connections, each of which waits for its answer.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    sync::{Arc, mpsc},
    time::{Duration, Instant, SystemTime},
};

use http::StatusCode;
use tokio::sync::oneshot;

use super::super::resource::Names;
use super::super::sdpfrag::Credentials;
use super::machine::Machine;
use super::protocol::Ask;
use super::response::{self, Response};
use super::values::{Action, Input, Policy, ReplyId};
use crate::end_reason::EndReason;

/// What the machine's actions do to the element.
pub(super) trait Host: Send + 'static {
    /// Whether there is anything to play.
    fn has_media(&self) -> bool;
    /// Asks for a session.
    ///
    /// # Errors
    /// Why the element cannot even be asked.
    fn start(&self, id: &str, offer: Option<&str>) -> Result<(), EndReason>;
    /// Hands over the client's answer to a counter-offer.
    ///
    /// # Errors
    /// Why it cannot be handed over.
    fn answer(&self, id: &str, sdp: &str) -> Result<(), EndReason>;
    /// Hands over a candidate of the client.
    fn candidate(&self, id: &str, m_line: u32, mid: Option<&str>, candidate: &str);
    /// Restarts ICE beneath the session; `None` when that is not possible.
    fn restart_ice(&self, id: &str, remote: &Credentials) -> Option<Credentials>;
    /// Says that the client ended the session.
    fn end(&self, id: &str);
    /// Notes what had no place in the protocol.
    fn ignored(&self, id: &str, what: &str);
}

/// The way in.
#[derive(Clone, Debug)]
pub(crate) struct Inbox {
    messages: mpsc::Sender<Message>,
    /// Shared by all clones, so that no two requests have one number.
    next_reply: Arc<AtomicU64>,
    is_stopped: Arc<AtomicBool>,
}

/// The other end of an [`Inbox`], until its thread starts.
#[derive(Debug)]
pub(crate) struct Outbox {
    messages: mpsc::Receiver<Message>,
    is_stopped: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Message {
    Input(Input),
    Request {
        reply: ReplyId,
        ask: Ask,
        names: Names,
        answer: oneshot::Sender<Response>,
    },
    Stop,
}

/// A queue without a thread: what is put in waits until there is one.
pub(super) fn queue() -> (Inbox, Outbox) {
    let (sender, receiver) = mpsc::channel();
    let is_stopped = Arc::new(AtomicBool::new(false));
    let inbox = Inbox {
        messages: sender,
        next_reply: Arc::default(),
        is_stopped: is_stopped.clone(),
    };
    (
        inbox,
        Outbox {
            messages: receiver,
            is_stopped,
        },
    )
}

impl Inbox {
    /// Puts an input in the queue.
    pub(crate) fn tell(&self, input: Input) {
        // Without a receiver the server has stopped, and nothing matters to it any more.
        let _ = self.messages.send(Message::Input(input));
    }

    /// Puts a request in the queue and waits for its answer. Dropping the future tells the machine that nobody waits.
    pub(crate) async fn ask(&self, ask: Ask, names: Names) -> Response {
        let reply = ReplyId(self.next_reply.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = oneshot::channel();
        let _ = self.messages.send(Message::Request {
            reply,
            ask,
            names,
            answer,
        });
        let waiting = Waiting {
            inbox: self,
            reply: Some(reply),
        };
        let stopped = |_| response::later(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping", 1);
        let response = answered.await.unwrap_or_else(stopped);
        waiting.settle();
        response
    }

    /// Ends the thread after what it is doing now.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        let _ = self.messages.send(Message::Stop);
    }
}

struct Waiting<'a> {
    inbox: &'a Inbox,
    reply: Option<ReplyId>,
}

impl Waiting<'_> {
    fn settle(mut self) {
        self.reply = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(reply) = self.reply {
            self.inbox.tell(Input::Abandoned { reply });
        }
    }
}

/// Starts the thread.
///
/// # Errors
/// When the system has no thread to give.
pub(super) fn run(outbox: Outbox, policy: Policy, host: impl Host) -> std::io::Result<()> {
    let actor = Actor {
        machine: Machine::new(policy),
        host,
        outbox,
        open: HashMap::new(),
    };
    std::thread::Builder::new()
        .name("wish-server".to_owned())
        .spawn(move || actor.run())
        .map(drop)
}

struct Actor<H> {
    machine: Machine,
    host: H,
    outbox: Outbox,
    /// Requests without an answer yet.
    open: HashMap<ReplyId, oneshot::Sender<Response>>,
}

impl<H: Host> Actor<H> {
    fn run(mut self) {
        while let Some(message) = self.next() {
            let input = match message {
                Message::Input(input) => input,
                Message::Request {
                    reply,
                    ask,
                    names,
                    answer,
                } => {
                    self.open.insert(reply, answer);
                    // Asked only where it matters: the question reaches into the element.
                    let has_media = !matches!(ask, Ask::Post { .. }) || self.host.has_media();
                    Input::Request {
                        reply,
                        ask,
                        names,
                        has_media,
                    }
                }
                Message::Stop => return,
            };
            if let Input::Abandoned { reply } = &input {
                self.open.remove(reply);
            }
            let actions = self.machine.handle(Instant::now(), SystemTime::now(), input);
            self.perform(actions);
        }
    }

    /// The next message, or a tick when the machine wants one before.
    fn next(&mut self) -> Option<Message> {
        let Some(deadline) = self.machine.next_deadline() else {
            return self.outbox.messages.recv().ok();
        };
        let patience = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        match self.outbox.messages.recv_timeout(patience) {
            Ok(message) => Some(message),
            Err(mpsc::RecvTimeoutError::Timeout) => Some(Message::Input(Input::Tick)),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
        }
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            if self.outbox.is_stopped.load(Ordering::Acquire) {
                return;
            }
            match action {
                Action::Reply { reply, response } => {
                    if let Some(answer) = self.open.remove(&reply) {
                        // Who waited may have left this very moment.
                        let _ = answer.send(*response);
                    }
                }
                Action::Start { id, offer } => {
                    let started = self.host.start(&id, offer.as_deref());
                    self.refused(id, started);
                }
                Action::Answer { id, sdp } => {
                    let answered = self.host.answer(&id, &sdp);
                    self.refused(id, answered);
                }
                Action::Candidate {
                    id,
                    m_line,
                    mid,
                    candidate,
                } => {
                    self.host.candidate(&id, m_line, mid.as_deref(), &candidate);
                }
                Action::Restart {
                    ref id, ref remote, ..
                } => {
                    let local = self.host.restart_ice(id, remote);
                    let actions = self.machine.restarted(action, local);
                    self.perform(actions);
                }
                Action::End { id } => self.host.end(&id),
                Action::Ignored { id, what } => self.host.ignored(&id, what),
            }
        }
    }

    /// An element that cannot be asked has as good as ended the session.
    fn refused(&mut self, id: String, outcome: Result<(), EndReason>) {
        if let Err(reason) = outcome {
            let input = Input::Ended { id, reason };
            let actions = self.machine.handle(Instant::now(), SystemTime::now(), input);
            self.perform(actions);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;

    use super::super::super::description::{Flow, sample};
    use super::super::protocol::{self, Kind};
    use super::*;
    use crate::{end_reason::SessionEndReason, runtime};

    /// Answers offers at once, or refuses them.
    struct Element {
        inbox: Inbox,
        refuses: bool,
        log: Arc<Mutex<Vec<String>>>,
    }

    impl Host for Element {
        fn has_media(&self) -> bool {
            true
        }

        fn start(&self, id: &str, _: Option<&str>) -> Result<(), EndReason> {
            self.log.lock().unwrap().push(format!("start {id}"));
            if self.refuses {
                return Err(EndReason::new(SessionEndReason::BadDescription, "no"));
            }
            self.inbox.tell(Input::LocalDescription {
                id: id.to_owned(),
                sdp: sample("recvonly"),
            });
            self.inbox.tell(Input::Gathered {
                id: id.to_owned(),
                candidates: vec![],
            });
            Ok(())
        }

        fn answer(&self, _: &str, _: &str) -> Result<(), EndReason> {
            Ok(())
        }

        fn candidate(&self, _: &str, _: u32, _: Option<&str>, _: &str) {}

        fn restart_ice(&self, _: &str, _: &Credentials) -> Option<Credentials> {
            None
        }

        fn end(&self, id: &str) {
            self.log.lock().unwrap().push(format!("end {id}"));
        }

        fn ignored(&self, _: &str, _: &str) {}
    }

    fn start(refuses: bool) -> (Inbox, Arc<Mutex<Vec<String>>>) {
        let (inbox, outbox) = queue();
        let log = Arc::new(Mutex::new(vec![]));
        let policy = Policy {
            kind: Kind::Whip,
            capacity: 1,
            timeout: None,
            links: vec![],
        };
        run(
            outbox,
            policy,
            Element {
                inbox: inbox.clone(),
                refuses,
                log: log.clone(),
            },
        )
        .unwrap();
        (inbox, log)
    }

    fn post() -> Ask {
        let offer = protocol::offer(&Bytes::from(sample("sendonly")), Flow::Publish).unwrap();
        Ask::Post {
            chosen: None,
            offer: Some(offer),
        }
    }

    fn names() -> Names {
        Names::guarded(Some("a"))
    }

    #[test]
    fn a_request_gets_its_answer() {
        let (inbox, log) = start(false);
        runtime::block_on(async {
            assert_eq!(inbox.ask(post(), names()).await.status(), 201);
            assert_eq!(
                inbox
                    .ask(Ask::Delete { resource: "a".into() }, names())
                    .await
                    .status(),
                200
            );
        });
        assert_eq!(*log.lock().unwrap(), ["start a", "end a"]);
        inbox.stop();
    }

    #[test]
    fn an_element_that_cannot_be_asked_refuses() {
        let (inbox, _) = start(true);
        assert_eq!(runtime::block_on(inbox.ask(post(), names())).status(), 400);
        inbox.stop();
    }

    #[test]
    fn a_stopped_server_leaves_nobody_waiting() {
        let (inbox, _) = start(false);
        inbox.stop();
        assert_eq!(runtime::block_on(inbox.ask(post(), names())).status(), 503);
    }

    #[test]
    fn requests_wait_for_the_thread() {
        let (inbox, outbox) = queue();
        let asking = inbox.clone();
        let (sender, answered) = mpsc::channel();
        runtime::spawn(async move {
            let _ = sender.send(asking.ask(post(), names()).await.status());
        })
        .detach();
        let element = Element {
            inbox,
            refuses: false,
            log: Arc::default(),
        };
        let policy = Policy {
            kind: Kind::Whip,
            capacity: 1,
            timeout: None,
            links: vec![],
        };
        run(outbox, policy, element).unwrap();
        assert_eq!(answered.recv_timeout(Duration::from_secs(30)).unwrap(), 201);
    }
}
