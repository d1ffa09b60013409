//! Clients that write and read all the time while something happens to the cluster.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use dynomite_testkit::RawClient;

use crate::shapes::{OK, bulk, is_error, text};

const KEYS_PER_CLIENT: usize = 40;

/// Running clients. Each overwrites and reads keys of its own, a request at a time.
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    is_over: AtomicBool,
    requests: AtomicU64,
    slowest_us: AtomicU64,
    errors: Mutex<Vec<Failed>>,
}

/// A request that failed, and when it was sent and answered.
struct Failed {
    begun_at: Instant,
    ended_at: Instant,
    text: String,
}

/// How the reads of a load are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Any value that the client wrote, or none yet.
    MayBeOld,
    /// The value that was written just before.
    SeeTheWrite,
}

impl Load {
    /// Starts `clients_each` clients at each address.
    pub(crate) fn start(addresses: &[SocketAddr], clients_each: usize, reads: Reads) -> Self {
        let shared = Arc::new(Shared {
            is_over: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            slowest_us: AtomicU64::new(0),
            errors: Mutex::new(Vec::new()),
        });
        let mut threads = Vec::new();
        for (number, address) in addresses.iter().flat_map(|address| vec![*address; clients_each]).enumerate()
        {
            let shared = Arc::clone(&shared);
            threads.push(thread::spawn(move || run(&shared, address, number, reads)));
        }
        Self { shared, threads }
    }

    /// How many requests have been answered.
    pub(crate) fn request_count(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// The longest time that any request has taken.
    pub(crate) fn slowest(&self) -> Duration {
        Duration::from_micros(self.shared.slowest_us.load(Ordering::Relaxed))
    }

    /// What went wrong since `since`.
    pub(crate) fn errors_since(&self, since: Instant) -> Vec<String> {
        let errors = self.shared.errors.lock().unwrap();
        errors.iter().filter(|failed| failed.ended_at >= since).map(|failed| failed.text.clone()).collect()
    }

    /// What went wrong with requests that were sent after `since`.
    pub(crate) fn errors_of_requests_since(&self, since: Instant) -> Vec<String> {
        let errors = self.shared.errors.lock().unwrap();
        errors.iter().filter(|failed| failed.begun_at >= since).map(|failed| failed.text.clone()).collect()
    }

    /// Waits until `count` more requests have been answered.
    #[track_caller]
    pub(crate) fn await_requests(&self, count: u64) {
        let wanted = self.request_count() + count;
        dynomite_testkit::eventually(Duration::from_secs(60), "the load goes on", || {
            self.request_count() >= wanted
        });
    }

    /// Ends all clients, after the replies that they wait for.
    pub(crate) fn stop(mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for thread in std::mem::take(&mut self.threads) {
            thread.join().unwrap();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

fn run(shared: &Shared, address: SocketAddr, number: usize, reads: Reads) {
    let mut client = RawClient::connect(address);
    let mut round = 0usize;
    while !shared.is_over.load(Ordering::Relaxed) {
        let begun_at = Instant::now();
        let key = format!("load:{number}:{}", round % KEYS_PER_CLIENT);
        let value = format!("{number} {round}");
        let outcome = request(shared, &mut client, &["SET", &key, &value])
            .and_then(|reply| if reply == OK { Ok(()) } else { Err(text(&reply)) })
            .and_then(|()| request(shared, &mut client, &["GET", &key]))
            .and_then(|reply| {
                let is_right = match reads {
                    Reads::SeeTheWrite => reply == bulk(&value),
                    Reads::MayBeOld => !is_error(&reply),
                };
                if is_right { Ok(()) } else { Err(format!("GET after SET {value}: {}", text(&reply))) }
            });
        if let Err(text) = outcome {
            let text = format!("{key} at {address}: {text}");
            shared.errors.lock().unwrap().push(Failed { begun_at, ended_at: Instant::now(), text });
            // Not faster than the requests that are answered.
            thread::sleep(Duration::from_millis(1));
        }
        round += 1;
    }
}

fn request(shared: &Shared, client: &mut RawClient, args: &[&str]) -> Result<Vec<u8>, String> {
    let started_at = Instant::now();
    let outcome = client.try_command(args);
    shared.slowest_us.fetch_max(started_at.elapsed().as_micros() as u64, Ordering::Relaxed);
    shared.requests.fetch_add(1, Ordering::Relaxed);
    if outcome.is_err() {
        // Whatever was wrong: this connection is out of step, so the client ends here.
        shared.is_over.store(true, Ordering::Relaxed);
    }
    outcome.map_err(|error| format!("the connection failed: {error}"))
}
