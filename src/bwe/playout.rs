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
    streams: BTreeMap<u32, Stream>,
}

#[derive(Debug)]
struct Stream {
    /// The last delay that is known to have arrived.
    told: Duration,
    /// What is on its way: the packet's place in the history and its value, oldest first.
    on_the_way: VecDeque<(u64, Duration)>,
    progress: Progress,
    /// Whether the last packet did not end a picture.
    is_within_picture: bool,
    /// When it last had a packet.
    seen: Timestamp,
}

/// How far telling a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// There is nothing to tell.
    Done,
    /// There is, since then.
    Telling(Timestamp),
    /// Since then it is known to have arrived.
    Heard(Timestamp),
}

impl Playout {
    /// From now on pictures are to be held for so long.
    pub(super) fn ask(&mut self, now: Timestamp, delay: Duration) {
        if self.delay != delay {
            self.delay = delay;
            self.streams
                .values_mut()
                .for_each(|stream| stream.ask(now, delay));
        }
    }

    /// What the next packet of a stream should carry; `ends_picture` is its marker.
    pub(super) fn next(&mut self, now: Timestamp, ssrc: u32, ends_picture: bool) -> Option<[u8; LENGTH]> {
        let delay = self.delay;
        let stream = self.stream(now, ssrc);
        if now - stream.seen >= GIVEN_UP {
            // Nothing could be told meanwhile: it begins anew.
            stream.ask(now, delay);
        }
        stream.seen = now;
        let begins_picture = !std::mem::replace(&mut stream.is_within_picture, !ends_picture);
        (begins_picture && stream.may_be_told(now)).then(|| encode(delay))
    }

    /// The packet that carries it left, the history's `position`th.
    pub(super) fn left(&mut self, ssrc: u32, position: u64) {
        let delay = self.delay;
        if let Some(stream) = self.streams.get_mut(&ssrc) {
            if stream.on_the_way.len() == MOST_ON_THE_WAY {
                stream.on_the_way.pop_front();
            }
            stream.on_the_way.push_back((position, delay));
        }
    }

    /// The receiver told what arrived.
    pub(super) fn on_feedback(&mut self, now: Timestamp, feedback: &Feedback) {
        let delay = self.delay;
        let telling = self
            .streams
            .values_mut()
            .filter(|stream| !stream.on_the_way.is_empty());
        for stream in telling {
            feedback
                .received()
                .for_each(|(packet, _)| stream.arrived(packet.sequence));
            if matches!(stream.progress, Progress::Telling(_)) && stream.knows(delay) {
                stream.progress = Progress::Heard(now);
            }
        }
    }

    /// Whether packets are or were just changed, so that none may be protected by FEC.
    pub(super) fn is_telling(&self, now: Timestamp) -> bool {
        self.streams.values().any(|stream| stream.is_telling(now))
    }

    /// A stream that is new knows nothing; that of the longest silence is forgotten where there are too many.
    fn stream(&mut self, now: Timestamp, ssrc: u32) -> &mut Stream {
        if self.streams.len() >= MOST_STREAMS && !self.streams.contains_key(&ssrc) {
            let silent = self.streams.iter().min_by_key(|(_, stream)| stream.seen);
            if let Some(silent) = silent.map(|(ssrc, _)| *ssrc) {
                self.streams.remove(&silent);
            }
        }
        let delay = self.delay;
        self.streams
            .entry(ssrc)
            .or_insert_with(|| Stream::new(now, delay))
    }
}

impl Stream {
    /// Receivers hold nothing before they are told to.
    fn new(now: Timestamp, delay: Duration) -> Self {
        let mut stream = Self {
            told: Duration::ZERO,
            on_the_way: VecDeque::new(),
            progress: Progress::Done,
            is_within_picture: false,
            seen: now,
        };
        stream.ask(now, delay);
        stream
    }

    fn ask(&mut self, now: Timestamp, delay: Duration) {
        self.progress = if self.knows(delay) {
            Progress::Done
        } else {
            Progress::Telling(now)
        };
    }

    /// Whether this delay is the last it heard, as far as is known: what left before may arrive still.
    fn knows(&self, delay: Duration) -> bool {
        self.told == delay && self.on_the_way.iter().all(|(_, other)| *other == delay)
    }

    fn may_be_told(&self, now: Timestamp) -> bool {
        matches!(self.progress, Progress::Telling(since) if (SETTLING..GIVEN_UP).contains(&(now - since)))
    }

    fn arrived(&mut self, position: u64) {
        if let Ok(index) = self
            .on_the_way
            .binary_search_by_key(&position, |(position, _)| *position)
            && let Some((_, delay)) = self.on_the_way.drain(..=index).next_back()
        {
            self.told = delay;
        }
    }

    fn is_telling(&self, now: Timestamp) -> bool {
        match self.progress {
            Progress::Done => false,
            Progress::Telling(since) => now - since < GIVEN_UP,
            Progress::Heard(at) => now - at < SETTLING,
        }
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
/// A receiver that did not hear for so long is not told any more, or redundancy would never come back; nor does a stream
/// that is silent for so long keep it away.
const GIVEN_UP: Duration = Duration::from_secs(5);
/// Pictures on their way: 2 s at 30 fps.
const MOST_ON_THE_WAY: usize = 64;
/// Streams remembered: they come and go while a session lasts.
const MOST_STREAMS: usize = 64;

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
        playout.next(at(0), SSRC, true);
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
        playout.next(at(0), SSRC, true);
        playout.ask(at(0), 150 * MS);
        playout.next(at(300), SSRC, true);
        playout.left(SSRC, 1);
        playout.on_feedback(at(400), &report(1, true));
        playout.ask(at(2000), Duration::ZERO);
        assert!(playout.is_telling(at(2000)));
        assert_eq!(playout.next(at(2300), SSRC, true), Some([0x00, 0x0f, 0xff]));
    }

    #[test]
    fn a_stream_that_comes_later_is_told_as_well() {
        let mut playout = Playout::default();
        playout.ask(at(0), 150 * MS);
        assert!(!playout.is_telling(at(0)), "there is nobody to tell");
        assert_eq!(playout.next(at(20_000), SSRC, true), None);
        assert!(
            playout.is_telling(at(20_000)),
            "redundancy ends before packets change"
        );
        assert_eq!(playout.next(at(20_300), SSRC, true), Some(encode(150 * MS)));
        playout.left(SSRC, 1);
        playout.on_feedback(at(20_400), &report(1, true));
        assert_eq!(playout.next(at(20_433), SSRC, true), None);
        assert!(!playout.is_telling(at(20_700)));
    }

    #[test]
    fn a_stream_that_pauses_is_told_when_it_goes_on() {
        let mut playout = Playout::default();
        playout.next(at(0), SSRC, true);
        playout.ask(at(10), 150 * MS);
        assert!(!playout.is_telling(at(5010)), "nobody waits for it");
        assert_eq!(playout.next(at(60_000), SSRC, true), None);
        assert_eq!(playout.next(at(60_300), SSRC, true), Some(encode(150 * MS)));
    }

    #[test]
    fn what_may_still_arrive_is_taken_back() {
        let mut playout = Playout::default();
        playout.next(at(0), SSRC, true);
        playout.ask(at(0), 150 * MS);
        assert!(playout.next(at(300), SSRC, true).is_some());
        playout.left(SSRC, 1);
        playout.ask(at(350), Duration::ZERO);
        playout.on_feedback(at(660), &report(5, true));
        assert!(playout.is_telling(at(660)), "the packet is still on its way");
        assert_eq!(playout.next(at(670), SSRC, true), Some(encode(Duration::ZERO)));
        playout.left(SSRC, 6);
        playout.on_feedback(at(700), &report(6, true));
        assert_eq!(playout.next(at(710), SSRC, true), None);
    }

    #[test]
    fn what_is_known_is_not_told_again() {
        let mut playout = Playout::default();
        playout.next(at(0), SSRC, true);
        playout.ask(at(0), 150 * MS);
        playout.ask(at(100), Duration::ZERO);
        assert!(!playout.is_telling(at(100)), "nothing was told");
        assert_eq!(playout.next(at(500), SSRC, true), None);
    }

    #[test]
    fn streams_that_came_and_went_are_forgotten() {
        let mut playout = Playout::default();
        playout.ask(at(0), 150 * MS);
        (0..1000).for_each(|n| assert_eq!(playout.next(at(n.into()), n, true), None));
        assert_eq!(playout.streams.len(), MOST_STREAMS);
        assert!(playout.streams.contains_key(&999), "the latest stays");
    }

    #[test]
    fn a_receiver_that_does_not_hear_is_given_up() {
        let mut playout = Playout::default();
        playout.next(at(0), SSRC, true);
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
