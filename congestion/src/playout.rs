// SPDX-License-Identifier: MPL-2.0
//! How long a receiver should hold pictures back, so that repairs of what the link loses are in time.
//!
//! A receiver that shows each picture as soon as it can freezes whenever a packet is lost, until a retransmission comes a
//! round trip later. One that is a round trip behind shows an even picture instead. That is worth its delay only where
//! the link itself loses packets, so elsewhere nothing is asked for.

use std::time::Duration;

use crate::units::Timestamp;

/// Decides the delay to ask of a session's receiver.
#[derive(Clone, Debug)]
pub struct PlayoutPolicy {
    most: Duration,
    delay: Duration,
    /// Since when there is loss, if there is.
    since: Option<Timestamp>,
    /// When loss that lasted was last seen.
    lossy: Option<Timestamp>,
}

impl PlayoutPolicy {
    /// A policy that asks for `most` at most, and for nothing at first.
    pub const fn new(most: Duration) -> Self {
        Self {
            most,
            delay: Duration::ZERO,
            since: None,
            lossy: None,
        }
    }

    /// The delay decided last.
    pub const fn delay(&self) -> Duration {
        self.delay
    }

    /// Takes what the link loses by itself (0.0–1.0) and the path's round trip ([`crate::path`]), and returns the delay to
    /// ask for: zero where pictures should be shown as soon as they can.
    pub fn update(&mut self, now: Timestamp, own_loss_ratio: f64, path: Option<Duration>) -> Duration {
        let is_lossy = own_loss_ratio >= LEAST_LOSS;
        self.since = self.since.or(Some(now)).filter(|_| is_lossy);
        if self.since.is_some_and(|since| now - since >= ON_AFTER) {
            self.lossy = Some(now);
            let wanted = path.map_or(self.delay, |rtt| self.most.min(rtt.saturating_add(REPAIR)));
            // Each change is seen as a picture that runs slow or fast for a while: small ones are not worth it.
            if self.delay.is_zero() || wanted.abs_diff(self.delay) >= WORTHWHILE {
                self.delay = wanted;
            }
        } else if self.lossy.is_none_or(|last| now - last >= OFF_AFTER) {
            self.delay = Duration::ZERO;
        }
        self.delay
    }
}

/// Loss from which pictures are held: at 1 % and 2 Mbit/s a packet is lost twice a second.
const LEAST_LOSS: f64 = 0.01;
/// How long loss must last: one burst, however many packets it took, is over before anything could be held.
const ON_AFTER: Duration = Duration::from_secs(1);
/// What a repair takes beyond the round trip: noticing the gap (a picture later, 33 ms), the sender's pacing, and being
/// asked for again once (libwebrtc's NACK module runs every 20 ms).
const REPAIR: Duration = Duration::from_millis(100);
/// How long pictures stay held after the last reason: loss comes and goes, and each change costs a receiver some
/// seconds of a picture that runs slow or fast.
const OFF_AFTER: Duration = Duration::from_secs(30);
/// The least change that is worth a receiver's adjustment.
const WORTHWHILE: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const RTT: Option<Duration> = Some(Duration::from_millis(240));

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn policy() -> PlayoutPolicy {
        PlayoutPolicy::new(400 * MS)
    }

    /// After loss of this share for a second.
    fn held(
        policy: &mut PlayoutPolicy,
        from_ms: u64,
        own_loss_ratio: f64,
        rtt: Option<Duration>,
    ) -> Duration {
        policy.update(at(from_ms), own_loss_ratio, rtt);
        policy.update(at(from_ms + 1000), own_loss_ratio, rtt)
    }

    #[test]
    fn a_link_that_loses_nothing_holds_nothing() {
        assert_eq!(held(&mut policy(), 0, 0.005, RTT), Duration::ZERO);
    }

    #[test]
    fn a_lossy_one_is_given_the_time_of_a_repair() {
        assert_eq!(held(&mut policy(), 0, 0.05, RTT), 340 * MS);
        assert_eq!(held(&mut policy(), 0, 0.05, Some(50 * MS)), 150 * MS);
        assert_eq!(
            held(&mut policy(), 0, 0.05, None),
            Duration::ZERO,
            "not known yet"
        );
    }

    #[test]
    fn bursts_hold_nothing() {
        let mut policy = policy();
        for second in 0..20 {
            assert_eq!(policy.update(at(second * 1000), 0.2, RTT), Duration::ZERO);
            assert_eq!(policy.update(at(second * 1000 + 900), 0.0, RTT), Duration::ZERO);
        }
    }

    #[test]
    fn nobody_waits_longer_than_the_most() {
        assert_eq!(held(&mut policy(), 0, 0.5, Some(2000 * MS)), 400 * MS);
        assert_eq!(
            held(&mut PlayoutPolicy::new(Duration::ZERO), 0, 0.5, RTT),
            Duration::ZERO
        );
        assert_eq!(held(&mut PlayoutPolicy::new(30 * MS), 0, 0.5, RTT), 30 * MS);
        let forever = held(
            &mut PlayoutPolicy::new(Duration::MAX),
            0,
            0.5,
            Some(Duration::MAX),
        );
        assert_eq!(forever, Duration::MAX);
    }

    #[test]
    fn pictures_stay_held_while_the_round_trip_is_not_measured() {
        let mut policy = policy();
        assert_eq!(held(&mut policy, 0, 0.05, RTT), 340 * MS);
        assert_eq!(policy.update(at(12_000), 0.05, None), 340 * MS);
    }

    #[test]
    fn small_changes_of_the_round_trip_change_nothing() {
        let mut policy = policy();
        assert_eq!(held(&mut policy, 0, 0.05, RTT), 340 * MS);
        assert_eq!(policy.update(at(12_000), 0.05, Some(260 * MS)), 340 * MS);
        assert_eq!(policy.update(at(23_000), 0.05, Some(100 * MS)), 200 * MS);
    }

    #[test]
    fn pictures_stay_held_through_a_pause_in_loss() {
        let mut policy = policy();
        assert_eq!(held(&mut policy, 0, 0.05, RTT), 340 * MS);
        assert_eq!(policy.update(at(30_000), 0.0, RTT), 340 * MS);
        assert_eq!(policy.update(at(31_000), 0.0, RTT), Duration::ZERO);
    }
}
