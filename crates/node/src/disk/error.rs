//! What can be wrong with the disk, and with what is on it.

use std::io;
use std::path::{Path, PathBuf};

use dynomite_replication::frame::FrameError;

use super::{HeaderError, Identity};

/// Why a data directory or its logs cannot be used. The operator's to mend; what was on the disk is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
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
    /// Another process has the directory open.
    #[error(
        "data_dir {} is in use by another process{}, most likely another node with the same data_dir; stop that one, or \
         give this node a directory of its own",
        path.display(),
        process_text(process)
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process number that the other one left in the lock file.
        process: Option<String>,
    },
    /// The directory belongs to another node.
    #[error(
        "data_dir {} belongs to {theirs}, and this is {ours}: {} in the configuration to start the node that it belongs to; \
         give this node a directory of its own, or, if it was renamed or moved on purpose, an empty one: what the old one \
         knows is of no use under another name or in another rack",
        path.display(),
        corrections(theirs, ours)
    )]
    OtherNode {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        theirs: Box<Identity>,
        /// Who wants it.
        ours: Box<Identity>,
    },
    /// The directory was written by a later version of the program.
    #[error(
        "{} has format {format}, and this version knows formats up to {}; run the version that wrote it, or give this node \
         an empty data_dir",
        path.display(),
        super::identity::FORMAT
    )]
    NewerFormat {
        /// The identity file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// The identity file is not as it was written.
    #[error(
        "{} does not say whose data directory this is: {reason}; restore the file, or give this node an empty data_dir",
        path.display()
    )]
    BadIdentity {
        /// The identity file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The directory holds something, but no identity file.
    #[error(
        "data_dir {} holds {found} but no {}, so it is no node's data directory; name an empty or a new directory",
        path.display(),
        super::identity::FILE
    )]
    NoIdentity {
        /// The directory.
        path: PathBuf,
        /// Something that it holds.
        found: String,
    },
    /// A vote or a decided ring is not as it was written.
    #[error(
        "{} is damaged; restore it, or, if the other nodes run, let this node be replaced by one with an empty data_dir \
         and another name",
        path.display()
    )]
    DamagedDecision {
        /// The file.
        path: PathBuf,
    },
}

impl DiskError {
    /// For `map_err`: what was tried, with which path.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The log is not what was written. What it said has to count as lost.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The system does not let it be read; it may be whole.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// A log that is not what was written, beyond what a crash leaves: the disk's fault, or that of whoever changed or
/// deleted files. Nothing was changed by finding it.
#[derive(Debug, thiserror::Error)]
#[error("{}, at byte {offset}: {cause}", file.display())]
pub struct Damage {
    /// The segment, or the directory where one is missing.
    pub file: PathBuf,
    /// How far into it.
    pub offset: u64,
    /// What is wrong there.
    #[source]
    pub cause: DamageCause,
}

impl Damage {
    pub(super) fn new(file: &Path, offset: usize, cause: DamageCause) -> Self {
        Self { file: file.to_owned(), offset: offset as u64, cause }
    }
}

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DamageCause {
    /// Bytes are not what was written, and later ones are: a crash does not do that.
    #[error("{0}, though frames follow")]
    Frame(FrameError),
    /// A segment does not begin as it should.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A frame's number is not above that of the one before it.
    #[error("frame {number} follows frame {last}")]
    NotNewer {
        /// The frame's number.
        number: u64,
        /// That of the one before it.
        last: u64,
    },
    /// The last frames of the segment before this one are gone.
    #[error("the segment before ends with frame {found}, and this one follows frame {expected}")]
    FramesMissing {
        /// The last frame that was found.
        found: u64,
        /// The one that should have been.
        expected: u64,
    },
    /// A segment is gone.
    #[error("the segment before, number {0}, is missing")]
    SegmentMissing(u64),
    /// A worker's log is gone.
    #[error("the log of worker {0} is missing")]
    LogMissing(u16),
    /// The logs of this kind are gone, though there were some.
    #[error("there were logs here, and all of them are missing")]
    AllMissing,
    /// Two directories claim to be the same generation.
    #[error("there is another directory for generation {0}")]
    TwoGenerations(u32),
    /// Whoever took the frames in could make nothing of one.
    #[error("frame {number}: {reason}")]
    Refused {
        /// The frame's number.
        number: u64,
        /// What was said of it.
        reason: String,
    },
}

/// Why frames were not appended. None of them is in the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The disk is full or fails, which is the operator's to mend. The same frames, and more, may be appended later.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What was given is no sequence of whole frames. Our own fault.
    #[error("what was to be appended is no frame: {0}")]
    NoFrame(FrameError),
    /// A frame's number is not above the last one's. Our own fault.
    #[error("frame {number} was to be appended behind frame {last}")]
    NotNewer {
        /// The frame's number.
        number: u64,
        /// That of the last one.
        last: u64,
    },
}

/// What the configuration would have to say for the directory to be that of the node.
fn corrections(theirs: &Identity, ours: &Identity) -> String {
    let keys = [
        ("cluster", &theirs.cluster, &ours.cluster),
        ("name", &theirs.name, &ours.name),
        ("datacenter", &theirs.datacenter, &ours.datacenter),
        ("rack", &theirs.rack, &ours.rack),
    ];
    let differing = keys.iter().filter(|(_, theirs, ours)| theirs != ours);
    let settings: Vec<String> = differing.map(|(key, theirs, _)| format!("{key} = {theirs:?}")).collect();
    format!("set {}", settings.join(", "))
}

fn process_text(process: &Option<String>) -> String {
    process
        .as_ref()
        .map_or_else(String::new, |number| format!(" (process {number}, if it is on this machine)"))
}
