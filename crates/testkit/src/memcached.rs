//! A `memcached` of one's own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::process::{Process, Recipe, START_DEADLINE, short_directory};
use crate::{PortLease, RawClient};

/// A running `memcached` on a loopback port. Killed when dropped.
#[derive(Debug)]
pub struct Memcached {
    process: Process,
    port: PortLease,
}

impl Memcached {
    /// Starts an empty server and waits until it answers.
    ///
    /// # Panics
    /// When `memcached` is not installed or does not answer; the text says what to do.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`Memcached::start`], with further arguments of the command line.
    ///
    /// # Panics
    /// As [`Memcached::start`].
    #[track_caller]
    pub fn start_with(extra_args: &[&str]) -> Self {
        let port = PortLease::take();
        let mut args: Vec<OsString> =
            ["-l", "127.0.0.1", "-U", "0", "-t", "2", "-p"].map(OsString::from).to_vec();
        args.push(port.port().to_string().into());
        if rustix::process::getuid().is_root() {
            // It refuses to run as root unless told so.
            args.extend(["-u".into(), "root".into()]);
        }
        args.extend(extra_args.iter().map(OsString::from));
        let recipe = Recipe {
            name: "memcached",
            program: PathBuf::from("memcached"),
            args,
            env: Vec::new(),
            when_missing: "`cargo xtask test` installs it; or apt-get install memcached",
        };
        let process = Process::new(recipe, short_directory("dynomite-memcached-"));
        let mut memcached = Self { process, port };
        memcached.restart();
        memcached
    }

    /// Its TCP address.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// A new connection to it; use [`RawClient::send`] and [`RawClient::read_line`].
    ///
    /// # Panics
    /// When it does not accept the connection.
    #[track_caller]
    pub fn client(&self) -> RawClient {
        RawClient::connect(self.address())
    }

    /// Its process number, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.id()
    }

    /// SIGKILL: its connections break and its data is gone.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// SIGSTOP: it keeps its connections and answers nothing, until [`Memcached::thaw`].
    ///
    /// # Panics
    /// When it is not running.
    #[track_caller]
    pub fn freeze(&mut self) {
        self.process.freeze();
    }

    /// SIGCONT.
    ///
    /// # Panics
    /// When it is not running.
    #[track_caller]
    pub fn thaw(&mut self) {
        self.process.thaw();
    }

    /// Kills it if it runs, and starts an empty one at the same address.
    ///
    /// # Panics
    /// When it does not answer.
    #[track_caller]
    pub fn restart(&mut self) {
        let address = self.address();
        let up = || {
            let version = RawClient::try_connect(address)
                .and_then(|mut client| client.try_send(b"version\r\n").and_then(|()| client.try_read_line()));
            version.is_ok_and(|line| line.starts_with(b"VERSION"))
        };
        if let Err(error) = self.process.spawn().and_then(|()| self.process.wait_until(START_DEADLINE, up)) {
            panic!("{error:#}");
        }
    }
}
