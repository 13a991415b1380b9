// SPDX-License-Identifier: MPL-2.0
//! What goes wrong with the double, set by tests. Pure.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

/// What can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// DescribeSignalingChannel.
    Describe,
    /// GetSignalingChannelEndpoint.
    Endpoint,
    /// GetIceServerConfig.
    Ice,
    /// The websocket's upgrade.
    Connect,
}

/// A refusal of some calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which call.
    pub call: Call,
    /// Which of them, counted from 1.
    pub nth: RangeInclusive<usize>,
    /// HTTP status.
    pub status: u16,
    /// The service's name for it, such as `ResourceNotFoundException`.
    pub kind: &'static str,
}

/// One entry of the ICE configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServer {
    /// Addresses by RFC 7065.
    pub uris: Vec<String>,
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
    /// How long they last, in seconds.
    pub ttl: u32,
}

/// The switches.
#[derive(Debug, Clone, Default)]
pub struct Switches {
    /// Calls that are refused.
    pub refusals: Vec<Refusal>,
    /// How long every call takes to be answered.
    pub delay: Duration,
    /// How far the service's clock is ahead of this machine's.
    pub clock_ahead: Duration,
    /// The ICE configuration.
    pub ice: Vec<IceServer>,
}

impl Switches {
    /// The refusal that call number `count` of its kind meets.
    pub(super) fn refusal(&self, call: Call, count: usize) -> Option<Refusal> {
        let mut refusals = self.refusals.iter();
        refusals
            .find(|refusal| refusal.call == call && refusal.nth.contains(&count))
            .cloned()
    }

    /// The service's time.
    pub(super) fn now(&self) -> SystemTime {
        SystemTime::now() + self.clock_ahead
    }
}

impl IceServer {
    pub(super) fn to_json(&self) -> Value {
        json!({"Uris": self.uris, "Username": self.username, "Password": self.password, "Ttl": self.ttl})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_calls_named_are_refused() {
        let refusal = Refusal {
            call: Call::Ice,
            nth: 2..=3,
            status: 500,
            kind: "InternalFailure",
        };
        let switches = Switches {
            refusals: vec![refusal.clone()],
            ..Switches::default()
        };
        let refused = |call, count| switches.refusal(call, count);
        assert_eq!(refused(Call::Ice, 1), None);
        assert_eq!(refused(Call::Ice, 2), Some(refusal));
        assert_eq!(refused(Call::Ice, 4), None);
        assert_eq!(refused(Call::Describe, 2), None);
    }
}
