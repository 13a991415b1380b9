// SPDX-License-Identifier: MPL-2.0
//! webrtcbin's statistics as typed values: what a peer reports of what it receives, what is received, and which path
//! packets take.
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

/// What is known about one stream that is received.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct InboundStats {
    /// Packets that came.
    pub(crate) packets_received: u64,
    /// Packets that never came, retransmissions included.
    pub(crate) packets_lost: u64,
    /// Bytes that came, headers included.
    pub(crate) bytes_received: u64,
    /// Variation of the packets' transit time (RFC 3550, section 6.4.1), in seconds.
    pub(crate) jitter: Option<f64>,
    /// Packets that came too late to be used.
    pub(crate) packets_late: u64,
    /// Packets that were asked for again.
    pub(crate) retransmissions_requested: u64,
    /// Those of them that came.
    pub(crate) retransmissions_received: u64,
}

impl InboundStats {
    /// Reads what a reply of `get-stats` says of the stream with this SSRC; `None` when it says nothing.
    pub(crate) fn read(reply: &gst::StructureRef, ssrc: u32) -> Option<Self> {
        let entry = entries(reply).find(|entry| {
            entry.get::<WebRTCStatsType>("type") == Ok(WebRTCStatsType::InboundRtp)
                && entry.get::<u32>("ssrc") == Ok(ssrc)
        })?;
        let mut stats = Self {
            packets_received: count(&entry, "packets-received"),
            packets_lost: count(&entry, "packets-lost"),
            bytes_received: count(&entry, "bytes-received"),
            jitter: float(&entry, "jitter"),
            ..Self::default()
        };
        if let Ok(buffer) = entry.get::<gst::Structure>("gst-rtpjitterbuffer-stats") {
            stats.packets_late = count(&buffer, "num-late");
            stats.retransmissions_requested = count(&buffer, "rtx-count");
            stats.retransmissions_received = count(&buffer, "rtx-success-count");
        }
        Some(stats)
    }

    /// The same as fields of the public structure.
    pub(crate) fn write(&self, structure: &mut gst::StructureRef) {
        structure.set("packets-received", self.packets_received);
        structure.set("packets-lost", self.packets_lost);
        structure.set("packets-late", self.packets_late);
        structure.set("bytes-received", self.bytes_received);
        structure.set("retransmissions-requested", self.retransmissions_requested);
        structure.set("retransmissions-received", self.retransmissions_received);
        if let Some(seconds) = self.jitter {
            structure.set("jitter", seconds);
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
    fn a_received_stream_is_found_by_its_ssrc() {
        let inbound = |ssrc: u32, received: u64| {
            entry(WebRTCStatsType::InboundRtp)
                .field("ssrc", ssrc)
                .field("packets-received", received)
                .field("packets-lost", -2i64)
                .field("jitter", 0.004)
        };
        let buffer = gst::Structure::builder("application/x-rtp-jitterbuffer-stats")
            .field("num-late", 3u64)
            .field("rtx-count", 5u64)
            .field("rtx-success-count", 4u64)
            .build();
        let first = inbound(1, 10).field("gst-rtpjitterbuffer-stats", buffer).build();
        let reply = reply(vec![first, inbound(2, 20).build()]);
        let stats = InboundStats::read(&reply, 1).expect("it is there");
        assert_eq!((stats.packets_received, stats.packets_lost), (10, 0));
        assert_eq!((stats.jitter, stats.packets_late), (Some(0.004), 3));
        assert_eq!(
            (stats.retransmissions_requested, stats.retransmissions_received),
            (5, 4)
        );
        assert_eq!(
            InboundStats::read(&reply, 2).map(|stats| stats.packets_received),
            Some(20)
        );
        assert_eq!(InboundStats::read(&reply, 3), None);
        let mut written = gst::Structure::new_empty("s");
        stats.write(&mut written);
        assert_eq!(written.get::<f64>("jitter"), Ok(0.004));
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
