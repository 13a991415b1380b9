// SPDX-License-Identifier: MPL-2.0
//! An NTP server of this machine's own time on a port of its own: no privileges, no configuration, no network.
//!
//! Answers clients as RFC 5905, section 7.3 has it; keeps nothing about them. A thread of its own serves until the
//! server is dropped.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A server that answers until it is dropped.
pub struct Server {
    port: u16,
    is_closed: Arc<AtomicBool>,
}

impl Server {
    /// Begins to answer on the loopback interface.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(LOOK_INTERVAL))?;
        let port = socket.local_addr()?.port();
        let is_closed = Arc::new(AtomicBool::new(false));
        let until = is_closed.clone();
        std::thread::spawn(move || serve(&socket, &until));
        Ok(Self { port, is_closed })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }
}

fn serve(socket: &UdpSocket, until: &AtomicBool) {
    let mut packet = [0; 128];
    while !until.load(Ordering::Relaxed) {
        let Ok((length, client)) = socket.recv_from(&mut packet) else {
            continue;
        };
        if let Some(answer) = answer(&packet[..length], SystemTime::now()) {
            // A client that is gone needs no answer.
            let _ = socket.send_to(&answer, client);
        }
    }
}

/// What to say to `request`; nothing when it is none of a client's.
fn answer(request: &[u8], now: SystemTime) -> Option<[u8; 48]> {
    let head = *request.first().filter(|_| request.len() >= 48)?;
    let (version, mode) = (head >> 3 & 7, head & 7);
    if mode != CLIENT {
        return None;
    }
    let mut answer = [0; 48];
    answer[0] = version << 3 | SERVER;
    // Stratum 1, the client's interval, a microsecond's precision.
    answer[1] = 1;
    answer[2] = request[2];
    answer[3] = 0xec;
    answer[12..16].copy_from_slice(b"LOCL");
    let time = timestamp(now);
    answer[16..24].copy_from_slice(&time);
    // When the client sent, when that came, and when this leaves.
    answer[24..32].copy_from_slice(&request[40..48]);
    answer[32..40].copy_from_slice(&time);
    answer[40..48].copy_from_slice(&time);
    Some(answer)
}

/// Seconds since 1900 and their fraction, 32 bits each (RFC 5905, section 6).
fn timestamp(time: SystemTime) -> [u8; 8] {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    // The era wraps in 2036, as it is to.
    let seconds = (since.as_secs() + EPOCH_1900) << 32;
    (seconds | fraction).to_be_bytes()
}

const CLIENT: u8 = 3;
const SERVER: u8 = 4;
/// Seconds from 1900 to 1970 (RFC 5905, appendix A.1.1).
const EPOCH_1900: u64 = 2_208_988_800;
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    fn request(head: u8) -> [u8; 48] {
        let mut request = [0; 48];
        request[0] = head;
        request[40..48].copy_from_slice(b"whenever");
        request
    }

    #[test]
    fn a_client_gets_its_own_time_back_and_ours() {
        let now = UNIX_EPOCH + Duration::from_millis(1500);
        let answer = answer(&request(0x23), now).expect("an answer");
        assert_eq!((answer[0], answer[1]), (0x24, 1));
        assert_eq!(&answer[24..32], b"whenever");
        assert_eq!(answer[40..48], [0x83, 0xaa, 0x7e, 0x81, 0x80, 0, 0, 0]);
    }

    #[test]
    fn what_is_no_request_gets_no_answer() {
        assert_eq!(answer(&[], UNIX_EPOCH), None);
        assert_eq!(answer(&request(0x23)[..47], UNIX_EPOCH), None);
        assert_eq!(answer(&request(0x24), UNIX_EPOCH), None, "of a server");
    }
}
