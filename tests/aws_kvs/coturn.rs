// SPDX-License-Identifier: MPL-2.0
//! A coturn with a shared secret.

use std::net::{IpAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use testkit::network::{free_port, own_address};

use super::common::wait_until;

/// A running server; ends with the value.
pub struct Coturn {
    child: Child,
    address: IpAddr,
    port: u16,
}

impl Coturn {
    /// Starts one; `None`, said aloud, when it is not installed; with `REQUIRE_ALL=1` that is a panic.
    pub fn start() -> Option<Self> {
        let (address, port) = (own_address()?, free_port());
        let database = std::env::temp_dir().join(format!("coturn-{port}.db"));
        let child = Command::new("turnserver")
            .args([
                "-n",
                "--no-cli",
                "--no-tls",
                "--no-dtls",
                "--log-file=stdout",
                "--use-auth-secret",
            ])
            .args(["--realm=test", &format!("--static-auth-secret={SECRET}")])
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
        wait_until("coturn listens", || TcpStream::connect((address, port)).is_ok());
        Some(server)
    }

    /// Address by RFC 7065.
    pub fn uri(&self) -> String {
        format!("turn:{}:{}?transport=udp", self.address, self.port)
    }

    /// What users' passwords are made with.
    pub fn secret(&self) -> &'static str {
        SECRET
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        // A process that ended by itself needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SECRET: &str = "of tests";
