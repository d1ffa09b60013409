//! The ranges of a rack's nodes, and how a newcomer cuts its own from them.
//!
//! Everything is counted in ranks: the number of hash values up to a token. So one piece of code serves any
//! [`TokenSpace`], and every cut falls on a value that keys can have.

use std::cmp::Reverse;

use crate::ring::mix;
use crate::{NodeId, Token, TokenSpace};

/// A newcomer takes at most this part of the values that are still without a token, so that a coarse space is not used
/// up at once and later nodes still find ranges to cut. In a space of 2^14 values it is 16 of them for a thousand nodes.
const FREE_PART: u64 = 25;

/// A token is shifted by at most this part of the range it ends.
const SHIFT_PART: u64 = 128;

/// A coarse space has room for the tokens of this many nodes.
const NODES_MIN: u64 = 1024;

/// More tokens than this would make no load more even, only lookups and joins slower.
const TOKENS_MAX: u64 = 1024;

/// Loads are compared with this many bits after the point.
const FRACTION_BITS: u32 = 10;

pub(super) struct RackLoads {
    space: TokenSpace,
    nodes: Vec<NodeLoad>,
    token_count: u64,
}

#[derive(Default)]
struct NodeLoad {
    spans: Vec<Span>,
    total: u64,
}

/// The `len` values that follow the first `after` ones.
#[derive(Clone, Copy)]
struct Span {
    after: u64,
    len: u64,
}

/// What one node is to give up, and in how many pieces.
struct Gift {
    donor: usize,
    amount: u64,
    pieces: u64,
}

impl RackLoads {
    pub(super) fn new(space: TokenSpace, rack: &[&[Token]]) -> Self {
        let mut ends: Vec<(Token, usize)> = rack
            .iter()
            .enumerate()
            .flat_map(|(node, tokens)| tokens.iter().map(move |t| (*t, node)))
            .collect();
        ends.sort_unstable();
        let mut nodes: Vec<NodeLoad> = rack.iter().map(|_| NodeLoad::default()).collect();
        let mut after = ends.last().map_or(0, |(token, _)| space.rank(*token));
        for (index, (token, node)) in ends.iter().enumerate() {
            let upto = space.rank(*token);
            let len = if index == 0 { space.count() - after + upto } else { upto - after };
            nodes[*node].push(Span { after, len });
            after = upto;
        }
        Self { space, nodes, token_count: ends.len() as u64 }
    }

    #[cfg(test)]
    pub(super) fn totals(&self) -> impl Iterator<Item = u64> {
        self.nodes.iter().map(|node| node.total)
    }

    /// Adds a node and gives its tokens, ascending.
    pub(super) fn join(&mut self, vnodes: usize, shift_by: Option<NodeId>) -> Vec<Token> {
        let free = self.space.count().saturating_sub(self.token_count);
        let room = (self.space.count() / NODES_MIN).min((free / FREE_PART).max(1)).min(free);
        let token_max = (vnodes as u64).min(TOKENS_MAX).min(room);
        let mut newcomer = NodeLoad::default();
        if self.token_count == 0 {
            newcomer.take_all(self.space, token_max);
        } else {
            for gift in self.gifts(token_max) {
                self.nodes[gift.donor].give(&gift, shift_by, &mut newcomer);
            }
        }
        let mut tokens: Vec<Token> = newcomer.spans.iter().map(|span| span.end(self.space)).collect();
        tokens.sort_unstable();
        self.token_count += tokens.len() as u64;
        self.nodes.push(newcomer);
        tokens
    }

    /// Who gives how much to a newcomer with `token_max` tokens: the most loaded nodes, down to one level.
    fn gifts(&self, token_max: u64) -> Vec<Gift> {
        let mut donors = self.donors(token_max as usize);
        let level = self.level(&mut donors);
        // With a donor for every token each gives one piece, cut from one of its ranges.
        let is_one_piece = donors.len() as u64 == token_max;
        // Fewer nodes than tokens are all relieved by every join, so theirs can be equal.
        let staggered = self.nodes.len() as u64 >= token_max;
        let (mut gifts, mut exact, mut given) = (Vec::with_capacity(donors.len()), 0, 0);
        for (place, donor) in donors.iter().enumerate() {
            let above = if staggered { self.stagger(level, place, donors.len()) } else { 0 };
            let node = &self.nodes[*donor];
            exact += ((node.total << FRACTION_BITS) as i64 - level as i64 - above).max(0) as u64;
            let amount_max = if is_one_piece { node.piece_max() } else { node.spare() };
            // Rounding the running sum keeps the whole gift exact where a single value is much, and has the next donors
            // give what this one cannot.
            let amount = (exact >> FRACTION_BITS).saturating_sub(given).min(amount_max);
            given += amount;
            if amount > 0 {
                gifts.push(Gift { donor: *donor, amount, pieces: 1 });
            }
        }
        if let (true, Some(donor)) = (gifts.is_empty(), donors.first()) {
            gifts.push(Gift { donor: *donor, amount: 1, pieces: 1 });
        }
        for _ in gifts.len() as u64..token_max {
            let coarsest = gifts.iter_mut().max_by_key(|gift| (gift.amount / gift.pieces, gift.amount));
            match coarsest {
                Some(gift) if gift.pieces < gift.amount => gift.pieces += 1,
                _ => break,
            }
        }
        gifts
    }

    /// The `count` most loaded nodes that can give something. Where values are few many loads are equal; of the last ones
    /// that are, those are taken that stand for all: some with long ranges, which give several values with one token, and
    /// some with short ones, so that neither kind is left over.
    fn donors(&self, count: usize) -> Vec<usize> {
        let mut donors: Vec<(Reverse<u64>, u64, usize)> = (0..)
            .zip(&self.nodes)
            .map(|(index, node)| (Reverse(node.total), node.piece_max(), index))
            .filter(|(_, piece_max, _)| *piece_max > 0)
            .collect();
        donors.sort_unstable();
        if let Some((least, ..)) = donors.get(count).copied() {
            let above = donors.partition_point(|(load, ..)| *load < least);
            let equal_count = donors.partition_point(|(load, ..)| *load <= least) - above;
            for place in above..count {
                donors[place] = donors[above + (place - above) * equal_count / (count - above)];
            }
            donors.truncate(count);
        }
        donors.into_iter().map(|(.., index)| index).collect()
    }

    /// The load, in fractions, at which the newcomer and those it took from are equal; higher when the newcomer would
    /// get more than its share of the rack. Leaves in `donors` those above the level.
    fn level(&self, donors: &mut Vec<usize>) -> u64 {
        let share = (self.space.count() << FRACTION_BITS) / (self.nodes.len() as u64 + 1);
        let (mut sum, mut level) = (0, 0);
        for index in 0..donors.len() {
            let total = self.nodes[donors[index]].total << FRACTION_BITS;
            if index > 0 && total <= level {
                donors.truncate(index);
                break;
            }
            let count = index as u64 + 1;
            sum += total;
            level = (sum / (count + 1)).max(sum.saturating_sub(share) / count);
        }
        level
    }

    /// How far above the level the donor at `place` of `count` is left: from half a step above for the first to half a
    /// step below for the last, where a step is what the mean load falls by with one node more.
    fn stagger(&self, level: u64, place: usize, count: usize) -> i64 {
        let (place, count, node_count) = (place as i64, count as i64, self.nodes.len() as i64);
        level as i64 / (2 * count * (node_count + 1)) * (count - 1 - 2 * place)
    }
}

impl NodeLoad {
    fn push(&mut self, span: Span) {
        self.total += span.len;
        self.spans.push(span);
    }

    /// How much the node can give up and still own something with every token.
    fn spare(&self) -> u64 {
        self.spans.iter().map(|span| span.len.saturating_sub(1)).sum()
    }

    /// How much it can give up with one token.
    fn piece_max(&self) -> u64 {
        self.spans.iter().map(|span| span.len.saturating_sub(1)).max().unwrap_or(0)
    }

    fn take_all(&mut self, space: TokenSpace, token_max: u64) {
        for index in 0..token_max {
            let bound = |index: u64| {
                space.count() / token_max * index + space.count() % token_max * index / token_max
            };
            self.push(Span { after: bound(index), len: bound(index + 1) - bound(index) });
        }
    }

    /// Hands over the gift, each piece from the front of a range: of one that is used up by it, so that where values are few
    /// the longer ranges are kept for longer pieces, else of the longest.
    fn give(&mut self, gift: &Gift, shift_by: Option<NodeId>, newcomer: &mut Self) {
        let mut left = gift.amount;
        for pieces in (1..=gift.pieces).rev() {
            let mut len = left.div_ceil(pieces);
            let order = |span: &&mut Span| (span.len == len + 1, span.len, Reverse(span.after));
            let Some(span) = self.spans.iter_mut().max_by_key(order).filter(|span| span.len > 1) else {
                return;
            };
            if left == 0 {
                return;
            }
            len = len.min(span.len - 1);
            if let Some(NodeId(id)) = shift_by {
                len -= mix(u64::from(id) << 32 ^ span.after) % (len / SHIFT_PART + 1);
            }
            let piece = Span { after: span.after, len };
            span.after += len;
            span.len -= len;
            self.total -= len;
            left -= len;
            newcomer.push(piece);
        }
    }
}

impl Span {
    /// The token that ends the span.
    fn end(&self, space: TokenSpace) -> Token {
        space.token((self.after + self.len - 1) % space.count() + 1)
    }
}
