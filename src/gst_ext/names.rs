// SPDX-License-Identifier: MPL-2.0
//! Names that peers choose, on their way into GStreamer's structures.
//!
//! GStreamer keeps every name of a structure or field for the life of the process (as a GQuark). What peers may add to
//! that is bounded here, for all of them together; names that exist already cost nothing. Any thread.

use std::sync::atomic::{AtomicUsize, Ordering};

use gst::glib;

/// Why a peer's name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    /// GStreamer has no way to hold it.
    #[error("{0:?} is no valid name")]
    Invalid(String),
    /// Longer than any sensible name.
    #[error("a name of {0} bytes is too long")]
    TooLong(usize),
    /// The peers of this process have brought too many new ones.
    #[error("{0:?} is one name too many: peers have brought {MOST_NAMES} that stay in memory")]
    TooMany(String),
}

/// Lets the name of a field in.
///
/// # Errors
/// [`NameError`] says what is wrong with it.
pub(crate) fn admit_field(name: &str) -> Result<(), NameError> {
    COINED.admit(name)
}

/// Lets the name of a structure in. GStreamer refuses, with a crash in places, those that do not begin with a letter or
/// hold other characters than these.
///
/// # Errors
/// [`NameError`] says what is wrong with it.
pub(crate) fn admit_structure(name: &str) -> Result<(), NameError> {
    let is_valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/-_.:+".contains(c));
    if !is_valid {
        return Err(NameError::Invalid(name.to_owned()));
    }
    COINED.admit(name)
}

/// How many names peers have added.
struct Coined {
    count: AtomicUsize,
}

static COINED: Coined = Coined {
    count: AtomicUsize::new(0),
};

impl Coined {
    fn admit(&self, name: &str) -> Result<(), NameError> {
        if name.contains('\0') {
            return Err(NameError::Invalid(name.to_owned()));
        }
        if name.len() > LONGEST_NAME {
            return Err(NameError::TooLong(name.len()));
        }
        if glib::Quark::try_from_str(name).is_some() {
            return Ok(());
        }
        let take = |count: usize| (count < MOST_NAMES).then_some(count + 1);
        let taken = self
            .count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        match taken {
            Ok(_) => Ok(()),
            Err(_) => Err(NameError::TooMany(name.to_owned())),
        }
    }
}

/// The longest names in GStreamer's own events and metadata have about 50 bytes.
const LONGEST_NAME: usize = 128;
/// An application's protocol has tens of names; all of these together take less than a megabyte.
const MOST_NAMES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_exist_are_always_let_in() {
        gst::init().expect("GStreamer initialises");
        let full = Coined {
            count: AtomicUsize::new(MOST_NAMES),
        };
        let _known = gst::Structure::builder("names/known")
            .field("known-field", 1)
            .build();
        assert_eq!(full.admit("known-field"), Ok(()));
        assert_eq!(full.admit("names/known"), Ok(()));
        let new = "a-name-that-nobody-uses";
        assert_eq!(full.admit(new), Err(NameError::TooMany(new.into())));
    }

    #[test]
    fn new_names_are_counted_until_there_are_too_many() {
        gst::init().expect("GStreamer initialises");
        let coined = Coined {
            count: AtomicUsize::new(MOST_NAMES - 2),
        };
        let results: Vec<bool> = (0..4)
            .map(|n| coined.admit(&format!("counted-name-{n}")).is_ok())
            .collect();
        assert_eq!(results, [true, true, false, false]);
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        for name in ["", "1", "a b", "a\0", "\u{e4}"] {
            assert_eq!(admit_structure(name), Err(NameError::Invalid(name.into())));
        }
        assert_eq!(admit_field("a\0b"), Err(NameError::Invalid("a\0b".into())));
        let long = "x".repeat(LONGEST_NAME + 1);
        assert_eq!(admit_field(&long), Err(NameError::TooLong(long.len())));
        assert_eq!(admit_structure(&long), Err(NameError::TooLong(long.len())));
    }
}
