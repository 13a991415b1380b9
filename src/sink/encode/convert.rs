// SPDX-License-Identifier: MPL-2.0
//! From whatever raw media comes in to what an encoder takes: which elements, and which caps between them.
//!
//! The choice is pure; making the elements is left to `chain`. Video becomes 4:2:0 with 8 bits and square pixels,
//! because that is what every browser decodes: an encoder given 4:4:4 would encode 4:4:4. Owns the tables. Lowering
//! size and frame rate for a bitrate is `mitigation`'s. Memory other than the CPU's stays where it is as far as the
//! installed elements allow: copying frames out of a GPU is what hardware encoders are there to avoid.

use super::PictureSize;
use super::branch::size_of;
use super::colours::Colours;
use crate::codec::{Codec, MediaKind};

/// Elements that convert raw video in this memory for this encoder, in order; each is a factory name. `has` says
/// what is installed.
pub(super) fn video_converter(
    memory: Memory,
    encoder: Option<&str>,
    has: impl Fn(&str) -> bool,
) -> &'static [&'static str] {
    let for_jetson = encoder.is_some_and(|encoder| encoder.starts_with("nvv4l2"));
    match memory {
        Memory::Nvmm => jetson(has),
        _ if for_jetson => jetson(has),
        Memory::D3d11 => &["d3d11upload", "d3d11convert"],
        Memory::Cuda if has("cudaconvert") => &["cudaupload", "cudaconvert", "cudascale"],
        Memory::Cuda => &["cudadownload", "videoconvert", "videoscale"],
        // A second conversion, after scaling, lets the format change at the smaller size.
        Memory::Gl => &["glupload", "glcolorconvert", "glcolorscale", "glcolorconvert"],
        Memory::Va => &["vapostproc"],
        Memory::System if encoder == Some("v4l2h264enc") && has("v4l2convert") => &["v4l2convert"],
        Memory::System => &["videoconvert", "videoscale"],
    }
}

/// `nvvideoconvert` comes with DeepStream, `nvvidconv` with JetPack itself.
fn jetson(has: impl Fn(&str) -> bool) -> &'static [&'static str] {
    if has("nvvideoconvert") {
        &["queue", "nvvideoconvert"]
    } else {
        &["queue", "nvvidconv"]
    }
}

/// Elements that convert raw audio.
pub(super) const AUDIO_CONVERTER: &[&str] = &["audioresample", "audioconvert"];

/// Where raw video lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// Readable by the CPU, or of a kind that plain converters can map.
    System,
    /// NVIDIA Jetson.
    Nvmm,
    /// Direct3D 11.
    D3d11,
    /// CUDA.
    Cuda,
    /// OpenGL.
    Gl,
    /// VA-API.
    Va,
}

impl Memory {
    /// Where the video of these caps lies.
    pub(super) fn of_caps(caps: &gst::CapsRef) -> Self {
        let Some(features) = caps.features(0) else {
            return Self::System;
        };
        let known = [
            ("memory:NVMM", Self::Nvmm),
            ("memory:D3D11Memory", Self::D3d11),
            ("memory:CUDAMemory", Self::Cuda),
            ("memory:GLMemory", Self::Gl),
            ("memory:VAMemory", Self::Va),
        ];
        known
            .into_iter()
            .find(|(name, _)| features.contains(*name))
            .map_or(Self::System, |(_, memory)| memory)
    }
}

/// Whether the input has a frame rate that can be lowered: `videorate` needs one to work from.
pub(super) fn has_framerate(caps: &gst::CapsRef) -> bool {
    caps.structure(0)
        .and_then(|s| s.get::<gst::Fraction>("framerate").ok())
        .is_some_and(|rate| rate.numer() != 0)
}

/// What may leave the converter, before size and frame rate are lowered. `formats` overrides the choice of formats.
pub(super) fn raw_filter(
    codec: Codec,
    input: &gst::CapsRef,
    formats: Option<&[&str]>,
    colours: Colours,
) -> gst::Caps {
    if codec.is_raw_payload() {
        return codec.caps();
    }
    if codec.media() == MediaKind::Audio {
        return audio_filter(codec);
    }
    let mut caps = video_filter(input, formats.unwrap_or(&DECODABLE_FORMATS));
    if let Some(colorimetry) = colours.colorimetry(codec, input) {
        caps.make_mut().set("colorimetry", colorimetry);
    }
    caps
}

/// A filter for the picture of a layer, whose size is exact. Both sides are named: scaling to less than both would add
/// borders where pixels are not square.
pub(super) fn divided(mut filter: gst::Caps, input: &gst::CapsRef, size: PictureSize) -> gst::Caps {
    if size != PictureSize::Adaptive
        && let Some((width, height)) = square_size(input)
    {
        for (name, side) in [("width", width), ("height", height)] {
            let side = i32::try_from(size.side(side)).unwrap_or(i32::MAX);
            filter.make_mut().set(name, side);
        }
    }
    filter
}

/// Width and height of a picture once its pixels are square, which is how it leaves.
pub(crate) fn square_size(caps: &gst::CapsRef) -> Option<(u32, u32)> {
    let (width, height) = size_of(caps)?;
    let ratio = caps.structure(0)?.get::<gst::Fraction>("pixel-aspect-ratio");
    let ratio = ratio.map_or((1, 1), |ratio| (ratio.numer(), ratio.denom()));
    let (wide, high) = (u64::try_from(ratio.0).ok()?, u64::try_from(ratio.1).ok()?);
    let width = (u64::from(width) * wide).checked_div(high)?;
    Some((u32::try_from(width).ok()?, height))
}

/// For Opus stereo is named first: what has more channels is mixed down to that, and mono stays mono.
fn audio_filter(codec: Codec) -> gst::Caps {
    if codec == Codec::MultiOpus {
        return gst::Caps::builder("audio/x-raw")
            .field("channels", gst::IntRange::new(3, 255))
            .build();
    }
    [2, 1]
        .map(|channels| {
            gst::Structure::builder("audio/x-raw")
                .field("channels", channels)
                .build()
        })
        .into_iter()
        .collect()
}

/// The size is left as it comes in, but for an odd pixel.
fn video_filter(input: &gst::CapsRef, formats: &[&str]) -> gst::Caps {
    let mut caps = gst::Caps::builder("video/x-raw")
        .any_features()
        .field("format", gst::List::new(formats))
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .build();
    let size = |name| input.structure(0).and_then(|s| s.get::<i32>(name).ok());
    if let (Some(width), Some(height)) = (size("width"), size("height")) {
        let (even_width, even_height) = ((width & !1).max(2), (height & !1).max(2));
        if (even_width, even_height) != (width, height) {
            // Half-resolution colour has no half pixels; several encoders refuse such sizes.
            let structure = caps.make_mut();
            structure.set("width", even_width);
            structure.set("height", even_height);
        }
    }
    caps
}

/// 4:2:0 with 8 bits, in the layouts encoders know.
const DECODABLE_FORMATS: [&str; 3] = ["I420", "NV12", "YV12"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    fn caps(text: &str) -> gst::Caps {
        gst::init().unwrap();
        gst::Caps::from_str(text).unwrap()
    }

    #[test]
    fn converters_follow_memory_and_encoder() {
        type Case<'a> = (&'a str, Option<&'a str>, &'a [&'a str], &'a [&'a str]);
        let cases: [Case<'_>; 10] = [
            (
                "video/x-raw",
                Some("vp8enc"),
                &[],
                &["videoconvert", "videoscale"],
            ),
            (
                "video/x-raw(memory:DMABuf)",
                None,
                &[],
                &["videoconvert", "videoscale"],
            ),
            (
                "video/x-raw(memory:NVMM)",
                Some("x264enc"),
                &["nvvideoconvert"],
                &["queue", "nvvideoconvert"],
            ),
            ("video/x-raw", Some("nvv4l2h264enc"), &[], &["queue", "nvvidconv"]),
            (
                "video/x-raw(memory:D3D11Memory)",
                None,
                &[],
                &["d3d11upload", "d3d11convert"],
            ),
            (
                "video/x-raw(memory:CUDAMemory)",
                None,
                &["cudaconvert"],
                &["cudaupload", "cudaconvert", "cudascale"],
            ),
            (
                "video/x-raw(memory:CUDAMemory)",
                None,
                &[],
                &["cudadownload", "videoconvert", "videoscale"],
            ),
            ("video/x-raw(memory:VAMemory)", None, &[], &["vapostproc"]),
            (
                "video/x-raw",
                Some("v4l2h264enc"),
                &["v4l2convert"],
                &["v4l2convert"],
            ),
            (
                "video/x-raw",
                Some("v4l2h264enc"),
                &[],
                &["videoconvert", "videoscale"],
            ),
        ];
        for (input, encoder, installed, expected) in cases {
            let memory = Memory::of_caps(&caps(input));
            let chosen = video_converter(memory, encoder, |name| installed.contains(&name));
            assert_eq!(chosen, expected, "{input} for {encoder:?}");
        }
        let gl = video_converter(
            Memory::of_caps(&caps("video/x-raw(memory:GLMemory)")),
            None,
            |_| true,
        );
        assert_eq!(gl.first(), Some(&"glupload"));
    }

    #[test]
    fn video_becomes_what_browsers_decode() {
        let filter = raw_filter(
            Codec::Vp9,
            &caps("video/x-raw, format=Y444, width=640, height=480"),
            None,
            Colours::Left,
        );
        assert!(caps("video/x-raw, format=I420, pixel-aspect-ratio=1/1").can_intersect(&filter));
        assert!(
            caps("video/x-raw(memory:GLMemory), format=NV12, pixel-aspect-ratio=1/1").can_intersect(&filter)
        );
        assert!(!caps("video/x-raw, format=Y444").can_intersect(&filter));
        assert!(!caps("video/x-raw, format=I420_10LE").can_intersect(&filter));
    }

    #[test]
    fn a_layer_has_its_share_of_the_size() {
        let sizes = |text| {
            let input = caps(text);
            [4, 2, 1].map(|divisor| {
                let filter = raw_filter(Codec::Vp8, &input, None, Colours::Told);
                size_of(&divided(filter, &input, PictureSize::Divided(divisor))).unwrap()
            })
        };
        let plain = "video/x-raw, width=642, height=483";
        assert_eq!(sizes(plain), [(160, 120), (320, 240), (642, 482)]);
        let wide = "video/x-raw, width=720, height=576, pixel-aspect-ratio=64/45";
        assert_eq!(sizes(wide), [(256, 144), (512, 288), (1024, 576)]);
    }

    #[test]
    fn a_picture_in_one_size_keeps_its_own() {
        let input = caps("video/x-raw, width=642, height=482");
        let filter = raw_filter(Codec::Vp8, &input, None, Colours::Told);
        assert_eq!(size_of(&divided(filter, &input, PictureSize::Adaptive)), None);
    }

    #[test]
    fn sizes_count_in_square_pixels() {
        let cases = [
            ("video/x-raw, width=640, height=480", Some((640, 480))),
            (
                "video/x-raw, width=720, height=576, pixel-aspect-ratio=16/15",
                Some((768, 576)),
            ),
            (
                "video/x-raw, width=1920, height=1080, pixel-aspect-ratio=1/2",
                Some((960, 1080)),
            ),
            (
                "video/x-raw, width=2147483647, height=2, pixel-aspect-ratio=2147483647/1",
                None,
            ),
            ("video/x-raw, width=-2, height=2", None),
            ("video/x-raw, height=2", None),
            ("audio/x-raw", None),
        ];
        for (text, expected) in cases {
            assert_eq!(square_size(&caps(text)), expected, "{text}");
        }
    }

    #[test]
    fn encoders_may_narrow_the_formats() {
        let filter = raw_filter(Codec::H264, &caps("video/x-raw"), Some(&["NV12"]), Colours::Told);
        assert!(!caps("video/x-raw, format=I420").can_intersect(&filter));
    }

    #[test]
    fn odd_sizes_become_even() {
        let size = |text| {
            let filter = raw_filter(Codec::H264, &caps(text), None, Colours::Told);
            let structure = filter.structure(0).unwrap();
            (
                structure.get::<i32>("width").ok(),
                structure.get::<i32>("height").ok(),
            )
        };
        assert_eq!(size("video/x-raw, width=641, height=480"), (Some(640), Some(480)));
        assert_eq!(size("video/x-raw, width=640, height=480"), (None, None));
        assert_eq!(size("video/x-raw, width=1, height=1"), (Some(2), Some(2)));
        assert_eq!(size("video/x-raw"), (None, None));
    }

    #[test]
    fn channels_divide_the_two_kinds_of_opus() {
        let stereo = caps("audio/x-raw, channels=2");
        assert!(stereo.can_intersect(&raw_filter(Codec::Opus, &stereo, None, Colours::Left)));
        assert!(!stereo.can_intersect(&raw_filter(Codec::MultiOpus, &stereo, None, Colours::Left)));
    }

    #[test]
    fn raw_payloads_keep_what_their_payloader_takes() {
        gst::init().unwrap();
        let filter = raw_filter(
            Codec::L16,
            &caps("audio/x-raw, format=F32LE"),
            None,
            Colours::Left,
        );
        assert!(
            filter.iter().all(|s| s.get::<&str>("format") == Ok("S16BE")),
            "{filter}"
        );
    }

    #[test]
    fn variable_rates_are_not_lowered() {
        assert!(has_framerate(&caps("video/x-raw, framerate=30/1")));
        assert!(!has_framerate(&caps("video/x-raw, framerate=0/1")));
        assert!(!has_framerate(&caps("video/x-raw")));
    }
}
