// SPDX-License-Identifier: MPL-2.0
//! What a standing connection to the channel needs, and when: pings, other TURN credentials, a successor. Pure.

use std::time::{Duration, Instant};

/// The times of one connection.
#[derive(Debug)]
pub(super) struct Upkeep {
    ping_after: Duration,
    born: Instant,
    last_sent: Instant,
    last_heard: Instant,
    last_ping: Instant,
    /// `None` while the TURN servers are being fetched.
    refresh_at: Option<Instant>,
    /// `None` while the next connection is being made.
    move_at: Option<Instant>,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing was sent, or heard, for a while.
    Ping,
    /// Pings are not answered.
    Silence,
    /// The TURN credentials end soon.
    Refresh,
    /// The service ends the connection soon.
    Move,
}

impl Upkeep {
    /// A connection made now, with TURN credentials that last for `lifetime`; pinged after `ping_after` of idleness.
    pub(super) fn new(now: Instant, ping_after: Duration, lifetime: Option<Duration>) -> Self {
        let mut upkeep = Self {
            ping_after,
            born: now,
            last_sent: now,
            last_heard: now,
            last_ping: now,
            refresh_at: None,
            move_at: Some(now + CONNECTION_LIFE),
        };
        upkeep.refreshed(now, lifetime);
        upkeep
    }

    /// Whether the connection has lasted long enough to forget the failures before it.
    pub(super) fn is_stable(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.born) >= STABLE
    }

    /// A message left.
    pub(super) fn sent(&mut self, now: Instant) {
        self.last_sent = now;
    }

    /// A ping left.
    pub(super) fn pinged(&mut self, now: Instant) {
        self.last_sent = now;
        self.last_ping = now;
    }

    /// Something came.
    pub(super) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// The TURN servers are being fetched.
    pub(super) fn refreshing(&mut self) {
        self.refresh_at = None;
    }

    /// They are here. They are fetched again well before they end; what a viewer got is good for the life of its
    /// allocation.
    pub(super) fn refreshed(&mut self, now: Instant, lifetime: Option<Duration>) {
        let lifetime = lifetime
            .unwrap_or(DEFAULT_ICE_LIFETIME)
            .clamp(SHORTEST_ICE_LIFETIME, CONNECTION_LIFE);
        self.refresh_at = Some(now + lifetime.mul_f64(0.8));
    }

    /// They could not be had: again at `at`.
    pub(super) fn refresh_at(&mut self, at: Instant) {
        self.refresh_at = Some(at);
    }

    /// The next connection is being made.
    pub(super) fn moving(&mut self) {
        self.move_at = None;
    }

    /// The next connection is to be made at `at`, or earlier where that was planned.
    pub(super) fn move_at(&mut self, at: Instant) {
        self.move_at = Some(self.move_at.map_or(at, |planned| planned.min(at)));
    }

    /// What is due first, if anything is by now.
    pub(super) fn due(&self, now: Instant) -> Option<Due> {
        let due = self.times().into_iter().filter(|(at, _)| *at <= now);
        due.min_by_key(|(at, _)| *at).map(|(_, due)| due)
    }

    /// When to ask again.
    pub(super) fn deadline(&self) -> Instant {
        let times = self.times().into_iter().map(|(at, _)| at);
        times.min().unwrap_or(self.born + CONNECTION_LIFE)
    }

    /// Everything that is planned.
    fn times(&self) -> Vec<(Instant, Due)> {
        // A peer that sends and is never answered is pinged as well, though no more often than an idle one.
        let idle = self.last_sent.min(self.last_heard).max(self.last_ping);
        let silence = (self.ping_after * MISSED_PINGS).max(SHORTEST_SILENCE);
        let mut times = vec![
            (self.last_heard + silence, Due::Silence),
            (idle + self.ping_after, Due::Ping),
        ];
        times.extend(self.refresh_at.map(|at| (at, Due::Refresh)));
        times.extend(self.move_at.map(|at| (at, Due::Move)));
        times
    }
}

/// The service ends a connection after an hour; ours leaves before, at a time of its own choice.
const CONNECTION_LIFE: Duration = Duration::from_secs(55 * 60);
/// A connection that ends sooner, because another master takes the channel or the service is in trouble, does not
/// shorten the pause before the next.
const STABLE: Duration = Duration::from_secs(60);
/// What the service's documentation gives for TURN credentials.
const DEFAULT_ICE_LIFETIME: Duration = Duration::from_secs(300);
/// The service's quota on GetIceServerConfig is not to be spent on a server that says one second.
const SHORTEST_ICE_LIFETIME: Duration = Duration::from_secs(5);
/// A connection is lost when this many pings in a row get no answer.
const MISSED_PINGS: u32 = 3;
/// What a short `ping-timeout` leaves a slow network.
const SHORTEST_SILENCE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn upkeep(now: Instant) -> Upkeep {
        Upkeep::new(now, 30 * S, Some(300 * S))
    }

    #[test]
    fn an_idle_connection_is_pinged() {
        let t0 = Instant::now();
        let mut upkeep = upkeep(t0);
        assert_eq!((upkeep.due(t0 + 29 * S), upkeep.deadline()), (None, t0 + 30 * S));
        assert_eq!(upkeep.due(t0 + 30 * S), Some(Due::Ping));
        upkeep.pinged(t0 + 30 * S);
        upkeep.heard(t0 + 30 * S);
        assert_eq!(upkeep.due(t0 + 59 * S), None);
        upkeep.sent(t0 + 50 * S);
        upkeep.heard(t0 + 50 * S);
        assert_eq!(upkeep.due(t0 + 79 * S), None);
        assert_eq!(upkeep.due(t0 + 80 * S), Some(Due::Ping));
    }

    #[test]
    fn a_peer_that_answers_nothing_is_pinged_and_then_given_up() {
        let t0 = Instant::now();
        let mut upkeep = upkeep(t0);
        let mut pings = 0;
        for second in 0..89 {
            let now = t0 + second * S;
            upkeep.sent(now);
            match upkeep.due(now) {
                Some(Due::Ping) => {
                    upkeep.pinged(now);
                    pings += 1;
                }
                due => assert_eq!(due, None),
            }
        }
        assert_eq!(pings, 2);
        upkeep.pinged(t0 + 90 * S);
        assert_eq!(upkeep.due(t0 + 90 * S), Some(Due::Silence));
    }

    #[test]
    fn a_short_ping_timeout_leaves_time_to_answer() {
        let t0 = Instant::now();
        let mut upkeep = Upkeep::new(t0, S, None);
        for second in 1..15 {
            upkeep.pinged(t0 + second * S);
        }
        assert_eq!(upkeep.due(t0 + 14 * S), None);
        assert_eq!(upkeep.due(t0 + 15 * S), Some(Due::Silence));
    }

    #[test]
    fn credentials_are_renewed_before_they_end() {
        let t0 = Instant::now();
        for (lifetime, expected) in [(None, 240), (Some(10), 8), (Some(0), 4)] {
            let mut upkeep = Upkeep::new(t0, 3600 * S, lifetime.map(Duration::from_secs));
            assert_eq!(upkeep.deadline(), t0 + expected * S, "{lifetime:?}");
            assert_eq!(upkeep.due(upkeep.deadline()), Some(Due::Refresh));
            upkeep.refreshing();
            assert_eq!(upkeep.due(t0 + 3000 * S), None);
        }
        let mut upkeep = upkeep(t0);
        upkeep.refresh_at(t0 + S);
        assert_eq!(upkeep.due(t0 + S), Some(Due::Refresh));
    }

    #[test]
    fn a_connection_has_a_successor_before_the_service_ends_it() {
        let t0 = Instant::now();
        let mut upkeep = Upkeep::new(t0, 7200 * S, Some(Duration::MAX));
        upkeep.refreshing();
        assert_eq!(upkeep.due(t0 + CONNECTION_LIFE), Some(Due::Move));
        upkeep.moving();
        assert_eq!(upkeep.due(t0 + CONNECTION_LIFE), None);
        upkeep.move_at(t0 + 10 * S);
        upkeep.move_at(t0 + 20 * S);
        assert_eq!(upkeep.deadline(), t0 + 10 * S);
    }

    #[test]
    fn only_what_lasts_is_stable() {
        let t0 = Instant::now();
        assert!(!upkeep(t0).is_stable(t0 + 59 * S));
        assert!(upkeep(t0).is_stable(t0 + 60 * S));
    }

    #[test]
    fn extreme_settings_do_not_overflow() {
        let t0 = Instant::now();
        let upkeep = Upkeep::new(
            t0,
            Duration::from_secs(i32::MAX.unsigned_abs().into()),
            Some(Duration::MAX),
        );
        assert!(upkeep.deadline() <= t0 + CONNECTION_LIFE);
    }
}
