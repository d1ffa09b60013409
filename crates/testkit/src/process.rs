//! One child process with its directory and log: started, watched, stopped, and never left behind.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tempfile::TempDir;

use crate::guardian;

/// How long a server may take from its start to its first answer. Machines that run many tests at once are slow.
pub(crate) const START_DEADLINE: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(2);
const LOG_TAIL_LINES: usize = 40;

/// What to start, so that it can be started again.
#[derive(Debug)]
pub(crate) struct Recipe {
    /// For messages: `redis-server`.
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    /// Said when the program does not exist.
    pub(crate) when_missing: &'static str,
}

/// A child process. Dropping it kills it; when the thread is panicking, the end of its log is printed first.
#[derive(Debug)]
pub(crate) struct Process {
    recipe: Recipe,
    child: Option<Child>,
    stopped: bool,
    directory: TempDir,
}

impl Process {
    /// A process that is not started yet, and whose files live in `directory`.
    pub(crate) fn new(recipe: Recipe, directory: TempDir) -> Self {
        Self { recipe, child: None, stopped: false, directory }
    }

    /// Starts the program; its output is appended to the log.
    pub(crate) fn spawn(&mut self) -> anyhow::Result<()> {
        self.kill();
        let log = OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let child = Command::new(&self.recipe.program)
            .args(&self.recipe.args)
            .envs(self.recipe.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("{} not found: {}", self.recipe.program.display(), self.recipe.when_missing)
            }
            Err(error) => {
                return Err(error).context(format!("cannot start {}", self.recipe.program.display()));
            }
        };
        let registered = guardian::register(child.id());
        self.child = Some(child);
        registered.context("cannot start the guardian shell")
    }

    /// Waits until `ready` says so. Fails when the process ends first or `deadline` passes.
    pub(crate) fn wait_until(
        &mut self,
        deadline: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> anyhow::Result<()> {
        let started_at = Instant::now();
        loop {
            // Asked first: another process may answer at the address of one that is gone.
            if let Some(status) = self.try_wait()? {
                bail!("{} ended at its start ({status}); its log:\n{}", self.recipe.name, self.log_tail());
            }
            if ready() {
                return Ok(());
            }
            if started_at.elapsed() >= deadline {
                bail!(
                    "{} does not answer after {deadline:?}; its log:\n{}",
                    self.recipe.name,
                    self.log_tail()
                );
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// The process's number, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Sends SIGKILL and waits for the end. Does nothing when it is not running.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        self.stopped = false;
        let id = child.id();
        // Fails only when it has ended by itself.
        let _ = child.kill();
        let _ = child.wait();
        guardian::unregister(id);
    }

    /// Sends SIGSTOP and waits until every thread stands still.
    #[track_caller]
    pub(crate) fn freeze(&mut self) {
        let pid = self.pid();
        rustix::process::kill_process(pid, Signal::STOP).expect("our own child can be signalled");
        self.stopped = true;
        let started_at = Instant::now();
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while !matches!(rustix::process::waitid(WaitId::Pid(pid), options), Ok(Some(_))) {
            assert!(started_at.elapsed() < Duration::from_secs(5), "{} does not stop", self.recipe.name);
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Sends SIGCONT.
    #[track_caller]
    pub(crate) fn thaw(&mut self) {
        rustix::process::kill_process(self.pid(), Signal::CONT).expect("our own child can be signalled");
        self.stopped = false;
    }

    /// Sends SIGTERM and waits for the end. `None` when it still runs after `deadline`.
    #[track_caller]
    pub(crate) fn terminate(&mut self, deadline: Duration) -> Option<ExitStatus> {
        if self.stopped {
            self.thaw();
        }
        rustix::process::kill_process(self.pid(), Signal::TERM).expect("our own child can be signalled");
        self.wait(deadline)
    }

    /// Waits for the process to end by itself. `None` when it still runs after `deadline`.
    pub(crate) fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        let started_at = Instant::now();
        loop {
            if let Ok(Some(status)) = self.try_wait() {
                return Some(status);
            }
            if started_at.elapsed() >= deadline {
                return None;
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Everything the process has written, over all its starts.
    pub(crate) fn log(&self) -> String {
        fs::read(self.log_path()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Where the process runs and its files are.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn try_wait(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let child = self.child.as_mut().context("not running")?;
        let id = child.id();
        let status = child.try_wait()?;
        if status.is_some() {
            guardian::unregister(id);
            self.child = None;
        }
        Ok(status)
    }

    #[track_caller]
    fn pid(&self) -> Pid {
        let child = self.child.as_ref().unwrap_or_else(|| panic!("{} is not running", self.recipe.name));
        Pid::from_child(child)
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- end of {}'s log ---\n{}\n---", self.recipe.name, self.log_tail());
        }
        self.kill();
    }
}

/// A new directory whose path is short enough for unix sockets in it (their limit is about 100 bytes).
pub(crate) fn short_directory(prefix: &str) -> TempDir {
    let standard = std::env::temp_dir();
    let parent = if standard.as_os_str().len() > 60 { PathBuf::from("/tmp") } else { standard };
    tempfile::Builder::new()
        .prefix(prefix)
        .tempdir_in(&parent)
        .unwrap_or_else(|error| panic!("cannot create a directory in {}: {error}", parent.display()))
}
