// SPDX-License-Identifier: MPL-2.0
//! How the colours of raw video are to be written down so that browsers show them as they are at the source.
//!
//! Pure. VP8's frames say nothing of it, and browsers take them for BT.601 (RFC 6386, section 9.2). H.264 that says
//! nothing they take for BT.709 at every size, and of the full range no encoder tells them: what came from `vp9enc`,
//! `x264enc` and `openh264enc` was up to 38 of 255 off in Chromium. Owns the choice of the colorimetry before an encoder;
//! the rest of the filter there is `convert`'s.

use gst_video::{VideoColorMatrix, VideoColorRange};

use crate::codec::Codec;

/// What can be done about the colours of video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    /// The converter leaves colorimetry as it is, and refuses to be asked.
    Left,
    /// It is converted, and the encoder writes into the stream which one it is.
    Told,
    /// It is converted, and receivers have to guess.
    Untold,
}

impl Colours {
    /// Between these converters and this encoder.
    pub(super) fn of(converters: &[&str], encoder: Option<&str>) -> Self {
        match encoder {
            _ if !converters.contains(&"videoconvert") => Self::Left,
            Some(encoder) if TELLING_ENCODERS.contains(&encoder) => Self::Told,
            _ => Self::Untold,
        }
    }

    /// What the converter is to be asked for.
    pub(super) fn colorimetry(self, codec: Codec, input: &gst::CapsRef) -> Option<&'static str> {
        let input = gst_video::VideoInfo::from_caps(input).ok();
        let colorimetry = input.map(|input| input.colorimetry());
        let matrix = colorimetry.map(|it| it.matrix());
        let is_full = colorimetry.is_some_and(|it| it.range() == VideoColorRange::Range0_255);
        let is_601 = matrix == Some(VideoColorMatrix::Bt601);
        let is_709 = matrix == Some(VideoColorMatrix::Bt709);
        match self {
            Self::Left => None,
            _ if codec == Codec::Vp8 => Some(if is_601 && is_full { NEARLY_BT601 } else { "bt601" }),
            Self::Told if (is_601 && !is_full) || (is_709 && is_full) => Some("bt601"),
            _ => Some("bt709"),
        }
    }
}

/// The matrix of the FCC, which differs from BT.601's by 0.4 %. `videoconvert` 1.22 leaves the range as it is when that
/// is all that differs (grey of 191 came out as 201), and converts it together with the matrix.
const NEARLY_BT601: &str = "2:2:16:4";
/// Encoders that write the matrix into their stream, by what Chromium shows.
const TELLING_ENCODERS: [&str; 2] = ["vp9enc", "x264enc"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    fn asked(codec: Codec, colorimetry: &str, colours: Colours) -> Option<&'static str> {
        gst::init().unwrap();
        let text = format!("video/x-raw, format=I420, width=640, height=480, colorimetry={colorimetry}");
        colours.colorimetry(codec, &gst::Caps::from_str(&text).unwrap())
    }

    #[test]
    fn colours_are_written_down_as_receivers_read_them() {
        let cases = [
            (Codec::Vp8, "bt709", Colours::Untold, "bt601"),
            (Codec::Vp8, "bt601", Colours::Untold, "bt601"),
            (Codec::Vp9, "bt601", Colours::Told, "bt601"),
            (Codec::H264, "bt601", Colours::Told, "bt601"),
            (Codec::H264, "bt601", Colours::Untold, "bt709"),
            (Codec::H264, "bt709", Colours::Told, "bt709"),
            (Codec::H265, "bt2020", Colours::Untold, "bt709"),
        ];
        for (codec, input, colours, expected) in cases {
            let asked = asked(codec, input, colours);
            assert_eq!(asked, Some(expected), "{codec} of {input}, {colours:?}");
        }
    }

    #[test]
    fn the_full_range_is_left_together_with_its_matrix() {
        let cases = [
            (Codec::Vp8, "1:4:0:0", Colours::Untold, NEARLY_BT601),
            (Codec::Vp8, "1:3:5:1", Colours::Untold, "bt601"),
            (Codec::H264, "1:4:0:0", Colours::Told, "bt709"),
            (Codec::H264, "1:3:5:1", Colours::Told, "bt601"),
        ];
        for (codec, input, colours, expected) in cases {
            let asked = asked(codec, input, colours);
            assert_eq!(asked, Some(expected), "{codec} of {input}, {colours:?}");
        }
    }

    #[test]
    fn converters_of_other_memory_are_not_asked() {
        let plain = ["videoconvert", "videoscale"];
        assert_eq!(Colours::of(&plain, Some("x264enc")), Colours::Told);
        assert_eq!(Colours::of(&plain, Some("openh264enc")), Colours::Untold);
        let on_gpu = Colours::of(&["vapostproc"], Some("vah264enc"));
        assert_eq!(asked(Codec::H264, "bt601", on_gpu), None);
    }
}
