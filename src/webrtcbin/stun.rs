// SPDX-License-Identifier: MPL-2.0
//! Resolves the STUN server's name before webrtcbin hears of it.
//!
//! libnice 0.1.21 never finishes gathering when the name does not resolve (tried: 12 s), which a user without internet
//! access would pay for with the default server. So the name is looked up here, early and in the background; a session
//! gets the address, or no STUN server at all. Owns the look-up and its patience. Elements start it on the way to
//! PAUSED; the task ends with the value.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::runtime::{self, Task};

/// The port of STUN over UDP (RFC 8489, section 18.6).
const DEFAULT_PORT: u16 = 3478;

/// A resolver that gives no answer within this is taken to have none.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// A STUN server whose name is being looked up, or was.
#[derive(Debug)]
pub(crate) struct StunServer {
    /// Address or reason, once there is either.
    outcome: Arc<Mutex<Option<Result<String, String>>>>,
    done: tokio::sync::watch::Receiver<bool>,
    _lookup: Option<Task>,
}

impl StunServer {
    /// Starts to look up `uri`, `stun://host:port`. `None` or an empty text stand for no server.
    pub(crate) fn look_up(uri: Option<&str>) -> Self {
        let (finished, done) = tokio::sync::watch::channel(false);
        let outcome = Arc::new(Mutex::new(None));
        let lookup = uri.filter(|uri| !uri.is_empty()).map(|uri| {
            let (uri, outcome) = (uri.to_owned(), outcome.clone());
            runtime::spawn(async move {
                let found = resolve(&uri).await;
                if let Err(reason) = &found {
                    gst::warning!(
                        crate::signaller::CAT,
                        "going on without STUN server {uri}: {reason}"
                    );
                }
                *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
                // The receiver is gone when the element is.
                let _ = finished.send(true);
            })
        });
        Self {
            outcome,
            done,
            _lookup: lookup,
        }
    }

    /// The server with its address, as soon as it is known; `None` without a server, when the name does not resolve,
    /// or when that isn't known after `patience`.
    pub(crate) async fn resolved(&self, patience: Duration) -> Option<String> {
        self._lookup.as_ref()?;
        let mut done = self.done.clone();
        // Either way the outcome says what there is.
        let _ = tokio::time::timeout(patience, done.wait_for(|done| *done)).await;
        self.address()
    }

    /// The server with its address, if that is known by now.
    pub(crate) fn address(&self) -> Option<String> {
        self.outcome
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()?
            .ok()
    }
}

async fn resolve(uri: &str) -> Result<String, String> {
    let (host, port) = host_and_port(uri).ok_or("it is no address of the form stun://host:port")?;
    let mut addresses = tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host.as_str(), port)))
        .await
        .map_err(|_| format!("{host} was not resolved within {} s", LOOKUP_TIMEOUT.as_secs()))?
        .map_err(|error| format!("{host} does not resolve: {error}"))?
        .collect::<Vec<SocketAddr>>();
    // libnice asks one address; IPv4 reaches most.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses
        .first()
        .map(|address| format!("stun://{address}"))
        .ok_or_else(|| format!("{host} has no address"))
}

/// Whether `uri` has the form of an address, resolvable or not.
pub(crate) fn is_address(uri: &str) -> bool {
    host_and_port(uri).is_some()
}

fn host_and_port(uri: &str) -> Option<(String, u16)> {
    // `stun:host` (RFC 7064) and `stun://host` mean the same; only the latter is a URL with a host.
    let rest = uri.strip_prefix("stun:")?;
    let url = url::Url::parse(&format!("stun://{}", rest.trim_start_matches("//"))).ok()?;
    let host = url
        .host_str()
        .filter(|host| !host.is_empty())?
        .trim_matches(['[', ']'])
        .to_owned();
    Some((host, url.port().unwrap_or(DEFAULT_PORT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn resolved(uri: Option<&str>) -> Option<String> {
        runtime::block_on(async { StunServer::look_up(uri).resolved(PATIENCE).await })
    }

    #[test]
    fn addresses_are_read_in_both_spellings() {
        let cases = [
            ("stun://stun.example.org:19302", Some(("stun.example.org", 19302))),
            ("stun:stun.example.org", Some(("stun.example.org", 3478))),
            ("stun://[::1]:5000", Some(("::1", 5000))),
            ("turn://h:1", None),
            ("stun://", None),
            ("stun://h:port", None),
            ("", None),
        ];
        for (uri, expected) in cases {
            let found = host_and_port(uri);
            assert_eq!(
                found.as_ref().map(|(host, port)| (host.as_str(), *port)),
                expected,
                "{uri}"
            );
        }
    }

    #[test]
    fn an_address_resolves_to_itself() {
        assert_eq!(
            resolved(Some("stun://127.0.0.1:4000")).as_deref(),
            Some("stun://127.0.0.1:4000")
        );
    }

    #[test]
    fn no_server_and_nonsense_are_no_server() {
        for uri in [None, Some(""), Some("nonsense"), Some("stun://name.invalid:1")] {
            assert_eq!(resolved(uri), None, "{uri:?}");
        }
    }

    #[test]
    fn patience_ends() {
        let server = StunServer::look_up(Some("stun://127.0.0.1:1"));
        // Either it is there already or it isn't; asking must come back at once.
        let _ = runtime::block_on(server.resolved(Duration::ZERO));
    }
}
