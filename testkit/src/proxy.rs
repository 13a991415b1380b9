// SPDX-License-Identifier: MPL-2.0
//! A TCP relay that can be cut: a server whose connection is lost while it goes on running.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Relays connections from a port of its own to a server.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Both ends of every connection made since the last cut.
    ends: Mutex<Vec<TcpStream>>,
    is_refusing: AtomicBool,
}

impl Proxy {
    /// Relays to `server`.
    ///
    /// # Panics
    /// When no port can be bound.
    pub fn new(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State::default());
        let accepting = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if !accepting.is_refusing.load(Ordering::Acquire) {
                    accepting.relay(client, server);
                }
            }
        });
        Self { address, state }
    }

    /// Where to connect instead of to the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections. New ones are accepted.
    pub fn cut(&self) {
        let ends = std::mem::take(&mut *self.state.ends.lock().unwrap_or_else(PoisonError::into_inner));
        for end in ends {
            // Cut already is cut as well.
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Whether new connections are closed at once.
    pub fn refuse(&self, is_refusing: bool) {
        self.state.is_refusing.store(is_refusing, Ordering::Release);
    }
}

impl State {
    fn relay(&self, client: TcpStream, server: SocketAddr) {
        let Ok(server) = TcpStream::connect(server) else {
            return;
        };
        let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else {
            return;
        };
        let kept = [client.try_clone(), server.try_clone()];
        self.ends
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(kept.into_iter().flatten());
        std::thread::spawn(move || pump(client, server));
        std::thread::spawn(move || pump(server_too, client_too));
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // The other direction ends with this one.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives_until_the_cut() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::new(server.local_addr().unwrap());
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        let (mut accepted, _) = server.accept().unwrap();
        client.write_all(b"hello").unwrap();
        let mut buffer = [0; 5];
        accepted.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"hello");
        proxy.cut();
        assert_eq!(accepted.read(&mut buffer).unwrap_or(0), 0);
        assert_eq!(client.read(&mut buffer).unwrap_or(0), 0);
    }

    #[test]
    fn a_refusing_proxy_closes_at_once() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::new(server.local_addr().unwrap());
        proxy.refuse(true);
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(client.read(&mut [0; 1]).unwrap_or(0), 0);
    }
}
