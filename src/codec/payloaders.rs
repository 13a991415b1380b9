// SPDX-License-Identifier: MPL-2.0
//! How each payloader is set up before an application's `payloader-setup` handlers have their say.
//!
//! Sizes and modes suit WebRTC: packets that pass any path, parameter sets with every key frame, no waiting for further
//! units. Payload type and SSRC are the caller's. Called by the class handler of `payloader-setup`, on the thread that
//! builds a session's outlet or a trial.

use gst::prelude::*;

use super::encoders::apply;

/// Applies the defaults of a payloader by its factory.
pub(crate) fn configure(payloader: &gst::Element) {
    apply(payloader, ANY);
    let factory = payloader.factory().map(|factory| factory.name().to_string());
    match factory.as_deref() {
        Some("rtpvp8pay" | "rtpvp9pay") => apply(payloader, VPX),
        Some("rtph264pay" | "rtph265pay") => apply(payloader, H26X),
        _ => {}
    }
}

/// 1200 bytes of RTP leave room for SRTP, TURN and tunnels in the 1280 that every IPv6 path carries (RFC 8200).
const ANY: &[(&str, &str)] = &[("mtu", "1200")];
/// Receivers tell lost from skipped pictures by ids that do not wrap after two seconds.
const VPX: &[(&str, &str)] = &[("picture-id-mode", "15-bit")];
/// Units leave as they come, and parameter sets go before every key frame: a receiver may join at any of them.
const H26X: &[(&str, &str)] = &[("aggregate-mode", "zero-latency"), ("config-interval", "-1")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Codec, catalogue};

    fn configured(codec: Codec) -> gst::Element {
        gst::init().unwrap();
        let payloader = catalogue().payloader(codec).unwrap().create().build().unwrap();
        configure(&payloader);
        payloader
    }

    fn text(element: &gst::Element, property: &str) -> String {
        let value = element.property_value(property);
        value.serialize().unwrap().to_string()
    }

    #[test]
    fn packets_fit_any_path() {
        for codec in Codec::ALL.into_iter().filter(|codec| catalogue_pays(*codec)) {
            assert_eq!(configured(codec).property::<u32>("mtu"), 1200, "{codec}");
        }
    }

    fn catalogue_pays(codec: Codec) -> bool {
        gst::init().unwrap();
        catalogue().can_pay(codec)
    }

    #[test]
    fn vpx_pictures_have_long_ids() {
        for codec in [Codec::Vp8, Codec::Vp9] {
            assert_eq!(text(&configured(codec), "picture-id-mode"), "15-bit", "{codec}");
        }
    }

    #[test]
    fn h264_repeats_its_parameter_sets() {
        let payloader = configured(Codec::H264);
        assert_eq!(payloader.property::<i32>("config-interval"), -1);
        assert_eq!(text(&payloader, "aggregate-mode"), "zero-latency");
    }
}
