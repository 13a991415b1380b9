// SPDX-License-Identifier: MPL-2.0
//! Decides everything about one participation in a LiveKit room; pure.
//!
//! [`Machine::handle`] takes what happened (the socket, a message, the element, time) and gives what to do in order.
//! `link.rs` holds the life of the connection: joining, pings, resuming, joining again. `publisher.rs` and
//! `subscriber.rs` are the two halves of the protocol, of which a participant of ours has one; `room.rs` knows the
//! others. A session of the element stands for the one peer connection of its role. It outlives the socket as long as
//! the server lets the participation be resumed; a new participation is a new session.

mod events;
mod keepalive;
mod link;
mod messages;
mod outbox;
mod publisher;
mod recovery;
mod room;
mod subscriber;
#[cfg(test)]
mod tests;

use std::time::Instant;

use livekit_protocol as proto;

use super::ConnectionState;
use super::protocol::{self, Candidate, Request, Response};
use super::settings::Filter;
use crate::end_reason::{EndReason, SessionEndReason};
pub(super) use events::*;
use keepalive::KeepAlive;
use link::Link;
use outbox::Outbox;
use publisher::Publisher;
use recovery::Recovery;
use room::Room;
use subscriber::Subscriber;

/// One participation, from start to stop.
#[derive(Debug)]
pub(super) struct Machine {
    config: Config,
    link: Link,
    /// Which entrance the server is known to have.
    route: Route,
    recovery: Recovery,
    keepalive: Option<KeepAlive>,
    /// Our participant session id, while the server may still know it.
    participant_sid: Option<String>,
    /// Whether the server lets participations be resumed.
    may_resume: bool,
    /// The newest token the server sent.
    token: Option<String>,
    /// Other servers, as named by the last one.
    servers: Vec<String>,
    /// How often in a row a server sent us to another instead of letting us join.
    redirections: u32,
    /// Begun anew with each participation.
    room: Room,
    session: Session,
    /// Everything the machine wants done goes through here, in order.
    out: Outbox,
}

/// The element's session and our half of the protocol for it.
#[derive(Debug)]
struct Session {
    /// How many there were before.
    number: u32,
    /// Whether the element knows it and has not ended it.
    is_open: bool,
    half: Half,
}

/// Which side of the protocol we are on.
#[derive(Debug)]
enum Half {
    Publisher(Publisher),
    Subscriber(Subscriber),
}

impl Session {
    fn new(number: u32, config: &Config) -> Self {
        let half = if config.is_publisher {
            Half::Publisher(Publisher::new(config.publish_timeout, config.sources.clone()))
        } else {
            Half::Subscriber(Subscriber::new(config.filter.clone()))
        };
        Self {
            number,
            is_open: false,
            half,
        }
    }

    /// The one after this.
    fn next(&self, config: &Config) -> Self {
        let next = Self::new(self.number + 1, config);
        match &self.half {
            Half::Publisher(publisher) => Self {
                half: Half::Publisher(publisher.successor()),
                ..next
            },
            Half::Subscriber(_) => next,
        }
    }

    /// The first session has the name applications know; later ones differ, so that no late call is mistaken.
    fn id(&self) -> String {
        match self.number {
            0 => PEER_ID.to_owned(),
            number => format!("{PEER_ID}-{number}"),
        }
    }
}

/// The server as the peer of the element, and its first session.
pub(super) const PEER_ID: &str = "unique";

impl Machine {
    /// A participation that has not begun; `seed` spreads the attempts to reconnect.
    pub(super) fn new(now: Instant, config: Config, seed: u64) -> Self {
        Self {
            link: Link::Idle,
            route: if config.is_publisher {
                Route::Single
            } else {
                Route::Dual
            },
            recovery: Recovery::new(config.reconnect_timeout, seed),
            keepalive: None,
            participant_sid: None,
            may_resume: true,
            token: None,
            servers: Vec::new(),
            redirections: 0,
            room: Room::new(now, ""),
            session: Session::new(0, &config),
            out: Outbox::default(),
            config,
        }
    }

    /// Takes what happened and gives what to do.
    pub(super) fn handle(&mut self, now: Instant, input: Input) -> Vec<Action> {
        if !matches!(self.link, Link::Over) {
            let outcome = self.dispatch(now, input);
            if let Err(failure) = outcome.and_then(|()| self.check_deadlines(now)) {
                self.fail(failure);
            }
        }
        self.out.take()
    }

    /// When [`Input::Tick`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if matches!(self.link, Link::Over) {
            return None;
        }
        let half = match &self.session.half {
            Half::Publisher(publisher) => publisher.deadline(),
            Half::Subscriber(_) => None,
        };
        let is_up = matches!(self.link, Link::Up { .. });
        let room = self.room.deadline(self.config.room_timeout).filter(|_| is_up);
        [self.link_deadline(), half, room].into_iter().flatten().min()
    }

    /// Whether nothing follows any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.link, Link::Over)
    }

    /// To whom it concerns. An error is the end of the participation.
    fn dispatch(&mut self, now: Instant, input: Input) -> Result<(), Failure> {
        match input {
            Input::Start => self.connect(Purpose::Join),
            Input::Opened => self.opened(now),
            Input::Refused(refusal) => return self.refused(now, refusal),
            Input::Received(response) => return self.received(now, *response),
            Input::Lost(text) => return self.lost(now, text),
            Input::Description { session, kind, sdp } if session == self.session.id() => {
                self.local_description(now, kind, sdp);
            }
            Input::Candidate { session, candidate } if session == self.session.id() => {
                self.local_candidate(candidate);
            }
            Input::PictureSize { session, mid, size } if session == self.session.id() => {
                if let Half::Publisher(publisher) = &mut self.session.half {
                    publisher.resized(mid, size, &mut self.out);
                }
            }
            Input::Ended { session, reason } if session == self.session.id() => {
                return self.ended(now, reason);
            }
            // The element speaks of a session that a new join replaced.
            Input::Description { .. }
            | Input::Candidate { .. }
            | Input::PictureSize { .. }
            | Input::Ended { .. } => {}
            Input::Filter(filter) => self.set_filter(filter),
            Input::RoomTimeout(timeout) => self.config.room_timeout = timeout,
            Input::DisableTrack { sid, disabled } => {
                if let Half::Subscriber(subscriber) = &mut self.session.half {
                    subscriber.set_disabled(sid, disabled, &mut self.out);
                }
                self.tell_silence();
            }
            Input::TrackQuality { sid, quality } => {
                if let Half::Subscriber(subscriber) = &mut self.session.half {
                    subscriber.set_quality(sid, quality, &mut self.out);
                }
            }
            Input::MuteTrack { name, muted } => self.mute_track(&name, muted),
            Input::Tick => return self.tick_link(now),
            Input::Stop => self.stop(),
        }
        Ok(())
    }

    /// What has taken too long.
    fn check_deadlines(&mut self, now: Instant) -> Result<(), Failure> {
        if let Half::Publisher(publisher) = &self.session.half {
            publisher.check(now)?;
        }
        let is_up = matches!(self.link, Link::Up { .. });
        let room_deadline = self.room.deadline(self.config.room_timeout);
        if is_up && room_deadline.is_some_and(|deadline| now >= deadline) {
            return Err(Failure::RoomTimeout);
        }
        Ok(())
    }

    /// A publisher offers, a subscriber answers; nothing else makes sense.
    fn local_description(&mut self, now: Instant, kind: DescriptionKind, sdp: String) {
        match (&mut self.session.half, kind) {
            (Half::Publisher(publisher), DescriptionKind::Offer) => {
                publisher.local_offer(now, sdp, &mut self.out)
            }
            (Half::Subscriber(subscriber), DescriptionKind::Answer) => {
                subscriber.local_answer(&sdp, &mut self.out)
            }
            (Half::Publisher(_), DescriptionKind::Answer) | (Half::Subscriber(_), DescriptionKind::Offer) => {
                self.out.report(Report::Oddity(format!(
                    "the element made an {kind:?} where the other side does"
                )));
            }
        }
    }

    /// Goes to the one peer connection of this role.
    fn local_candidate(&mut self, candidate: Candidate) {
        match &mut self.session.half {
            Half::Publisher(publisher) => publisher.local_candidate(candidate, &mut self.out),
            Half::Subscriber(subscriber) => subscriber.local_candidate(candidate, &mut self.out),
        }
    }

    /// Producers and subscriptions follow at once.
    fn set_filter(&mut self, filter: Filter) {
        self.config.filter = filter.clone();
        if let Half::Subscriber(subscriber) = &mut self.session.half {
            self.room.announce_producers(&filter, true, &mut self.out);
            subscriber.set_filter(filter, &self.room, &mut self.out);
        }
        self.tell_silence();
    }

    /// A subscriber's element knows whether to wait for media.
    fn tell_silence(&mut self) {
        let session = self.session.id();
        if let (Half::Subscriber(subscriber), true) = (&mut self.session.half, self.session.is_open) {
            subscriber.tell_silence(&self.room, &session, &mut self.out);
        }
    }

    /// Only a publisher has tracks to mute, and only those that the server has acknowledged.
    fn mute_track(&mut self, name: &str, muted: bool) {
        let is_known = match &mut self.session.half {
            Half::Publisher(publisher) => publisher.mute(name, muted, &mut self.out),
            Half::Subscriber(_) => false,
        };
        if !is_known {
            self.out.report(Report::Oddity(format!(
                "track {name:?} is not published so far, which is waited for: muted: {muted}"
            )));
        }
    }

    /// The element ended its session: to stop, or because the media connection failed.
    fn ended(&mut self, now: Instant, reason: Option<EndReason>) -> Result<(), Failure> {
        self.session.is_open = false;
        let Some(reason) = reason.filter(|reason| reason.kind != SessionEndReason::Closed) else {
            self.stop();
            return Ok(());
        };
        match reason.kind {
            // What the network does, a new connection may mend.
            SessionEndReason::IceFailed
            | SessionEndReason::Stalled
            | SessionEndReason::Timeout
            | SessionEndReason::DtlsFailed
            | SessionEndReason::SignallingLost
            | SessionEndReason::PeerGone => self.rejoin(now, &reason.to_wire()),
            _ => Err(Failure::Session(reason)),
        }
    }

    /// The end: the element's session first, then the reason.
    fn fail(&mut self, failure: Failure) {
        self.close_session(EndReason::new(
            SessionEndReason::SignallingLost,
            failure.to_string(),
        ));
        self.hang_up();
        self.link = Link::Over;
        self.out
            .report(Report::State(ConnectionState::ServerDisconnected));
        self.out.report(Report::Failed(failure));
    }

    /// Tells the element that its session is over and makes ready for the next one.
    fn close_session(&mut self, reason: EndReason) {
        if self.session.is_open {
            self.out.report(Report::SessionEnded {
                session: self.session.id(),
                reason,
            });
        }
        self.session = self.session.next(&self.config);
    }
}
