//! Nodes come and go: rings are made one seat at a time, and handed out.
//!
//! The next ring is made when every node has the one before and has rebuilt what it gained by it, as
//! [`dynomite_replication::Engine::handle_ring`] wants it. Nodes get it at different times, and keep it over restarts.

use std::{collections::VecDeque, sync::Arc};

use dynomite_replication::{Engine, Recovery};
use dynomite_ring::{Ring, Token, allocate};

use super::{World, events::Event, links};
use crate::plan::{Change, Loss, MS, Micros};

/// It is looked so often whether the next ring can be made.
const STEP: Micros = 20 * MS;
/// A ring takes so long to come to a node: usually, and now and then.
const USUAL: (Micros, Micros) = (MS, 50 * MS);
const RARE: (Micros, Micros) = (100 * MS, 2000 * MS);
const RARE_PERCENT: u64 = 15;
/// So long a node that has left goes on at most.
const LEAVING_MAX: Micros = 2000 * MS;

/// What dice are asked about.
const QUESTION: u64 = 60;

/// The rings of a run, and what is left to be done.
pub(super) struct Changes {
    /// By their epochs, from 1 on.
    rings: Vec<Arc<Ring>>,
    /// The tokens of each node by the last of them; none of those that are not in it.
    tokens: Vec<Vec<Token>>,
    /// The first change of the plan that has not begun.
    next: usize,
    seats: VecDeque<Seat>,
}

/// A token that goes from one node to another; to or from its neighbours where there is none.
#[derive(Debug, Clone, Copy)]
struct Seat {
    token: Token,
    from: Option<usize>,
    to: Option<usize>,
}

impl Changes {
    pub(super) fn new(ring: &Arc<Ring>, tokens: Vec<Vec<Token>>) -> Self {
        Self { rings: vec![Arc::clone(ring)], tokens, next: 0, seats: VecDeque::new() }
    }

    /// The epoch of the last ring.
    pub(super) fn epoch(&self) -> u64 {
        self.rings.len() as u64
    }
}

impl World {
    /// Whether all changes of the plan are over, and every node has the last ring.
    pub(crate) fn changes_are_over(&mut self) -> bool {
        self.changes.next >= self.plan.changes.len() && self.changes.seats.is_empty() && self.is_settled()
    }

    /// Plans the first look at the changes.
    pub(super) fn expect_changes(&mut self) {
        if let Some(first) = self.plan.changes.first() {
            self.events.push(first.at, Event::RingStep);
        }
    }

    /// Whether every node has the last ring, and nothing to rebuild.
    fn is_settled(&mut self) -> bool {
        let epoch = self.changes.epoch();
        self.nodes.iter_mut().filter(|node| node.is_member).all(|node| {
            (0..node.worker_count()).all(|worker| {
                let engine = node.engine(worker);
                engine.is_some_and(|engine| engine.ring_epoch() == epoch && engine.is_settled_in_ring())
            })
        })
    }

    /// Makes the next ring, if it is time.
    pub(super) fn ring_step(&mut self) {
        if !self.is_settled() {
            return self.events.push(self.now + STEP, Event::RingStep);
        }
        if let Some(seat) = self.changes.seats.pop_front() {
            self.move_seat(seat);
            return self.events.push(self.now + STEP, Event::RingStep);
        }
        let Some(planned) = self.plan.changes.get(self.changes.next).copied() else { return };
        if planned.at > self.now {
            return self.events.push(planned.at, Event::RingStep);
        }
        self.changes.next += 1;
        self.trace.line(|| format!("    {:?} begins", planned.change));
        self.begin_change(planned.change);
        self.events.push(self.now + 1, Event::RingStep);
    }

    fn begin_change(&mut self, change: Change) {
        let known = self.changes.tokens.clone();
        let tokens = |node: usize| known[node].clone();
        let seats: VecDeque<Seat> = match change {
            Change::Join { node } if self.can_join(node) => {
                let rack = self.plan.topology.rack_of(node);
                let of_rack =
                    (0..self.nodes.len()).filter(|other| self.plan.topology.rack_of(*other) == rack);
                let rack: Vec<&[Token]> = of_rack.map(|other| &*self.changes.tokens[other]).collect();
                let space = self.plan.topology.hash.space();
                let name = self.plan.topology.name_of(node);
                let tokens = allocate(space, &rack, &name, self.plan.topology.vnode_count);
                tokens.into_iter().map(|token| Seat { token, from: None, to: Some(node) }).collect()
            }
            Change::Leave { node } if self.can_leave(node) => {
                tokens(node).into_iter().map(|token| Seat { token, from: Some(node), to: None }).collect()
            }
            Change::Replace { dead, node } if self.nodes[dead].is_member && self.can_join(node) => {
                self.crash(dead, Loss::LogAndStore);
                self.nodes[dead].leave(self.now);
                let seat = |token| Seat { token, from: Some(dead), to: Some(node) };
                tokens(dead).into_iter().map(seat).collect()
            }
            Change::Give { from, to } if from != to && self.nodes[to].is_member && tokens(from).len() > 1 => {
                let seat = |token| Seat { token, from: Some(from), to: Some(to) };
                tokens(from).first().copied().map(seat).into_iter().collect()
            }
            Change::CleanUp => {
                for node in 0..self.nodes.len() {
                    for worker in 0..self.nodes[node].worker_count() {
                        self.feed(node, worker, |engine, _, _| {
                            // One that is under way goes on.
                            let _ = engine.start_cleanup();
                        });
                    }
                }
                VecDeque::new()
            }
            _ => VecDeque::new(),
        };
        self.changes.seats = seats;
    }

    fn can_join(&self, node: usize) -> bool {
        !self.nodes[node].is_member && self.nodes[node].incarnation == 0
    }

    /// A rack has a node.
    fn can_leave(&self, node: usize) -> bool {
        let rack = |node: usize| self.plan.topology.rack_of(node);
        let others = (0..self.nodes.len()).filter(|other| *other != node && rack(*other) == rack(node));
        self.nodes[node].is_member && others.filter(|other| self.nodes[*other].is_member).count() > 0
    }

    /// Makes the ring in which a seat has moved, and hands it out.
    fn move_seat(&mut self, Seat { token, from, to }: Seat) {
        if let Some(from) = from {
            self.changes.tokens[from].retain(|other| *other != token);
        }
        if let Some(to) = to {
            self.changes.tokens[to].push(token);
        }
        let epoch = self.changes.epoch() + 1;
        let ring = self.plan.topology.ring_of(epoch, &self.changes.tokens).expect("every rack has a node");
        self.ring = Arc::new(ring);
        self.changes.rings.push(Arc::clone(&self.ring));
        self.trace.line(|| format!("    ring {epoch}: {token} goes from {from:?} to {to:?}"));
        for node in 0..self.nodes.len() {
            let mut random = self.dice.of([QUESTION, node as u64, epoch]);
            let (least, most) = if random.chance(RARE_PERCENT) { RARE } else { USUAL };
            let at = self.now + random.between(least, most);
            self.events.push(at, Event::RingComes { node, epoch });
        }
    }

    /// A ring comes to a node.
    pub(super) fn ring_comes(&mut self, node: usize, epoch: u64) {
        let ring = Arc::clone(&self.changes.rings[epoch as usize - 1]);
        if self.can_join(node) {
            if ring.index_of(self.ids[node]).is_some() {
                self.join(node, ring);
            }
            return;
        }
        let own = self.nodes[node].ring.epoch();
        let has_left = self.nodes[node].ring.index_of(self.ids[node]).is_none();
        if has_left || !self.nodes[node].is_member || self.nodes[node].is_down() || epoch <= own {
            return;
        }
        if epoch > own + 1 {
            return self.events.push(self.now + MS, Event::RingComes { node, epoch });
        }
        let mut has_left = false;
        for worker in 0..self.nodes[node].worker_count() {
            let ring = Arc::clone(&ring);
            self.feed(node, worker, |engine: &mut Engine, now, out| {
                let taken = engine.handle_ring(now, ring, out);
                assert!(taken == Ok(()), "every ring is one that can be taken: {taken:?}");
                has_left |= engine.has_left();
            });
        }
        self.nodes[node].ring = ring;
        if has_left {
            self.nodes[node].leave(self.now);
            let end_at = self.now + self.dice.of([QUESTION, node as u64, epoch]).between(0, LEAVING_MAX);
            self.events.push(end_at, Event::Leaves { node });
        }
    }

    /// The process of a node that has left ends: when all that it had under way for its clients has, or before.
    pub(super) fn leaves(&mut self, node: usize) {
        if !self.nodes[node].is_down() {
            self.crash(node, Loss::Nothing);
        }
    }

    /// A node begins its first life.
    fn join(&mut self, node: usize, ring: Arc<Ring>) {
        self.nodes[node].ring = ring;
        self.nodes[node].is_member = true;
        self.start_node_with(node, Some(Recovery::Joins));
        self.dial_all_from(node);
        for link in links::to(node, self.nodes.len(), self.plan.topology.worker_count) {
            let incarnation = self.nodes[link.from].incarnation;
            self.events.push(self.now, Event::Redial { link, attempt: 0, incarnation });
        }
    }

    /// A node that has started gets the rings that it has missed.
    pub(super) fn catch_up(&mut self, node: usize) {
        for epoch in self.nodes[node].ring.epoch() + 1..=self.changes.epoch() {
            self.events.push(self.now + MS, Event::RingComes { node, epoch });
        }
    }
}
