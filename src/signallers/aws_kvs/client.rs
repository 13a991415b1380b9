// SPDX-License-Identifier: MPL-2.0
//! Keeps the connection to the channel and carries out what the machine decides.
//!
//! One task from start to stop. A connection that the service wants to move, or that comes of age, is replaced while it
//! still stands; one that is lost is made again with backoff. Viewers keep their media throughout. Owns time and the
//! connection; what messages mean is `machine`'s, the control plane `channel`'s, and whether a failure is worth another
//! try `failure`'s. Reports are made on the task, with no lock held.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_tungstenite::tungstenite::{Error as ProtocolError, Message};
use futures::StreamExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until, timeout};

use super::channel::{Access, Channel, IceServers};
use super::failure::{ChannelError, upgrade};
use super::machine::{Action, Input, Machine};
use crate::net::backoff::Backoff;
use crate::net::websocket::{self, ConnectError, WebSocket};
use crate::runtime::{self, Task};

/// How the client connects.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) access: Access,
    pub(super) cafile: Option<PathBuf>,
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

/// A started signaller; stop it, or drop it to cut the connection.
pub(super) struct Client {
    verbs: mpsc::Sender<Verb>,
    task: Task,
}

enum Verb {
    Handle(Input),
    Stop,
}

impl Client {
    /// Starts looking for the channel.
    pub(super) fn start(options: Options, host: Arc<dyn Host>) -> Self {
        let (verbs, queue) = mpsc::channel(QUEUE_LENGTH);
        let worker = Worker {
            options,
            host,
            verbs: queue,
            machine: Machine::new(),
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
            refresh_at: None,
            was_open: false,
        };
        Self {
            verbs,
            task: runtime::spawn(worker.run()),
        }
    }

    /// Queues a verb of the element; false when the queue is full.
    pub(super) fn handle(&self, input: Input) -> bool {
        self.verbs.try_send(Verb::Handle(input)).is_ok()
    }

    /// Closes the connection and ends, within [`STOP_TIMEOUT`].
    pub(super) fn stop(self) {
        let Self { verbs, task } = self;
        runtime::block_on(async move {
            let end = async {
                // A task that ended already needs no telling.
                let _ = verbs.send(Verb::Stop).await;
                task.join().await;
            };
            let _ = timeout(STOP_TIMEOUT, end).await;
        });
    }
}

struct Worker {
    options: Options,
    host: Arc<dyn Host>,
    verbs: mpsc::Receiver<Verb>,
    machine: Machine,
    backoff: Backoff,
    /// When the TURN credentials have to be fetched anew.
    refresh_at: Option<tokio::time::Instant>,
    was_open: bool,
}

/// What comes after a stretch of work.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one, handed round the task's loop"
)]
enum Next {
    /// A new connection, which replaces this one where there is one.
    Connect(Option<WebSocket>),
    /// A new connection after a wait.
    Retry(ChannelError),
    End,
}

impl Worker {
    /// One stretch of work after another, until one of them is the last.
    async fn run(mut self) {
        let mut next = Next::Connect(None);
        loop {
            next = match next {
                Next::Connect(former) => self.connection(former).await,
                Next::Retry(error) => self.pause(&error).await,
                Next::End => return,
            };
        }
    }

    /// The former connection is closed only once the new one stands or has failed, so that viewers find a master all
    /// the time.
    async fn connection(&mut self, former: Option<WebSocket>) -> Next {
        let options = self.options.clone();
        let opened = tokio::select! {
            opened = open(&options) => opened,
            () = self.stopped() => return Next::End,
        };
        if let Some(former) = former {
            websocket::close(former).await;
        }
        match opened {
            Ok((channel, servers, socket)) => {
                self.was_open = true;
                self.backoff.reset();
                self.take_servers(servers, &channel);
                self.talk(&channel, socket).await
            }
            Err(error) if error.is_passing() => Next::Retry(error),
            Err(error) => {
                self.host.fail(&error.to_string());
                Next::End
            }
        }
    }

    fn take_servers(&mut self, servers: IceServers, channel: &Channel) {
        // Fetched again well before they end; what a viewer got is good for the life of its allocation.
        let lifetime = servers
            .lifetime
            .unwrap_or(DEFAULT_ICE_LIFETIME)
            .max(SHORTEST_ICE_LIFETIME);
        self.refresh_at = Some(tokio::time::Instant::now() + lifetime.mul_f64(0.8));
        self.host.ice_servers(servers, channel.region());
    }

    async fn pause(&mut self, error: &ChannelError) -> Next {
        let wait = self.backoff.next(&mut StdRng::from_os_rng());
        self.host.warn(&format!(
            "no signalling channel, trying again in {:.0} s: {error}",
            wait.as_secs_f32()
        ));
        tokio::select! {
            () = sleep(wait) => Next::Connect(None),
            () = self.stopped() => Next::End,
        }
    }

    /// Ends when the element stops us; meanwhile takes verbs, whose messages wait for a connection.
    async fn stopped(&mut self) {
        while let Some(Verb::Handle(input)) = self.verbs.recv().await {
            self.machine.handle(Instant::now(), input);
        }
    }

    /// A standing connection, until it is lost, comes of age or the element stops.
    async fn talk(&mut self, channel: &Channel, mut socket: WebSocket) -> Next {
        let born = tokio::time::Instant::now();
        let mut last_sent = born;
        loop {
            while let Some(frame) = self.machine.poll_frame(Instant::now()) {
                last_sent = tokio::time::Instant::now();
                if let Err(error) = write(&mut socket, Message::text(frame)).await {
                    return Next::Retry(error);
                }
            }
            let next_frame = self.machine.wait(Instant::now());
            let refresh_at = self.refresh_at.unwrap_or(born + CONNECTION_LIFE);
            let step = tokio::select! {
                received = socket.next() => self.received(received),
                verb = self.verbs.recv() => self.verb(verb),
                () = sleep(next_frame.unwrap_or_default()), if next_frame.is_some() => Step::Go,
                () = sleep_until(last_sent + self.options.ping_after) => Step::Ping,
                () = sleep_until(refresh_at) => Step::Refresh,
                () = sleep_until(born + CONNECTION_LIFE) => Step::Move,
            };
            match step {
                Step::Go => {}
                Step::Ping => {
                    last_sent = tokio::time::Instant::now();
                    if let Err(error) = write(&mut socket, Message::Ping(Vec::new().into())).await {
                        return Next::Retry(error);
                    }
                }
                Step::Refresh => self.refresh(channel).await,
                Step::Move => return Next::Connect(Some(socket)),
                Step::Lost(reason) => return Next::Retry(ChannelError::service(reason)),
                Step::Stop => {
                    websocket::close(socket).await;
                    return Next::End;
                }
            }
        }
    }

    fn received(&mut self, received: Option<Result<Message, ProtocolError>>) -> Step {
        match received {
            Some(Ok(Message::Text(text))) => self.frame(text.as_str().to_owned()),
            Some(Ok(Message::Close(frame))) => {
                Step::Lost(frame.map_or_else(|| "closed".to_owned(), |frame| format!("closed: {frame}")))
            }
            Some(Ok(_)) => Step::Go,
            Some(Err(error)) => Step::Lost(format!("Error receiving: {error}")),
            None => Step::Lost("closed".to_owned()),
        }
    }

    fn frame(&mut self, text: String) -> Step {
        let mut step = Step::Go;
        for action in self.machine.handle(Instant::now(), Input::Frame(text)) {
            match action {
                Action::Reconnect => step = Step::Move,
                Action::RefreshIceServers => step = Step::Refresh,
                other => self.host.perform(other),
            }
        }
        step
    }

    fn verb(&mut self, verb: Option<Verb>) -> Step {
        let Some(Verb::Handle(input)) = verb else {
            return Step::Stop;
        };
        for action in self.machine.handle(Instant::now(), input) {
            self.host.perform(action);
        }
        Step::Go
    }

    /// Viewers that are connected keep the credentials they have; the new ones are for those to come.
    async fn refresh(&mut self, channel: &Channel) {
        match timeout(REFRESH_TIMEOUT, channel.ice_servers()).await {
            Ok(Ok(servers)) => self.take_servers(servers, channel),
            Ok(Err(error)) => self.refresh_failed(&error.to_string()),
            Err(_) => self.refresh_failed("no answer"),
        }
    }

    fn refresh_failed(&mut self, reason: &str) {
        self.host
            .warn(&format!("the TURN servers could not be refreshed: {reason}"));
        let wait = self.backoff.next(&mut StdRng::from_os_rng());
        self.refresh_at = Some(tokio::time::Instant::now() + wait);
    }
}

/// What an event of a standing connection leads to.
enum Step {
    Go,
    Ping,
    Refresh,
    Move,
    Lost(String),
    Stop,
}

/// Everything that has to be known before a viewer may come, with an address signed at the last moment.
async fn open(options: &Options) -> Result<(Channel, IceServers, WebSocket), ChannelError> {
    let channel = options.access.open().await?;
    let servers = channel.ice_servers().await?;
    let url = channel.websocket_url().await?;
    let connect = websocket::Options {
        headers: Vec::new(),
        cafile: options.cafile.as_deref(),
        is_insecure: false,
    };
    let socket = websocket::connect(&url, &connect).await.map_err(refused)?;
    Ok((channel, servers, socket))
}

/// A TLS set-up or a handshake that fails is for the user to mend; a service that does not answer may do so later.
fn refused(error: ConnectError) -> ChannelError {
    let text = error.to_string();
    match error {
        ConnectError::Upgrade { source, .. } => match *source {
            ProtocolError::Http(response) => upgrade(Some(response.status().as_u16()), &text),
            _ => upgrade(None, &text),
        },
        ConnectError::Tls(_) | ConnectError::Handshake { .. } => ChannelError::user(text),
        _ => ChannelError::service(text),
    }
}

async fn write(socket: &mut WebSocket, message: Message) -> Result<(), ChannelError> {
    match timeout(WRITE_TIMEOUT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(ChannelError::service(error.to_string())),
        Err(_) => Err(ChannelError::service("the service takes no messages".to_owned())),
    }
}

/// The service ends a connection after an hour; ours leaves before, at a time of its own choice.
const CONNECTION_LIFE: Duration = Duration::from_secs(55 * 60);
/// What the service's documentation gives for TURN credentials.
const DEFAULT_ICE_LIFETIME: Duration = Duration::from_secs(300);
/// The service's quota on GetIceServerConfig is not to be spent on a server that says one second.
const SHORTEST_ICE_LIFETIME: Duration = Duration::from_secs(5);
/// As long as any other call of the control plane; messages of viewers wait meanwhile.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(20);
/// A service that takes nothing for this long is lost.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Verbs waiting for a connection; candidates of many viewers at once fit.
const QUEUE_LENGTH: usize = 4096;
/// A stop must not hold up the element's state change, which has 5 s in all.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
