//! Makes a failing plan small: takes faults and commands out for as long as it still fails in the same way.

use crate::{
    plan::Plan,
    run::{Verdict, run},
    scenario::Invariant,
};

/// Plans tried at most.
const TRIES_MAX: usize = 3000;

/// A smaller plan that still fails as `verdict` did.
pub fn shrink(plan: &Plan, verdict: &Verdict, demands: &[Invariant]) -> Plan {
    shrink_while(plan, |plan| run(plan, demands).resembles(verdict))
}

/// A smaller plan of which `fails` still says so.
pub(crate) fn shrink_while(plan: &Plan, fails: impl Fn(&Plan) -> bool) -> Plan {
    let mut smallest = Shrinking { plan: plan.clone(), fails, tries: 0 };
    loop {
        let size = smallest.size();
        smallest.without(|plan| plan.faults.len(), |plan, keep| plan.faults = kept(&plan.faults, keep));
        smallest.without(|plan| plan.changes.len(), |plan, keep| plan.changes = kept(&plan.changes, keep));
        smallest.without(|plan| plan.commands.len(), |plan, keep| plan.commands = kept(&plan.commands, keep));
        if smallest.size() == size || smallest.tries >= TRIES_MAX {
            return smallest.plan;
        }
    }
}

struct Shrinking<F> {
    plan: Plan,
    fails: F,
    tries: usize,
}

impl<F: Fn(&Plan) -> bool> Shrinking<F> {
    fn size(&self) -> usize {
        self.plan.faults.len() + self.plan.changes.len() + self.plan.commands.len()
    }

    /// Takes out parts of one list, first large ones, then smaller ones (Zeller's delta debugging).
    fn without(&mut self, len: impl Fn(&Plan) -> usize, set: impl Fn(&mut Plan, &dyn Fn(usize) -> bool)) {
        let mut part = len(&self.plan).div_ceil(2);
        while part > 0 {
            let mut from = 0;
            while from < len(&self.plan) && self.tries < TRIES_MAX {
                let mut plan = self.plan.clone();
                set(&mut plan, &|index| index < from || index >= from + part);
                self.tries += 1;
                if (self.fails)(&plan) {
                    self.plan = plan;
                } else {
                    from += part;
                }
            }
            part = if part == 1 { 0 } else { part.div_ceil(2) };
        }
    }
}

fn kept<T: Clone>(all: &[T], keep: &dyn Fn(usize) -> bool) -> Vec<T> {
    all.iter().enumerate().filter(|(index, _)| keep(*index)).map(|(_, one)| one.clone()).collect()
}
