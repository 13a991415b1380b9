// SPDX-License-Identifier: MPL-2.0
//! What an estimator shows of itself: to the sink, and as text in the log.

use std::fmt;

use congestion::Estimate;
use congestion::units::{Bitrate, DataSize};

/// What a session's estimator believes, and what waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Snapshot {
    /// The controller's view.
    pub(crate) estimate: Estimate,
    /// What waits in the pacer.
    pub(crate) backlog: DataSize,
    /// What left over the last second or so: everything, headers and probes included.
    pub(crate) sent: Bitrate,
    /// What retransmissions took of that.
    pub(crate) retransmissions: Bitrate,
    /// What audio took.
    pub(crate) audio: Bitrate,
    /// Whether the receiver sends transport-wide feedback.
    pub(crate) has_feedback: bool,
    /// Whether redundancy was agreed on.
    pub(crate) has_fec: bool,
    /// Whether packets are changed, so that redundancy would spoil what it recovers.
    pub(crate) is_telling: bool,
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Estimate {
            target,
            loss_ratio,
            own_loss_ratio,
            rtt,
            acknowledged,
            usage,
            ..
        } = self.estimate;
        write!(
            f,
            "estimate {target}, acknowledged {}, ",
            acknowledged.unwrap_or_default()
        )?;
        write!(
            f,
            "loss {:.1} % ({:.1} % the link's own), round trip {:?}, use {usage:?}, ",
            loss_ratio * 100.0,
            own_loss_ratio * 100.0,
            rtt.unwrap_or_default()
        )?;
        let waiting = self.backlog.bytes();
        write!(
            f,
            "{waiting} bytes wait, retransmissions {}, audio {}",
            self.retransmissions, self.audio
        )
    }
}
