// SPDX-License-Identifier: MPL-2.0
//! The signallers of both protocols over real sockets, with small stand-ins for the elements behind them.

mod corpus;
mod forwarding;
mod hostile;
mod loopback;
mod rfc9725;

use std::{
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use gst::{glib, prelude::*};
use gst_webrtc::WebRTCSDPType;
use http::{Request, Response};

use super::description::sample;
use super::server::host::description;
use crate::{
    net::{http::client::Client, tls},
    runtime,
    signaller::{Signallable, prelude::*, signals},
    signallers::{whep::server::WhepServerSignaller, whip::server::WhipServerSignaller},
};

/// Generous: the machine may be loaded.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What happened to a signaller, to be waited for.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Log {
    pub(super) fn push(&self, what: impl Into<String>) {
        self.0.0.lock().unwrap().push(what.into());
        self.0.1.notify_all();
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.0.0.lock().unwrap().clone()
    }

    pub(super) fn count(&self, prefix: &str) -> usize {
        self.all()
            .iter()
            .filter(|entry| entry.starts_with(prefix))
            .count()
    }

    /// Waits until an entry starts with `prefix`.
    pub(super) fn wait(&self, prefix: &str) -> String {
        self.wait_until(prefix, |entries| {
            entries.iter().find(|entry| entry.starts_with(prefix)).cloned()
        })
    }

    /// Waits until `number` entries start with `prefix`.
    pub(super) fn wait_number(&self, prefix: &str, number: usize) {
        let enough = |entries: &[String]| entries.iter().filter(|e| e.starts_with(prefix)).count() >= number;
        self.wait_until(prefix, |entries| enough(entries).then_some(()));
    }

    fn wait_until<T>(&self, what: &str, found: impl Fn(&[String]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut entries = self.0.0.lock().unwrap();
        loop {
            if let Some(value) = found(&entries) {
                return value;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no `{what}` in {entries:?}");
            entries = self.0.1.wait_timeout(entries, left).unwrap().0;
        }
    }
}

/// Logs what a signaller reports.
pub(super) fn watch(signaller: &Signallable) -> Log {
    let log = Log::default();
    let entry = log.clone();
    signals::connect_error(signaller, move |_, text| entry.push(format!("error {text}")));
    let entry = log.clone();
    signals::connect_session_ended(signaller, move |_, id| {
        entry.push(format!("ended {id}"));
        true
    });
    let entry = log.clone();
    signals::connect_handle_ice(signaller, move |_, id, m_line, mid, candidate| {
        entry.push(format!("candidate {id} {m_line} {mid:?} {candidate}"));
    });
    log
}

/// A server whose element answers every offer at once.
pub(super) struct Server {
    pub(super) signaller: Signallable,
    pub(super) log: Log,
    client: Client,
}

impl Server {
    /// A WHIP server on a port of the system's choice; `set` changes its properties first.
    pub(super) fn whip(set: impl FnOnce(&glib::Object)) -> Self {
        gst::init().unwrap();
        let signaller: Signallable = WhipServerSignaller::default().upcast();
        let log = watch(&signaller);
        let entry = log.clone();
        signals::connect_session_description(&signaller, move |signaller, id, _| {
            entry.push(format!("offer {id}"));
            describe(signaller, &id, WebRTCSDPType::Answer, "recvonly");
        });
        Self::start(signaller, log, set)
    }

    /// A WHEP server, likewise.
    pub(super) fn whep(set: impl FnOnce(&glib::Object)) -> Self {
        gst::init().unwrap();
        let signaller: Signallable = WhepServerSignaller::default().upcast();
        let log = watch(&signaller);
        let entry = log.clone();
        signals::connect_session_requested(&signaller, move |signaller, id, _, offer| {
            entry.push(format!("requested {id}"));
            let kind = if offer.is_some() {
                WebRTCSDPType::Answer
            } else {
                WebRTCSDPType::Offer
            };
            describe(signaller, &id, kind, "sendonly");
        });
        let entry = log.clone();
        signals::connect_session_description(&signaller, move |_, id, _| entry.push(format!("answer {id}")));
        Self::start(signaller, log, set)
    }

    fn start(signaller: Signallable, log: Log, set: impl FnOnce(&glib::Object)) -> Self {
        signaller.set_property("host-addr", "http://127.0.0.1:0");
        set(signaller.upcast_ref());
        let entry = log.clone();
        signaller.connect_notify(Some("host-addr"), move |_, _| entry.push("listening"));
        signaller.start();
        if signaller.property::<Option<String>>("host-addr").is_some() {
            log.wait("listening");
        }
        let client = Client::new(tls::client_config(None, false).unwrap()).unwrap();
        Self {
            signaller,
            log,
            client,
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        let base: String = self.signaller.property("host-addr");
        format!("{}{path}", base.trim_end_matches('/'))
    }

    pub(super) async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.client.fetch(request, Some(PATIENCE)).await.unwrap()
    }

    /// Sends a request and gives its answer.
    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Response<Bytes> {
        let mut request = Request::builder().method(method).uri(self.url(path));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::from(body.to_owned())).unwrap();
        runtime::block_on(self.send(request))
    }

    pub(super) fn post(&self, path: &str, sdp: &str) -> Response<Bytes> {
        self.ask("POST", path, &[("content-type", "application/sdp")], sdp)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signaller.stop();
    }
}

/// What an element says of a session, from another thread as elements do.
pub(super) fn describe(signaller: &Signallable, id: &str, kind: WebRTCSDPType, direction: &str) {
    let (signaller, id, sdp) = (
        signaller.clone(),
        id.to_owned(),
        description(kind, &sample(direction)).unwrap(),
    );
    runtime::spawn(async move {
        signaller.send_sdp(&id, &sdp);
        signaller.add_ice(&id, "candidate:1 1 UDP 1 192.0.2.1 5000 typ host", 0, None);
        signaller.add_ice(&id, "", 0, None);
    })
    .detach();
}

pub(super) fn field<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

/// An offer of which there is no second one.
pub(super) fn unique_offer(direction: &str, n: usize) -> String {
    sample(direction).replace("EsAw", &format!("user{n}"))
}
