//! A `nutcracker` (twemproxy) of one's own: the proxy that others measure themselves by.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::process::{Process, Recipe, START_DEADLINE, short_directory};
use crate::{PortLease, RawClient};

/// A running `nutcracker` on a loopback port: one pool over one Redis. Killed when dropped.
#[derive(Debug)]
pub struct Nutcracker {
    process: Process,
    port: PortLease,
    _stats_port: PortLease,
}

impl Nutcracker {
    /// Starts the proxy in front of the Redis at `datastore`, and waits until it answers. Debian has the `program` where
    /// not every user looks for programs, so its path may have to be given.
    ///
    /// # Panics
    /// When `nutcracker` is not installed or does not answer; the text says what to do.
    #[track_caller]
    pub fn start(program: impl AsRef<Path>, datastore: SocketAddr) -> Self {
        let (port, stats_port) = (PortLease::take(), PortLease::take());
        let directory = short_directory("dynomite-nutcracker-");
        let config = format!(
            "pool:\n  listen: {}\n  hash: fnv1a_64\n  distribution: ketama\n  redis: true\n  preconnect: true\n  \
             auto_eject_hosts: false\n  servers:\n   - {datastore}:1\n",
            port.address()
        );
        let file = directory.path().join("nutcracker.yml");
        fs::write(&file, config).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
        let mut args: Vec<OsString> = Vec::new();
        let mut set = |name: &str, value: &Path| args.extend([name.into(), value.into()]);
        set("--conf-file", &file);
        // Its own default places belong to a service of the machine.
        set("--output", &directory.path().join("nutcracker.log"));
        set("--pid-file", &directory.path().join("nutcracker.pid"));
        set("--stats-addr", Path::new("127.0.0.1"));
        set("--stats-port", Path::new(&stats_port.port().to_string()));
        let recipe = Recipe {
            name: "nutcracker",
            program: program.as_ref().to_owned(),
            args,
            env: Vec::new(),
            when_missing: "`cargo xtask bench` installs it; or apt-get install nutcracker",
        };
        let mut nutcracker = Self { process: Process::new(recipe, directory), port, _stats_port: stats_port };
        let address = nutcracker.address();
        let up = || {
            let pong = RawClient::try_connect(address).and_then(|mut client| client.try_command(&["PING"]));
            pong.is_ok_and(|pong| pong == b"+PONG\r\n")
        };
        let process = &mut nutcracker.process;
        if let Err(error) = process.spawn().and_then(|()| process.wait_until(START_DEADLINE, up)) {
            panic!("{error:#}");
        }
        nutcracker
    }

    /// Where its clients connect.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// A new client connection to it.
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

    /// SIGKILL: its connections break.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}
