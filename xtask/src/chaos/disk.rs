//! Data directories that can be full: a small file system of the node's own where we may mount one, else a limit on what
//! the node's process may write.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tempfile::TempDir;

use crate::cargo::is_successful;

/// Room for everything that a node has to keep in a run.
const FILE_SYSTEM_BYTES: u64 = 512 << 20;
/// Takes all the room that is left.
const FILLER: &str = "filler";
const FILLER_CHUNK_BYTES: usize = 64 * 1024;
/// Unmounts when the other end of its input is gone, however that went.
const UNMOUNT: &str = r#"cat > /dev/null; umount -l "$0"; rm -rf "$0""#;
/// Starts a program that is told of a file that grows too large by an error instead of by a signal.
const WRAPPER: &str = "#!/bin/sh\ntrap '' XFSZ\nexec \"$DYNOMITED\" \"$@\"\n";

/// How data directories are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    FileSystem,
    SizeLimit,
}

/// One node's data directory.
pub(super) struct Disk {
    path: PathBuf,
    /// What is mounted there, if anything is.
    mount: Option<Mount>,
    /// Otherwise the directory, until this is dropped.
    _directory: Option<TempDir>,
}

/// Who unmounts it when this is dropped.
struct Mount(Child);

impl Method {
    /// The better one that this user may use.
    pub(super) fn find() -> Self {
        match Disk::mount() {
            Ok(_) => Self::FileSystem,
            Err(_) => Self::SizeLimit,
        }
    }
}

impl Disk {
    pub(super) fn new(method: Method) -> Result<Self> {
        match method {
            Method::FileSystem => Self::mount(),
            Method::SizeLimit => {
                let directory = directory()?;
                Ok(Self { path: directory.path().to_owned(), mount: None, _directory: Some(directory) })
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// From now on the process cannot write there.
    pub(super) fn fill(&self, process: Option<u32>) -> Result<()> {
        if self.mount.is_none() {
            return limit(process, Some(0));
        }
        let mut filler = File::create(self.path.join(FILLER))?;
        while filler.write_all(&[0; FILLER_CHUNK_BYTES]).is_ok() {}
        // What a whole chunk had no room for.
        while filler.write_all(&[0]).is_ok() {}
        Ok(())
    }

    /// It can again.
    pub(super) fn free(&self, process: Option<u32>) -> Result<()> {
        if self.mount.is_none() {
            return limit(process, getrlimit(Resource::Fsize).current);
        }
        fs::remove_file(self.path.join(FILLER)).context("the filler cannot be removed")
    }

    fn mount() -> Result<Self> {
        // The guard removes it, when nothing is mounted there any more.
        let path = directory()?.keep();
        let size = format!("size={FILE_SYSTEM_BYTES},mode=0700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path);
        if !is_successful(mount) {
            fs::remove_dir(&path)?;
            bail!("no file system can be mounted");
        }
        let guard = Command::new("/bin/sh")
            .args(["-c", UNMOUNT])
            .arg(&path)
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("nobody would unmount it")?;
        Ok(Self { path, mount: Some(Mount(guard)), _directory: None })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It ends in any case; only this process does not see it.
        let _ = self.0.wait();
    }
}

/// A script in this directory that starts `dynomited` so that [`Method::SizeLimit`] works; the program is named by the
/// environment variable `DYNOMITED`.
pub(super) fn wrapper(directory: &Path) -> Result<PathBuf> {
    let path = directory.join("dynomited");
    fs::write(&path, WRAPPER)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
    Ok(path)
}

fn directory() -> Result<TempDir> {
    tempfile::Builder::new().prefix("dynomite-data-").tempdir().context("no directory for data")
}

/// Sets how large the files may get that a process writes.
fn limit(process: Option<u32>, bytes: Option<u64>) -> Result<()> {
    // One that does not run writes nothing, and begins without a limit.
    let Some(process) = process else { return Ok(()) };
    let pid = Pid::from_raw(i32::try_from(process)?).context("no process")?;
    let limit = Rlimit { current: bytes, maximum: getrlimit(Resource::Fsize).maximum };
    prlimit(Some(pid), Resource::Fsize, limit).context("the limit cannot be set")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dynomite_testkit::eventually;

    use super::*;

    /// Writes a new file every few milliseconds and says whether that went well.
    const WRITER: &str = "#!/bin/sh\nwhile n=$((n + 1)); do if echo data > \"$1/$n\"; then echo written; else echo full; fi; sleep 0.01; done\n";

    /// Whatever becomes of the test: nobody writes on.
    struct Killed(Child);

    impl Drop for Killed {
        fn drop(&mut self) {
            self.0.kill().expect("it runs");
            self.0.wait().expect("it ends");
        }
    }

    fn full_disk_refuses_writes_until_freed(method: Method) {
        let disk = Disk::new(method).expect("a disk");
        let scripts = tempfile::tempdir().expect("a directory");
        let program = scripts.path().join("writer");
        fs::write(&program, WRITER).expect("a file");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("our own file");
        let log = scripts.path().join("log");
        // Through a pipe: a file would be limited as well.
        let writer = Command::new(wrapper(scripts.path()).expect("a script"))
            .arg(disk.path())
            .env("DYNOMITED", &program)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut writer = Killed(writer);
        let mut output = writer.0.stdout.take().expect("it is piped");
        let copy = log.clone();
        let reader = std::thread::spawn(move || {
            let mut file = File::create(copy).expect("a file");
            std::io::copy(&mut output, &mut file)
        });
        let last_says = |word: &str| {
            let text = fs::read_to_string(&log).unwrap_or_default();
            text.lines().next_back() == Some(word)
        };
        let soon = Duration::from_secs(10);
        eventually(soon, "a written file", || last_says("written"));
        disk.fill(Some(writer.0.id())).expect("it can be filled");
        eventually(soon, "a file that was not written", || last_says("full"));
        disk.free(Some(writer.0.id())).expect("it can be freed");
        eventually(soon, "a written file again", || last_says("written"));
        drop(writer);
        reader.join().expect("no panic").expect("readable");
        let path = disk.path().to_owned();
        drop(disk);
        assert!(!path.exists(), "nothing is left behind");
    }

    #[test]
    fn full_disk_refuses_writes_until_freed_by_the_best_method() {
        full_disk_refuses_writes_until_freed(Method::find());
    }

    #[test]
    fn full_disk_refuses_writes_until_freed_by_a_limit() {
        full_disk_refuses_writes_until_freed(Method::SizeLimit);
    }
}
