// SPDX-License-Identifier: MPL-2.0
//! How many useless requests an address may make (RFC 9725, section 5: endpoints need protection against floods).
//!
//! Only requests that were refused cost something, so a crowd of proper clients behind one address is never turned away
//! because of its number; the number of sessions has its own limit. Pure; the server keeps one behind a lock.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

/// Refused requests an address may make at once.
const BURST: u32 = 256;
/// One more is forgiven this often.
const FORGIVEN_EVERY: Duration = Duration::from_millis(50);
/// Addresses remembered; beyond, those that owe least are forgotten.
const MAX_ADDRESSES: usize = 1024;

/// What each address owes.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    /// When the address will owe nothing any more.
    clear_at: HashMap<IpAddr, Instant>,
}

impl Limits {
    /// How long `address` has to wait before it is listened to again; `None` when it need not.
    pub(crate) fn wait(&self, now: Instant, address: IpAddr) -> Option<Duration> {
        let owed = self.clear_at.get(&address)?.saturating_duration_since(now);
        let allowed = FORGIVEN_EVERY * BURST;
        (owed > allowed).then(|| owed - allowed)
    }

    /// Notes a refused request.
    pub(crate) fn refused(&mut self, now: Instant, address: IpAddr) {
        if self.clear_at.len() >= MAX_ADDRESSES && !self.clear_at.contains_key(&address) {
            self.forget(now);
        }
        let clear_at = self.clear_at.entry(address).or_insert(now);
        *clear_at = (*clear_at).max(now) + FORGIVEN_EVERY;
    }

    fn forget(&mut self, now: Instant) {
        self.clear_at.retain(|_, clear_at| *clear_at > now);
        if self.clear_at.len() >= MAX_ADDRESSES
            && let Some(least) = self
                .clear_at
                .iter()
                .min_by_key(|(_, clear_at)| **clear_at)
                .map(|(a, _)| *a)
        {
            self.clear_at.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from(n).into()
    }

    #[test]
    fn a_burst_passes_and_a_flood_waits() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        for _ in 0..BURST {
            limits.refused(now, address(1));
        }
        assert_eq!(limits.wait(now, address(1)), None);
        limits.refused(now, address(1));
        assert_eq!(limits.wait(now, address(1)), Some(FORGIVEN_EVERY));
        assert_eq!(limits.wait(now, address(2)), None);
    }

    #[test]
    fn waiting_helps() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        for _ in 0..2 * BURST {
            limits.refused(now, address(1));
        }
        let wait = limits.wait(now, address(1)).unwrap();
        assert_eq!(limits.wait(now + wait, address(1)), None);
    }

    #[test]
    fn memory_is_bounded_and_debtors_are_remembered() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        for _ in 0..2 * BURST {
            limits.refused(now, address(0));
        }
        for n in 1..10_000 {
            limits.refused(now, address(n));
        }
        assert!(limits.clear_at.len() <= MAX_ADDRESSES);
        assert!(limits.wait(now, address(0)).is_some());
    }
}
