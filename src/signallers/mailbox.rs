// SPDX-License-Identifier: MPL-2.0
//! The element's end of a client's task: a bounded queue of what the element wants, and the task's end.
//!
//! What the task does with its inputs is the protocol's own. It ends when its queue does, which is how it learns that
//! the element stops: everything queued before comes first.

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::runtime::{self, Task};

/// A started client; stop it, or drop it to cut its connection.
#[derive(Debug)]
pub(super) struct Mailbox<I> {
    inputs: mpsc::Sender<I>,
    task: Task,
}

impl<I: Send + 'static> Mailbox<I> {
    /// Starts the task that `work` makes of its end of the queue.
    pub(super) fn start<F>(work: impl FnOnce(mpsc::Receiver<I>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (inputs, queue) = mpsc::channel(QUEUE_LENGTH);
        let task = runtime::spawn(work(queue));
        Self { inputs, task }
    }

    /// Queues what the element wants; false when the queue is full, which means that the server has not taken anything
    /// for a long time.
    pub(super) fn handle(&self, input: I) -> bool {
        self.inputs.try_send(input).is_ok()
    }

    /// Ends the queue and waits for the task to finish what is in it; past [`STOP_TIMEOUT`] the task is aborted.
    pub(super) fn stop(self) {
        let Self { inputs, task } = self;
        drop(inputs);
        runtime::block_on(async move {
            // Past the deadline the task is aborted by its handle.
            let _ = tokio::time::timeout(STOP_TIMEOUT, task.join()).await;
        });
    }
}

/// Verbs waiting for a slow server; candidates of many sessions at once fit.
const QUEUE_LENGTH: usize = 4096;
/// A stop must not hold up the element's state change, which has 5 s in all.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn what_was_queued_is_done_before_a_stop_returns() {
        let done = Arc::<Mutex<Vec<u32>>>::default();
        let seen = done.clone();
        let mailbox = Mailbox::start(|mut queue| async move {
            while let Some(number) = queue.recv().await {
                seen.lock().unwrap().push(number);
            }
        });
        for number in 0..3 {
            assert!(mailbox.handle(number));
        }
        mailbox.stop();
        assert_eq!(*done.lock().unwrap(), [0, 1, 2]);
    }

    #[test]
    fn a_queue_that_nobody_reads_fills_up() {
        let mailbox = Mailbox::start(|queue| async move {
            std::future::pending::<()>().await;
            drop(queue);
        });
        let queued = (0..QUEUE_LENGTH + 5).filter(|_| mailbox.handle(())).count();
        assert_eq!(queued, QUEUE_LENGTH);
    }

    #[test]
    fn a_task_that_does_not_end_is_cut_off() {
        let mailbox = Mailbox::<()>::start(|_| std::future::pending());
        mailbox.stop();
    }

    #[test]
    fn a_task_that_ended_takes_nothing_and_stops_at_once() {
        let mailbox = Mailbox::start(|queue| async move { drop(queue) });
        while mailbox.handle(()) {
            std::thread::yield_now();
        }
        mailbox.stop();
    }
}
