// SPDX-License-Identifier: MPL-2.0
//! One estimate split over the encoders of a session.
//!
//! The estimate is what the wire may carry. What is not media is taken off first: audio, headers, retransmissions,
//! FEC, and what still waits in the pacer. The rest is shared between encoders by weight, each within its bounds.

use std::time::Duration;

use crate::units::{Bitrate, DataSize};

/// What an encoder can use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// The lowest bitrate to ask of it, even where the estimate does not cover it.
    pub min: Bitrate,
    /// The highest.
    pub max: Bitrate,
    /// Its share relative to the others; not positive counts as nothing beyond `min`.
    pub weight: f64,
}

/// What the wire may carry and what of it is spoken for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    /// The controller's estimate.
    pub estimate: Bitrate,
    /// What streams without a variable rate send: audio, encoded input.
    pub fixed: Bitrate,
    /// What retransmissions took lately.
    pub retransmissions: Bitrate,
    /// FEC sent on top of media, as percentage of it.
    pub fec_percentage: u32,
    /// Share of the wire that is not payload, 0.0–1.0; see [`header_ratio`].
    pub header_ratio: f64,
    /// What waits in the pacer.
    pub backlog: DataSize,
}

impl Budget {
    /// What encoders may produce together.
    pub fn media(&self) -> Bitrate {
        let drained = self.backlog / DRAIN_TIME;
        let left =
            self.estimate - self.fixed - self.retransmissions.min(self.estimate * MOST_RETRANSMISSIONS);
        let floor = left * LEAST_WHILE_DRAINING;
        let payload = (left - drained).max(floor) * (1.0 - self.header_ratio.clamp(0.0, 0.5));
        payload * (100.0 / (100.0 + f64::from(self.fec_percentage.min(100))))
    }
}

/// Splits what is left of a budget over encoders: one bitrate per demand, in order.
///
/// Shares beyond an encoder's maximum go to the others. Every encoder gets at least its minimum, so with little to
/// share the sum can exceed the budget.
pub fn allocate(budget: &Budget, demands: &[Demand]) -> Vec<Bitrate> {
    let mut shares: Vec<Bitrate> = demands.iter().map(|demand| demand.min).collect();
    let mut open: Vec<usize> = (0..demands.len()).filter(|&i| demands[i].weight > 0.0).collect();
    let mut left = budget.media() - closed_sum(&shares, &open);
    // Each round closes at least one encoder at a bound or ends.
    while !open.is_empty() {
        let total: f64 = open.iter().map(|&i| demands[i].weight).sum();
        let ideal = |i: usize| left * (demands[i].weight / total);
        // Bounds below come first: what a minimum takes lessens the others' ideal, maxima are judged after.
        let low = open.iter().position(|&i| ideal(i) < demands[i].min);
        let high = || open.iter().position(|&i| ideal(i) > demands[i].max);
        let Some(position) = low.or_else(high) else {
            open.iter().for_each(|&i| shares[i] = ideal(i));
            break;
        };
        let index = open.remove(position);
        shares[index] = if low.is_some() {
            demands[index].min
        } else {
            demands[index].max.max(demands[index].min)
        };
        left = left - shares[index];
    }
    shares
}

/// The share of the wire that headers take, for packets of `payload` bytes with `header` bytes of RTP, extensions,
/// SRTP tag, UDP and IP.
pub fn header_ratio(payload: DataSize, header: DataSize) -> f64 {
    let whole = payload + header;
    if whole == DataSize::ZERO {
        0.0
    } else {
        header.bits_f64() / whole.bits_f64()
    }
}

fn closed_sum(shares: &[Bitrate], open: &[usize]) -> Bitrate {
    shares
        .iter()
        .enumerate()
        .filter(|(i, _)| !open.contains(i))
        .map(|(_, &share)| share)
        .sum()
}

/// In how much time a backlog is to be gone: half a second is what a conversation bears (ITU-T G.114 puts the limit at
/// 400 ms), and one key frame of five times the normal size still leaves the next pictures a third of their bits.
const DRAIN_TIME: Duration = Duration::from_millis(500);

/// What encoders keep while a backlog drains: enough to keep them running.
const LEAST_WHILE_DRAINING: f64 = 0.1;

/// Retransmissions beyond this share of the estimate are repeated in vain; they may not starve the media.
const MOST_RETRANSMISSIONS: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    const fn kbps(kbps: u64) -> Bitrate {
        Bitrate::from_kbps(kbps)
    }

    fn demand(min: u64, max: u64, weight: f64) -> Demand {
        Demand {
            min: kbps(min),
            max: kbps(max),
            weight,
        }
    }

    fn budget(estimate: u64) -> Budget {
        Budget {
            estimate: kbps(estimate),
            ..Budget::default()
        }
    }

    #[test]
    fn equal_weights_share_equally() {
        let demands = [demand(0, 9000, 1.0), demand(0, 9000, 1.0)];
        assert_eq!(allocate(&budget(2000), &demands), [kbps(1000), kbps(1000)]);
    }

    #[test]
    fn what_one_cannot_use_goes_to_the_others() {
        let demands = [demand(0, 300, 1.0), demand(0, 9000, 1.0), demand(0, 9000, 2.0)];
        assert_eq!(
            allocate(&budget(2100), &demands),
            [kbps(300), kbps(600), kbps(1200)]
        );
    }

    #[test]
    fn minima_hold_even_where_the_estimate_does_not_cover_them() {
        let demands = [demand(500, 9000, 1.0), demand(100, 9000, 1.0)];
        assert_eq!(allocate(&budget(400), &demands), [kbps(500), kbps(100)]);
        assert_eq!(allocate(&budget(700), &demands), [kbps(500), kbps(200)]);
    }

    #[test]
    fn a_demand_without_weight_gets_its_minimum() {
        let demands = [demand(64, 9000, 0.0), demand(0, 9000, 1.0)];
        assert_eq!(allocate(&budget(1000), &demands), [kbps(64), kbps(936)]);
    }

    #[test]
    fn no_encoders_need_no_split() {
        assert!(allocate(&budget(1000), &[]).is_empty());
    }

    #[test]
    fn the_sum_with_everything_deducted_is_the_estimate() {
        let budget = Budget {
            fixed: kbps(64),
            retransmissions: kbps(100),
            fec_percentage: 25,
            header_ratio: 0.1,
            ..budget(2000)
        };
        let media = budget.media().as_f64();
        let wire = media * 1.25 / 0.9 + 164_000.0;
        assert!((wire - 2_000_000.0).abs() < 10.0, "{wire}");
    }

    #[test]
    fn a_backlog_lowers_the_media_but_leaves_some() {
        let waiting = |bytes| Budget {
            backlog: DataSize::from_bytes(bytes),
            ..budget(1000)
        };
        assert_eq!(waiting(12_500).media(), kbps(800));
        assert_eq!(waiting(1_000_000).media(), kbps(100));
    }

    #[test]
    fn header_ratio_of_nothing_is_zero() {
        assert_eq!(header_ratio(DataSize::ZERO, DataSize::ZERO), 0.0);
        assert_eq!(
            header_ratio(DataSize::from_bytes(1150), DataSize::from_bytes(50)),
            50.0 / 1200.0
        );
    }
}
