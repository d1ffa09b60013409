//! Random schedules: whatever is lost, repeated, late and crashes, no epoch gets two values.

use super::cluster::{Cluster, Faults, NO_FAULTS};
use super::*;

/// Three to five nodes, of which some begin as voters, propose sets of voters against each other for a while.
fn run(seed: u64, planted: Option<Planted>) -> Cluster {
    let mut rng = Rng::new(seed);
    let node_count = 3 + rng.below(3);
    let first: Vec<u64> = (1..=3 + rng.below(node_count - 2)).collect();
    let faults = Faults {
        lost: rng.below(15),
        repeated: rng.below(50),
        crashes: rng.below(2),
        restarts: rng.below(3),
        waits: 1 + rng.below(3),
    };
    let proposer_count = 1 + rng.below(node_count);
    let mut cluster = Cluster::new(node_count, &first, rng.draw(), planted);
    for _ in 0..1000 {
        if rng.below(15) == 0 {
            let by = 1 + rng.below(proposer_count);
            propose(&mut cluster, &mut rng, by, node_count);
        }
        cluster.step(faults);
        if cluster.violation.is_some() {
            break;
        }
    }
    cluster
}

/// A node proposes that one node more or less votes, if it can.
fn propose(cluster: &mut Cluster, rng: &mut Rng, node: u64, node_count: u64) {
    let Some(agreement) = &cluster.machines[&NodeId(node)].agreement else { return };
    let Some((_, value)) = agreement.last() else { return };
    let mut voters: Vec<u64> = voters_of(value).unwrap().iter().map(|voter| voter.0).collect();
    let other = 1 + rng.below(node_count);
    match voters.iter().position(|voter| *voter == other) {
        Some(place) if voters.len() > 2 => _ = voters.remove(place),
        Some(_) => {}
        None => voters.push(other),
    }
    _ = cluster.propose(node, &voters);
}

#[test]
fn no_epoch_gets_two_values() {
    let (mut decided, mut contested) = (0, 0);
    for seed in 0..1500 {
        let cluster = run(seed, None);
        assert_eq!((cluster.violation, &cluster.conflicts), (None, &vec![]), "seed {seed}");
        decided += cluster.decided.len() - 1;
        contested += cluster.outcomes.iter().filter(|(.., outcome)| *outcome == Outcome::Other).count();
    }
    // The schedules are worth something: much is decided, and proposals often meet others.
    assert!(decided > 2000 && contested > 2000, "{decided} {contested}");
}

#[test]
fn planted_faults_are_found() {
    for planted in [Planted::AnswerBeforePersist, Planted::SmallMajority] {
        let found = (0..20_000).find(|seed| run(*seed, Some(planted)).violation.is_some());
        assert!(found.is_some(), "{planted:?}");
    }
}

#[test]
fn after_faults_all_learn_all_and_go_on() {
    for seed in 0..300 {
        let mut cluster = run(seed, None);
        cluster.calm_down();
        let ends: Vec<_> = cluster.machines.values().map(|machine| machine.disk.decided.last()).collect();
        assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "seed {seed}: {ends:?}");
        cluster.outcomes.clear();
        let value = cluster.propose(1, &[1, 2, 3]).unwrap();
        // What was open before may come first.
        let outcome = cluster.outcome(1);
        assert!(matches!(outcome, Outcome::Won | Outcome::Other), "seed {seed}: {outcome:?}");
        if outcome == Outcome::Won {
            assert_eq!(cluster.agreement(1).last().unwrap().1, value);
        }
        assert_eq!(cluster.violation, None, "seed {seed}");
    }
}

#[test]
fn who_proposes_against_each_other_gets_through() {
    for seed in 0..200 {
        let mut cluster = Cluster::new(5, &[1, 2, 3, 4, 5], seed, None);
        for node in 1..=5 {
            cluster.propose(node, &[1, 2, 3, 4, 5]).unwrap();
        }
        while cluster.outcomes.len() < 5 {
            // Letters are lost too: by and by all get through.
            for _ in 0..300 {
                cluster.step(Faults { lost: 10, repeated: 10, ..NO_FAULTS });
            }
            cluster.wait();
        }
        let won = cluster.outcomes.iter().filter(|(.., outcome)| *outcome == Outcome::Won).count();
        let lost = cluster.outcomes.iter().filter(|(.., outcome)| *outcome == Outcome::Other).count();
        assert_eq!((won, won + lost, cluster.violation), (1, 5, None), "seed {seed}: {:?}", cluster.outcomes);
    }
}

#[test]
fn the_same_seed_does_the_same() {
    let told = |cluster: &Cluster| {
        let disks: Vec<_> = cluster.machines.values().map(|machine| machine.disk.clone()).collect();
        (cluster.now, cluster.outcomes.clone(), disks)
    };
    assert_eq!(told(&run(7, None)), told(&run(7, None)));
    let mut calm = Cluster::new(3, &[1, 2, 3], 1, None);
    calm.step(NO_FAULTS);
}
