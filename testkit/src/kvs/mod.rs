// SPDX-License-Identifier: MPL-2.0
//! A local double of AWS Kinesis Video Streams with WebRTC: one signalling channel, behind TLS, with faults on demand.
//!
//! Written from the public API documentation. `control.rs` answers the control plane, `signature.rs` checks signatures,
//! `routing.rs` passes messages on and keeps the quotas, `switches.rs` says what goes wrong: all pure. `server.rs` and
//! `websocket.rs` are the network, `certificate.rs` makes the CA whose leaf they show, `turn.rs` the names and passwords
//! a TURN server accepts.

mod certificate;
mod control;
mod quota;
mod routing;
mod server;
pub mod signature;
pub mod switches;
pub mod turn;
mod websocket;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use certificate::Certificates;
use control::Channel;
use routing::{Connection, Role, Routing};
use signature::Keys;
use switches::{Call, Switches};

/// The region the double stands for.
pub const REGION: &str = "eu-west-1";
/// Its one channel.
pub const CHANNEL: &str = "demo";
/// Key id that it accepts.
pub const KEY_ID: &str = "AKIDEXAMPLE";
/// Secret of the key.
pub const SECRET: &str = "SECRETEXAMPLE/+=";

/// A running double; ends with the value.
pub struct Kvs {
    shared: Arc<Shared>,
    certificates: Certificates,
    port: u16,
    /// Dropped to end the server.
    _running: oneshot::Sender<()>,
    runtime: tokio::runtime::Handle,
}

/// Where a connection's messages go.
type Output = Arc<dyn Fn(Out) + Send + Sync>;

/// What the double does to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Out {
    Text(String),
    /// Close with a code of RFC 6455, section 7.4.1.
    Close(u16),
    /// End without a word.
    Cut,
    /// Neither end nor answer anything any more.
    Freeze,
}

/// What all connections share.
struct Shared {
    state: Mutex<State>,
    channel: Channel,
    keys: Keys,
    next_connection: AtomicU64,
}

struct State {
    routing: Routing,
    switches: Switches,
    outputs: std::collections::HashMap<Connection, Output>,
    /// How often each call was made.
    calls: std::collections::HashMap<Call, usize>,
    masters: usize,
}

impl Kvs {
    /// Starts a double on a free port of the loopback interface.
    ///
    /// # Panics
    /// When there is no port or no certificate to be had.
    pub fn start() -> Self {
        let certificates = Certificates::new();
        let (started, port) = std::sync::mpsc::channel();
        let (running, stop) = oneshot::channel();
        let tls = certificates.server_config();
        let shared = Arc::new(Shared::new());
        let served = shared.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be made");
            runtime.block_on(async {
                let (listener, port) = server::listen().await;
                started
                    .send((port, tokio::runtime::Handle::current()))
                    .expect("somebody waits for the port");
                tokio::select! {
                    () = server::serve(listener, port, tls, served) => {}
                    _ = stop => {}
                }
            });
        });
        let (port, runtime) = port.recv().expect("the server starts");
        Self {
            shared,
            certificates,
            port,
            _running: running,
            runtime,
        }
    }

    /// Base address of the control plane.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// Address of the signalling websocket, without a query.
    pub fn websocket_url(&self) -> String {
        format!("wss://localhost:{}", self.port)
    }

    /// ARN of the channel.
    pub fn arn(&self) -> &str {
        &self.shared.channel.arn
    }

    /// PEM file of the CA to trust.
    pub fn cafile(&self) -> &Path {
        self.certificates.cafile()
    }

    /// Changes what goes wrong, from the next call on.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.shared.state().switches);
    }

    /// How often a call was made, refused ones included.
    pub fn calls(&self, call: Call) -> usize {
        self.shared.state().calls.get(&call).copied().unwrap_or_default()
    }

    /// How many masters have connected so far.
    pub fn masters(&self) -> usize {
        self.shared.state().masters
    }

    /// Whether a master is connected.
    pub fn has_master(&self) -> bool {
        self.shared.state().routing.master().is_some()
    }

    /// How many of the master's messages were over the quotas.
    pub fn violations(&self) -> usize {
        self.shared.state().routing.violations()
    }

    /// Sends the master a frame as it is.
    pub fn tell_master(&self, text: &str) {
        self.to_master(Out::Text(text.to_owned()));
    }

    /// Tells the master to go, and closes its connection after `grace`.
    pub fn go_away(&self, grace: Duration) {
        let master = self.shared.state().routing.master();
        self.tell_master(r#"{"messageType":"GO_AWAY"}"#);
        let shared = self.shared.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(grace).await;
            if let Some(master) = master {
                shared.put_out(master, Out::Close(1001));
            }
        });
    }

    /// Tells the master to fetch its TURN servers anew.
    pub fn reconnect_ice_server(&self) {
        self.tell_master(r#"{"messageType":"RECONNECT_ICE_SERVER","messagePayload":""}"#);
    }

    /// Closes the master's connection with a code.
    pub fn close_master(&self, code: u16) {
        self.to_master(Out::Close(code));
    }

    /// Ends the master's connection without a word.
    pub fn cut_master(&self) {
        self.to_master(Out::Cut);
    }

    /// Lets the master's connection stand, but answers nothing on it.
    pub fn freeze_master(&self) {
        self.to_master(Out::Freeze);
    }

    /// Connects a viewer within this process, past network and signature. `received` gets its frames.
    pub fn viewer(&self, id: &str, received: impl Fn(String) + Send + Sync + 'static) -> Viewer {
        let output: Output = Arc::new(move |out| {
            if let Out::Text(text) = out {
                received(text);
            }
        });
        let connection = self.shared.join(Role::Viewer(id.to_owned()), output);
        Viewer {
            shared: self.shared.clone(),
            connection,
        }
    }

    fn to_master(&self, out: Out) {
        let master = self.shared.state().routing.master();
        if let Some(master) = master {
            self.shared.put_out(master, out);
        }
    }
}

/// A viewer within this process; leaves when dropped.
pub struct Viewer {
    shared: Arc<Shared>,
    connection: Connection,
}

impl Viewer {
    /// Sends a frame as it is.
    pub fn send(&self, text: &str) {
        self.shared.frame(self.connection, text);
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.shared.leave(self.connection);
    }
}

impl Shared {
    fn new() -> Self {
        Self {
            state: Mutex::new(State {
                routing: Routing::default(),
                switches: Switches::default(),
                outputs: std::collections::HashMap::new(),
                calls: std::collections::HashMap::new(),
                masters: 0,
            }),
            channel: Channel::new(CHANNEL, REGION),
            keys: Keys::new(KEY_ID, SECRET),
            next_connection: AtomicU64::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and gives the switches as they are now, with the refusal that is due.
    fn call(&self, call: Call) -> (Switches, Option<switches::Refusal>) {
        let mut state = self.state();
        let count = state.calls.entry(call).or_default();
        *count += 1;
        let count = *count;
        (state.switches.clone(), state.switches.refusal(call, count))
    }

    fn join(&self, role: Role, output: Output) -> Connection {
        let connection = self.next_connection.fetch_add(1, Ordering::Relaxed);
        let actions = {
            let mut state = self.state();
            state.outputs.insert(connection, output);
            state.masters += usize::from(role == Role::Master);
            state.routing.joined(Instant::now(), connection, role)
        };
        self.perform(actions);
        connection
    }

    fn frame(&self, connection: Connection, text: &str) {
        let actions = self.state().routing.frame(Instant::now(), connection, text);
        self.perform(actions);
    }

    fn leave(&self, connection: Connection) {
        let mut state = self.state();
        state.outputs.remove(&connection);
        state.routing.left(connection);
    }

    fn perform(&self, actions: Vec<routing::Action>) {
        for action in actions {
            match action {
                routing::Action::Send { to, text } => self.put_out(to, Out::Text(text)),
                routing::Action::Replace(connection) => self.put_out(connection, Out::Close(1000)),
            }
        }
    }

    fn put_out(&self, connection: Connection, out: Out) {
        let output = self.state().outputs.get(&connection).cloned();
        if let Some(output) = output {
            output(out);
        }
    }
}
