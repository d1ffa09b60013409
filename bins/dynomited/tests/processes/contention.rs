//! Many clients on one key, through all nodes at once.

use std::thread;

use crate::shapes::{at_level, text, three_racks};

/// What each client sends.
const ROUNDS: usize = 300;

#[test]
fn a_hot_key_is_written_through_every_node_without_errors() {
    let cluster = at_level(three_racks(1), "DC_QUORUM").start();
    for commands in [&["SET hot v"][..], &["SET mixed 5", "INCR mixed", "SET mixed 7 EX 100", "DEL mixed"]] {
        thread::scope(|scope| {
            for node in [0, 1, 2, 0, 1, 2] {
                let mut client = cluster.client(node);
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let command = commands[round % commands.len()];
                        let reply = client.command(&command.split(' ').collect::<Vec<_>>());
                        assert!(!reply.starts_with(b"-"), "{command} through node {node}: {}", text(&reply));
                    }
                });
            }
        });
    }
}

#[test]
fn a_client_that_goes_from_node_to_node_writes_and_reads_in_order() {
    let cluster = at_level(three_racks(1), "DC_QUORUM").set("workers=2").start();
    let mut clients: Vec<_> = (0..3).map(|node| cluster.client(node)).collect();
    for round in 0..ROUNDS {
        let value = round.to_string();
        let reply = clients[round % 3].command(&["SET", "wandering", &value]);
        assert_eq!(text(&reply), "+OK\\r\\n", "round {round}");
        let reply = clients[(round + 1) % 3].command(&["GET", "wandering"]);
        assert_eq!(text(&reply), format!("${}\\r\\n{value}\\r\\n", value.len()), "round {round}");
    }
}
