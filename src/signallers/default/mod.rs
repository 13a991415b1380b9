// SPDX-License-Identifier: MPL-2.0
//! The default protocol: JSON over a websocket to this project's own signalling server (docs/protocol.md).
//!
//! `settings.rs` holds what the user chose, `machine.rs` decides what to say and what to report, `client.rs` keeps the
//! connection, `imp.rs` is the GObject. The connection is made again with backoff whenever it is lost; sessions that
//! run keep their media meanwhile.

mod client;
#[allow(
    missing_docs,
    reason = "the accessors the derive makes are described by the blurbs"
)]
mod imp;
mod machine;
mod settings;

use gst::glib;

use crate::signaller::Signallable;

/// What a client of the signalling server is; GType `GstRSWebRTCSignallerRole`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, glib::Enum)]
#[repr(u32)]
#[enum_type(name = "GstRSWebRTCSignallerRole")]
pub enum WebRTCSignallerRole {
    /// Receives media.
    #[default]
    Consumer,
    /// Sends media.
    Producer,
    /// Only watches producers come and go.
    Listener,
}

glib::wrapper! {
    /// Client of the default signalling server; GType `GstWebRTCSignaller`.
    pub struct Signaller(ObjectSubclass<imp::Signaller>) @implements Signallable;
}

impl Signaller {
    /// A client with this role; it connects when started.
    pub fn new(role: WebRTCSignallerRole) -> Self {
        glib::Object::builder().property("role", role).build()
    }
}

impl Default for Signaller {
    /// A consumer.
    fn default() -> Self {
        Self::new(WebRTCSignallerRole::default())
    }
}
