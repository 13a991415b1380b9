// SPDX-License-Identifier: MPL-2.0
//! What can be sent and received: the codecs this plugin knows, and what the installed elements can do with them.
//!
//! [`Codec`] is the closed list of names a description may carry. [`catalogue()`] says which factories encode, decode,
//! pay and depay each of them; [`proposals`] turns the caps a user asks for into codecs with payload types;
//! [`h264`] compares profiles; [`nal`] tells parameter sets from slices; [`encoders`] knows how each encoder is set up
//! and how its bitrate is read and written.
//! Nothing here runs a pipeline: trying out what a stream can leave as belongs to `sink::discovery`.
//!
//! Everything may be called from any thread.

pub(crate) mod caps;
mod catalogue;
pub(crate) mod encoders;
pub(crate) mod h264;
pub(crate) mod nal;
pub(crate) mod payloaders;
pub(crate) mod proposals;

use std::fmt;

pub(crate) use catalogue::{Catalogue, catalogue};
pub(crate) use encoders::EncoderControl;

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

impl MediaKind {
    /// The word of an m-line and of the `media` field of RTP caps.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }

    /// The kind of a stream with these caps: raw, encoded or `application/x-rtp`.
    pub(crate) fn of_caps(caps: &gst::CapsRef) -> Option<Self> {
        let structure = caps.structure(0)?;
        match structure.name().as_str() {
            "application/x-rtp" => structure.get::<&str>("media").ok().and_then(Self::from_word),
            name => Self::from_word(name.split_once('/')?.0),
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "audio" => Some(Self::Audio),
            "video" => Some(Self::Video),
            _ => None,
        }
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A codec by its RTP encoding name. Declared in the order used wherever a default order is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Codec {
    /// Opus, mono or stereo (RFC 7587).
    Opus,
    /// Opus with more than two channels, as Chromium names it.
    MultiOpus,
    /// Linear 24 bit audio (RFC 3190).
    L24,
    /// Linear 16 bit audio (RFC 3551).
    L16,
    /// Linear 8 bit audio (RFC 3551).
    L8,
    /// VP8 (RFC 7741).
    Vp8,
    /// H.264 (RFC 6184).
    H264,
    /// VP9 (RFC 9628).
    Vp9,
    /// H.265 (RFC 7798).
    H265,
    /// AV1 (the Alliance for Open Media's RTP payload format).
    Av1,
    /// Uncompressed video (RFC 4175).
    Raw,
}

impl Codec {
    /// Every codec, in default order.
    pub(crate) const ALL: [Self; 11] = [
        Self::Opus,
        Self::MultiOpus,
        Self::L24,
        Self::L16,
        Self::L8,
        Self::Vp8,
        Self::H264,
        Self::Vp9,
        Self::H265,
        Self::Av1,
        Self::Raw,
    ];

    /// The name in `a=rtpmap` and in the `encoding-name` field of RTP caps, in the case that GStreamer writes.
    pub(crate) const fn encoding_name(self) -> &'static str {
        match self {
            Self::Opus => "OPUS",
            Self::MultiOpus => "MULTIOPUS",
            Self::L24 => "L24",
            Self::L16 => "L16",
            Self::L8 => "L8",
            Self::Vp8 => "VP8",
            Self::H264 => "H264",
            Self::Vp9 => "VP9",
            Self::H265 => "H265",
            Self::Av1 => "AV1",
            Self::Raw => "RAW",
        }
    }

    /// The codec of an encoding name, which descriptions write in any case (RFC 8866, section 6.6).
    pub(crate) fn from_encoding_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.encoding_name().eq_ignore_ascii_case(name))
    }

    /// The codec that already encoded caps are in; `None` for raw media and for what is not known.
    pub(crate) fn of_encoded_caps(caps: &gst::CapsRef) -> Option<Self> {
        Self::ALL
            .into_iter()
            .filter(|codec| !codec.is_raw_payload())
            .find(|codec| caps.can_intersect(&codec.caps()))
    }

    /// Sound or pictures.
    pub(crate) const fn media(self) -> MediaKind {
        match self {
            Self::Opus | Self::MultiOpus | Self::L24 | Self::L16 | Self::L8 => MediaKind::Audio,
            _ => MediaKind::Video,
        }
    }

    /// The RTP clock rate; `None` where it follows the sampling rate of the stream.
    pub(crate) const fn clock_rate(self) -> Option<u32> {
        match self {
            Self::Opus | Self::MultiOpus => Some(48_000),
            Self::L24 | Self::L16 | Self::L8 => None,
            _ => Some(90_000),
        }
    }

    /// Whether raw media goes into packets as it is: such codecs have no encoder and are only used when asked for.
    pub(crate) const fn is_raw_payload(self) -> bool {
        matches!(self, Self::L24 | Self::L16 | Self::L8 | Self::Raw)
    }

    /// Whether frames depend on earlier ones, so that a receiver can begin only at a key frame.
    pub(crate) const fn has_key_frames(self) -> bool {
        matches!(self, Self::Vp8 | Self::H264 | Self::Vp9 | Self::H265 | Self::Av1)
    }

    /// What an encoder puts out, or for a raw payload what its payloader takes.
    pub(crate) fn caps(self) -> gst::Caps {
        match self {
            Self::Opus => gst::Caps::builder("audio/x-opus")
                .field("channel-mapping-family", 0)
                .build(),
            Self::MultiOpus => gst::Caps::builder("audio/x-opus")
                .field("channel-mapping-family", 1)
                .build(),
            Self::Vp8 => gst::Caps::new_empty_simple("video/x-vp8"),
            Self::H264 => gst::Caps::new_empty_simple("video/x-h264"),
            Self::Vp9 => gst::Caps::new_empty_simple("video/x-vp9"),
            Self::H265 => gst::Caps::new_empty_simple("video/x-h265"),
            Self::Av1 => gst::Caps::new_empty_simple("video/x-av1"),
            Self::L24 | Self::L16 | Self::L8 | Self::Raw => catalogue().payloader_input(self),
        }
    }

    /// The parser that stands between encoder and payloader, or `None` where the payloader needs none.
    pub(crate) const fn parser(self) -> Option<&'static str> {
        match self {
            Self::H264 => Some("h264parse"),
            Self::Vp9 => Some("vp9parse"),
            Self::H265 => Some("h265parse"),
            Self::Av1 => Some("av1parse"),
            _ => None,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encoding_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    fn caps(text: &str) -> gst::Caps {
        gst::init().unwrap();
        gst::Caps::from_str(text).unwrap()
    }

    #[test]
    fn names_are_found_in_any_case() {
        for codec in Codec::ALL {
            assert_eq!(Codec::from_encoding_name(codec.encoding_name()), Some(codec));
            assert_eq!(
                Codec::from_encoding_name(&codec.encoding_name().to_lowercase()),
                Some(codec)
            );
        }
        for unknown in ["", "VP", "rtx", "red", "telephone-event"] {
            assert_eq!(Codec::from_encoding_name(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn encoded_caps_name_their_codec() {
        let cases = [
            ("video/x-vp8", Some(Codec::Vp8)),
            ("video/x-vp9, profile=(string)0", Some(Codec::Vp9)),
            ("video/x-h264, stream-format=byte-stream", Some(Codec::H264)),
            ("video/x-h265", Some(Codec::H265)),
            ("video/x-av1", Some(Codec::Av1)),
            ("audio/x-opus, channel-mapping-family=0", Some(Codec::Opus)),
            ("audio/x-opus, channel-mapping-family=1", Some(Codec::MultiOpus)),
            ("video/x-raw", None),
            ("audio/x-raw", None),
            ("audio/mpeg", None),
        ];
        for (text, codec) in cases {
            assert_eq!(Codec::of_encoded_caps(&caps(text)), codec, "{text}");
        }
    }

    #[test]
    fn kinds_come_from_raw_encoded_and_rtp_caps() {
        let cases = [
            ("audio/x-raw", Some(MediaKind::Audio)),
            ("video/x-raw(memory:GLMemory)", Some(MediaKind::Video)),
            ("application/x-rtp, media=audio", Some(MediaKind::Audio)),
            ("application/x-rtp, media=application", None),
            ("application/x-rtp", None),
            ("text/x-raw", None),
        ];
        for (text, kind) in cases {
            assert_eq!(MediaKind::of_caps(&caps(text)), kind, "{text}");
        }
        assert_eq!(MediaKind::of_caps(&gst::Caps::new_empty()), None);
    }

    #[test]
    fn raw_payloads_take_what_their_payloader_takes() {
        gst::init().unwrap();
        for codec in [Codec::L24, Codec::L16, Codec::L8] {
            let caps = codec.caps();
            assert!(caps.iter().all(|s| s.name() == "audio/x-raw"), "{codec}: {caps}");
            assert_eq!(codec.clock_rate(), None);
        }
        assert!(Codec::Raw.caps().iter().all(|s| s.name() == "video/x-raw"));
    }

    #[test]
    fn only_compressed_video_has_key_frames() {
        for codec in Codec::ALL {
            let expected = codec.media() == MediaKind::Video && codec != Codec::Raw;
            assert_eq!(codec.has_key_frames(), expected, "{codec}");
        }
    }
}
