// SPDX-License-Identifier: MPL-2.0
//! A coturn, the TURN server, for one test.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use std::time::Duration;

use crate::network::{free_port, own_address};
use crate::wait;

/// A running server; ends with the value.
#[derive(Debug)]
pub struct Coturn {
    child: Child,
    address: IpAddr,
    port: u16,
}

/// Who may use it.
#[derive(Debug, Clone, Copy)]
enum Access {
    Secret,
    User,
}

impl Coturn {
    /// Starts one for who makes credentials of [`Coturn::SECRET`] (the TURN REST API).
    ///
    /// `None`, said aloud, when it is not installed.
    ///
    /// # Panics
    /// When it is not installed although `REQUIRE_ALL=1`, or does not listen.
    pub fn with_secret() -> Option<Self> {
        Self::start(Access::Secret)
    }

    /// As [`Coturn::with_secret`], for one user with a password (RFC 8489, section 9.2).
    ///
    /// # Panics
    /// As there.
    pub fn with_user() -> Option<Self> {
        Self::start(Access::User)
    }

    fn start(access: Access) -> Option<Self> {
        let (address, port) = (own_address()?, free_port());
        let database = std::env::temp_dir().join(format!("coturn-{port}.db"));
        let child = Command::new("turnserver")
            .args([
                "-n",
                "--no-cli",
                "--no-tls",
                "--no-dtls",
                "--log-file=stdout",
                "--realm=test",
            ])
            .args(match access {
                Access::Secret => [
                    "--use-auth-secret".to_owned(),
                    format!("--static-auth-secret={}", Self::SECRET),
                ],
                Access::User => ["--lt-cred-mech".to_owned(), format!("--user={USER}:{PASSWORD}")],
            })
            .args(["--pidfile=/dev/null", &format!("--userdb={}", database.display())])
            .args([
                format!("--listening-ip={address}"),
                format!("--relay-ip={address}"),
            ])
            .arg(format!("--listening-port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            assert!(
                std::env::var_os("REQUIRE_ALL").is_none_or(|value| value != "1"),
                "turnserver cannot be run"
            );
            eprintln!("NOT RUN: turnserver is not installed (scripts/setup test)");
            return None;
        };
        let server = Self { child, address, port };
        wait::until("coturn listens", PATIENCE, || {
            TcpStream::connect((address, port)).is_ok()
        });
        Some(server)
    }

    /// Address by RFC 7065.
    pub fn uri(&self) -> String {
        format!("turn:{}:{}?transport=udp", self.address, self.port)
    }

    /// What users' passwords are made with.
    pub const SECRET: &'static str = "of tests";

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (self.address, self.port).into()
    }

    /// Name and password of the user.
    pub const USER: (&'static str, &'static str) = (USER, PASSWORD);

    /// Address with the user's credentials, as webrtcbin takes it.
    pub fn uri_with_user(&self) -> String {
        format!(
            "turn://{USER}:{PASSWORD}@{}:{}?transport=udp",
            self.address, self.port
        )
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        // A process that ended by itself needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const USER: &str = "user";
const PASSWORD: &str = "password";

/// It starts within a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
