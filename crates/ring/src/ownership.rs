//! How evenly the keys are spread: what an operator looks at before and after a change.

use crate::{NodeIdx, RackIdx, Ring, TokenRange};

/// The share of its rack's keys that each node owns, for evenly spread keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Ownership {
    shares: Vec<f64>,
    imbalances: Vec<f64>,
}

impl Ownership {
    pub(crate) fn of(ring: &Ring) -> Self {
        let space = ring.hasher().kind().space();
        let mut shares = vec![0.0; ring.nodes().len()];
        let mut imbalances = Vec::with_capacity(ring.rack_count());
        for rack in ring.racks() {
            let mut after = rack.tokens[rack.tokens.len() - 1].0;
            for (token, owner) in &rack.tokens {
                let width = space.width(TokenRange::new(after, *token));
                shares[owner.0 as usize] += width as f64 / space.count() as f64;
                after = *token;
            }
            let most = rack.nodes().map(|node| shares[node.0 as usize]).fold(0.0, f64::max);
            imbalances.push(most * rack.nodes.len() as f64 - 1.0);
        }
        Self { shares, imbalances }
    }

    /// The part of its rack's keys that `node` owns: 0 to 1. The shares of a rack add up to 1.
    ///
    /// # Panics
    /// When the number is of another ring and too great for this one; so does [`Ownership::imbalance`].
    pub fn share(&self, node: NodeIdx) -> f64 {
        self.shares[node.0 as usize]
    }

    /// By which part the rack's most loaded node is above the mean: 0.05 is 5 %.
    pub fn imbalance(&self, rack: RackIdx) -> f64 {
        self.imbalances[usize::from(rack.0)]
    }
}
