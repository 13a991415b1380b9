// SPDX-License-Identifier: MPL-2.0
//! What the server counts, and its form for Prometheus (text exposition format, version 0.0.4).

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::registry::Census;

/// Counts since the start of the server.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) connections: Counter,
    pub(crate) refused_connections: Counter,
    pub(crate) unauthorized: Counter,
    pub(crate) messages_received: Counter,
    pub(crate) messages_sent: Counter,
    pub(crate) invalid_messages: Counter,
    pub(crate) errors_replied: Counter,
    pub(crate) slow_peers: Counter,
    pub(crate) dead_peers: Counter,
}

/// A number that only grows. No order between counters is promised.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Everything in the text format.
    pub(crate) fn render(&self, census: Census) -> String {
        let gauges = [
            ("peers", "Peers that are connected", census.peers),
            ("producers", "Peers with the producer role", census.producers),
            ("consumers", "Peers with the consumer role", census.consumers),
            ("listeners", "Peers with the listener role", census.listeners),
            ("sessions", "Sessions between peers", census.sessions),
        ];
        let counters = [
            ("connections", "Accepted TCP connections", &self.connections),
            (
                "refused_connections",
                "Connections turned away by a limit",
                &self.refused_connections,
            ),
            (
                "unauthorized",
                "Requests without a valid token",
                &self.unauthorized,
            ),
            (
                "messages_received",
                "Text messages from peers",
                &self.messages_received,
            ),
            ("messages_sent", "Messages queued to peers", &self.messages_sent),
            (
                "invalid_messages",
                "Frames that are no message of the protocol",
                &self.invalid_messages,
            ),
            (
                "errors_replied",
                "Requests answered by an error",
                &self.errors_replied,
            ),
            (
                "slow_peers",
                "Peers disconnected because they do not read",
                &self.slow_peers,
            ),
            (
                "dead_peers",
                "Peers disconnected because they do not answer pings",
                &self.dead_peers,
            ),
        ];
        let mut text = String::new();
        for (name, help, value) in gauges {
            add(&mut text, "gauge", name, help, value as u64);
        }
        for (name, help, counter) in counters {
            add(
                &mut text,
                "counter",
                &format!("{name}_total"),
                help,
                counter.0.load(Ordering::Relaxed),
            );
        }
        text
    }
}

/// Adds one figure with its two lines of description.
fn add(text: &mut String, kind: &str, name: &str, help: &str, value: u64) {
    let name = format!("webrtc_signalling_{name}");
    write!(
        text,
        "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"
    )
    .expect("strings take all writes");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_help_type_and_value() {
        let metrics = Metrics::default();
        metrics.messages_sent.count();
        metrics.messages_sent.count();
        let text = metrics.render(Census {
            peers: 3,
            ..Census::default()
        });
        let expected = "# HELP webrtc_signalling_peers Peers that are connected\n\
             # TYPE webrtc_signalling_peers gauge\n\
             webrtc_signalling_peers 3\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(
            text.contains("\nwebrtc_signalling_messages_sent_total 2\n"),
            "{text}"
        );
        let figures = text.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(figures * 3, text.lines().count());
    }

    #[test]
    fn names_are_those_prometheus_allows() {
        let text = Metrics::default().render(Census::default());
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.split_once(' ').unwrap();
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{name}"
            );
            assert_eq!(value, "0");
        }
    }
}
