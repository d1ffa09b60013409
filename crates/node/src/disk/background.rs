//! The thread that does what a worker need not wait for: bringing files to the disk, and deleting old ones.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::generation::sync_directory;
use super::segment::SegmentFile;
use super::takeover::Takeover;

const THREAD_NAME: &str = "dynomite-disk";
/// Rounds where appends sync themselves: then only what failed is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The thread. Dropping it syncs and deletes what is left, and waits for that.
#[derive(Debug)]
pub(super) struct Background {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
    failures: Arc<AtomicU64>,
}

/// Something to do soon, once all files are on the disk, in the order given, and again until it works.
#[derive(Debug)]
pub(super) enum Chore {
    /// Files were made or deleted in it.
    SyncDirectory(PathBuf),
    /// No longer needed.
    Remove(PathBuf),
    /// All that older generations know is known again.
    Retire(Arc<Takeover>),
}

#[derive(Debug)]
enum Order {
    Watch(Arc<SegmentFile>),
    Do(Chore),
    Settle(Sender<()>),
}

impl Background {
    /// Syncs every `interval`; zero: never by itself.
    pub(super) fn start(interval: Duration) -> io::Result<Self> {
        let (orders, receiver) = channel();
        let failures = Arc::new(AtomicU64::new(0));
        let worker = Thread {
            orders: receiver,
            interval: if interval.is_zero() { RETRY_INTERVAL } else { interval },
            watched: Vec::new(),
            is_synced: true,
            chores: Vec::new(),
            is_failing: false,
            failures: Arc::clone(&failures),
        };
        let thread = std::thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(move || worker.run())?;
        Ok(Self { orders: Some(orders), thread: Some(thread), failures })
    }

    /// Syncs the file from now on, until it is retired.
    pub(super) fn watch(&self, file: Arc<SegmentFile>) {
        self.send(Order::Watch(file));
    }

    pub(super) fn run(&self, chore: Chore) {
        self.send(Order::Do(chore));
    }

    /// Has everything done that there is to do, and waits for it.
    pub(super) fn settle(&self) {
        let (done, wait) = channel();
        self.send(Order::Settle(done));
        // The thread ends only when this is dropped, or by a defect that has been logged.
        let _ = wait.recv();
    }

    /// Counts one sync that failed.
    pub(super) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn send(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // As above.
            let _ = orders.send(order);
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

struct Thread {
    orders: Receiver<Order>,
    interval: Duration,
    watched: Vec<Arc<SegmentFile>>,
    /// Whether the last round brought everything to the disk.
    is_synced: bool,
    /// What is still to be done, in this order.
    chores: Vec<Chore>,
    /// Whether one of them failed in the last round, which has been logged.
    is_failing: bool,
    failures: Arc<AtomicU64>,
}

impl Thread {
    fn run(mut self) {
        let mut next_round = Instant::now() + self.interval;
        loop {
            match self.orders.recv_timeout(next_round.saturating_duration_since(Instant::now())) {
                Ok(Order::Watch(file)) => self.watched.push(file),
                Ok(Order::Do(chore)) => self.chores.push(chore),
                Ok(Order::Settle(done)) => {
                    self.round();
                    // Whoever asked may have gone.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.round(),
            }
            if Instant::now() >= next_round {
                self.round();
                next_round = Instant::now() + self.interval;
            }
        }
    }

    fn round(&mut self) {
        let was_synced = std::mem::replace(&mut self.is_synced, true);
        // Older segments stand before newer ones of their log, and reach the disk before them.
        for file in &self.watched {
            if let Err(error) = file.sync() {
                self.failures.fetch_add(1, Ordering::Relaxed);
                if was_synced && self.is_synced {
                    log_failed_sync(&error);
                }
                self.is_synced = false;
            }
        }
        self.watched.retain(|file| !file.is_done());
        // What makes files superfluous is on the disk before they are deleted.
        if self.is_synced {
            self.do_chores();
        }
    }

    fn do_chores(&mut self) {
        let was_failing = std::mem::take(&mut self.is_failing);
        self.chores.retain(|chore| {
            let Err(error) = chore.attempt() else { return false };
            if !was_failing {
                tracing::warn!(?chore, %error, "cannot be done; it is tried again and again");
            }
            self.is_failing = true;
            true
        });
    }
}

/// Says that a log could not be brought to the disk.
pub(super) fn log_failed_sync(error: &io::Error) {
    tracing::error!(%error, "a log cannot be brought to the disk: what it says may be lost when the machine ends");
}

impl Chore {
    fn attempt(&self) -> io::Result<()> {
        match self {
            Self::SyncDirectory(path) => sync_directory(path),
            Self::Remove(path) => remove(path),
            Self::Retire(takeover) => takeover.retire(),
        }
    }
}

/// Removes a file; one that is not there is removed.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
