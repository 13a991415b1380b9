// SPDX-License-Identifier: MPL-2.0
//! The public flags for degrading a picture, and what encoding calls the same.
//!
//! Owns the GFlags type that properties and statistics show. When to degrade is decided in the crate `congestion`, how
//! it is done by `encode/mitigation`, which keeps to plain booleans so that it can be tested without GObject.
#![allow(missing_docs, reason = "the macro does not pass documentation on")]

use gst::glib;

use super::encode::Mitigation;

/// Ways to degrade a picture that has too few bits.
#[glib::flags(name = "GstWebRTCSinkMitigationMode")]
pub enum WebRTCSinkMitigationMode {
    /// None of them.
    #[flags_value(name = "No mitigation applied", nick = "none")]
    NONE = 0b0000_0000,
    /// A smaller picture.
    #[flags_value(name = "Lowered resolution", nick = "downscaled")]
    DOWNSCALED = 0b0000_0001,
    /// Fewer pictures a second.
    #[flags_value(name = "Lowered framerate", nick = "downsampled")]
    DOWNSAMPLED = 0b0000_0010,
}

impl From<Mitigation> for WebRTCSinkMitigationMode {
    fn from(mitigation: Mitigation) -> Self {
        let mut modes = Self::NONE;
        modes.set(Self::DOWNSCALED, mitigation.downscaled);
        modes.set(Self::DOWNSAMPLED, mitigation.downsampled);
        modes
    }
}

impl From<WebRTCSinkMitigationMode> for Mitigation {
    fn from(modes: WebRTCSinkMitigationMode) -> Self {
        Self {
            downscaled: modes.contains(WebRTCSinkMitigationMode::DOWNSCALED),
            downsampled: modes.contains(WebRTCSinkMitigationMode::DOWNSAMPLED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_survive_the_way_to_encoding_and_back() {
        for bits in 0..4 {
            let modes = WebRTCSinkMitigationMode::from_bits_truncate(bits);
            assert_eq!(WebRTCSinkMitigationMode::from(Mitigation::from(modes)), modes);
        }
    }
}
