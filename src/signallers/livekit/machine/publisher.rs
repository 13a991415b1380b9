// SPDX-License-Identifier: MPL-2.0
//! The publishing half: announces the tracks of an offer, sends it when the server knows them all, takes the answer.
//!
//! An offer goes through `AddTrackRequest` for each new track, `TrackPublished` for each of them, then `Offer`, then the
//! candidates gathered meanwhile, in the order of gathering. A later offer replaces one that was not sent yet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use livekit_protocol as proto;

use super::super::offer::{self, Section};
use super::super::protocol::{self, Candidate};
use super::super::rewriting::without_layer_sizes;
use super::{ConnectionState, DescriptionKind, Failure, Outbox, Report, Request};

/// Sources of tracks by the name of their stream.
pub(super) type Sources = Vec<(String, proto::TrackSource)>;

/// The publisher of one session.
#[derive(Debug)]
pub(super) struct Publisher {
    /// How long the server may take to acknowledge a track.
    timeout: Duration,
    /// What the user said that named tracks show.
    sources: Sources,
    stage: Stage,
    /// Description and number of the newest offer.
    offer: Option<(String, u32)>,
    /// The server's last one, told again after a resume.
    answer: Option<proto::SessionDescription>,
    /// The newest offer's `a=mid` by m-line.
    mids: Vec<String>,
    /// Width and height of pictures, by `a=mid`.
    sizes: BTreeMap<String, (u32, u32)>,
    /// Announced tracks by their client id.
    tracks: BTreeMap<String, Track>,
    /// Candidates of an offer that is not sent yet.
    held: Vec<Candidate>,
    /// Names of tracks that are muted, or are to be as soon as they are published.
    muted: BTreeSet<String>,
}

/// How far the newest offer has come.
#[derive(Debug)]
enum Stage {
    Idle,
    /// The server has yet to acknowledge these client ids.
    Announcing {
        waiting: BTreeSet<String>,
        deadline: Instant,
    },
    /// The offer is with the server.
    Offered,
    /// The offer was answered.
    Settled,
}

/// A track as announced and, once acknowledged, as the server knows it.
#[derive(Debug)]
struct Track {
    name: String,
    mid: String,
    /// The layers it is sent in, by rid, smallest first; empty for one size.
    layers: Vec<String>,
    /// The size of its pictures that the server was told.
    size: Option<(u32, u32)>,
    published: Option<proto::TrackInfo>,
}

impl Publisher {
    /// A publisher that has nothing to publish so far.
    pub(super) fn new(timeout: Duration, sources: Sources) -> Self {
        Self {
            timeout,
            sources,
            stage: Stage::Idle,
            offer: None,
            answer: None,
            mids: Vec::new(),
            sizes: BTreeMap::new(),
            tracks: BTreeMap::new(),
            held: Vec::new(),
            muted: BTreeSet::new(),
        }
    }

    /// The publisher of the session after this one: what was muted stays so.
    pub(super) fn successor(&self) -> Self {
        Self {
            muted: self.muted.clone(),
            ..Self::new(self.timeout, self.sources.clone())
        }
    }

    /// The element made an offer.
    pub(super) fn local_offer(&mut self, now: Instant, sdp: String, out: &mut Outbox) {
        let sections = offer::sections(&sdp);
        let sdp = without_layer_sizes(&sdp);
        self.mids = offer::mids(&sdp);
        self.sizes.retain(|mid, _| self.mids.contains(mid));
        let number = self.offer.as_ref().map_or(0, |(_, number)| *number) + 1;
        self.offer = Some((sdp, number));
        // What is not sent any more is unpublished by the description alone.
        self.tracks.retain(|cid, _| {
            sections
                .iter()
                .any(|section| section.is_sending && section.cid == *cid)
        });
        for section in sections.iter().filter(|section| section.is_sending) {
            self.announce(section, out);
        }
        let waiting: BTreeSet<_> = self
            .tracks
            .iter()
            .filter(|(_, track)| track.published.is_none())
            .map(|(cid, _)| cid.clone())
            .collect();
        self.stage = Stage::Announcing {
            waiting,
            deadline: now + self.timeout,
        };
        out.report(Report::State(ConnectionState::Publishing));
        self.offer_when_known(out);
    }

    /// Announces a track the server does not know yet, under the name of its stream or its mid.
    fn announce(&mut self, section: &Section, out: &mut Outbox) {
        if self.tracks.contains_key(&section.cid) {
            return;
        }
        let name = section.stream.clone().unwrap_or_else(|| section.mid.clone());
        let chosen = self
            .sources
            .iter()
            .find(|(stream, _)| *stream == name)
            .map(|(_, source)| *source);
        let source = chosen.unwrap_or_else(|| protocol::default_source(section.kind));
        let muted = self.muted.contains(&name);
        let size = self.sizes.get(&section.mid).copied();
        out.send(protocol::add_track(section, &name, source, size, muted));
        self.tracks.insert(
            section.cid.clone(),
            Track {
                name,
                mid: section.mid.clone(),
                layers: section.layers.iter().map(|layer| layer.rid.clone()).collect(),
                size,
                published: None,
            },
        );
    }

    /// The server knows a track now.
    pub(super) fn track_published(&mut self, response: proto::TrackPublishedResponse, out: &mut Outbox) {
        let Some(track) = self.tracks.get_mut(&response.cid) else {
            out.report(Report::Oddity(format!(
                "the server published the unknown track {:?}",
                response.cid
            )));
            return;
        };
        let mut info = response.track.unwrap_or_default();
        let muted = self.muted.contains(&track.name);
        if info.muted != muted {
            info.muted = muted;
            out.send(protocol::mute(&info.sid, muted));
        }
        if muted {
            let mid = track.mid.clone();
            out.report(Report::TrackMuted { mid, muted });
        }
        track.published = Some(info);
        track.tell_size(&self.sizes, out);
        if let Stage::Announcing { waiting, .. } = &mut self.stage {
            waiting.remove(&response.cid);
            self.offer_when_known(out);
        }
    }

    /// Sends the offer once no track is unknown to the server.
    fn offer_when_known(&mut self, out: &mut Outbox) {
        let Stage::Announcing { waiting, .. } = &self.stage else {
            return;
        };
        let Some((sdp, number)) = self.offer.as_ref().filter(|_| waiting.is_empty()) else {
            return;
        };
        out.send(Request::Offer(description("offer", sdp, *number)));
        for candidate in self.held.drain(..) {
            out.send(protocol::trickle(&candidate, proto::SignalTarget::Publisher));
        }
        self.stage = Stage::Offered;
    }

    /// The server refused a request; for a track that is the end.
    pub(super) fn refused(&mut self, response: &proto::RequestResponse) -> Result<(), Failure> {
        use proto::request_response::{Reason, Request as Refused};
        if matches!(response.reason(), Reason::Ok | Reason::Queued) {
            return Ok(());
        }
        let Some(Refused::AddTrack(request)) = &response.request else {
            return Ok(());
        };
        let name = self
            .tracks
            .get(&request.cid)
            .map_or(request.name.as_str(), |track| track.name.as_str());
        Err(Failure::TrackRefused {
            name: name.to_owned(),
            reason: response
                .reason()
                .as_str_name()
                .to_ascii_lowercase()
                .replace('_', " "),
            text: response.message.clone(),
        })
    }

    /// The element found a candidate.
    pub(super) fn local_candidate(&mut self, mut candidate: Candidate, out: &mut Outbox) {
        let line = candidate
            .sdp_m_line_index
            .and_then(|line| usize::try_from(line).ok());
        let mid = line.and_then(|line| self.mids.get(line)).cloned();
        candidate.sdp_mid = candidate.sdp_mid.or(mid).or(Some(String::new()));
        match self.stage {
            Stage::Offered | Stage::Settled => {
                out.send(protocol::trickle(&candidate, proto::SignalTarget::Publisher));
            }
            Stage::Idle | Stage::Announcing { .. } if self.held.len() < MAX_HELD => self.held.push(candidate),
            Stage::Idle | Stage::Announcing { .. } => {}
        }
    }

    /// The server answered an offer.
    pub(super) fn answered(&mut self, answer: proto::SessionDescription, session: &str, out: &mut Outbox) {
        let newest = self.offer.as_ref().map_or(0, |(_, number)| *number);
        if !matches!(self.stage, Stage::Offered) || (answer.id != 0 && answer.id != newest) {
            let text = format!(
                "answer {} does not belong to the newest offer {newest}",
                answer.id
            );
            out.report(Report::Oddity(text));
            return;
        }
        self.stage = Stage::Settled;
        self.answer = Some(answer.clone());
        out.report(Report::Description {
            session: session.to_owned(),
            kind: DescriptionKind::Answer,
            sdp: answer.sdp,
        });
        out.report(Report::State(ConnectionState::Published));
    }

    /// The pictures of the m-line `mid` are of that width and height from now on.
    pub(super) fn resized(&mut self, mid: String, size: (u32, u32), out: &mut Outbox) {
        self.sizes.insert(mid, size);
        for track in self.tracks.values_mut() {
            track.tell_size(&self.sizes, out);
        }
    }

    /// The server muted or unmuted a track of ours.
    pub(super) fn muted(&mut self, mute: &proto::MuteTrackRequest, out: &mut Outbox) {
        let muted = mute.muted;
        let Some((track, info)) = self.tracks.values_mut().find_map(|track| {
            let info = track.published.as_mut().filter(|info| info.sid == mute.sid)?;
            Some(((track.name.clone(), track.mid.clone()), info))
        }) else {
            return;
        };
        info.muted = muted;
        let (name, mid) = track;
        self.remember(&name, muted);
        out.report(Report::TrackMuted { mid, muted });
    }

    /// Which layers of a track of ours others receive.
    pub(super) fn received(&self, update: &proto::SubscribedQualityUpdate, session: &str, out: &mut Outbox) {
        let is_it = |track: &&Track| {
            track
                .published
                .as_ref()
                .is_some_and(|info| info.sid == update.track_sid)
        };
        let track = self.tracks.values().find(is_it);
        if let Some(track) = track.filter(|track| !track.layers.is_empty()) {
            out.report(Report::LayersWanted {
                session: session.to_owned(),
                mid: track.mid.clone(),
                rids: protocol::wanted_layers(&track.layers, update),
            });
        }
    }

    /// The user mutes or unmutes the track called `name`, now or once it is published. Says whether it is.
    pub(super) fn mute(&mut self, name: &str, muted: bool, out: &mut Outbox) -> bool {
        self.remember(name, muted);
        let Some(track) = self.tracks.values_mut().find(|track| track.name == name) else {
            return false;
        };
        let Some(info) = &mut track.published else {
            return false;
        };
        info.muted = muted;
        out.send(protocol::mute(&info.sid, muted));
        out.report(Report::TrackMuted {
            mid: track.mid.clone(),
            muted,
        });
        true
    }

    /// What the user or the server last wanted of the track called `name`, for this session and those after it.
    fn remember(&mut self, name: &str, muted: bool) {
        if muted {
            self.muted.insert(name.to_owned());
        } else {
            self.muted.remove(name);
        }
    }

    /// The server does not have a track of ours any more.
    pub(super) fn track_unpublished(&mut self, sid: &str, out: &mut Outbox) {
        let is_it = |track: &Track| track.published.as_ref().is_some_and(|info| info.sid == sid);
        let cid = self
            .tracks
            .iter()
            .find(|(_, track)| is_it(track))
            .map(|(cid, _)| cid.clone());
        if let Some(track) = cid.and_then(|cid| self.tracks.remove(&cid)) {
            out.report(Report::Warning(format!(
                "the server unpublished track {:?}",
                track.name
            )));
        }
    }

    /// Whether everything asked of the server was answered, so that a resumed connection can just go on.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.stage, Stage::Settled)
    }

    /// What a resumed connection tells the server of what was published.
    pub(super) fn sync_state(&self) -> proto::SyncState {
        let published = self.tracks.iter().filter(|(_, track)| track.published.is_some());
        proto::SyncState {
            answer: self.answer.clone(),
            offer: self
                .offer
                .as_ref()
                .map(|(sdp, number)| description("offer", sdp, *number)),
            publish_tracks: published
                .map(|(cid, track)| proto::TrackPublishedResponse {
                    cid: cid.clone(),
                    track: track.published.clone(),
                })
                .collect(),
            ..Default::default()
        }
    }

    /// When the server has to have acknowledged all tracks.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Announcing { deadline, .. } => Some(*deadline),
            Stage::Idle | Stage::Offered | Stage::Settled => None,
        }
    }

    /// Fails when the server has not acknowledged a track in time.
    pub(super) fn check(&self, now: Instant) -> Result<(), Failure> {
        let Stage::Announcing { waiting, deadline } = &self.stage else {
            return Ok(());
        };
        let late = waiting.iter().next().filter(|_| now >= *deadline);
        let Some(track) = late.and_then(|cid| self.tracks.get(cid)) else {
            return Ok(());
        };
        Err(Failure::TrackTimeout {
            name: track.name.clone(),
            seconds: self.timeout.as_secs(),
        })
    }
}

impl Track {
    /// Has the server know the size of the track's pictures, if it is another one than before.
    fn tell_size(&mut self, sizes: &BTreeMap<String, (u32, u32)>, out: &mut Outbox) {
        let Some((info, size)) = self.published.as_ref().zip(sizes.get(&self.mid)) else {
            return;
        };
        if self.size != Some(*size) {
            self.size = Some(*size);
            out.send(protocol::update_size(&info.sid, *size));
        }
    }
}

/// A description as the protocol carries it.
pub(super) fn description(kind: &str, sdp: &str, id: u32) -> proto::SessionDescription {
    proto::SessionDescription {
        r#type: kind.to_owned(),
        sdp: sdp.to_owned(),
        id,
        ..Default::default()
    }
}

/// One gathering gives some dozens; bounds what waits for an offer that never goes out.
const MAX_HELD: usize = 256;
