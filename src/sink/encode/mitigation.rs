// SPDX-License-Identifier: MPL-2.0
//! Size and frame rate that suit a bitrate, as caps for the filter before the encoder.
//!
//! The thresholds and their hysteresis are `congestion::mitigate`; an application may choose caps of its own instead.
//! What is in effect is read from what comes in and what leaves, so that caps which change nothing report nothing. Pure
//! but for the clock; called by `lifecycle` under the branch's lock, on the worker.

use std::sync::LazyLock;
use std::time::Instant;

use congestion::mitigate::{Mitigator, Modes, Picture, Reduction};
use congestion::units::{Bitrate, Timestamp};

use super::Mitigation;

/// Decides for one branch.
#[derive(Debug)]
pub(super) struct Ladder {
    allowed: Mitigation,
    mitigator: Mitigator,
}

impl Ladder {
    /// One that may reduce what is `allowed`.
    pub(super) const fn new(allowed: Mitigation) -> Self {
        Self {
            allowed,
            mitigator: Mitigator::new(modes(allowed)),
        }
    }

    /// `full`, the filter at full size, with what the bitrate asks for added.
    pub(super) fn caps(
        &mut self,
        bitrate: Bitrate,
        input: &gst_video::VideoInfo,
        allowed: Mitigation,
        full: &gst::CapsRef,
    ) -> gst::Caps {
        if allowed != self.allowed {
            *self = Self::new(allowed);
        }
        reduced(full, self.mitigator.update(now(), bitrate, &picture(input)))
    }
}

/// The filter for caps that an application chose: they stand where they and `full` agree.
pub(super) fn chosen_caps(full: &gst::CapsRef, chosen: &gst::CapsRef) -> Option<gst::Caps> {
    let mut chosen = chosen.to_owned();
    chosen
        .make_mut()
        .set_features_simple(Some(gst::CapsFeatures::new_any()));
    let both = chosen.intersect(full);
    (!both.is_empty()).then_some(both)
}

/// What was lowered between these caps.
pub(super) fn in_effect(input: &gst::CapsRef, output: &gst::CapsRef) -> Mitigation {
    let height = |caps: &gst::CapsRef| caps.structure(0).and_then(|s| s.get::<i32>("height").ok());
    let rate = |caps: &gst::CapsRef| {
        let rate = caps
            .structure(0)
            .and_then(|s| s.get::<gst::Fraction>("framerate").ok());
        rate.filter(|rate| rate.numer() > 0)
    };
    // An odd line that encoders cannot take is no reduction.
    let downscaled = height(input)
        .zip(height(output))
        .is_some_and(|(input, output)| output < (input & !1));
    let downsampled = rate(input)
        .zip(rate(output))
        .is_some_and(|(input, output)| output < input);
    Mitigation {
        downscaled,
        downsampled,
    }
}

const fn modes(allowed: Mitigation) -> Modes {
    Modes {
        downscale: allowed.downscaled,
        downsample: allowed.downsampled,
    }
}

/// The input as the ladder sees it; a frame rate of 0 is a varying one and cannot be lowered.
fn picture(input: &gst_video::VideoInfo) -> Picture {
    let positive = |fraction: gst::Fraction| {
        let (num, den) = (
            u32::try_from(fraction.numer()).ok()?,
            u32::try_from(fraction.denom()).ok()?,
        );
        (num > 0 && den > 0).then_some((num, den))
    };
    Picture {
        width: input.width(),
        height: input.height(),
        pixel_aspect_ratio: positive(input.par()).unwrap_or((1, 1)),
        framerate: positive(input.fps()),
    }
}

fn reduced(full: &gst::CapsRef, reduction: Reduction) -> gst::Caps {
    let mut caps = full.to_owned();
    for structure in caps.make_mut().iter_mut() {
        if let Some((width, height)) = reduction.size.and_then(signed) {
            structure.set("width", width);
            structure.set("height", height);
        }
        if let Some((num, den)) = reduction.framerate.and_then(signed) {
            structure.set("framerate", gst::Fraction::new(num, den));
        }
    }
    caps
}

fn signed((a, b): (u32, u32)) -> Option<(i32, i32)> {
    Some((i32::try_from(a).ok()?, i32::try_from(b).ok()?))
}

/// Time since the first call in this process.
fn now() -> Timestamp {
    static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
    Timestamp::from_millis(u64::try_from(EPOCH.elapsed().as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    const ALL: Mitigation = Mitigation {
        downscaled: true,
        downsampled: true,
    };

    fn caps(text: &str) -> gst::Caps {
        gst::init().unwrap();
        gst::Caps::from_str(text).unwrap()
    }

    fn hd() -> gst_video::VideoInfo {
        gst::init().unwrap();
        gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, 1280, 720)
            .fps((30, 1))
            .build()
            .unwrap()
    }

    fn filter_at(kbps: u64, allowed: Mitigation) -> gst::Caps {
        let full = caps("video/x-raw(ANY), format=I420");
        Ladder::new(allowed).caps(Bitrate::from_kbps(kbps), &hd(), allowed, &full)
    }

    #[test]
    fn low_bitrates_get_small_pictures() {
        let cases = [
            (4000, "video/x-raw(ANY), format=I420"),
            (1500, "video/x-raw(ANY), format=I420"),
            (900, "video/x-raw(ANY), format=I420, width=640, height=360"),
            (
                400,
                "video/x-raw(ANY), format=I420, width=640, height=360, framerate=30/2",
            ),
        ];
        for (kbps, expected) in cases {
            assert_eq!(filter_at(kbps, ALL), caps(expected), "{kbps} kbit/s");
        }
    }

    #[test]
    fn what_is_not_allowed_stays() {
        let full = caps("video/x-raw(ANY), format=I420");
        assert_eq!(filter_at(100, Mitigation::default()), full);
        let scaled = filter_at(
            100,
            Mitigation {
                downscaled: true,
                downsampled: false,
            },
        );
        assert!(!scaled.structure(0).unwrap().has_field("framerate"), "{scaled}");
    }

    #[test]
    fn modes_can_change_while_running() {
        let full = caps("video/x-raw(ANY), format=I420");
        let mut ladder = Ladder::new(ALL);
        let low = Bitrate::from_kbps(300);
        assert_ne!(ladder.caps(low, &hd(), ALL, &full), full);
        assert_eq!(ladder.caps(low, &hd(), Mitigation::default(), &full), full);
    }

    #[test]
    fn chosen_caps_keep_the_encoders_formats() {
        let full = caps("video/x-raw(ANY), format={ I420, NV12 }");
        let chosen = chosen_caps(&full, &caps("video/x-raw, width=320, height=180")).unwrap();
        let structure = chosen.structure(0).unwrap();
        assert_eq!(structure.get::<i32>("width").unwrap(), 320);
        assert!(structure.has_field("format"));
        assert_eq!(chosen_caps(&full, &caps("video/x-raw, format=BGRA")), None);
        assert_eq!(chosen_caps(&full, &gst::Caps::new_empty()), None);
    }

    #[test]
    fn only_real_reductions_are_reported() {
        let input = caps("video/x-raw, width=1281, height=721, framerate=30/1");
        let cases = [
            (
                "video/x-vp8, width=1280, height=720, framerate=30/1",
                (false, false),
            ),
            (
                "video/x-vp8, width=640, height=360, framerate=30/1",
                (true, false),
            ),
            ("video/x-vp8, width=640, height=360, framerate=15/1", (true, true)),
            ("video/x-vp8, framerate=0/1", (false, false)),
        ];
        for (output, (downscaled, downsampled)) in cases {
            assert_eq!(
                in_effect(&input, &caps(output)),
                Mitigation {
                    downscaled,
                    downsampled
                },
                "{output}"
            );
        }
    }
}
