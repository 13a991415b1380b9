// SPDX-License-Identifier: MPL-2.0
//! Tells a receiver how long to hold pictures, until it is known to have heard.
//!
//! The header extension *playout-delay* (libwebrtc) counts in the first packet of a picture, and holds until another value
//! comes. It is written where packets leave, since GStreamer's RED encoder (up to 1.22) drops extensions that it does not
//! know. FEC is computed before that, from packets without it: one that was changed spoils what is recovered with it. So
//! nothing may be protected while this is [telling](Playout::is_telling), for a while before and after included.
//!
//! Owns who was told what. How long pictures are worth holding is `congestion::playout`'s to say.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use congestion::Feedback;
use congestion::units::Timestamp;

/// What is to be told, and to which streams it was.
#[derive(Debug, Default)]
pub(super) struct Playout {
    delay: Duration,
    /// When this delay was asked for; nothing before the first.
    asked: Option<Timestamp>,
    /// When the last stream had heard.
    heard: Option<Timestamp>,
    streams: BTreeMap<u32, Stream>,
}

#[derive(Debug, Default)]
struct Stream {
    /// The last delay that arrived.
    told: Duration,
    /// What is on its way: the packet's place in the history and its value, oldest first.
    on_the_way: VecDeque<(u64, Duration)>,
    /// Whether the last packet did not end a picture.
    is_within_picture: bool,
}

impl Playout {
    /// From now on pictures are to be held for so long.
    pub(super) fn ask(&mut self, now: Timestamp, delay: Duration) {
        if self.delay != delay {
            (self.delay, self.asked, self.heard) = (delay, Some(now), None);
        }
    }

    /// What the next packet of a stream should carry; `ends_picture` is its marker.
    pub(super) fn next(&mut self, now: Timestamp, ssrc: u32, ends_picture: bool) -> Option<[u8; LENGTH]> {
        let delay = self.delay;
        let may_tell = self
            .asked
            .is_some_and(|asked| (SETTLING..GIVEN_UP).contains(&(now - asked)));
        let stream = self.streams.entry(ssrc).or_default();
        let begins_picture = !std::mem::replace(&mut stream.is_within_picture, !ends_picture);
        (begins_picture && may_tell && stream.told != delay).then(|| encode(delay))
    }

    /// The packet that carries it left, the history's `position`th.
    pub(super) fn left(&mut self, ssrc: u32, position: u64) {
        let on_the_way = &mut self.streams.entry(ssrc).or_default().on_the_way;
        if on_the_way.len() == MOST_ON_THE_WAY {
            on_the_way.pop_front();
        }
        on_the_way.push_back((position, self.delay));
    }

    /// The receiver told what arrived.
    pub(super) fn on_feedback(&mut self, now: Timestamp, feedback: &Feedback) {
        let Some(asked) = self.asked.filter(|_| self.heard.is_none()) else {
            return;
        };
        for stream in self.streams.values_mut() {
            for (packet, _) in feedback.received() {
                let found = stream
                    .on_the_way
                    .iter()
                    .position(|(position, _)| *position == packet.sequence);
                if let Some((_, delay)) =
                    found.and_then(|index| stream.on_the_way.drain(..=index).next_back())
                {
                    stream.told = delay;
                }
            }
        }
        let has_heard = |stream: &Stream| stream.told == self.delay;
        if now - asked >= SETTLING && self.streams.values().all(has_heard) {
            self.heard = Some(now);
        }
    }

    /// Whether packets are or were just changed, so that none may be protected by FEC.
    pub(super) fn is_telling(&self, now: Timestamp) -> bool {
        let is_recent = |since: Timestamp| now - since < GIVEN_UP;
        let is_open = self.heard.is_none_or(|heard| now - heard < SETTLING);
        self.asked.is_some_and(is_recent) && is_open
    }
}

/// Twelve bits each for the least and the most delay, in units of 10 ms.
fn encode(least: Duration) -> [u8; LENGTH] {
    let units = u32::try_from(least.as_millis() / UNIT_MS)
        .unwrap_or(MOST_UNITS)
        .min(MOST_UNITS);
    let [_, bytes @ ..] = (units << 12 | MOST_UNITS).to_be_bytes();
    bytes
}

/// Length of the extension's value in bytes.
pub(super) const LENGTH: usize = 3;
const UNIT_MS: u128 = 10;
/// 40.95 s, which as the most leaves everything to the receiver.
const MOST_UNITS: u32 = 0xfff;

/// How long a packet may still be on its way between the FEC encoder and the wire, or in that encoder's window of 16
/// packets (rtpulpfecenc): some frames.
const SETTLING: Duration = Duration::from_millis(300);
/// A receiver that did not hear for so long is not told any more, or redundancy would never come back.
const GIVEN_UP: Duration = Duration::from_secs(5);
/// Pictures on their way: 2 s at 30 fps.
const MOST_ON_THE_WAY: usize = 64;

#[cfg(test)]
mod tests {
    use congestion::units::DataSize;
    use congestion::{PacketResult, SentPacket};

    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const SSRC: u32 = 7;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn report(sequence: u64, has_arrived: bool) -> Feedback {
        let packet = SentPacket {
            sequence,
            sent: at(0),
            size: DataSize::ZERO,
            probe: None,
        };
        let arrived = has_arrived.then(|| at(1));
        Feedback {
            packets: vec![PacketResult { packet, arrived }],
        }
    }

    #[test]
    fn delays_are_written_in_tens_of_milliseconds() {
        assert_eq!(encode(Duration::ZERO), [0x00, 0x0f, 0xff]);
        assert_eq!(encode(340 * MS), [0x02, 0x2f, 0xff]);
        assert_eq!(encode(Duration::from_secs(1000)), [0xff, 0xff, 0xff]);
    }

    #[test]
    fn nothing_is_told_before_anything_is_asked_for() {
        let mut playout = Playout::default();
        playout.ask(at(0), Duration::ZERO);
        assert_eq!(playout.next(at(1000), SSRC, true), None);
        assert!(!playout.is_telling(at(1000)));
    }

    #[test]
    fn the_first_packet_of_each_picture_tells_until_one_has_arrived() {
        let mut playout = Playout::default();
        playout.ask(at(0), 150 * MS);
        assert_eq!(
            playout.next(at(100), SSRC, true),
            None,
            "what is protected passes first"
        );
        let told = Some(encode(150 * MS));
        assert_eq!(playout.next(at(300), SSRC, false), told);
        playout.left(SSRC, 10);
        assert_eq!(playout.next(at(301), SSRC, true), None, "within a picture");
        assert_eq!(playout.next(at(333), SSRC, true), told);
        playout.left(SSRC, 12);
        playout.on_feedback(at(400), &report(10, false));
        playout.on_feedback(at(410), &report(11, true));
        assert_eq!(playout.next(at(420), SSRC, true), told);
        playout.on_feedback(at(430), &report(12, true));
        assert_eq!(playout.next(at(466), SSRC, true), None);
        assert!(
            playout.is_telling(at(700)),
            "what was changed may still be protected"
        );
        assert!(!playout.is_telling(at(730)));
    }

    #[test]
    fn another_delay_is_told_anew_and_zero_takes_back() {
        let mut playout = Playout::default();
        playout.ask(at(0), 150 * MS);
        playout.next(at(300), SSRC, true);
        playout.left(SSRC, 1);
        playout.on_feedback(at(400), &report(1, true));
        playout.ask(at(2000), Duration::ZERO);
        assert!(playout.is_telling(at(2000)));
        assert_eq!(playout.next(at(2300), SSRC, true), Some([0x00, 0x0f, 0xff]));
    }

    #[test]
    fn a_receiver_that_does_not_hear_is_given_up() {
        let mut playout = Playout::default();
        playout.ask(at(0), 150 * MS);
        for ms in 300..10_000 {
            playout.next(at(ms), SSRC, true);
            playout.left(SSRC, ms);
        }
        assert!(playout.streams[&SSRC].on_the_way.len() <= MOST_ON_THE_WAY);
        assert_eq!(playout.next(at(5000), SSRC, true), None);
        assert!(!playout.is_telling(at(5000)));
    }
}
