// SPDX-License-Identifier: MPL-2.0
//! The GObject of the WHEP server: properties and action signals in, everything else handed to [`Serving`].
//!
//! Owns nothing but its type; names, blurbs and settings are those of `wish::server`. draft-ietf-wish-whep-03, the server's
//! side; a sink is behind it.

use std::sync::LazyLock;

use gst::glib::{
    self,
    subclass::{Signal, prelude::*},
};

use crate::{
    signaller::Signallable,
    signallers::wish::{
        server::{self, Kind, Serving, actions},
        shell::Shell,
    },
};

/// Private data of the WHEP server.
#[derive(Debug)]
pub struct WhepServerSignaller(Serving);

impl Default for WhepServerSignaller {
    fn default() -> Self {
        Self(Serving::new(Kind::Whep))
    }
}

#[glib::object_subclass]
impl ObjectSubclass for WhepServerSignaller {
    const NAME: &'static str = "GstWhepServerSignaller";
    type Type = super::WhepServerSignaller;
    type ParentType = glib::Object;
    type Interfaces = (Signallable,);
}

impl ObjectImpl for WhepServerSignaller {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| server::declare(Kind::Whep));
        &PROPERTIES
    }

    fn signals() -> &'static [Signal] {
        static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(actions::declare::<WhepServerSignaller>);
        &SIGNALS
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        self.0.set_property(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        self.0.property(pspec.name())
    }
}

impl Shell for WhepServerSignaller {
    type Inside = Serving;

    fn inside(&self) -> &Serving {
        &self.0
    }
}

impl WhepServerSignaller {
    /// Called once by the element, which knows whether there is anything to play.
    pub(super) fn set_media_probe(&self, probe: Box<dyn Fn() -> bool + Send + Sync>) {
        self.0.set_media_probe(probe);
    }
}
