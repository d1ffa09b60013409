//! The directory itself: made, locked, and checked to be this node's.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::background::Background;
use super::generation::{DIRECTORY_MODE, FILE_MODE};
use super::{DiskError, DiskSettings, Identity, LogKind, Logs, identity, run};

/// Locked by the process that uses the directory, whose number is in it.
const LOCK_FILE: &str = "lock";
/// A process that was killed a moment ago still holds its files, and so does, for a moment, one that is being started by a
/// process that has given up the directory.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
const LOCK_PAUSE: Duration = Duration::from_millis(5);
/// What may lie in a directory before it is a data directory: a lock without the rest, and what file systems put there.
const HARMLESS: [&str; 3] = [LOCK_FILE, identity::FILE_NEW, "lost+found"];
/// More than a process number is not read from a lock file.
const PROCESS_LEN_MAX: u64 = 16;

/// A node's directory. It stays locked until this and every log of it are dropped.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: Arc<Root>,
}

/// What a directory's logs share.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) segment_bytes: u64,
    /// Whether each append brings itself to the disk.
    pub(super) syncs_appends: bool,
    pub(super) background: Background,
    begun: Mutex<Vec<LogKind>>,
    #[cfg(test)]
    pub(super) faults: Arc<super::segment::Faults>,
    /// Behind the background: what that has to finish, it finishes under the lock.
    _lock: File,
}

impl DataDir {
    /// Opens the directory of a node, and makes it if it is not there. Starts the thread that syncs its logs.
    ///
    /// # Errors
    /// When it is another node's or another process uses it, when it holds something else, or when the system refuses.
    pub fn open(settings: DiskSettings) -> Result<Self, DiskError> {
        let DiskSettings { path, identity, segment_bytes, sync_interval } = settings;
        let create = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(&path);
        create.map_err(DiskError::io("make the directory", &path))?;
        refuse_foreign(&path)?;
        let lock = lock(&path)?;
        let begun = match identity::read(&path.join(identity::FILE))? {
            None => {
                identity::write(&path, &identity, &[])?;
                Vec::new()
            }
            Some((theirs, begun)) if theirs == identity => begun,
            Some((theirs, _)) => {
                return Err(DiskError::OtherNode {
                    path,
                    theirs: Box::new(theirs),
                    ours: Box::new(identity),
                });
            }
        };
        let background =
            Background::start(sync_interval).map_err(DiskError::io("start the thread for", &path))?;
        let root = Root {
            path,
            identity,
            segment_bytes,
            syncs_appends: sync_interval.is_zero(),
            background,
            begun: Mutex::new(begun),
            #[cfg(test)]
            faults: Arc::default(),
            _lock: lock,
        };
        Ok(Self { root: Arc::new(root) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.root.path
    }

    /// What earlier runs left of one kind of log, for a node of `worker_count` workers. At most once per kind.
    ///
    /// # Errors
    /// When the system does not let it be listed. What is in the files is looked at by [`Logs::read`].
    pub fn logs(&self, kind: LogKind, worker_count: u16) -> Result<Logs, DiskError> {
        Logs::list(Arc::clone(&self.root), kind, worker_count)
    }

    /// Begins a run of the node: gives its number, which is at least `at_least` and greater than that of each earlier run.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn begin_run(&self, at_least: u64) -> Result<u64, DiskError> {
        run::begin(&self.root.path, at_least)
    }

    /// Brings everything that was appended so far to the disk, deletes what was to be deleted, and returns then.
    pub fn sync(&self) {
        self.root.background.settle();
    }

    /// Logs that could not be brought to the disk, counted once for each try.
    pub fn sync_failures(&self) -> u64 {
        self.root.background.failures()
    }

    #[cfg(test)]
    pub(super) fn faults(&self) -> &super::segment::Faults {
        &self.root.faults
    }
}

impl Root {
    /// Where the logs of a kind are.
    pub(super) fn kind_directory(&self, kind: LogKind) -> PathBuf {
        self.path.join(kind.name())
    }

    /// Whether a log of this kind was ever begun.
    pub(super) fn is_begun(&self, kind: LogKind) -> bool {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).contains(&kind)
    }

    /// Notes for good that there are logs of this kind.
    pub(super) fn note_begun(&self, kind: LogKind) -> Result<(), DiskError> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.contains(&kind) {
            return Ok(());
        }
        let with_it: Vec<LogKind> = begun.iter().copied().chain([kind]).collect();
        identity::write(&self.path, &self.identity, &with_it)?;
        *begun = with_it;
        Ok(())
    }
}

/// Refuses a directory that holds something but is no data directory, before anything is put there.
fn refuse_foreign(path: &Path) -> Result<(), DiskError> {
    let list_error = || DiskError::io("list", path);
    if path.join(identity::FILE).try_exists().map_err(list_error())? {
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(list_error())? {
        let found = entry.map_err(list_error())?.file_name().to_string_lossy().into_owned();
        if !HARMLESS.contains(&found.as_str()) {
            return Err(DiskError::NoIdentity { path: path.to_owned(), found });
        }
    }
    Ok(())
}

/// Takes the directory's lock, which ends with the process or with the file.
fn lock(directory: &Path) -> Result<File, DiskError> {
    let path = directory.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
    let mut file = options.open(&path).map_err(DiskError::io("open", &path))?;
    let begun_at = Instant::now();
    while let Err(error) = file.try_lock() {
        match error {
            TryLockError::WouldBlock if begun_at.elapsed() < LOCK_PATIENCE => std::thread::sleep(LOCK_PAUSE),
            TryLockError::WouldBlock => {
                return Err(DiskError::InUse { path: directory.to_owned(), process: process_in(&file) });
            }
            TryLockError::Error(error) => return Err(DiskError::io("lock", &path)(error)),
        }
    }
    let note = |file: &mut File| {
        file.set_len(0)?;
        file.write_all(format!("{}\n", std::process::id()).as_bytes())
    };
    // The number helps people; the lock is held without it, too, as on a disk that is full.
    let _: io::Result<()> = note(&mut file);
    Ok(file)
}

fn process_in(file: &File) -> Option<String> {
    let mut text = String::new();
    file.take(PROCESS_LEN_MAX).read_to_string(&mut text).ok()?;
    let number = text.trim();
    number
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| number.to_owned())
        .filter(|text| !text.is_empty())
}
