// SPDX-License-Identifier: MPL-2.0
//! RTP headers as bytes: what the pacer needs to know of a packet, and packets of padding (RFC 3550, section 5.1).
//!
//! Pure and without allocation but for padding. Packets come from our own payloaders and the RTP session, yet are read
//! as if from a stranger: whatever is cut short is no packet. Classes of packets are `streams`'s, order and time
//! `engine`'s.

use super::streams::Repair;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) payload_type: u8,
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    /// Whether it ends a picture.
    pub(super) is_marked: bool,
    /// Length with contributing sources and extension.
    pub(super) length: usize,
    /// Whether it has room for a transport-wide sequence number, which the RTP session fills in and counts.
    pub(super) has_twcc: bool,
}

impl Header {
    /// Reads a header; `twcc_id` is the extension to look for. `None` for what is no RTP packet.
    pub(super) fn parse(packet: &[u8], twcc_id: Option<u8>) -> Option<Self> {
        let (fixed, _) = packet.split_first_chunk::<FIXED_LENGTH>()?;
        if fixed[0] >> 6 != VERSION {
            return None;
        }
        let sources = usize::from(fixed[0] & 0x0f) * 4;
        let after_sources = FIXED_LENGTH + sources;
        let rest = packet.get(after_sources..)?;
        let has_extension = fixed[0] & EXTENSION_BIT != 0;
        let extension = if has_extension {
            Some(Extension::parse(rest)?)
        } else {
            None
        };
        Some(Self {
            payload_type: fixed[1] & 0x7f,
            is_marked: fixed[1] & MARKER_BIT != 0,
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            length: after_sources + extension.as_ref().map_or(0, |extension| 4 + extension.data.len()),
            has_twcc: twcc_id
                .zip(extension)
                .is_some_and(|(id, extension)| extension.contains(id)),
        })
    }
}

/// A header with one more extension element; `None` for one without elements of the one-byte form.
pub(super) fn with_extension<const N: usize>(header: &[u8], id: u8, value: [u8; N]) -> Option<Vec<u8>> {
    let start = FIXED_LENGTH + usize::from(header.first()? & 0x0f) * 4;
    let extension = Extension::parse(header.get(start..)?)?;
    let is_short = (1..=LAST_SHORT_ID).contains(&id) && (1..=MOST_SHORT).contains(&N);
    if extension.profile != ONE_BYTE || header[0] & EXTENSION_BIT == 0 || !is_short {
        return None;
    }
    let data_start = start + 4;
    let used = extension.elements().last().map_or(0, |element| element.end);
    let mut bytes = header.get(..data_start + used)?.to_vec();
    bytes.push(id << 4 | (N - 1) as u8);
    bytes.extend(value);
    bytes.resize(data_start + (bytes.len() - data_start).next_multiple_of(4), 0);
    let words = u16::try_from((bytes.len() - data_start) / 4).ok()?;
    bytes[start + 2..data_start].copy_from_slice(&words.to_be_bytes());
    Some(bytes)
}

/// Gives a packet another sequence number.
pub(super) fn set_sequence(packet: &mut [u8], sequence: u16) {
    if let Some(field) = packet.get_mut(2..4) {
        field.copy_from_slice(&sequence.to_be_bytes());
    }
}

/// Gives the extension with the id `from` another id; what it says stays.
pub(super) fn rename_extension(packet: &mut [u8], from: u8, to: u8) {
    let sources = packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
    let start = FIXED_LENGTH + sources;
    let Some(extension) = packet.get(start..).and_then(Extension::parse) else {
        return;
    };
    let (profile, found) = (extension.profile, extension.elements().find(|it| it.id == from));
    let Some(element) = found else { return };
    if let Some(header) = packet.get_mut(start + EXTENSION_HEADER_LENGTH + element.start) {
        *header = if profile == ONE_BYTE {
            (to << 4) | (*header & 0x0f)
        } else {
            to
        };
    }
}

/// A packet of nothing but `size` bytes in all, as far as 255 bytes of padding go. The header, and with it the
/// extensions that the session needs, is that of a packet of the stream it belongs to.
pub(super) fn padding(header: &[u8], repair: Repair, sequence: u16, size: usize) -> Vec<u8> {
    let amount = u8::try_from(size.saturating_sub(header.len()).max(1)).unwrap_or(u8::MAX);
    let mut packet = header.to_vec();
    packet.resize(header.len() + usize::from(amount), 0);
    packet[0] |= PADDING_BIT;
    // Without the marker: no frame ends here.
    packet[1] = repair.payload_type & 0x7f;
    set_sequence(&mut packet, sequence);
    packet[8..12].copy_from_slice(&repair.ssrc.to_be_bytes());
    if let Some(last) = packet.last_mut() {
        *last = amount;
    }
    packet
}

/// One extension: where its header begins among the data of the block, and where it ends.
struct Element {
    id: u8,
    start: usize,
    end: usize,
}

/// The extension block of a header (RFC 8285).
struct Extension<'a> {
    profile: u16,
    data: &'a [u8],
}

impl<'a> Extension<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[p0, p1, l0, l1], rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([l0, l1])) * 4;
        Some(Self {
            profile: u16::from_be_bytes([p0, p1]),
            data: rest.get(..length)?,
        })
    }

    /// Whether there is an element with this id.
    fn contains(&self, id: u8) -> bool {
        self.elements().any(|element| element.id == id)
    }

    /// The elements, in either form (RFC 8285, sections 4.2 and 4.3).
    fn elements(&self) -> impl Iterator<Item = Element> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let padding = self
                .data
                .get(next..)?
                .iter()
                .take_while(|byte| **byte == 0)
                .count();
            let start = next + padding;
            let (id, header, length) = match *self.data.get(start..)? {
                [first, ..] if self.profile == ONE_BYTE => (first >> 4, 1, usize::from(first & 0x0f) + 1),
                [id, length, ..] if self.profile & 0xfff0 == TWO_BYTE => (id, 2, length.into()),
                _ => return None,
            };
            next = start + header + length;
            (next <= self.data.len()).then_some(Element { id, start, end: next })
        })
    }
}

/// The fixed header: version, flags, payload type, sequence number, timestamp and SSRC (RFC 3550, section 5.1).
const FIXED_LENGTH: usize = 12;
const VERSION: u8 = 2;
/// Profile and length before the elements of an extension block (RFC 3550, section 5.3.1).
const EXTENSION_HEADER_LENGTH: usize = 4;
const PADDING_BIT: u8 = 0x20;
const EXTENSION_BIT: u8 = 0x10;
const MARKER_BIT: u8 = 0x80;
/// Profiles of the two forms of header extensions (RFC 8285, sections 4.2 and 4.3); the low four bits of the second one
/// are the application's.
const ONE_BYTE: u16 = 0xbede;
const TWO_BYTE: u16 = 0x1000;
/// Ids and lengths of elements of the one-byte form; 15 is reserved.
const LAST_SHORT_ID: u8 = 14;
const MOST_SHORT: usize = 16;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A packet of `payload` bytes with a transport-wide extension of id 5.
    pub(in crate::bwe) fn packet(payload_type: u8, ssrc: u32, sequence: u16, payload: usize) -> Vec<u8> {
        let mut packet = vec![0x90, payload_type];
        packet.extend(sequence.to_be_bytes());
        packet.extend([0, 0, 0, 9]);
        packet.extend(ssrc.to_be_bytes());
        packet.extend([0xbe, 0xde, 0, 1, 0x51, 0, 0, 0]);
        packet.resize(packet.len() + payload, 0xaa);
        packet
    }

    #[test]
    fn a_header_is_read_with_its_extension() {
        let header = Header::parse(&packet(0x80 | 96, 7, 300, 10), Some(5)).unwrap();
        let expected = Header {
            payload_type: 96,
            ssrc: 7,
            sequence: 300,
            is_marked: true,
            length: 20,
            has_twcc: true,
        };
        assert_eq!(header, expected);
        assert!(!Header::parse(&packet(96, 7, 300, 10), Some(4)).unwrap().has_twcc);
        assert!(!Header::parse(&packet(96, 7, 300, 10), None).unwrap().has_twcc);
    }

    #[test]
    fn two_byte_extensions_are_searched_too() {
        let mut bytes = packet(96, 7, 300, 0);
        bytes.splice(12.., [0x10, 0, 0, 2, 3, 1, 0xff, 0, 20, 2, 0, 0]);
        assert!(Header::parse(&bytes, Some(20)).unwrap().has_twcc);
        assert!(!Header::parse(&bytes, Some(2)).unwrap().has_twcc);
    }

    #[test]
    fn an_extension_gets_another_id_and_keeps_what_it_says() {
        let mut one_byte = packet(96, 7, 300, 0);
        rename_extension(&mut one_byte, 5, 4);
        assert_eq!(one_byte[12..], [0xbe, 0xde, 0, 1, 0x41, 0, 0, 0]);
        rename_extension(&mut one_byte, 5, 3);
        assert_eq!(one_byte[16], 0x41, "there is none to rename");
        let mut two_byte = packet(96, 7, 300, 0);
        two_byte.splice(12.., [0x10, 0, 0, 2, 3, 1, 0xff, 0, 20, 2, 0, 0]);
        rename_extension(&mut two_byte, 20, 21);
        assert_eq!(two_byte[20..], [21, 2, 0, 0]);
    }

    #[test]
    fn what_is_cut_short_is_no_packet() {
        let whole = packet(96, 7, 300, 0);
        for length in 0..whole.len() {
            assert_eq!(Header::parse(&whole[..length], Some(5)), None, "{length} bytes");
        }
        assert_eq!(Header::parse(&[0; 40], Some(5)), None, "version 0");
    }

    #[test]
    fn any_bytes_are_survived() {
        proptest::proptest!(|(bytes: Vec<u8>, id: u8)| {
            if let Some(header) = Header::parse(&bytes, Some(id)) {
                proptest::prop_assert!(header.length <= bytes.len());
                if let Some(longer) = with_extension(&bytes[..header.length], id, [1, 2, 3]) {
                    proptest::prop_assert_eq!(Header::parse(&longer, Some(id)).map(|it| it.length), Some(longer.len()));
                }
            }
            let mut renamed = bytes.clone();
            rename_extension(&mut renamed, id, 1);
        });
    }

    #[test]
    fn an_element_is_added_behind_the_others() {
        let bytes = packet(96, 7, 300, 0);
        let longer = with_extension(&bytes, 2, [1, 2, 3]).unwrap();
        // The value of the first one ends in a zero.
        assert_eq!(longer[12..], [0xbe, 0xde, 0, 2, 0x51, 0, 0, 0x22, 1, 2, 3, 0]);
        let header = Header::parse(&longer, Some(2)).unwrap();
        assert_eq!((header.length, header.has_twcc), (longer.len(), true));
        let twice = with_extension(&longer, 3, [9]).unwrap();
        assert_eq!(twice[14..], [0, 3, 0x51, 0, 0, 0x22, 1, 2, 3, 0x30, 9, 0, 0, 0]);
    }

    #[test]
    fn no_element_is_added_where_none_fits() {
        let bytes = packet(96, 7, 300, 0);
        assert_eq!(with_extension(&bytes, 0, [1]), None);
        assert_eq!(with_extension(&bytes, 15, [1]), None);
        assert_eq!(with_extension(&bytes, 1, [0; 17]), None);
        let mut plain = bytes.clone();
        plain[0] &= !EXTENSION_BIT;
        assert_eq!(with_extension(&plain, 1, [1]), None);
        let mut two_byte = bytes;
        two_byte.splice(12.., [0x10, 0, 0, 1, 3, 1, 0xff, 0]);
        assert_eq!(with_extension(&two_byte, 1, [1]), None);
    }

    #[test]
    fn padding_keeps_extensions_and_counts_itself() {
        let template = packet(0x80 | 96, 7, 300, 0);
        let padded = padding(
            &template,
            Repair {
                ssrc: 9,
                payload_type: 97,
            },
            12,
            220,
        );
        assert_eq!((padded.len(), padded.last()), (220, Some(&200)));
        assert_eq!(padded[0] & PADDING_BIT, PADDING_BIT);
        let expected = Header {
            payload_type: 97,
            ssrc: 9,
            sequence: 12,
            is_marked: false,
            length: 20,
            has_twcc: true,
        };
        assert_eq!(Header::parse(&padded, Some(5)), Some(expected));
        assert_eq!(
            padding(
                &template,
                Repair {
                    ssrc: 9,
                    payload_type: 97
                },
                0,
                5000
            )
            .len(),
            275
        );
        assert_eq!(
            padding(
                &template,
                Repair {
                    ssrc: 9,
                    payload_type: 97
                },
                0,
                0
            )
            .len(),
            21
        );
    }
}
