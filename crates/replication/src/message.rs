//! What nodes say to each other about keys.
//!
//! Every [`ReplicaRequest`] gets exactly one [`ReplicaResponse`] with its `id`, in any order. A request that concerns a key
//! goes to the worker that owns the key's slice on the receiving node, and requests for one key arrive in the order in
//! which they were sent.

mod content;
mod wire;

use bytes::Bytes;
use dynomite_codec::{Call, Piece, Request};
use dynomite_ring::{NodeId, RackIdx, Token, TokenRange};

use crate::{Bucket, Level, Mark, Record, Trust, Version};
pub use content::{Content, PieceSource, ValueDigest};
pub use wire::WireError;

/// A command on one key, and what was recognised of it: no node on its way has to look it up again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRequest {
    call: Call,
    request: Request,
}

impl KeyRequest {
    /// Puts a command and what it was recognised as together. `None` when it has no key where `call` says.
    pub fn new(call: Call, request: Request) -> Option<Self> {
        call.key_index().filter(|&index| index < request.arg_count()).map(|_| Self { call, request })
    }

    /// Its row in the command table, and its class.
    pub fn call(&self) -> Call {
        self.call
    }

    /// The command.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The command alone.
    pub fn into_request(self) -> Request {
        self.request
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        // Was checked when it was made.
        self.call.key(&self.request).unwrap_or_default()
    }
}

/// What a node's ring says of a token: with another answer, a question about it must not be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seats {
    /// The lower bits of the ring's epoch.
    pub epoch: u32,
    /// The digest of the nodes that hold the token: [`dynomite_ring::Replicas::digest`].
    pub digest: u32,
}

/// One node asks another for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaRequest {
    /// The sender's own number for the operation; comes back in the response.
    pub id: u64,
    /// The key's token.
    pub token: Token,
    /// The sender's clock (rule R2).
    pub clock: u64,
    /// Who holds the token, as the sender knows.
    pub seats: Seats,
    /// What is asked.
    pub body: RequestBody,
}

/// Who stamped an overwrite, as its replicas see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamper {
    /// A node of the same datacenter.
    Local,
    /// One of the same datacenter that stands in for the key's primary, which cannot be reached. A replica that applies it
    /// promises no more to claims from before it (rule R4).
    StandIn,
    /// A node of another datacenter: the version is compared with `last` (rule R17).
    Foreign,
}

/// What can be asked of a replica, a primary or a forwarder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestBody {
    /// Run a command as it is: there is no other replica in the cluster. Answered by `Done`.
    Execute(KeyRequest),
    /// Read. Answered by `Read`.
    Read {
        /// The reading command.
        command: KeyRequest,
        /// Whether the datastore is asked too, or the record alone is wanted.
        value: bool,
    },
    /// Apply an overwrite if it is newer (rule R3). Answered by `Applied` or `Refused`.
    Overwrite {
        /// The write's version.
        version: Version,
        /// The write, with absolute times only.
        command: KeyRequest,
        /// Who stamped it.
        stamper: Stamper,
    },
    /// Hand an overwrite to every rack of the receiver's datacenter. Answered by `Relayed` at once, or when `ack`.
    RelayOverwrite {
        /// The write's version.
        version: Version,
        /// The write, with absolute times only.
        command: KeyRequest,
        /// Whether the sender waits for a majority of the receiver's datacenter.
        ack: bool,
        /// How long the sender will wait, in milliseconds.
        timeout_ms: u32,
    },
    /// Run a write as the key's primary: a sequenced one, or an overwrite that it stamps and coordinates. Answered by `Done`,
    /// by `Stamped` when the sender applies it too, or by `Failed` when it was not run.
    Sequence {
        /// The write, with absolute times only.
        command: KeyRequest,
        /// The client's level.
        level: Level,
        /// The rack of the client's node, whose replica shall have the write before the client hears of it.
        near: RackIdx,
        /// Whether the sender, which holds the replica in `near`, applies the overwrite to it once it knows the version.
        sender_applies: bool,
        /// How long the sender will wait, in milliseconds.
        timeout_ms: u32,
    },
    /// Follow the primary: accept iff one's record is exactly `prior` (rule R9). Answered by `Accepted` or `Nacked`.
    Forward {
        /// The key's record before the write.
        prior: Record,
        /// The key's record after it.
        record: Record,
        /// The key, for forwards without an effect.
        key: Bytes,
        /// What to run; `None` when the write changed nothing on the primary.
        effect: Option<Request>,
        /// CRC-32 of the reply that `effect` gave on the primary, where replies can be compared.
        reply_crc: Option<u32>,
        /// What `PEXPIRETIME` says of the key after `effect`, where that may have met the key's expiry.
        expires_at_ms: Option<i64>,
    },
    /// Take a whole state, if its record is greater (rules R10 and R15). Answered by `Accepted` or `Nacked`.
    Push {
        /// The key.
        key: Bytes,
        /// The sender's record of that state.
        record: Record,
        /// The state.
        state: Content,
        /// What it is for.
        purpose: PushPurpose,
    },
    /// Tell the record. Answered by `Inspected`.
    Inspect {
        /// The key.
        key: Bytes,
    },
    /// Tell record and state. Answered by `State`.
    Fetch {
        /// The key.
        key: Bytes,
        /// Whether a copy in doubt is wanted, too; it is told whole.
        doubtful: bool,
        /// Whether a large state is wanted whole, too.
        whole: bool,
    },
    /// Read a piece of a large state. Answered by `Piece`, or by `Failed` when the copy has changed.
    Piece {
        /// The key.
        key: Bytes,
        /// The record of the state.
        record: Record,
        /// Where the piece begins.
        position: dynomite_codec::Position,
    },
    /// Tell the digest of the value, and the record under which it was taken. Answered by `Value`.
    Value {
        /// The key.
        key: Bytes,
    },
    /// Promise to follow no claim below `term` (rule R7). Answered by `Promised` or `Outbid`.
    Claim {
        /// The key.
        key: Bytes,
        /// The claim.
        term: Version,
    },
    /// Import a state that another datacenter sequenced, if it is newer than `last` (rule R19).
    /// Answered by `Applied` or `Refused`.
    Import {
        /// The key.
        key: Bytes,
        /// The version of the last write in the state.
        version: Version,
        /// The state.
        state: Content,
    },
    /// Hand a sequenced state to every rack of the receiver's datacenter. Answered by `Relayed`.
    RelayImport {
        /// The key.
        key: Bytes,
        /// The version of the last write in the state.
        version: Version,
        /// The state.
        state: Content,
        /// Whether it is sent again, and the receiver's datacenter must be asked first what it holds (rules R19 and R20).
        again: bool,
        /// How long the sender will wait, in milliseconds.
        timeout_ms: u32,
    },
    /// Digest the keys that sender and receiver share, bucket by bucket, as far as the receiving worker has them. Answered by
    /// `Digests` or `NotReady`.
    Digest {
        /// The sender.
        node: NodeId,
        /// Up to when.
        mark: Mark,
        /// The first bucket.
        first: Bucket,
    },
    /// Compare some of a bucket's shared keys one by one. Answered by `Listed` or `NotReady`.
    Differ {
        /// The sender.
        node: NodeId,
        /// Up to when.
        mark: Mark,
        /// The bucket.
        bucket: Bucket,
        /// The least and the greatest hash of the keys.
        from: u64,
        /// See `from`.
        upto: u64,
        /// Prints of what the sender has of them: ascending, 8 bytes each.
        known: Bytes,
    },
    /// List the keys that sender and receiver share, for a sender that has lost its copies. Answered by `Listed` or `NotReady`.
    List {
        /// The sender.
        node: NodeId,
        /// The sender's clock when it noticed the loss: keys that were there when this was first asked must be listed.
        loss: u64,
        /// Where to begin.
        from: Position,
        /// Of which tokens; where its ends are equal, of all.
        range: TokenRange,
    },
    /// Take note that all copies of buckets were equal (rule R22). Answered by `Noted`.
    Settle {
        /// The sender.
        node: NodeId,
        /// Which buckets, and up to when: runs of first bucket and count, `u16`, mark and an earlier mark, `u32`.
        runs: Bytes,
    },
    /// Send the state of a key to the sender's datacenter, which has an older one. Answered by `Noted`.
    Export {
        /// The sender.
        node: NodeId,
        /// The key.
        key: Bytes,
    },
}

/// A place among the keys of a bucket, which come in the order of their hashes, and among the buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The bucket; one past the last at the end.
    pub bucket: u16,
    /// The least hash of a key that comes after it.
    pub hash: u64,
}

/// Why a state is pushed, and so when it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushPurpose {
    /// The primary's, to have a write acknowledged: only under the claim that was promised.
    Acknowledge,
    /// The greatest trusted one: where the record is smaller, or the copy in doubt.
    Heal,
    /// As `Heal`, by a gather that heard a majority of trusted copies: lost copies take it, whatever they held (rule R14).
    Rebuild,
    /// Another one under the same record, which too few hold: where the record is still exactly that.
    Replace,
}

impl RequestBody {
    /// The key; empty for what is about whole buckets.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Execute(command)
            | Self::Read { command, .. }
            | Self::Overwrite { command, .. }
            | Self::RelayOverwrite { command, .. }
            | Self::Sequence { command, .. } => command.key(),
            Self::Forward { key, .. }
            | Self::Push { key, .. }
            | Self::Inspect { key }
            | Self::Fetch { key, .. }
            | Self::Piece { key, .. }
            | Self::Value { key }
            | Self::Claim { key, .. }
            | Self::Import { key, .. }
            | Self::RelayImport { key, .. }
            | Self::Export { key, .. } => key,
            Self::Digest { .. } | Self::Differ { .. } | Self::List { .. } | Self::Settle { .. } => &[],
        }
    }
}

impl RequestBody {
    /// Bytes of what may be large in it.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Execute(command)
            | Self::Read { command, .. }
            | Self::Overwrite { command, .. }
            | Self::RelayOverwrite { command, .. }
            | Self::Sequence { command, .. } => command.request().raw().len(),
            Self::Forward { key, effect, .. } => {
                key.len() + effect.as_ref().map_or(0, |effect| effect.raw().len())
            }
            Self::Push { key, state, .. }
            | Self::Import { key, state, .. }
            | Self::RelayImport { key, state, .. } => key.len() + state.len(),
            Self::Differ { known: bytes, .. } | Self::Settle { runs: bytes, .. } => bytes.len(),
            Self::Inspect { .. }
            | Self::Fetch { .. }
            | Self::Piece { .. }
            | Self::Value { .. }
            | Self::Claim { .. }
            | Self::Export { .. }
            | Self::Digest { .. }
            | Self::List { .. } => self.key().len(),
        }
    }
}

/// The answer to one [`ReplicaRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaResponse {
    /// The request's number.
    pub id: u64,
    /// The answering node's clock (rule R2).
    pub clock: u64,
    /// The answer.
    pub body: ResponseBody,
}

/// What a replica, a primary or a forwarder answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseBody {
    /// The command ran (or its outcome was decided); this is the client's reply.
    Done {
        /// The whole RESP2 reply.
        reply: Bytes,
    },
    /// The record as of the read, and the value if it was asked for.
    Read {
        /// The key's record.
        record: Record,
        /// The datastore's reply.
        reply: Option<Bytes>,
    },
    /// The overwrite or import is executed.
    Applied {
        /// The record before it; shows whether the replica had been behind.
        prior: Record,
        /// The datastore's reply; `None` when the state had arrived by another way before.
        reply: Option<Bytes>,
    },
    /// The overwrite has its version, and as many racks as the level needs have executed it but for the sender's, which
    /// is left to the sender.
    Stamped {
        /// The version.
        version: Version,
        /// The record before it, of the replica that knew most.
        prior: Record,
        /// That replica's reply.
        reply: Bytes,
    },
    /// The replica holds something newer. An acknowledgement only if the same primary stamped it later (rule R4).
    Refused {
        /// The replica's record.
        record: Record,
    },
    /// How many racks of the forwarder's datacenter applied it.
    Relayed {
        /// Racks that applied it; 0 when the sender did not want to wait.
        applied: u16,
        /// Racks of that datacenter.
        racks: u16,
    },
    /// The write is in the replica's state.
    Accepted {
        /// The replica's record.
        record: Record,
    },
    /// The replica's record does not fit; nothing was changed.
    Nacked {
        /// The replica's record.
        record: Record,
        /// Whether the replica's copy is not trusted, so that an equal record helps it too.
        dirty: bool,
    },
    /// The record, as of the writes that were executed.
    Inspected {
        /// The replica's record.
        record: Record,
        /// Whether its copy may vote.
        trust: Trust,
    },
    /// The replica follows no claim below the one that was asked for.
    Promised {
        /// The replica's record.
        record: Record,
        /// Whether its copy may vote.
        trust: Trust,
    },
    /// The replica has promised itself to a greater claim, or holds a write of one.
    Outbid {
        /// That claim.
        term: Version,
    },
    /// The whole state.
    State {
        /// The record of the state.
        record: Record,
        /// Whether the copy may vote.
        trust: Trust,
        /// The state.
        state: Content,
    },
    /// A piece of a large state.
    Piece(Piece),
    /// The digest of a value.
    Value {
        /// The record under which it was taken.
        record: Record,
        /// Whether the copy may vote.
        trust: Trust,
        /// `None` when the key is absent.
        digest: Option<ValueDigest>,
    },
    /// Digests of buckets.
    Digests {
        /// One for each bucket, in order: 8 bytes.
        digests: Bytes,
    },
    /// Keys of one bucket, or of several.
    Listed {
        /// Up to where all that was asked for is told.
        upto: Position,
        /// Whether the receiver has lost its copies of these buckets itself.
        is_lost: bool,
        /// Prints, of those that the sender knew, which the receiver does not have: 8 bytes each.
        lacking: Bytes,
        /// The keys that the sender did not know, with what the receiver knows of them.
        page: Bytes,
    },
    /// The receiver cannot tell yet.
    NotReady {
        /// The mark at which it is comparing; zero when it is not.
        mark: Mark,
    },
    /// It was taken note of.
    Noted {
        /// The first bucket that is another worker's.
        upto: u16,
    },
    /// Nothing was done.
    Failed(Failure),
}

/// Why a replica did not do what was asked, or did not answer. All but `Timeout`, `LinkLost` and `Datastore` mean that
/// nothing was run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// There is no link to the node. Whose fault: the node or the network.
    #[error("down")]
    Unreachable,
    /// The link broke after the request was sent; whether it ran is unknown.
    #[error("link lost")]
    LinkLost,
    /// No answer within the deadline; whether it ran is unknown.
    #[error("timeout")]
    Timeout,
    /// The link's window is full: the node is too slow. Not sent.
    #[error("overloaded")]
    Overloaded,
    /// The node cannot reach its datastore. Not run.
    #[error("datastore down")]
    DatastoreDown,
    /// The node's datastore has not answered for a while. Not run.
    #[error("datastore not answering")]
    DatastoreStalled,
    /// The datastore failed while the command ran, with this text; whether it ran is unknown.
    #[error("datastore: {0}")]
    Datastore(String),
    /// The replica's copy is in doubt since its datastore's connection broke. Not run.
    #[error("copy in doubt")]
    Untrusted,
    /// The receiver's ring says that another node owns the key. Not run.
    #[error("not an owner")]
    NotOwner,
    /// The sender's clock is too far ahead. Not run.
    #[error("clock too far ahead")]
    ClockAhead,
    /// The replica's copy was lost with its datastore's data and is not rebuilt yet. Not run.
    #[error("copy lost and not rebuilt yet")]
    CopyLost,
    /// The node cannot write what it has to remember: its disk is full or failing. Not run.
    #[error("cannot write to its data_dir")]
    LogFailed,
    /// Another replica has claimed the key meanwhile. Not run.
    #[error("another rack has claimed the key")]
    Outbid,
    /// The state changed while it was read or fetched piece by piece. Nothing was installed.
    #[error("the state changed while it was fetched")]
    Changed,
    /// The node, as primary, reaches fewer replicas than the level needs. Not run.
    #[error("reaches too few replicas")]
    TooFewReplicas,
    /// The receiver's ring is another one than the sender's, where it matters: the key has moved, or will at once. Not run.
    #[error("the ring has changed")]
    RingChanged,
}

impl Failure {
    /// Whether it is certain that nothing was run.
    pub fn not_run(&self) -> bool {
        !matches!(self, Self::Timeout | Self::LinkLost | Self::Datastore(_))
    }
}
