// SPDX-License-Identifier: MPL-2.0
//! What the RTP session reports, as values of the `congestion` crate.
//!
//! `RTPTWCCPackets` is a custom event that rtpsession (since 1.20) sends upstream for every transport-wide report. REMB
//! is application layer feedback of draft-alvestrand-rmcat-remb-03. Both carry what a peer wrote. Pure; the events and
//! messages reach `imp` and `sink/rate`. Each report is as long as one RTCP packet makes it.

use congestion::PacketReport;
use congestion::units::{Bitrate, Timestamp};
use gst::glib;

/// The name of the event's structure.
pub(super) const TWCC_EVENT: &str = "RTPTWCCPackets";

/// The packets of a report; those that say nothing usable are left out.
pub(super) fn packet_reports(event: &gst::StructureRef) -> Vec<PacketReport> {
    let Ok(packets) = event.get::<glib::ValueArray>("packets") else {
        return Vec::new();
    };
    let structures = packets
        .iter()
        .filter_map(|packet| packet.get::<gst::Structure>().ok());
    structures.filter_map(|packet| packet_report(&packet)).collect()
}

fn packet_report(packet: &gst::StructureRef) -> Option<PacketReport> {
    let sequence = u16::try_from(packet.get::<u32>("seqnum").ok()?).ok()?;
    let is_lost = packet.get::<bool>("lost").unwrap_or(false);
    let remote = packet
        .get::<u64>("remote-ts")
        .ok()
        .filter(|nanos| *nanos != u64::MAX);
    if !is_lost && remote.is_none() {
        return None;
    }
    Some(PacketReport {
        sequence,
        arrived: remote.filter(|_| !is_lost).map(Timestamp::from_nanos),
    })
}

/// The maximum in the feedback control information of an application layer feedback message, if it is a REMB
/// (draft-alvestrand-rmcat-remb-03, section 2.2): `REMB`, a count of SSRCs, six bits of exponent, 18 of mantissa.
pub(crate) fn parse_remb(control_information: &[u8]) -> Option<Bitrate> {
    let ([b'R', b'E', b'M', b'B', _, high, middle, low], _) = control_information.split_first_chunk::<8>()?
    else {
        return None;
    };
    let exponent = u32::from(high >> 2);
    let mantissa = u64::from(high & 3) << 16 | u64::from(*middle) << 8 | u64::from(*low);
    // Anything that does not fit is more than any limit.
    let bps = mantissa.checked_mul(1u64.checked_shl(exponent).unwrap_or(u64::MAX));
    Some(Bitrate::from_bps(bps.unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u32) -> gst::structure::Builder {
        gst::init().expect("GStreamer initialises");
        gst::Structure::builder("RTPTWCCPacket").field("seqnum", sequence)
    }

    #[test]
    fn received_and_lost_packets_are_told_apart() {
        let received = packet(7)
            .field("remote-ts", 250_000u64)
            .field("lost", false)
            .build();
        let lost = packet(8).field("remote-ts", u64::MAX).field("lost", true).build();
        let arrived = Some(Timestamp::from_nanos(250_000));
        assert_eq!(
            packet_report(&received),
            Some(PacketReport { sequence: 7, arrived })
        );
        assert_eq!(
            packet_report(&lost),
            Some(PacketReport {
                sequence: 8,
                arrived: None
            })
        );
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let nameless = gst::Structure::new_empty("RTPTWCCPacket");
        let wide = packet(70_000).field("remote-ts", 1u64).build();
        let timeless = packet(3).field("lost", false).build();
        assert!(
            [nameless, wide, timeless]
                .iter()
                .all(|packet| packet_report(packet).is_none())
        );
        assert!(packet_reports(&gst::Structure::new_empty(TWCC_EVENT)).is_empty());
    }

    #[test]
    fn remb_has_an_exponent_and_a_mantissa() {
        // 300 kbit/s: 150 000 shifted by one.
        let mut bytes = *b"REMB\x01\x00\x00\x00\x00\x00\x00\x01";
        bytes[5] = 1 << 2 | (150_000u32 >> 16) as u8;
        bytes[6] = (150_000u32 >> 8) as u8;
        bytes[7] = 150_000u32 as u8;
        assert_eq!(parse_remb(&bytes), Some(Bitrate::from_kbps(300)));
    }

    #[test]
    fn anything_else_is_no_remb() {
        assert_eq!(parse_remb(b""), None);
        assert_eq!(parse_remb(b"REMB\x01"), None);
        assert_eq!(parse_remb(b"PSFBxxxxyyyy"), None);
        assert_eq!(parse_remb(b"REMB\x00\xff\xff\xff"), Some(Bitrate::MAX));
    }
}
