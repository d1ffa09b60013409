//! What can be asked of a datastore, and what it gives back: the vocabulary between the replication engine, which
//! decides, and the backends, which do.

use bytes::Bytes;

use crate::Request;

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
    /// The datastore answered a `Dump`, `Install` or `Scan` with this error text (without the leading `-`).
    Failed(String),
}
