// SPDX-License-Identifier: MPL-2.0
//! What every m-line of a connection has become, kept over renegotiation. Pure.
//!
//! An m-line keeps its place for the life of a connection (RFC 8829, section 5.2.2). One that was accepted once stays
//! active for webrtcbin even when the peer switches it off, because 1.22 cannot take it back into use; only what is
//! sent to the peer says so. Which codec an m-line gets is asked of the caller; writing both descriptions down is
//! `describe`'s.

use super::describe::Proposal;
use super::description::{Description, Format, Media};
use super::select::Selection;

/// One m-line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// Refused, and never accepted before.
    Rejected,
    /// Data channels.
    Application {
        /// Whether the latest description still has it.
        is_open: bool,
        /// Whether it was there before any stream: then the bundle's transport is its own, and stays so.
        has_transport: bool,
    },
    /// Audio or video that was accepted.
    Media {
        /// What was chosen, latest.
        selection: Box<Selection>,
        /// What the peer is told of it.
        wire: Wire,
    },
}

/// How an accepted m-line stands in what the peer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// `recvonly`: a stream.
    Receiving,
    /// `inactive`: the peer does not send at the moment.
    Inactive,
    /// Port zero, as the peer has it.
    Rejected,
}

/// Why a later description does not go with the earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinesError {
    /// M-lines are never taken away.
    #[error("description has {found} m-lines where there were {before}")]
    Fewer {
        /// M-lines in it.
        found: usize,
        /// M-lines before.
        before: usize,
    },
    /// A name stands twice, or on another m-line than before.
    #[error("mid {mid:?} is on m-lines {first} and {second}")]
    Mid {
        /// The name.
        mid: String,
        /// One place.
        first: usize,
        /// The other.
        second: usize,
    },
    /// An m-line in use changed its kind.
    #[error("m-line {index} changed its kind to {kind}")]
    Kind {
        /// Its place.
        index: usize,
        /// What it is now.
        kind: String,
    },
    /// Something every connection needs is missing.
    #[error("description has no {0}")]
    Missing(&'static str),
}

impl Line {
    /// The selection of a stream that is being received.
    pub(crate) fn receiving(&self) -> Option<&Selection> {
        match self {
            Self::Media {
                selection,
                wire: Wire::Receiving,
            } => Some(selection),
            _ => None,
        }
    }

    /// What was chosen for it, whether or not the peer sends at the moment.
    pub(crate) fn selection(&self) -> Option<&Selection> {
        match self {
            Self::Media { selection, .. } => Some(selection),
            Self::Rejected | Self::Application { .. } => None,
        }
    }

    /// Whether webrtcbin has it.
    pub(crate) fn is_used(&self) -> bool {
        !matches!(self, Self::Rejected)
    }
}

/// Checks `next` against the description before it, and by itself.
///
/// # Errors
/// [`LinesError`] for what webrtcbin must never see.
pub(crate) fn check(previous: Option<&Description>, next: &Description) -> Result<(), LinesError> {
    let before = previous.map_or(&[][..], |previous| previous.media.as_slice());
    if next.media.len() < before.len() {
        return Err(LinesError::Fewer {
            found: next.media.len(),
            before: before.len(),
        });
    }
    for (index, media) in next.media.iter().enumerate() {
        let Some(mid) = media.mid() else { continue };
        let elsewhere = |lines: &[Media]| {
            lines
                .iter()
                .enumerate()
                .find(|(other, line)| *other != index && line.mid() == Some(mid))
                .map(|(other, _)| other)
        };
        if let Some(other) = elsewhere(&next.media).or_else(|| elsewhere(before)) {
            return Err(LinesError::Mid {
                mid: mid.to_owned(),
                first: other.min(index),
                second: other.max(index),
            });
        }
    }
    check_transport(next)
}

/// Found here with a name, where webrtcbin would fail later and without one.
fn check_transport(next: &Description) -> Result<(), LinesError> {
    let carries = |name| (0..next.media.len()).any(|index| next.inherited(index, name).is_some());
    if next.media.is_empty() {
        return Err(LinesError::Missing("m-line"));
    }
    if next.ice_credentials(0).is_none() {
        return Err(LinesError::Missing("ice-ufrag and ice-pwd"));
    }
    if !carries("fingerprint") {
        return Err(LinesError::Missing("fingerprint"));
    }
    Ok(())
}

/// Says what each m-line of `next` becomes. `choose` is asked for audio and video that the peer sends.
///
/// # Errors
/// [`LinesError::Kind`] when an m-line in use turns into another kind.
pub(crate) fn plan(
    previous: &[Line],
    next: &Description,
    mut choose: impl FnMut(usize, &Media, Option<&Selection>) -> Option<Selection>,
) -> Result<Vec<Line>, LinesError> {
    let mut lines = Vec::with_capacity(next.media.len());
    for (index, media) in next.media.iter().enumerate() {
        let line = match previous.get(index) {
            Some(Line::Media { selection, .. }) => {
                if selection.codec.media().as_str() != media.kind {
                    return Err(LinesError::Kind {
                        index,
                        kind: media.kind.clone(),
                    });
                }
                plan_known(index, media, sends(next, index), selection, &mut choose)
            }
            Some(Line::Application { .. }) if !media.is_application() => {
                return Err(LinesError::Kind {
                    index,
                    kind: media.kind.clone(),
                });
            }
            Some(Line::Application { has_transport, .. }) => Line::Application {
                is_open: !media.is_rejected(),
                has_transport: *has_transport,
            },
            Some(Line::Rejected) | None => plan_new(index, media, sends(next, index), &mut choose),
        };
        lines.push(line);
    }
    disentangle(&mut lines);
    let is_without_streams = !lines.iter().any(|line| matches!(line, Line::Media { .. }));
    for line in &mut lines {
        if let Line::Application { has_transport, .. } = line {
            *has_transport |= is_without_streams;
        }
    }
    Ok(lines)
}

/// An answer may refuse the m-line that carries the transport of the bundle. webrtcbin cannot move that: it is shown
/// what was offered, and no media comes.
pub(crate) fn keep_offered(lines: &mut [Line], offered: &[Proposal]) {
    for (line, proposal) in lines.iter_mut().zip(offered) {
        if let (Line::Rejected, Some(selection)) = (&line, Selection::of_offer(&proposal.formats)) {
            *line = Line::Media {
                selection: Box::new(selection),
                wire: Wire::Rejected,
            };
        }
    }
}

/// Gives up repair whose payload types another m-line uses for something else: in a bundle there is one meaning each
/// (RFC 9143, section 10.1.2). webrtcbin 1.22 offers such: it numbers RED, ULPFEC and RTX for each m-line by itself.
fn disentangle(lines: &mut [Line]) {
    let mut taken: Vec<(usize, u8, String)> = Vec::new();
    let name = |format: &Format| format.encoding.to_ascii_uppercase();
    for (index, line) in lines.iter().enumerate() {
        if let Line::Media { selection, .. } = line {
            taken.push((index, selection.primary.payload_type, name(&selection.primary)));
        }
    }
    for (index, line) in lines.iter_mut().enumerate() {
        let Line::Media { selection, .. } = line else {
            continue;
        };
        let clashes = |format: &Format| {
            let differs = |(other, number, meaning): &(usize, u8, String)| {
                *other != index && *number == format.payload_type && *meaning != name(format)
            };
            taken.iter().any(differs)
        };
        selection.rtx.take_if(|rtx| clashes(rtx));
        selection
            .fec
            .take_if(|fec| clashes(&fec.red) || clashes(&fec.ulpfec));
        if let Some(fec) = &mut selection.fec {
            fec.red_rtx.take_if(|rtx| clashes(rtx));
        }
        let repair: Vec<_> = selection
            .formats()
            .skip(1)
            .map(|format| (index, format.payload_type, name(format)))
            .collect();
        taken.extend(repair);
    }
}

/// An m-line that was never accepted may still be: the peer can offer something else in its place.
fn plan_new(
    index: usize,
    media: &Media,
    sends: bool,
    choose: &mut impl FnMut(usize, &Media, Option<&Selection>) -> Option<Selection>,
) -> Line {
    if media.is_rejected() {
        return Line::Rejected;
    }
    if media.is_application() {
        return Line::Application {
            is_open: true,
            has_transport: false,
        };
    }
    match choose(index, media, None) {
        Some(selection) => Line::Media {
            selection: Box::new(selection),
            wire: if sends { Wire::Receiving } else { Wire::Inactive },
        },
        None => Line::Rejected,
    }
}

/// An m-line that webrtcbin has keeps what was chosen, whatever the peer does with it meanwhile.
fn plan_known(
    index: usize,
    media: &Media,
    sends: bool,
    selection: &Selection,
    choose: &mut impl FnMut(usize, &Media, Option<&Selection>) -> Option<Selection>,
) -> Line {
    let kept = |wire| Line::Media {
        selection: Box::new(selection.clone()),
        wire,
    };
    if media.is_rejected() {
        return kept(Wire::Rejected);
    }
    if !sends {
        return kept(Wire::Inactive);
    }
    match choose(index, media, Some(selection)) {
        Some(selection) => Line::Media {
            selection: Box::new(selection),
            wire: Wire::Receiving,
        },
        None => kept(Wire::Rejected),
    }
}

/// Whether the peer means to send on the m-line: its own direction, else that of the description, else both ways
/// (RFC 8866, section 6.7).
pub(crate) fn sends(description: &Description, index: usize) -> bool {
    let directions = ["sendrecv", "sendonly", "recvonly", "inactive"];
    let own = description.media.get(index).map(|media| &media.attributes);
    let named = own
        .into_iter()
        .chain([&description.attributes])
        .find_map(|attributes| directions.into_iter().find(|name| attributes.has(name)));
    matches!(named, None | Some("sendrecv" | "sendonly"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::description::tests::{CHROMIUM, chromium};
    use super::super::select::tests::ALL;
    use super::*;

    /// Accepts whatever is known, as most tests want it.
    pub(crate) fn accept(_: usize, media: &Media, known: Option<&Selection>) -> Option<Selection> {
        match known {
            Some(known) => known.choose_again(media, |_, _| true, ALL),
            None => Selection::choose(media, |_, _| true, ALL),
        }
    }

    fn again(from: &str, to: &str) -> Description {
        assert!(CHROMIUM.contains(from), "{from}");
        Description::parse(&CHROMIUM.replace(from, to)).expect("a description")
    }

    fn planned(previous: &[Line], next: &Description) -> Vec<Line> {
        plan(previous, next, accept).expect("a plan")
    }

    #[test]
    fn a_browsers_offer_becomes_two_streams_and_channels() {
        let lines = planned(&[], &chromium());
        assert!(lines[0].receiving().is_some() && lines[1].receiving().is_some());
        assert_eq!(
            lines[2],
            Line::Application {
                is_open: true,
                has_transport: false
            }
        );
    }

    #[test]
    fn a_stream_that_goes_inactive_keeps_its_selection_and_comes_back() {
        let first = planned(&[], &chromium());
        let off = planned(&first, &again("a=sendonly", "a=inactive"));
        assert!(matches!(
            &off[1],
            Line::Media {
                wire: Wire::Inactive,
                ..
            }
        ));
        assert!(off[1].is_used());
        assert_eq!(planned(&off, &chromium()), first);
    }

    #[test]
    fn a_stopped_stream_is_refused_to_the_peer_only() {
        let first = planned(&[], &chromium());
        let stopped = planned(&first, &again("m=video 9", "m=video 0"));
        assert!(matches!(
            &stopped[1],
            Line::Media {
                wire: Wire::Rejected,
                ..
            }
        ));
        assert_eq!(stopped[0], first[0]);
    }

    #[test]
    fn streams_may_begin_switched_off() {
        let lines = planned(&[], &again("a=sendonly", "a=recvonly"));
        assert!(matches!(
            &lines[0],
            Line::Media {
                wire: Wire::Inactive,
                ..
            }
        ));
        assert_eq!(lines[0].receiving(), None);
    }

    #[test]
    fn nothing_acceptable_is_rejected() {
        let lines = plan(&[], &chromium(), |_, _, _| None).expect("a plan");
        assert_eq!(lines[0], Line::Rejected);
        assert!(!lines[0].is_used());
        let unknown = Description::parse("o=- 1 1 x\nm=text 9 RTP/AVP 96").expect("a description");
        assert_eq!(planned(&[], &unknown), [Line::Rejected]);
    }

    #[test]
    fn what_webrtcbin_cannot_stand_is_refused() {
        let one = Description::parse("o=- 1 1 x\na=ice-ufrag:u\na=ice-pwd:p\na=fingerprint:f\nm=audio 9 X 0");
        let one = one.expect("a description");
        let cases = [
            (
                again("a=mid:1", "a=mid:0"),
                LinesError::Mid {
                    mid: "0".into(),
                    first: 0,
                    second: 1,
                },
            ),
            (one, LinesError::Fewer { found: 1, before: 3 }),
            (
                again("a=ice-ufrag", "a=x"),
                LinesError::Missing("ice-ufrag and ice-pwd"),
            ),
            (again("a=fingerprint", "a=x"), LinesError::Missing("fingerprint")),
        ];
        for (next, error) in cases {
            assert_eq!(check(Some(&chromium()), &next), Err(error));
        }
        let moved = again("a=mid:0", "a=mid:x");
        let moved = Description {
            media: moved.media.into_iter().rev().collect(),
            ..moved
        };
        assert!(matches!(
            check(Some(&chromium()), &moved),
            Err(LinesError::Mid { .. })
        ));
        assert_eq!(check(None, &chromium()), Ok(()));
    }

    #[test]
    fn a_line_in_use_keeps_its_kind() {
        let first = planned(&[], &chromium());
        for (from, to) in [("m=video", "m=audio"), ("m=application", "m=video")] {
            let changed = plan(&first, &again(from, to), accept);
            assert!(matches!(changed, Err(LinesError::Kind { .. })), "{from} to {to}");
        }
    }

    #[test]
    fn repair_that_another_line_claims_is_given_up() {
        let cases = [
            ("111", vec!["96", "97", "116", "117", "118"]),
            ("97", vec!["96", "116", "117", "118"]),
            ("116", vec!["96", "97"]),
            ("118", vec!["96", "97"]),
            ("117", vec!["96", "97", "116", "118"]),
        ];
        for (audio, expected) in cases {
            let offer = CHROMIUM
                .replace("SAVPF 111", &format!("SAVPF {audio}"))
                .replace("rtpmap:111", &format!("rtpmap:{audio}"));
            let lines = planned(&[], &Description::parse(&offer).expect("a description"));
            let video = lines[1].receiving().expect("video is received");
            let numbers: Vec<_> = video
                .formats()
                .map(|format| format.payload_type.to_string())
                .collect();
            assert_eq!(numbers, expected, "audio is {audio}");
        }
    }

    #[test]
    fn a_refused_line_of_our_offer_stays_for_webrtcbin() {
        let proposal = |kind, index: usize| Proposal {
            kind,
            mid: format!("{kind}{index}"),
            formats: chromium().media[index].rtp_formats(),
        };
        let mut lines = planned(&[], &again("m=audio 9", "m=audio 0"));
        assert_eq!(lines[0], Line::Rejected);
        keep_offered(&mut lines, &[proposal("audio", 0), proposal("video", 1)]);
        let Line::Media { selection, wire } = &lines[0] else {
            panic!("{:?}", lines[0])
        };
        assert_eq!((selection.primary.payload_type, *wire), (111, Wire::Rejected));
        assert!(lines[1].receiving().is_some());
    }

    #[test]
    fn direction_is_inherited() {
        for (text, expected) in [
            ("m=audio 9 X 0", true),
            ("a=inactive\nm=audio 9 X 0", false),
            ("a=inactive\nm=audio 9 X 0\na=sendrecv", true),
            ("m=audio 9 X 0\na=recvonly", false),
        ] {
            let description = Description::parse(&format!("o=- 1 1 x\n{text}")).expect("a description");
            assert_eq!(sends(&description, 0), expected, "{text}");
        }
    }
}
