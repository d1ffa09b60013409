//! Whole runs.

use dynomite_codec::Request;

use crate::{
    Invariant, Plan, Runnable, Trace, TraceTo, World,
    check::check,
    run::{play, run},
};

fn find(name: &str) -> Runnable {
    Runnable::all().find(|runnable| runnable.name() == name).unwrap()
}

/// Runs a scenario with some seeds and demands what it demands, of `among`.
fn keeps(name: &str, seed_count: u64, among: &[Invariant]) {
    let runnable = find(name);
    let demands: Vec<Invariant> =
        runnable.demands().iter().copied().filter(|demand| among.contains(demand)).collect();
    for seed in 0..seed_count {
        let violations = run(&runnable.plan(seed), &demands).violations;
        assert!(violations.is_empty(), "{name}, seed {seed}: {}", violations[0]);
    }
}

fn all_but(left_out: &[Invariant]) -> Vec<Invariant> {
    Invariant::ALL.into_iter().filter(|invariant| !left_out.contains(invariant)).collect()
}

#[test]
fn equal_seeds_make_equal_runs_in_every_scenario() {
    for runnable in Runnable::all() {
        let plan = runnable.plan(3);
        assert_eq!(run(&plan, &[]).digest, run(&plan, &[]).digest, "{}", runnable.name());
    }
}

#[test]
fn equal_seeds_make_equal_event_logs_and_others_do_not() {
    let log = |plan: Plan| {
        let mut world = World::new(plan, Trace::new(TraceTo::Memory));
        play(&mut world);
        (world.digest(), world.trace_lines().to_vec())
    };
    let everything = find("everything");
    let (digest, lines) = log(everything.plan(5));
    assert!(lines.len() > 1000);
    assert_eq!((digest, lines), log(everything.plan(5)));
    assert_ne!(digest, log(everything.plan(6)).0);
}

#[test]
fn where_nothing_breaks_everything_holds() {
    for name in ["stable", "hot", "two-dcs-stable"] {
        keeps(name, 20, &Invariant::ALL);
    }
}

#[test]
fn while_nodes_come_and_go_everything_holds() {
    keeps("seats", 12, &Invariant::ALL);
    keeps("seats-and-faults", 12, &Invariant::ALL);
    keeps("two-dcs-seats", 6, &Invariant::ALL);
}

#[test]
fn with_one_rack_everything_holds_whatever_breaks() {
    keeps("one-rack", 20, &Invariant::ALL);
}

#[test]
fn quorum_reads_and_decisions_hold_in_partitions_and_with_broken_lanes() {
    for name in ["partitions", "broken-lanes", "two-racks", "two-dcs-overwrites"] {
        keeps(name, 20, &all_but(&[Invariant::Converges, Invariant::NothingLost]));
    }
}

#[test]
fn replies_belong_to_their_requests_and_come_in_time_whatever_breaks() {
    for runnable in Runnable::all() {
        keeps(runnable.name(), 5, &[Invariant::NoCrossTalk, Invariant::Answered]);
    }
}

#[test]
fn scripts_lose_nothing_and_decide_once() {
    for script in crate::directed() {
        keeps(script.name, 5, &all_but(&[Invariant::Converges, Invariant::ReadsItsQuorum]));
    }
}

#[test]
fn limits_that_are_reached_cost_errors_and_not_answers() {
    keeps("overload", 10, &all_but(&[Invariant::Converges, Invariant::NothingLost]));
}

#[test]
fn a_replica_that_was_changed_behind_the_engines_back_is_found() {
    let stable = find("stable");
    let mut world = World::new(stable.plan(1), Trace::default());
    play(&mut world);
    assert_eq!(check(&mut world, &Invariant::ALL), []);
    let key = world
        .history()
        .entries
        .iter()
        .map(|entry| entry.command.key)
        .find(|key| key.kind.is_register())
        .unwrap();
    let node = world.replicas(key)[1];
    world.value_of(node, &Request::from_args(["SET", &key.to_string(), "other"]));
    let violations = check(&mut world, &Invariant::ALL);
    assert!(violations.iter().any(|violation| violation.invariant == Invariant::Converges), "{violations:?}");
}

#[test]
fn a_run_that_is_not_over_is_not_at_rest() {
    let plan = find("stable").plan(1);
    let mut world = World::new(plan, Trace::default());
    let busy = |world: &World| {
        let mut nodes = 0..world.plan().topology.len();
        nodes.any(|node| world.stats(node).is_some_and(|stats| stats.operations_in_flight > 0))
    };
    while !busy(&world) {
        world.run_until(world.now() + 100);
    }
    assert!(!world.all_have_rested());
    let violations = check(&mut world, &[Invariant::Bounded]);
    assert!(!violations.is_empty());
    while !world.all_have_rested() {
        world.run_until(world.now() + 1000);
    }
    assert_eq!(check(&mut world, &[Invariant::Bounded]), []);
}

#[test]
fn a_failing_plan_shrinks_to_what_fails() {
    // What nobody promises: that no command fails.
    let runnable = find("partitions");
    let fails = |plan: &Plan| {
        let mut world = World::new(plan.clone(), Trace::default());
        play(&mut world);
        world.history().entries.iter().any(|entry| entry.saw().is_none())
    };
    let plan = (0..).map(|seed| runnable.plan(seed)).find(|plan| fails(plan)).unwrap();
    let small = crate::shrink::shrink_while(&plan, fails);
    assert!(fails(&small));
    assert!(small.commands.len() <= 3 && small.faults.len() <= 3, "{small}");
}
