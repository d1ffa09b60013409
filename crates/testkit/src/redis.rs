//! A `redis-server` of one's own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::process::{Process, Recipe, START_DEADLINE, short_directory};
use crate::{PortLease, RawClient};

/// A running `redis-server` without persistence, on a loopback port and a unix socket. Killed when dropped.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: PortLease,
    password: Option<String>,
}

impl Redis {
    /// Starts an empty server and waits until it answers.
    ///
    /// # Panics
    /// When `redis-server` is not installed or does not answer; the text says what to do.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// For a server with other than the ordinary settings.
    pub fn builder() -> RedisBuilder {
        RedisBuilder { password: None, args: Vec::new(), program: PathBuf::from("redis-server") }
    }

    /// Its TCP address.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Its unix socket.
    pub fn socket_path(&self) -> PathBuf {
        self.process.directory().join(SOCKET)
    }

    /// `redis://[:password@]127.0.0.1:port`
    pub fn url(&self) -> String {
        match &self.password {
            Some(password) => format!("redis://:{password}@{}", self.address()),
            None => format!("redis://{}", self.address()),
        }
    }

    /// `redis+unix:///path`
    pub fn unix_url(&self) -> String {
        format!("redis+unix://{}", self.socket_path().display())
    }

    /// A new connection to it, authenticated when the server has a password.
    ///
    /// # Panics
    /// When it does not accept the connection.
    #[track_caller]
    pub fn client(&self) -> RawClient {
        let mut client = RawClient::connect_unix(self.socket_path());
        if let Some(password) = &self.password {
            assert_eq!(client.command(&["AUTH", password]), b"+OK\r\n", "the server's own password");
        }
        client
    }

    /// Its process number, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.id()
    }

    /// SIGKILL: its connections break and its data is gone.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// SIGSTOP: it keeps its connections and answers nothing, until [`Redis::thaw`].
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

    /// Kills it if it runs, and starts an empty one at the same addresses with another `run_id`.
    ///
    /// # Panics
    /// When it does not answer.
    #[track_caller]
    pub fn restart(&mut self) {
        if let Err(error) = self.try_restart() {
            panic!("{error:#}");
        }
    }

    /// What it has logged since it was first started.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Where it runs.
    pub fn directory(&self) -> &Path {
        self.process.directory()
    }

    fn try_restart(&mut self) -> anyhow::Result<()> {
        self.process.spawn()?;
        let socket = self.socket_path();
        let address = self.address();
        self.process.wait_until(START_DEADLINE, || {
            answers(RawClient::try_connect_unix(&socket)) && answers(RawClient::try_connect(address))
        })
    }
}

/// Settings of a server that is about to start.
#[derive(Debug, Clone)]
pub struct RedisBuilder {
    password: Option<String>,
    args: Vec<OsString>,
    program: PathBuf,
}

impl RedisBuilder {
    /// Clients must authenticate with this password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// One more argument of the command line: `.arg("--databases").arg("1")`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Another server that takes Redis's arguments, such as `valkey-server`.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    /// As [`Redis::start`].
    #[track_caller]
    pub fn start(self) -> Redis {
        let directory = short_directory("dynomite-redis-");
        let port = PortLease::take();
        let mut args: Vec<OsString> = Vec::new();
        let mut set = |name: &str, value: &str| args.extend([format!("--{name}").into(), value.into()]);
        set("port", &port.port().to_string());
        set("bind", "127.0.0.1");
        set("unixsocket", &directory.path().join(SOCKET).to_string_lossy());
        set("dir", &directory.path().to_string_lossy());
        set("save", "");
        set("appendonly", "no");
        set("daemonize", "no");
        if let Some(password) = &self.password {
            set("requirepass", password);
        }
        args.extend(self.args);
        let recipe = Recipe {
            name: "redis-server",
            program: self.program,
            args,
            env: Vec::new(),
            when_missing: "`cargo xtask test` installs it; or apt-get install redis-server",
        };
        let mut redis = Redis { process: Process::new(recipe, directory), port, password: self.password };
        redis.restart();
        redis
    }
}

const SOCKET: &str = "redis.sock";

fn answers(client: std::io::Result<RawClient>) -> bool {
    // A server with a password answers -NOAUTH: it is up. One that loads its data answers -LOADING: it is not.
    let pong = client.and_then(|mut client| client.try_command(&["PING"]));
    pong.is_ok_and(|pong| pong.starts_with(b"+PONG") || pong.starts_with(b"-NOAUTH"))
}
