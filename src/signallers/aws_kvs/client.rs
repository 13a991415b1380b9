// SPDX-License-Identifier: MPL-2.0
//! Keeps the connection to the channel and carries out what the machine decides.
//!
//! One task from start to stop. A connection that the service wants to move, or that comes of age, is used until its
//! successor stands; one that is lost is made again with backoff. Viewers keep their media throughout. Owns the task and
//! the connection; what messages mean is `machine`'s, what is due when `upkeep`'s, the control plane `channel`'s, and
//! whether a failure is worth another try `failure`'s. Reports are made on the task, with no lock held.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_tungstenite::tungstenite::Message;
use futures::StreamExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::channel::{Access, Channel, IceServers};
use super::failure::ChannelError;
use super::machine::{Action, Input, Machine};
use super::opening::{self, Opened, Pending};
use super::upkeep::{Due, Upkeep};
use crate::net::backoff::Backoff;
use crate::net::websocket::{self, Received, WebSocket};
use crate::signallers::mailbox::Mailbox;

/// How the client connects.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) access: Access,
    /// Idle time before a ping.
    pub(super) ping_after: Duration,
}

/// What the client needs of the object it works for.
pub(super) trait Host: Send + Sync + 'static {
    /// Something happened to a viewer, or is worth a line in the log.
    fn perform(&self, action: Action);
    /// The TURN servers for viewers to come, and the region whose STUN server they use.
    fn ice_servers(&self, servers: IceServers, region: &str);
    /// Trouble that passes.
    fn warn(&self, text: &str);
    /// Trouble that doesn't.
    fn fail(&self, text: &str);
}

/// A started signaller.
pub(super) type Client = Mailbox<Input>;

/// Starts looking for the channel.
pub(super) fn start(options: Options, host: Arc<dyn Host>) -> Client {
    Mailbox::start(|inputs| {
        let worker = Worker {
            options,
            host,
            inputs,
            machine: Machine::new(),
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            link: None,
            attempt: None,
            refresh: None,
            retry_at: None,
            was_connected: false,
            is_over: false,
        };
        worker.run()
    })
}

/// The task.
struct Worker {
    options: Options,
    host: Arc<dyn Host>,
    inputs: mpsc::Receiver<Input>,
    machine: Machine,
    backoff: Backoff,
    /// The standing connection.
    link: Option<Link>,
    /// The next one being made.
    attempt: Option<Pending<Opened>>,
    /// TURN servers being fetched.
    refresh: Option<Pending<IceServers>>,
    /// When to make the next attempt; only without a connection.
    retry_at: Option<Instant>,
    /// Whether there was a connection.
    was_connected: bool,
    is_over: bool,
}

/// A connection and what it leads to.
struct Link {
    channel: Arc<Channel>,
    socket: WebSocket,
    upkeep: Upkeep,
}

/// What happened.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one at a time, handled as soon as it is made"
)]
enum Event {
    Verb(Option<Input>),
    Received(Received),
    Opened(Result<Opened, ChannelError>),
    Refreshed(Result<IceServers, ChannelError>),
    Tick,
}

impl Worker {
    /// From start to stop.
    async fn run(mut self) {
        self.connect();
        while !self.is_over {
            let event = self.next().await;
            self.handle(event).await;
            self.flush().await;
        }
        if let Some(link) = self.link.take() {
            websocket::close(link.socket).await;
        }
    }

    /// Waits for something to happen.
    async fn next(&mut self) -> Event {
        let deadline = self.deadline();
        let until = deadline.unwrap_or_else(Instant::now).into();
        tokio::select! {
            input = self.inputs.recv() => Event::Verb(input),
            received = received(&mut self.link) => Event::Received(received),
            opened = opening::outcome(&mut self.attempt) => Event::Opened(opened),
            servers = opening::outcome(&mut self.refresh) => Event::Refreshed(servers),
            () = sleep_until(until), if deadline.is_some() => Event::Tick,
        }
    }

    /// When something is to be done of our own accord: with a connection what it needs or may send, else the next attempt.
    fn deadline(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let Some(link) = &self.link else {
            return self.retry_at;
        };
        let frame = self.machine.wait(now).map(|wait| now + wait);
        Some(frame.map_or(link.upkeep.deadline(), |at| at.min(link.upkeep.deadline())))
    }

    /// To whom it concerns.
    async fn handle(&mut self, event: Event) {
        match event {
            Event::Verb(Some(input)) => self.feed(input),
            Event::Verb(None) => self.is_over = true,
            Event::Received(Received::Lost(reason)) => self.lost(ChannelError::service(reason)),
            Event::Received(received) => self.received(received),
            Event::Opened(Ok(opened)) => self.opened(opened).await,
            Event::Opened(Err(error)) => self.failed(&error),
            Event::Refreshed(servers) => self.refreshed(servers),
            Event::Tick => self.tick().await,
        }
    }

    /// Sends what may go now.
    async fn flush(&mut self) {
        while let Some(link) = &mut self.link {
            let Some(message) = self.machine.poll_message(Instant::now()) else {
                return;
            };
            match websocket::send(&mut link.socket, Message::text(message.text.as_str())).await {
                Ok(()) => link.upkeep.sent(Instant::now()),
                Err(reason) => {
                    self.machine.take_back(message);
                    self.lost(ChannelError::service(reason));
                }
            }
        }
    }

    /// Begins to make a connection, unless one is being made.
    fn connect(&mut self) {
        self.retry_at = None;
        if let Some(link) = &mut self.link {
            link.upkeep.moving();
        }
        if self.attempt.is_none() {
            self.attempt = Some(Box::pin(opening::open(self.options.access.clone())));
        }
    }

    /// There is a new connection. What was on its way over the old one comes first.
    async fn opened(&mut self, opened: Opened) {
        let Opened {
            channel,
            servers,
            socket,
        } = opened;
        let upkeep = Upkeep::new(Instant::now(), self.options.ping_after, servers.lifetime);
        self.refresh = None;
        self.was_connected = true;
        self.host.ice_servers(servers, channel.region());
        let former = self.link.replace(Link {
            channel,
            socket,
            upkeep,
        });
        if let Some(former) = former {
            self.settle(&former.upkeep);
            for text in websocket::close_and_drain(former.socket).await {
                self.feed(Input::Frame(text));
            }
        }
    }

    /// There is no new connection: a standing one is used on, and without one the next attempt follows.
    fn failed(&mut self, error: &ChannelError) {
        if self.link.is_none() && !error.is_passing(self.was_connected) {
            self.host.fail(&error.to_string());
            self.is_over = true;
            return;
        }
        let pause = self.pause(error);
        let next = Instant::now() + pause;
        match &mut self.link {
            Some(link) => link.upkeep.move_at(next),
            None => self.retry_at = Some(next),
        }
    }

    /// The connection is gone; perhaps the next one is being made already.
    fn lost(&mut self, error: ChannelError) {
        let Some(link) = self.link.take() else { return };
        self.refresh = None;
        self.settle(&link.upkeep);
        if self.attempt.is_none() {
            self.retry_at = Some(Instant::now() + self.pause(&error));
        }
    }

    /// After a connection that lasted, failures are counted anew.
    fn settle(&mut self, upkeep: &Upkeep) {
        if upkeep.is_stable(Instant::now()) {
            self.backoff.reset();
        }
    }

    /// How long to wait before the next attempt; the user reads why.
    fn pause(&mut self, error: &ChannelError) -> Duration {
        let pause = self.backoff.next(&mut StdRng::from_os_rng());
        self.host.warn(&format!(
            "no signalling channel, trying again in {:.1} s: {error}",
            pause.as_secs_f32()
        ));
        pause
    }

    /// A message, or only a sign of life.
    fn received(&mut self, received: Received) {
        if let Some(link) = &mut self.link {
            link.upkeep.heard(Instant::now());
        }
        // The service sends nothing binary.
        if let Received::Text(text) = received {
            self.feed(Input::Frame(text));
        }
    }

    /// Gives `input` to the machine and does what it says; what it wants sent goes out with the next flush.
    fn feed(&mut self, input: Input) {
        for action in self.machine.handle(Instant::now(), input) {
            match action {
                Action::Reconnect => self.move_soon(),
                Action::RefreshIceServers => self.start_refresh(),
                other => self.host.perform(other),
            }
        }
    }

    /// At once from a connection that has lasted; a service that sends every connection away is not chased.
    fn move_soon(&mut self) {
        let now = Instant::now();
        let Some(link) = self.link.as_mut().filter(|_| self.attempt.is_none()) else {
            return;
        };
        let is_stable = link.upkeep.is_stable(now);
        let pause = match is_stable {
            true => Duration::ZERO,
            false => self.backoff.next(&mut StdRng::from_os_rng()),
        };
        link.upkeep.move_at(now + pause);
    }

    /// A deadline passed.
    async fn tick(&mut self) {
        let now = Instant::now();
        let Some(link) = &mut self.link else {
            if self.retry_at.is_some_and(|at| at <= now) {
                self.connect();
            }
            return;
        };
        match link.upkeep.due(now) {
            Some(Due::Ping) => {
                link.upkeep.pinged(now);
                let ping = Message::Ping(Vec::new().into());
                if let Err(reason) = websocket::send(&mut link.socket, ping).await {
                    self.lost(ChannelError::service(reason));
                }
            }
            Some(Due::Silence) => {
                self.lost(ChannelError::service("nothing comes from the service".to_owned()))
            }
            Some(Due::Refresh) => self.start_refresh(),
            Some(Due::Move) => self.connect(),
            // A message may go.
            None => {}
        }
    }

    /// Fetches the TURN servers beside everything else, once at a time.
    fn start_refresh(&mut self) {
        if let Some(link) = self.link.as_mut().filter(|_| self.refresh.is_none()) {
            link.upkeep.refreshing();
            self.refresh = Some(Box::pin(opening::refresh(link.channel.clone())));
        }
    }

    /// The TURN servers are here, or are not: those before stay good for a while.
    fn refreshed(&mut self, servers: Result<IceServers, ChannelError>) {
        let now = Instant::now();
        let Some(link) = &mut self.link else { return };
        match servers {
            Ok(servers) => {
                link.upkeep.refreshed(now, servers.lifetime);
                self.host.ice_servers(servers, link.channel.region());
            }
            Err(error) => {
                let pause = self.backoff.next(&mut StdRng::from_os_rng());
                link.upkeep.refresh_at(now + pause);
                // Another look-up of the channel gives endpoints that are good again.
                if error.is_stale() {
                    link.upkeep.move_at(now);
                }
                self.host
                    .warn(&format!("the TURN servers could not be refreshed: {error}"));
            }
        }
    }
}

/// What comes over the connection, if there is one; else nothing, ever.
async fn received(link: &mut Option<Link>) -> Received {
    match link {
        Some(link) => websocket::read(link.socket.next().await),
        None => std::future::pending().await,
    }
}

/// The service asks for pauses between attempts; ours double.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
