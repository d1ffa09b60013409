//! Planning: a client's command, up to the messages and the operations for the lane that come of it at its node, in a
//! cluster of three racks. A third of the keys have their primary there.

use std::hint::black_box;

use dynomite_replication::Level;

use crate::case::{Case, Scenario, scenario};
use crate::operation::{Asked, Clients, PIPELINE};

/// Commands up to what comes out first.
pub const CASES: &[Case] = &[
    Case { name: "plan/dc_one/get", elements: PIPELINE, prepare: || plan(Asked::Get, Level::DcOne) },
    Case { name: "plan/dc_one/set_64", elements: PIPELINE, prepare: || plan(Asked::Set, Level::DcOne) },
    Case { name: "plan/dc_one/incr", elements: PIPELINE, prepare: || plan(Asked::Incr, Level::DcOne) },
    Case { name: "plan/dc_quorum/get", elements: PIPELINE, prepare: || plan(Asked::Get, Level::DcQuorum) },
    Case { name: "plan/dc_quorum/set_64", elements: PIPELINE, prepare: || plan(Asked::Set, Level::DcQuorum) },
    Case { name: "plan/dc_quorum/incr", elements: PIPELINE, prepare: || plan(Asked::Incr, Level::DcQuorum) },
];

fn plan(asked: Asked, level: Level) -> Box<dyn Scenario> {
    const RACKS: usize = 3;
    let mut clients = Clients::new(RACKS, asked, level);
    clients.make_ready();
    clients.submit();
    scenario(
        clients,
        |clients| {
            // What the last batch planned is carried out, so that nothing piles up.
            clients.settle();
            clients.make_ready();
        },
        |clients| {
            clients.submit();
            assert!(black_box(&clients.cluster).wanted() >= PIPELINE, "something comes of every command");
        },
    )
}
