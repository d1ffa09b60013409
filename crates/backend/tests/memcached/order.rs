//! Hundreds of operations at a time, of every kind and in any order, get the outputs that they get one by one.

use dynomite_backend::{KeyState, Operation, Output, Position};
use dynomite_codec::Request;
use dynomite_testkit::Memcached;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::conversation::{Conversation, state_of};

const CASES: u32 = 30;

/// One operation; `number` tells it from the others.
#[derive(Debug, Clone, Copy)]
struct Step {
    kind: u8,
    key: u8,
    size: usize,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![8 => 0..100usize, 2 => 0..40_000usize, 1 => Just(1_100_000)];
    let step = (0..16u8, 0..6u8, size).prop_map(|(kind, key, size)| Step { kind, key, size });
    prop::collection::vec(step, 100..400)
}

fn operation(number: usize, step: Step, state: &KeyState) -> Operation {
    let key = ["a", "b", "c d", "e", "f", "get"][usize::from(step.key)];
    // A key for a command line.
    let word = key.split(' ').next().expect("there is one");
    let value = format!("{number}\r\nEND\r\n{}", "v".repeat(step.size));
    let opaque = format!("O{number}");
    let command = |args: &[&str]| Operation::Command(Request::from_args(args));
    match step.kind {
        0 => command(&["get", word]),
        1 => command(&["get", "a", "b", "e", "f", "none"]),
        2 => command(&["set", word, "7", "0", &value]),
        3 => command(&["append", word, "0", "0", &value]),
        4 => command(&["delete", word]),
        5 => command(&["mg", word, "v", "f", "k", &opaque]),
        6 => command(&["ms", word, "T0", "k", &opaque, &value]),
        7 => command(&["md", word, "k", &opaque]),
        // Always of the same length: the server pads a shorter number, unless a reply still holds the item.
        8 => command(&["ma", "n", "N0", "J1000000000", "D3", "v", &opaque]),
        9 => command(&["set", word, "7", "0", "noreply", &value]),
        10 => command(&["ms", word, "Z", &value]),
        11 => command(&["stats", "sizes"]),
        12 => Operation::Dump { key: key.into() },
        13 => {
            let state = (!step.size.is_multiple_of(3)).then(|| state.clone());
            Operation::Install { key: key.into(), state }
        }
        14 => Operation::Digest { key: key.into(), position: Position::default() },
        _ => Operation::Measure { key: key.into() },
    }
}

#[test]
fn pipelined_operations_answer_as_they_do_one_by_one() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let memcached = Memcached::start();
    let open = || async {
        let mut lane = Conversation::open_up(&memcached).await;
        assert_eq!(lane.command(&["flush_all"]).await, "OK\r\n");
        lane
    };
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(CASES) });
    let outcome = runner.run(&steps(), |steps| {
        let (one_by_one, pipelined) = runtime.block_on(async {
            let mut lane = open().await;
            let state = state_of(&mut lane, b"installed", 5, None).await;
            let operations =
                || steps.iter().enumerate().map(|(number, step)| operation(number, *step, &state));
            let mut one_by_one = Vec::new();
            for operation in operations() {
                one_by_one.push(lane.run(operation).await);
            }
            let mut lane = open().await;
            for operation in operations() {
                lane.submit(operation);
            }
            let mut pipelined: Vec<Output> = Vec::new();
            for _ in &steps {
                pipelined.push(lane.done().await);
            }
            assert_eq!(lane.command(&["mn"]).await, "MN\r\n", "and no reply is left");
            (one_by_one, pipelined)
        });
        for (number, pair) in one_by_one.iter().zip(&pipelined).enumerate() {
            prop_assert!(
                pair.0 == pair.1,
                "operation {number}, {:?}: {:.200} and not {:.200}",
                steps[number],
                format!("{:?}", pair.1),
                format!("{:?}", pair.0),
            );
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
