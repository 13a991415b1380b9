// SPDX-License-Identifier: MPL-2.0
//! Which m-line a stream of packets belongs to (RFC 9143, section 9.2), from its first packet.
//!
//! webrtcbin 1.22 knows only the SSRCs that the description declares and takes all others for the first m-line; so it
//! is decided here: by SSRC, by the mid in the packet, by payload type. Pure.

use crate::source::negotiate::describe::mid;
use crate::source::negotiate::description::Description;
use crate::source::negotiate::lines::Line;
use crate::source::negotiate::select::Selection;

/// What the first packet of a stream says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FirstPacket {
    /// Its source.
    pub(crate) ssrc: u32,
    /// Its payload type.
    pub(crate) payload_type: u8,
    /// Its header extensions by id.
    pub(crate) extensions: Vec<(u8, Vec<u8>)>,
}

impl FirstPacket {
    /// Reads an RTP packet (RFC 3550, section 5.1) with its header extensions (RFC 8285).
    pub(crate) fn read(buffer: &gst::Buffer) -> Option<Self> {
        let map = buffer.map_readable().ok()?;
        Self::parse(map.as_slice())
    }

    /// Reads no further than the bytes there are; a packet cut short says nothing.
    fn parse(packet: &[u8]) -> Option<Self> {
        let (first, second) = (*packet.first()?, *packet.get(1)?);
        if first >> 6 != 2 {
            return None;
        }
        let ssrc = u32::from_be_bytes(packet.get(8..12)?.try_into().ok()?);
        let end_of_sources = 12 + 4 * usize::from(first & 0x0f);
        let has_extensions = first & 0x10 != 0;
        let extensions = if has_extensions {
            extensions(packet.get(end_of_sources..)?)
        } else {
            Vec::new()
        };
        Some(Self {
            ssrc,
            payload_type: second & 0x7f,
            extensions,
        })
    }

    /// Index of the m-line the stream belongs to; `None` when it belongs to none that is received.
    pub(crate) fn line(&self, theirs: &Description, lines: &[Line]) -> Option<usize> {
        let receiving = || {
            lines
                .iter()
                .enumerate()
                .filter_map(|(index, line)| Some((index, line.receiving()?)))
        };
        let by_ssrc = receiving().find(|(index, _)| theirs.media[*index].ssrcs().contains(&self.ssrc));
        let carries_mid = |index: usize, selection: &Selection| {
            let id = selection
                .extensions
                .iter()
                .find(|extension| extension.uri == MID)
                .map(|extension| extension.id);
            let value = id.and_then(|id| self.extension(id));
            value.is_some_and(|value| value == mid(theirs, index).as_bytes())
        };
        let by_mid = || receiving().find(|(index, selection)| carries_mid(*index, selection));
        if let Some((index, _)) = by_ssrc.or_else(by_mid) {
            return Some(index);
        }
        // The last resort, sound only where one m-line uses the payload type and says nothing of its SSRCs.
        let mut candidates = receiving().filter(|(index, selection)| {
            selection.primary.payload_type == self.payload_type && theirs.media[*index].ssrcs().is_empty()
        });
        let (index, _) = candidates.next()?;
        candidates.next().is_none().then_some(index)
    }

    fn extension(&self, id: u8) -> Option<&[u8]> {
        self.extensions
            .iter()
            .find(|(found, _)| *found == id)
            .map(|(_, value)| value.as_slice())
    }
}

/// The elements behind an extension header, in the one-byte or the two-byte form.
fn extensions(block: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    let (Some(profile), Some(words)) = (block.get(..2), block.get(2..4)) else {
        return found;
    };
    let is_two_byte = match profile {
        [0xbe, 0xde] => false,
        [0x10, low] if low >> 4 == 0 => true,
        _ => return found,
    };
    let size = 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    let mut rest = block.get(4..4 + size).unwrap_or_default();
    while let Some((head, tail)) = rest.split_first() {
        if *head == 0 {
            rest = tail;
            continue;
        }
        let (id, length, data) = if is_two_byte {
            let Some((length, data)) = tail.split_first() else {
                break;
            };
            (*head, usize::from(*length), data)
        } else {
            (head >> 4, usize::from(head & 0x0f) + 1, tail)
        };
        let Some(value) = data.get(..length) else { break };
        found.push((id, value.to_vec()));
        rest = &data[length..];
    }
    found
}

/// The mid in a packet (RFC 9143, section 15.2).
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::negotiate::description::tests::{CHROMIUM, chromium};
    use crate::source::negotiate::lines::{plan, tests::accept};

    fn packet(ssrc: u32, payload_type: u8) -> FirstPacket {
        FirstPacket {
            ssrc,
            payload_type,
            extensions: Vec::new(),
        }
    }

    fn line(theirs: &Description, packet: &FirstPacket) -> Option<usize> {
        let lines = plan(&[], theirs, accept).expect("a plan");
        packet.line(theirs, &lines)
    }

    #[test]
    fn declared_sources_are_found() {
        assert_eq!(line(&chromium(), &packet(1001, 96)), Some(1));
        assert_eq!(line(&chromium(), &packet(2001, 111)), Some(0));
    }

    #[test]
    fn an_undeclared_source_is_found_by_its_mid() {
        let mut by_mid = packet(9, 96);
        by_mid.extensions.push((4, b"1".to_vec()));
        assert_eq!(line(&chromium(), &by_mid), Some(1));
        by_mid.extensions[0].1 = b"elsewhere".to_vec();
        assert_eq!(line(&chromium(), &by_mid), None);
    }

    #[test]
    fn a_payload_type_decides_only_where_nothing_else_is_said() {
        assert_eq!(line(&chromium(), &packet(9, 96)), None);
        let silent = Description::parse(&CHROMIUM.replace("a=ssrc:", "a=x:")).expect("a description");
        assert_eq!(line(&silent, &packet(9, 96)), Some(1));
        assert_eq!(line(&silent, &packet(9, 100)), None);
    }

    #[test]
    fn headers_are_read_in_both_forms() {
        let one_byte = [
            0x90, 0xe0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 7, 0xbe, 0xde, 0, 1, 0x41, b'v', b'0', 0,
        ];
        let parsed = FirstPacket::parse(&one_byte).expect("an RTP packet");
        assert_eq!((parsed.ssrc, parsed.payload_type), (7, 96));
        assert_eq!(parsed.extensions, [(4, b"v0".to_vec())]);
        let two_byte = [
            0x90, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 7, 0x10, 0, 0, 1, 4, 2, b'v', b'0',
        ];
        assert_eq!(
            FirstPacket::parse(&two_byte).expect("an RTP packet").extensions,
            [(4, b"v0".to_vec())]
        );
    }

    #[test]
    fn broken_packets_are_harmless() {
        for packet in [
            &[][..],
            &[0x80],
            &[0x40; 12],
            &[0x9f; 20],
            &[0x90, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 7, 0xbe, 0xde, 0xff, 0xff],
            &[
                0x90, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 7, 0xbe, 0xde, 0, 1, 0x4f, 1, 2, 3,
            ],
        ] {
            let extensions = FirstPacket::parse(packet).map(|packet| packet.extensions);
            assert!(extensions.unwrap_or_default().is_empty(), "{packet:?}");
        }
    }
}
