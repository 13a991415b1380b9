// SPDX-License-Identifier: MPL-2.0
//! Packets of nothing that fill probes up: retransmissions of no packet (RFC 4588), which disturb no decoder.
//!
//! Padding and retransmissions share an SSRC, so the sequence numbers of that SSRC are given out here. Owns numbers and the
//! header that padding is made from; how much is sent when is the pacer's.

use std::collections::BTreeMap;

use super::packet::{self, Header};
use super::streams::Repair;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Padding {
    /// The header of the last packet of a stream with retransmissions.
    template: Option<(Vec<u8>, Repair)>,
    /// The next sequence number by SSRC of retransmissions.
    next_sequence: BTreeMap<u32, u16>,
}

impl Padding {
    /// Whether a header was seen that padding can be made from.
    pub(super) const fn is_available(&self) -> bool {
        self.template.is_some()
    }

    /// Padding is made from this header from now on. Where a packet names its layer, padding names the layer that it
    /// repairs: `layer_ids` are the ids of these two extensions (RFC 8852).
    pub(super) fn remember(&mut self, header: &[u8], repair: Repair, layer_ids: Option<(u8, u8)>) {
        let mut bytes = self.template.take().map(|(bytes, _)| bytes).unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(header);
        if let Some((layer, repaired)) = layer_ids {
            packet::rename_extension(&mut bytes, layer, repaired);
        }
        self.template = Some((bytes, repair));
    }

    /// Other streams were agreed on; numbers go on.
    pub(super) fn forget(&mut self) {
        self.template = None;
    }

    /// A packet of `size` bytes, as far as padding goes; `None` before any header was seen.
    pub(super) fn packet(&mut self, size: usize) -> Option<Vec<u8>> {
        let (header, repair) = self.template.as_ref()?;
        let sequence = take(&mut self.next_sequence, repair.ssrc, FIRST_SEQUENCE);
        Some(packet::padding(header, *repair, sequence, size))
    }

    /// Gives a retransmission its number.
    pub(super) fn renumber(&mut self, buffer: &mut gst::Buffer, header: &Header) {
        let sequence = take(&mut self.next_sequence, header.ssrc, header.sequence);
        if sequence != header.sequence
            && let Ok(mut bytes) = buffer.make_mut().map_writable()
        {
            packet::set_sequence(&mut bytes, sequence);
        }
    }
}

fn take(next_sequence: &mut BTreeMap<u32, u16>, ssrc: u32, first: u16) -> u16 {
    let next = next_sequence.entry(ssrc).or_insert(first);
    let sequence = *next;
    *next = next.wrapping_add(1);
    sequence
}

/// Where padding starts counting when nothing was retransmitted before: far from the end of the number space, for
/// SRTP's sake (RFC 3711, section 3.3.1 wants no early wrap).
const FIRST_SEQUENCE: u16 = 1;

#[cfg(test)]
mod tests {
    use super::super::packet::tests::packet;
    use super::*;

    const REPAIR: Repair = Repair {
        ssrc: 2000,
        payload_type: 97,
    };

    fn header(bytes: &[u8]) -> Header {
        Header::parse(bytes, Some(5)).expect("it is RTP")
    }

    #[test]
    fn padding_and_retransmissions_count_together() {
        gst::init().expect("GStreamer initialises");
        let mut padding = Padding::default();
        assert_eq!(padding.packet(100), None);
        padding.remember(&packet(96, 1000, 9, 0), REPAIR, None);
        let first = header(&padding.packet(100).expect("a header was seen"));
        assert_eq!((first.ssrc, first.payload_type, first.sequence), (2000, 97, 1));
        let mut repair = gst::Buffer::from_mut_slice(packet(97, 2000, 700, 10));
        let seen = header(&repair.map_readable().expect("it is readable"));
        padding.renumber(&mut repair, &seen);
        assert_eq!(
            header(&repair.map_readable().expect("it is readable")).sequence,
            2
        );
        assert_eq!(header(&padding.packet(100).expect("still")).sequence, 3);
    }

    #[test]
    fn numbers_go_on_when_streams_change() {
        let mut padding = Padding::default();
        padding.remember(&packet(96, 1000, 9, 0), REPAIR, None);
        padding.packet(100);
        padding.forget();
        assert!(!padding.is_available());
        padding.remember(&packet(96, 1000, 9, 0), REPAIR, None);
        assert_eq!(
            header(&padding.packet(100).expect("a header was seen")).sequence,
            2
        );
    }
}
