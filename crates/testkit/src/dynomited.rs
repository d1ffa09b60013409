//! A node of one's own, as the real `dynomited` process.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use crate::RawClient;
use crate::process::{Process, Recipe, START_DEADLINE, short_directory};

const DATA_DIR: &str = "data";

/// A running `dynomited`. Killed when dropped; in a test that fails the end of its log is printed.
#[derive(Debug)]
pub struct Dynomited {
    process: Process,
    client_address: SocketAddr,
}

impl Dynomited {
    /// Starts the server `binary` (`env!("CARGO_BIN_EXE_dynomited")`) with the text `config` as its configuration file,
    /// and waits until `client_address`, which must be the address that the configuration names, answers `PING`.
    ///
    /// # Panics
    /// When the server ends or does not answer; the text holds the end of its log.
    #[track_caller]
    pub fn start(binary: impl AsRef<Path>, config: &str, client_address: SocketAddr) -> Self {
        Self::builder(binary, config, client_address).start()
    }

    /// For a server with further arguments, or that shall not be waited for.
    pub fn builder(binary: impl AsRef<Path>, config: &str, client_address: SocketAddr) -> DynomitedBuilder {
        DynomitedBuilder {
            binary: binary.as_ref().to_owned(),
            config: config.to_owned(),
            client_address,
            args: Vec::new(),
            env: Vec::new(),
            keeps_data: false,
        }
    }

    /// Where its clients connect.
    pub fn client_address(&self) -> SocketAddr {
        self.client_address
    }

    /// A new client connection to it.
    ///
    /// # Panics
    /// When it does not accept the connection.
    #[track_caller]
    pub fn client(&self) -> RawClient {
        RawClient::connect(self.client_address)
    }

    /// Waits until it answers `PING` on its client address. Several nodes start faster when all are spawned before the
    /// first is waited for.
    ///
    /// # Panics
    /// When it ends or does not answer in time; the text holds the end of its log.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        let address = self.client_address;
        let ready = || {
            let pong = RawClient::try_connect(address).and_then(|mut client| client.try_command(&["PING"]));
            pong.is_ok_and(|pong| pong == b"+PONG\r\n")
        };
        if let Err(error) = self.process.wait_until(START_DEADLINE, ready) {
            panic!("{error:#}");
        }
    }

    /// Its process number, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.id()
    }

    /// What it has written to standard output and error since it was first started.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Where it runs; `dynomited.toml` and `log` are in it.
    pub fn directory(&self) -> &Path {
        self.process.directory()
    }

    /// Its `data_dir`, if it was given one by [`DynomitedBuilder::data_dir`].
    pub fn data_dir(&self) -> PathBuf {
        self.directory().join(DATA_DIR)
    }

    /// SIGTERM, then waits for its end.
    ///
    /// # Panics
    /// When it is not running, or still runs after `deadline`.
    #[track_caller]
    pub fn terminate(&mut self, deadline: Duration) -> ExitStatus {
        self.process
            .terminate(deadline)
            .unwrap_or_else(|| panic!("dynomited still runs {deadline:?} after SIGTERM"))
    }

    /// Waits for its end without asking for it, as for a configuration that it must refuse.
    ///
    /// # Panics
    /// When it still runs after `deadline`.
    #[track_caller]
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        self.process.wait(deadline).unwrap_or_else(|| panic!("dynomited still runs after {deadline:?}"))
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// SIGSTOP: it keeps its connections and answers nothing, until [`Dynomited::thaw`].
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

    /// Kills it if it runs, and starts it again with the same configuration and directory.
    ///
    /// # Panics
    /// As [`Dynomited::start`].
    #[track_caller]
    pub fn restart(&mut self) {
        if let Err(error) = self.process.spawn() {
            panic!("{error:#}");
        }
        self.wait_ready();
    }
}

/// Settings of a node that is about to start.
#[derive(Debug, Clone)]
pub struct DynomitedBuilder {
    binary: PathBuf,
    config: String,
    client_address: SocketAddr,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    keeps_data: bool,
}

impl DynomitedBuilder {
    /// One more argument of the command line, after `--config FILE`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// One more environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Gives it a `data_dir`, `data` in the directory where it runs.
    #[must_use]
    pub fn data_dir(mut self) -> Self {
        self.keeps_data = true;
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    /// As [`Dynomited::start`].
    #[track_caller]
    pub fn start(self) -> Dynomited {
        let mut node = self.spawn();
        node.wait_ready();
        node
    }

    /// Starts the server and does not wait for anything.
    ///
    /// # Panics
    /// When the binary does not exist or cannot be run.
    #[track_caller]
    pub fn spawn(self) -> Dynomited {
        let directory = short_directory("dynomited-");
        let file = directory.path().join("dynomited.toml");
        fs::write(&file, &self.config)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
        let mut args = vec!["--config".into(), file.into_os_string()];
        if self.keeps_data {
            let path = directory.path().join(DATA_DIR);
            args.extend(["--set".into(), format!("data_dir={}", path.display()).into()]);
        }
        args.extend(self.args);
        let recipe = Recipe {
            name: "dynomited",
            program: self.binary,
            args,
            env: self.env,
            when_missing: "`cargo build -p dynomited` builds it",
        };
        let mut process = Process::new(recipe, directory);
        if let Err(error) = process.spawn() {
            panic!("{error:#}");
        }
        Dynomited { process, client_address: self.client_address }
    }
}
