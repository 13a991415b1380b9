// SPDX-License-Identifier: MPL-2.0
//! Encoder factories: low-latency settings, the property that carries the bitrate and its unit.
//!
//! One file per family holds the rows; [`EncoderControl`] reads and writes bitrates through a row, or for an encoder
//! that has none through what [`adapter`] finds on it. A new encoder is one more row.
//!
//! Settings are text that goes through the property's own type, so a row cannot disagree with an encoder about
//! integer widths; what an installed version lacks is logged and passed over.

mod adapter;
mod av1;
mod control;
mod nvidia;
mod openh264;
mod opus;
mod platform;
mod quirks;
mod vaapi;
mod vpx;
mod x26x;

use std::sync::LazyLock;

use gst::prelude::*;

pub(crate) use control::EncoderControl;

/// What is known about one encoder factory.
#[derive(Debug)]
pub(crate) struct Row {
    /// The factory's name.
    pub(crate) factory: &'static str,
    /// Where its bitrate is.
    pub(crate) rate: Rate,
    /// Set once, before the encoder starts.
    pub(crate) settings: &'static [Setting],
    /// Raw formats to choose from, where the encoder claims more than it handles well.
    pub(crate) formats: Option<&'static [&'static str]>,
    /// What settings cannot express.
    pub(crate) quirk: Option<Quirk>,
}

impl Row {
    /// The row of a factory.
    pub(crate) fn find(factory: &str) -> Option<&'static Self> {
        FAMILIES
            .iter()
            .flat_map(|family| family.iter())
            .find(|row| row.factory == factory)
    }

    const fn new(factory: &'static str, rate: Rate, settings: &'static [Setting]) -> Self {
        Self {
            factory,
            rate,
            settings,
            formats: None,
            quirk: None,
        }
    }

    const fn with_formats(self, formats: &'static [&'static str]) -> Self {
        Self {
            formats: Some(formats),
            ..self
        }
    }

    const fn with_quirk(self, quirk: Quirk) -> Self {
        Self {
            quirk: Some(quirk),
            ..self
        }
    }
}

/// A property and its value as `gst-launch-1.0` would be given them.
pub(crate) type Setting = (&'static str, &'static str);

/// The property that carries the bitrate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    /// A numeric property.
    Property(&'static str, Unit),
    /// Numeric property `bitrate` in bit/s where the encoder has it, else a field of `extra-controls`.
    ExtraControls,
    /// The encoder is not controlled.
    Uncontrolled,
}

/// What a bitrate property counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// bit/s.
    Bits,
    /// kbit/s.
    Kilobits,
}

/// Behaviour that some encoders need from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quirk {
    /// Key frames are made by action `force-IDR`; the event alone does nothing.
    ForceIdr,
    /// Every buffer needs a video meta.
    VideoMeta,
}

/// Sets each property that the element has; the others are logged.
pub(crate) fn apply(element: &gst::Element, settings: &[Setting]) {
    for (name, value) in settings {
        if let Err(reason) = set(element, name, value) {
            gst::debug!(CAT, obj = element, "not setting {name} to {value}: {reason}");
        }
    }
}

/// Sets one property from text.
fn set(element: &gst::Element, name: &str, text: &str) -> Result<(), &'static str> {
    let pspec = element.find_property(name).ok_or("there is no such property")?;
    if !pspec.flags().contains(gst::glib::ParamFlags::WRITABLE) {
        return Err("it is read-only");
    }
    let value =
        gst::glib::Value::deserialize_with_pspec(text, &pspec).map_err(|_| "the value does not fit")?;
    element.set_property_from_value(name, &value);
    Ok(())
}

/// Every row of every family.
const FAMILIES: [&[Row]; 8] = [
    vpx::ROWS,
    x26x::ROWS,
    openh264::ROWS,
    nvidia::ROWS,
    vaapi::ROWS,
    av1::ROWS,
    platform::ROWS,
    opus::ROWS,
];

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "webrtcsink-encoders",
        gst::DebugColorFlags::empty(),
        Some("Encoder settings"),
    )
});

#[cfg(test)]
mod tests;
