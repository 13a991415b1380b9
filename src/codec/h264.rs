// SPDX-License-Identifier: MPL-2.0
//! H.264 profiles and levels as descriptions carry them: `profile-level-id` of RFC 6184, section 8.1.
//!
//! Pure. A malformed identifier from a peer reads as "nothing known", never as an error: the stream then leaves as
//! constrained baseline, which every browser decodes. What follows for an encoder's caps is in `caps`; whether running
//! consumers survive a change is decided in `sink/input`.

/// Profiles that GStreamer names, from what the most decoders take to what the fewest do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Profile {
    /// Baseline without the tools that main lacks.
    ConstrainedBaseline,
    /// Baseline.
    Baseline,
    /// Main.
    Main,
    /// High without interlacing and B-frames.
    ConstrainedHigh,
    /// High.
    High,
    /// Ten bit.
    High10,
    /// 4:2:2.
    High422,
    /// 4:4:4.
    High444,
}

impl Profile {
    const ALL: [Self; 8] = [
        Self::ConstrainedBaseline,
        Self::Baseline,
        Self::Main,
        Self::ConstrainedHigh,
        Self::High,
        Self::High10,
        Self::High422,
        Self::High444,
    ];

    /// The word in caps.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ConstrainedBaseline => "constrained-baseline",
            Self::Baseline => "baseline",
            Self::Main => "main",
            Self::ConstrainedHigh => "constrained-high",
            Self::High => "high",
            Self::High10 => "high-10",
            Self::High422 => "high-4:2:2",
            Self::High444 => "high-4:4:4",
        }
    }

    /// The profile of a word in caps.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == word)
    }

    /// RFC 6184, table 5; constrained high is `profile_idc` 100 with constraint sets 4 and 5 (H.264, A.2.4.2).
    fn from_idc(idc: u8, constraints: u8) -> Option<Self> {
        let (set0, set1) = (constraints & 0x80 != 0, constraints & 0x40 != 0);
        match idc {
            66 if set1 => Some(Self::ConstrainedBaseline),
            66 => Some(Self::Baseline),
            77 if set0 => Some(Self::ConstrainedBaseline),
            77 => Some(Self::Main),
            88 if set0 && set1 => Some(Self::ConstrainedBaseline),
            88 if set0 => Some(Self::Baseline),
            100 if constraints & 0x0c == 0x0c => Some(Self::ConstrainedHigh),
            100 => Some(Self::High),
            110 => Some(Self::High10),
            122 => Some(Self::High422),
            244 => Some(Self::High444),
            _ => None,
        }
    }

    /// This profile and all below it, highest first.
    fn and_below(self) -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .rev()
            .filter(move |profile| *profile <= self)
    }
}

/// The three bytes of `profile-level-id`, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProfileLevelId {
    /// The profile, when it is one that GStreamer names.
    pub(crate) profile: Option<Profile>,
    /// The level as caps write it, such as `3.1` or `1b`.
    pub(crate) level: Option<&'static str>,
}

impl ProfileLevelId {
    /// Reads the six hexadecimal digits; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != 6 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let value = u32::from_str_radix(text, 16).ok()?;
        let [_, idc, constraints, level] = value.to_be_bytes();
        let profile = Profile::from_idc(idc, constraints);
        Some(Self {
            profile,
            level: level_word(level, constraints, profile),
        })
    }
}

/// Level 1b is `level_idc` 11 with constraint set 3 below high, and 9 from high up (H.264, A.3.1 and A.3.2).
fn level_word(idc: u8, constraints: u8, profile: Option<Profile>) -> Option<&'static str> {
    let below_high = profile.is_none_or(|profile| profile <= Profile::Main);
    if idc == 9 || (idc == 11 && constraints & 0x10 != 0 && below_high) {
        return Some("1b");
    }
    LEVELS
        .iter()
        .find(|(_, number)| *number == idc)
        .map(|(word, _)| *word)
}

/// What a receiver decodes at most. Both bounds are absent when its description says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    profile: Option<Profile>,
    level: Option<&'static str>,
}

impl Limits {
    /// The bounds in negotiated RTP caps: from `profile-level-id`, else from plain `profile` and `level` fields. A
    /// receiver that allows level asymmetry does not bound what is sent to it (RFC 6184, section 8.2.2).
    pub(crate) fn from_rtp(rtp: &gst::StructureRef) -> Self {
        let id = rtp
            .get::<&str>("profile-level-id")
            .ok()
            .and_then(ProfileLevelId::parse);
        let (profile, level) = match id {
            Some(id) => (id.profile, id.level),
            None => (
                rtp.get::<&str>("profile").ok().and_then(Profile::from_word),
                rtp.get::<&str>("level").ok().and_then(known_level),
            ),
        };
        let asymmetric = rtp
            .get::<&str>("level-asymmetry-allowed")
            .is_ok_and(|allowed| allowed == "1");
        Self {
            profile,
            level: level.filter(|_| !asymmetric),
        }
    }

    /// Acceptable profiles in words, best first; empty when not bounded.
    pub(crate) fn profiles(&self) -> Vec<&'static str> {
        self.profile
            .map(|profile| profile.and_below().map(Profile::as_str).collect())
            .unwrap_or_default()
    }

    /// Acceptable levels in words, highest first; empty when not bounded.
    pub(crate) fn levels(&self) -> Vec<&'static str> {
        let Some(rank) = self.level.and_then(level_rank) else {
            return Vec::new();
        };
        LEVELS[..=rank].iter().rev().map(|(word, _)| *word).collect()
    }
}

/// Where a level stands among all, lowest first; `None` for a word that is no level.
pub(crate) fn level_rank(word: &str) -> Option<usize> {
    LEVELS.iter().position(|(level, _)| *level == word)
}

/// Only levels of the table, so that what a peer says never reaches caps as it came.
fn known_level(word: &str) -> Option<&'static str> {
    level_rank(word).map(|rank| LEVELS[rank].0)
}

/// Levels with their `level_idc`, lowest first (H.264, table A-1). 1b has its own rule and so no number that matches.
const LEVELS: [(&str, u8); 20] = [
    ("1", 10),
    ("1b", 0),
    ("1.1", 11),
    ("1.2", 12),
    ("1.3", 13),
    ("2", 20),
    ("2.1", 21),
    ("2.2", 22),
    ("3", 30),
    ("3.1", 31),
    ("3.2", 32),
    ("4", 40),
    ("4.1", 41),
    ("4.2", 42),
    ("5", 50),
    ("5.1", 51),
    ("5.2", 52),
    ("6", 60),
    ("6.1", 61),
    ("6.2", 62),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    fn rtp(fields: &str) -> gst::Caps {
        gst::init().unwrap();
        gst::Caps::from_str(&format!("application/x-rtp, {fields}")).unwrap()
    }

    #[test]
    fn identifiers_of_real_peers_are_understood() {
        let cases = [
            ("42e01f", Some(Profile::ConstrainedBaseline), Some("3.1")),
            ("42E01F", Some(Profile::ConstrainedBaseline), Some("3.1")),
            ("42c01e", Some(Profile::ConstrainedBaseline), Some("3")),
            ("42001f", Some(Profile::Baseline), Some("3.1")),
            ("4d001f", Some(Profile::Main), Some("3.1")),
            ("4d801f", Some(Profile::ConstrainedBaseline), Some("3.1")),
            ("58a01e", Some(Profile::Baseline), Some("3")),
            ("58c01e", Some(Profile::ConstrainedBaseline), Some("3")),
            ("64001f", Some(Profile::High), Some("3.1")),
            ("640c34", Some(Profile::ConstrainedHigh), Some("5.2")),
            ("6e0028", Some(Profile::High10), Some("4")),
            ("7a0028", Some(Profile::High422), Some("4")),
            ("f4001f", Some(Profile::High444), Some("3.1")),
            ("42f00b", Some(Profile::ConstrainedBaseline), Some("1b")),
            ("640009", Some(Profile::High), Some("1b")),
            ("64100b", Some(Profile::High), Some("1.1")),
            ("580014", None, Some("2")),
            ("0000ff", None, None),
        ];
        for (text, profile, level) in cases {
            assert_eq!(
                ProfileLevelId::parse(text),
                Some(ProfileLevelId { profile, level }),
                "{text}"
            );
        }
    }

    #[test]
    fn malformed_identifiers_say_nothing() {
        for text in ["", "42e01", "42e01f0", "42e0zz", "+42e01", "４２", "42 01f"] {
            assert_eq!(ProfileLevelId::parse(text), None, "{text}");
        }
        let caps = rtp("profile-level-id=(string)zzz");
        assert_eq!(Limits::from_rtp(caps.structure(0).unwrap()), Limits::default());
    }

    #[test]
    fn lower_profiles_and_levels_are_acceptable_too() {
        let caps = rtp("profile-level-id=(string)4d000c");
        let limits = Limits::from_rtp(caps.structure(0).unwrap());
        assert_eq!(limits.profiles(), ["main", "baseline", "constrained-baseline"]);
        assert_eq!(limits.levels(), ["1.2", "1.1", "1b", "1"]);
    }

    #[test]
    fn plain_fields_stand_in_for_an_identifier() {
        let caps = rtp("profile=(string)baseline, level=(string)1.1");
        let limits = Limits::from_rtp(caps.structure(0).unwrap());
        assert_eq!(limits.profiles(), ["baseline", "constrained-baseline"]);
        assert_eq!(limits.levels().first(), Some(&"1.1"));
    }

    #[test]
    fn unknown_words_bound_nothing() {
        let caps = rtp("profile=(string)extreme, level=(string)9.9");
        let limits = Limits::from_rtp(caps.structure(0).unwrap());
        assert!(limits.profiles().is_empty() && limits.levels().is_empty());
    }

    #[test]
    fn words_and_profiles_go_both_ways() {
        for profile in Profile::ALL {
            assert_eq!(Profile::from_word(profile.as_str()), Some(profile));
        }
        assert!(level_rank("3.1") < level_rank("4"));
        assert_eq!(level_rank("7"), None);
    }
}
