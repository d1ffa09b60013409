//! The immutable snapshot of who owns what.

mod digest;
mod placement;
mod replicas;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::{
    Dc, DcIdx, KeyHasher, Node, NodeId, NodeIdx, Ownership, Rack, RackIdx, RingError, Token, TokenRange,
};
use placement::Placement;

pub(crate) use digest::mix;
pub use replicas::Replicas;

/// Who owns what, at one moment. Never changes; keep it in an [`Arc`] and replace the whole.
///
/// Takes about 20 bytes per token and 4 bytes per rack, and 4 more, for every different set of replicas.
#[derive(Debug)]
pub struct Ring {
    epoch: u64,
    hasher: KeyHasher,
    nodes: Vec<Node>,
    dcs: Vec<Dc>,
    /// Where rack `i` stands in `dcs`: its datacenter and its place there.
    rack_places: Vec<(DcIdx, u16)>,
    /// Ascending.
    ids: Vec<(NodeId, NodeIdx)>,
    placement: Placement,
    digest: u64,
}

impl Ring {
    /// Builds the snapshot of `nodes`, given in any order; the same nodes always give the same ring.
    ///
    /// `epoch` only travels along. Costs a sort of all tokens: about 80 ms for 1,000 nodes with 256 tokens each.
    ///
    /// # Errors
    /// When the nodes do not make a ring: see [`RingError`].
    pub fn build(hasher: KeyHasher, epoch: u64, mut nodes: Vec<Node>) -> Result<Self, RingError> {
        if nodes.is_empty() {
            return Err(RingError::NoNodes);
        }
        nodes.sort_by(|a, b| (&a.dc, &a.rack, &a.name).cmp(&(&b.dc, &b.rack, &b.name)));
        for node in &mut nodes {
            node.tokens.sort_unstable();
        }
        let ids = unique_ids(&nodes)?;
        let dcs = group_by_rack(&nodes)?;
        let rack_places = dcs
            .iter()
            .flat_map(|dc| (0..dc.racks.len()).map(|place| (dc.index, place as u16)))
            .collect::<Vec<_>>();
        let placement = Placement::new(dcs.iter().flat_map(|dc| &dc.racks), rack_places.len(), &nodes);
        let digest = digest::of(hasher, &nodes);
        Ok(Self { epoch, hasher, nodes, dcs, rack_places, ids, placement, digest })
    }

    /// The same ring under another number.
    pub(crate) fn with_epoch(self, epoch: u64) -> Self {
        Self { epoch, ..self }
    }

    /// The token of `key`.
    pub fn token(&self, key: &[u8]) -> Token {
        self.hasher.token(key)
    }

    /// The nodes that hold the keys of `token`: one in each rack. No allocation; tens of nanoseconds in the largest
    /// rings.
    pub fn replicas(&self, token: Token) -> Replicas<'_> {
        Replicas::new(self.placement.find(token), &self.dcs)
    }

    /// The rack whose replica may sequence writes to the keys of `token` in datacenter `dc` without asking first.
    ///
    /// Depends on the token and the names of the datacenter's racks alone, spreads evenly over the racks whichever
    /// nodes own the token, and when a rack comes or goes changes only for the tokens that it gains or loses
    /// (rendezvous hashing, Thaler and Ravishankar 1998).
    pub fn primary_rack(&self, token: Token, dc: DcIdx) -> RackIdx {
        let racks = &self.dc(dc).racks;
        let best = racks.iter().max_by_key(|rack| mix(rack.seed ^ u64::from(token.0)));
        best.expect("a datacenter has a rack").index
    }

    /// The replica in [`Ring::primary_rack`].
    pub fn primary(&self, token: Token, dc: DcIdx) -> NodeIdx {
        self.replicas(token).in_rack(self.primary_rack(token, dc))
    }

    /// The replicas of `token` in datacenter `to` in the order in which a node of rack `from_rack` should try to hand
    /// them writes for the whole datacenter: rack `k` turns to rack `k mod n` there first, then to the following ones.
    pub fn forwarder_order(
        &self,
        token: Token,
        from_rack: RackIdx,
        to: DcIdx,
    ) -> impl ExactSizeIterator<Item = NodeIdx> + Clone + '_ {
        let replicas = self.replicas(token).in_dc(to);
        let first = usize::from(self.rack_places[usize::from(from_rack.0)].1);
        (0..replicas.len()).map(move |step| replicas[(first + step) % replicas.len()])
    }

    /// The whole ring as consecutive ranges with the replicas of each: the finest division that any rack's tokens
    /// make, without boundaries at which nothing changes.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = (TokenRange, Replicas<'_>)> {
        self.placement.ranges().map(|(range, set)| (range, Replicas::new(set, &self.dcs)))
    }

    /// The ranges that one node owns in its rack, ascending by their end, neighbours joined.
    pub fn ranges_of(&self, node: NodeIdx) -> Vec<TokenRange> {
        let tokens = &self.rack(self.rack_of(node)).tokens;
        let mut ranges: Vec<TokenRange> = Vec::new();
        let mut after = tokens[tokens.len() - 1].0;
        for (token, owner) in tokens {
            if *owner == node {
                match ranges.last_mut() {
                    Some(last) if last.upto == after => last.upto = *token,
                    _ => ranges.push(TokenRange::new(after, *token)),
                }
            }
            after = *token;
        }
        ranges
    }

    /// How large a part of its rack's keys each node owns. Costs one pass over all tokens.
    pub fn ownership(&self) -> Ownership {
        Ownership::of(self)
    }

    /// The number given to [`Ring::build`].
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How keys become tokens.
    pub fn hasher(&self) -> KeyHasher {
        self.hasher
    }

    /// A digest over all that decides where keys go: the hasher and every node's name, datacenter, rack and tokens.
    /// Two nodes with equal digests route alike. The same on every machine and in every version of this crate.
    /// Epoch and addresses are not part of it.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// All nodes, in the order of [`NodeIdx`].
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One node.
    ///
    /// # Panics
    /// When the number is of another ring and too great for this one; so do all methods that take such a number.
    pub fn node(&self, node: NodeIdx) -> &Node {
        &self.nodes[node.0 as usize]
    }

    /// The number of the node with this id.
    pub fn index_of(&self, id: NodeId) -> Option<NodeIdx> {
        let found = self.ids.binary_search_by_key(&id, |(known, _)| *known).ok()?;
        Some(self.ids[found].1)
    }

    /// The number of the node with this name. Costs a search among the nodes.
    pub fn index_of_name(&self, name: &str) -> Option<NodeIdx> {
        self.nodes.iter().position(|node| node.name == name).map(|index| NodeIdx(index as u32))
    }

    /// All datacenters, in the order of [`DcIdx`], which is that of their names.
    pub fn dcs(&self) -> &[Dc] {
        &self.dcs
    }

    /// One datacenter.
    pub fn dc(&self, dc: DcIdx) -> &Dc {
        &self.dcs[usize::from(dc.0)]
    }

    /// The datacenter with this name.
    pub fn dc_by_name(&self, name: &str) -> Option<&Dc> {
        self.dcs.iter().find(|dc| dc.name() == name)
    }

    /// The rack with this name in the datacenter with that name.
    pub fn rack_by_name(&self, dc: &str, rack: &str) -> Option<&Rack> {
        self.dc_by_name(dc)?.racks.iter().find(|known| known.name() == rack)
    }

    /// All racks, in the order of [`RackIdx`].
    pub fn racks(&self) -> impl Iterator<Item = &Rack> + Clone {
        self.dcs.iter().flat_map(|dc| &dc.racks)
    }

    /// Number of racks of all datacenters.
    pub fn rack_count(&self) -> usize {
        self.rack_places.len()
    }

    /// One rack.
    pub fn rack(&self, rack: RackIdx) -> &Rack {
        let (dc, place) = self.rack_places[usize::from(rack.0)];
        &self.dc(dc).racks[usize::from(place)]
    }

    /// The rack of a node. Costs a search among the racks.
    pub fn rack_of(&self, node: NodeIdx) -> RackIdx {
        let mut racks = self.racks();
        let found = racks.find(|rack| rack.nodes.contains(&node.0));
        found.expect("every node of the ring is in one of its racks").index
    }

    /// The datacenter of a node; `None` when it is not in the ring. Costs as much as [`Ring::rack_of`].
    pub fn dc_of(&self, id: NodeId) -> Option<DcIdx> {
        self.index_of(id).map(|node| self.rack(self.rack_of(node)).dc())
    }

    /// All datacenters but `own`.
    pub fn other_dcs(&self, own: DcIdx) -> impl Iterator<Item = DcIdx> {
        self.dcs().iter().map(Dc::index).filter(move |dc| *dc != own)
    }
}

fn unique_ids(nodes: &[Node]) -> Result<Vec<(NodeId, NodeIdx)>, RingError> {
    let mut ids: HashMap<NodeId, NodeIdx> = HashMap::with_capacity(nodes.len());
    let mut names = HashSet::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        if !names.insert(&node.name) {
            return Err(RingError::DuplicateName { name: node.name.clone() });
        }
        if let Some(first) = ids.insert(node.id, NodeIdx(index as u32)) {
            let first = nodes[first.0 as usize].name.clone();
            return Err(RingError::DuplicateId { first, second: node.name.clone() });
        }
    }
    let mut ids: Vec<_> = ids.into_iter().collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Datacenters and racks of `nodes`, which are sorted by both.
fn group_by_rack(nodes: &[Node]) -> Result<Vec<Dc>, RingError> {
    let mut dcs: Vec<Dc> = Vec::new();
    let (mut first, mut rack_count) = (0, 0_usize);
    for members in nodes.chunk_by(|a, b| a.dc == b.dc && a.rack == b.rack) {
        let node = &members[0];
        if dcs.last().is_none_or(|dc| *dc.name != *node.dc) {
            dcs.push(Dc { name: node.dc.as_str().into(), index: DcIdx(dcs.len() as u16), racks: Vec::new() });
        }
        let dc = dcs.last_mut().expect("one was just pushed");
        dc.racks.push(Rack {
            name: Arc::from(node.rack.as_str()),
            dc: dc.index,
            index: RackIdx(rack_count as u16),
            nodes: first..first + members.len() as u32,
            tokens: rack_tokens(members, first)?,
            seed: digest::of_name(&node.rack),
        });
        first += members.len() as u32;
        rack_count += 1;
    }
    if rack_count > usize::from(u16::MAX) {
        return Err(RingError::TooManyRacks { count: rack_count });
    }
    Ok(dcs)
}

/// The tokens of one rack, ascending; its first node has number `first`.
fn rack_tokens(members: &[Node], first: u32) -> Result<Vec<(Token, NodeIdx)>, RingError> {
    let mut tokens = Vec::with_capacity(members.iter().map(|node| node.tokens.len()).sum());
    for (offset, node) in members.iter().enumerate() {
        if node.tokens.is_empty() {
            return Err(RingError::NoTokens { name: node.name.clone() });
        }
        tokens.extend(node.tokens.iter().map(|token| (*token, NodeIdx(first + offset as u32))));
    }
    tokens.sort_unstable();
    if let Some(pair) = tokens.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let member = |(_, index): (Token, NodeIdx)| &members[(index.0 - first) as usize];
        return Err(RingError::DuplicateToken {
            token: pair[0].0,
            dc: members[0].dc.clone(),
            rack: members[0].rack.clone(),
            first: member(pair[0]).name.clone(),
            second: member(pair[1]).name.clone(),
        });
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests;
