// SPDX-License-Identifier: MPL-2.0
//! GStreamer elements that send and receive WebRTC without application code.
//!
//! The modules, from the outside in:
//!
//! - `elements`: one file per element name; picks a signaller and describes itself.
//! - `sink` and `source`: what all sending and all receiving elements share.
//! - [`signaller`]: the contract between them and a signalling protocol; `signallers`: the protocols.
//! - `codec`, `sdp`, `datachannel`, `stats`: what can be sent, and how descriptions, channels and statistics read.
//! - `webrtcbin`: what both ends do to a webrtcbin. `bwe`: the element that paces packets and estimates bandwidth.
//! - `net`: connections. `embedded`: the servers a sink can run itself.
//! - [`gst_ext`], [`runtime`], [`error`], [`end_reason`]: small ground everything stands on.

mod bwe;
mod codec;
mod datachannel;
mod elements;
mod embedded;
pub mod end_reason;
pub mod error;
pub mod gst_ext;
mod net;
mod plugin;
pub mod runtime;
mod sdp;
pub mod signaller;
mod signallers;
mod sink;
mod source;
mod stats;
mod webrtcbin;

pub use plugin::plugin_register_static;

/// The sending elements, for programs that link this crate.
pub mod webrtcsink {
    #[cfg(feature = "aws")]
    pub use crate::elements::awskvswebrtcsink::AwsKvsWebRTCSink;
    pub use crate::elements::webrtcsink::WebRTCSink;
    #[cfg(feature = "whep")]
    pub use crate::elements::whepserversink::WhepWebRTCSink;
    #[cfg(feature = "whip")]
    pub use crate::elements::whipclientsink::WhipWebRTCSink;
    pub use crate::sink::{
        BaseWebRTCSink, WebRTCSinkCongestionControl, WebRTCSinkError, WebRTCSinkMitigationMode, WebRTCSinkPad,
    };
}

/// The receiving elements, for programs that link this crate.
pub mod webrtcsrc {
    pub use crate::elements::webrtcsrc::WebRTCSrc;
    #[cfg(feature = "whep")]
    pub use crate::elements::whepclientsrc::WhepClientSrc;
    #[cfg(feature = "whip")]
    pub use crate::elements::whipserversrc::WhipServerSrc;
    pub use crate::source::{BaseWebRTCSrc, WebRTCSrcPad, WebRTCSrcSessionEnd};
}
