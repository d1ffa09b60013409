//! The commands of Redis 7.0 and what this project does with each: one row of the table per command and subcommand.

mod agree;
mod class;
mod error;
pub mod flags;
mod lookup;
mod split;
mod table;
#[cfg(test)]
mod tests;

pub use agree::replies_agree;
pub use class::{Call, Class, classify};
pub use error::CommandError;
pub use flags::Flags;
pub use lookup::{lookup, lookup_subcommand};
pub use split::{Parts, Split};
pub use table::commands;

/// One row of the command table. Rows are compared by their index.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// Name in lower case; a subcommand's is `container|subcommand`, as Redis prints it.
    pub name: &'static str,
    /// Place in [`commands`]; a dense number, for tables of counters and handlers.
    pub index: u16,
    /// Number of arguments with the name; negative: at least so many.
    pub arity: i8,
    /// Redis's flags.
    pub flags: Flags,
    /// Where the keys are, as `COMMAND INFO` has it.
    pub keys: KeyPositions,
    /// Redis's group.
    pub group: Group,
    /// The version of Redis that brought it.
    pub since: &'static str,
    /// One sentence on what it does, for `COMMAND DOCS`.
    pub summary: &'static str,
    /// How its class follows from its arguments.
    pub rule: Rule,
    /// How it is divided when it has several keys.
    pub split: Split,
    /// How its reply looks in RESP3.
    pub shape: Shape,
    /// How two replicas' replies are compared.
    pub order: Order,
}

/// Where the keys are among the arguments, as `COMMAND INFO` has it: 0, 0, 0 when there are none, or none at a fixed
/// place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPositions {
    /// Index of the first key.
    pub first: i8,
    /// Index of the last key, counted from the end when negative.
    pub last: i8,
    /// Distance between keys.
    pub step: i8,
}

/// The groups of Redis's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Group {
    Bitmap,
    Cluster,
    Connection,
    Generic,
    Geo,
    Hash,
    Hyperloglog,
    List,
    PubSub,
    Scripting,
    Server,
    Set,
    SortedSet,
    Stream,
    String,
    Transactions,
    /// This project's own commands.
    Dynomite,
}

/// How a command's class follows from its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The node itself answers.
    Node,
    /// Always a read.
    Read,
    /// Always an overwrite.
    Overwrite,
    /// Always sequenced.
    Sequenced,
    /// Always an effect.
    Effect,
    /// `SET`: an overwrite unless it has a condition, or something that could be refused.
    Set,
    /// `SETEX`, `PSETEX`: an overwrite unless the time could be refused.
    SetExpiring,
    /// `GETEX`: a read when it has no option, otherwise sequenced.
    GetExpiring,
    /// `SORT`: a read; not supported with `STORE`, `BY` or `GET`.
    Sort,
    /// `GEORADIUS`: a read; not supported with `STORE`.
    GeoRadius,
    /// A read when it has one key; not supported with more.
    ReadOfOne,
    /// Has subcommands, which have rows of their own.
    Container,
    /// Not supported, and why.
    Unsupported(&'static str),
}

/// Whether a command works here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It works, some of them not with every option.
    Wired,
    /// It is refused, for this reason.
    Unsupported(&'static str),
}

/// What a reply becomes in RESP3, apart from nulls, which become `_` everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The same.
    Plain,
    /// A flat list becomes a map.
    Map,
    /// A list becomes a set.
    Set,
    /// `SPOP`: a set when a count was given.
    SetIfCounted,
    /// A string becomes a double.
    Double,
    /// `ZADD`: a double when `INCR` was given.
    DoubleIfIncr,
    /// A list of strings becomes one of doubles.
    Doubles,
    /// With `WITHSCORES` a flat list becomes a list of pairs of a string and a double.
    ScoredPairs,
    /// With `WITHVALUES` a flat list becomes a list of pairs.
    ValuePairs,
    /// `ZPOPMIN`, `ZPOPMAX`: scores become doubles; with a count a list of pairs.
    Popped,
    /// `GEOPOS`: coordinates become doubles.
    Positions,
    /// `GEORADIUS`, `GEOSEARCH`: with `WITHCOORD`, coordinates become doubles.
    Coordinates,
    /// A string becomes verbatim text.
    Text,
    /// `COMMAND INFO`: sets of flags.
    CommandInfo,
    /// `COMMAND DOCS`: maps of maps.
    CommandDocs,
    /// `CLUSTER SHARDS`: maps of lists of maps.
    ClusterShards,
    /// `CLUSTER SLOTS`: a map at the end of every node.
    ClusterSlots,
}

/// How two replicas' replies to the same request are compared; from Redis's command tips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Byte for byte.
    Fixed,
    /// The elements come in any order.
    Any,
    /// Pairs of elements come in any order.
    AnyPairs,
    /// Replicas that hold the same may answer differently.
    Free,
}

impl Command {
    /// Whether it works here.
    pub const fn support(&self) -> Support {
        match self.rule {
            Rule::Unsupported(reason) => Support::Unsupported(reason),
            _ => Support::Wired,
        }
    }

    /// Whether this row is a subcommand's.
    pub fn is_subcommand(&self) -> bool {
        self.name.contains('|')
    }

    /// Whether a request of this many arguments, the name included, is well-formed.
    pub const fn accepts_arg_count(&self, count: usize) -> bool {
        if self.arity < 0 {
            count >= self.arity.unsigned_abs() as usize
        } else {
            count == self.arity as usize
        }
    }
}

impl PartialEq for Command {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl Eq for Command {}

impl Group {
    /// The group's name in `COMMAND DOCS`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bitmap => "bitmap",
            Self::Cluster => "cluster",
            Self::Connection => "connection",
            Self::Generic => "generic",
            Self::Geo => "geo",
            Self::Hash => "hash",
            Self::Hyperloglog => "hyperloglog",
            Self::List => "list",
            Self::PubSub => "pubsub",
            Self::Scripting => "scripting",
            Self::Server => "server",
            Self::Set => "set",
            Self::SortedSet => "sorted-set",
            Self::Stream => "stream",
            Self::String => "string",
            Self::Transactions => "transactions",
            Self::Dynomite => "dynomite",
        }
    }
}
