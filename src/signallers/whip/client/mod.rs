// SPDX-License-Identifier: MPL-2.0
//! The WHIP client, the signaller of `whipclientsink`: it publishes the element's media to a WHIP server.
//!
//! What it does is in [`wish::client`](crate::signallers::wish::client); here is its GObject.

mod imp;

use gst::glib;

use crate::signaller::Signallable;

glib::wrapper! {
    /// Client of a WHIP server; GType `GstWhipClientSignaller`.
    pub struct WhipClientSignaller(ObjectSubclass<imp::WhipClientSignaller>) @implements Signallable;
}

impl Default for WhipClientSignaller {
    /// A client without endpoint.
    fn default() -> Self {
        glib::Object::new()
    }
}
