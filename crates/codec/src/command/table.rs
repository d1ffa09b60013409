//! The rows, by group; from a real server's `COMMAND` and `COMMAND DOCS`, with this project's columns added.

mod bitmap;
mod cluster;
mod connection;
mod dynomite;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod list;
mod pubsub;
mod scripting;
mod server;
mod set;
mod sorted_set;
mod stream;
mod strings;
mod transactions;

use super::{Command, Flags, Group, KeyPositions, Order, Rule, Shape, Split};

/// All rows; a row's place is its index. A container's subcommands follow it.
pub fn commands() -> &'static [Command] {
    &COMMANDS
}

pub(super) static COMMANDS: [Command; COUNT] = assemble();

pub(super) const COUNT: usize = {
    let mut count = 0;
    let mut group = 0;
    while group < GROUPS.len() {
        count += GROUPS[group].1.len();
        group += 1;
    }
    count
};

const GROUPS: &[(Group, &[Command])] = &[
    (Group::String, strings::ROWS),
    (Group::Generic, generic::ROWS),
    (Group::Hash, hash::ROWS),
    (Group::List, list::ROWS),
    (Group::Set, set::ROWS),
    (Group::SortedSet, sorted_set::ROWS),
    (Group::Bitmap, bitmap::ROWS),
    (Group::Hyperloglog, hyperloglog::ROWS),
    (Group::Geo, geo::ROWS),
    (Group::Connection, connection::ROWS),
    (Group::Server, server::ROWS),
    (Group::Cluster, cluster::ROWS),
    (Group::Dynomite, dynomite::ROWS),
    (Group::PubSub, pubsub::ROWS),
    (Group::Scripting, scripting::ROWS),
    (Group::Stream, stream::ROWS),
    (Group::Transactions, transactions::ROWS),
];

const fn assemble() -> [Command; COUNT] {
    let mut all = [GROUPS[0].1[0]; COUNT];
    let (mut index, mut group) = (0, 0);
    while group < GROUPS.len() {
        let rows = GROUPS[group].1;
        let mut row = 0;
        while row < rows.len() {
            all[index] = rows[row];
            all[index].index = index as u16;
            all[index].group = GROUPS[group].0;
            index += 1;
            row += 1;
        }
        group += 1;
    }
    all
}

const NO_KEY: KeyPositions = keys(0, 0, 0);
const ONE_KEY: KeyPositions = keys(1, 1, 1);
const TWO_KEYS: KeyPositions = keys(1, 2, 1);
const ALL_KEYS: KeyPositions = keys(1, -1, 1);

const MANY_KEYS: &str = "its keys may live on different nodes";
const WAITS: &str = "a command that waits would hold up everything else";
const WHOLE_STORE: &str = "it would reach only the part of the data that one node holds";
const MESSAGES: &str = "messages are not carried between nodes";
const TRANSACTIONS: &str = "there is no one order over several keys; single commands are atomic";
const SCRIPTS: &str = "a script could reach keys that live on different nodes";
const STREAMS: &str = "streams are not replicated";
const ADMINISTRATION: &str = "it would administer one datastore behind the others' backs";
const MEMBERSHIP: &str = "who is in the cluster is not decided by Redis Cluster's commands";
const CONNECTIONS: &str = "a node keeps no such state for its connections";

const fn keys(first: i8, last: i8, step: i8) -> KeyPositions {
    KeyPositions { first, last, step }
}

/// A row whose reply is the same in RESP3 and on every replica, with one key at most.
const fn command(
    name: &'static str,
    arity: i8,
    flags: u32,
    keys: KeyPositions,
    since: &'static str,
    rule: Rule,
    summary: &'static str,
) -> Command {
    Command {
        name,
        index: 0,
        arity,
        flags: Flags::new(flags),
        keys,
        group: Group::Generic,
        since,
        summary,
        rule,
        split: Split::No,
        shape: Shape::Plain,
        order: Order::Fixed,
    }
}

impl Command {
    const fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    const fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    const fn split(mut self, split: Split) -> Self {
        self.split = split;
        self
    }
}
