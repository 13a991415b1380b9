// SPDX-License-Identifier: MPL-2.0
//! A UDP relay between real peers that behaves like a link. It needs no privileges: peers are led through it by
//! rewriting their ICE candidates ([`crate::candidate`]).
//!
//! Every peer address has a socket that stands for it. What one peer sends to the socket of another goes through the
//! [`Shaper`] of that direction, and leaves from the sender's own stand-in, so that ICE sees consistent pairs. An
//! address that nobody announced gets a stand-in when it first sends, and shows as a peer-reflexive candidate.
//! One thread a socket receives, one thread delivers in time; all end when the link is dropped.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::link::{Fate, Plan, Shaper};

/// Which end of the link a peer is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// What it sends goes forward.
    Left,
    /// What it sends goes backward.
    Right,
}

impl Side {
    /// The other end.
    pub const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// What passed one direction in one interval of [`INTERVAL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Bytes that entered the link.
    pub sent_bytes: u64,
    /// Bytes that will arrive or have.
    pub passed_bytes: u64,
    /// Packets that arrive.
    pub packets: u64,
    /// Packets the queue or chance took.
    pub dropped: u64,
    /// The longest wait for a turn.
    pub queued: Duration,
    /// All waits together.
    pub queued_sum: Duration,
}

/// The length of an interval of statistics.
pub const INTERVAL: Duration = Duration::from_millis(100);

/// A link in both directions.
#[derive(Debug)]
pub struct Link {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// When the schedule began.
    began: Instant,
    forward: Shaper,
    backward: Shaper,
    stand_ins: HashMap<SocketAddr, StandIn>,
    due: BinaryHeap<Reverse<Delivery>>,
    count: u64,
    passed: [Vec<Passed>; 2],
    is_closed: bool,
}

/// The socket that stands for a peer's address.
#[derive(Clone, Debug)]
struct StandIn {
    socket: Arc<UdpSocket>,
    address: SocketAddr,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Delivery {
    at: Instant,
    order: u64,
    from: SocketAddr,
    to: SocketAddr,
    packet: Vec<u8>,
}

impl Link {
    /// A link whose schedules begin now; `forward` is from left to right.
    pub fn new(forward: Plan, backward: Plan) -> Self {
        let state = State {
            began: Instant::now(),
            forward: Shaper::new(forward),
            backward: Shaper::new(backward),
            stand_ins: HashMap::new(),
            due: BinaryHeap::new(),
            count: 0,
            passed: [Vec::new(), Vec::new()],
            is_closed: false,
        };
        let inner = Arc::new(Inner {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let delivering = Arc::clone(&inner);
        std::thread::spawn(move || delivering.deliver());
        Self { inner }
    }

    /// The address to tell others instead of `peer`, which is at `side`.
    ///
    /// # Panics
    /// When no port can be bound.
    pub fn relay(&self, side: Side, peer: SocketAddr) -> SocketAddr {
        self.inner.stand_in(side, peer).address
    }

    /// Replaces both directions and begins their schedules and the statistics anew. What is under way still arrives.
    pub fn restart(&self, forward: Plan, backward: Plan) {
        let mut state = self.inner.state();
        state.began = Instant::now();
        (state.forward, state.backward) = (Shaper::new(forward), Shaper::new(backward));
        state.passed = [Vec::new(), Vec::new()];
    }

    /// From now on the way from left to right carries so much; nothing overtakes what is under way, and the statistics
    /// go on.
    pub fn set_rate(&self, bps: u64) {
        let mut state = self.inner.state();
        let now = state.began.elapsed();
        state.forward.set_rate(now, bps);
    }

    /// What passed since the schedule began, by interval: what `side` sent.
    pub fn passed(&self, side: Side) -> Vec<Passed> {
        self.inner.state().passed[side as usize].clone()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let stand_ins = {
            let mut state = self.inner.state();
            state.is_closed = true;
            std::mem::take(&mut state.stand_ins)
        };
        self.inner.changed.notify_all();
        for stand_in in stand_ins.values() {
            // Wakes the receiving thread; a socket that cannot reach itself has no thread to wake.
            let _ = stand_in.socket.send_to(&[], stand_in.address);
        }
    }
}

impl Inner {
    fn stand_in(self: &Arc<Self>, side: Side, peer: SocketAddr) -> StandIn {
        if let Some(stand_in) = self.state().stand_ins.get(&peer) {
            return stand_in.clone();
        }
        // On the peer's own address if it is one of this machine, so that routes and filters treat both alike.
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let socket = UdpSocket::bind((peer.ip(), 0)).or_else(|_| UdpSocket::bind((loopback, 0)));
        let socket = Arc::new(socket.expect("there are free ports"));
        let address = socket.local_addr().expect("it is bound");
        let stand_in = StandIn {
            socket: Arc::clone(&socket),
            address,
        };
        {
            let mut state = self.state();
            if let Some(first) = state.stand_ins.get(&peer) {
                return first.clone();
            }
            state.stand_ins.insert(peer, stand_in.clone());
        }
        let receiving = Arc::clone(self);
        std::thread::spawn(move || receiving.receive(&socket, side, peer));
        stand_in
    }

    /// Takes what is sent to the stand-in of `peer`, which is at `side`.
    fn receive(self: Arc<Self>, socket: &UdpSocket, side: Side, peer: SocketAddr) {
        let mut packet = vec![0; LARGEST_PACKET];
        loop {
            let received = socket.recv_from(&mut packet);
            if self.state().is_closed {
                return;
            }
            // An error is a port that was unreachable for an earlier packet.
            let Ok((length, sender)) = received else { continue };
            self.stand_in(side.other(), sender);
            self.enter(side.other(), sender, peer, packet[..length].to_vec());
        }
    }

    fn enter(&self, from_side: Side, from: SocketAddr, to: SocketAddr, packet: Vec<u8>) {
        {
            let mut state = self.state();
            let now = state.began.elapsed();
            let size = packet.len() + HEADERS;
            let shaper = match from_side {
                Side::Left => &mut state.forward,
                Side::Right => &mut state.backward,
            };
            let fate = shaper.send(now, size);
            state.count_passed(from_side, now, size as u64, fate);
            let Fate::Arrives { at, .. } = fate else { return };
            state.count += 1;
            let (at, order) = (state.began + at, state.count);
            state.due.push(Reverse(Delivery {
                at,
                order,
                from,
                to,
                packet,
            }));
        }
        self.changed.notify_one();
    }

    fn deliver(&self) {
        while let Some((delivery, from)) = self.next_delivery() {
            // A peer that is gone is the peer's affair.
            let _ = from.socket.send_to(&delivery.packet, delivery.to);
        }
    }

    /// Waits for the next delivery, with the socket it leaves from. `None` once the link is closed.
    fn next_delivery(&self) -> Option<(Delivery, StandIn)> {
        let mut state = self.state();
        loop {
            if state.is_closed {
                return None;
            }
            let now = Instant::now();
            let wait = state
                .due
                .peek()
                .map(|Reverse(first)| first.at.saturating_duration_since(now));
            match wait {
                Some(Duration::ZERO) => {
                    let Reverse(delivery) = state.due.pop()?;
                    if let Some(from) = state.stand_ins.get(&delivery.from).cloned() {
                        return Some((delivery, from));
                    }
                }
                Some(wait) => {
                    let waited = self.changed.wait_timeout(state, wait);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count_passed(&mut self, side: Side, now: Duration, size: u64, fate: Fate) {
        let index = (now.as_millis() / INTERVAL.as_millis()) as usize;
        let intervals = &mut self.passed[side as usize];
        if intervals.len() <= index {
            intervals.resize(index + 1, Passed::default());
        }
        let interval = &mut intervals[index];
        interval.sent_bytes += size;
        match fate {
            Fate::Arrives { queued, .. } => {
                interval.passed_bytes += size;
                interval.packets += 1;
                interval.queued = interval.queued.max(queued);
                interval.queued_sum += queued;
            }
            Fate::Dropped | Fate::Lost => interval.dropped += 1,
        }
    }
}

/// The largest datagram.
const LARGEST_PACKET: usize = 65_536;
/// UDP and IPv4 count on a link.
const HEADERS: usize = 28;

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn peer() -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("there are free ports");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("it takes a timeout");
        socket
    }

    fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut packet = [0; 2000];
        let (length, from) = socket.recv_from(&mut packet).expect("it arrives in time");
        (packet[..length].to_vec(), from)
    }

    fn clear() -> Plan {
        Plan::clear(Duration::from_millis(5))
    }

    #[test]
    fn both_peers_see_the_others_stand_in() {
        let (left, right) = (peer(), peer());
        let link = Link::new(clear(), clear());
        let left_relay = link.relay(Side::Left, left.local_addr().unwrap());
        let right_relay = link.relay(Side::Right, right.local_addr().unwrap());
        left.send_to(b"ping", right_relay).unwrap();
        assert_eq!(receive(&right), (b"ping".to_vec(), left_relay));
        right.send_to(b"pong", left_relay).unwrap();
        assert_eq!(receive(&left), (b"pong".to_vec(), right_relay));
    }

    #[test]
    fn an_unannounced_peer_can_be_answered() {
        let (left, right) = (peer(), peer());
        let link = Link::new(clear(), clear());
        let right_relay = link.relay(Side::Right, right.local_addr().unwrap());
        left.send_to(b"ping", right_relay).unwrap();
        let (_, from) = receive(&right);
        right.send_to(b"pong", from).unwrap();
        assert_eq!(receive(&left), (b"pong".to_vec(), right_relay));
    }

    #[test]
    fn packets_take_at_least_the_delay_and_keep_their_order() {
        let (left, right) = (peer(), peer());
        let link = Link::new(Plan::clear(Duration::from_millis(80)), clear());
        let right_relay = link.relay(Side::Right, right.local_addr().unwrap());
        let began = Instant::now();
        assert!((0..50u8).all(|n| left.send_to(&[n], right_relay).is_ok()));
        let received: Vec<_> = (0..50).map(|_| receive(&right).0[0]).collect();
        assert!(began.elapsed() >= Duration::from_millis(80));
        assert!(received.is_sorted(), "{received:?}");
    }

    #[test]
    fn statistics_tell_what_passed_and_what_did_not() {
        let (left, right) = (peer(), peer());
        // Ten packets of 1028 bytes wait in 100 ms of queue at most, at 800 kbit/s.
        let plan = Plan::bottleneck(800_000, Duration::ZERO, Duration::from_millis(100));
        let link = Link::new(plan, clear());
        let right_relay = link.relay(Side::Right, right.local_addr().unwrap());
        assert!((0..60).all(|_| left.send_to(&[0; 1000], right_relay).is_ok()));
        let total = |count: fn(&Passed) -> u64| link.passed(Side::Left).iter().map(count).sum::<u64>();
        crate::wait::until("all packets entered", PATIENCE, || {
            total(|passed| passed.packets + passed.dropped) == 60
        });
        assert!(total(|passed| passed.dropped) > 0);
        assert_eq!(total(|passed| passed.sent_bytes), 60 * 1028);
        assert_eq!(
            total(|passed| passed.passed_bytes),
            total(|passed| passed.packets) * 1028
        );
        assert!(link.passed(Side::Right).is_empty());
    }

    #[test]
    fn a_dropped_link_ends_its_threads() {
        let right = peer();
        let link = Link::new(clear(), clear());
        link.relay(Side::Right, right.local_addr().unwrap());
        let inner = Arc::downgrade(&link.inner);
        drop(link);
        crate::wait::until("all threads ended", PATIENCE, || inner.strong_count() == 0);
    }
}
