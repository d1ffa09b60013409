//! What one node does, told as stories.

use super::super::acceptor::Vote;
use super::cluster::{Cluster, NO_FAULTS};
use super::*;

#[test]
fn a_value_is_decided_by_all_that_it_concerns() {
    // Node 4 is no voter yet, and knows nothing.
    let mut cluster = Cluster::new(4, &[1, 2, 3], 1, None);
    assert_eq!(cluster.agreement(4).last(), None);
    let value = cluster.propose(1, &[1, 2, 3, 4]).unwrap();
    assert_eq!(cluster.outcome(1), Outcome::Won);
    for node in 1..=4 {
        assert_eq!(cluster.agreement(node).last(), Some((2, &*value)), "node {node}");
    }
    // It votes on the next one: without it three of four are left, and two of them are not enough.
    cluster.cut.insert(NodeId(3));
    let value = cluster.propose(2, &[1, 2, 4]).unwrap();
    assert_eq!(cluster.outcome(2), Outcome::Won);
    assert_eq!(cluster.agreement(4).last(), Some((3, &*value)));
}

#[test]
fn without_a_majority_it_is_told_who_did_not_answer() {
    let mut cluster = Cluster::new(5, &[1, 2, 3, 4, 5], 1, None);
    cluster.cut.extend([NodeId(2), NodeId(4), NodeId(5)]);
    cluster.propose(1, &[1, 2, 3]).unwrap();
    let Outcome::Unknown(cause) = cluster.outcome(1) else { panic!("it is decided by two of five") };
    let silent = vec![NodeId(2), NodeId(4), NodeId(5)];
    assert_eq!(cause, Cause::NoMajority { silent, needed: 3, voter_count: 5 });
    assert!(cluster.now >= ms(13_000) && cluster.now < ms(17_000), "{:?}", cluster.now);
    assert_eq!(cause.to_string(), "3 of 5 nodes must answer, and these did not: 00000002 00000004 00000005");
    // Nothing is in the way when they are back.
    cluster.cut.clear();
    cluster.propose(4, &[1, 2, 3]).unwrap();
    assert!(matches!(cluster.outcome(4), Outcome::Won | Outcome::Other));
}

#[test]
fn what_may_be_decided_is_adopted() {
    let mut cluster = Cluster::new(3, &[1, 2, 3], 1, None);
    // Node 1 gets its value accepted by 2, and stops before anybody knows.
    let first = cluster.propose(1, &[1, 2]).unwrap();
    cluster.cut.insert(NodeId(3));
    let has_accepted = |cluster: &Cluster| {
        let vote = cluster.machines[&NodeId(2)].disk.vote.as_deref().unwrap_or_default();
        vote.windows(first.len()).any(|part| part == first)
    };
    while !has_accepted(&cluster) {
        cluster.step(NO_FAULTS);
    }
    cluster.crash(NodeId(1));
    cluster.cut.clear();
    cluster.propose(3, &[2, 3]).unwrap();
    assert_eq!(cluster.outcome(3), Outcome::Other);
    assert_eq!(cluster.agreement(2).last(), Some((2, &*first)));
}

#[test]
fn one_voter_decides_alone() {
    let mut cluster = Cluster::new(2, &[1], 1, None);
    let value = cluster.propose(1, &[1, 2]).unwrap();
    assert_eq!(cluster.outcome(1), Outcome::Won);
    assert_eq!(cluster.agreement(2).last(), Some((2, &*value)));
}

#[test]
fn who_was_away_learns_in_order_or_leaves_out_what_nobody_keeps() {
    let mut cluster = Cluster::new(3, &[1, 2, 3], 1, None);
    for (away_for, first_told) in [(2, 2), (6, 9)] {
        cluster.cut.insert(NodeId(3));
        for _ in 0..away_for {
            cluster.propose(1, &[1, 2, 3]).unwrap();
            assert_eq!(cluster.outcome(1), Outcome::Won);
        }
        cluster.cut.clear();
        cluster.told.clear();
        cluster.rumour(NodeId(3), NodeId(2));
        cluster.settle();
        let told: Vec<u64> =
            cluster.told.iter().filter(|(node, _)| node.0 == 3).map(|(_, epoch)| *epoch).collect();
        let last = cluster.agreement(1).last().unwrap().0;
        assert_eq!(told, (first_told..=last).collect::<Vec<_>>());
    }
}

#[test]
fn a_node_that_votes_for_the_past_is_taught() {
    let mut cluster = Cluster::new(3, &[1, 2, 3], 1, None);
    cluster.cut.insert(NodeId(3));
    let decided = cluster.propose(1, &[1, 2, 3]).unwrap();
    assert_eq!(cluster.outcome(1), Outcome::Won);
    cluster.cut.clear();
    cluster.propose(3, &[1, 2]).unwrap();
    assert_eq!(cluster.outcome(3), Outcome::Other);
    assert_eq!(cluster.agreement(3).last(), Some((2, &*decided)));
}

#[test]
fn nodes_that_began_differently_do_not_vote_with_each_other() {
    let mut cluster = Cluster::new(3, &[1, 2, 3], 1, None);
    for node in [2, 3] {
        cluster.crash(NodeId(node));
        cluster.machines.get_mut(&NodeId(node)).unwrap().disk.decided = vec![(1, value(99, &[1, 2, 3]))];
    }
    cluster.start_all();
    cluster.propose(1, &[1, 2]).unwrap();
    assert!(matches!(cluster.outcome(1), Outcome::Unknown(Cause::NoMajority { .. })));
    assert!(cluster.conflicts.contains(&(NodeId(2), 1)), "{:?}", cluster.conflicts);
    // Nor does one take over what the others decide.
    cluster.propose(2, &[1, 2, 3]).unwrap();
    assert_eq!(cluster.outcome(2), Outcome::Won);
    cluster.rumour(NodeId(1), NodeId(2));
    cluster.settle();
    assert_eq!(cluster.agreement(1).last().map(|(epoch, _)| epoch), Some(1));
    assert!(cluster.conflicts.contains(&(NodeId(1), 1)), "{:?}", cluster.conflicts);
}

#[test]
fn a_forced_value_outbids_what_the_lost_had_decided() {
    let mut cluster = Cluster::new(5, &[1, 2, 3, 4, 5], 1, None);
    cluster.cut.extend([NodeId(1), NodeId(2)]);
    cluster.propose(3, &[3, 4, 5]).unwrap();
    assert_eq!(cluster.outcome(3), Outcome::Won);
    // 3, 4 and 5 are gone for good, it seems.
    (3..=5).for_each(|node| cluster.crash(NodeId(node)));
    cluster.cut.clear();
    let forced = value(77, &[1, 2]);
    let given = forced.clone();
    let epoch = cluster.act(NodeId(1), |agreement, _, out| agreement.force(given, out)).unwrap().unwrap();
    cluster.settle();
    let next = cluster.propose(2, &[1, 2, 3]).unwrap();
    assert_eq!(cluster.outcome(2), Outcome::Won);
    // One of them comes back, and follows.
    cluster.start(NodeId(4));
    cluster.rumour(NodeId(4), NodeId(2));
    cluster.settle();
    assert_eq!(cluster.agreement(4).last(), Some((epoch + 1, &*next)));
    assert_eq!(cluster.agreement(1).decided(epoch), Some(&*forced));
}

#[test]
fn what_is_asked_too_much_is_refused() {
    let mut cluster = Cluster::new(2, &[1], 1, None);
    let mut ask = |node: u64, value: Vec<u8>| {
        cluster.act(NodeId(node), |agreement, now, out| agreement.propose(now, value, out)).unwrap()
    };
    assert_eq!(ask(2, value(1, &[1])), Err(AgreementError::NothingDecided));
    assert_eq!(ask(1, b"abc".to_vec()), Err(AgreementError::NoValue { epoch: 2 }));
    assert_eq!(ask(1, value(1, &[])), Err(AgreementError::NoValue { epoch: 2 }));
    let max = Config::default().value_bytes_max;
    let long = Err(AgreementError::ValueTooLong { byte_count: max + 1, max });
    assert_eq!(ask(1, vec![1; max + 1]), long);
    cluster.propose(1, &[1, 2]).unwrap();
    cluster.outcome(1);
    let mut ask = |value: Vec<u8>| {
        cluster.act(NodeId(1), |agreement, now, out| agreement.propose(now, value, out)).unwrap()
    };
    assert_eq!(ask(value(1, &[1])), Ok(3));
    assert_eq!(ask(value(2, &[1])), Err(AgreementError::Busy { epoch: 3 }));
}

#[test]
fn what_is_stored_wrongly_is_refused() {
    let start = |decided: Vec<(u64, Vec<u8>)>, vote: Option<&[u8]>| {
        let stored = Stored { decided, vote: vote.map(<[u8]>::to_vec) };
        Agreement::new(NodeId(1), voters_of, Config::default(), stored, 1).map(|_| ()).unwrap_err()
    };
    let (one, two) = ((4, value(1, &[1])), (4, value(2, &[1])));
    assert_eq!(start(vec![one.clone(), two], None), AgreementError::DecidedTwice { epoch: 4 });
    assert_eq!(start(vec![(4, vec![1])], None), AgreementError::NoValue { epoch: 4 });
    assert_eq!(start(vec![one], Some(b"torn")), AgreementError::VoteUnreadable);
}

#[test]
fn a_node_that_lost_what_was_decided_does_not_propose_before_it_knows_again() {
    let mut cluster = Cluster::new(3, &[1, 2, 3], 1, None);
    for _ in 0..2 {
        cluster.propose(1, &[1, 2, 3]).unwrap();
        assert_eq!(cluster.outcome(1), Outcome::Won);
    }
    cluster.crash(NodeId(1));
    cluster.machines.get_mut(&NodeId(1)).unwrap().disk.decided = vec![(1, value(0, &[1, 2, 3]))];
    cluster.start(NodeId(1));
    assert_eq!(cluster.propose(1, &[1, 2]), Err(AgreementError::Behind { voted: 3, known: 1 }));
    cluster.rumour(NodeId(1), NodeId(2));
    cluster.settle();
    cluster.propose(1, &[1, 2]).unwrap();
    assert_eq!(cluster.outcome(1), Outcome::Won);
}

#[test]
fn a_node_that_voted_on_a_later_epoch_than_it_knows_does_not_vote() {
    let vote = |epoch| Vote { epoch, promised: Ballot::NONE, accepted: None };
    for (voted, answers) in [(3, 0), (2, 1), (1, 1)] {
        let stored = Stored {
            decided: vec![(1, value(0, &[1, 2, 3]))],
            vote: Some(message::encode_vote(&vote(voted))),
        };
        let mut agreement = Agreement::new(NodeId(1), voters_of, Config::default(), stored, 1).unwrap();
        let ballot = Ballot { round: 1, node: NodeId(2) };
        let body = Body::Prepare { ballot, follows: agreement.chain.sum(1) };
        let mut out = Vec::new();
        agreement.handle_message(ms(0), NodeId(2), &message::encode(&Message { epoch: 2, body }), &mut out);
        let sent = out.iter().filter(|output| matches!(output, Output::Send { .. })).count();
        assert_eq!(sent, answers, "voted on {voted}");
    }
}

#[test]
fn who_is_no_voter_has_no_vote() {
    let mut cluster = Cluster::new(4, &[1, 2, 3], 1, None);
    // Node 4 comes to know what is decided, and proposes; its own promise does not count.
    cluster.rumour(NodeId(4), NodeId(1));
    cluster.settle();
    cluster.cut.extend([NodeId(1), NodeId(2)]);
    cluster.propose(4, &[1, 2, 3, 4]).unwrap();
    assert!(matches!(
        cluster.outcome(4),
        Outcome::Unknown(Cause::NoMajority { needed: 2, voter_count: 3, .. })
    ));
    cluster.cut.clear();
    cluster.propose(4, &[1, 2, 3, 4]).unwrap();
    assert_eq!(cluster.outcome(4), Outcome::Won);
}

#[test]
fn what_is_asked_of_another_node_is_asked_once_until_it_is_late() {
    let mut cluster = Cluster::new(3, &[1, 2, 3], 1, None);
    let ask = |cluster: &mut Cluster| {
        let mut sent = 0;
        cluster.act(NodeId(3), |agreement, now, out| {
            agreement.handle_timeout(now, out);
            agreement.handle_epoch(now, NodeId(1), 9, out);
            sent = out.len();
        });
        sent
    };
    assert_eq!((ask(&mut cluster), ask(&mut cluster)), (1, 0));
    assert_eq!(cluster.agreement(3).next_deadline(), Some(cluster.config.answer_timeout));
    cluster.now = cluster.config.answer_timeout;
    assert_eq!(ask(&mut cluster), 1);
}
