// SPDX-License-Identifier: MPL-2.0
//! The element that paces packets and estimates what a consumer's network carries.
//!
//! It goes where `request-aux-sender` of a webrtcbin wants it: after retransmission and FEC, before the RTP session, so
//! that it sees everything that leaves, and the session's `RTPTWCCPackets` events reach it. Private: it is made by
//! [`BandwidthEstimator::new`], not by name. What to do with an estimate is left to `sink::rate`.
//!
//! `engine` decides with the `congestion` crate and counts with `meter`s, `snapshot` is what it shows, `streams` knows what
//! a description says of payload types, `packet` reads and writes RTP headers, `padding` fills probes up, `repairs` knows
//! which retransmissions are needed, `playout` tells how long to hold pictures, `feedback` translates what the session
//! reports, `flow` lets packets pass, `imp` is the GObject shell over `settings` and `state`. Media arrives on its
//! streaming thread and leaves on the source pad's task; reports come on the session's RTCP thread. The one lock is never
//! held while anything is pushed or notified.

mod engine;
mod feedback;
mod flow;
mod imp;
mod meter;
mod packet;
mod padding;
mod playout;
mod repairs;
mod settings;
mod snapshot;
mod state;
mod streams;
#[cfg(test)]
mod tests;

use std::time::Duration;

use congestion::units::Bitrate;
use congestion::{Algorithm, Limits, ReceiverReport};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use imp::bps;

pub(crate) use feedback::parse_remb;
pub(crate) use snapshot::Snapshot;
pub(crate) use streams::Streams;

glib::wrapper! {
    /// The element.
    pub(crate) struct BandwidthEstimator(ObjectSubclass<imp::BandwidthEstimator>) @extends gst::Element, gst::Object;
}

impl BandwidthEstimator {
    /// An estimator that starts within `limits`, all of a session's streams together.
    pub(crate) fn new(algorithm: Algorithm, limits: Limits) -> Self {
        let estimator: Self = glib::Object::builder()
            .property("algorithm", algorithm.name())
            .property("min-bitrate", bps(limits.min()))
            .property("max-bitrate", bps(limits.max()))
            .property("start-bitrate", bps(limits.start()))
            .build();
        estimator.set_limits(limits);
        estimator
    }

    /// Moves the estimate into new limits, as when an encoder comes or goes.
    pub(crate) fn set_limits(&self, limits: Limits) {
        self.imp().set_limits(limits);
    }

    /// Says what the payload types and SSRCs of the session are, once they are negotiated.
    pub(crate) fn set_streams(&self, streams: Streams) {
        self.imp().set_streams(streams);
    }

    /// Has the receiver hold pictures for so long, if it knows how.
    pub(crate) fn ask_playout_delay(&self, delay: Duration) {
        self.imp().ask_playout_delay(delay);
    }

    /// A receiver report: all there is where the receiver sends no transport-wide feedback.
    pub(crate) fn on_receiver_report(&self, report: &ReceiverReport) {
        self.imp().on_receiver_report(report);
    }

    /// The receiver named a maximum.
    pub(crate) fn on_remb(&self, maximum: Bitrate) {
        self.imp().on_remb(maximum);
    }

    /// What is believed and what waits, now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.imp().snapshot()
    }

    /// Calls back with every new estimate, on the thread that found it.
    pub(crate) fn connect_estimate<F: Fn(&Self) + Send + Sync + 'static>(&self, changed: F) {
        self.connect_notify(Some("estimated-bitrate"), move |estimator, _| changed(estimator));
    }
}
