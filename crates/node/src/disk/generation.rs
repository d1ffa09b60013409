//! Generations: the logs that were written by a node with one number of workers.
//!
//! Each is a directory `<number>-for-<workers>-workers` with the segments of all its workers. It is made under another
//! name and then renamed, so it never lacks a worker's log; and renamed again before it is deleted.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::header::{Header, LogId};
use super::{DiskError, LogKind};

/// Directories and files are the node's alone: keys of clients are in them.
pub(super) const DIRECTORY_MODE: u32 = 0o700;
pub(super) const FILE_MODE: u32 = 0o600;
const SUFFIX_NEW: &str = "new";
const SUFFIX_GONE: &str = "gone";
const SEGMENT_SUFFIX: &str = ".log";
/// So that a listing by name is one by number.
const WORKER_DIGITS: usize = 3;
const SEQUENCE_DIGITS: usize = 8;
/// Number of a log's first segment.
pub(super) const FIRST_SEQUENCE: u64 = 1;

/// One generation on the disk.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) number: u32,
    pub(super) worker_count: u16,
    pub(super) directory: PathBuf,
}

/// A segment on the disk.
#[derive(Debug, Clone)]
pub(super) struct StoredSegment {
    pub(super) sequence: u64,
    pub(super) path: PathBuf,
}

/// The generations in the directory of a kind, oldest first; none when there is no such directory. What was being made
/// or deleted when a run ended is removed.
pub(super) fn list(kind_directory: &Path) -> Result<Vec<Generation>, DiskError> {
    let list_error = || DiskError::io("list", kind_directory);
    let entries = match fs::read_dir(kind_directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(list_error()(error)),
    };
    let mut generations = Vec::new();
    for entry in entries {
        let path = entry.map_err(list_error())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (stem, suffix) = name.split_once('.').unwrap_or((&name, ""));
        match (parse_name(stem), suffix) {
            (Some((number, worker_count)), "") => {
                generations.push(Generation { number, worker_count, directory: path });
            }
            (Some(_), SUFFIX_NEW | SUFFIX_GONE) => {
                fs::remove_dir_all(&path).map_err(DiskError::io("remove", &path))?;
            }
            _ => tracing::warn!(path = %path.display(), "does not belong here; it is not looked at"),
        }
    }
    generations.sort_by_key(|generation| (generation.number, generation.worker_count));
    Ok(generations)
}

impl Generation {
    /// The segments of all its workers, each worker's in their order.
    pub(super) fn segments(&self, kind: LogKind) -> Result<Vec<Vec<StoredSegment>>, DiskError> {
        let list_error = || DiskError::io("list", &self.directory);
        let mut workers = vec![Vec::new(); usize::from(self.worker_count)];
        for entry in fs::read_dir(&self.directory).map_err(list_error())? {
            let path = entry.map_err(list_error())?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let segments = parse_segment_name(kind, &name)
                .and_then(|(worker, sequence)| Some((workers.get_mut(usize::from(worker))?, sequence)));
            match segments {
                Some((segments, sequence)) => segments.push(StoredSegment { sequence, path }),
                None => tracing::warn!(path = %path.display(), "does not belong here; it is not looked at"),
            }
        }
        for segments in &mut workers {
            segments.sort_by_key(|segment| segment.sequence);
        }
        Ok(workers)
    }
}

/// Makes a generation with an empty log for each worker; gives its directory. A crash leaves all of it or nothing.
pub(super) fn create(kind_directory: &Path, first: LogId) -> Result<PathBuf, DiskError> {
    let name = directory_name(first.generation, first.worker_count);
    let directory = kind_directory.join(&name);
    let new = kind_directory.join(format!("{name}.{SUFFIX_NEW}"));
    let make = || {
        make_directory(kind_directory)?;
        make_directory(&new)?;
        for worker in 0..first.worker_count {
            let log = LogId { worker, ..first };
            let header = Header { log, sequence: FIRST_SEQUENCE, first_frame: 0, previous_frame: 0 };
            let mut file = create_file(&new.join(segment_name(&log, FIRST_SEQUENCE)))?;
            file.write_all(&header.encode())?;
            file.sync_all()?;
        }
        sync_directory(&new)?;
        fs::rename(&new, &directory)?;
        sync_directory(kind_directory)?;
        kind_directory.parent().map_or(Ok(()), sync_directory)
    };
    make().map_err(DiskError::io("make the logs in", &directory))?;
    Ok(directory)
}

/// Takes the name of a generation's directory away, so that it is none any more; gives what is left to be deleted.
pub(super) fn discard(directory: &Path) -> io::Result<Option<PathBuf>> {
    let gone = directory.with_extension(SUFFIX_GONE);
    match fs::rename(directory, &gone) {
        Ok(()) => Ok(Some(gone)),
        // An earlier try got that far.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(gone.exists().then_some(gone)),
        Err(error) => Err(error),
    }
}

/// `records-002-00000017.log`
pub(super) fn segment_name(log: &LogId, sequence: u64) -> String {
    let LogId { kind, worker, .. } = log;
    format!("{kind}-{worker:0WORKER_DIGITS$}-{sequence:0SEQUENCE_DIGITS$}{SEGMENT_SUFFIX}")
}

/// Makes an empty file for writing; one that is there is emptied.
pub(super) fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).write(true).truncate(true).mode(FILE_MODE).open(path)
}

/// Puts `content` in place of what a file holds, for good when it returns: a crash leaves the old file or the new one. Until it is
/// renamed, the new one has [`SUFFIX_NEW`] behind its name.
pub(super) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".");
    new.push(SUFFIX_NEW);
    let mut file = create_file(Path::new(&new))?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Brings to the disk which files a directory has.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path)
}

fn directory_name(generation: u32, worker_count: u16) -> String {
    format!("{generation}-for-{worker_count}-workers")
}

fn parse_name(name: &str) -> Option<(u32, u16)> {
    let (number, rest) = name.split_once("-for-")?;
    let parsed = (number.parse().ok()?, rest.strip_suffix("-workers")?.parse().ok()?);
    // Only as we write them: no zeros in front, no signs.
    (directory_name(parsed.0, parsed.1) == name).then_some(parsed)
}

fn parse_segment_name(kind: LogKind, name: &str) -> Option<(u16, u64)> {
    let rest = name.strip_prefix(kind.name())?.strip_prefix('-')?.strip_suffix(SEGMENT_SUFFIX)?;
    let (worker, sequence) = rest.split_once('-')?;
    Some((worker.parse().ok()?, sequence.parse().ok()?))
}
