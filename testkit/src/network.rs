// SPDX-License-Identifier: MPL-2.0
//! Ports and addresses for servers that cannot be told to take any free port themselves.

use std::net::{IpAddr, TcpListener, UdpSocket};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below what Linux gives to sockets that ask for any port (`ip_local_port_range`, 32768 on), so that no socket of a
/// test that runs beside takes the port between its choice and its use; above what well-known services use.
const RANGE: std::ops::Range<u16> = 10_000..32_000;

/// A port nobody uses right now, neither by TCP nor by UDP, and that is given to no other test of this process.
///
/// # Panics
/// When there is none left.
pub fn free_port() -> u16 {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
        // Processes of tests may run at the same time: each begins elsewhere.
        let start = std::process::id() * 97 % u32::from(RANGE.end - RANGE.start);
        AtomicU16::new(start as u16)
    });
    RANGE
        .map(|_| RANGE.start + NEXT.fetch_add(1, Ordering::Relaxed) % (RANGE.end - RANGE.start))
        .find(|port| is_free(*port))
        .expect("there are free ports")
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("0.0.0.0", port)).is_ok() && UdpSocket::bind(("0.0.0.0", port)).is_ok()
}

/// The address this machine sends from, by which its ICE agents (which skip loopback) reach one another; `None`
/// without a network. Nothing is sent to find out.
pub fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // An address for documentation (RFC 5737): only the route to it is looked up.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once() {
        let ports: std::collections::BTreeSet<_> = (0..50).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 50);
    }

    #[test]
    fn a_port_in_use_is_not_given() {
        let next = free_port() + 1;
        let _taken = TcpListener::bind(("0.0.0.0", next));
        assert!((0..3).all(|_| free_port() != next));
    }
}
