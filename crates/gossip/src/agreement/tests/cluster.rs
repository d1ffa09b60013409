//! Nodes with disks, and a network that loses, repeats and reorders.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;

/// How likely what goes wrong is, in percent of the letters or of all that happens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Faults {
    pub(super) lost: u64,
    pub(super) repeated: u64,
    pub(super) crashes: u64,
    /// Starts of the process that follow at once, while letters are under way.
    pub(super) restarts: u64,
    /// Deadlines, while letters are under way.
    pub(super) waits: u64,
}

pub(super) const NO_FAULTS: Faults = Faults { lost: 0, repeated: 0, crashes: 0, restarts: 0, waits: 1 };

pub(super) struct Machine {
    /// `None` while it is stopped.
    pub(super) agreement: Option<Agreement>,
    pub(super) disk: Stored,
    /// What it has still to do, in order; lost when it crashes.
    todo: VecDeque<Output>,
}

struct Letter {
    from: NodeId,
    to: NodeId,
    bytes: Vec<u8>,
}

pub(super) struct Cluster {
    pub(super) now: Duration,
    pub(super) machines: BTreeMap<NodeId, Machine>,
    pub(super) outcomes: Vec<(NodeId, u64, Outcome)>,
    pub(super) conflicts: Vec<(NodeId, u64)>,
    /// Who was told of which epoch.
    pub(super) told: Vec<(NodeId, u64)>,
    /// Nobody is reached here, and nobody hears.
    pub(super) cut: BTreeSet<NodeId>,
    pub(super) rng: Rng,
    pub(super) config: Config,
    network: Vec<Letter>,
    pub(super) decided: BTreeMap<u64, Vec<u8>>,
    /// What was asked to be accepted, by epoch and ballot, and who has accepted it.
    ballots: BTreeMap<(u64, Ballot), (Vec<u8>, BTreeSet<NodeId>)>,
    /// What a majority has accepted, whether anybody knows it or not.
    chosen: BTreeMap<u64, Vec<u8>>,
    /// The first epoch that got two values.
    pub(super) violation: Option<u64>,
    planted: Option<Planted>,
    labels: u32,
}

impl Cluster {
    /// `known` nodes begin with a first value by which `voters` vote; others of `all` know nothing.
    pub(super) fn new(all: u64, known: &[u64], seed: u64, planted: Option<Planted>) -> Self {
        let stored = Stored { decided: vec![(1, value(0, known))], vote: None };
        let machine = |node: u64| {
            let disk = if known.contains(&node) { stored.clone() } else { Stored::default() };
            (NodeId(node), Machine { agreement: None, disk, todo: VecDeque::new() })
        };
        let mut cluster = Self {
            now: Duration::ZERO,
            machines: (1..=all).map(machine).collect(),
            outcomes: Vec::new(),
            conflicts: Vec::new(),
            told: Vec::new(),
            cut: BTreeSet::new(),
            rng: Rng::new(seed),
            config: Config { chain_len_max: 3, ..Config::default() },
            network: Vec::new(),
            decided: BTreeMap::from([(1, value(0, known))]),
            ballots: BTreeMap::new(),
            chosen: BTreeMap::new(),
            violation: None,
            planted,
            labels: 0,
        };
        cluster.start_all();
        cluster
    }

    pub(super) fn start_all(&mut self) {
        let stopped = self.machines.iter().filter(|(_, machine)| machine.agreement.is_none());
        for node in stopped.map(|(node, _)| *node).collect::<Vec<_>>() {
            self.start(node);
        }
    }

    /// Starts a node from its disk alone.
    pub(super) fn start(&mut self, node: NodeId) {
        let seed = self.rng.draw();
        let machine = self.machines.get_mut(&node).unwrap();
        let mut agreement =
            Agreement::new(node, voters_of, self.config.clone(), machine.disk.clone(), seed).unwrap();
        agreement.planted = self.planted;
        machine.agreement = Some(agreement);
    }

    pub(super) fn crash(&mut self, node: NodeId) {
        let machine = self.machines.get_mut(&node).unwrap();
        machine.agreement = None;
        machine.todo.clear();
    }

    pub(super) fn agreement(&self, node: u64) -> &Agreement {
        self.machines[&NodeId(node)].agreement.as_ref().unwrap()
    }

    /// Lets a node act, if it runs.
    pub(super) fn act<T>(
        &mut self,
        node: NodeId,
        act: impl FnOnce(&mut Agreement, Duration, &mut Vec<Output>) -> T,
    ) -> Option<T> {
        let machine = self.machines.get_mut(&node)?;
        let mut out = Vec::new();
        let done = act(machine.agreement.as_mut()?, self.now, &mut out);
        machine.todo.extend(out);
        Some(done)
    }

    pub(super) fn propose(&mut self, node: u64, voters: &[u64]) -> Result<Vec<u8>, AgreementError> {
        self.labels += 1;
        let value = value(self.labels, voters);
        let proposed = value.clone();
        let done = self.act(NodeId(node), |agreement, now, out| agreement.propose(now, proposed, out));
        done.expect("the node runs").map(|_| value)
    }

    /// Carries out the next thing that a node has to do; false when there is none.
    fn carry_out(&mut self, node: NodeId) -> bool {
        let machine = self.machines.get_mut(&node).unwrap();
        let Some(output) = machine.todo.pop_front() else { return false };
        match output {
            Output::PersistVote(vote) => {
                machine.disk.vote = Some(vote.clone());
                self.watch_vote(node, &vote);
            }
            Output::PersistDecided { epoch, value, oldest } => {
                let known = self.decided.entry(epoch).or_insert_with(|| value.clone());
                if *known != value {
                    self.violation = Some(epoch);
                }
                machine.disk.decided.push((epoch, value));
                machine.disk.decided.retain(|(epoch, _)| *epoch >= oldest);
            }
            Output::Send { to, bytes } => {
                self.watch_letter(&bytes);
                self.network.push(Letter { from: node, to, bytes });
            }
            Output::Decided { epoch, .. } => self.told.push((node, epoch)),
            Output::Proposed { epoch, outcome } => self.outcomes.push((node, epoch, outcome)),
            Output::Conflict { epoch, .. } => self.conflicts.push((node, epoch)),
        }
        true
    }

    /// A ballot has one value.
    fn watch_letter(&mut self, bytes: &[u8]) {
        let message = message::decode(bytes, usize::MAX).unwrap();
        if let Body::Accept { ballot, value, .. } = message.body {
            let known = self
                .ballots
                .entry((message.epoch, ballot))
                .or_insert_with(|| (value.clone(), BTreeSet::new()));
            if known.0 != value {
                self.violation = Some(message.epoch);
            }
        }
    }

    /// No two ballots of an epoch with different values are accepted by majorities.
    fn watch_vote(&mut self, node: NodeId, vote: &[u8]) {
        let vote = message::decode_vote(vote).unwrap();
        let Some(accepted) = vote.accepted else { return };
        let voters = voters_of(&self.decided[&(vote.epoch - 1)]).unwrap();
        let key = (vote.epoch, accepted.ballot);
        let (value, nodes) = self.ballots.entry(key).or_insert_with(|| (accepted.value, BTreeSet::new()));
        nodes.insert(node);
        let count = nodes.iter().filter(|node| voters.contains(node)).count();
        if count > voters.len() / 2 && self.chosen.entry(vote.epoch).or_insert_with(|| value.clone()) != value
        {
            self.violation = Some(vote.epoch);
        }
    }

    /// Delivers some letter, or loses it, or delivers it and keeps it for once more.
    fn deliver(&mut self, faults: Faults) -> bool {
        if self.network.is_empty() {
            return false;
        }
        let letter = self.network.swap_remove(self.rng.index(self.network.len()));
        let is_cut = self.cut.contains(&letter.from) || self.cut.contains(&letter.to);
        if !is_cut && self.rng.below(100) >= faults.lost {
            let (from, bytes) = (letter.from, letter.bytes.clone());
            self.act(letter.to, |agreement, now, out| agreement.handle_message(now, from, &bytes, out));
        }
        if !is_cut && self.rng.below(100) < faults.repeated {
            self.network.push(letter);
        }
        true
    }

    /// Time goes on to the next deadline of any node.
    pub(super) fn wait(&mut self) -> bool {
        let running =
            self.machines.iter().filter_map(|(node, machine)| Some((node, machine.agreement.as_ref()?)));
        let next = running.filter_map(|(node, agreement)| Some((agreement.next_deadline()?, *node))).min();
        let Some((at, node)) = next else { return false };
        self.now = self.now.max(at);
        self.act(node, Agreement::handle_timeout);
        true
    }

    /// One thing happens, by chance. What a node has to do and what is under way usually go on; now and then a crash, a
    /// start, a deadline or a rumour of another node's epoch.
    pub(super) fn step(&mut self, faults: Faults) {
        let nodes: Vec<NodeId> = self.machines.keys().copied().collect();
        let node = nodes[self.rng.index(nodes.len())];
        if self.rng.below(100) < faults.crashes {
            match self.machines[&node].agreement {
                Some(_) => self.crash(node),
                None => self.start(node),
            }
            return;
        }
        if self.rng.below(100) < faults.restarts && self.machines[&node].agreement.is_some() {
            self.crash(node);
            self.start(node);
            return;
        }
        if self.rng.below(100) < faults.waits {
            self.wait();
            return;
        }
        match self.rng.below(100) {
            0..=3 => {
                let of = nodes[self.rng.index(nodes.len())];
                self.rumour(node, of);
            }
            4..=43 => _ = self.deliver(faults),
            _ => _ = self.carry_out(node),
        }
    }

    /// A node hears by gossip which epoch another one knows.
    pub(super) fn rumour(&mut self, node: NodeId, of: NodeId) {
        let epoch = self.machines[&of].agreement.as_ref().and_then(|agreement| agreement.last());
        let epoch = epoch.map_or(0, |(epoch, _)| epoch);
        self.act(node, |agreement, now, out| agreement.handle_epoch(now, of, epoch, out));
    }

    /// Everything that is to be done and under way is done, without time passing.
    pub(super) fn settle(&mut self) {
        loop {
            let nodes: Vec<NodeId> = self.machines.keys().copied().collect();
            let done: usize = nodes.iter().map(|node| while_true(|| self.carry_out(*node))).sum();
            if done + while_true(|| self.deliver(NO_FAULTS)) == 0 {
                return;
            }
        }
    }

    /// No faults from now on, and everybody hears of everybody's epochs, until all know the same.
    pub(super) fn calm_down(&mut self) {
        self.start_all();
        self.cut.clear();
        let nodes: Vec<NodeId> = self.machines.keys().copied().collect();
        for _ in 0..20 {
            self.settle();
            for node in &nodes {
                nodes.iter().for_each(|of| self.rumour(*node, *of));
            }
            self.settle();
            self.wait();
        }
    }

    /// Goes on until a proposal of `node` came out.
    pub(super) fn outcome(&mut self, node: u64) -> Outcome {
        self.settle();
        while self.outcomes.iter().all(|(by, ..)| by.0 != node) {
            assert!(self.wait(), "nothing is open");
            self.settle();
        }
        let place = self.outcomes.iter().position(|(by, ..)| by.0 == node).unwrap();
        self.outcomes.remove(place).2
    }
}

/// How often `act` did something in a row.
fn while_true(mut act: impl FnMut() -> bool) -> usize {
    std::iter::repeat_with(&mut act).take_while(|is_done| *is_done).count()
}
