// SPDX-License-Identifier: MPL-2.0
//! How much a consumer may be sent, and how that is spread over its streams.
//!
//! Owns the first target and the step from an estimate to encoders. Estimating belongs to the congestion controller.
//! `control` joins a session to the controller its settings choose, `apply` divides what it allows.

mod apply;
mod control;

use congestion::units::Bitrate;

use super::WebRTCSinkCongestionControl;
use super::settings::Settings;

pub(super) use control::Control;

/// What each video stream of a new consumer gets before anything is known about its network.
pub(super) fn initial_target(settings: &Settings) -> Bitrate {
    let bps = match settings.congestion_control {
        WebRTCSinkCongestionControl::Disabled => settings.max_bitrate,
        _ => settings.start_bitrate.clamp(
            settings.min_bitrate,
            settings.max_bitrate.max(settings.min_bitrate),
        ),
    };
    Bitrate::from_bps(bps.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(change: impl FnOnce(&mut Settings)) -> u64 {
        gst::init().expect("GStreamer initialises");
        let mut settings = Settings::default();
        change(&mut settings);
        initial_target(&settings).bps()
    }

    #[test]
    fn a_controlled_consumer_begins_at_the_start_bitrate() {
        assert_eq!(target(|_| ()), 2_048_000);
    }

    #[test]
    fn an_uncontrolled_consumer_gets_the_maximum() {
        assert_eq!(
            target(|settings| settings.congestion_control = WebRTCSinkCongestionControl::Disabled),
            8_192_000
        );
    }

    #[test]
    fn the_start_bitrate_stays_within_the_limits() {
        assert_eq!(target(|settings| settings.max_bitrate = 500_000), 500_000);
        assert_eq!(target(|settings| settings.min_bitrate = 3_000_000), 3_000_000);
        // Limits that contradict each other are the user's mistake, not a reason to panic.
        assert_eq!(
            target(|settings| (settings.min_bitrate, settings.max_bitrate) = (5_000_000, 1_000)),
            5_000_000
        );
    }
}
