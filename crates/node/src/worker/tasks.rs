//! The tasks of a worker's thread. None of them may fail unseen: a panic in one ends the worker.

use std::future::Future;
use std::rc::Rc;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Starts tasks, and tells when one has panicked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    alarm: Rc<Notify>,
}

impl Tasks {
    /// Starts a task on the current thread's runtime.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) -> JoinHandle<()> {
        let guard = Guard(Rc::clone(&self.alarm));
        tokio::task::spawn_local(async move {
            let _guard = guard;
            task.await;
        })
    }

    /// Returns when a task has panicked.
    pub(crate) async fn failed(&self) {
        self.alarm.notified().await;
    }
}

struct Guard(Rc<Notify>);

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.notify_one();
        }
    }
}
