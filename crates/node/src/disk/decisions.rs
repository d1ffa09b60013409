//! What a node keeps of the cluster's decisions: its vote, and the last epochs, one file for each.
//!
//! A file's first line is the checksum of the rest.

use std::fs;
use std::path::{Path, PathBuf};

use dynomite_gossip::agreement::Stored;

use super::DiskError;
use super::generation::{make_directory, replace_file};

/// The directory in `data_dir`.
const DIRECTORY: &str = "topology";
const VOTE: &str = "vote";
const EPOCH_PREFIX: &str = "epoch-";

/// Where the decisions are kept; nowhere, without a data directory.
#[derive(Debug)]
pub(crate) struct Store {
    directory: Option<PathBuf>,
}

impl Store {
    /// Opens what is in `data_dir`, with what was kept there.
    ///
    /// # Errors
    /// Any [`DiskError`].
    pub(crate) fn open(data_dir: Option<&Path>) -> Result<(Self, Stored), DiskError> {
        let Some(data_dir) = data_dir else { return Ok((Self { directory: None }, Stored::default())) };
        let directory = data_dir.join(DIRECTORY);
        make_directory(&directory).map_err(DiskError::io("make the directory", &directory))?;
        let mut stored = Stored::default();
        for entry in fs::read_dir(&directory).map_err(DiskError::io("list", &directory))? {
            let path = entry.map_err(DiskError::io("list", &directory))?.path();
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
    pub(crate) fn keep_vote(&self, vote: &[u8]) -> Result<(), DiskError> {
        self.keep(VOTE, vote)
    }

    /// Keeps a decided epoch, and forgets those below `oldest`.
    ///
    /// # Errors
    /// When it is not on the disk.
    pub(crate) fn keep_decided(&self, epoch: u64, value: &[u8], oldest: u64) -> Result<(), DiskError> {
        self.keep(&format!("{EPOCH_PREFIX}{epoch:020}"), value)?;
        let Some(directory) = &self.directory else { return Ok(()) };
        for entry in fs::read_dir(directory).map_err(DiskError::io("list", directory))? {
            let path = entry.map_err(DiskError::io("list", directory))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if epoch_of(&name).is_some_and(|epoch| epoch < oldest) {
                fs::remove_file(&path).map_err(DiskError::io("remove", &path))?;
            }
        }
        Ok(())
    }

    fn keep(&self, name: &str, content: &[u8]) -> Result<(), DiskError> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let path = directory.join(name);
        let sum = format!("{:08x}\n", crc32fast::hash(content));
        replace_file(&path, &[sum.as_bytes(), content].concat()).map_err(DiskError::io("write", &path))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, DiskError> {
    let whole = fs::read(path).map_err(DiskError::io("read", path))?;
    let damaged = || DiskError::DamagedDecision { path: path.to_owned() };
    let line_end = whole.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
    let (line, content) = (&whole[..line_end], &whole[line_end + 1..]);
    let sum = std::str::from_utf8(line).ok().and_then(|line| u32::from_str_radix(line, 16).ok());
    if sum == Some(crc32fast::hash(content)) { Ok(content.to_vec()) } else { Err(damaged()) }
}

fn epoch_of(name: &str) -> Option<u64> {
    name.strip_prefix(EPOCH_PREFIX)?.parse().ok()
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
