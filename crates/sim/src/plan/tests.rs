use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    command::{Key, Kind},
    scenario::{Invariant, Runnable, SCENARIOS},
};

fn plans(seed_count: u64) -> impl Iterator<Item = (&'static Scenario, Plan)> {
    SCENARIOS
        .iter()
        .flat_map(move |scenario| (0..seed_count).map(move |seed| (scenario, Plan::new(scenario, seed))))
}

#[test]
fn commands_come_in_the_order_of_time_and_a_client_has_one_home() {
    for (scenario, plan) in plans(3) {
        assert!(plan.commands.is_sorted_by_key(|command| command.at), "{}", scenario.name);
        assert_eq!(plan.commands.len(), scenario.workload.command_count);
        let mut homes = BTreeMap::new();
        for command in &plan.commands {
            assert_eq!(*homes.entry(command.client).or_insert(command.home), command.home);
        }
    }
}

#[test]
fn only_one_datacenter_sequences_a_key_where_that_is_said() {
    for (scenario, plan) in
        plans(10).filter(|(scenario, _)| scenario.workload.traffic == Traffic::OneSequences)
    {
        let mut writers: BTreeMap<Key, BTreeSet<usize>> = BTreeMap::new();
        for planned in plan.commands.iter().filter(|planned| !planned.command.is_read()) {
            writers.entry(planned.command.key).or_default().insert(plan.topology.dc_of(planned.home));
        }
        writers.retain(|key, _| key.kind != Kind::Plain);
        assert!(writers.values().all(|dcs| dcs.len() == 1), "{}: {writers:?}", scenario.name);
    }
}

#[test]
fn a_majority_of_racks_keeps_its_data() {
    let mut losses = 0;
    // Where machines lose what was not synced, all may; and nothing is demanded there that needs a majority.
    for (scenario, plan) in
        plans(20).filter(|(scenario, _)| scenario.demands.contains(&Invariant::NothingLost))
    {
        let losers = plan.faults.iter().filter_map(|planned| planned.fault.loses_data_of());
        let racks: BTreeSet<usize> = losers.map(|node| plan.topology.rack_of(node)).collect();
        losses += racks.len();
        for dc in 0..plan.topology.dc_count {
            let lost = racks.iter().filter(|rack| **rack / plan.topology.rack_count == dc).count();
            assert!(lost * 2 < plan.topology.rack_count, "{}: {racks:?}", scenario.name);
        }
    }
    assert!(losses > 0);
}

#[test]
fn values_are_unique_and_counters_count_no_further_than_they_can() {
    for (scenario, plan) in plans(3) {
        let mut seen = BTreeSet::new();
        for planned in plan.commands.iter().filter(|planned| planned.command.key.kind != Kind::Mixed) {
            let command = &planned.command;
            assert!(seen.insert((command.key, command.element)), "{}: {command}", scenario.name);
            let is_addition = command.action == crate::command::Action::Add;
            let max = command.key.kind.elements_max().filter(|_| is_addition);
            assert!(max.is_none_or(|max| command.element < max), "{}: {command}", scenario.name);
        }
    }
}

#[test]
fn names_are_unique() {
    let names: Vec<&str> = Runnable::all().map(Runnable::name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}
