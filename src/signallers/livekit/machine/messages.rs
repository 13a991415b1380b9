// SPDX-License-Identifier: MPL-2.0
//! What each message of the server means, on a connection that is up.
//!
//! A message that does not fit the role or the moment is reported as an oddity and otherwise ignored: the server may be
//! newer than this client, and only its silence or its word ends a participation. Part of the machine, pure: tracks are
//! `publisher`'s and `subscriber`'s, the connection itself `link`'s.

use std::time::Instant;

use super::*;

impl Machine {
    /// A message on a connection that is up.
    pub(super) fn message(&mut self, now: Instant, response: Response) -> Result<(), Failure> {
        match response {
            Response::Answer(answer) => self.answered(answer),
            Response::Offer(offer) => self.offered(offer),
            Response::Trickle(trickle) => self.trickled(&trickle),
            Response::Update(update) => self.participants_changed(now, update.participants, true),
            Response::TrackPublished(published) => {
                if let Half::Publisher(publisher) = &mut self.session.half {
                    publisher.track_published(published, &mut self.out);
                }
            }
            Response::TrackUnpublished(unpublished) => {
                if let Half::Publisher(publisher) = &mut self.session.half {
                    publisher.track_unpublished(&unpublished.track_sid, &mut self.out);
                }
            }
            Response::RequestResponse(response) => return self.request_answered(&response),
            Response::Mute(mute) => {
                if let Half::Publisher(publisher) = &mut self.session.half {
                    publisher.muted(&mute, &mut self.out);
                }
            }
            Response::SubscribedQualityUpdate(update) => {
                if let Half::Publisher(publisher) = &self.session.half {
                    publisher.received(&update, &self.session.id(), &mut self.out);
                }
            }
            Response::StreamStateUpdate(update) => {
                if let Half::Subscriber(subscriber) = &mut self.session.half {
                    subscriber.paused(&update, &self.room);
                }
                self.tell_silence();
            }
            Response::Leave(leave) => return self.told_to_leave(now, &leave),
            Response::RefreshToken(token) => self.token = Some(token),
            Response::RoomMoved(moved) => self.moved(now, moved),
            Response::PongResp(pong) => {
                if let Some(keepalive) = &mut self.keepalive {
                    keepalive.pong(now, &pong);
                }
            }
            Response::SubscriptionResponse(response) => {
                let error = response.err();
                let text = format!(
                    "no media from track {}: {}",
                    response.track_sid,
                    error.as_str_name()
                );
                self.out.report(match error {
                    proto::SubscriptionError::SeCodecUnsupported => Report::Warning(text),
                    _ => Report::Oddity(text),
                });
            }
            Response::Join(_) => self
                .out
                .report(Report::Oddity("a second join response is ignored".into())),
            // Speakers, qualities, room metadata and data tracks: nothing an element acts on.
            _ => {}
        }
        Ok(())
    }

    /// Only bad news is answered, except where the server says otherwise.
    fn request_answered(&mut self, response: &proto::RequestResponse) -> Result<(), Failure> {
        match &self.session.half {
            Half::Publisher(_) if matches!(response.reason(), proto::request_response::Reason::Ok) => Ok(()),
            Half::Publisher(_) | Half::Subscriber(_) => {
                let reason = response.reason().as_str_name();
                self.out.report(Report::Oddity(format!(
                    "the server answers a request: {reason} {}",
                    response.message
                )));
                match &mut self.session.half {
                    Half::Publisher(publisher) => publisher.refused(response),
                    Half::Subscriber(_) => Ok(()),
                }
            }
        }
    }

    /// To a publisher's offer.
    fn answered(&mut self, answer: proto::SessionDescription) {
        let session = self.session.id();
        match &mut self.session.half {
            Half::Publisher(publisher) => publisher.answered(answer, &session, &mut self.out),
            Half::Subscriber(_) => self
                .out
                .report(Report::Oddity("an answer came to no offer".into())),
        }
    }

    /// To a subscriber.
    fn offered(&mut self, offer: proto::SessionDescription) {
        let session = self.session.id();
        match &mut self.session.half {
            Half::Subscriber(subscriber) => subscriber.offered(offer, &session, &self.room, &mut self.out),
            Half::Publisher(_) => self
                .out
                .report(Report::Oddity("an offer came to a publisher".into())),
        }
    }

    /// A candidate of the server, for the one connection we have.
    fn trickled(&mut self, trickle: &proto::TrickleRequest) {
        let ours = match &self.session.half {
            Half::Publisher(_) => proto::SignalTarget::Publisher,
            Half::Subscriber(_) => proto::SignalTarget::Subscriber,
        };
        let Some(candidate) = protocol::candidate(trickle).filter(|_| trickle.target() == ours) else {
            self.out
                .report(Report::Oddity(format!("a candidate is not usable: {trickle:?}")));
            return;
        };
        if !candidate.candidate.is_empty() {
            self.out.report(Report::Candidate {
                session: self.session.id(),
                candidate,
            });
        }
    }

    /// Who is there decides on producers, and on a subscriber's subscriptions.
    pub(super) fn participants_changed(
        &mut self,
        now: Instant,
        changed: Vec<proto::ParticipantInfo>,
        is_new: bool,
    ) {
        match &mut self.session.half {
            Half::Publisher(_) => self.room.update(now, changed, is_new, None, &mut self.out),
            Half::Subscriber(subscriber) => {
                self.room
                    .update(now, changed, is_new, Some(subscriber.filter()), &mut self.out);
                subscriber.reconcile(&self.room, &mut self.out);
            }
        }
        self.tell_silence();
    }

    /// The participant was moved to another room; its connections stay.
    fn moved(&mut self, now: Instant, moved: proto::RoomMovedResponse) {
        self.room.leave(&mut self.out);
        if let Some(participant) = moved.participant {
            self.room = Room::new(now, &participant.sid);
            self.participant_sid = Some(participant.sid);
        }
        if !moved.token.is_empty() {
            self.token = Some(moved.token);
        }
        let room = moved.room.map(|room| room.name).unwrap_or_default();
        self.out
            .report(Report::Progress(format!("moved to room {room:?}")));
        self.participants_changed(now, moved.other_participants, false);
    }
}
