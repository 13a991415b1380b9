// SPDX-License-Identifier: MPL-2.0
//! A live video encoder as traffic: RFC 8593, section 5 (synthetic model), with key frames.
//!
//! It follows its target late, its frames vary, and a key frame is many times a normal frame, which the encoder's
//! rate control takes back over the frames that follow.

use std::time::Duration;

use congestion::units::{Bitrate, DataSize, Timestamp};

use super::rng::Rng;

/// How an encoder behaves.
#[derive(Clone, Copy, Debug)]
pub struct EncoderPlan {
    pub frames_per_second: f64,
    /// What the picture fills at most, whatever the target.
    pub fills: Bitrate,
    /// Scale of the Laplace distribution of frame sizes.
    pub noise: f64,
    /// Key frames come this often, besides the first.
    pub key_frame_interval: Duration,
    /// A key frame in multiples of a normal one.
    pub key_frame_size: f64,
}

impl EncoderPlan {
    /// 720p30 that VP8 fills to 3 Mbit/s.
    pub const fn hd() -> Self {
        Self {
            frames_per_second: 30.0,
            fills: Bitrate::from_kbps(3000),
            noise: 0.15,
            key_frame_interval: Duration::from_secs(15),
            key_frame_size: 5.0,
        }
    }
}

#[derive(Debug)]
pub struct Encoder {
    plan: EncoderPlan,
    rate: Bitrate,
    target: Bitrate,
    retargeted: Timestamp,
    last_key_frame: Option<Timestamp>,
    owed_bytes: f64,
    rng: Rng,
}

impl Encoder {
    pub fn new(plan: EncoderPlan, rng: Rng) -> Self {
        let (rate, target) = (Bitrate::ZERO, Bitrate::ZERO);
        Self {
            plan,
            rate,
            target,
            retargeted: Timestamp::ZERO,
            last_key_frame: None,
            owed_bytes: 0.0,
            rng,
        }
    }

    /// Accepts a target, at most one per [`LAG`]: an encoder reconfigures at a frame and takes some to settle.
    pub fn set_target(&mut self, now: Timestamp, target: Bitrate) {
        self.target = target.min(self.plan.fills);
        if self.rate == Bitrate::ZERO || now - self.retargeted >= LAG {
            self.rate = self.target;
            self.retargeted = now;
        }
    }

    pub fn frame(&mut self, now: Timestamp) -> DataSize {
        self.set_target(now, self.target);
        let normal = self.rate.as_f64() / 8.0 / self.plan.frames_per_second;
        let due = self
            .last_key_frame
            .is_none_or(|last| now - last >= self.plan.key_frame_interval);
        let size = if due {
            self.last_key_frame = Some(now);
            self.owed_bytes += normal * (self.plan.key_frame_size - 1.0);
            normal * self.plan.key_frame_size
        } else {
            let repaid = (normal * REPAYMENT).min(self.owed_bytes);
            self.owed_bytes -= repaid;
            (normal * (1.0 + self.rng.laplace(self.plan.noise)) - repaid).max(normal * 0.1)
        };
        DataSize::from_bytes(size.max(50.0) as u64)
    }

    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.plan.frames_per_second)
    }
}

/// Response time tau_v of RFC 8593, table 1.
const LAG: Duration = Duration::from_millis(200);
/// Share of a normal frame that is saved on each frame after a key frame.
const REPAYMENT: f64 = 0.2;
