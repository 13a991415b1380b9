// SPDX-License-Identifier: MPL-2.0
//! webrtcbin's statistics as typed values: what a peer reports of what it receives, and which path packets take.
//!
//! Reads the structure that `get-stats` replies with, in the shape of GStreamer 1.22 and later; parts that are missing
//! are missing here too. Pure. Naming follows the W3C's identifiers for WebRTC statistics. Owns the names of the public
//! fields, which applications read. When statistics are taken is decided by the session.

use gst_webrtc::WebRTCStatsType;

/// What is known about a connection.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ConnectionStats {
    /// Mean round trip of the streams that have one, in seconds.
    pub(crate) round_trip_time: Option<f64>,
    /// Share of packets lost since the peer's report before, of the stream that fares worst (0.0–1.0).
    pub(crate) loss_ratio: Option<f64>,
    /// Packets lost since the beginning, over all streams.
    pub(crate) packets_lost: u64,
    /// Bytes of media sent, over all streams.
    pub(crate) bytes_sent: u64,
    /// The candidates in use.
    pub(crate) pair: Option<CandidatePair>,
}

/// Both ends of the path in use, each as `type protocol address:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CandidatePair {
    pub(crate) local: String,
    pub(crate) remote: String,
}

impl ConnectionStats {
    /// Reads a reply of `get-stats`.
    pub(crate) fn read(reply: &gst::StructureRef) -> Self {
        let mut stats = Self::default();
        let mut round_trips = Vec::new();
        for entry in entries(reply) {
            match entry.get::<WebRTCStatsType>("type") {
                Ok(WebRTCStatsType::RemoteInboundRtp) => {
                    round_trips.extend(float(&entry, "round-trip-time").filter(|seconds| *seconds > 0.0));
                    let loss = float(&entry, "fraction-lost").map(|ratio| ratio.clamp(0.0, 1.0));
                    stats.loss_ratio = worst(stats.loss_ratio, loss);
                    stats.packets_lost += count(&entry, "packets-lost");
                }
                Ok(WebRTCStatsType::OutboundRtp) => stats.bytes_sent += count(&entry, "bytes-sent"),
                Ok(WebRTCStatsType::CandidatePair) => stats.pair = pair(reply, &entry).or(stats.pair),
                _ => {}
            }
        }
        if !round_trips.is_empty() {
            stats.round_trip_time = Some(round_trips.iter().sum::<f64>() / round_trips.len() as f64);
        }
        stats
    }

    /// The same as fields of the public structure; what is not known is left out.
    pub(crate) fn write(&self, structure: &mut gst::StructureRef) {
        if let Some(seconds) = self.round_trip_time {
            structure.set("round-trip-time", seconds);
        }
        if let Some(ratio) = self.loss_ratio {
            structure.set("loss-ratio", ratio);
        }
        structure.set("packets-lost", self.packets_lost);
        structure.set("bytes-sent", self.bytes_sent);
        if let Some(pair) = &self.pair {
            structure.set("local-candidate", &pair.local);
            structure.set("remote-candidate", &pair.remote);
        }
    }
}

fn entries(reply: &gst::StructureRef) -> impl Iterator<Item = gst::Structure> + '_ {
    reply
        .iter()
        .filter_map(|(_, value)| value.get::<gst::Structure>().ok())
}

fn worst(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}

fn float(entry: &gst::StructureRef, field: &str) -> Option<f64> {
    entry.get::<f64>(field).ok().filter(|value| value.is_finite())
}

/// Counters differ in type between versions; one that has wrapped below zero counts as none.
fn count(entry: &gst::StructureRef, field: &str) -> u64 {
    let unsigned = entry
        .get::<u64>(field)
        .or_else(|_| entry.get::<u32>(field).map(u64::from));
    let signed = || {
        entry
            .get::<i64>(field)
            .or_else(|_| entry.get::<i32>(field).map(i64::from))
    };
    unsigned.unwrap_or_else(|_| signed().map_or(0, |value| u64::try_from(value).unwrap_or_default()))
}

fn pair(reply: &gst::StructureRef, entry: &gst::StructureRef) -> Option<CandidatePair> {
    let candidate = |field: &str| {
        let id = entry.get::<String>(field).ok()?;
        let candidate = reply.get::<gst::Structure>(id.as_str()).ok();
        candidate.and_then(|candidate| describe(&candidate))
    };
    Some(CandidatePair {
        local: candidate("local-candidate-id")?,
        remote: candidate("remote-candidate-id")?,
    })
}

fn describe(candidate: &gst::StructureRef) -> Option<String> {
    let kind = candidate.get::<String>("candidate-type").ok()?;
    let protocol = candidate
        .get::<String>("protocol")
        .unwrap_or_else(|_| "udp".to_owned());
    let address = candidate.get::<String>("address").ok()?;
    let port = candidate.get::<u32>("port").ok()?;
    Some(format!("{kind} {} {address}:{port}", protocol.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: WebRTCStatsType) -> gst::structure::Builder {
        gst::init().expect("GStreamer initialises");
        gst::Structure::builder("entry").field("type", kind)
    }

    fn reply(entries: Vec<gst::Structure>) -> gst::Structure {
        let mut reply = gst::Structure::new_empty("application/x-webrtc-stats");
        for (number, entry) in entries.into_iter().enumerate() {
            reply.set(format!("entry-{number}"), entry);
        }
        reply
    }

    #[test]
    fn reports_of_several_streams_are_joined() {
        let report = |rtt: f64, loss: f64, lost: i64| {
            entry(WebRTCStatsType::RemoteInboundRtp)
                .field("round-trip-time", rtt)
                .field("fraction-lost", loss)
                .field("packets-lost", lost)
                .build()
        };
        let sent = |bytes: u64| {
            entry(WebRTCStatsType::OutboundRtp)
                .field("bytes-sent", bytes)
                .build()
        };
        let stats = ConnectionStats::read(&reply(vec![
            report(0.1, 0.02, 3),
            report(0.3, 0.0, -1),
            sent(1000),
            sent(500),
        ]));
        assert_eq!(stats.round_trip_time, Some(0.2));
        assert_eq!(stats.loss_ratio, Some(0.02));
        assert_eq!((stats.packets_lost, stats.bytes_sent), (3, 1500));
    }

    #[test]
    fn nothing_is_made_up() {
        gst::init().expect("GStreamer initialises");
        let stats = ConnectionStats::read(&gst::Structure::new_empty("application/x-webrtc-stats"));
        assert_eq!(stats, ConnectionStats::default());
        let mut written = gst::Structure::new_empty("s");
        stats.write(&mut written);
        assert!(!written.has_field("round-trip-time") && !written.has_field("local-candidate"));
    }

    #[test]
    fn nonsense_numbers_are_left_out() {
        let report = entry(WebRTCStatsType::RemoteInboundRtp)
            .field("round-trip-time", f64::NAN)
            .field("fraction-lost", 7.0)
            .field("packets-lost", "many")
            .build();
        let stats = ConnectionStats::read(&reply(vec![report]));
        assert_eq!(
            (stats.round_trip_time, stats.loss_ratio, stats.packets_lost),
            (None, Some(1.0), 0)
        );
    }

    #[test]
    fn the_path_is_named_by_both_its_ends() {
        let candidate = |kind: &str, port: u32| {
            gst::Structure::builder("c")
                .field("candidate-type", kind)
                .field("protocol", "UDP")
                .field("address", "192.0.2.1")
                .field("port", port)
                .build()
        };
        let pair = entry(WebRTCStatsType::CandidatePair)
            .field("local-candidate-id", "l")
            .field("remote-candidate-id", "r")
            .build();
        let mut reply = reply(vec![pair]);
        reply.set("l", candidate("host", 1));
        reply.set("r", candidate("relay", 2));
        let pair = ConnectionStats::read(&reply).pair.expect("both ends are there");
        assert_eq!(
            (pair.local.as_str(), pair.remote.as_str()),
            ("host udp 192.0.2.1:1", "relay udp 192.0.2.1:2")
        );
    }
}
