// SPDX-License-Identifier: MPL-2.0
//! The WHEP server, the signaller of `whepserversink`: it lets players play the element's media.
//!
//! What it does is in [`wish::server`](crate::signallers::wish::server); here is its GObject.

mod imp;

use gst::{glib, subclass::prelude::*};

use crate::signaller::Signallable;

glib::wrapper! {
    /// A WHEP server; GType `GstWhepServerSignaller`.
    pub struct WhepServerSignaller(ObjectSubclass<imp::WhepServerSignaller>) @implements Signallable;
}

impl WhepServerSignaller {
    /// Lets players be told to come back while `probe` says that there is nothing to play. It is called on the server's
    /// thread, for each new player.
    pub(crate) fn set_media_probe(&self, probe: impl Fn() -> bool + Send + Sync + 'static) {
        self.imp().set_media_probe(Box::new(probe));
    }
}

impl Default for WhepServerSignaller {
    /// A server at its default address.
    fn default() -> Self {
        glib::Object::new()
    }
}
