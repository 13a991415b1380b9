// SPDX-License-Identifier: MPL-2.0
//! What a server can be told: where to listen, how to protect itself, and every limit with its default.

use std::time::Duration;

use crate::{AuthToken, ServerError, TlsFiles};

/// Everything a [`Server`](crate::Server) is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name or address to listen on; IPv6 addresses may stand in brackets.
    pub host: String,
    /// Port to listen on; 0 lets the system choose.
    pub port: u16,
    /// Certificate and key; without them the server speaks plain text.
    pub tls: Option<TlsFiles>,
    /// What clients must present to be let in; without it everybody is.
    pub auth_token: Option<AuthToken>,
    /// Origins (RFC 6454) whose pages are let in, as browsers write them: `https://example.org`. Without any, all
    /// are. Clients that send no origin are no browsers, and let in.
    pub allowed_origins: Vec<String>,
    /// Headers added to the response that upgrades a connection, as name and value.
    pub response_headers: Vec<(String, String)>,
    /// How much of everything.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".into(),
            port: 8443,
            tls: None,
            auth_token: None,
            allowed_origins: Vec::new(),
            response_headers: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// Bounds on what clients can make the server hold, do or wait for.
///
/// The memory that clients can tie up is at most about `max_peers` times
/// (`max_queued_bytes` + one list reply + `max_message_bytes`), where a list reply is bounded by
/// `max_total_meta_bytes` and 100 bytes per peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Peers present at once; further ones are refused with status 503.
    pub max_peers: usize,
    /// Peers from one address at once; 0 for no limit of its own (behind a proxy all share one address).
    pub max_peers_per_address: usize,
    /// Connections that have not become peers yet; further ones are dropped.
    pub max_pending_connections: usize,
    /// Sessions one peer takes part in.
    pub max_sessions_per_peer: usize,
    /// Sessions between the same two peers.
    pub max_sessions_per_pair: usize,
    /// Bytes in one message from a peer, over all its frames.
    pub max_message_bytes: usize,
    /// Bytes of one peer's metadata, as compact JSON.
    pub max_meta_bytes: usize,
    /// Bytes of all peers' metadata together.
    pub max_total_meta_bytes: usize,
    /// Messages a peer may send per second in the long run; it is read no faster.
    pub messages_per_second: u32,
    /// Messages a peer may send at once after a pause.
    pub message_burst: u32,
    /// Messages waiting for a peer to read them; one more and it is disconnected.
    pub max_queued_messages: usize,
    /// Bytes waiting for a peer to read them; a message beyond that disconnects it.
    pub max_queued_bytes: usize,
    /// Time for the TLS handshake.
    pub tls_timeout: Duration,
    /// Time for the HTTP request and the response to it.
    pub upgrade_timeout: Duration,
    /// Silence after which a peer is pinged.
    pub ping_interval: Duration,
    /// Silence after a ping that shows a peer to be dead.
    pub pong_timeout: Duration,
    /// Time for what was begun to be sent to leave.
    pub send_timeout: Duration,
    /// Time for the connections to close when the server shuts down.
    pub shutdown_timeout: Duration,
}

impl Limits {
    /// Checks the limits that would stop everything if they were zero.
    pub(crate) fn check(&self) -> Result<(), ServerError> {
        let counts = [
            ("max_peers", self.max_peers),
            ("max_pending_connections", self.max_pending_connections),
            ("max_sessions_per_peer", self.max_sessions_per_peer),
            ("max_sessions_per_pair", self.max_sessions_per_pair),
            ("max_message_bytes", self.max_message_bytes),
            ("messages_per_second", self.messages_per_second as usize),
            ("message_burst", self.message_burst as usize),
            ("max_queued_messages", self.max_queued_messages),
            ("max_queued_bytes", self.max_queued_bytes),
        ];
        let times = [
            ("tls_timeout", self.tls_timeout),
            ("upgrade_timeout", self.upgrade_timeout),
            ("ping_interval", self.ping_interval),
            ("pong_timeout", self.pong_timeout),
            ("send_timeout", self.send_timeout),
        ];
        let zero_count = counts
            .iter()
            .find(|(_, value)| *value == 0)
            .map(|(name, _)| *name);
        let zero_time = times
            .iter()
            .find(|(_, value)| value.is_zero())
            .map(|(name, _)| *name);
        match zero_count.or(zero_time) {
            Some(name) => Err(ServerError::Limit { name }),
            None => Ok(()),
        }
    }

    /// Bytes of the largest message the server can have to send: a list of all peers, or a relayed message.
    pub(crate) fn largest_reply(&self) -> usize {
        let list = self.max_total_meta_bytes + self.max_peers * BYTES_PER_LISTED_PEER;
        list.max(self.max_message_bytes) + REPLY_OVERHEAD
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Fits the usual limit of 1024 open files, see `ulimit -n`.
            max_peers: 1000,
            max_peers_per_address: 0,
            max_pending_connections: 256,
            max_sessions_per_peer: 1024,
            max_sessions_per_pair: 16,
            // A description with ten media sections and all candidates stays under 64 KiB.
            max_message_bytes: 256 * 1024,
            max_meta_bytes: 16 * 1024,
            max_total_meta_bytes: 4 * 1024 * 1024,
            // A consumer that joins costs its producer about a dozen candidates and a description of some 8 KiB, in and
            // out: 30 tokens (see `rate.rs`). The burst serves 60 at once, the rate 30 more every second.
            messages_per_second: 1000,
            message_burst: 2000,
            max_queued_messages: 2048,
            max_queued_bytes: 2 * 1024 * 1024,
            tls_timeout: Duration::from_secs(5),
            upgrade_timeout: Duration::from_secs(10),
            // Proxies drop connections that are silent for a minute (nginx proxy_read_timeout: 60 s).
            ping_interval: Duration::from_secs(30),
            pong_timeout: Duration::from_secs(10),
            send_timeout: Duration::from_secs(15),
            shutdown_timeout: Duration::from_secs(5),
        }
    }
}

/// `{"id":"<36 characters>","meta":},` rounded up.
const BYTES_PER_LISTED_PEER: usize = 100;

/// What surrounds the variable part of a message, with its frame header (RFC 6455, section 5.2: at most 14 bytes).
const REPLY_OVERHEAD: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert!(Limits::default().check().is_ok());
    }

    #[test]
    fn a_limit_that_stops_everything_is_named() {
        let zero = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            limits.check().unwrap_err().to_string()
        };
        assert_eq!(
            zero(|limits| limits.max_peers = 0),
            "the limit max_peers must not be zero"
        );
        assert_eq!(
            zero(|limits| limits.max_queued_messages = 0),
            "the limit max_queued_messages must not be zero"
        );
        assert_eq!(
            zero(|limits| limits.ping_interval = Duration::ZERO),
            "the limit ping_interval must not be zero"
        );
    }

    #[test]
    fn no_limit_per_address_is_the_default() {
        assert_eq!(Limits::default().max_peers_per_address, 0);
    }

    #[test]
    fn the_largest_reply_holds_a_full_list() {
        let limits = Limits {
            max_peers: 10,
            max_total_meta_bytes: 1 << 20,
            ..Limits::default()
        };
        assert!(limits.largest_reply() > (1 << 20) + 10 * 60);
        let relaying = Limits {
            max_message_bytes: 1 << 30,
            ..Limits::default()
        };
        assert!(relaying.largest_reply() > 1 << 30);
    }
}
