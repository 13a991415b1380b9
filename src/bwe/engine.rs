// SPDX-License-Identifier: MPL-2.0
//! Packets in, packets out at their time: the pacer, the controller and the history of one session together.
//!
//! A plain value driven with times, without threads and pads. Owns how the parts of the crate `congestion` work on one session;
//! locks, threads and events are `imp`'s and `flow`'s. It is polled under the lock by the pad's task and fed under it
//! by everybody else.

use std::time::Duration;

use congestion::pacer::{Class, Overflow, Pacer, Step};
use congestion::units::{Bitrate, DataSize, Timestamp};
use congestion::{Controller, Limits, PacketReport, ProbeId, ReceiverReport, SentHistory, TICK};

use super::meter::Meter;
use super::packet::{self, Header};
use super::padding::Padding;
use super::playout::Playout;
use super::repairs::{Repairs, original_sequence};
use super::snapshot::Snapshot;
use super::streams::Streams;

/// What to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// This leaves now.
    Send(gst::Buffer),
    /// Nothing until then, unless something is pushed.
    Wait(Timestamp),
    /// Nothing until something is pushed.
    Idle,
}

#[derive(Debug)]
pub(super) struct Engine {
    pacer: Pacer<Packet>,
    controller: Box<dyn Controller>,
    /// Joins reports with what was sent; counts as the RTP session does.
    history: SentHistory,
    streams: Streams,
    /// Fills probes up; gives out the numbers of retransmissions, whose SSRC it shares.
    padding: Padding,
    /// What left lately, to know what is worth sending again.
    repairs: Repairs,
    /// How long the receiver is to hold pictures.
    playout: Playout,
    everything: Meter,
    retransmissions: Meter,
    audio: Meter,
    /// When time last passed for the controller.
    ticked: Option<Timestamp>,
    /// When anything last left.
    sent: Option<Timestamp>,
    /// Whether transport-wide feedback ever came; receiver reports have to do until then.
    has_feedback: bool,
}

/// A packet that waits.
#[derive(Clone, Debug)]
struct Packet {
    buffer: gst::Buffer,
    class: Class,
}

impl Engine {
    pub(super) fn new(controller: Box<dyn Controller>, streams: Streams) -> Self {
        let rate = controller.estimate().target;
        let mut pacer = Pacer::new(rate);
        pacer.padding_unavailable();
        Self {
            pacer,
            controller,
            history: SentHistory::default(),
            streams,
            padding: Padding::default(),
            repairs: Repairs::default(),
            playout: Playout::default(),
            everything: Meter::default(),
            retransmissions: Meter::default(),
            audio: Meter::default(),
            ticked: None,
            sent: None,
            has_feedback: false,
        }
    }

    /// Queues a packet, but for a retransmission that nobody needs.
    ///
    /// # Errors
    /// When video waited for too long: it was dropped, and needs a key frame.
    pub(super) fn push(&mut self, now: Timestamp, buffer: gst::Buffer) -> Result<(), Overflow> {
        let (header, original) = self.read(&buffer);
        let class = header.map_or(Class::Video, |header| self.streams.class(header.payload_type));
        if class == Class::Retransmission && !self.is_needed(now, header, original) {
            return Ok(());
        }
        let packet = Packet { buffer, class };
        if class == Class::Retransmission && self.controller.estimate().own_loss_ratio >= COPIED_FROM {
            self.queue(now, packet.clone())?;
        }
        self.queue(now, packet)
    }

    fn queue(&mut self, now: Timestamp, packet: Packet) -> Result<(), Overflow> {
        let size = wire_size(packet.buffer.size());
        self.pacer.push(now, packet.class, size, packet)
    }

    /// What to do now; to be called again after whatever it says.
    pub(super) fn poll(&mut self, now: Timestamp) -> Next {
        let tick = self.tick(now);
        match self.pacer.poll(now) {
            Step::Send(packet, probe) => Next::Send(self.send(now, packet, probe)),
            Step::Pad(size, probe) => match self.pad(now, size, probe) {
                Some(buffer) => Next::Send(buffer),
                None => {
                    self.pacer.padding_unavailable();
                    self.poll(now)
                }
            },
            Step::Wait(until) => Next::Wait(tick.map_or(until, |tick| tick.min(until))),
            Step::Idle => tick.map_or(Next::Idle, Next::Wait),
        }
    }

    /// A transport-wide report.
    pub(super) fn on_feedback(&mut self, now: Timestamp, reports: &[PacketReport]) {
        self.has_feedback = true;
        let feedback = self.history.join(reports);
        self.repairs.on_feedback(now, &feedback);
        self.playout.on_feedback(now, &feedback);
        self.controller.on_feedback(now, &feedback);
        self.apply(now);
    }

    /// A receiver report.
    pub(super) fn on_receiver_report(&mut self, now: Timestamp, report: &ReceiverReport) {
        self.controller.on_receiver_report(now, report);
        self.apply(now);
    }

    /// The receiver named a maximum.
    pub(super) fn on_remb(&mut self, now: Timestamp, maximum: Bitrate) {
        self.controller.on_remb(now, maximum);
        self.apply(now);
    }

    /// From now on pictures are to be held for so long, if the receiver knows how.
    pub(super) fn ask_playout_delay(&mut self, now: Timestamp, delay: Duration) {
        if self.streams.playout_delay_id.is_some() {
            self.playout.ask(now, delay);
        }
    }

    pub(super) fn set_limits(&mut self, now: Timestamp, limits: Limits) {
        self.controller.set_limits(limits);
        self.apply(now);
    }

    pub(super) fn set_streams(&mut self, streams: Streams) {
        self.streams = streams;
        self.padding.forget();
    }

    /// Drops what waits.
    pub(super) fn clear(&mut self) {
        self.pacer.clear();
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.pacer.is_empty()
    }

    pub(super) fn snapshot(&self, now: Timestamp) -> Snapshot {
        Snapshot {
            estimate: self.controller.estimate(),
            backlog: self.pacer.queued(),
            sent: self.everything.rate(now),
            retransmissions: self.retransmissions.rate(now),
            audio: self.audio.rate(now),
            has_feedback: self.has_feedback,
            has_fec: self.streams.has_fec,
            is_telling: self.playout.is_telling(now),
        }
    }

    /// Lets time pass for the controller. Returns when it should next; `None` while nothing is sent.
    fn tick(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.sent.filter(|&sent| now - sent < ACTIVE)?;
        let due = self.ticked.map(|last| last + TICK);
        if let Some(due) = due.filter(|&due| due > now) {
            return Some(due);
        }
        self.ticked = Some(now);
        self.controller.on_time(now);
        if let Some(cluster) = self.controller.poll_probe(now) {
            self.pacer.probe(cluster);
        }
        self.apply(now);
        Some(now + TICK)
    }

    /// The pacer follows every change of the estimate at once.
    fn apply(&mut self, now: Timestamp) {
        let estimate = self.controller.estimate();
        self.pacer.set_rate(now, estimate.target, estimate.pace());
    }

    /// A packet's header, and which packet it repeats if it is a retransmission.
    fn read(&self, buffer: &gst::BufferRef) -> (Option<Header>, Option<u16>) {
        let Ok(bytes) = buffer.map_readable() else {
            return (None, None);
        };
        let header = Header::parse(&bytes, self.streams.twcc_id);
        let original = header.and_then(|header| original_sequence(&bytes[header.length..]));
        (header, original)
    }

    /// Whether a retransmission is; in case of doubt it is.
    fn is_needed(&mut self, now: Timestamp, header: Option<Header>, original: Option<u16>) -> bool {
        let repaired = header.and_then(|header| self.streams.repaired_by(header.ssrc));
        let Some((ssrc, sequence)) = repaired.zip(original) else {
            return true;
        };
        self.repairs.is_needed(now, ssrc, sequence)
    }

    fn send(&mut self, now: Timestamp, packet: Packet, probe: Option<ProbeId>) -> gst::Buffer {
        let Packet { mut buffer, class } = packet;
        // As the RTP session will read it: what was agreed on may have changed while it waited.
        let (header, _) = self.read(&buffer);
        self.sent = Some(now);
        if let Some(header) = header.filter(|_| class == Class::Retransmission) {
            self.padding.renumber(&mut buffer, &header);
        } else if let Some(header) = header {
            self.remember_header(&buffer, &header);
        }
        let told = header
            .filter(|_| class == Class::Video)
            .and_then(|header| self.tell_playout_delay(now, &buffer, &header));
        let is_telling = told.is_some();
        let buffer = told.unwrap_or(buffer);
        let size = wire_size(buffer.size());
        self.count(now, class, size);
        if let Some(header) = header.filter(|header| header.has_twcc) {
            let position = self.account(now, size, probe);
            if class == Class::Video {
                self.repairs.left(now, header.ssrc, header.sequence, position);
            }
            if is_telling {
                self.playout.left(header.ssrc, position);
            }
        }
        buffer
    }

    fn count(&mut self, now: Timestamp, class: Class, size: DataSize) {
        self.everything.add(now, size);
        match class {
            Class::Audio => self.audio.add(now, size),
            Class::Retransmission => self.retransmissions.add(now, size),
            Class::Video => {}
        }
    }

    /// The packet with word of how long to hold pictures, if it is one to carry that.
    fn tell_playout_delay(
        &mut self,
        now: Timestamp,
        buffer: &gst::BufferRef,
        header: &Header,
    ) -> Option<gst::Buffer> {
        let id = self.streams.playout_delay_id.filter(|_| header.has_twcc)?;
        let value = self.playout.next(now, header.ssrc, header.is_marked)?;
        let bytes = packet::with_extension(&buffer.map_readable().ok()?[..header.length], id, value)?;
        let mut longer = buffer
            .copy_region(
                gst::BufferCopyFlags::MEMORY | gst::BufferCopyFlags::META,
                header.length..,
            )
            .ok()?;
        let writable = longer.make_mut();
        writable.prepend_memory(gst::Memory::from_mut_slice(bytes));
        writable.set_flags(buffer.flags());
        writable.set_pts(buffer.pts());
        writable.set_dts(buffer.dts());
        Some(longer)
    }

    /// The history counts just what the RTP session counts: packets with room for a transport-wide number. Gives the
    /// packet's place in it.
    fn account(&mut self, now: Timestamp, size: DataSize, probe: Option<ProbeId>) -> u64 {
        let packet = self.history.sent(now, size, probe);
        self.controller.on_packet_sent(&packet);
        packet.sequence
    }

    /// Only a header with room for a transport-wide number makes padding that feedback tells of.
    fn remember_header(&mut self, buffer: &gst::Buffer, header: &Header) {
        let repair = self.streams.repair_of(header.ssrc, header.payload_type);
        if let (Some(repair), Ok(bytes)) = (repair.filter(|_| header.has_twcc), buffer.map_readable()) {
            if !self.padding.is_available() {
                self.pacer.padding_available();
            }
            let layer_ids = self.streams.layer_ids;
            self.padding.remember(&bytes[..header.length], repair, layer_ids);
        }
    }

    /// `None` before any packet of a stream with retransmissions has shown a header.
    fn pad(&mut self, now: Timestamp, size: DataSize, probe: ProbeId) -> Option<gst::Buffer> {
        let payload = usize::try_from(size.bytes()).ok()?.saturating_sub(OVERHEAD);
        let bytes = self.padding.packet(payload)?;
        self.sent = Some(now);
        let size = wire_size(bytes.len());
        self.everything.add(now, size);
        self.account(now, size, Some(probe));
        Some(gst::Buffer::from_mut_slice(bytes))
    }
}

/// Estimates are of what the network carries, so packets count with what is put around them.
fn wire_size(bytes: usize) -> DataSize {
    DataSize::from_bytes((bytes + OVERHEAD) as u64)
}

/// What the wire adds to an RTP packet: SRTP's tag of 10 bytes (RFC 5764, section 4.1.2), UDP 8, IPv4 20.
const OVERHEAD: usize = 38;
/// From this loss of the link's own on a retransmission is sent twice. One that is lost too is asked for again a round trip
/// or 100 ms later (Chromium), and that is a freeze: at 5 % of loss and 160 packets a second one in three seconds.
const COPIED_FROM: f64 = 0.01;
/// After this much silence time no longer passes for the controller, and the pacer's thread sleeps.
const ACTIVE: Duration = Duration::from_secs(1);
#[cfg(test)]
mod tests {
    use congestion::Algorithm;

    use super::super::packet::tests::packet;
    use super::*;

    const SDP: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 OPUS/48000/2\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n\
        a=ssrc-group:FID 1000 2000\r\n\
        a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n";

    fn engine() -> Engine {
        gst::init().expect("GStreamer initialises");
        let streams = Streams::from_description(
            &gst_sdp::SDPMessage::parse_buffer(SDP.as_bytes()).expect("it is valid"),
        );
        let kbps = Bitrate::from_kbps;
        let limits = Limits::new(kbps(100), kbps(4000), kbps(1000));
        Engine::new(Algorithm::Gcc.controller(limits, Timestamp::ZERO), streams)
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn push(engine: &mut Engine, ms: u64, payload_type: u8, ssrc: u32, sequence: u16) {
        let bytes = packet(payload_type, ssrc, sequence, 1000);
        engine
            .push(at(ms), gst::Buffer::from_mut_slice(bytes))
            .expect("nothing is stale");
    }

    /// Headers of what leaves from `from` until `until`, in milliseconds.
    fn drain(engine: &mut Engine, from: u64, until: u64) -> Vec<Header> {
        let (mut now, mut sent) = (at(from), Vec::new());
        while now <= at(until) {
            match engine.poll(now) {
                Next::Send(buffer) => {
                    sent.push(Header::parse(&buffer.map_readable().unwrap(), Some(5)).expect("it is RTP"));
                }
                Next::Wait(next) => now = next,
                Next::Idle => break,
            }
        }
        sent
    }

    #[test]
    fn a_receiver_is_told_how_long_to_hold_pictures_and_the_payload_stays() {
        let mut engine = engine();
        engine.streams.playout_delay_id = Some(2);
        let bytes = packet(0x80 | 96, 1000, 7, 1000);
        let payload = bytes[20..].to_vec();
        let sent = |engine: &mut Engine, ms: u64| {
            let buffer = gst::Buffer::from_mut_slice(bytes.clone());
            engine.push(at(ms), buffer).expect("nothing is stale");
            let Next::Send(buffer) = engine.poll(at(ms)) else {
                panic!("it waits")
            };
            buffer.map_readable().expect("it is readable").to_vec()
        };
        assert_eq!(sent(&mut engine, 0), bytes, "nothing is asked for");
        engine.ask_playout_delay(at(5), Duration::from_millis(150));
        assert_eq!(sent(&mut engine, 10), bytes, "protected packets pass first");
        let told = sent(&mut engine, 400);
        assert_eq!(told[16..24], [0x51, 0, 0, 0x22, 0x00, 0xff, 0xff, 0]);
        assert_eq!(told[24..], payload);
        assert!(engine.snapshot(at(400)).is_telling);
    }

    #[test]
    fn audio_overtakes_video() {
        let mut engine = engine();
        (0..20).for_each(|n| push(&mut engine, 0, 96, 1000, n));
        push(&mut engine, 0, 111, 5, 0);
        let sent = drain(&mut engine, 0, 1000);
        assert_eq!(sent[0].payload_type, 111);
        let media = sent.iter().filter(|header| header.payload_type == 96);
        assert!(media.map(|header| header.sequence).eq(0..20));
        assert!(engine.snapshot(at(1000)).audio > Bitrate::ZERO);
    }

    /// Packets of a stream for `seconds`, every 5 ms, and a report of them every 100 ms, each `lost_every`th lost.
    fn stream(engine: &mut Engine, seconds: u64, lost_every: u64) {
        for ms in (0..seconds * 1000).step_by(5) {
            push(engine, ms, 96, 1000, (ms / 5) as u16);
            drain(engine, ms, ms + 4);
            if ms % 100 != 95 {
                continue;
            }
            let (first, end) = (engine.history.count().saturating_sub(20), engine.history.count());
            let report = |n: u64| PacketReport {
                sequence: n as u16,
                arrived: (!n.is_multiple_of(lost_every)).then(|| at(5000 + n * 5)),
            };
            engine.on_feedback(at(ms + 4), &(first..end).map(report).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_repair_on_a_link_that_loses_is_sent_twice() {
        for (lost_every, copies) in [(20, 2), (u64::MAX, 1)] {
            let mut engine = engine();
            stream(&mut engine, 5, lost_every);
            let before = engine.snapshot(at(5000)).backlog;
            push(&mut engine, 5000, 97, 2000, 7);
            let repairs = engine.snapshot(at(5000)).backlog - before;
            let one = wire_size(packet(97, 2000, 7, 1000).len());
            assert_eq!(repairs.bytes(), one.bytes() * copies, "one in {lost_every} lost");
        }
    }

    #[test]
    fn an_idle_engine_lets_its_thread_sleep() {
        let mut engine = engine();
        assert!(matches!(engine.poll(at(0)), Next::Idle));
        push(&mut engine, 0, 96, 1000, 0);
        drain(&mut engine, 0, 500);
        assert!(
            matches!(engine.poll(at(500)), Next::Wait(_)),
            "the controller still wants time to pass"
        );
        assert!(matches!(engine.poll(at(3000)), Next::Idle));
    }

    #[test]
    fn padding_and_retransmissions_share_one_numbering() {
        let (mut engine, mut all) = (engine(), Vec::new());
        for n in 0..40 {
            push(&mut engine, n * 20, 96, 1000, n as u16);
            if n % 4 == 1 {
                push(&mut engine, n * 20, 97, 2000, 500 + n as u16);
            }
            all.extend(drain(&mut engine, n * 20, n * 20 + 19));
            let reports: Vec<_> = (0..engine.history.count())
                .map(|n| PacketReport {
                    sequence: n as u16,
                    arrived: Some(at(5000 + n * 10)),
                })
                .collect();
            engine.on_feedback(at(n * 20 + 19), &reports[..(n as usize).min(reports.len())]);
        }
        let numbers: Vec<_> = all
            .iter()
            .filter(|header| header.ssrc == 2000)
            .map(|header| header.sequence)
            .collect();
        assert!(
            numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)),
            "{numbers:?}"
        );
        assert!(numbers.len() > 10, "there was padding and retransmission");
    }

    #[test]
    fn without_a_place_for_padding_probes_do_without() {
        let mut engine = engine();
        let mut bare = Streams::default();
        bare.twcc_id = Some(5);
        engine.set_streams(bare);
        (0..5).for_each(|n| push(&mut engine, n * 30, 96, 1000, n as u16));
        let sent = drain(&mut engine, 150, 2000);
        assert_eq!(sent.len(), 5);
    }

    #[test]
    fn packets_without_the_extension_are_not_counted() {
        let mut engine = engine();
        engine.set_streams(Streams::default());
        push(&mut engine, 0, 96, 1000, 0);
        drain(&mut engine, 0, 10);
        assert_eq!(engine.history.count(), 0);
    }

    #[test]
    fn what_waited_while_ids_were_agreed_on_is_counted() {
        let mut engine = engine();
        let agreed = std::mem::take(&mut engine.streams);
        push(&mut engine, 0, 96, 1000, 0);
        engine.set_streams(agreed);
        drain(&mut engine, 0, 10);
        assert_eq!(engine.history.count(), 1);
    }

    #[test]
    fn what_is_no_rtp_passes_all_the_same() {
        let mut engine = engine();
        engine
            .push(at(0), gst::Buffer::from_slice([1, 2, 3]))
            .expect("nothing is stale");
        assert!(matches!(engine.poll(at(0)), Next::Send(buffer) if buffer.size() == 3));
    }
}
