// SPDX-License-Identifier: MPL-2.0
//! The GObject of the WHEP client: properties in, everything else handed to [`Asking`].
//!
//! Owns nothing but its type; names, blurbs and settings are those of `wish::client`. draft-ietf-wish-whep-03, the client's
//! side; a source is behind it.

use std::sync::LazyLock;

use gst::glib::{self, subclass::prelude::*};

use crate::{
    signaller::Signallable,
    signallers::wish::{
        client::{self, Asking},
        server::Kind,
        shell::Shell,
    },
};

/// Private data of the WHEP client.
#[derive(Debug)]
pub struct WhepClientSignaller(Asking);

impl Default for WhepClientSignaller {
    fn default() -> Self {
        Self(Asking::new(Kind::Whep))
    }
}

#[glib::object_subclass]
impl ObjectSubclass for WhepClientSignaller {
    const NAME: &'static str = "GstWhepClientSignaller";
    type Type = super::WhepClientSignaller;
    type ParentType = glib::Object;
    type Interfaces = (Signallable,);
}

impl ObjectImpl for WhepClientSignaller {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| client::declare(Kind::Whep));
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        self.0.set_property(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        self.0.property(pspec.name())
    }
}

impl Shell for WhepClientSignaller {
    type Inside = Asking;

    fn inside(&self) -> &Asking {
        &self.0
    }
}
