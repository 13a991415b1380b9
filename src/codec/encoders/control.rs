// SPDX-License-Identifier: MPL-2.0
//! One running encoder: its defaults, and its bitrate in one unit whatever the element counts in.
//!
//! Called from the thread that applies an estimate; setting a property of an encoder is the only thing that happens
//! there, and no lock of ours is held. Owns the conversion between a bitrate and the element's unit and width. Which
//! bitrate is right is decided by `sink` (`encode/lifecycle`); values per family are in their rows.

use congestion::units::Bitrate;
use gst::glib;
use gst::prelude::*;

use super::{CAT, Rate, Row, Unit, adapter, apply, quirks};

/// An encoder whose bitrate can be read and, where the element allows it, changed.
#[derive(Clone, Debug)]
pub(crate) struct EncoderControl {
    encoder: gst::Element,
    factory: String,
    /// `None` for an encoder that nobody described; `adapter` serves it.
    row: Option<&'static Row>,
    rate: Rate,
}

impl EncoderControl {
    /// Finds out how `encoder` is controlled: by its row, else by what its properties are called.
    pub(crate) fn new(encoder: &gst::Element) -> Self {
        let factory = encoder
            .factory()
            .map(|factory| factory.name().to_string())
            .unwrap_or_default();
        let row = Row::find(&factory);
        let rate = match row {
            Some(row) => row.rate,
            None if encoder.is::<gst_audio::AudioEncoder>() => Rate::Uncontrolled,
            None => adapter::find_rate(encoder),
        };
        Self {
            encoder: encoder.clone(),
            factory,
            row,
            rate,
        }
    }

    /// The element.
    pub(crate) fn encoder(&self) -> &gst::Element {
        &self.encoder
    }

    /// The factory the element is from.
    pub(crate) fn factory(&self) -> &str {
        &self.factory
    }

    /// Whether the bitrate can be changed while the encoder runs.
    pub(crate) fn is_controlled(&self) -> bool {
        self.rate != Rate::Uncontrolled
    }

    /// Raw formats to restrict the input to; `None` leaves what the encoder's template says.
    pub(crate) fn formats(&self) -> Option<&'static [&'static str]> {
        self.row.and_then(|row| row.formats)
    }

    /// Makes the encoder fit for live sending, starting at `start`: what happens unless an `encoder-setup` handler
    /// took over.
    pub(crate) fn apply_defaults(&self, start: Bitrate) {
        match self.row {
            Some(row) => apply(&self.encoder, row.settings),
            None => self.apply_adapted_defaults(),
        }
        self.set_bitrate(start);
        if let Some(Rate::ExtraControls) = self.row.map(|row| row.rate) {
            quirks::repeat_headers(&self.encoder);
        }
    }

    /// What the element needs from outside whoever configured it.
    pub(crate) fn install_quirks(&self) {
        if let Some(quirk) = self.row.and_then(|row| row.quirk) {
            quirks::install(&self.encoder, quirk);
        }
    }

    /// The bitrate the encoder is set to; `None` when it is not controlled.
    pub(crate) fn bitrate(&self) -> Option<Bitrate> {
        match self.rate {
            Rate::Property(name, unit) => {
                read_number(&self.encoder, name).map(|value| unit.to_bitrate(value))
            }
            Rate::ExtraControls => quirks::extra_controls_bitrate(&self.encoder).map(Bitrate::from_bps),
            Rate::Uncontrolled => None,
        }
    }

    /// Sets the bitrate to the nearest value the property can hold. An element that is not controlled is left alone.
    pub(crate) fn set_bitrate(&self, bitrate: Bitrate) {
        let bitrate = bitrate.clamp(LOWEST, HIGHEST);
        match self.rate {
            Rate::Property(name, unit) => write_number(&self.encoder, name, unit.of_bitrate(bitrate)),
            Rate::ExtraControls => quirks::set_extra_controls_bitrate(&self.encoder, bitrate.bps()),
            Rate::Uncontrolled => {}
        }
    }

    fn apply_adapted_defaults(&self) {
        let found = match self.rate {
            Rate::Property(name, Unit::Bits) => format!("its bitrate is property {name}, in bit/s"),
            Rate::Property(name, Unit::Kilobits) => format!("its bitrate is property {name}, in kbit/s"),
            _ => "its bitrate stays as it is".to_owned(),
        };
        if !self.encoder.is::<gst_audio::AudioEncoder>() {
            gst::info!(
                CAT,
                obj = self.encoder,
                "{} has no settings of its own here: {found}",
                self.factory
            );
        }
        adapter::apply_low_latency(&self.encoder);
    }
}

impl Unit {
    fn to_bitrate(self, value: u64) -> Bitrate {
        match self {
            Self::Bits => Bitrate::from_bps(value),
            Self::Kilobits => Bitrate::from_kbps(value),
        }
    }

    fn of_bitrate(self, bitrate: Bitrate) -> u64 {
        match self {
            Self::Bits => bitrate.bps(),
            Self::Kilobits => bitrate.bps() / 1000,
        }
    }
}

/// Reads an integer property of any width; negative values read as zero.
pub(super) fn read_number(element: &gst::Element, name: &str) -> Option<u64> {
    let value = element
        .find_property(name)
        .map(|_| element.property_value(name))?;
    let number = value.transform::<i64>().ok()?.get::<i64>().ok()?;
    Some(u64::try_from(number).unwrap_or(0))
}

/// Writes an integer property of any width, clamped to what it declares.
pub(super) fn write_number(element: &gst::Element, name: &str, number: u64) {
    let Some(pspec) = element.find_property(name) else {
        gst::warning!(
            CAT,
            obj = element,
            "there is no property {name} to carry a bitrate of {number}"
        );
        return;
    };
    match clamped(&pspec, number) {
        Some(value) => element.set_property_from_value(name, &value),
        None => gst::warning!(
            CAT,
            obj = element,
            "property {name} is no number: bitrate {number} not set"
        ),
    }
}

/// The number as a value of the property's own type and within its bounds, which setting it takes for granted.
fn clamped(pspec: &glib::ParamSpec, number: u64) -> Option<glib::Value> {
    let signed = i64::try_from(number).unwrap_or(i64::MAX);
    if let Some(spec) = pspec.downcast_ref::<glib::ParamSpecInt>() {
        let value = signed.clamp(spec.minimum().into(), spec.maximum().into());
        return i32::try_from(value).ok().map(|value| value.to_value());
    }
    if let Some(spec) = pspec.downcast_ref::<glib::ParamSpecUInt>() {
        let value = number.clamp(spec.minimum().into(), spec.maximum().into());
        return u32::try_from(value).ok().map(|value| value.to_value());
    }
    if let Some(spec) = pspec.downcast_ref::<glib::ParamSpecInt64>() {
        return Some(signed.clamp(spec.minimum(), spec.maximum()).to_value());
    }
    let spec = pspec.downcast_ref::<glib::ParamSpecUInt64>()?;
    Some(number.clamp(spec.minimum(), spec.maximum()).to_value())
}

/// Zero means "choose yourself" or "off" to many encoders.
const LOWEST: Bitrate = Bitrate::from_kbps(1);
/// Beyond any link; near the end of 32 bits encoders overflow in their own arithmetic (libvpx: negative rates).
const HIGHEST: Bitrate = Bitrate::from_kbps(1_000_000);

#[cfg(test)]
mod tests {
    use super::*;

    fn control(factory: &str) -> Option<EncoderControl> {
        gst::init().unwrap();
        let element = gst::ElementFactory::make(factory).build().ok();
        if element.is_none() {
            eprintln!("{factory} is not installed: not tried");
        }
        element.map(|element| EncoderControl::new(&element))
    }

    #[test]
    fn bitrates_go_through_each_unit() {
        let cases = [
            ("vp8enc", "target-bitrate", 1_500_000),
            ("vp9enc", "target-bitrate", 1_500_000),
            ("x264enc", "bitrate", 1_500),
            ("x265enc", "bitrate", 1_500),
            ("openh264enc", "bitrate", 1_500_000),
            ("av1enc", "target-bitrate", 1_500),
        ];
        for (factory, property, raw) in cases {
            let Some(control) = control(factory) else { continue };
            control.set_bitrate(Bitrate::from_kbps(1500));
            assert_eq!(read_number(control.encoder(), property), Some(raw), "{factory}");
            assert_eq!(control.bitrate(), Some(Bitrate::from_kbps(1500)), "{factory}");
        }
    }

    #[test]
    fn extreme_bitrates_stay_what_encoders_understand() {
        for factory in ["vp8enc", "x264enc", "openh264enc", "av1enc"] {
            let Some(control) = control(factory) else { continue };
            control.set_bitrate(Bitrate::MAX);
            assert!(control.bitrate() > Some(Bitrate::from_kbps(100_000)), "{factory}");
            control.set_bitrate(Bitrate::ZERO);
            assert!(control.bitrate() < Some(Bitrate::from_kbps(2)), "{factory}");
        }
    }

    #[test]
    fn defaults_start_at_the_given_bitrate() {
        for factory in ["vp8enc", "x264enc", "openh264enc", "av1enc", "x265enc"] {
            let Some(control) = control(factory) else { continue };
            control.apply_defaults(Bitrate::from_kbps(2048));
            assert_eq!(control.bitrate(), Some(Bitrate::from_kbps(2048)), "{factory}");
        }
    }

    #[test]
    fn an_encoder_outside_the_table_is_controlled_too() {
        let Some(control) = control("theoraenc") else {
            return;
        };
        assert!(control.row.is_none() && control.is_controlled());
        control.apply_defaults(Bitrate::from_kbps(700));
        assert_eq!(read_number(control.encoder(), "bitrate"), Some(700));
    }

    #[test]
    fn audio_encoders_keep_their_bitrate() {
        let Some(control) = control("opusenc") else { return };
        let before = read_number(control.encoder(), "bitrate");
        control.apply_defaults(Bitrate::from_kbps(3000));
        assert_eq!(read_number(control.encoder(), "bitrate"), before);
        assert_eq!(control.bitrate(), None);
        assert!(control.encoder().property::<bool>("perfect-timestamp"));
    }

    #[test]
    fn elements_without_the_property_are_left_alone() {
        gst::init().unwrap();
        let identity = gst::ElementFactory::make("identity").build().unwrap();
        write_number(&identity, "bitrate", 1);
        write_number(&identity, "name", 1);
        assert_eq!(read_number(&identity, "bitrate"), None);
        assert_eq!(identity.name(), identity.property::<String>("name"));
    }
}
