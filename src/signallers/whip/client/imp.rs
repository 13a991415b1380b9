// SPDX-License-Identifier: MPL-2.0
//! The GObject of the WHIP client: properties in, everything else handed to [`Asking`].
//!
//! Owns nothing but its type; names, blurbs and settings are those of `wish::client`. RFC 9725, the client's
//! side; a sink is behind it.

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

/// Private data of the WHIP client.
#[derive(Debug)]
pub struct WhipClientSignaller(Asking);

impl Default for WhipClientSignaller {
    fn default() -> Self {
        Self(Asking::new(Kind::Whip))
    }
}

#[glib::object_subclass]
impl ObjectSubclass for WhipClientSignaller {
    const NAME: &'static str = "GstWhipClientSignaller";
    type Type = super::WhipClientSignaller;
    type ParentType = glib::Object;
    type Interfaces = (Signallable,);
}

impl ObjectImpl for WhipClientSignaller {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| client::declare(Kind::Whip));
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        self.0.set_property(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        self.0.property(pspec.name())
    }
}

impl Shell for WhipClientSignaller {
    type Inside = Asking;

    fn inside(&self) -> &Asking {
        &self.0
    }
}
