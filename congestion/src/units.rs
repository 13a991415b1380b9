// SPDX-License-Identifier: MPL-2.0
//! Rates, sizes and points in time, and the arithmetic that keeps them apart.
//!
//! Every operation saturates: what a remote report contains can make a value wrong, never make it wrap or panic.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub, SubAssign};
use std::time::Duration;

/// A rate in bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bitrate(u64);

impl Bitrate {
    /// Nothing is sent.
    pub const ZERO: Self = Self(0);
    /// No limit.
    pub const MAX: Self = Self(u64::MAX);

    /// A rate of `bps` bits per second.
    pub const fn from_bps(bps: u64) -> Self {
        Self(bps)
    }

    /// A rate of `kbps` thousand bits per second.
    pub const fn from_kbps(kbps: u64) -> Self {
        Self(kbps.saturating_mul(1000))
    }

    /// Bits per second.
    pub const fn bps(self) -> u64 {
        self.0
    }

    /// Bits per second, for arithmetic with ratios.
    pub const fn as_f64(self) -> f64 {
        self.0 as f64
    }

    /// This rate as a multiple of `other`; 0.0 when `other` is zero.
    pub fn ratio(self, other: Self) -> f64 {
        if other.0 == 0 {
            0.0
        } else {
            self.as_f64() / other.as_f64()
        }
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kbit/s", self.0 / 1000)
    }
}

impl Add for Bitrate {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Bitrate {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Bitrate {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Bitrate {
    fn sum<I: Iterator<Item = Self>>(rates: I) -> Self {
        rates.fold(Self::ZERO, Add::add)
    }
}

/// Scaled by a ratio; a negative or undefined ratio gives zero.
impl Mul<f64> for Bitrate {
    type Output = Self;
    fn mul(self, ratio: f64) -> Self {
        // A float cast saturates and turns NaN into zero.
        Self((self.as_f64() * ratio) as u64)
    }
}

/// What this rate sends in a time.
impl Mul<Duration> for Bitrate {
    type Output = DataSize;
    fn mul(self, time: Duration) -> DataSize {
        DataSize((self.as_f64() * time.as_secs_f64() / 8.0) as u64)
    }
}

/// An amount of data in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DataSize(u64);

impl DataSize {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `bytes` bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bits, for arithmetic with ratios.
    pub const fn bits_f64(self) -> f64 {
        self.0 as f64 * 8.0
    }
}

impl Add for DataSize {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for DataSize {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for DataSize {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl SubAssign for DataSize {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for DataSize {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::ZERO, Add::add)
    }
}

/// The rate that sends this much in a time; zero for no time, so that a burst of one instant claims nothing.
impl Div<Duration> for DataSize {
    type Output = Bitrate;
    fn div(self, time: Duration) -> Bitrate {
        if time.is_zero() {
            Bitrate::ZERO
        } else {
            Bitrate((self.bits_f64() / time.as_secs_f64()) as u64)
        }
    }
}

/// How long this much takes at a rate, at most an hour.
impl Div<Bitrate> for DataSize {
    type Output = Duration;
    fn div(self, rate: Bitrate) -> Duration {
        const LONGEST: f64 = 3600.0;
        if self.0 == 0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64((self.bits_f64() / rate.as_f64().max(1.0)).min(LONGEST))
    }
}

/// A point in time on some steady clock: the sender's for everything but arrivals, which are on the receiver's.
/// The two are never compared, only differences within one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The origin of the clock.
    pub const ZERO: Self = Self(0);

    /// `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// `millis` milliseconds after the origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the origin.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the origin.
    pub const fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Milliseconds from `earlier` to here, negative when `earlier` is in fact later.
    pub const fn millis_since(self, earlier: Self) -> f64 {
        if self.0 >= earlier.0 {
            (self.0 - earlier.0) as f64 / 1e6
        } else {
            -((earlier.0 - self.0) as f64 / 1e6)
        }
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, time: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, time: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

/// The time from `earlier` to here, zero when `earlier` is in fact later.
impl Sub for Timestamp {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_times_time_is_size_and_back() {
        let rate = Bitrate::from_kbps(800);
        let size = rate * Duration::from_millis(250);
        assert_eq!(size, DataSize::from_bytes(25_000));
        assert_eq!(size / Duration::from_millis(250), rate);
        assert_eq!(size / rate, Duration::from_millis(250));
    }

    #[test]
    fn nothing_divides_by_zero() {
        assert_eq!(DataSize::from_bytes(10) / Duration::ZERO, Bitrate::ZERO);
        assert_eq!(
            DataSize::from_bytes(u64::MAX) / Bitrate::ZERO,
            Duration::from_secs(3600)
        );
        assert_eq!(DataSize::ZERO / Bitrate::ZERO, Duration::ZERO);
        assert_eq!(Bitrate::from_bps(1).ratio(Bitrate::ZERO), 0.0);
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Bitrate::MAX + Bitrate::from_bps(1), Bitrate::MAX);
        assert_eq!(Bitrate::ZERO - Bitrate::from_bps(1), Bitrate::ZERO);
        assert_eq!(Bitrate::from_bps(5) * -1.0, Bitrate::ZERO);
        assert_eq!(Bitrate::from_bps(5) * f64::NAN, Bitrate::ZERO);
        assert_eq!(Bitrate::from_bps(5) * f64::INFINITY, Bitrate::MAX);
        assert_eq!(Timestamp::ZERO - Duration::from_secs(1), Timestamp::ZERO);
        assert_eq!(
            Timestamp::from_nanos(u64::MAX) + Duration::MAX,
            Timestamp::from_nanos(u64::MAX)
        );
    }

    #[test]
    fn time_between_points_has_a_sign_only_where_asked() {
        let (a, b) = (Timestamp::from_millis(10), Timestamp::from_millis(15));
        assert_eq!(b.millis_since(a), 5.0);
        assert_eq!(a.millis_since(b), -5.0);
        assert_eq!(a - b, Duration::ZERO);
        assert_eq!(b - a, Duration::from_millis(5));
    }
}
