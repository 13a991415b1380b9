// SPDX-License-Identifier: MPL-2.0
//! A LiveKit server of its own for each test that needs one.
//!
//! The program is `livekit-server`, built from its Go module by `scripts/setup test`; [`LiveKit::program`] says where it
//! is looked for. It takes free ports of the loopback interface for signalling, and media on the machine's own address,
//! because ICE agents skip loopback.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::network::{free_port, own_address};

/// The API key of every server started here.
pub const KEY: &str = "devkey";
/// Its secret; the server wants at least 32 characters.
pub const SECRET: &str = "a secret for tests, of no other use";

/// Configuration of a server that forwards the layer it was asked for, even while a busy machine makes a link look bad.
pub const UNHURRIED: &str = "  congestion_control:\n    enabled: false";

/// A running server; ends with the value.
#[derive(Debug)]
pub struct LiveKit {
    child: Child,
    config: String,
    log: PathBuf,
    port: u16,
    /// Port for media over UDP, and TCP beside it.
    media_port: u16,
}

impl LiveKit {
    /// Where the program is: `LIVEKIT_SERVER`, or `target/livekit-server` of the workspace. `None` when it is not built.
    pub fn program() -> Option<PathBuf> {
        let built = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/livekit-server"));
        let named = std::env::var_os("LIVEKIT_SERVER").map(PathBuf::from);
        named.or(Some(built)).filter(|program| program.is_file())
    }

    /// Starts a server; `extra` is YAML added to its configuration, indented where it belongs to the section `rtc`. `None`, said aloud, when the program is not built
    /// or the machine has no network; with `REQUIRE_ALL=1` that is a panic.
    ///
    /// # Panics
    /// When the server does not come up.
    pub fn start(extra: &str) -> Option<Self> {
        let (Some(_), Some(address)) = (Self::program(), own_address()) else {
            assert!(
                std::env::var_os("REQUIRE_ALL").is_none_or(|value| value != "1"),
                "livekit-server cannot be run"
            );
            eprintln!("NOT RUN: livekit-server is not built (scripts/setup test) or there is no network");
            return None;
        };
        let (port, media_port) = (free_port(), free_port());
        let level = std::env::var("LIVEKIT_LOG_LEVEL").unwrap_or_else(|_| "info".into());
        let logging = if extra.contains("logging:") {
            String::new()
        } else {
            format!("logging:\n  level: {level}\n")
        };
        let config = format!(
            "port: {port}\nbind_addresses: [\"127.0.0.1\"]\nkeys:\n  {KEY}: \"{SECRET}\"\nrtc:\n  node_ip: {address}\n  \
             udp_port: {media_port}\n  tcp_port: {}\n  use_external_ip: false\n{extra}\n{logging}",
            free_port()
        );
        let log = std::env::temp_dir().join(format!("livekit-server-{port}.log"));
        let child = spawn(&config, &log);
        let mut server = Self {
            child,
            config,
            log,
            port,
            media_port,
        };
        server.wait();
        Some(server)
    }

    /// Address of the signalling, `ws://127.0.0.1:…`.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// Address of the signalling.
    pub fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The port media come and go by.
    pub fn media_port(&self) -> u16 {
        self.media_port
    }

    /// Cuts the server down as a crash would.
    pub fn kill(&mut self) {
        // A process that ended by itself needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again with the same ports and configuration.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn revive(&mut self) {
        self.kill();
        self.child = spawn(&self.config, &self.log);
        self.wait();
    }

    /// Stops the process where it is: its connections stand and nothing answers; until [`LiveKit::thaw`].
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &process]).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "{signal} does not reach the server"
        );
    }

    /// Calls the room API: `method` of `livekit.RoomService` with a JSON body. Gives status and body.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn call(&self, method: &str, token: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout can be set");
        let request = format!(
            "POST /twirp/livekit.RoomService/{method} HTTP/1.0\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream
            .write_all(request.as_bytes())
            .expect("the server takes the request");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("the server answers");
        let status = response
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or_default();
        let body = response
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default();
        (status, body)
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "livekit-server does not listen");
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("livekit-server ended with {status}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for LiveKit {
    fn drop(&mut self) {
        self.kill();
        // Kept for whoever asks for it; a file that is gone is no loss.
        if std::env::var_os("KEEP_LOGS").is_none() {
            let _ = std::fs::remove_file(&self.log);
        }
    }
}

fn spawn(config: &str, log: &Path) -> Child {
    let program = LiveKit::program().expect("looked for before");
    let log = File::options()
        .create(true)
        .append(true)
        .open(log)
        .expect("a log can be written");
    Command::new(program)
        .args(["--config-body", config])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("livekit-server can be started")
}

/// For a machine with much to do.
const PATIENCE: Duration = Duration::from_secs(60);
