//! Random numbers that a seed decides, in two ways: one after the other, and by what they are for.
//!
//! What the *plan* of a run needs is drawn one after the other. What happens while it runs is decided by [`Dice`], which
//! answer by the question and remember nothing: a run from which one command was taken out then goes on much like the
//! whole one, and shrinking finds small plans.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut mixed: u64) -> u64 {
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

impl Random {
    /// A generator whose numbers follow from `seed` alone.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }

    /// An index into something of `len` elements.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A number from `from` up to and including `upto`.
    pub fn between(&mut self, from: u64, upto: u64) -> u64 {
        from + self.below(upto.saturating_sub(from) + 1)
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.index(choices.len())]
    }

    /// One of `choices` by their weights; the last when all weights are 0.
    pub fn weighted<T: Copy>(&mut self, choices: &[(u64, T)]) -> Option<T> {
        let mut left = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            if left < *weight {
                return Some(*choice);
            }
            left -= weight;
        }
        choices.last().map(|(_, choice)| *choice)
    }
}

/// Decides by the question alone: the same question always gets the same answer.
#[derive(Debug, Clone, Copy)]
pub struct Dice(u64);

impl Dice {
    /// Dice for one run.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed ^ STEP))
    }

    /// The generator for one question, which is named by numbers.
    pub fn of(self, question: [u64; 3]) -> Random {
        Random(question.iter().fold(self.0, |seed, part| mix(seed.wrapping_add(STEP) ^ part)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_their_range_and_reach_all_of_it() {
        let mut random = Random::new(7);
        let mut reached = [0; 5];
        for _ in 0..1000 {
            reached[random.index(5)] += 1;
            assert!((3..=4).contains(&random.between(3, 4)));
        }
        assert!(reached.iter().all(|count| *count > 100), "{reached:?}");
        assert!(!random.chance(0) && random.chance(100) && random.below(0) == 0);
    }

    #[test]
    fn weights_decide_how_often() {
        let mut random = Random::new(1);
        let picked =
            (0..1000).filter(|_| random.weighted(&[(1, 'a'), (0, 'b'), (3, 'c')]) == Some('c')).count();
        assert!((650..850).contains(&picked), "{picked}");
        assert_eq!(random.weighted::<char>(&[]), None);
    }

    #[test]
    fn dice_answer_by_the_question() {
        let dice = Dice::new(3);
        assert_eq!(dice.of([1, 2, 3]).draw(), dice.of([1, 2, 3]).draw());
        assert_ne!(dice.of([1, 2, 3]).draw(), dice.of([1, 3, 2]).draw());
        assert_ne!(dice.of([1, 2, 3]).draw(), Dice::new(4).of([1, 2, 3]).draw());
    }
}
