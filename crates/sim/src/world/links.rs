//! Connections between nodes come up, break and are dialled again.

use super::{
    World,
    events::{Event, LinkId},
    network::{Parcel, SILENCE},
};
use crate::plan::{MS, Micros};

/// A node whose process died: the other side hears of it when the way is open, after about this long.
const CLOSE_NOTICE: Micros = MS;

/// What dice are asked about.
mod question {
    pub(super) const SILENCE: u64 = 50;
    pub(super) const NOTICE: u64 = 51;
}

/// The connections that all others dial to a node.
pub(super) fn to(node: usize, nodes: usize, workers: usize) -> impl Iterator<Item = LinkId> {
    let others = (0..nodes).filter(move |from| *from != node);
    others.flat_map(move |from| (0..workers).map(move |worker| LinkId { from, worker, to: node }))
}

impl World {
    /// Links every node to every other, at the beginning.
    pub(super) fn link_all(&mut self) {
        for from in 0..self.nodes.len() {
            for link in self.links_of(from) {
                if !self.nodes[link.from].is_member || !self.nodes[link.to].is_member {
                    continue;
                }
                let incarnation = self.nodes[link.to].incarnation;
                self.establish(link, incarnation);
            }
        }
    }

    fn links_of(&self, from: usize) -> impl Iterator<Item = LinkId> + use<> {
        let (nodes, workers) = (self.nodes.len(), self.plan.topology.worker_count);
        let others = (0..nodes).filter(move |to| *to != from);
        others.flat_map(move |to| (0..workers).map(move |worker| LinkId { from, worker, to }))
    }

    fn links_between(&self, from: usize, to: usize) -> impl Iterator<Item = LinkId> + use<> {
        (0..self.plan.topology.worker_count).map(move |worker| LinkId { from, worker, to })
    }

    fn establish(&mut self, link: LinkId, accepted_by: u32) {
        self.network.establish(link, accepted_by);
        let peer = self.ids[link.to];
        self.feed(link.from, link.worker, |engine, _, _| engine.handle_peer_up(peer));
    }

    /// Dials every other node, as a process does that has just started.
    pub(super) fn dial_all_from(&mut self, node: usize) {
        let incarnation = self.nodes[node].incarnation;
        for link in self.links_of(node) {
            self.events.push(self.now, Event::Redial { link, attempt: 0, incarnation });
        }
    }

    /// An attempt to connect.
    pub(super) fn redial(&mut self, link: LinkId, attempt: u32, incarnation: u32) {
        let dialler = &self.nodes[link.from];
        if dialler.is_down() || dialler.incarnation != incarnation || self.network.is_up(link) {
            return;
        }
        let acceptor = &self.nodes[link.to];
        if !acceptor.is_member {
            return;
        }
        let hangs = !self.network.is_open(link.from, link.to) || acceptor.is_frozen();
        if hangs || acceptor.is_down() {
            let wait = self.network.backoff(self.dice, link, attempt, hangs, self.now);
            self.events.push(self.now + wait, Event::Redial { link, attempt: attempt + 1, incarnation });
            return;
        }
        let accepted_by = acceptor.incarnation;
        self.establish(link, accepted_by);
    }

    /// A connection breaks in the network; the node that dialled notices a little later.
    pub(super) fn break_link(&mut self, link: LinkId, notice: Micros) {
        if let Some(generation) = self.network.break_link(self.dice, link, self.now) {
            self.events.push(self.now + notice, Event::LinkDown { link, generation });
        }
    }

    /// The node that dialled notices.
    pub(super) fn link_down(&mut self, link: LinkId, generation: u32) {
        if !self.network.take_down(link, generation) {
            return;
        }
        let peer = self.ids[link.to];
        self.feed(link.from, link.worker, |engine, now, out| engine.handle_peer_down(now, peer, out));
        let incarnation = self.nodes[link.from].incarnation;
        let wait = self.network.backoff(self.dice, link, 0, false, self.now);
        self.events.push(self.now + wait, Event::Redial { link, attempt: 1, incarnation });
    }

    /// Connections from one node to another break, in a moment.
    pub(super) fn reset_links(&mut self, from: usize, to: usize) {
        for link in self.links_between(from, to) {
            let notice = self.notice(link.from, link.to);
            self.break_link(link, notice);
        }
    }

    fn notice(&self, from: usize, to: usize) -> Micros {
        self.dice
            .of([question::NOTICE, (from * self.nodes.len() + to) as u64, self.now])
            .between(0, 2 * CLOSE_NOTICE)
    }

    /// A node's process died: its connections close.
    pub(super) fn links_lose_process(&mut self, node: usize) {
        for link in self.links_of(node) {
            self.network.break_link(self.dice, link, self.now);
            self.network.forget_dialler(link);
        }
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            // What closes a connection is a packet too.
            let notice = if self.network.is_swallowing(node, other) {
                self.silence_takes(node, other)
            } else {
                self.notice(other, node)
            };
            for link in self.links_between(other, node) {
                self.break_link(link, notice);
            }
        }
    }

    /// Packets from one node to another are swallowed from now on.
    pub(super) fn cut_path(&mut self, from: usize, to: usize) {
        if from == to {
            return;
        }
        if let Some(epoch) = self.network.swallow(from, to) {
            let at = self.now + self.silence_takes(from, to);
            self.events.push(at, Event::Silence { from, to, epoch });
        }
    }

    fn silence_takes(&self, from: usize, to: usize) -> Micros {
        let (least, most) = SILENCE;
        self.dice
            .of([question::SILENCE, (from * self.nodes.len() + to) as u64, self.now])
            .between(least, most)
    }

    /// Packets pass again: those that waited arrive.
    pub(super) fn mend_path(&mut self, from: usize, to: usize) {
        if from == to {
            return;
        }
        for (at, link, parcel) in self.network.let_pass(self.dice, from, to, self.now) {
            let event = match parcel {
                Parcel::Request { generation, number, bytes } => {
                    Event::Request { link, generation, number, bytes }
                }
                Parcel::Response { generation, number, bytes } => {
                    Event::Response { link, generation, number, bytes }
                }
            };
            self.events.push(at, event);
        }
    }

    /// Two nodes have not heard of each other for long.
    pub(super) fn silence(&mut self, from: usize, to: usize, epoch: u32) {
        if self.network.is_silent_since(from, to, epoch) {
            self.reset_links(from, to);
            self.reset_links(to, from);
            for link in self.links_between(from, to) {
                self.network.close_silent(link);
            }
        }
    }

    /// A node stands still from now on; others will notice.
    pub(super) fn expect_frozen_silence(&mut self, node: usize, epoch: u32) {
        let at = self.now + self.silence_takes(node, node);
        self.events.push(at, Event::FrozenSilence { node, epoch });
    }

    /// Others have not heard of a node for long.
    pub(super) fn frozen_silence(&mut self, node: usize, epoch: u32) {
        if !self.nodes[node].is_frozen() || self.nodes[node].frozen_epoch != epoch {
            return;
        }
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            self.reset_links(other, node);
            self.reset_links(node, other);
        }
    }
}
