// SPDX-License-Identifier: MPL-2.0
//! When to lower resolution or frame rate because the bitrate is too low for them, and when to raise them again.
//!
//! A picture of fewer pixels looks better than one of many starved of bits. Going down happens at the thresholds of
//! the table below; going up needs some more than that, for some time, so that a rate around a threshold does not
//! make the encoder reconfigure at every estimate.

use std::time::Duration;

use crate::units::{Bitrate, Timestamp};

/// What may be lowered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// The size of the picture.
    pub downscale: bool,
    /// The frame rate.
    pub downsample: bool,
}

/// The picture before mitigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Shape of a pixel, width to height.
    pub pixel_aspect_ratio: (u32, u32),
    /// Frames per second as a fraction, where known and fixed.
    pub framerate: Option<(u32, u32)>,
}

/// What the picture is to become; `None` leaves that side as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reduction {
    /// Width and height, with square pixels.
    pub size: Option<(u32, u32)>,
    /// Frames per second as a fraction.
    pub framerate: Option<(u32, u32)>,
}

/// Decides the reduction for one encoder from its bitrate.
#[derive(Clone, Debug)]
pub struct Mitigator {
    modes: Modes,
    level: usize,
    better_since: Option<Timestamp>,
}

impl Mitigator {
    /// A mitigator that starts unreduced.
    pub const fn new(modes: Modes) -> Self {
        Self {
            modes,
            level: 0,
            better_since: None,
        }
    }

    /// Takes the encoder's bitrate and returns what its picture is to become.
    pub fn update(&mut self, now: Timestamp, bitrate: Bitrate, picture: &Picture) -> Reduction {
        let fits = level_for(bitrate);
        if fits > self.level {
            self.level = fits;
            self.better_since = None;
        } else {
            self.raise_when_stable(now, bitrate);
        }
        self.reduction(picture)
    }

    fn raise_when_stable(&mut self, now: Timestamp, bitrate: Bitrate) {
        let raised = level_for(bitrate * (1.0 / RAISE_MARGIN));
        if raised >= self.level {
            self.better_since = None;
        } else if now - *self.better_since.get_or_insert(now) >= RAISE_AFTER {
            self.level = raised;
            self.better_since = None;
        }
    }

    fn reduction(&self, picture: &Picture) -> Reduction {
        let Level {
            height,
            halve_framerate,
            ..
        } = LEVELS[self.level];
        let lower = height.filter(|&height| self.modes.downscale && height < picture.height);
        let halve = self.modes.downsample && halve_framerate;
        Reduction {
            size: lower.map(|height| (width_at(height, picture), height)),
            framerate: picture
                .framerate
                .filter(|_| halve)
                .map(|(num, den)| (num, den.saturating_mul(2))),
        }
    }
}

/// The level a bitrate asks for: an index into [`LEVELS`].
fn level_for(bitrate: Bitrate) -> usize {
    LEVELS
        .iter()
        .rposition(|level| bitrate < level.below)
        .unwrap_or(0)
}

/// The width that keeps the picture's shape at `height`, up to the next even number.
fn width_at(height: u32, picture: &Picture) -> u32 {
    let (num, den) = picture.pixel_aspect_ratio;
    let shape = u128::from(picture.width) * u128::from(num.max(1));
    let across = u128::from(picture.height.max(1)) * u128::from(den.max(1));
    let width = (u128::from(height) * shape).div_ceil(across);
    u32::try_from(width.next_multiple_of(2)).unwrap_or(u32::MAX)
}

#[derive(Clone, Copy)]
struct Level {
    below: Bitrate,
    height: Option<u32>,
    halve_framerate: bool,
}

/// The thresholds that users of the element know; the first row is the unreduced picture.
const LEVELS: [Level; 4] = [
    Level {
        below: Bitrate::MAX,
        height: None,
        halve_framerate: false,
    },
    Level {
        below: Bitrate::from_kbps(2000),
        height: Some(720),
        halve_framerate: false,
    },
    Level {
        below: Bitrate::from_kbps(1000),
        height: Some(360),
        halve_framerate: false,
    },
    Level {
        below: Bitrate::from_kbps(500),
        height: Some(360),
        halve_framerate: true,
    },
];

/// How far a bitrate must be past a threshold to raise the picture: more than the 15 % of one decrease
/// (draft-ietf-rmcat-gcc-02, section 5.5), so that the next one does not lower it again.
const RAISE_MARGIN: f64 = 1.2;

/// How long it must stay there: several cycles of additive increase and decrease.
const RAISE_AFTER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const HD: Picture = Picture {
        width: 1920,
        height: 1080,
        pixel_aspect_ratio: (1, 1),
        framerate: Some((30, 1)),
    };
    const BOTH: Modes = Modes {
        downscale: true,
        downsample: true,
    };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn first(modes: Modes, kbps: u64, picture: Picture) -> Reduction {
        Mitigator::new(modes).update(at(0), Bitrate::from_kbps(kbps), &picture)
    }

    #[test]
    fn the_table_holds_at_its_thresholds() {
        for (kbps, size, framerate) in [
            (499, Some((640, 360)), Some((30, 2))),
            (500, Some((640, 360)), None),
            (999, Some((640, 360)), None),
            (1000, Some((1280, 720)), None),
            (1999, Some((1280, 720)), None),
            (2000, None, None),
        ] {
            assert_eq!(
                first(BOTH, kbps, HD),
                Reduction { size, framerate },
                "{kbps} kbit/s"
            );
        }
    }

    #[test]
    fn only_what_is_allowed_is_lowered() {
        assert_eq!(first(Modes::default(), 100, HD), Reduction::default());
        let scaled = first(
            Modes {
                downscale: true,
                downsample: false,
            },
            100,
            HD,
        );
        assert_eq!((scaled.size, scaled.framerate), (Some((640, 360)), None));
        let sampled = first(
            Modes {
                downscale: false,
                downsample: true,
            },
            100,
            HD,
        );
        assert_eq!((sampled.size, sampled.framerate), (None, Some((30, 2))));
    }

    #[test]
    fn a_small_picture_is_never_enlarged() {
        let small = Picture {
            width: 320,
            height: 240,
            framerate: None,
            ..HD
        };
        assert_eq!(first(BOTH, 100, small), Reduction::default());
    }

    #[test]
    fn width_keeps_the_shape_and_is_even() {
        let anamorphic = Picture {
            width: 720,
            height: 576,
            pixel_aspect_ratio: (16, 15),
            ..HD
        };
        assert_eq!(first(BOTH, 700, anamorphic).size, Some((480, 360)));
        let odd = Picture {
            width: 1366,
            height: 768,
            ..HD
        };
        assert_eq!(first(BOTH, 700, odd).size, Some((642, 360)));
        let hostile = Picture {
            width: u32::MAX,
            height: 2000,
            pixel_aspect_ratio: (u32::MAX, 0),
            ..HD
        };
        assert_eq!(
            first(BOTH, 700, hostile).size,
            Some((u32::MAX, 360)),
            "no overflow"
        );
    }

    #[test]
    fn a_rate_around_a_threshold_lowers_once() {
        let mut mitigator = Mitigator::new(BOTH);
        let sizes: Vec<_> = (0..60)
            .map(|second| {
                mitigator
                    .update(at(second), Bitrate::from_kbps(980 + second % 2 * 60), &HD)
                    .size
            })
            .collect();
        assert!(sizes.iter().all(|&size| size == Some((640, 360))), "{sizes:?}");
    }

    #[test]
    fn a_rate_well_above_raises_after_a_while() {
        let mut mitigator = Mitigator::new(BOTH);
        mitigator.update(at(0), Bitrate::from_kbps(600), &HD);
        let size = |mitigator: &mut Mitigator, second| {
            mitigator.update(at(second), Bitrate::from_kbps(1500), &HD).size
        };
        assert_eq!(size(&mut mitigator, 1), Some((640, 360)));
        assert_eq!(size(&mut mitigator, 5), Some((640, 360)));
        assert_eq!(size(&mut mitigator, 6), Some((1280, 720)));
    }

    #[test]
    fn a_drop_lowers_at_once() {
        let mut mitigator = Mitigator::new(BOTH);
        assert_eq!(
            mitigator.update(at(0), Bitrate::from_kbps(3000), &HD),
            Reduction::default()
        );
        assert_eq!(
            mitigator.update(at(1), Bitrate::from_kbps(300), &HD).framerate,
            Some((30, 2))
        );
    }
}
