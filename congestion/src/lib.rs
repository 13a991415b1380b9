// SPDX-License-Identifier: MPL-2.0
//! Congestion control for real-time media as plain Rust: values and a time go in, values come out.
//!
//! There is no clock, no thread, no socket and no media framework here. [`Controller`] is what every algorithm
//! fulfils; [`Algorithm`] names those there are. A sender drives one like this:
//!
//! ```
//! use congestion::{Algorithm, Limits, SentHistory, PacketReport};
//! use congestion::units::{Bitrate, DataSize, Timestamp};
//!
//! let limits = Limits::new(Bitrate::from_kbps(100), Bitrate::from_kbps(2000), Bitrate::from_kbps(500));
//! let mut controller = Algorithm::Gcc.controller(limits, Timestamp::ZERO);
//! let mut history = SentHistory::default();
//!
//! // A packet leaves …
//! let packet = history.sent(Timestamp::from_millis(1), DataSize::from_bytes(1200), None);
//! controller.on_packet_sent(&packet);
//! // … the receiver reports it …
//! let report = [PacketReport { sequence: 0, arrived: Some(Timestamp::from_millis(500)) }];
//! let feedback = history.join(&report);
//! controller.on_feedback(Timestamp::from_millis(101), &feedback);
//! // … and time passes.
//! controller.on_time(Timestamp::from_millis(120));
//! assert!(controller.estimate().target <= Bitrate::from_kbps(2000));
//! ```
//!
//! Around the estimate: [`pacer`] decides what leaves when, [`allocate`] splits the estimate over encoders,
//! [`layers`] a stream's share over the sizes it is sent in, [`fec`] decides whether redundancy pays, [`playout`] how long
//! pictures are held so that repairs are in time, [`mitigate`] lowers resolution and frame rate where the rate is too low.

pub mod allocate;
pub mod fec;
pub mod feedback;
pub mod gcc;
pub mod history;
pub mod homegrown;
pub mod layers;
pub mod mitigate;
pub mod pacer;
pub mod path;
pub mod playout;
pub mod units;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use feedback::{Feedback, PacketResult, ProbeId, ReceiverReport, SentPacket};
pub use history::{PacketReport, SentHistory};
use pacer::Pace;
use units::{Bitrate, DataSize, Timestamp};

/// A congestion controller: learns from what was sent and what came back, and says how much may be sent.
///
/// `now` never decreases between calls. Nothing that is passed in can make one panic or leave its [`Limits`].
pub trait Controller: fmt::Debug + Send {
    /// Replaces the limits; the estimate moves into them at once.
    fn set_limits(&mut self, limits: Limits);

    /// A packet left.
    fn on_packet_sent(&mut self, packet: &SentPacket);

    /// A transport-wide feedback report arrived.
    fn on_feedback(&mut self, now: Timestamp, feedback: &Feedback);

    /// A receiver report arrived. Where there is transport-wide feedback only its round trip is used.
    fn on_receiver_report(&mut self, now: Timestamp, report: &ReceiverReport);

    /// The receiver named a maximum (REMB, draft-alvestrand-rmcat-remb-03).
    fn on_remb(&mut self, now: Timestamp, maximum: Bitrate);

    /// Time passed; to be called at least every [`TICK`] while anything is sent.
    fn on_time(&mut self, now: Timestamp);

    /// What may be sent now.
    fn estimate(&self) -> Estimate;

    /// The next probe to send, if one is wanted; each is returned once.
    fn poll_probe(&mut self, now: Timestamp) -> Option<ProbeCluster>;
}

/// How often [`Controller::on_time`] wants to be called (process interval of draft-ietf-rmcat-gcc-02's sender).
pub const TICK: Duration = Duration::from_millis(25);

/// The algorithms there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// Google congestion control, draft-ietf-rmcat-gcc-02 with probing and application-limited detection.
    #[default]
    Gcc,
    /// The simple sender-side heuristic.
    Homegrown,
}

impl Algorithm {
    /// A controller of this kind, started at `now`.
    pub fn controller(self, limits: Limits, now: Timestamp) -> Box<dyn Controller> {
        match self {
            Self::Gcc => Box::new(gcc::Gcc::new(limits, now)),
            Self::Homegrown => Box::new(homegrown::Homegrown::new(limits, now)),
        }
    }

    /// The name it is chosen by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gcc => "gcc",
            Self::Homegrown => "homegrown",
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        let known = [Self::Gcc, Self::Homegrown];
        known
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| UnknownAlgorithm(name.to_owned()))
    }
}

/// The name of no algorithm.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no congestion control algorithm is named {0:?}")]
pub struct UnknownAlgorithm(pub String);

/// The bounds of an estimate, for everything a session sends together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    min: Bitrate,
    max: Bitrate,
    start: Bitrate,
    needed: Bitrate,
}

impl Limits {
    /// Limits in consistent order: a `max` below `min` is raised to it, `start` is moved between the two.
    pub fn new(min: Bitrate, max: Bitrate, start: Bitrate) -> Self {
        let max = max.max(min);
        Self {
            min,
            max,
            start: start.clamp(min, max),
            needed: max,
        }
    }

    /// The same for a sender that never needs more than `needed`, though an estimate may be higher: once that is covered,
    /// nobody has to go on searching.
    #[must_use]
    pub fn needing(self, needed: Bitrate) -> Self {
        let needed = needed.clamp(self.min, self.max);
        Self { needed, ..self }
    }

    /// What the sender can use; the maximum unless told otherwise.
    pub const fn needed(&self) -> Bitrate {
        self.needed
    }

    /// The lowest estimate.
    pub const fn min(&self) -> Bitrate {
        self.min
    }

    /// The highest estimate.
    pub const fn max(&self) -> Bitrate {
        self.max
    }

    /// The estimate before anything is known.
    pub const fn start(&self) -> Bitrate {
        self.start
    }

    /// `rate` moved between the bounds.
    pub fn clamp(&self, rate: Bitrate) -> Bitrate {
        rate.clamp(self.min, self.max)
    }
}

/// What a controller believes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// What everything sent may add up to, headers, retransmissions, FEC and probes included.
    pub target: Bitrate,
    /// Share of packets lost lately, 0.0–1.0, smoothed.
    pub loss_ratio: f64,
    /// Share that the link loses whatever is sent, 0.0–1.0: the least of the last seconds.
    pub own_loss_ratio: f64,
    /// Round trip, once one was measured.
    pub rtt: Option<Duration>,
    /// What the receiver got lately, where there is transport-wide feedback.
    pub acknowledged: Option<Bitrate>,
    /// How the delay based part sees the link.
    pub usage: Usage,
    /// Whether the path is known to be wider than all that is sent, so that pictures need not be spread out.
    pub is_clear: bool,
}

impl Estimate {
    /// How to pace what is sent.
    pub const fn pace(&self) -> Pace {
        if self.is_clear { Pace::Hasty } else { Pace::Even }
    }
}

/// How a link looks from its delay (draft-ietf-rmcat-gcc-02, section 5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// Its queue grows.
    Over,
    /// Its queue neither grows nor shrinks.
    #[default]
    Normal,
    /// Its queue shrinks.
    Under,
}

/// A probe: packets sent in a row at more than the estimate, to see whether they arrive as fast as they left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeCluster {
    /// Marks the packets of this probe.
    pub id: ProbeId,
    /// The rate to send it at.
    pub rate: Bitrate,
    /// How much to send; media waiting in the pacer first, padding for the rest.
    pub size: DataSize,
    /// The fewest packets that make a measurement.
    pub min_packets: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_put_themselves_in_order() {
        let kbps = Bitrate::from_kbps;
        let limits = Limits::new(kbps(500), kbps(100), kbps(2000));
        assert_eq!(
            (limits.min(), limits.max(), limits.start()),
            (kbps(500), kbps(500), kbps(500))
        );
        let limits = Limits::new(kbps(100), kbps(900), kbps(300));
        assert_eq!(limits.start(), kbps(300));
        assert_eq!(limits.clamp(kbps(5000)), kbps(900));
    }

    #[test]
    fn what_is_needed_lies_within_the_limits() {
        let kbps = Bitrate::from_kbps;
        let limits = Limits::new(kbps(100), kbps(2000), kbps(300));
        assert_eq!(limits.needed(), kbps(2000));
        assert_eq!(limits.needing(kbps(1000)).needed(), kbps(1000));
        assert_eq!(limits.needing(kbps(5000)).needed(), kbps(2000));
    }

    #[test]
    fn algorithms_are_found_by_their_names() {
        assert_eq!("gcc".parse(), Ok(Algorithm::Gcc));
        assert_eq!("homegrown".parse(), Ok(Algorithm::Homegrown));
        let error = "cubic".parse::<Algorithm>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "no congestion control algorithm is named \"cubic\""
        );
    }
}
