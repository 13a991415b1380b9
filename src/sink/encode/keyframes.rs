// SPDX-License-Identifier: MPL-2.0
//! How the key frame requests of many consumers become few key frames. Pure.
//!
//! A request made while a key frame is on its way is answered by that one. Beyond a small burst, requests wait for
//! their turn, and one key frame then answers all that wait. None is lost: an encoder that ignores a request is
//! asked again. Requests for a certain time, which moving between branches needs, are rare and always pass.

use std::time::{Duration, Instant};

/// Requests to one encoder.
#[derive(Debug)]
pub(super) struct KeyFrames {
    /// Key frames that may be asked for at once.
    tokens: u32,
    refilled: Instant,
    /// When the encoder was told, while no key frame has come.
    asked: Option<Instant>,
    /// A request that no token was left for, or that the planned one is to answer.
    waiting: bool,
    /// The time a key frame was asked for at, while none has come.
    planned: Option<gst::ClockTime>,
}

impl KeyFrames {
    /// For an encoder that starts at `now`.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            tokens: BURST,
            refilled: now,
            asked: None,
            waiting: false,
            planned: None,
        }
    }

    /// Somebody needs a key frame as soon as possible; whether to tell the encoder now.
    pub(super) fn request(&mut self, now: Instant) -> bool {
        if self.planned.is_some() {
            // Should that one not come, this request is still there.
            self.waiting = true;
            return false;
        }
        let is_coming = |asked| now.duration_since(asked) < LOST_AFTER;
        !self.asked.is_some_and(is_coming) && self.ask_or_wait(now)
    }

    /// Somebody needs the first key frame at or after `time`; whether to tell the encoder. One that was asked for
    /// exactly that time already serves both.
    pub(super) fn request_at(&mut self, time: gst::ClockTime) -> bool {
        if self.planned == Some(time) {
            return false;
        }
        self.planned = Some(time);
        true
    }

    /// A frame left the encoder; whether to tell the encoder to make a key frame now.
    pub(super) fn on_frame(&mut self, now: Instant, time: gst::ClockTime, is_key: bool) -> bool {
        let overdue = |planned: gst::ClockTime| time >= planned + PLAN_LOST_AFTER;
        if self
            .planned
            .is_some_and(|planned| (is_key && time >= planned) || overdue(planned))
        {
            self.planned = None;
        }
        if is_key {
            self.asked = None;
            self.waiting = false;
            return false;
        }
        let lost = self
            .asked
            .is_some_and(|asked| now.duration_since(asked) >= LOST_AFTER);
        let is_due = self.waiting && self.planned.is_none();
        (is_due || lost) && self.ask_or_wait(now)
    }

    fn ask_or_wait(&mut self, now: Instant) -> bool {
        let takes = self.take_token(now);
        self.waiting = !takes;
        if takes {
            self.asked = Some(now);
        }
        takes
    }

    fn take_token(&mut self, now: Instant) -> bool {
        let periods = now.duration_since(self.refilled).as_millis() / REFILL.as_millis();
        if let Some(periods) = u32::try_from(periods).ok().filter(|periods| *periods > 0) {
            self.tokens = self.tokens.saturating_add(periods).min(BURST);
            self.refilled = now;
        }
        let takes = self.tokens > 0;
        self.tokens -= u32::from(takes);
        takes
    }
}

/// Two viewers who come right after each other each start without waiting.
const BURST: u32 = 2;
/// Beyond that: two key frames a second. Browsers ask again about every 300 ms while they see nothing.
const REFILL: Duration = Duration::from_millis(500);
/// An encoder that has made none by then did not hear: the slowest here takes a tenth of it.
const LOST_AFTER: Duration = Duration::from_secs(1);
/// The same for a request with a date, in media time.
const PLAN_LOST_AFTER: gst::ClockTime = gst::ClockTime::from_mseconds(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(ms)
    }

    /// An encoder at 30 fps that answers within a frame; returns key frames made, by time, for requests at these times.
    fn play(requests: &[u64], until: u64) -> Vec<u64> {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut machine = KeyFrames::new(start);
        let mut keys = Vec::new();
        let mut told = false;
        for time in (0..until).step_by(33) {
            for request in requests.iter().filter(|r| **r + 33 > time && **r <= time) {
                told |= machine.request(at(*request));
            }
            let is_key = std::mem::take(&mut told);
            if is_key {
                keys.push(time);
            }
            told |= machine.on_frame(at(time), ms(time), is_key);
        }
        keys
    }

    #[test]
    fn many_requests_make_few_key_frames() {
        let requests: Vec<u64> = (0..20).map(|n| n * 10).collect();
        let keys = play(&requests, 3000);
        assert!((2..=3).contains(&keys.len()), "{keys:?}");
    }

    #[test]
    fn every_request_is_followed_by_a_key_frame_in_time() {
        let requests: Vec<u64> = (0..200).map(|n| n * 37).collect();
        let keys = play(&requests, 9000);
        for request in requests {
            assert!(
                keys.iter().any(|key| (request..=request + 700).contains(key)),
                "no key frame soon after {request}: {keys:?}"
            );
        }
        assert!(keys.len() <= 18, "{} key frames in 7.4 s", keys.len());
    }

    #[test]
    fn rare_requests_are_answered_at_once() {
        assert_eq!(play(&[33, 2013, 5016], 9000), [33, 2013, 5016]);
    }

    #[test]
    fn two_newcomers_in_a_row_do_not_wait() {
        assert_eq!(play(&[33, 132], 1000), [33, 132]);
    }

    #[test]
    fn an_encoder_that_ignores_a_request_is_asked_again() {
        let start = Instant::now();
        let mut machine = KeyFrames::new(start);
        assert!(machine.request(start));
        let asked_again = (1..60).filter(|n| {
            let now = start + Duration::from_millis(n * 33);
            machine.on_frame(now, ms(n * 33), false)
        });
        assert_eq!(asked_again.count(), 1);
    }

    #[test]
    fn requests_with_a_date_pass_and_cover_others() {
        let start = Instant::now();
        let mut machine = KeyFrames::new(start);
        assert!(machine.request_at(ms(100)));
        assert!(!machine.request_at(ms(100)), "told already");
        assert!(machine.request_at(ms(133)));
        assert!(!machine.request(start), "the planned one will do");
        machine.on_frame(start, ms(133), true);
        assert!(machine.request(start));
    }

    #[test]
    fn a_planned_key_frame_that_never_comes_blocks_nobody() {
        let start = Instant::now();
        let mut machine = KeyFrames::new(start);
        machine.request_at(ms(100));
        machine.on_frame(start, ms(700), false);
        assert!(machine.request(start));
    }

    #[test]
    fn a_request_outlives_the_planned_key_frame_that_was_to_answer_it() {
        let start = Instant::now();
        let mut machine = KeyFrames::new(start);
        machine.request_at(ms(100));
        assert!(!machine.request(start));
        assert!(!machine.on_frame(start, ms(133), false), "it may still come");
        assert!(machine.on_frame(start, ms(600), false), "it did not");
    }

    #[test]
    fn a_key_frame_made_unasked_answers_those_who_wait() {
        let start = Instant::now();
        let mut machine = KeyFrames::new(start);
        for _ in 0..BURST {
            assert!(machine.request(start));
            machine.on_frame(start, ms(0), true);
        }
        assert!(!machine.request(start), "burst is used up");
        machine.on_frame(start, ms(33), true);
        assert!(
            !machine.on_frame(start + Duration::from_secs(2), ms(2000), false),
            "nothing waits any more"
        );
    }
}
