// SPDX-License-Identifier: MPL-2.0
//! The thread that owns a client's machine: one input at a time, deadlines kept, actions carried out in order, requests made on
//! the runtime.
//!
//! Once stopped the thread says nothing to the element any more; it only stays until its DELETE is answered, for a
//! bounded time. Owns time, threads and secrets; what to do is the machine's to say (`machine`), what the element hears
//! `host`'s.

use std::{
    collections::HashMap,
    sync::mpsc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};

use super::super::ice_server::IceServer;
use super::machine::Machine;
use super::protocol::{Action, Fetch, Input, Policy};
use crate::{
    end_reason::EndReason,
    net::http::client::{Client, FetchError},
    runtime,
};

/// How long a stopped client stays for the answer to its DELETE.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What the machine's actions do to the element.
pub(super) trait Host: Send + 'static {
    /// Gives webrtcbin the announced servers.
    fn use_servers(&self, servers: Vec<IceServer>);
    /// Has the element make a session and its offer.
    fn start_session(&self, id: &str);
    /// Has the element make a session for the server's offer.
    fn counter_offer(&self, id: &str, sdp: &str);
    /// Hands over the server's answer.
    fn answer(&self, id: &str, sdp: &str);
    /// Hands over a candidate of the server.
    fn candidate(&self, id: &str, m_line: u32, candidate: &str);
    /// Says that the session is over.
    fn end_session(&self, id: &str, reason: &EndReason);
    /// Says that signalling failed for good.
    fn error(&self, text: &str);
    /// Notes what went wrong without ending anything.
    fn warn(&self, text: &str);
}

/// The way in.
#[derive(Clone, Debug)]
pub(super) struct Inbox(mpsc::Sender<Input>);

impl Inbox {
    /// Puts an input in the queue.
    pub(super) fn tell(&self, input: Input) {
        // Without a receiver the client has stopped, and nothing matters to it any more.
        let _ = self.0.send(input);
    }
}

/// An inbox and what the thread will read from it.
pub(super) fn queue() -> (Inbox, mpsc::Receiver<Input>) {
    let (sender, receiver) = mpsc::channel();
    (Inbox(sender), receiver)
}

/// What the thread is made of.
pub(super) struct Actor<H> {
    machine: Machine,
    host: H,
    client: Client,
    /// Sent to trusted places only.
    secrets: HeaderMap,
    inbox: Inbox,
    inputs: mpsc::Receiver<Input>,
    /// Requests on their way by serial; dropping one ends it.
    open: HashMap<u64, runtime::Task>,
    /// Those of them that a stopping client waits for.
    open_deletes: Vec<u64>,
    stopped_at: Option<Instant>,
}

impl<H: Host> Actor<H> {
    pub(super) fn new(
        policy: Policy,
        host: H,
        client: Client,
        secrets: HeaderMap,
        (inbox, inputs): (Inbox, mpsc::Receiver<Input>),
    ) -> Self {
        let machine = Machine::new(policy);
        Self {
            machine,
            host,
            client,
            secrets,
            inbox,
            inputs,
            open: HashMap::new(),
            open_deletes: vec![],
            stopped_at: None,
        }
    }

    /// Works until stopped.
    pub(super) fn run(mut self) {
        while let Some(input) = self.next() {
            if let Input::Fetched { serial, .. } = &input {
                self.open.remove(serial);
                self.open_deletes.retain(|open| open != serial);
            }
            if matches!(input, Input::Stop) {
                self.stopped_at = Some(Instant::now());
            }
            let actions = self.machine.handle(Instant::now(), SystemTime::now(), input);
            for action in actions {
                self.perform(action);
            }
        }
    }

    /// The next input, a tick when the machine wants one before, or nothing when all is done.
    fn next(&mut self) -> Option<Input> {
        let deadline = match self.stopped_at {
            Some(_) if self.open_deletes.is_empty() => return None,
            Some(at) => Some(at + LAST_WORDS),
            None => self.machine.next_deadline(),
        };
        let Some(deadline) = deadline else {
            return self.inputs.recv().ok();
        };
        let patience = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        match self.inputs.recv_timeout(patience) {
            Ok(input) => Some(input),
            Err(mpsc::RecvTimeoutError::Timeout) if self.stopped_at.is_none() => Some(Input::Tick),
            Err(_) => None,
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Fetch(fetch) => self.fetch(*fetch),
            Action::Cancel { serial } => drop(self.open.remove(&serial)),
            _ if self.stopped_at.is_some() => {}
            Action::UseServers(servers) => self.host.use_servers(servers),
            Action::StartSession { id } => self.host.start_session(&id),
            Action::CounterOffer { id, sdp } => self.host.counter_offer(&id, &sdp),
            Action::Answer { id, sdp } => self.host.answer(&id, &sdp),
            Action::Candidate {
                id,
                m_line,
                candidate,
            } => self.host.candidate(&id, m_line, &candidate),
            Action::EndSession { id, reason } => self.host.end_session(&id, &reason),
            Action::Error(text) => self.host.error(&text),
            Action::Warn(text) => self.host.warn(&text),
        }
    }

    fn fetch(&mut self, fetch: Fetch) {
        let (serial, timeout, method) = (fetch.serial, fetch.timeout, fetch.method.clone());
        let request = match self.request(fetch) {
            Ok(request) => request,
            Err(error) => {
                let outcome = Err(FetchError::Connect(error.to_string()));
                return self.inbox.tell(Input::Fetched { serial, outcome });
            }
        };
        let (client, inbox) = (self.client.clone(), self.inbox.clone());
        let task = runtime::spawn(async move {
            let outcome = client.fetch(request, timeout).await;
            inbox.tell(Input::Fetched { serial, outcome });
        });
        if method == Method::DELETE {
            self.open_deletes.push(serial);
        }
        self.open.insert(serial, task);
    }

    /// Adds the secrets where they may go, and nowhere else.
    fn request(&self, fetch: Fetch) -> Result<Request<Bytes>, http::Error> {
        let mut request = Request::builder()
            .method(fetch.method)
            .uri(fetch.target.url.as_str());
        if let Some(headers) = request.headers_mut().filter(|_| fetch.target.is_trusted) {
            headers.extend(self.secrets.clone());
        }
        if let Some(content_type) = fetch.content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(tag) = fetch.if_match {
            request = request.header(header::IF_MATCH, tag);
        }
        request.body(Bytes::from(fetch.body))
    }
}
