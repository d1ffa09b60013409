//! What the command line can say.

use std::ffi::OsString;

use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  dynoctl ping
      Is the node at 127.0.0.1:8102 there, and how fast does it answer?
  dynoctl --node 10.0.0.1:8102 ring
      All nodes, who is up, and how much of the keys each owns.
  dynoctl route user:1000
      The token of a key and its replicas, those that a coordinator asks first.
  dynoctl datacenters pause dc2
      All nodes elsewhere send nothing to dc2; what is written meanwhile is sent after `resume`.
  dynoctl --json ring | jq .epoch
      The same for programs.

Exit status:
  0  the node answered
  1  it could not be reached, or answered with an error
  2  the command line is wrong";

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
    /// List all nodes by datacenter and rack, with their state and their share of the keys
    Ring,
    /// Tell what is on its way to other datacenters, and how much may be
    Datacenters {
        #[command(subcommand)]
        change: Option<DatacenterChange>,
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
