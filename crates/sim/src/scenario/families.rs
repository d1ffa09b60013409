//! The families of runs, and what each must keep: one table.

use dynomite_replication::Level;

use super::{
    Invariant::{
        self, Answered, Bounded, Converges, DecidesOnce, NoCrossTalk, NoPanic, NothingLost, ReadsItsQuorum,
    },
    Scenario, Shape,
};
use crate::{
    command::Kind,
    plan::{ChangeMix, FaultKind, FaultMix, MS, Traffic, Workload},
};

/// Everything that is promised.
pub(super) const EVERYTHING: &[Invariant] =
    &[Converges, NothingLost, ReadsItsQuorum, DecidesOnce, NoCrossTalk, Bounded, Answered, NoPanic];
/// What is promised of keys that two datacenters sequence at the same time (rule R21).
const WITHOUT_ORDER: &[Invariant] = &[Converges, NoCrossTalk, Bounded, Answered, NoPanic];

/// Levels of most scenarios.
const QUORUM: &[(u64, Level)] = &[(80, Level::DcQuorum), (15, Level::DcOne), (5, Level::DcSafeQuorum)];
const EVERY_LEVEL: &[(u64, Level)] =
    &[(60, Level::DcQuorum), (15, Level::DcOne), (10, Level::DcSafeQuorum), (15, Level::DcEachSafeQuorum)];

/// All kinds of keys whose values tell what happened to them.
const JUDGED: &[(u64, Kind)] = &[
    (25, Kind::Plain),
    (30, Kind::Register),
    (15, Kind::Counter),
    (4, Kind::Float),
    (6, Kind::Text),
    (8, Kind::List),
    (6, Kind::Set),
    (6, Kind::Hash),
    (3, Kind::HashFloat),
    (5, Kind::Sorted),
];
const OVERWRITTEN: &[(u64, Kind)] = &[(1, Kind::Plain)];
const OF_ALL_TYPES: &[(u64, Kind)] = &[(3, Kind::Mixed), (1, Kind::Register)];

const NO_CHANGES: ChangeMix = ChangeMix { count_max: 0, spare_count: 0, replaces: false };
const CHANGES: ChangeMix = ChangeMix { count_max: 6, spare_count: 1, replaces: true };

const SMALL: Shape = Shape {
    dc_count: 1,
    racks: (3, 3),
    nodes_max: 2,
    workers_max: 2,
    skew_us: 2 * MS,
    drift_ppm: 50,
    is_tight: false,
    is_piecewise: false,
    changes: NO_CHANGES,
};
const TWO_DCS: Shape = Shape { dc_count: 2, nodes_max: 1, ..SMALL };

const TRAFFIC: Workload = Workload {
    command_count: 200,
    client_count: 8,
    lasts: 4000 * MS,
    kinds: JUDGED,
    keys_per_kind: 2,
    levels: QUORUM,
    expires: false,
    traffic: Traffic::OneSequences,
};
const FROM_BOTH: Workload = Workload { kinds: OVERWRITTEN, keys_per_kind: 6, levels: EVERY_LEVEL, ..TRAFFIC };

const NO_FAULTS: FaultMix = FaultMix { count_max: 0, lasts_max: 0, kinds: &[], lossy_rack_count: 0 };
const FAULTS: FaultMix = FaultMix { count_max: 8, lasts_max: 3000 * MS, ..NO_FAULTS };
const PARTITIONS: FaultMix = FaultMix {
    kinds: &[
        (3, FaultKind::Partition),
        (3, FaultKind::Cut),
        (3, FaultKind::Reset),
        (2, FaultKind::Slow),
        (1, FaultKind::Freeze),
    ],
    ..FAULTS
};
const CRASHES: FaultMix = FaultMix { kinds: &[(5, FaultKind::Crash), (1, FaultKind::Reset)], ..FAULTS };
const BROKEN_LANES: FaultMix =
    FaultMix { kinds: &[(5, FaultKind::LaneBreak), (2, FaultKind::StoreFreeze)], ..FAULTS };
const ALL_FAULTS: FaultMix = FaultMix {
    count_max: 10,
    kinds: &[
        (3, FaultKind::Partition),
        (3, FaultKind::Cut),
        (2, FaultKind::Reset),
        (2, FaultKind::Slow),
        (4, FaultKind::Crash),
        (2, FaultKind::Freeze),
        (4, FaultKind::LaneBreak),
        (2, FaultKind::StoreFreeze),
        (1, FaultKind::ClockStep),
    ],
    ..FAULTS
};
const DATA_LOSS: FaultMix = FaultMix {
    kinds: &[
        (3, FaultKind::DataLoss),
        (2, FaultKind::StoreLoss),
        (2, FaultKind::Crash),
        (2, FaultKind::Reset),
    ],
    lossy_rack_count: 1,
    ..FAULTS
};

const SET_BACK: FaultMix = FaultMix {
    kinds: &[
        (4, FaultKind::StoreSetBack),
        (4, FaultKind::StoreRestart),
        (2, FaultKind::Partition),
        (2, FaultKind::Crash),
        (1, FaultKind::Cut),
    ],
    lossy_rack_count: 1,
    ..FAULTS
};

const PIECES_BREAK: FaultMix = FaultMix {
    count_max: 12,
    kinds: &[
        (3, FaultKind::Partition),
        (3, FaultKind::Cut),
        (2, FaultKind::Reset),
        (4, FaultKind::Crash),
        (2, FaultKind::Freeze),
        (5, FaultKind::LaneBreak),
        (2, FaultKind::StoreFreeze),
        (1, FaultKind::StoreLoss),
        (1, FaultKind::DataLoss),
    ],
    lossy_rack_count: 1,
    ..FAULTS
};

/// The families.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "stable",
        about: "nothing breaks",
        shape: SMALL,
        workload: TRAFFIC,
        faults: NO_FAULTS,
        demands: EVERYTHING,
    },
    Scenario {
        name: "hot",
        about: "nothing breaks; many clients on few keys",
        shape: Shape { racks: (1, 5), workers_max: 4, ..SMALL },
        workload: Workload { keys_per_kind: 1, client_count: 24, lasts: 400 * MS, ..TRAFFIC },
        faults: NO_FAULTS,
        demands: EVERYTHING,
    },
    Scenario {
        name: "overload",
        about: "many clients, low limits, slow datastores and full links",
        shape: Shape { is_tight: true, ..SMALL },
        workload: Workload { keys_per_kind: 1, client_count: 24, lasts: 1000 * MS, ..TRAFFIC },
        faults: FaultMix { kinds: &[(1, FaultKind::StoreFreeze), (1, FaultKind::Slow)], ..FAULTS },
        demands: EVERYTHING,
    },
    Scenario {
        name: "echoes",
        about: "answers come twice",
        shape: SMALL,
        workload: TRAFFIC,
        faults: FaultMix { kinds: &[(1, FaultKind::Echo)], ..FAULTS },
        demands: EVERYTHING,
    },
    Scenario {
        name: "expiring",
        about: "nothing breaks; keys expire",
        shape: SMALL,
        workload: Workload { expires: true, keys_per_kind: 1, ..TRAFFIC },
        faults: NO_FAULTS,
        demands: EVERYTHING,
    },
    Scenario {
        name: "partitions",
        about: "cuts in one and both directions, broken and slow links, frozen nodes",
        shape: SMALL,
        workload: TRAFFIC,
        faults: PARTITIONS,
        demands: EVERYTHING,
    },
    Scenario {
        name: "crashes",
        about: "nodes are killed and come back with what they had written",
        shape: SMALL,
        workload: TRAFFIC,
        faults: CRASHES,
        demands: EVERYTHING,
    },
    Scenario {
        name: "broken-lanes",
        about: "connections to datastores break with operations under way; datastores freeze",
        shape: SMALL,
        workload: TRAFFIC,
        faults: BROKEN_LANES,
        demands: EVERYTHING,
    },
    Scenario {
        name: "skew",
        about: "clocks are apart, drift and are set",
        shape: Shape { skew_us: 300 * MS, drift_ppm: 2000, ..SMALL },
        workload: TRAFFIC,
        faults: FaultMix {
            kinds: &[
                (3, FaultKind::ClockStep),
                (3, FaultKind::Cut),
                (3, FaultKind::Reset),
                (1, FaultKind::Crash),
            ],
            ..FAULTS
        },
        demands: EVERYTHING,
    },
    Scenario {
        name: "data-loss",
        about: "nodes of one rack lose their log, their datastore's data or both",
        shape: SMALL,
        workload: TRAFFIC,
        faults: DATA_LOSS,
        demands: EVERYTHING,
    },
    Scenario {
        name: "set-back",
        about: "datastores of one rack begin anew with what they had some time ago, others with all they had",
        shape: SMALL,
        workload: TRAFFIC,
        faults: SET_BACK,
        demands: EVERYTHING,
    },
    Scenario {
        name: "power-loss",
        about: "machines die with their datastores: what was not synced is gone",
        shape: SMALL,
        workload: TRAFFIC,
        faults: FaultMix { kinds: &[(3, FaultKind::PowerLoss), (1, FaultKind::Reset)], ..FAULTS },
        // The log forgets promises that were not synced: what is promised is that the replicas end equal.
        demands: WITHOUT_ORDER,
    },
    Scenario {
        name: "five-racks",
        about: "five racks, everything that loses no data",
        shape: Shape { racks: (5, 5), nodes_max: 1, ..SMALL },
        workload: TRAFFIC,
        faults: ALL_FAULTS,
        demands: EVERYTHING,
    },
    Scenario {
        name: "two-racks",
        about: "two racks, where a majority is both",
        shape: Shape { racks: (2, 2), ..SMALL },
        workload: TRAFFIC,
        faults: ALL_FAULTS,
        demands: EVERYTHING,
    },
    Scenario {
        name: "one-rack",
        about: "one rack: nothing is replicated, and nothing gets in the way",
        shape: Shape { racks: (1, 1), nodes_max: 3, ..SMALL },
        workload: TRAFFIC,
        faults: FaultMix {
            kinds: &[
                (3, FaultKind::Reset),
                (2, FaultKind::LaneBreak),
                (2, FaultKind::Crash),
                (1, FaultKind::Freeze),
            ],
            ..FAULTS
        },
        demands: EVERYTHING,
    },
    Scenario {
        name: "two-dcs",
        about: "two datacenters, one of which sequences each key",
        shape: TWO_DCS,
        workload: Workload { levels: EVERY_LEVEL, ..TRAFFIC },
        faults: ALL_FAULTS,
        demands: EVERYTHING,
    },
    Scenario {
        name: "two-dcs-stable",
        about: "two datacenters, one of which sequences each key; nothing breaks",
        shape: TWO_DCS,
        workload: Workload { levels: EVERY_LEVEL, ..TRAFFIC },
        faults: NO_FAULTS,
        demands: EVERYTHING,
    },
    Scenario {
        name: "two-dcs-overwrites",
        about: "two datacenters overwrite the same keys",
        shape: TWO_DCS,
        workload: FROM_BOTH,
        faults: ALL_FAULTS,
        demands: EVERYTHING,
    },
    Scenario {
        name: "two-dcs-anything",
        about: "two datacenters write the same keys in every way",
        shape: TWO_DCS,
        workload: Workload { traffic: Traffic::Anywhere, levels: EVERY_LEVEL, ..TRAFFIC },
        faults: PARTITIONS,
        demands: WITHOUT_ORDER,
    },
    Scenario {
        name: "three-dcs-data-loss",
        about: "three datacenters, data is lost in one rack of each",
        shape: Shape { dc_count: 3, ..TWO_DCS },
        workload: FROM_BOTH,
        faults: DATA_LOSS,
        demands: EVERYTHING,
    },
    Scenario {
        name: "types",
        about: "commands of all types meet on the same keys",
        shape: SMALL,
        workload: Workload { kinds: OF_ALL_TYPES, expires: true, ..TRAFFIC },
        faults: ALL_FAULTS,
        demands: EVERYTHING,
    },
    Scenario {
        name: "pieces",
        about: "states move in pieces, and everything breaks",
        shape: Shape { is_piecewise: true, ..SMALL },
        workload: Workload { expires: true, ..TRAFFIC },
        faults: PIECES_BREAK,
        demands: EVERYTHING,
    },
    Scenario {
        name: "two-dcs-pieces",
        about: "states move in pieces from one datacenter to the other",
        shape: Shape { is_piecewise: true, ..TWO_DCS },
        workload: Workload { levels: EVERY_LEVEL, ..TRAFFIC },
        faults: PIECES_BREAK,
        demands: EVERYTHING,
    },
    Scenario {
        name: "seats",
        about: "nodes join, leave and are replaced while clients write; nothing else breaks",
        shape: Shape { changes: CHANGES, ..SMALL },
        workload: TRAFFIC,
        faults: NO_FAULTS,
        demands: EVERYTHING,
    },
    Scenario {
        name: "seats-and-faults",
        about: "nodes join, leave and are replaced, and everything breaks that loses no data",
        shape: Shape { racks: (3, 5), changes: CHANGES, ..SMALL },
        workload: Workload { expires: true, ..TRAFFIC },
        faults: ALL_FAULTS,
        demands: EVERYTHING,
    },
    Scenario {
        name: "two-dcs-seats",
        about: "the same in one of two datacenters, or in both",
        shape: Shape { changes: CHANGES, ..TWO_DCS },
        workload: Workload { levels: EVERY_LEVEL, ..TRAFFIC },
        faults: ALL_FAULTS,
        demands: EVERYTHING,
    },
    Scenario {
        name: "large",
        about: "hundreds of nodes",
        shape: Shape { racks: (3, 5), nodes_max: 50, workers_max: 1, ..SMALL },
        workload: Workload { command_count: 400, client_count: 40, keys_per_kind: 12, ..TRAFFIC },
        faults: FaultMix { count_max: 20, ..ALL_FAULTS },
        demands: EVERYTHING,
    },
    Scenario {
        name: "everything",
        about: "every fault there is",
        shape: Shape { racks: (3, 5), skew_us: 200 * MS, drift_ppm: 500, ..SMALL },
        workload: Workload { expires: true, ..TRAFFIC },
        faults: FaultMix {
            count_max: 14,
            kinds: &[
                (3, FaultKind::Partition),
                (3, FaultKind::Cut),
                (2, FaultKind::Reset),
                (2, FaultKind::Slow),
                (4, FaultKind::Crash),
                (2, FaultKind::Freeze),
                (4, FaultKind::LaneBreak),
                (2, FaultKind::StoreFreeze),
                (2, FaultKind::StoreRestart),
                (1, FaultKind::StoreLoss),
                (1, FaultKind::StoreSetBack),
                (1, FaultKind::DataLoss),
                (2, FaultKind::ClockStep),
            ],
            lossy_rack_count: 1,
            ..FAULTS
        },
        demands: EVERYTHING,
    },
];
