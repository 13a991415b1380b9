// SPDX-License-Identifier: MPL-2.0
//! The WHEP client, the signaller of `whepclientsrc`: it plays the media of a WHEP server.
//!
//! What it does is in [`wish::client`](crate::signallers::wish::client); here is its GObject.

mod imp;

use gst::glib;

use crate::signaller::Signallable;

glib::wrapper! {
    /// Client of a WHEP server; GType `GstWhepClientSignaller`.
    pub struct WhepClientSignaller(ObjectSubclass<imp::WhepClientSignaller>) @implements Signallable;
}

impl Default for WhepClientSignaller {
    /// A client without endpoint.
    fn default() -> Self {
        glib::Object::new()
    }
}
