//! Tells the workers what they should know of other nodes.

use std::collections::HashMap;
use std::sync::Arc;

use dynomite_gossip::{Gossip, Health, NodeId as MemberId};
use dynomite_ring::{NodeId, Ring};

use crate::membership::items::{DATASTORE, NodeItem};
use crate::shared::Shared;
use crate::worker::{Mail, PeerNews, Sender};

/// The ways to the workers, with what each has not got yet: at most two things about each node.
pub(super) struct Mailing {
    workers: Vec<Way>,
    told: HashMap<NodeId, Reach>,
}

/// The way to one worker.
struct Way {
    sender: Sender,
    news: Vec<PeerNews>,
    /// Rings that it has not got yet; it gets all of them, in their order.
    rings: Vec<Arc<Ring>>,
}

/// How a node is, as the workers were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reach {
    is_there: bool,
    datastore_is_up: bool,
}

impl Mailing {
    pub(super) fn new(workers: Vec<Sender>) -> Self {
        let workers =
            workers.into_iter().map(|sender| Way { sender, news: Vec::new(), rings: Vec::new() }).collect();
        Self { workers, told: HashMap::new() }
    }

    /// The next ring was decided.
    pub(super) fn put_ring(&mut self, ring: &Arc<Ring>) {
        self.workers.iter_mut().for_each(|way| way.rings.push(Arc::clone(ring)));
    }

    /// A node has come back: whoever waits before the next attempt to reach it need not.
    pub(super) fn is_there(&mut self, node: NodeId) {
        self.put(PeerNews::Up(node));
    }

    /// Finds out what has changed for the nodes of the ring.
    pub(super) fn compare(&mut self, gossip: &Gossip, shared: &Shared) {
        for node in shared.ring().nodes().iter().filter(|node| node.id != shared.node) {
            let Some(member) = gossip.member(MemberId(u64::from(node.id.0))) else { continue };
            let datastore = member.item::<NodeItem>(DATASTORE);
            let reach = Reach {
                is_there: member.health() < Health::Down,
                datastore_is_up: datastore != Some(NodeItem::Datastore { is_up: false }),
            };
            let before = self.told.insert(node.id, reach);
            let before = before.unwrap_or(Reach { is_there: true, datastore_is_up: true });
            if before.is_there && !reach.is_there {
                self.put(PeerNews::Down(node.id));
            }
            match (before.datastore_is_up, reach.datastore_is_up) {
                (true, false) => self.put(PeerNews::DatastoreDown(node.id)),
                (false, true) => self.put(PeerNews::DatastoreUp(node.id)),
                _ => {}
            }
        }
    }

    /// Hands out what there is room for; the rest goes the next time.
    pub(super) fn send(&mut self) {
        let is_waited = |way: &&mut Way| !way.news.is_empty() || !way.rings.is_empty();
        for Way { sender, news, rings } in self.workers.iter_mut().filter(is_waited) {
            if let Ok(permit) = sender.try_reserve() {
                let rings = rings.drain(..).map(Mail::Ring);
                permit.send(rings.chain(news.drain(..).map(Mail::Peer)).collect());
            }
        }
    }

    /// The latest word on a node counts.
    fn put(&mut self, news: PeerNews) {
        for way in &mut self.workers {
            way.news.retain(|older| !news.replaces(*older));
            way.news.push(news);
        }
    }
}
