// SPDX-License-Identifier: MPL-2.0
//! The words of the pool's interface: which stream, which branch, what a consumer asks for, what can go wrong.
//!
//! Owns types only, so that `sink/session` and the pool share words without knowing each other. Errors name what the
//! user can mend; they travel to the session as the text of its end.

use std::fmt;
use std::sync::Arc;

use congestion::units::Bitrate;

use crate::codec::Codec;

/// An input stream, by the name of its request pad.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StreamId(Arc<str>);

impl StreamId {
    /// The stream of the pad called `pad_name`.
    pub(crate) fn new(pad_name: &str) -> Self {
        Self(pad_name.into())
    }

    /// The pad's name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A branch; unique within a pool and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BranchId(pub(super) u64);

impl fmt::Display for BranchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "branch-{}", self.0)
    }
}

/// Of what size a branch's pictures are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PictureSize {
    /// As they come in, or smaller where the bitrate asks for that.
    #[default]
    Adaptive,
    /// Both sides divided by this, whatever the bitrate: one layer of several.
    Divided(u32),
}

impl PictureSize {
    /// What both sides are divided by before the bitrate has its say; at least 1.
    pub(crate) fn divisor(self) -> u32 {
        match self {
            Self::Adaptive => 1,
            Self::Divided(divisor) => divisor.max(1),
        }
    }

    /// What a side of the input becomes before the bitrate has its say: even, because half-resolution colour has no half
    /// pixels.
    pub(crate) fn side(self, side: u32) -> u32 {
        let least = (side & !1).clamp(2, SMALLEST_SIDE);
        ((side / self.divisor()) & !1).max(least)
    }
}

/// No layer is smaller than what every encoder takes: OpenH264 refuses less.
const SMALLEST_SIDE: u32 = 16;

/// A consumer's wish for one stream.
#[derive(Clone, Debug)]
pub(crate) struct AttachRequest {
    /// Which input.
    pub(crate) stream: StreamId,
    /// What it leaves as.
    pub(crate) codec: Codec,
    /// The encoder's share of what was negotiated (`codec::caps::encoder_side`); ANY when nothing is imposed.
    pub(crate) encoder_caps: gst::Caps,
    /// Of what size; only a video encoder heeds it.
    pub(crate) size: PictureSize,
    /// Peer id of the consumer, as signals name it.
    pub(crate) consumer_id: String,
    /// Its session.
    pub(crate) session_id: String,
    /// Where encoded samples go, not started yet: the pool makes it live, in time format, with limits and latency.
    /// Timestamps are running times of the shared clock and base time.
    pub(crate) appsrc: gst_app::AppSrc,
    /// What the consumer's congestion controller allows at first.
    pub(crate) target: Bitrate,
}

/// Why a consumer gets nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BranchError {
    /// No caps have been seen on that pad, or it was released.
    #[error("stream {0} has no caps yet")]
    UnknownStream(StreamId),
    /// The input is encoded in another codec than the one asked for.
    #[error("stream {stream} is {input} and cannot leave as {codec}")]
    WrongCodec {
        /// Which stream.
        stream: StreamId,
        /// Its caps.
        input: gst::Caps,
        /// What was wanted.
        codec: Codec,
    },
    /// Nothing in the registry encodes this.
    #[error("no encoder for {0} is installed")]
    NoEncoder(Codec),
    /// Every encoder was tried.
    #[error("no encoder for {codec} works for {input}: {tried}")]
    EncodersFailed {
        /// What was wanted.
        codec: Codec,
        /// From what.
        input: gst::Caps,
        /// Each factory that was tried, with what it said.
        tried: String,
    },
    /// An element besides the encoder is missing.
    #[error(transparent)]
    MissingElement(#[from] crate::gst_ext::make::MissingElement),
    /// The elements of the branch do not fit together, or one reported an error.
    #[error("branch for {codec} failed: {reason}")]
    Broken {
        /// What was wanted.
        codec: Codec,
        /// What the element said.
        reason: String,
    },
    /// The pool was shut down.
    #[error("the element is stopping")]
    ShutDown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_divided_and_even() {
        let cases = [
            (PictureSize::Divided(4), 642, 160),
            (PictureSize::Divided(4), 644, 160),
            (PictureSize::Divided(2), 961, 480),
            (PictureSize::Divided(1), 961, 960),
            (PictureSize::Adaptive, 961, 960),
            (PictureSize::Divided(0), 640, 640),
        ];
        for (size, side, expected) in cases {
            assert_eq!(size.side(side), expected, "{side} {size:?}");
        }
    }

    #[test]
    fn no_layer_is_too_small_for_an_encoder_that_takes_the_input() {
        let cases = [(40, 16), (17, 16), (16, 16), (8, 8), (3, 2), (1, 2), (0, 2)];
        for (side, expected) in cases {
            assert_eq!(PictureSize::Divided(4).side(side), expected, "{side}");
        }
    }
}
