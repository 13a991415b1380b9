// SPDX-License-Identifier: MPL-2.0
//! The WHIP server, the signaller of `whipserversrc`: it lets a client publish to the element.
//!
//! What it does is in [`wish::server`](crate::signallers::wish::server); here is its GObject.

mod imp;

use gst::glib;

use crate::signaller::Signallable;

glib::wrapper! {
    /// A WHIP server; GType `GstWhipServerSignaller`.
    pub struct WhipServerSignaller(ObjectSubclass<imp::WhipServerSignaller>) @implements Signallable;
}

impl Default for WhipServerSignaller {
    /// A server at its default address.
    fn default() -> Self {
        glib::Object::new()
    }
}
