// SPDX-License-Identifier: MPL-2.0
//! Who else is in the room, which of them are producers, and how long it has been empty.
//!
//! Pure. Owns the list of participants and what of it the element hears; which tracks are subscribed to is
//! `subscriber`'s. A producer is whoever is active with at least one track and passes the filter.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::participant_info::State;

use super::super::protocol;
use super::super::settings::Filter;
use super::{Outbox, Report};

/// The room as the server tells it.
#[derive(Debug)]
pub(super) struct Room {
    /// Our own session id: the server lists us as well.
    me: String,
    others: BTreeMap<String, proto::ParticipantInfo>,
    /// Session ids of those announced as producers, with the metadata they were announced with.
    producers: BTreeMap<String, String>,
    /// `None` while anybody else is there. Hidden participants are not told, so they do not count.
    empty_since: Option<Instant>,
}

impl Room {
    /// A room in which the participant `me` is alone.
    pub(super) fn new(now: Instant, me: &str) -> Self {
        Self {
            me: me.to_owned(),
            others: BTreeMap::new(),
            producers: BTreeMap::new(),
            empty_since: Some(now),
        }
    }

    /// The others, in the order of their ids.
    pub(super) fn participants(&self) -> impl Iterator<Item = &proto::ParticipantInfo> {
        self.others.values()
    }

    /// Whether somebody publishes this track.
    pub(super) fn has_track(&self, sid: &str) -> bool {
        self.others
            .values()
            .any(|other| other.tracks.iter().any(|track| track.sid == sid))
    }

    /// The codecs that a track comes in, the first choice of its publisher first; none while that is unknown.
    pub(super) fn codecs_of(&self, sid: &str) -> Vec<String> {
        let mut tracks = self.others.values().flat_map(|other| &other.tracks);
        let track = tracks.find(|track| track.sid == sid);
        track.map(protocol::codecs).unwrap_or_default()
    }

    /// Takes in what the server says of participants; `is_new` is false for those who were there before us.
    pub(super) fn update(
        &mut self,
        now: Instant,
        changed: Vec<proto::ParticipantInfo>,
        is_new: bool,
        filter: Option<&Filter>,
        out: &mut Outbox,
    ) {
        for participant in changed
            .into_iter()
            .filter(|participant| participant.sid != self.me)
        {
            let sid = participant.sid.clone();
            if participant.state() == State::Disconnected {
                self.others.remove(&sid);
                out.report(Report::ParticipantLeft(sid));
                continue;
            }
            let is_full = self.others.len() >= MAX_PARTICIPANTS && !self.others.contains_key(&sid);
            // Updates can overtake each other; the version only grows.
            let is_stale = self
                .others
                .get(&sid)
                .is_some_and(|known| known.version > participant.version);
            if !is_full && !is_stale {
                out.report(Report::Participant(Box::new(participant.clone())));
                self.others.insert(sid, participant);
            }
        }
        self.empty_since = if self.others.is_empty() {
            self.empty_since.or(Some(now))
        } else {
            None
        };
        if let Some(filter) = filter {
            self.announce_producers(filter, is_new, out);
        }
    }

    /// Announces who became a producer or ceased to be one, as far as `filter` takes them.
    pub(super) fn announce_producers(&mut self, filter: &Filter, is_new: bool, out: &mut Outbox) {
        let is_producer = |other: &&proto::ParticipantInfo| {
            other.state() == State::Active && !other.tracks.is_empty() && filter.takes(other)
        };
        let present: BTreeSet<String> = self
            .others
            .values()
            .filter(is_producer)
            .map(|other| other.sid.clone())
            .collect();
        let gone: Vec<_> = self
            .producers
            .keys()
            .filter(|sid| !present.contains(*sid))
            .cloned()
            .collect();
        for sid in gone {
            let metadata = self.producers.remove(&sid).unwrap_or_default();
            out.report(Report::ProducerRemoved { sid, metadata });
        }
        for sid in present {
            if !self.producers.contains_key(&sid) {
                let metadata = self
                    .others
                    .get(&sid)
                    .map(|other| other.metadata.clone())
                    .unwrap_or_default();
                self.producers.insert(sid.clone(), metadata.clone());
                out.report(Report::ProducerAdded {
                    sid,
                    metadata,
                    is_new,
                });
            }
        }
    }

    /// Everybody is gone because we are: producers are taken back.
    pub(super) fn leave(&mut self, out: &mut Outbox) {
        for (sid, metadata) in std::mem::take(&mut self.producers) {
            out.report(Report::ProducerRemoved { sid, metadata });
        }
        for (sid, _) in std::mem::take(&mut self.others) {
            out.report(Report::ParticipantLeft(sid));
        }
    }

    /// When being alone has lasted for `timeout`.
    pub(super) fn deadline(&self, timeout: Option<Duration>) -> Option<Instant> {
        self.empty_since
            .zip(timeout)
            .map(|(since, timeout)| since + timeout)
    }
}

/// LiveKit rooms hold some thousands; bounds what a hostile server can make us keep.
const MAX_PARTICIPANTS: usize = 10_000;
