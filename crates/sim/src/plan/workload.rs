//! What clients send.

use std::collections::BTreeMap;

use dynomite_replication::Level;

use super::{MS, Micros, PlannedCommand};
use crate::{
    command::{Action, Command, Key, Kind},
    random::Random,
    topology::Topology,
};

/// The commands of a scenario.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// How many commands.
    pub command_count: usize,
    /// How many clients.
    pub client_count: usize,
    /// Over how long the commands are spread.
    pub lasts: Micros,
    /// What kinds of keys there are, by weight.
    pub kinds: &'static [(u64, Kind)],
    /// How many keys of each kind.
    pub keys_per_kind: u32,
    /// At what levels, by weight.
    pub levels: &'static [(u64, Level)],
    /// Whether keys expire while the commands run.
    pub expires: bool,
    /// Which clients write what.
    pub traffic: Traffic,
}

/// Which datacenters write a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// One for each key; the others read it. Keys that are only overwritten are written by all.
    OneSequences,
    /// All.
    Anywhere,
}

/// Actions of a register that is only overwritten, by weight.
const PLAIN: &[(u64, Action)] =
    &[(40, Action::Read), (35, Action::Set), (8, Action::SetPair), (10, Action::Delete), (4, Action::Unlink)];
/// Actions of a register with conditional writes too, by weight.
const REGISTER: &[(u64, Action)] = &[
    (30, Action::Read),
    (16, Action::Set),
    (12, Action::Delete),
    (22, Action::SetIfAbsent),
    (6, Action::SetIfPresent),
    (8, Action::SetAndGet),
    (6, Action::GetAndDelete),
    (3, Action::Persist),
];
/// Actions of a collection, by weight. What a kind cannot do becomes an addition.
const COLLECTION: &[(u64, Action)] = &[
    (30, Action::Read),
    (50, Action::Add),
    (5, Action::Remove { element: 0 }),
    (6, Action::Pop),
    (3, Action::Delete),
];
/// Actions that let keys expire, by weight.
const EXPIRING: &[(u64, Action)] = &[
    (10, Action::SetExpiring { after_ms: 0 }),
    (5, Action::Expire { after_ms: 0 }),
    (2, Action::Persist),
    (3, Action::SetKeepingExpiry),
];
/// In so many of a hundred commands on keys that may expire, one of [`EXPIRING`].
const EXPIRING_PERCENT: u64 = 25;
/// Expiries are up to this long: short enough to meet the commands of a burst, and long enough to outlast some faults.
const EXPIRIES_MAX_MS: [u64; 3] = [5, 50, 3000];
/// Commands of [`Kind::Mixed`].
const MIXED: &[&str] = &[
    "GET",
    "SET x",
    "SET 5",
    "DEL",
    "INCR",
    "APPEND y",
    "LPUSH a b",
    "RPOP",
    "SADD a b c",
    "SPOP",
    "HSET f v",
    "HINCRBY f 2",
    "ZADD 1 a 2 b",
    "INCRBYFLOAT 0.5",
    "SET z NX",
    "SETRANGE 3 q",
    "GETSET w",
    "TYPE",
];
/// Half of the commands are sent close to one of so many moments.
const BURST_COUNT: u64 = 12;
/// How close.
const BURST_US: Micros = 4 * MS;

/// Draws the commands of a run, in the order of time.
pub(super) fn draw(topology: &Topology, workload: &Workload, random: &mut Random) -> Vec<PlannedCommand> {
    let nodes: Vec<usize> = (0..topology.len()).filter(|node| topology.is_first(*node)).collect();
    let homes: Vec<usize> = (0..workload.client_count).map(|_| *random.pick(&nodes)).collect();
    let mut times: Vec<Micros> = (0..workload.command_count).map(|_| draw_time(workload, random)).collect();
    times.sort_unstable();
    let mut elements = BTreeMap::new();
    let mut commands = Vec::with_capacity(times.len());
    for at in times {
        let client = random.index(homes.len());
        let dc = topology.dc_of(homes[client]);
        let command = draw_command(topology, workload, dc, &mut elements, random);
        commands.push(PlannedCommand { at, client, home: homes[client], command });
    }
    commands
}

fn draw_time(workload: &Workload, random: &mut Random) -> Micros {
    if random.chance(50) {
        return random.below(workload.lasts);
    }
    draw_burst(workload, random) + random.below(BURST_US)
}

/// A moment after which many commands are sent.
pub(super) fn draw_burst(workload: &Workload, random: &mut Random) -> Micros {
    random.below(BURST_COUNT) * (workload.lasts / BURST_COUNT)
}

/// How many elements a key's commands have used.
#[derive(Debug, Default)]
struct Used {
    added: u32,
    others: u32,
}

/// Commands that add nothing are numbered from here.
const OTHERS_FROM: u32 = 1000;

fn draw_command(
    topology: &Topology,
    workload: &Workload,
    dc: usize,
    elements: &mut BTreeMap<Key, Used>,
    random: &mut Random,
) -> Command {
    let kind = random.weighted(workload.kinds).unwrap_or(Kind::Plain);
    let key = Key { kind, number: random.below(u64::from(workload.keys_per_kind)) as u32 };
    let level = random.weighted(workload.levels).unwrap_or(Level::DcQuorum);
    let used = elements.entry(key).or_default();
    let may_write = workload.traffic == Traffic::Anywhere
        || kind == Kind::Plain
        || key.number as usize % topology.dc_count == dc;
    let action = if may_write { draw_action(workload, key, used, random) } else { Action::Read };
    let is_addition = kind.is_collection() && action == Action::Add;
    let element = if is_addition {
        used.added += 1;
        used.added - 1
    } else {
        used.others += 1;
        OTHERS_FROM + used.others
    };
    Command { key, element, action, level }
}

fn draw_action(workload: &Workload, key: Key, used: &Used, random: &mut Random) -> Action {
    let kind = key.kind;
    if kind == Kind::Mixed {
        return Action::Raw(MIXED[random.index(MIXED.len())]);
    }
    let table = if workload.expires && random.chance(EXPIRING_PERCENT) {
        EXPIRING
    } else if kind == Kind::Plain {
        PLAIN
    } else if kind == Kind::Register {
        REGISTER
    } else {
        COLLECTION
    };
    let index = random.weighted(&weights(table)).unwrap_or(0);
    let longest_ms = *random.pick(&EXPIRIES_MAX_MS);
    let after_ms = random.between(1, longest_ms);
    match table[index].1.clone() {
        Action::SetExpiring { .. } if kind.is_register() => Action::SetExpiring { after_ms },
        Action::SetKeepingExpiry if kind == Kind::Register => Action::SetKeepingExpiry,
        Action::Expire { .. } if kind != Kind::Plain => Action::Expire { after_ms },
        Action::Persist if kind != Kind::Plain => Action::Persist,
        Action::SetExpiring { .. } | Action::SetKeepingExpiry | Action::Expire { .. } | Action::Persist => {
            Action::Read
        }
        Action::Remove { .. } if kind.can_remove() && used.added > 0 => {
            Action::Remove { element: random.below(u64::from(used.added)) as u32 }
        }
        Action::Pop if kind.can_pop() => Action::Pop,
        Action::Remove { .. } | Action::Pop | Action::Add => {
            if kind.elements_max().is_some_and(|max| used.added >= max) { Action::Read } else { Action::Add }
        }
        other => other,
    }
}

fn weights(table: &[(u64, Action)]) -> Vec<(u64, usize)> {
    table.iter().enumerate().map(|(index, (weight, _))| (*weight, index)).collect()
}
