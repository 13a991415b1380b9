// SPDX-License-Identifier: MPL-2.0
//! The elements by name. Each file joins a signaller to the sink or the source and describes itself to users.
//!
//! Owns which elements a build has: each optional protocol is a Cargo feature. Behaviour is in `sink`, `source` and
//! `signallers`, which know nothing of each other; here, and only here, they are joined.

#[cfg(feature = "aws")]
pub(crate) mod awskvswebrtcsink;
#[cfg(feature = "livekit")]
pub(crate) mod livekitwebrtcsink;
#[cfg(feature = "livekit")]
pub(crate) mod livekitwebrtcsrc;
#[cfg(any(feature = "livekit", feature = "whip"))]
mod session_end;
pub(crate) mod webrtcsink;
pub(crate) mod webrtcsrc;
#[cfg(feature = "whep")]
pub(crate) mod whepclientsrc;
#[cfg(feature = "whep")]
pub(crate) mod whepserversink;
#[cfg(feature = "whip")]
pub(crate) mod whipclientsink;
#[cfg(feature = "whip")]
pub(crate) mod whipserversrc;

use gst::glib;

/// Registers every element of this build.
///
/// # Errors
/// When the registry refuses one.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    #[cfg(feature = "aws")]
    awskvswebrtcsink::register(plugin)?;
    #[cfg(feature = "livekit")]
    livekitwebrtcsink::register(plugin)?;
    #[cfg(feature = "livekit")]
    livekitwebrtcsrc::register(plugin)?;
    #[cfg(feature = "whep")]
    whepclientsrc::register(plugin)?;
    #[cfg(feature = "whep")]
    whepserversink::register(plugin)?;
    #[cfg(feature = "whip")]
    whipclientsink::register(plugin)?;
    #[cfg(feature = "whip")]
    whipserversrc::register(plugin)?;
    webrtcsink::register(plugin)?;
    webrtcsrc::register(plugin)
}
