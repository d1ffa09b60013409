//! Loopback ports that no other test process takes at the same time.
//!
//! Binding port 0 and closing it again hands the same port to two processes sooner or later. Here a port belongs to who
//! holds the lock on its file; the kernel drops the lock when the process ends. The range lies below the ephemeral
//! ports, so that no outgoing connection sits on one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// A loopback TCP port that is this process's own until the lease is dropped.
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    _lock: File,
}

impl PortLease {
    /// Leases a port on which nobody listens.
    ///
    /// # Panics
    /// When the lock directory cannot be written, or every port of the range is taken.
    pub fn take() -> Self {
        let directory = lock_directory();
        fs::create_dir_all(&directory)
            .unwrap_or_else(|error| panic!("cannot create {}: {error}", directory.display()));
        // Processes begin at different places, so that they rarely meet; the locks decide when they do.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let origin = std::process::id().wrapping_mul(2_654_435_761) >> 8;
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let port = (FIRST + origin.wrapping_add(step) % COUNT) as u16;
            match try_lease(&directory, port) {
                Ok(Some(lease)) => return lease,
                Ok(None) => {}
                Err(error) => panic!("cannot lock port {port} in {}: {error}", directory.display()),
            }
        }
        panic!("no free port between {FIRST} and {}", FIRST + COUNT)
    }

    /// The port's number.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1` with this port.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }
}

fn try_lease(directory: &Path, port: u16) -> io::Result<Option<PortLease>> {
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join(format!("{port}.lock")))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(None),
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    // Somebody who knows nothing of the locks may listen there.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    Ok(free.then_some(PortLease { port, _lock: lock }))
}

/// One directory per user: another user's lock files could not be opened.
fn lock_directory() -> PathBuf {
    std::env::temp_dir().join(format!("dynomite-test-ports-{}", rustix::process::getuid().as_raw()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn leased_ports_differ_and_can_be_bound() {
        let leases: Vec<PortLease> = (0..50).map(|_| PortLease::take()).collect();
        let ports: HashSet<u16> = leases.iter().map(PortLease::port).collect();
        assert_eq!(ports.len(), 50);
        for lease in &leases {
            TcpListener::bind(lease.address()).unwrap();
        }
    }

    #[test]
    fn leased_port_is_refused_to_others_until_dropped() {
        let directory = lock_directory();
        let lease = PortLease::take();
        let port = lease.port();
        assert!(try_lease(&directory, port).unwrap().is_none());
        drop(lease);
        assert!(try_lease(&directory, port).unwrap().is_some());
    }

    #[test]
    fn port_with_a_foreign_listener_is_passed_over() {
        let lease = PortLease::take();
        let port = lease.port();
        let _listener = TcpListener::bind(lease.address()).unwrap();
        drop(lease);
        assert!(try_lease(&lock_directory(), port).unwrap().is_none());
    }
}
