// SPDX-License-Identifier: MPL-2.0
//! The one tokio runtime of the process, and tasks that end with their owner.
//!
//! Signallers, sessions, statistics and the embedded servers run here. Work that blocks (state changes, discovery)
//! goes to [`spawn_blocking`], never onto a worker.

use std::future::Future;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Handle, Runtime};

/// Enough that one slow poll does not hold up the others; threads are cheap while idle.
const WORKERS: usize = 4;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("webrtc-runtime")
        .enable_all()
        .build()
        .expect("the process can start threads")
});

/// A running task; dropping it aborts the task at its next await.
#[derive(Debug)]
#[must_use = "a task is aborted when its handle is dropped"]
pub struct Task(Option<tokio::task::JoinHandle<()>>);

impl Task {
    /// Lets the task run to its own end.
    pub fn detach(mut self) {
        self.0.take();
    }

    /// Waits for the task's end.
    pub async fn join(mut self) {
        if let Some(handle) = self.0.take() {
            // A panic was already reported by the task's own thread; an abort is an end like any other.
            let _ = handle.await;
        }
    }

    /// Whether the task has come to its end.
    pub fn is_finished(&self) -> bool {
        self.0.as_ref().is_none_or(|handle| handle.is_finished())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.abort();
        }
    }
}

/// Starts `future` on the runtime, from any thread.
pub fn spawn<F>(future: F) -> Task
where
    F: Future<Output = ()> + Send + 'static,
{
    Task(Some(RUNTIME.spawn(future)))
}

/// Runs blocking `work` on a thread of its own and gives its result; errs only when `work` panicked.
pub async fn spawn_blocking<T, W>(work: W) -> Result<T, tokio::task::JoinError>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    RUNTIME.spawn_blocking(work).await
}

/// Runs blocking `work` on a thread of its own without waiting for it.
pub fn run_blocking<W>(work: W)
where
    W: FnOnce() + Send + 'static,
{
    drop(RUNTIME.spawn_blocking(work));
}

/// Waits for `future` from a thread that may block, also when the caller happens to be inside some async runtime.
pub fn block_on<F>(future: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    if Handle::try_current().is_err() {
        return RUNTIME.block_on(future);
    }
    // A runtime refuses to block inside itself; another thread may.
    std::thread::scope(|scope| {
        scope
            .spawn(|| RUNTIME.block_on(future))
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The handle of the runtime, for libraries that want one.
pub fn handle() -> Handle {
    RUNTIME.handle().clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn a_dropped_task_is_aborted() {
        let (tx, rx) = mpsc::channel::<()>();
        let task = spawn(async move {
            let _tx = tx;
            std::future::pending::<()>().await;
        });
        drop(task);
        assert_eq!(
            rx.recv_timeout(Duration::from_secs(10)),
            Err(mpsc::RecvTimeoutError::Disconnected)
        );
    }

    #[test]
    fn a_detached_task_goes_on() {
        let (tx, rx) = mpsc::channel();
        spawn(async move {
            tokio::task::yield_now().await;
            tx.send(7).unwrap();
        })
        .detach();
        assert_eq!(rx.recv_timeout(Duration::from_secs(10)), Ok(7));
    }

    #[test]
    fn blocking_on_a_future_works_inside_a_runtime() {
        let inside = block_on(async { block_on(async { 3 }) });
        assert_eq!(inside, 3);
    }
}
