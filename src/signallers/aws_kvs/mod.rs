// SPDX-License-Identifier: MPL-2.0
//! AWS Kinesis Video Streams with WebRTC, as the master of a signalling channel.
//!
//! `settings.rs` holds what the user chose. `channel.rs` talks to the control plane by the vendor's SDK, `sigv4.rs` signs
//! the websocket's address, `opening.rs` does one after the other. `protocol.rs` and `machine.rs` know the messages,
//! `pace.rs` keeps to the service's quotas, `upkeep.rs` knows what a connection needs and when, `failure.rs` says what
//! failed and what helps; `client.rs` carries it all out, `imp.rs` is the GObject.

mod channel;
mod client;
mod failure;
#[allow(
    missing_docs,
    reason = "the accessors the derive makes are described by the blurbs"
)]
mod imp;
mod machine;
mod opening;
mod pace;
mod protocol;
mod settings;
mod sigv4;
mod upkeep;

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
