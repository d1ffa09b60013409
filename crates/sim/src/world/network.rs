//! Connections between nodes as TCP gives them: messages keep their order or the connection breaks.
//!
//! Every worker dials one connection to every other node. Requests go from the node that dialled, answers come back on the
//! same connection. Packets that the network swallows are sent again when it lets them through, unless the silence was
//! noticed first; then both sides give the connection up. What was under way on a broken connection is lost from some point on:
//! what was before it arrives, late perhaps, but never after a newer connection was accepted.

use std::collections::VecDeque;

use bytes::Bytes;
use dynomite_replication::Failure;

use super::events::LinkId;
use crate::{
    plan::{MS, Micros, Plan, Surroundings},
    random::Dice,
};

/// A silent peer is given up after at least and at most this long.
pub(crate) const SILENCE: (Micros, Micros) = (1000 * MS, 1400 * MS);
/// Waits between attempts to connect double from the first to the second.
const BACKOFF: (Micros, Micros) = (50 * MS, 5000 * MS);
/// One attempt to connect.
const CONNECT_TIMEOUT: Micros = 1000 * MS;
/// Packets that were swallowed are sent again at most this long after they can pass.
const RESENT_AFTER_MAX: Micros = 200 * MS;

/// What dice are asked about.
mod question {
    pub(super) const REQUEST: u64 = 1;
    pub(super) const RESPONSE: u64 = 2;
    pub(super) const BREAK: u64 = 3;
    pub(super) const RELEASE: u64 = 4;
    pub(super) const REDIAL: u64 = 5;
}

pub(crate) struct Network {
    node_count: usize,
    worker_count: usize,
    surroundings: Surroundings,
    dcs: Vec<usize>,
    links: Vec<Link>,
    paths: Vec<Path>,
}

/// One connection.
#[derive(Debug, Clone, Default)]
struct Link {
    /// Counts connections; 0 before the first.
    generation: u32,
    /// Whether the node that dialled believes in it.
    is_up: bool,
    /// The life of the other node's process in which it was accepted.
    accepted_by: u32,
    requests: Way,
    responses: Way,
}

/// One direction of a connection.
#[derive(Debug, Clone, Default)]
struct Way {
    /// Number of the next message.
    next: u64,
    /// Number of the message that was the last to arrive.
    arrived: u64,
    arrives_at: Micros,
    /// Messages from this number on are lost with the connection.
    lost_from: Option<u64>,
    held: VecDeque<Parcel>,
}

/// A message that waits in its sender's kernel.
#[derive(Debug, Clone)]
pub(crate) enum Parcel {
    Request { generation: u32, number: u64, bytes: Bytes },
    Response { generation: u32, number: u64, bytes: Bytes },
}

/// The way of packets from one node to another.
#[derive(Debug, Clone, Default)]
struct Path {
    /// So many faults swallow what is sent.
    swallowed_by: u32,
    /// Counts the times that it began or ended to swallow.
    epoch: u32,
    slow_us: Micros,
    full_by: u32,
    echoed_by: u32,
}

impl Network {
    pub(crate) fn new(plan: &Plan) -> Self {
        let topology = plan.topology;
        let (node_count, worker_count) = (topology.len(), topology.worker_count);
        Self {
            node_count,
            worker_count,
            surroundings: plan.surroundings.clone(),
            dcs: (0..node_count).map(|node| topology.dc_of(node)).collect(),
            links: vec![Link::default(); node_count * worker_count * node_count],
            paths: vec![Path::default(); node_count * node_count],
        }
    }

    fn link(&self, link: LinkId) -> &Link {
        &self.links[(link.from * self.worker_count + link.worker) * self.node_count + link.to]
    }

    fn link_mut(&mut self, link: LinkId) -> &mut Link {
        &mut self.links[(link.from * self.worker_count + link.worker) * self.node_count + link.to]
    }

    fn path(&self, from: usize, to: usize) -> &Path {
        &self.paths[from * self.node_count + to]
    }

    fn path_mut(&mut self, from: usize, to: usize) -> &mut Path {
        &mut self.paths[from * self.node_count + to]
    }

    /// How long a message takes that is sent now.
    pub(crate) fn delay(&self, dice: Dice, from: usize, to: usize, now: Micros, kind: u64) -> Micros {
        let is_near = self.dcs[from] == self.dcs[to];
        let usual = if is_near { self.surroundings.near_us } else { self.surroundings.far_us };
        let slow = self.path(from, to).slow_us;
        if !self.surroundings.varies {
            return usual + slow;
        }
        let mut random = dice.of([kind, (from * self.node_count + to) as u64, now]);
        let factor_percent = match random.below(100) {
            0 => random.between(500, 4000),
            1..=9 => random.between(150, 500),
            _ => random.between(50, 150),
        };
        // Far away, what varies is little beside the distance.
        let varying = usual.min(self.surroundings.near_us * 10);
        usual - varying + varying * factor_percent / 100 + slow
    }

    /// Takes a request for its connection; gives the connection's generation, when the request arrives, and its number.
    pub(crate) fn send_request(
        &mut self,
        dice: Dice,
        link: LinkId,
        now: Micros,
        slow_us: Micros,
    ) -> Result<(u32, Micros, u64), Failure> {
        if self.path(link.from, link.to).full_by > 0 {
            return Err(Failure::Overloaded);
        }
        let arrives_at = now + slow_us + self.delay(dice, link.from, link.to, now, question::REQUEST);
        let link = self.link_mut(link);
        if !link.is_up {
            return Err(Failure::Unreachable);
        }
        let (at, number) = link.requests.send(arrives_at);
        Ok((link.generation, at, number))
    }

    /// Takes an answer for the connection on which its request came; `None` when that one is gone.
    pub(crate) fn send_response(
        &mut self,
        dice: Dice,
        link: LinkId,
        generation: u32,
        now: Micros,
        slow_us: Micros,
    ) -> Option<(Micros, u64)> {
        let arrives_at = now + slow_us + self.delay(dice, link.to, link.from, now, question::RESPONSE);
        let link = self.link_mut(link);
        (link.generation == generation).then(|| link.responses.send(arrives_at))
    }

    /// Whether a request that arrives is read by the process that runs there in its life `incarnation`.
    pub(crate) fn accepts_request(
        &mut self,
        link: LinkId,
        generation: u32,
        number: u64,
        incarnation: u32,
    ) -> bool {
        let link = self.link_mut(link);
        let accepts =
            link.generation == generation && link.accepted_by == incarnation && link.requests.brings(number);
        if accepts {
            link.requests.arrived = number + 1;
        }
        accepts
    }

    /// Whether an answer that arrives is read by the node that dialled.
    pub(crate) fn accepts_response(&mut self, link: LinkId, generation: u32, number: u64) -> bool {
        let link = self.link_mut(link);
        let accepts = link.generation == generation && link.is_up && link.responses.brings(number);
        if accepts {
            link.responses.arrived = number + 1;
        }
        accepts
    }

    /// Keeps a message that cannot pass.
    pub(crate) fn hold(&mut self, link: LinkId, parcel: Parcel) {
        let link = self.link_mut(link);
        match parcel {
            Parcel::Request { .. } => link.requests.held.push_back(parcel),
            Parcel::Response { .. } => link.responses.held.push_back(parcel),
        }
    }

    pub(crate) fn is_swallowing(&self, from: usize, to: usize) -> bool {
        self.path(from, to).swallowed_by > 0
    }

    /// Packets from one node to another are swallowed from now on. Gives the path's epoch when that is news.
    pub(crate) fn swallow(&mut self, from: usize, to: usize) -> Option<u32> {
        let path = self.path_mut(from, to);
        path.swallowed_by += 1;
        if path.swallowed_by > 1 {
            return None;
        }
        path.epoch += 1;
        Some(path.epoch)
    }

    /// One fault fewer swallows packets. When none does any more: gives the messages that waited, and when they arrive.
    pub(crate) fn let_pass(
        &mut self,
        dice: Dice,
        from: usize,
        to: usize,
        now: Micros,
    ) -> Vec<(Micros, LinkId, Parcel)> {
        let path = self.path_mut(from, to);
        path.swallowed_by -= 1;
        if path.swallowed_by > 0 {
            return Vec::new();
        }
        path.epoch += 1;
        let mut random = dice.of([question::RELEASE, (from * self.node_count + to) as u64, now]);
        let mut released = Vec::new();
        for worker in 0..self.worker_count {
            for (link, is_request) in
                [(LinkId { from, worker, to }, true), (LinkId { from: to, worker, to: from }, false)]
            {
                let resent_at = now + random.below(RESENT_AFTER_MAX);
                let link_state = self.link_mut(link);
                let way = if is_request { &mut link_state.requests } else { &mut link_state.responses };
                way.arrives_at = way.arrives_at.max(resent_at);
                let at = way.arrives_at;
                released.extend(way.held.drain(..).map(|parcel| (at, link, parcel)));
            }
        }
        released
    }

    /// Whether packets have been swallowed ever since `epoch` began.
    pub(crate) fn is_silent_since(&self, from: usize, to: usize, epoch: u32) -> bool {
        let path = self.path(from, to);
        path.swallowed_by > 0 && path.epoch == epoch
    }

    /// The connection breaks: decides what of it still arrives. Gives its generation if somebody has to notice.
    pub(crate) fn break_link(&mut self, dice: Dice, link: LinkId, now: Micros) -> Option<u32> {
        let number = ((link.from * self.worker_count + link.worker) * self.node_count + link.to) as u64;
        let mut random = dice.of([question::BREAK, number, now]);
        let link = self.link_mut(link);
        for way in [&mut link.requests, &mut link.responses] {
            let under_way = way.next - way.arrived;
            // Nothing, everything, and what lies between are equally likely.
            let kept = match random.below(3) {
                0 => 0,
                1 => under_way,
                _ => random.between(0, under_way),
            };
            let lost_from = way.arrived + kept;
            way.lost_from = Some(way.lost_from.map_or(lost_from, |from| from.min(lost_from)));
        }
        link.is_up.then_some(link.generation)
    }

    /// The node that was asked has closed a connection on which it heard nothing: what has not arrived never will.
    pub(crate) fn close_silent(&mut self, link: LinkId) {
        let requests = &mut self.link_mut(link).requests;
        requests.lost_from = Some(requests.arrived);
        requests.held.clear();
    }

    /// The node that dialled takes the connection for gone. Whether that is news.
    pub(crate) fn take_down(&mut self, link: LinkId, generation: u32) -> bool {
        let link = self.link_mut(link);
        let is_news = link.is_up && link.generation == generation;
        if is_news {
            link.is_up = false;
        }
        is_news
    }

    /// The process that dialled is gone, and all it knew.
    pub(crate) fn forget_dialler(&mut self, link: LinkId) {
        self.link_mut(link).is_up = false;
    }

    pub(crate) fn is_up(&self, link: LinkId) -> bool {
        self.link(link).is_up
    }

    /// Whether packets pass in both directions.
    pub(crate) fn is_open(&self, from: usize, to: usize) -> bool {
        !self.is_swallowing(from, to) && !self.is_swallowing(to, from)
    }

    /// A new connection is accepted by the process in its life `accepted_by`.
    pub(crate) fn establish(&mut self, link: LinkId, accepted_by: u32) {
        let link = self.link_mut(link);
        let generation = link.generation + 1;
        *link = Link { generation, is_up: true, accepted_by, ..Link::default() };
    }

    /// How long to wait before attempt number `attempt`, when the last one was refused or hung.
    pub(crate) fn backoff(&self, dice: Dice, link: LinkId, attempt: u32, hung: bool, now: Micros) -> Micros {
        let (first, longest) = BACKOFF;
        let wait = (first << attempt.min(16)).min(longest);
        let number = ((link.from * self.worker_count + link.worker) * self.node_count + link.to) as u64;
        let mut random = dice.of([question::REDIAL, number, now]);
        wait / 2 + random.below(wait / 2 + 1) + if hung { CONNECT_TIMEOUT } else { 0 }
    }

    pub(crate) fn slow_down(&mut self, from: usize, to: usize, by_us: Micros) {
        self.path_mut(from, to).slow_us += by_us;
    }

    pub(crate) fn speed_up(&mut self, from: usize, to: usize, by_us: Micros) {
        self.path_mut(from, to).slow_us -= by_us;
    }

    pub(crate) fn echo(&mut self, from: usize, to: usize, begins: bool) {
        let path = self.path_mut(from, to);
        path.echoed_by = if begins { path.echoed_by + 1 } else { path.echoed_by - 1 };
    }

    /// Whether answers from one node to another come twice.
    pub(crate) fn is_echoing(&self, from: usize, to: usize) -> bool {
        self.path(from, to).echoed_by > 0
    }

    pub(crate) fn fill(&mut self, from: usize, to: usize, is_full: bool) {
        let path = self.path_mut(from, to);
        path.full_by = if is_full { path.full_by + 1 } else { path.full_by - 1 };
    }
}

impl Way {
    fn send(&mut self, at: Micros) -> (Micros, u64) {
        self.arrives_at = self.arrives_at.max(at);
        let number = self.next;
        self.next += 1;
        (self.arrives_at, number)
    }

    fn brings(&self, number: u64) -> bool {
        self.lost_from.is_none_or(|from| number < from)
    }
}

const NODE_SHIFT: u32 = 40;
const WORKER_SHIFT: u32 = 32;

/// Where the answer to a request on this connection must go.
pub(crate) fn origin(link: LinkId, generation: u32) -> u64 {
    (link.from as u64) << NODE_SHIFT | (link.worker as u64) << WORKER_SHIFT | u64::from(generation)
}

/// The connection on which the answer of `node` goes out, and its generation; `None` when nobody waits for it.
pub(crate) fn link_of(origin: u64, node: usize) -> Option<(LinkId, u32)> {
    if origin == NOBODY {
        return None;
    }
    let from = (origin >> NODE_SHIFT) as usize;
    let worker = (origin >> WORKER_SHIFT) as usize & 0xff;
    Some((LinkId { from, worker, to: node }, origin as u32))
}

/// The origin of questions that the simulator itself asks.
pub(crate) const NOBODY: u64 = u64::MAX;

#[cfg(test)]
mod tests;
