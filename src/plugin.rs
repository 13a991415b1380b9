// SPDX-License-Identifier: MPL-2.0
//! The plugin's entry points, for loading it from a file and for linking it statically.
//!
//! Owns the plugin's name and version as GStreamer shows them; which elements there are is said in `elements`. Called
//! once when the plugin is loaded, by GStreamer's registry or by a program that links it.
#![allow(missing_docs, reason = "the macro's items have no place for documentation")]

fn init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    crate::elements::register(plugin)
}

gst::plugin_define!(
    rswebrtc,
    env!("CARGO_PKG_DESCRIPTION"),
    init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("BUILD_REL_DATE")
);
