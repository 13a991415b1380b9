// SPDX-License-Identifier: MPL-2.0
//! The GObject of the WHIP server: properties and action signals in, everything else handed to [`Serving`].
//!
//! Owns nothing but its type; names, blurbs and settings are those of `wish::server`. RFC 9725, the server's
//! side; a source is behind it.

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

/// Private data of the WHIP server.
#[derive(Debug)]
pub struct WhipServerSignaller(Serving);

impl Default for WhipServerSignaller {
    fn default() -> Self {
        Self(Serving::new(Kind::Whip))
    }
}

#[glib::object_subclass]
impl ObjectSubclass for WhipServerSignaller {
    const NAME: &'static str = "GstWhipServerSignaller";
    type Type = super::WhipServerSignaller;
    type ParentType = glib::Object;
    type Interfaces = (Signallable,);
}

impl ObjectImpl for WhipServerSignaller {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| server::declare(Kind::Whip));
        &PROPERTIES
    }

    fn signals() -> &'static [Signal] {
        static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(actions::declare::<WhipServerSignaller>);
        &SIGNALS
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        self.0.set_property(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        self.0.property(pspec.name())
    }
}

impl Shell for WhipServerSignaller {
    type Inside = Serving;

    fn inside(&self) -> &Serving {
        &self.0
    }
}
