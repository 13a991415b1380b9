// SPDX-License-Identifier: MPL-2.0
//! What waits to be sent to one peer: a queue bounded in messages and in bytes, that nobody ever waits for.
//!
//! The hub pushes, the peer's connection takes. A push that finds the queue full fails, and the hub
//! disconnects the peer: that is what keeps one client that stops reading from delaying any other.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_tungstenite::tungstenite::Utf8Bytes;
use tokio::sync::mpsc::{self, error::TrySendError};

/// The end that takes messages in.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// Texts are shared between the queues they are in, so an announcement to many is held once.
    sender: mpsc::Sender<Utf8Bytes>,
    /// Bytes of what waits; the message being written is no longer among it.
    queued_bytes: Arc<AtomicUsize>,
    max_bytes: usize,
}

/// The end that gives them out.
#[derive(Debug)]
pub(crate) struct Waiting {
    receiver: mpsc::Receiver<Utf8Bytes>,
    queued_bytes: Arc<AtomicUsize>,
}

/// The peer does not read what it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

/// Who a message comes from, which decides how much of the queue it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The server has something to say.
    Server,
    /// Another peer of a session. Leaves a quarter of the queue alone, so that a flood from others is lost rather
    /// than costs the receiver its connection.
    Peer,
}

/// Makes an empty queue. `max_messages` must not be zero.
pub(crate) fn outbox(max_messages: usize, max_bytes: usize) -> (Outbox, Waiting) {
    let (sender, receiver) = mpsc::channel(max_messages);
    let queued_bytes = Arc::<AtomicUsize>::default();
    (
        Outbox {
            sender,
            queued_bytes: queued_bytes.clone(),
            max_bytes,
        },
        Waiting {
            receiver,
            queued_bytes,
        },
    )
}

impl Outbox {
    /// Queues a message. One that alone exceeds the bound in bytes is accepted by an empty queue, so that every
    /// reply can be delivered to a peer that reads.
    pub(crate) fn push(&self, text: Utf8Bytes, origin: Origin) -> Result<(), Overflow> {
        let (max_bytes, spare_messages) = match origin {
            Origin::Server => (self.max_bytes, 0),
            Origin::Peer => (self.max_bytes / 4 * 3, self.sender.max_capacity() / 4),
        };
        let length = text.len();
        // The hub pushes under its lock, so only the receiver changes the count meanwhile, and it only lowers it.
        let before = self.queued_bytes.fetch_add(length, Ordering::Relaxed);
        if before > 0 && (before + length > max_bytes || self.sender.capacity() <= spare_messages) {
            self.queued_bytes.fetch_sub(length, Ordering::Relaxed);
            return Err(Overflow);
        }
        match self.sender.try_send(text) {
            Ok(()) => Ok(()),
            // The connection is on its way out and will leave the hub by itself.
            Err(TrySendError::Closed(_)) => Ok(()),
            Err(TrySendError::Full(_)) => {
                self.queued_bytes.fetch_sub(length, Ordering::Relaxed);
                Err(Overflow)
            }
        }
    }
}

impl Waiting {
    /// The next message; none when the hub has let go of the peer. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Utf8Bytes> {
        let text = self.receiver.recv().await?;
        self.queued_bytes.fetch_sub(text.len(), Ordering::Relaxed);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn text(length: usize) -> Utf8Bytes {
        "x".repeat(length).into()
    }

    /// Pushes texts of these lengths; says which were taken.
    fn push<const N: usize>(outbox: &Outbox, origin: Origin, lengths: [usize; N]) -> [bool; N] {
        lengths.map(|length| outbox.push(text(length), origin).is_ok())
    }

    fn take(waiting: &mut Waiting) -> Option<usize> {
        waiting.next().now_or_never().flatten().map(|text| text.len())
    }

    #[test]
    fn messages_leave_in_order() {
        let (outbox, mut waiting) = outbox(3, 100);
        assert_eq!(push(&outbox, Origin::Server, [1, 2, 3]), [true; 3]);
        assert_eq!(
            [(); 4].map(|()| take(&mut waiting)),
            [Some(1), Some(2), Some(3), None]
        );
    }

    #[test]
    fn one_message_too_many_overflows() {
        let (outbox, mut waiting) = outbox(2, 100);
        assert_eq!(push(&outbox, Origin::Server, [1, 1, 1]), [true, true, false]);
        take(&mut waiting);
        assert_eq!(push(&outbox, Origin::Server, [1]), [true]);
    }

    #[test]
    fn one_byte_too_many_overflows() {
        let (outbox, mut waiting) = outbox(10, 100);
        assert_eq!(push(&outbox, Origin::Server, [99, 2, 1]), [true, false, true]);
        take(&mut waiting);
        assert_eq!(push(&outbox, Origin::Server, [99]), [true]);
    }

    #[test]
    fn an_empty_queue_takes_a_message_of_any_size() {
        let (outbox, mut waiting) = outbox(10, 100);
        assert_eq!(push(&outbox, Origin::Peer, [1000]), [true]);
        assert_eq!(push(&outbox, Origin::Server, [1]), [false]);
        assert_eq!(take(&mut waiting), Some(1000));
        assert_eq!(push(&outbox, Origin::Server, [1000]), [true]);
    }

    #[test]
    fn peers_leave_a_quarter_to_the_server() {
        let (messages, _waiting) = outbox(8, 1000);
        assert_eq!(
            push(&messages, Origin::Peer, [1; 8]),
            [true, true, true, true, true, true, false, false]
        );
        assert_eq!(push(&messages, Origin::Server, [1; 3]), [true, true, false]);
        let (bytes, _waiting) = outbox(100, 100);
        assert_eq!(push(&bytes, Origin::Peer, [70, 6, 5]), [true, false, true]);
        assert_eq!(push(&bytes, Origin::Server, [25, 1]), [true, false]);
    }

    #[test]
    fn a_queue_nobody_takes_from_any_more_swallows() {
        let (outbox, waiting) = outbox(1, 10);
        drop(waiting);
        assert_eq!(push(&outbox, Origin::Server, [5]), [true]);
    }
}
