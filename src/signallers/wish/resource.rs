// SPDX-License-Identifier: MPL-2.0
//! What is behind a session URL: ids, paths, entity tags, and the preconditions of a PATCH (RFC 9725, section 4.3.1).
//!
//! Pure but for the random generator behind [`Names::fresh`]; called from any thread. Owns what makes a session URL
//! safe to give out: whoever knows it can end the session, so it cannot be guessed. Which session it stands for is the
//! machine's to know.

use std::fmt;

use rand::distr::{Alphanumeric, SampleString as _};

/// Longest id a client may choose for its session.
const MAX_ID_LENGTH: usize = 64;
/// Random characters that make a session URL unguessable: 32 of 62 symbols are 190 bits.
const SECRET_LENGTH: usize = 32;

/// The names a new session gets, drawn outside the machine so that the machine stays deterministic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// What the signals call the session.
    pub(crate) id: String,
    /// Last segment of the session URL.
    pub(crate) resource: String,
    /// Tag of the first ICE session.
    pub(crate) etag: EntityTag,
}

impl Names {
    /// Names for a session of a client that came over the network, which may have chosen an id (not yet checked).
    /// A chosen id can be guessed, so the URL carries a secret as well.
    pub(crate) fn fresh(chosen: Option<&str>) -> Self {
        let secret = Alphanumeric.sample_string(&mut rand::rng(), SECRET_LENGTH);
        match chosen {
            Some(id) => Self {
                id: id.to_owned(),
                resource: format!("{id}.{secret}"),
                etag: EntityTag::fresh(),
            },
            None => Self {
                id: secret.clone(),
                resource: secret,
                etag: EntityTag::fresh(),
            },
        }
    }

    /// Names for a session whose URL the application itself guards: its id is the last segment of the URL.
    pub(crate) fn guarded(chosen: Option<&str>) -> Self {
        let names = Self::fresh(None);
        match chosen {
            Some(id) => Self {
                id: id.to_owned(),
                resource: id.to_owned(),
                ..names
            },
            None => names,
        }
    }
}

/// Whether a client may name its session so: one path segment of unreserved characters (RFC 3986, section 2.3).
pub(crate) fn is_valid_id(id: &str) -> bool {
    let is_unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    (1..=MAX_ID_LENGTH).contains(&id.len()) && id.chars().all(is_unreserved) && id != "." && id != ".."
}

/// A strong entity tag; one per ICE session. Kept and sent with whatever quotes the server gave it: some give none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag(String);

impl EntityTag {
    /// A tag nobody has used.
    pub(crate) fn fresh() -> Self {
        Self(format!(
            "\"{}\"",
            Alphanumeric.sample_string(&mut rand::rng(), 16)
        ))
    }

    /// A tag as it stood in a header field.
    pub(crate) fn received(field: &str) -> Self {
        Self(field.trim().to_owned())
    }

    /// As it stands in a header field.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the `If-Match` of a PATCH means for the resource it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// The current ICE session is meant.
    Current,
    /// Whatever ICE session there is: the client wants to restart it.
    Any,
    /// No `If-Match`: 428 (RFC 6585, section 3).
    Missing,
    /// Another ICE session is meant: 412.
    Failed,
}

/// Compares an `If-Match` field with the tag of the current ICE session, strongly (RFC 9110, section 8.8.3.2).
pub(crate) fn precondition(if_match: Option<&str>, current: &EntityTag) -> Precondition {
    let Some(field) = if_match else {
        return Precondition::Missing;
    };
    // RFC 9725 writes the asterisk in quotes in its example, RFC 9110 without.
    if matches!(field.trim(), "*" | "\"*\"") {
        return Precondition::Any;
    }
    let bare = |tag: &str| tag.trim().trim_matches('"').to_owned();
    let is_current = |tag: &str| !tag.trim().starts_with("W/") && bare(tag) == bare(current.as_str());
    if field.split(',').any(is_current) {
        Precondition::Current
    } else {
        Precondition::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_urls_cannot_be_guessed() {
        let (a, b) = (Names::fresh(Some("cam")), Names::fresh(Some("cam")));
        assert_eq!((a.id.as_str(), b.id.as_str()), ("cam", "cam"));
        assert_ne!(a.resource, b.resource);
        assert!(a.resource.len() >= SECRET_LENGTH);
        let c = Names::fresh(None);
        assert_eq!(c.id, c.resource);
        assert!(is_valid_id(&c.resource));
    }

    #[test]
    fn an_application_keeps_the_id_it_chose() {
        assert_eq!(Names::guarded(Some("cam")).resource, "cam");
        assert_eq!(Names::guarded(None).resource.len(), SECRET_LENGTH);
    }

    #[test]
    fn only_one_plain_path_segment_is_an_id() {
        for good in ["a", "cam-1", "room_2.high~x", &"x".repeat(64)] {
            assert!(is_valid_id(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "ä", "a%20b", "a\n", &"x".repeat(65)] {
            assert!(!is_valid_id(bad), "{bad}");
        }
    }

    #[test]
    fn preconditions_follow_the_specification() {
        let current = EntityTag::received("\"xyzzy\"");
        let cases = [
            (None, Precondition::Missing),
            (Some("*"), Precondition::Any),
            (Some("\"*\""), Precondition::Any),
            (Some("\"xyzzy\""), Precondition::Current),
            (Some("\"a\", \"xyzzy\""), Precondition::Current),
            (Some("xyzzy"), Precondition::Current),
            (Some("W/\"xyzzy\""), Precondition::Failed),
            (Some("\"other\""), Precondition::Failed),
            (Some(""), Precondition::Failed),
        ];
        for (field, expected) in cases {
            assert_eq!(precondition(field, &current), expected, "{field:?}");
        }
    }

    #[test]
    fn tags_are_strong_quoted_and_unique() {
        let (a, b) = (EntityTag::fresh(), EntityTag::fresh());
        assert_ne!(a, b);
        assert!(a.as_str().starts_with('"') && a.as_str().ends_with('"'));
    }
}
