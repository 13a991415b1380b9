// SPDX-License-Identifier: MPL-2.0
//! The subscribing half: hands the server's offers to the element, its answers back, and keeps the set of subscribed
//! tracks equal to what the filter takes.
//!
//! Without a filter the server subscribes by itself (`auto_subscribe=1`). With one, or when the filter changes later,
//! every track whose state differs from what the filter says gets an `UpdateSubscription`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use livekit_protocol as proto;

use super::super::protocol::{self, Candidate};
use super::super::rewriting::{with_tracks_codecs_first, without_full_intra_requests};
use super::super::settings::Filter;
use super::publisher::description;
use super::room::Room;
use super::{ConnectionState, DescriptionKind, Outbox, Report, Request};
use crate::webrtcbin::ice;

/// The subscriber of one session.
#[derive(Debug)]
pub(super) struct Subscriber {
    filter: Filter,
    /// Whether the server subscribes to whatever is published.
    is_automatic: bool,
    /// What was asked for tracks, where it was asked.
    asked: BTreeMap<String, bool>,
    /// Tracks the user does not want forwarded for now.
    disabled: BTreeSet<String>,
    /// Tracks the server does not forward for now, for want of bandwidth.
    paused: BTreeSet<String>,
    /// What the element was told last of whether anything is to come.
    is_silent: Option<bool>,
    /// Layers the user asked for.
    qualities: BTreeMap<String, proto::VideoQuality>,
    /// Offers that the element has not answered, oldest first.
    unanswered: VecDeque<proto::SessionDescription>,
    /// The last offer that was answered, and the answer.
    settled: Option<(proto::SessionDescription, proto::SessionDescription)>,
    /// Candidates of ours: the server forgets them when it restarts ICE.
    candidates: Vec<Candidate>,
    /// Whether the next answer has to be followed by our candidates.
    candidates_are_due: bool,
}

impl Subscriber {
    /// A subscriber that got no offer so far.
    pub(super) fn new(filter: Filter) -> Self {
        Self {
            is_automatic: filter.takes_all(),
            filter,
            asked: BTreeMap::new(),
            disabled: BTreeSet::new(),
            paused: BTreeSet::new(),
            is_silent: None,
            qualities: BTreeMap::new(),
            unanswered: VecDeque::new(),
            settled: None,
            candidates: Vec::new(),
            candidates_are_due: true,
        }
    }

    /// Whether the server is to subscribe by itself.
    pub(super) fn is_automatic(&self) -> bool {
        self.is_automatic
    }

    /// The server offers the tracks subscribed to.
    pub(super) fn offered(
        &mut self,
        mut offer: proto::SessionDescription,
        session: &str,
        room: &Room,
        out: &mut Outbox,
    ) {
        if self.unanswered.len() == MAX_UNANSWERED {
            out.report(Report::Oddity(format!(
                "{MAX_UNANSWERED} offers wait for an answer, another one is dropped"
            )));
            return;
        }
        let sdp = without_full_intra_requests(&offer.sdp);
        offer.sdp = with_tracks_codecs_first(&sdp, |track| room.codecs_of(track));
        if !offer.mid_to_track_id.is_empty() {
            let tracks = offer.mid_to_track_id.iter().take(MAX_TRACKS);
            out.report(Report::Tracks(
                tracks.map(|(mid, sid)| (mid.clone(), sid.clone())).collect(),
            ));
        }
        if self.restarts_ice(&offer) {
            self.candidates_are_due = true;
            out.report(Report::IceRestarted {
                sdp: offer.sdp.clone(),
            });
        }
        out.report(Report::Description {
            session: session.to_owned(),
            kind: DescriptionKind::Offer,
            sdp: offer.sdp.clone(),
        });
        self.unanswered.push_back(offer);
    }

    /// Whether the credentials differ from those of the offer before (RFC 8839, section 4.4.1.1.1).
    fn restarts_ice(&self, offer: &proto::SessionDescription) -> bool {
        let former = self
            .unanswered
            .back()
            .or(self.settled.as_ref().map(|(offer, _)| offer));
        let former = former.and_then(|former| ice::credentials_of(&former.sdp));
        former.is_some_and(|former| ice::credentials_of(&offer.sdp).is_some_and(|newer| newer != former))
    }

    /// The element answered the oldest offer.
    pub(super) fn local_answer(&mut self, sdp: &str, out: &mut Outbox) {
        let Some(offer) = self.unanswered.pop_front() else {
            out.report(Report::Oddity("an answer was made to no offer".into()));
            return;
        };
        let answer = description("answer", sdp, offer.id);
        out.send(Request::Answer(answer.clone()));
        if std::mem::take(&mut self.candidates_are_due) {
            for candidate in &self.candidates {
                out.send(protocol::trickle(candidate, proto::SignalTarget::Subscriber));
            }
        }
        self.settled = Some((offer, answer));
        out.report(Report::State(ConnectionState::Subscribed));
    }

    /// The element found a candidate.
    pub(super) fn local_candidate(&mut self, mut candidate: Candidate, out: &mut Outbox) {
        candidate.sdp_mid.get_or_insert_default();
        if !self.candidates_are_due {
            out.send(protocol::trickle(&candidate, proto::SignalTarget::Subscriber));
        }
        if self.candidates.len() < MAX_CANDIDATES {
            self.candidates.push(candidate);
        }
    }

    /// The connection was lost: the server repeats an offer it got no answer to.
    pub(super) fn disconnected(&mut self) {
        self.unanswered.clear();
    }

    /// The user chose other producers.
    pub(super) fn set_filter(&mut self, filter: Filter, room: &Room, out: &mut Outbox) {
        self.filter = filter;
        self.reconcile(room, out);
    }

    /// Brings the subscriptions in line with who is in the room and what the filter takes.
    pub(super) fn reconcile(&mut self, room: &Room, out: &mut Outbox) {
        self.asked.retain(|sid, _| room.has_track(sid));
        self.disabled.retain(|sid| room.has_track(sid));
        self.paused.retain(|sid| room.has_track(sid));
        self.qualities.retain(|sid, _| room.has_track(sid));
        let mut changes: BTreeMap<bool, Vec<proto::ParticipantTracks>> = BTreeMap::new();
        for participant in room.participants() {
            let wanted = self.filter.takes(participant);
            let differs = |track: &&proto::TrackInfo| self.is_subscribed(&track.sid) != wanted;
            let sids: Vec<_> = participant
                .tracks
                .iter()
                .filter(differs)
                .map(|track| track.sid.clone())
                .collect();
            if !sids.is_empty() {
                let tracks = proto::ParticipantTracks {
                    participant_sid: participant.sid.clone(),
                    track_sids: sids,
                };
                changes.entry(wanted).or_default().push(tracks);
            }
        }
        for (wanted, tracks) in changes {
            let sids = tracks.iter().flat_map(|of_one| of_one.track_sids.iter());
            self.asked.extend(sids.map(|sid| (sid.clone(), wanted)));
            out.send(Request::Subscription(protocol::update_subscription(
                tracks, wanted,
            )));
        }
    }

    /// The server stopped or resumed forwarding tracks by itself.
    pub(super) fn paused(&mut self, update: &proto::StreamStateUpdate, room: &Room) {
        for stream in &update.stream_states {
            if stream.state() == proto::StreamState::Active {
                self.paused.remove(&stream.track_sid);
            } else if room.has_track(&stream.track_sid) {
                self.paused.insert(stream.track_sid.clone());
            }
        }
    }

    /// Tells the element whether anything is to come, where that changed.
    pub(super) fn tell_silence(&mut self, room: &Room, session: &str, out: &mut Outbox) {
        let is_still = |track: &proto::TrackInfo| {
            track.muted || self.disabled.contains(&track.sid) || self.paused.contains(&track.sid)
        };
        let mut tracks = room.participants().flat_map(|participant| &participant.tracks);
        let is_expected = tracks.all(|track| !self.is_subscribed(&track.sid) || is_still(track));
        if self.is_silent != Some(is_expected) {
            self.is_silent = Some(is_expected);
            let session = session.to_owned();
            out.report(Report::SilenceExpected { session, is_expected });
        }
    }

    /// What the server does with a track, as far as we asked.
    fn is_subscribed(&self, track_sid: &str) -> bool {
        self.asked.get(track_sid).copied().unwrap_or(self.is_automatic)
    }

    /// Whose tracks are taken.
    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The user wants a track forwarded or not.
    pub(super) fn set_disabled(&mut self, track_sid: String, disabled: bool, out: &mut Outbox) {
        let quality = self.qualities.get(&track_sid).filter(|_| !disabled);
        // A setting replaces the one before as a whole.
        out.send(match quality {
            Some(quality) => protocol::set_track_quality(&track_sid, *quality),
            None => protocol::set_track_disabled(&track_sid, disabled),
        });
        if disabled {
            self.disabled.insert(track_sid);
        } else {
            self.disabled.remove(&track_sid);
        }
    }

    /// The user wants another layer of a track; it is asked for again when the track is enabled or the connection resumed.
    pub(super) fn set_quality(&mut self, track_sid: String, quality: proto::VideoQuality, out: &mut Outbox) {
        if !self.disabled.contains(&track_sid) {
            out.send(protocol::set_track_quality(&track_sid, quality));
        }
        self.qualities.insert(track_sid, quality);
    }

    /// The server knows us again, but not what layers were asked for.
    pub(super) fn resumed(&self, out: &mut Outbox) {
        for (track_sid, quality) in self
            .qualities
            .iter()
            .filter(|(sid, _)| !self.disabled.contains(*sid))
        {
            out.send(protocol::set_track_quality(track_sid, *quality));
        }
    }

    /// What a resumed connection tells the server: the last negotiation, and what differs from the automatic state.
    pub(super) fn sync_state(&self) -> proto::SyncState {
        let (offer, answer) = self.settled.clone().unzip();
        let differing = self
            .asked
            .iter()
            .filter(|(_, subscribed)| **subscribed != self.is_automatic);
        let subscription = proto::UpdateSubscription {
            track_sids: differing.map(|(sid, _)| sid.clone()).collect(),
            subscribe: !self.is_automatic,
            participant_tracks: Vec::new(),
        };
        proto::SyncState {
            answer,
            offer,
            subscription: Some(subscription),
            track_sids_disabled: self.disabled.iter().cloned().collect(),
            ..Default::default()
        }
    }
}

/// The server waits for an answer before it offers again, except to restart ICE.
const MAX_UNANSWERED: usize = 8;

/// As many as one gathering can give.
const MAX_CANDIDATES: usize = 256;

/// More m-lines than a description holds.
const MAX_TRACKS: usize = 4096;
