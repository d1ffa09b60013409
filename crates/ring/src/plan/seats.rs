//! Who owns which token of one rack and how much that is, while tokens are dealt out anew.
//!
//! Everything is counted in hash values, as in the allocator.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;

use crate::{Rack, Ring, Token, TokenRange, TokenSpace};

/// Loads are even when none is further from the mean than the mean's part by this: 5 %.
const UNEVEN_PART: u64 = 20;

pub(super) struct Seats<'a> {
    space: TokenSpace,
    names: Vec<&'a str>,
    /// Each token's owner, by its place in `names`.
    owners: BTreeMap<Token, usize>,
    loads: Vec<u64>,
}

impl<'a> Seats<'a> {
    pub(super) fn of(ring: &'a Ring, rack: &Rack) -> Self {
        let first = rack.nodes().next().map_or(0, |node| node.0);
        let names: Vec<&str> = rack.nodes().map(|node| &*ring.node(node).name).collect();
        let owners =
            rack.tokens().iter().map(|(token, owner)| (*token, (owner.0 - first) as usize)).collect();
        let mut seats =
            Self { space: ring.hasher().kind().space(), loads: vec![0; names.len()], names, owners };
        for (token, owner) in &seats.owners {
            seats.loads[*owner] += seats.width(*token);
        }
        seats
    }

    /// The tokens of a node; `None` when it is not of the rack.
    pub(super) fn tokens_of(&self, name: &str) -> Option<Vec<Token>> {
        let node = self.names.iter().position(|known| *known == name)?;
        Some(self.tokens(node).collect())
    }

    /// The node called `name`, which is not the only one, loses all tokens. What follows a range takes it, so that the rack
    /// does not collect tokens over many changes; unless that is the node itself or would have too much by it. Then the
    /// least loaded node does, or its front only when all is too much.
    pub(super) fn leave(&mut self, name: &str) {
        let Some(leaver) = self.names.iter().position(|known| *known == name) else { return };
        let mean = self.space.count() / (self.names.len() as u64 - 1);
        let load_max = mean + mean / UNEVEN_PART;
        let widest =
            |seats: &Self| seats.tokens(leaver).max_by_key(|token| (seats.width(*token), Reverse(*token)));
        while let Some(token) = widest(self) {
            let (width, next) = (self.width(token), self.next_owner(token));
            let others = (0..self.names.len()).filter(|node| *node != leaver);
            let lightest = others.min_by_key(|node| self.loads[*node]).unwrap_or(next);
            match load_max.saturating_sub(self.loads[lightest]) {
                _ if next != leaver && self.loads[next] + width <= load_max => self.give(token, next),
                room if (1..width).contains(&room) => self.cut(token, room, lightest),
                _ => self.give(token, lightest),
            }
        }
    }

    /// Makes loads even: the most loaded node gives to the least loaded one, what brings one of the two to the mean, as one
    /// token that it has or as the front of a range.
    pub(super) fn level(&mut self) {
        let node_count = self.names.len() as u64;
        let (mean_floor, mean_ceil) =
            (self.space.count() / node_count, self.space.count().div_ceil(node_count));
        while let Some((heavy, light)) = self.uneven(mean_floor, mean_ceil) {
            let amount = (self.loads[heavy] - mean_floor).min(mean_ceil - self.loads[light]);
            let widths: Vec<(u64, Token)> =
                self.tokens(heavy).map(|token| (self.width(token), token)).collect();
            let whole = widths.iter().filter(|(width, _)| *width <= amount).max().copied();
            let longest = widths.iter().max().copied().filter(|(width, _)| *width > amount);
            match (whole, longest) {
                (Some((width, token)), _) if width > amount / 2 => self.give(token, light),
                (_, Some((_, token))) => self.cut(token, amount, light),
                (Some((_, token)), None) => self.give(token, light),
                (None, None) => return,
            }
        }
    }

    /// The most and the least loaded node, when one of them is too far from the mean and it can be helped.
    fn uneven(&self, mean_floor: u64, mean_ceil: u64) -> Option<(usize, usize)> {
        let heavy = (0..self.loads.len()).max_by_key(|node| self.loads[*node])?;
        let light = (0..self.loads.len()).min_by_key(|node| self.loads[*node])?;
        let (most, least) = (self.loads[heavy], self.loads[light]);
        let is_uneven =
            most > mean_floor + mean_floor / UNEVEN_PART || least < mean_ceil - mean_ceil / UNEVEN_PART;
        (is_uneven && most - least > 1).then_some((heavy, light))
    }

    /// The token's range goes to `to`; the token too, unless what follows is `to`'s already.
    fn give(&mut self, token: Token, to: usize) {
        let width = self.width(token);
        let Some(from) = self.owners.get(&token).copied() else { return };
        self.loads[from] -= width;
        self.loads[to] += width;
        if self.next_owner(token) == to {
            self.owners.remove(&token);
        } else {
            self.owners.insert(token, to);
        }
    }

    /// The first `amount` values of the token's range, which has more, go to `to` with a new token.
    fn cut(&mut self, token: Token, amount: u64, to: usize) {
        let Some(from) = self.owners.get(&token).copied() else { return };
        let rank = self.space.rank(self.previous(token)) + amount;
        self.owners.insert(self.space.token((rank - 1) % self.space.count() + 1), to);
        self.loads[from] -= amount;
        self.loads[to] += amount;
    }

    fn tokens(&self, node: usize) -> impl Iterator<Item = Token> {
        self.owners.iter().filter(move |(_, owner)| **owner == node).map(|(token, _)| *token)
    }

    /// How many values the token's range has.
    fn width(&self, token: Token) -> u64 {
        self.space.width(TokenRange::new(self.previous(token), token))
    }

    fn previous(&self, token: Token) -> Token {
        let before = self.owners.range(..token).next_back().or_else(|| self.owners.last_key_value());
        before.map_or(token, |(before, _)| *before)
    }

    fn next_owner(&self, token: Token) -> usize {
        let mut after = self.owners.range((Bound::Excluded(token), Bound::Unbounded));
        let next = after.next().or_else(|| self.owners.first_key_value());
        next.map_or(0, |(_, owner)| *owner)
    }
}
