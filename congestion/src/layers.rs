// SPDX-License-Identifier: MPL-2.0
//! One stream's bitrate spread over the layers it is sent in (simulcast): the smallest first, large ones only if they fit.
//!
//! A layer is an encoder of its own whose picture has a share of the input's size. Receivers behind a forwarding server
//! get one of them each, so the smallest layer is what everybody can fall back to, and is never without bits; a larger
//! one that would get less than its size needs is not sent at all, and none but the largest gets more than its size is
//! worth, or those who fall back to it could not take it. Sizes, bitrates and this order are libwebrtc's.

use crate::units::Bitrate;

/// What pictures of one size are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerRates {
    /// Below this a smaller picture looks better.
    pub min: Bitrate,
    /// What it gets before a larger layer gets anything.
    pub target: Bitrate,
    /// Beyond this a larger picture looks better.
    pub max: Bitrate,
}

impl LayerRates {
    /// Those of a picture with so many pixels; between the sizes of the table in proportion.
    pub fn of_pixels(pixels: u64) -> Self {
        let Some(above) = SIZES.iter().rposition(|size| size.pixels >= pixels) else {
            return SIZES[0].rates();
        };
        let (upper, Some(lower)) = (&SIZES[above], SIZES.get(above + 1)) else {
            return SIZES[above].rates();
        };
        let part = (pixels - lower.pixels) as f64 / (upper.pixels - lower.pixels) as f64;
        let (low, high) = (lower.rates(), upper.rates());
        let between = |rate: fn(&Self) -> Bitrate| {
            let difference = (rate(&high) - rate(&low)) * part;
            rate(&low) + difference
        };
        Self {
            min: between(|rates| rates.min),
            target: between(|rates| rates.target),
            max: between(|rates| rates.max),
        }
    }
}

/// In how many layers a picture of this size can be sent, each with half the sides of the next, before the smallest is
/// too small to be of use.
pub fn most_layers(width: u32, height: u32) -> usize {
    let pixels = u64::from(width) * u64::from(height);
    let size = SIZES.iter().find(|size| size.pixels <= pixels);
    size.map_or(1, |size| size.layers)
}

/// Which layers are sent, and at which bitrate; remembers those that are, because it takes more to begin with one than
/// to go on.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    sent: Vec<bool>,
}

impl Layers {
    /// Spreads `total` over layers, smallest first: their rates, `None` for those that nobody wants. What is left over
    /// goes to the largest that is sent, as far as it is worth it; all of it to the last one, whose picture is as it came.
    /// One bitrate per layer; `None`: not to be sent.
    pub fn spread(&mut self, total: Bitrate, layers: &[Option<LayerRates>]) -> Vec<Option<Bitrate>> {
        self.sent.resize(layers.len(), false);
        let mut left = total;
        let mut largest = None;
        let mut spread = vec![None; layers.len()];
        for (index, rates) in layers.iter().enumerate() {
            let Some(rates) = rates else { continue };
            let needed = if self.sent[index] {
                rates.min
            } else {
                rates.min * BEGIN_MARGIN
            };
            if largest.is_some() && left < needed {
                break;
            }
            let share = rates.target.min(left);
            left = left - share;
            spread[index] = Some(share);
            let is_last = index + 1 == layers.len();
            largest = Some((index, if is_last { Bitrate::MAX } else { rates.max }));
        }
        if let Some((index, most)) = largest {
            spread[index] = spread[index].map(|share| most.min(share + left));
        }
        self.sent = spread.iter().map(Option::is_some).collect();
        spread
    }
}

/// A row of libwebrtc's table.
struct Size {
    pixels: u64,
    layers: usize,
    max_kbps: u64,
    target_kbps: u64,
    min_kbps: u64,
}

impl Size {
    const fn new((width, height): (u64, u64), layers: usize, kbps: (u64, u64, u64)) -> Self {
        let (max_kbps, target_kbps, min_kbps) = kbps;
        Self {
            pixels: width * height,
            layers,
            max_kbps,
            target_kbps,
            min_kbps,
        }
    }

    const fn rates(&self) -> LayerRates {
        LayerRates {
            min: Bitrate::from_kbps(self.min_kbps),
            target: Bitrate::from_kbps(self.target_kbps),
            max: Bitrate::from_kbps(self.max_kbps),
        }
    }
}

/// Most layers, and the most, wanted and least bitrate in kbit/s by size (libwebrtc, video/config/simulcast.cc,
/// `kSimulcastFormatsVP8`). Below the smallest picture bitrates fall towards the minimum.
const SIZES: [Size; 7] = [
    Size::new((1920, 1080), 3, (5000, 4000, 800)),
    Size::new((1280, 720), 3, (2500, 2500, 600)),
    Size::new((960, 540), 3, (1200, 1200, 350)),
    Size::new((640, 360), 2, (700, 500, 150)),
    Size::new((480, 270), 2, (450, 350, 150)),
    Size::new((320, 180), 1, (200, 150, 30)),
    Size::new((0, 0), 1, (30, 30, 30)),
];

/// How much more than its minimum it takes to begin with a layer: each beginning costs a key frame (libwebrtc's
/// `video_hysteresis_factor`).
const BEGIN_MARGIN: f64 = 1.2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 1280x720 in three layers: 320x180, 640x360, 1280x720.
    fn three() -> Vec<Option<LayerRates>> {
        [57_600, 230_400, 921_600]
            .map(|pixels| Some(LayerRates::of_pixels(pixels)))
            .to_vec()
    }

    fn spread(layers: &mut Layers, kbps: u64, rates: &[Option<LayerRates>]) -> Vec<Option<u64>> {
        let spread = layers.spread(Bitrate::from_kbps(kbps), rates);
        spread
            .iter()
            .map(|rate| rate.map(|rate| rate.bps() / 1000))
            .collect()
    }

    #[test]
    fn small_layers_come_first_and_large_ones_only_when_they_fit() {
        let cases = [
            (20, [Some(20), None, None]),
            (150, [Some(150), None, None]),
            (300, [Some(200), None, None]),
            (400, [Some(150), Some(250), None]),
            (1000, [Some(150), Some(700), None]),
            (1400, [Some(150), Some(500), Some(750)]),
            (5000, [Some(150), Some(500), Some(4350)]),
        ];
        for (kbps, expected) in cases {
            assert_eq!(spread(&mut Layers::default(), kbps, &three()), expected, "{kbps}");
        }
    }

    #[test]
    fn a_layer_that_is_sent_stays_a_little_longer() {
        let mut layers = Layers::default();
        let has_largest = |layers: &mut Layers, kbps| spread(layers, kbps, &three())[2].is_some();
        assert!(!has_largest(&mut layers, 1300), "650 + 720 are needed to begin");
        assert!(has_largest(&mut layers, 1380));
        assert!(has_largest(&mut layers, 1300), "650 + 600 are enough to go on");
        assert!(!has_largest(&mut layers, 1200));
        assert!(!has_largest(&mut layers, 1300));
    }

    #[test]
    fn layers_nobody_wants_leave_their_bits_to_others() {
        let mut rates = three();
        rates[2] = None;
        assert_eq!(
            spread(&mut Layers::default(), 3000, &rates),
            [Some(150), Some(700), None],
            "and no more than what they are worth"
        );
        rates[0] = None;
        assert_eq!(
            spread(&mut Layers::default(), 100, &rates),
            [None, Some(100), None],
            "the smallest that is wanted is always sent"
        );
        assert_eq!(
            spread(&mut Layers::default(), 3000, &[None, None, None]),
            [None, None, None]
        );
    }

    #[test]
    fn a_single_layer_gets_everything() {
        let rates = [Some(LayerRates::of_pixels(1))];
        assert_eq!(spread(&mut Layers::default(), 9000, &rates), [Some(9000)]);
    }

    #[test]
    fn rates_lie_between_the_sizes_of_the_table() {
        let target = |pixels| LayerRates::of_pixels(pixels).target.bps() / 1000;
        assert_eq!([target(57_600), target(230_400)], [150, 500]);
        assert_eq!(target(u64::MAX), 4000);
        assert_eq!(target(28_800), 90, "half of the smallest size");
        assert!((400..450).contains(&target(180_000)), "{}", target(180_000));
    }

    #[test]
    fn the_smallest_pictures_are_worth_the_minimum() {
        for pixels in [0, 1, 4] {
            let LayerRates { min, target, max } = LayerRates::of_pixels(pixels);
            let kbps = [min, target, max].map(|rate| rate.bps() / 1000);
            assert_eq!(kbps, [30; 3], "{pixels}");
        }
    }

    #[test]
    fn rates_are_in_order_and_grow_with_the_picture() {
        let all: Vec<_> = (0..3000).map(|k| LayerRates::of_pixels(k * 1000)).collect();
        assert!(all.iter().all(|it| it.min <= it.target && it.target <= it.max));
        let grows = |pair: &[LayerRates]| pair[0].target <= pair[1].target && pair[0].max <= pair[1].max;
        assert!(all.windows(2).all(grows));
    }

    #[test]
    fn small_pictures_have_fewer_layers() {
        let cases = [
            ((1920, 1080), 3),
            ((1280, 720), 3),
            ((640, 480), 2),
            ((320, 240), 1),
            ((1, 1), 1),
            ((u32::MAX, u32::MAX), 3),
        ];
        for ((width, height), expected) in cases {
            assert_eq!(most_layers(width, height), expected, "{width}x{height}");
        }
    }
}
