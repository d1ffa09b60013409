//! What the command line can say.

use std::ffi::OsString;

use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  dynoctl ping
      Is the node at 127.0.0.1:8102 there, and how fast does it answer?
  dynoctl --node 10.0.0.1:8102 status
      All members, who is up, and how much of the keys each owns.
  dynoctl ring
      All nodes of the ring, and to which of them the node has links.
  dynoctl describe
      Do all nodes have the same ring?
  dynoctl route user:1000
      The token of a key and its replicas, those that a coordinator asks first.
  dynoctl join node7
      What it comes to when node7 joins: who hands how many keys to whom. Nothing is changed.
  dynoctl join node7 --commit --wait
      The same, and then it joins; shows how far that is, and ends when it is over.
  dynoctl transfers --watch
      How far the change under way is, and what it waits for.
  dynoctl datacenters pause dc2
      All nodes elsewhere send nothing to dc2; what is written meanwhile is sent after `resume`.
  dynoctl repair --preview
      Compares the node's copies with all others, and tells how many differ.
  dynoctl repair --all
      Compares and heals on all nodes, one after the other.
  dynoctl --json ring | jq .epoch
      The same for programs.

Exit status:
  0  the node answered
  1  it could not be reached, or answered with an error, or a change came out otherwise than it was ordered
  2  the command line is wrong
  3  repair: copies differ, or not everything was compared";

/// Asks a running Dynomite node about itself, the ring and where a key lives.
#[derive(Parser)]
#[command(name = "dynoctl", version, after_long_help = EXAMPLES)]
pub(crate) struct CommandLine {
    /// The node to ask, at the address that it serves clients at
    #[arg(
        short,
        long,
        global = true,
        value_name = "HOST:PORT",
        env = "DYNOCTL_NODE",
        default_value = "127.0.0.1:8102"
    )]
    pub(crate) node: String,
    /// Print JSON, as the node gave it
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) subcommand: Subcommand,
}

#[derive(clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Ask whether the node is there, and tell how long it took to answer
    Ping,
    /// List all members by datacenter and rack: who is up, with its datastore, its load and its share of the keys
    Status,
    /// Tell how the node sees the others: how surprising their silence is, which run is known, and what that costs
    Gossip,
    /// Tell the cluster's name, and which ring and version each node has
    Describe,
    /// List all nodes by datacenter and rack, with their state and their share of the keys
    Ring,
    /// Tell what is on its way to other datacenters, and how much may be
    Datacenters {
        #[command(subcommand)]
        change: Option<DatacenterChange>,
    },
    /// Compare a node's copies with all others, and heal what differs
    ///
    /// The node goes on when this program is ended, and takes one repair at a time: if one is running, that is shown.
    #[command(args_conflicts_with_subcommands = true)]
    Repair {
        #[command(subcommand)]
        action: Option<RepairAction>,
        #[command(flatten)]
        options: RepairOptions,
    },
    /// Show what it comes to when a node that waits to be taken in joins; with --commit, take it in
    Join {
        /// Its name
        #[arg(value_name = "NODE")]
        name: String,
        #[command(flatten)]
        options: ChangeOptions,
    },
    /// Show what it comes to when a node leaves; with --commit, let it leave
    Leave {
        /// Its name
        #[arg(value_name = "NODE")]
        name: String,
        #[command(flatten)]
        options: ChangeOptions,
    },
    /// Show what it comes to when a node takes the place of a dead one; with --commit, let it
    Replace {
        /// The name of the one that is down
        dead: String,
        /// The name of the one that waits to be taken in
        by: String,
        #[command(flatten)]
        options: ChangeOptions,
    },
    /// Show what it comes to when a node gets these tokens and no others; with --commit, give it these
    Move {
        /// Its name
        #[arg(value_name = "NODE")]
        name: String,
        /// All tokens that it has then
        #[arg(required = true, value_name = "TOKEN")]
        tokens: Vec<u32>,
        #[command(flatten)]
        options: ChangeOptions,
    },
    /// Show what it comes to when the nodes of a rack get equal loads; with --commit, do it
    Rebalance {
        /// The datacenter's name
        datacenter: String,
        /// The rack's name
        rack: String,
        #[command(flatten)]
        options: ChangeOptions,
    },
    /// Go back to where the change under way began
    Abort {
        /// Show how far it is until it is over
        #[arg(long)]
        wait: bool,
    },
    /// Tell how far the change under way is, what it waits for, and how each node stands to it
    Transfers {
        /// Show it again each second until no change is under way
        #[arg(long)]
        watch: bool,
    },
    /// Remove from a node's datastore what other nodes have by now
    Cleanup {
        /// On all nodes
        #[arg(long)]
        all: bool,
    },
    /// Tell a key's token and the nodes that hold it
    Route {
        /// The key; any bytes
        key: OsString,
    },
}

/// A change at every node outside the datacenter.
#[derive(clap::Subcommand)]
pub(crate) enum DatacenterChange {
    /// Send nothing there
    Pause {
        /// Its name
        datacenter: String,
    },
    /// Send again, what was written meanwhile too
    Resume {
        /// Its name
        datacenter: String,
    },
    /// Send at most so much there in each second, from each node
    Rate {
        /// Its name
        datacenter: String,
        /// Such as 10MiB, or unlimited
        rate: String,
    },
}

/// What shall become of a planned change.
#[derive(clap::Args, Clone, Copy, Default)]
pub(crate) struct ChangeOptions {
    /// Begin it, after it was shown
    #[arg(long)]
    pub(crate) commit: bool,
    /// Show how far it is until it is over
    #[arg(long, requires = "commit")]
    pub(crate) wait: bool,
}

/// What a repair shall do.
#[derive(clap::Args)]
pub(crate) struct RepairOptions {
    /// Compare only these of the 4096 buckets, both ends included, such as 0..1023; or, as tokens:FROM..TO, the buckets that
    /// keys with these tokens are in
    #[arg(long, value_name = "FROM..TO", value_parser = parse_range)]
    pub(crate) range: Option<Range>,
    /// Only count what differs
    #[arg(long)]
    pub(crate) preview: bool,
    /// Compare the values of all keys too, which finds what was changed in a datastore behind its node's back
    #[arg(long)]
    pub(crate) full: bool,
    /// On all nodes, one after the other
    #[arg(long)]
    pub(crate) all: bool,
}

/// What else can be done about a repair.
#[derive(clap::Subcommand)]
pub(crate) enum RepairAction {
    /// Tell how far it is, or how the last one ended
    Status {
        /// Of all nodes
        #[arg(long)]
        all: bool,
    },
    /// End it; what was healed stays so
    Stop {
        /// On all nodes
        #[arg(long)]
        all: bool,
    },
}

/// The first and the last of what is to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) of: RangeOf,
    pub(crate) first: u32,
    pub(crate) last: u32,
}

/// What a range is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RangeOf {
    Buckets,
    Tokens,
}

impl RangeOf {
    /// What nodes call it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Buckets => "BUCKETS",
            Self::Tokens => "TOKENS",
        }
    }
}

fn parse_range(text: &str) -> Result<Range, String> {
    let (of, bounds) = match text.strip_prefix("tokens:") {
        Some(bounds) => (RangeOf::Tokens, bounds),
        None => (RangeOf::Buckets, text),
    };
    let bounds =
        bounds.split_once("..").and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    match bounds {
        Some((first, last)) if first <= last => Ok(Range { of, first, last }),
        _ => {
            Err("a range is such as 0..1023, or tokens:0..16777215; `dynoctl route KEY` tells a key's token"
                .to_owned())
        }
    }
}
