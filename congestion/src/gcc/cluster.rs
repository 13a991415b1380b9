// SPDX-License-Identifier: MPL-2.0
//! What a probe shows: how fast its packets left and how fast they arrived.

use std::collections::BTreeMap;

use crate::ProbeCluster;
use crate::feedback::{ProbeId, SentPacket};
use crate::units::{Bitrate, DataSize, Timestamp};

/// Measures the probes under way.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    open: BTreeMap<ProbeId, Cluster>,
}

/// A completed measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ProbeResult {
    /// The rate that the link proved to carry.
    pub(super) rate: Bitrate,
    /// Whether it arrived as fast as it left: the link may carry more.
    pub(super) unsaturated: bool,
}

#[derive(Debug)]
struct Cluster {
    wanted: ProbeCluster,
    packets: u32,
    size: DataSize,
    first_sent: (Timestamp, DataSize),
    last_sent: (Timestamp, DataSize),
    first_arrived: (Timestamp, DataSize),
    last_arrived: (Timestamp, DataSize),
}

impl Clusters {
    /// A probe was asked for: its packets will come back.
    pub(super) fn expect(&mut self, wanted: ProbeCluster) {
        while self.open.len() >= MOST_OPEN {
            self.open.pop_first();
        }
        let none = (Timestamp::ZERO, DataSize::ZERO);
        let (packets, size) = (0, DataSize::ZERO);
        let cluster = Cluster {
            wanted,
            packets,
            size,
            first_sent: none,
            last_sent: none,
            first_arrived: none,
            last_arrived: none,
        };
        self.open.insert(wanted.id, cluster);
    }

    /// Counts a packet of a probe; returns the result once enough of it arrived.
    pub(super) fn on_arrival(&mut self, packet: &SentPacket, arrived: Timestamp) -> Option<ProbeResult> {
        let id = packet.probe?;
        let cluster = self.open.get_mut(&id)?;
        cluster.add(packet, arrived);
        if !cluster.is_enough() {
            return None;
        }
        self.open.remove(&id)?.result()
    }
}

impl Cluster {
    fn add(&mut self, packet: &SentPacket, arrived: Timestamp) {
        let (left, came) = ((packet.sent, packet.size), (arrived, packet.size));
        if self.packets == 0 {
            (self.first_sent, self.last_sent) = (left, left);
            (self.first_arrived, self.last_arrived) = (came, came);
        }
        self.packets += 1;
        self.size += packet.size;
        keep(&mut self.first_sent, left, |new, old| new < old);
        keep(&mut self.last_sent, left, |new, old| new >= old);
        keep(&mut self.first_arrived, came, |new, old| new < old);
        keep(&mut self.last_arrived, came, |new, old| new >= old);
    }

    fn is_enough(&self) -> bool {
        let packets = f64::from(self.wanted.min_packets) * ENOUGH;
        f64::from(self.packets) >= packets && self.size.bits_f64() >= self.wanted.size.bits_f64() * ENOUGH
    }

    /// `None` where the times make no sense.
    fn result(&self) -> Option<ProbeResult> {
        let sent_ms = self.last_sent.0.millis_since(self.first_sent.0);
        let arrived_ms = self.last_arrived.0.millis_since(self.first_arrived.0);
        if !(LEAST_MS..MOST_MS).contains(&sent_ms) || !(LEAST_MS..MOST_MS).contains(&arrived_ms) {
            return None;
        }
        // What left last took no time to leave, what arrived first opens the interval of arrival.
        let sent = Bitrate::from_bps(((self.size - self.last_sent.1).bits_f64() / sent_ms * 1000.0) as u64);
        let arrived =
            Bitrate::from_bps(((self.size - self.first_arrived.1).bits_f64() / arrived_ms * 1000.0) as u64);
        if arrived > sent * MOST_GAIN {
            return None;
        }
        let unsaturated = arrived >= sent * UNSATURATED;
        let rate = if unsaturated {
            sent.min(arrived)
        } else {
            arrived * BELOW_SATURATION
        };
        Some(ProbeResult { rate, unsaturated })
    }
}

fn keep<T: Copy>(
    kept: &mut (Timestamp, T),
    new: (Timestamp, T),
    better: impl Fn(Timestamp, Timestamp) -> bool,
) {
    if better(new.0, kept.0) {
        *kept = new;
    }
}

/// Share of a probe that must have arrived (libwebrtc, `kMinReceivedProbesRatio`, `kMinReceivedBytesRatio`).
const ENOUGH: f64 = 0.8;
/// Bounds of a sensible duration: below, the clocks' resolution is all there is (libwebrtc: 1 s above).
const LEAST_MS: f64 = 2.0;
const MOST_MS: f64 = 1000.0;
/// A probe does not arrive faster than it left, but for what a queue released at once (libwebrtc,
/// `kMaxValidRatio`).
const MOST_GAIN: f64 = 2.0;
/// Slower than this share it met the limit (libwebrtc, `kMinRatioForUnsaturatedLink`).
const UNSATURATED: f64 = 0.9;
/// A measured limit is not sent at, or the queue of the probe would stay (libwebrtc, `kTargetUtilizationFraction`).
const BELOW_SATURATION: f64 = 0.95;
/// Probes unanswered at once; older ones are given up.
const MOST_OPEN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// Five packets of 1250 bytes `sent_ms` apart, arriving `arrived_ms` apart.
    fn probe(sent_ms: u64, arrived_ms: u64) -> Option<ProbeResult> {
        let size = DataSize::from_bytes(1250);
        let wanted = ProbeCluster {
            id: ProbeId(1),
            rate: Bitrate::ZERO,
            size,
            min_packets: 6,
        };
        let mut clusters = Clusters::default();
        clusters.expect(wanted);
        (0..5).fold(None, |result, n| {
            let sent = Timestamp::from_millis(n * sent_ms);
            let packet = SentPacket {
                sequence: n,
                sent,
                size,
                probe: Some(ProbeId(1)),
            };
            clusters
                .on_arrival(&packet, Timestamp::from_millis(100 + n * arrived_ms))
                .or(result)
        })
    }

    #[test]
    fn a_probe_that_arrives_as_it_left_proves_its_rate() {
        let result = probe(5, 5).unwrap();
        assert_eq!(
            result,
            ProbeResult {
                rate: Bitrate::from_kbps(2000),
                unsaturated: true
            }
        );
    }

    #[test]
    fn a_slower_arrival_is_the_capacity() {
        let result = probe(5, 10).unwrap();
        assert_eq!(
            result,
            ProbeResult {
                rate: Bitrate::from_kbps(950),
                unsaturated: false
            }
        );
    }

    #[test]
    fn nonsense_is_no_result() {
        assert_eq!(probe(5, 0), None);
        assert_eq!(probe(0, 5), None);
        assert_eq!(probe(9, 3), None);
        assert_eq!(probe(400, 400), None);
    }

    #[test]
    fn unknown_probes_are_ignored_and_few_are_open() {
        let mut clusters = Clusters::default();
        let (size, rate) = (DataSize::from_bytes(1), Bitrate::ZERO);
        for id in 0..10 {
            clusters.expect(ProbeCluster {
                id: ProbeId(id),
                rate,
                size,
                min_packets: 1,
            });
        }
        assert_eq!(clusters.open.len(), MOST_OPEN);
        let packet = SentPacket {
            sequence: 0,
            sent: Timestamp::ZERO,
            size,
            probe: Some(ProbeId(0)),
        };
        assert_eq!(clusters.on_arrival(&packet, Timestamp::ZERO), None);
        assert!(clusters.open.contains_key(&ProbeId(9)));
    }
}
