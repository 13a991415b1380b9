// SPDX-License-Identifier: MPL-2.0
//! What the NAL units of H.264 and H.265 are to the picture that they are in. Pure; reads headers only, never what they
//! bear.

use super::Codec;

/// Whose NAL units they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// One octet of header, the type in its low bits (ITU-T H.264, 7.3.1).
    H264,
    /// Two octets of header, the type in the first (ITU-T H.265, 7.3.1.2).
    H265,
}

/// What a NAL unit is to the picture it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Says that a picture begins.
    Delimiter,
    /// What slices refer to.
    Parameters,
    /// A part of the picture itself.
    Slice,
    /// Anything else.
    Other,
}

impl Syntax {
    /// That of a codec which has NAL units.
    pub(crate) const fn of(codec: Codec) -> Option<Self> {
        match codec {
            Codec::H264 => Some(Self::H264),
            Codec::H265 => Some(Self::H265),
            _ => None,
        }
    }

    /// The role of a unit with this first octet.
    pub(crate) const fn role(self, header: u8) -> Role {
        match (self, self.kind(header)) {
            (Self::H264, 1..=5) | (Self::H265, 0..=31) => Role::Slice,
            (Self::H264, 7 | 8) | (Self::H265, 32..=34) => Role::Parameters,
            (Self::H264, 9) | (Self::H265, 35) => Role::Delimiter,
            _ => Role::Other,
        }
    }

    /// Whether a unit with this first octet is the kind of parameter set that all others depend on.
    pub(crate) const fn is_first_set(self, header: u8) -> bool {
        matches!((self, self.kind(header)), (Self::H264, 7) | (Self::H265, 32))
    }

    const fn kind(self, header: u8) -> u8 {
        match self {
            Self::H264 => header & 0x1f,
            Self::H265 => header >> 1 & 0x3f,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_tell_roles() {
        let cases = [
            (Syntax::H264, 0x09, Role::Delimiter),
            (Syntax::H264, 0x67, Role::Parameters),
            (Syntax::H264, 0x68, Role::Parameters),
            (Syntax::H264, 0x06, Role::Other),
            (Syntax::H264, 0x65, Role::Slice),
            (Syntax::H264, 0x41, Role::Slice),
            (Syntax::H265, 0x46, Role::Delimiter),
            (Syntax::H265, 0x40, Role::Parameters),
            (Syntax::H265, 0x44, Role::Parameters),
            (Syntax::H265, 0x4e, Role::Other),
            (Syntax::H265, 0x2a, Role::Slice),
        ];
        for (syntax, header, role) in cases {
            assert_eq!(syntax.role(header), role, "{syntax:?} {header:#x}");
        }
        assert!(Syntax::H264.is_first_set(0x67) && !Syntax::H264.is_first_set(0x68));
        assert!(Syntax::H265.is_first_set(0x40) && !Syntax::H265.is_first_set(0x42));
        assert_eq!(Syntax::of(Codec::Vp8), None);
    }
}
