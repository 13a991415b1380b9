// SPDX-License-Identifier: MPL-2.0
//! The connection's life: join, up, lost, resumed, joined again, over.
//!
//! ```text
//! Idle ─ Opening ─ Joining ─ Up ──┐ lost: resume if the server may still know us, else join
//!           ▲                     ▼
//!           └────── pause ──── Waiting          any state ─ Over
//! ```
//! Before the first join every failure is final, so that a wrong address or token is told at once. Afterwards the
//! server is looked for as long as [`Recovery`] allows. Resuming keeps the session and its
//! media; joining again is a new participation with a new session.

use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::leave_request::Action as LeaveAction;

use super::*;

/// State of the connection.
#[derive(Debug)]
pub(super) enum Link {
    /// Not started.
    Idle,
    /// A websocket is being opened.
    Opening { purpose: Purpose },
    /// It is open; the server's first message is awaited.
    Joining { purpose: Purpose, deadline: Instant },
    /// The server knows us. Once this has lasted, what came before counts as recovered from.
    Up { stable_at: Option<Instant> },
    /// A pause before the next attempt.
    Waiting { purpose: Purpose, until: Instant },
    /// Stopped or failed.
    Over,
}

impl Machine {
    /// Asks for a websocket to the server whose turn it is.
    pub(super) fn connect(&mut self, purpose: Purpose) {
        let auto_subscribe = match &self.session.half {
            Half::Publisher(_) => false,
            Half::Subscriber(subscriber) => subscriber.is_automatic(),
        };
        let servers = self.servers.len();
        // The configured server and those that the server named take turns.
        let turn = self.recovery.attempts().saturating_sub(1);
        let server = if servers == 0 {
            None
        } else {
            self.servers.get(turn % (servers + 1)).cloned()
        };
        self.link = Link::Opening {
            purpose: purpose.clone(),
        };
        self.out.push(Action::Connect(Attempt {
            purpose,
            route: self.route,
            server,
            token: self.token.clone(),
            auto_subscribe,
        }));
    }

    /// The websocket is open: now the server has the word.
    pub(super) fn opened(&mut self, now: Instant) {
        if let Link::Opening { purpose } = &self.link {
            self.link = Link::Joining {
                purpose: purpose.clone(),
                deadline: now + JOIN_TIMEOUT,
            };
        }
    }

    /// There is no websocket: told at once before the first join, tried again after it.
    pub(super) fn refused(&mut self, now: Instant, refusal: Refusal) -> Result<(), Failure> {
        let Link::Opening { purpose } = &self.link else {
            return Ok(());
        };
        let purpose = purpose.clone();
        if refusal.status == Some(NOT_FOUND) && self.route == Route::Single {
            // An older server, or a room that does not exist: the other entrance knows which.
            self.route = Route::Dual;
            self.connect(purpose);
            return Ok(());
        }
        // A server on its way up, or a proxy in front of it, may refuse for other reasons; a token that is not taken stays so.
        let is_final = matches!(refusal.status, Some(400 | 401 | 403));
        if is_final || !self.recovery.is_running() {
            return Err(Failure::Connect(refusal.text));
        }
        self.retry(now, purpose, &refusal.text)
    }

    /// A message, whose meaning depends on what the connection was made for.
    pub(super) fn received(&mut self, now: Instant, response: Response) -> Result<(), Failure> {
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.heard(now);
        }
        match &self.link {
            Link::Up { .. } => self.message(now, response),
            Link::Joining { purpose, .. } => match (purpose.clone(), response) {
                (_, Response::Leave(leave)) => self.told_to_leave(now, &leave),
                (Purpose::Join, Response::Join(join)) => self.joined(now, join),
                (Purpose::Join, _) => Err(Failure::Protocol(
                    "something else before its response to the join",
                )),
                (Purpose::Resume { .. }, Response::Join(join)) => {
                    self.prepare_join("the server began a new participation");
                    self.joined(now, join)
                }
                (Purpose::Resume { .. }, Response::Reconnect(reconnect)) => {
                    self.resumed(now, Some(reconnect));
                    Ok(())
                }
                (Purpose::Resume { .. }, response) => {
                    self.resumed(now, None);
                    self.message(now, response)
                }
            },
            Link::Idle | Link::Opening { .. } | Link::Waiting { .. } | Link::Over => Ok(()),
        }
    }

    /// A new participation: its session begins.
    fn joined(&mut self, now: Instant, join: proto::JoinResponse) -> Result<(), Failure> {
        if !join.alternative_url.is_empty() {
            return self.redirected(join.alternative_url);
        }
        self.redirections = 0;
        let participant = join.participant.unwrap_or_default();
        self.keepalive = Some(KeepAlive::new(now, join.ping_interval, join.ping_timeout));
        self.room = Room::new(now, &participant.sid);
        let room = join.room.map(|room| room.name).unwrap_or_default();
        self.out.report(Report::Progress(format!(
            "joined room {room:?} as {}",
            participant.sid
        )));
        self.participant_sid = Some(participant.sid).filter(|sid| !sid.is_empty());
        self.out.forget_backlog();
        self.up(now);
        self.out.report(Report::State(ConnectionState::ServerConnected));
        self.configure(join.ice_servers, join.client_configuration);
        self.open_session();
        self.participants_changed(now, join.other_participants, false);
        Ok(())
    }

    /// Another server is to be joined instead.
    fn redirected(&mut self, server: String) -> Result<(), Failure> {
        self.redirections += 1;
        if self.redirections > MAX_REDIRECTIONS {
            return Err(Failure::Protocol("one redirection after the other"));
        }
        self.out.push(Action::Disconnect);
        self.servers = vec![server];
        self.connect(Purpose::Join);
        Ok(())
    }

    /// A publisher is asked for an offer, a subscriber told to expect one.
    fn open_session(&mut self) {
        let session = self.session.id();
        self.session.is_open = true;
        self.out.report(match &self.session.half {
            Half::Publisher(_) => Report::SessionRequested { session },
            Half::Subscriber(_) => Report::SessionStarted { session },
        });
    }

    /// What the server has to say on how to connect, now and later.
    fn configure(&mut self, servers: Vec<proto::IceServer>, client: Option<proto::ClientConfiguration>) {
        let client = client.unwrap_or_default();
        self.may_resume = client.resume_connection() != proto::ClientConfigSetting::Disabled;
        let relay_only = client.force_relay() == proto::ClientConfigSetting::Enabled;
        self.out.report(Report::IceServers { servers, relay_only });
    }

    /// The server still knows us: it is told what we think is so, then what waited.
    fn resumed(&mut self, now: Instant, reconnect: Option<proto::ReconnectResponse>) {
        let (state, sync) = match &self.session.half {
            Half::Publisher(publisher) => (ConnectionState::Published, publisher.sync_state()),
            Half::Subscriber(subscriber) => (ConnectionState::Subscribed, subscriber.sync_state()),
        };
        if let Some(reconnect) = reconnect {
            self.configure(reconnect.ice_servers, reconnect.client_configuration);
        }
        self.out.report(Report::Progress("resumed".into()));
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.restart(now);
        }
        self.out.push(Action::Send(Box::new(Request::SyncState(sync))));
        self.up(now);
        if let Half::Subscriber(subscriber) = &self.session.half {
            subscriber.resumed(&mut self.out);
        }
        self.out.report(Report::State(state));
    }

    /// Requests leave from now on.
    fn up(&mut self, now: Instant) {
        let stable_at = self.recovery.is_running().then(|| now + STABLE);
        self.link = Link::Up { stable_at };
        self.out.open();
    }

    /// The socket is gone.
    pub(super) fn lost(&mut self, now: Instant, text: String) -> Result<(), Failure> {
        self.out.push(Action::Disconnect);
        match &self.link {
            Link::Up { .. } => {
                let purpose = self.resume_or_join();
                self.go_down();
                self.retry(now, purpose, &text)
            }
            Link::Joining { purpose, .. } if self.recovery.is_running() => {
                let purpose = purpose.clone();
                self.retry(now, purpose, &text)
            }
            Link::Joining { .. } => Err(Failure::Connect(text)),
            Link::Idle | Link::Opening { .. } | Link::Waiting { .. } | Link::Over => Ok(()),
        }
    }

    /// Requests wait from now on; media go on.
    fn go_down(&mut self) {
        self.out.close();
        if let Half::Subscriber(subscriber) = &mut self.session.half {
            subscriber.disconnected();
        }
        self.out
            .report(Report::State(ConnectionState::ServerDisconnected));
    }

    /// A negotiation cut off in the middle is begun anew; a finished one can be resumed.
    fn resume_or_join(&self) -> Purpose {
        let can_resume = self.may_resume
            && self.session.is_open
            && match &self.session.half {
                Half::Publisher(publisher) => publisher.is_settled(),
                Half::Subscriber(_) => true,
            };
        match &self.participant_sid {
            Some(sid) if can_resume => Purpose::Resume {
                participant_sid: sid.clone(),
            },
            _ => Purpose::Join,
        }
    }

    /// Pauses before the next attempt, or gives up.
    fn retry(&mut self, now: Instant, purpose: Purpose, text: &str) -> Result<(), Failure> {
        let Some(pause) = self.recovery.next(now) else {
            let seconds = self.config.reconnect_timeout.unwrap_or_default().as_secs();
            return Err(Failure::Gone {
                seconds,
                text: text.to_owned(),
            });
        };
        if purpose == Purpose::Join {
            self.prepare_join(text);
        }
        self.out.report(Report::Progress(format!(
            "connection lost ({text}), next attempt in {pause:?}"
        )));
        self.link = Link::Waiting {
            purpose,
            until: now + pause,
        };
        Ok(())
    }

    /// What the server no longer knows is over for the element as well.
    fn prepare_join(&mut self, text: &str) {
        self.participant_sid = None;
        self.keepalive = None;
        self.room.leave(&mut self.out);
        self.out.forget_backlog();
        self.close_session(EndReason::new(SessionEndReason::SignallingLost, text));
    }

    /// Leaves and joins anew, because the media connection is beyond repair.
    pub(super) fn rejoin(&mut self, now: Instant, text: &str) -> Result<(), Failure> {
        match self.link {
            Link::Up { .. } => {
                self.out.push(Action::Send(Box::new(protocol::leave())));
                self.out.push(Action::Disconnect);
                self.go_down();
                self.retry(now, Purpose::Join, text)
            }
            // On its way back already; a resume makes no sense any more.
            Link::Opening { .. } | Link::Joining { .. } | Link::Waiting { .. }
                if self.recovery.is_running() =>
            {
                self.out.push(Action::Disconnect);
                self.retry(now, Purpose::Join, text)
            }
            Link::Idle | Link::Opening { .. } | Link::Joining { .. } | Link::Waiting { .. } | Link::Over => {
                Ok(())
            }
        }
    }

    /// The server ends this connection, for good or to be made anew.
    pub(super) fn told_to_leave(&mut self, now: Instant, leave: &proto::LeaveRequest) -> Result<(), Failure> {
        let text = protocol::describe(leave.reason());
        if let Some(regions) = &leave.regions {
            self.servers = regions
                .regions
                .iter()
                .take(MAX_SERVERS)
                .map(|region| region.url.clone())
                .collect();
        }
        let was_up = matches!(self.link, Link::Up { .. });
        let action = protocol::leave_action(leave);
        // Before the first join there is nothing to return to.
        if action == LeaveAction::Disconnect || !(was_up || self.recovery.is_running()) {
            return Err(Failure::Left(text));
        }
        let purpose = match action {
            LeaveAction::Resume => self.resume_or_join(),
            LeaveAction::Reconnect | LeaveAction::Disconnect => Purpose::Join,
        };
        self.out.push(Action::Disconnect);
        if was_up {
            self.go_down();
        }
        self.retry(now, purpose, text)
    }

    /// Time has passed.
    pub(super) fn tick_link(&mut self, now: Instant) -> Result<(), Failure> {
        match &self.link {
            Link::Waiting { purpose, until } if now >= *until => {
                let purpose = purpose.clone();
                self.connect(purpose);
                Ok(())
            }
            Link::Joining { deadline, .. } if now >= *deadline => self.lost(
                now,
                format!("no answer to the join within {} s", JOIN_TIMEOUT.as_secs()),
            ),
            Link::Up { .. } => self.tick_up(now),
            Link::Idle | Link::Opening { .. } | Link::Joining { .. } | Link::Waiting { .. } | Link::Over => {
                Ok(())
            }
        }
    }

    /// Pings, and notices silence and stability.
    fn tick_up(&mut self, now: Instant) -> Result<(), Failure> {
        if let Link::Up {
            stable_at: Some(stable_at),
        } = self.link
            && now >= stable_at
        {
            self.recovery.done();
            self.link = Link::Up { stable_at: None };
        }
        let Some(keepalive) = &mut self.keepalive else {
            return Ok(());
        };
        if keepalive.is_silent(now) {
            return self.lost(now, "ping timeout".into());
        }
        if let Some(ping) = keepalive.ping(now) {
            self.out.send(ping);
        }
        Ok(())
    }

    /// When time matters next.
    pub(super) fn link_deadline(&self) -> Option<Instant> {
        match &self.link {
            Link::Waiting { until, .. } => Some(*until),
            Link::Joining { deadline, .. } => Some(*deadline),
            Link::Up { stable_at } => {
                let ping = self.keepalive.as_ref().and_then(KeepAlive::deadline);
                [*stable_at, ping].into_iter().flatten().min()
            }
            Link::Idle | Link::Opening { .. } | Link::Over => None,
        }
    }

    /// The element stops: the others see us leave at once.
    pub(super) fn stop(&mut self) {
        self.room.leave(&mut self.out);
        self.hang_up();
        if !matches!(self.link, Link::Idle) {
            self.out
                .report(Report::State(ConnectionState::ServerDisconnected));
        }
        self.link = Link::Over;
    }

    /// Takes leave if the server listens, and closes.
    pub(super) fn hang_up(&mut self) {
        match self.link {
            Link::Up { .. } => {
                self.out.push(Action::Send(Box::new(protocol::leave())));
                self.out.push(Action::Disconnect);
            }
            Link::Opening { .. } | Link::Joining { .. } => self.out.push(Action::Disconnect),
            Link::Idle | Link::Waiting { .. } | Link::Over => {}
        }
    }
}

/// The first message comes with the round trip; LiveKit's own clients wait 5 s (`SIGNAL_CONNECT_TIMEOUT`).
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A participation that lasts as long as the server's negotiation check (`negotiationFailedTimeout`, 15 s) is sound.
const STABLE: Duration = Duration::from_secs(15);

/// What a server says that does not have an entrance, or a room.
const NOT_FOUND: u16 = 404;

/// One is what LiveKit's cloud needs.
const MAX_REDIRECTIONS: u32 = 5;

/// More regions than any deployment names.
const MAX_SERVERS: usize = 16;
