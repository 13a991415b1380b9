// SPDX-License-Identifier: MPL-2.0
//! An HTTP server in front of a WHIP or WHEP server, which leads the media of its sessions through a link and remembers what
//! was asked. One thread a connection; they end with it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use testkit::candidate;
use testkit::relay::{Link, Side};

/// A request that passed, and how it was answered.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) if_match: String,
    pub(crate) status: String,
}

/// The server in front.
#[derive(Clone)]
pub(crate) struct Front {
    address: SocketAddr,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Front {
    /// In front of `server`, whose clients are at the left of `link`.
    pub(crate) fn new(server: String, link: Arc<Link>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let front = Self {
            address: listener.local_addr().unwrap(),
            exchanges: Arc::default(),
        };
        let passing = front.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (front, server, link) = (passing.clone(), server.clone(), link.clone());
                std::thread::spawn(move || while front.pass(&client, &server, &link).is_some() {});
            }
        });
        front
    }

    /// Where to connect instead of to the server.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has passed by `method`.
    pub(crate) fn exchanges(&self, method: &str) -> Vec<Exchange> {
        let exchanges = self.exchanges.lock().unwrap();
        exchanges
            .iter()
            .filter(|exchange| exchange.method == method)
            .cloned()
            .collect()
    }

    fn pass(&self, client: &TcpStream, server: &str, link: &Link) -> Option<()> {
        let request = Message::read(client)?.led(link, Side::Left);
        let upstream = TcpStream::connect(server).ok()?;
        request.write(&upstream)?;
        let answer = Message::read(&upstream)?.led(link, Side::Right);
        let word = |line: &str, n: usize| line.split(' ').nth(n).unwrap_or_default().to_owned();
        self.exchanges.lock().unwrap().push(Exchange {
            method: word(&request.head, 0),
            if_match: request.field("if-match"),
            status: word(&answer.head, 1),
        });
        answer.write(client)
    }
}

/// An HTTP message with a content length.
struct Message {
    /// First line and fields, up to the empty line.
    head: String,
    body: String,
}

impl Message {
    fn read(mut stream: &TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while !bytes.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).ok()?;
            bytes.push(byte[0]);
        }
        let head = String::from_utf8(bytes).ok()?;
        let mut message = Self {
            head,
            body: String::new(),
        };
        let mut body = vec![0; message.field("content-length").parse().unwrap_or(0)];
        stream.read_exact(&mut body).ok()?;
        message.body = String::from_utf8(body).ok()?;
        Some(message)
    }

    fn write(&self, mut stream: &TcpStream) -> Option<()> {
        stream
            .write_all(format!("{}{}", self.head, self.body).as_bytes())
            .ok()
    }

    fn field(&self, name: &str) -> String {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
            .next()
            .unwrap_or_default()
    }

    /// The message with candidates that lead through the link to the sender at `side`.
    fn led(self, link: &Link, side: Side) -> Self {
        if self.body.is_empty() {
            return self;
        }
        let body = candidate::rewrite_description(&self.body, |address| link.relay(side, address));
        let length = |length: usize| format!("content-length: {length}\r\n");
        let head = self.head.replace(&length(self.body.len()), &length(body.len()));
        Self { head, body }
    }
}
