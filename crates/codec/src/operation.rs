//! What can be asked of a datastore, and what it gives back: the vocabulary between the replication engine, which
//! decides, and the backends, which do.
//!
//! A state that is small moves whole: [`Operation::Dump`], [`Operation::Install`]. A large one would hold up the
//! datastore and everybody's memory, so it moves in pieces: [`Operation::Measure`] tells which it is,
//! [`Operation::DumpPiece`] reads piece by piece; on the other side [`Operation::StagePiece`] collects the pieces in a
//! *stage*, which no client sees, until [`Operation::InstallStage`] puts them into their key's place at once.

use bytes::Bytes;

use crate::Request;

/// How many stages a lane has: so many states can be collected at the same time.
pub const STAGE_COUNT: u8 = 8;

/// What a worker asks of its lane.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Run a command of the datastore's own protocol. Answered by [`Output::Reply`].
    Command(Request),
    /// Read the whole state of a key. Answered by [`Output::State`].
    Dump {
        /// The key.
        key: Bytes,
    },
    /// Replace the whole state of a key; `None` deletes it. Answered by [`Output::Installed`].
    Install {
        /// The key.
        key: Bytes,
        /// What it shall hold.
        state: Option<KeyState>,
    },
    /// List keys, a page at a time. Answered by [`Output::Scanned`].
    Scan {
        /// 0 to begin, then what the last page gave.
        cursor: u64,
        /// About how many keys to give.
        count: usize,
    },
    /// Tell whether a key's state is large, and where reading it in pieces begins. Answered by [`Output::Measured`].
    Measure {
        /// The key.
        key: Bytes,
    },
    /// Read one piece of a key's state. Answered by [`Output::Piece`].
    ///
    /// Each piece is of its own place in the lane's order: together they are one state only if the key was not written
    /// between the first and the last. Who reads watches the key's record, and begins again when it changed.
    DumpPiece {
        /// The key.
        key: Bytes,
        /// Where the piece begins: [`Extent::start`], then [`Piece::next`].
        position: Position,
    },
    /// Give the digest of one piece of a key's state, small or large. Answered by [`Output::Digest`]. As for
    /// [`Operation::DumpPiece`], the pieces are of one state only if the key was not written meanwhile.
    Digest {
        /// The key.
        key: Bytes,
        /// Where the piece begins: [`Extent::start`], then [`DigestPart::next`].
        position: Position,
    },
    /// Add a piece to those that a stage holds; pieces come in the order in which they were read. Concerns no key.
    /// Answered by [`Output::Staged`]. After a failure the stage takes pieces again once it was cleared.
    StagePiece {
        /// Which of the lane's stages, below [`STAGE_COUNT`].
        stage: u8,
        /// [`Piece::payload`].
        payload: Bytes,
    },
    /// Drop what a stage holds. Answered by [`Output::Staged`].
    ClearStage {
        /// Which of the lane's stages, below [`STAGE_COUNT`].
        stage: u8,
    },
    /// Replace the whole state of a key by what a stage holds, at once, and leave the stage empty. Answered by
    /// [`Output::Installed`].
    ///
    /// Fails, and changes nothing, unless every piece of the stage was answered by [`Output::Staged`] before this was
    /// submitted. If it fails because the datastore lost the stage since, the key is absent.
    InstallStage {
        /// The key.
        key: Bytes,
        /// Which of the lane's stages, below [`STAGE_COUNT`].
        stage: u8,
        /// When the key expires, in milliseconds since the Unix epoch: what the last piece said.
        expires_at_ms: Option<u64>,
    },
}

/// A key's whole state, as [`Operation::Dump`] reads and [`Operation::Install`] writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyState {
    /// The value in the datastore's own serialisation (Redis: the payload of `DUMP`). Opaque to everyone else, and
    /// understood by every node of a cluster that uses the same kind of datastore.
    pub payload: Bytes,
    /// When the key expires, in milliseconds since the Unix epoch; `None` when it does not.
    pub expires_at_ms: Option<u64>,
}

/// A place in a key's state. Its fields mean something to the lane that made it, and to nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// What is read: the value's type.
    pub kind: u8,
    /// How much to read from here: a number of elements.
    pub count: u32,
    /// Where: an offset or a cursor.
    pub cursor: u64,
}

/// How large a key's state is, by [`Operation::Measure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Whether to move the state in pieces. Otherwise [`Operation::Dump`] is as good and costs less.
    pub is_large: bool,
    /// Where the first piece begins.
    pub start: Position,
}

/// A piece of a key's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Some of the value, a few hundred kilobytes, in the datastore's own form; understood as [`KeyState::payload`] is.
    pub payload: Bytes,
    /// When the key expires, in milliseconds since the Unix epoch; `None` when it does not.
    pub expires_at_ms: Option<u64>,
    /// Where the next piece begins; `None` when this was the last.
    pub next: Option<Position>,
}

/// What a piece of a key's state adds to the digest of the whole: the sum of its pieces' digests, wrapping around.
///
/// Values of the same type and content have the same digest, however they came about, whatever the order of what has no
/// order, and wherever the pieces begin; on all nodes of a cluster that uses the same kind of datastore. Not
/// cryptographic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestPart {
    /// To be added to the others. The value's type is in it; the expiry is not.
    pub digest: u64,
    /// When the key expires, in milliseconds since the Unix epoch; `None` when it does not.
    pub expires_at_ms: Option<u64>,
    /// Where the next piece begins; `None` when this was the last.
    pub next: Option<Position>,
}

/// The result of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A command's reply in RESP2, byte for byte; error replies too.
    Reply(Bytes),
    /// A key's state; `None` when the key is absent.
    State(Option<KeyState>),
    /// The state is in place.
    Installed,
    /// Some keys, and the cursor of the next page; cursor 0 means that was the last.
    Scanned {
        /// Keys of this page; a key may come twice over a whole scan.
        keys: Vec<Bytes>,
        /// Cursor for the next page, 0 at the end.
        cursor: u64,
    },
    /// How large a key's state is; `None` when the key is absent.
    Measured(Option<Extent>),
    /// A piece of a key's state; `None` when the key is absent, or of another type than when it was measured.
    Piece(Option<Piece>),
    /// A part of a key's digest; `None` when the key is absent, or of another type than when it was measured.
    Digest(Option<DigestPart>),
    /// The stage has taken the piece, or is empty.
    Staged,
    /// The datastore answered anything but a command with this error text (without the leading `-`).
    Failed(String),
}
