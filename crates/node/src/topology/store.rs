//! What a node keeps of the cluster's decisions: its vote, and the last epochs, one file for each.
//!
//! A file is written under another name, brought to the disk and renamed, so a crash leaves the old one or the new one. Its
//! first line is the checksum of the rest.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use dynomite_gossip::agreement::Stored;

/// The directory in `data_dir`.
const DIRECTORY: &str = "topology";
const VOTE: &str = "vote";
const EPOCH_PREFIX: &str = "epoch-";
const NEW_SUFFIX: &str = ".new";
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Where the decisions are kept; nowhere, without a data directory.
#[derive(Debug)]
pub(crate) struct Store {
    directory: Option<PathBuf>,
}

/// Why what was kept cannot be read, or something cannot be kept. The operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum TopologyStoreError {
    /// The system refuses something: rights, room, or a failing disk.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not as it was written.
    #[error(
        "{} is damaged; restore it, or, if the other nodes run, let this node be replaced by one with an empty data_dir \
         and another name",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

impl Store {
    /// Opens what is in `data_dir`, with what was kept there.
    ///
    /// # Errors
    /// Any [`TopologyStoreError`].
    pub(crate) fn open(data_dir: Option<&Path>) -> Result<(Self, Stored), TopologyStoreError> {
        let Some(data_dir) = data_dir else { return Ok((Self { directory: None }, Stored::default())) };
        let directory = data_dir.join(DIRECTORY);
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(&directory)
            .map_err(error("make the directory", &directory))?;
        let mut stored = Stored::default();
        for entry in fs::read_dir(&directory).map_err(error("list", &directory))? {
            let path = entry.map_err(error("list", &directory))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name == VOTE {
                stored.vote = Some(read(&path)?);
            } else if let Some(epoch) = epoch_of(&name) {
                stored.decided.push((epoch, read(&path)?));
            }
        }
        Ok((Self { directory: Some(directory) }, stored))
    }

    /// Whether what is kept outlives the process.
    pub(crate) fn is_durable(&self) -> bool {
        self.directory.is_some()
    }

    /// Keeps the vote, in place of the one before.
    ///
    /// # Errors
    /// When it is not on the disk.
    pub(crate) fn keep_vote(&self, vote: &[u8]) -> Result<(), TopologyStoreError> {
        self.keep(VOTE, vote)
    }

    /// Keeps a decided epoch, and forgets those below `oldest`.
    ///
    /// # Errors
    /// When it is not on the disk.
    pub(crate) fn keep_decided(
        &self,
        epoch: u64,
        value: &[u8],
        oldest: u64,
    ) -> Result<(), TopologyStoreError> {
        self.keep(&format!("{EPOCH_PREFIX}{epoch:020}"), value)?;
        let Some(directory) = &self.directory else { return Ok(()) };
        for entry in fs::read_dir(directory).map_err(error("list", directory))? {
            let path = entry.map_err(error("list", directory))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if epoch_of(&name).is_some_and(|epoch| epoch < oldest) {
                fs::remove_file(&path).map_err(error("remove", &path))?;
            }
        }
        Ok(())
    }

    fn keep(&self, name: &str, content: &[u8]) -> Result<(), TopologyStoreError> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let (path, new) = (directory.join(name), directory.join(format!("{name}{NEW_SUFFIX}")));
        let write = || {
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(FILE_MODE).open(&new)?;
            file.write_all(format!("{:08x}\n", crc32fast::hash(content)).as_bytes())?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(directory)?.sync_all()
        };
        write().map_err(error("write", &path))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TopologyStoreError> {
    let whole = fs::read(path).map_err(error("read", path))?;
    let damaged = || TopologyStoreError::Damaged { path: path.to_owned() };
    let line_end = whole.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
    let (line, content) = (&whole[..line_end], &whole[line_end + 1..]);
    let sum = std::str::from_utf8(line).ok().and_then(|line| u32::from_str_radix(line, 16).ok());
    if sum == Some(crc32fast::hash(content)) { Ok(content.to_vec()) } else { Err(damaged()) }
}

fn epoch_of(name: &str) -> Option<u64> {
    name.strip_prefix(EPOCH_PREFIX)?.parse().ok()
}

fn error<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> TopologyStoreError + 'a {
    move |source| TopologyStoreError::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(data_dir: &Path) -> Stored {
        let (_, mut stored) = Store::open(Some(data_dir)).unwrap();
        stored.decided.sort_unstable();
        stored
    }

    #[test]
    fn what_is_kept_is_there_the_next_time_and_what_is_old_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let (store, empty) = Store::open(Some(directory.path())).unwrap();
        assert_eq!(empty, Stored::default());
        for epoch in 1..=4 {
            store.keep_decided(epoch, format!("ring {epoch}").as_bytes(), epoch.saturating_sub(1)).unwrap();
        }
        store.keep_vote(b"one").unwrap();
        store.keep_vote(b"two\nlines").unwrap();
        let expected = Stored {
            decided: vec![(3, b"ring 3".to_vec()), (4, b"ring 4".to_vec())],
            vote: Some(b"two\nlines".to_vec()),
        };
        assert_eq!(stored(directory.path()), expected);
        fs::write(directory.path().join(DIRECTORY).join("vote.new"), "torn").unwrap();
        assert_eq!(
            stored(directory.path()),
            expected,
            "what was being written when the process ended is nothing"
        );
    }

    #[test]
    fn a_damaged_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(Some(directory.path())).unwrap();
        store.keep_decided(7, b"a ring", 1).unwrap();
        let path = directory.path().join(DIRECTORY).join("epoch-00000000000000000007");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let error = Store::open(Some(directory.path())).unwrap_err().to_string();
        assert!(error.contains("00007 is damaged"), "{error}");
    }

    #[test]
    fn without_a_data_directory_nothing_is_kept() {
        let (store, stored) = Store::open(None).unwrap();
        store.keep_vote(b"x").unwrap();
        assert_eq!((store.is_durable(), stored), (false, Stored::default()));
    }
}
