// SPDX-License-Identifier: MPL-2.0
//! AWS Kinesis Video Streams with WebRTC, as the master of a signalling channel.
//!
//! `channel.rs` talks to the control plane by the vendor's SDK, `sigv4.rs` signs the websocket's address, `protocol.rs`
//! and `machine.rs` know the messages, `pace.rs` keeps to the service's quotas, `failure.rs` says what failed and what
//! helps, `client.rs` keeps the connection, `imp.rs` is the GObject.

mod channel;
mod client;
mod failure;
#[allow(
    missing_docs,
    reason = "the accessors the derive makes are described by the blurbs"
)]
mod imp;
mod machine;
mod pace;
mod protocol;
mod sigv4;

use gst::glib;

use crate::signaller::Signallable;

glib::wrapper! {
    /// Master of a Kinesis Video Streams signalling channel; GType `GstAwsKvsWebRTCSinkSignaller`.
    pub struct AwsKvsSignaller(ObjectSubclass<imp::Signaller>) @implements Signallable;
}

impl Default for AwsKvsSignaller {
    fn default() -> Self {
        glib::Object::new()
    }
}
