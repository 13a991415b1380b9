// SPDX-License-Identifier: MPL-2.0
//! Pings while connected: the server says how often and how long its silence may last; any message is a sign of life.
//!
//! Pure. A server whose join response names no rhythm gets no pings, and its silence is not judged. What follows from
//! silence is `link`'s to decide. These pings are messages of LiveKit's protocol, apart from those of the websocket.
//! The interval and the timeout are the server's to choose; without a timeout three intervals have to do.

use std::time::{Duration, Instant};

use livekit_protocol as proto;

use super::Request;

/// Signs of life in both directions.
#[derive(Debug)]
pub(super) struct KeepAlive {
    /// When the clock of our pings began.
    started: Instant,
    /// How often to ping and how long to wait for a sign of life; `None` when the server wants no pings.
    rhythm: Option<(Duration, Duration)>,
    next_ping: Instant,
    last_heard: Instant,
    /// Of the last ping that was answered; told to the server with the next one.
    rtt: Duration,
}

impl KeepAlive {
    /// The rhythm of the join response, in seconds.
    pub(super) fn new(now: Instant, interval_s: i32, timeout_s: i32) -> Self {
        let seconds = |value: i32| {
            u64::try_from(value)
                .ok()
                .filter(|value| *value > 0)
                .map(Duration::from_secs)
        };
        let rhythm = seconds(interval_s).zip(seconds(timeout_s).or(seconds(interval_s.saturating_mul(3))));
        let next_ping = rhythm.map_or(now, |(interval, _)| now + interval);
        Self {
            started: now,
            rhythm,
            next_ping,
            last_heard: now,
            rtt: Duration::ZERO,
        }
    }

    /// The same rhythm on a connection made anew.
    pub(super) fn restart(&mut self, now: Instant) {
        self.last_heard = now;
        self.next_ping = self.rhythm.map_or(now, |(interval, _)| now + interval);
    }

    /// Something came.
    pub(super) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// The answer to a ping: gives the round trip.
    pub(super) fn pong(&mut self, now: Instant, pong: &proto::Pong) {
        // The time stamp is ours, echoed: milliseconds of this connection's own clock.
        let sent = u64::try_from(pong.last_ping_timestamp).unwrap_or_default();
        let sent = self.started.checked_add(Duration::from_millis(sent));
        self.rtt = sent.map_or(self.rtt, |sent| now.saturating_duration_since(sent));
    }

    /// The ping that is due now, if one is.
    pub(super) fn ping(&mut self, now: Instant) -> Option<Request> {
        let (interval, _) = self.rhythm.filter(|_| now >= self.next_ping)?;
        self.next_ping = now + interval;
        let timestamp = millis(now.saturating_duration_since(self.started));
        Some(Request::PingReq(proto::Ping {
            timestamp,
            rtt: millis(self.rtt),
        }))
    }

    /// Whether the server has been silent for too long.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.rhythm
            .is_some_and(|(_, timeout)| now >= self.last_heard + timeout)
    }

    /// When to ping or to notice silence.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.rhythm
            .map(|(_, timeout)| self.next_ping.min(self.last_heard + timeout))
    }
}

/// The protocol's unit of time.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn pings_keep_the_servers_rhythm() {
        let t0 = Instant::now();
        let mut alive = KeepAlive::new(t0, 5, 15);
        assert_eq!(alive.deadline(), Some(t0 + 5 * S));
        assert_eq!(alive.ping(t0 + 4 * S), None);
        assert!(matches!(alive.ping(t0 + 5 * S), Some(Request::PingReq(ping)) if ping.timestamp == 5000));
        assert_eq!(alive.ping(t0 + 6 * S), None);
        assert_eq!(alive.deadline(), Some(t0 + 10 * S));
    }

    #[test]
    fn silence_is_noticed_and_any_message_breaks_it() {
        let t0 = Instant::now();
        let mut alive = KeepAlive::new(t0, 5, 15);
        assert!(!alive.is_silent(t0 + 14 * S));
        assert!(alive.is_silent(t0 + 15 * S));
        alive.heard(t0 + 14 * S);
        assert!(!alive.is_silent(t0 + 15 * S));
    }

    #[test]
    fn the_round_trip_goes_into_the_next_ping() {
        let t0 = Instant::now();
        let mut alive = KeepAlive::new(t0, 5, 15);
        alive.ping(t0 + 5 * S);
        let pong = proto::Pong {
            last_ping_timestamp: 5000,
            timestamp: 1,
        };
        alive.pong(t0 + 5 * S + Duration::from_millis(80), &pong);
        assert!(matches!(alive.ping(t0 + 10 * S), Some(Request::PingReq(ping)) if ping.rtt == 80));
        alive.pong(
            t0,
            &proto::Pong {
                last_ping_timestamp: i64::MIN,
                timestamp: 0,
            },
        );
        alive.pong(
            t0,
            &proto::Pong {
                last_ping_timestamp: i64::MAX,
                timestamp: 0,
            },
        );
    }

    #[test]
    fn a_server_that_wants_no_pings_gets_none() {
        let t0 = Instant::now();
        for (interval, timeout) in [(0, 0), (-1, 15), (0, 15)] {
            let mut alive = KeepAlive::new(t0, interval, timeout);
            assert_eq!(alive.deadline(), None);
            assert_eq!(alive.ping(t0 + 100 * S), None);
            assert!(!alive.is_silent(t0 + 100 * S));
        }
    }
}
