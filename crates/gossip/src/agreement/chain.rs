//! The part of a learner: the last decided epochs, without gaps, and what may follow them.

use std::collections::VecDeque;

use super::AgreementError;

#[derive(Debug)]
pub(super) struct Chain {
    /// Consecutive epochs, ascending.
    decided: VecDeque<(u64, Vec<u8>)>,
    len_max: usize,
}

/// What another node says of an epoch.
#[derive(Debug)]
pub(super) struct Taught {
    pub(super) epoch: u64,
    /// The oldest epoch that it keeps.
    pub(super) oldest: u64,
    /// The sum of the value before; 0 when it is not kept.
    pub(super) follows: u64,
    pub(super) value: Vec<u8>,
}

/// What such news is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Learned {
    /// It comes next, or nobody can tell what is between: the last epoch now.
    New,
    /// Not news.
    Known,
    /// Something between is not known here, and can be asked for.
    Gap,
    /// It contradicts what is known of this epoch.
    Conflict { epoch: u64 },
}

impl Chain {
    /// The stored epochs up to the last one, as far back as they are without gaps.
    pub(super) fn restore(mut stored: Vec<(u64, Vec<u8>)>, len_max: usize) -> Result<Self, AgreementError> {
        let mut chain = Self { decided: VecDeque::new(), len_max: len_max.max(1) };
        stored.sort_unstable();
        stored.dedup();
        if let Some(pair) = stored.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(AgreementError::DecidedTwice { epoch: pair[0].0 });
        }
        if stored.first().is_some_and(|(epoch, _)| *epoch == 0) {
            return Err(AgreementError::NoValue { epoch: 0 });
        }
        for (epoch, value) in stored {
            chain.push(epoch, value);
        }
        Ok(chain)
    }

    pub(super) fn last(&self) -> Option<(u64, &[u8])> {
        self.decided.back().map(|(epoch, value)| (*epoch, value.as_slice()))
    }

    /// 0 when none is known.
    pub(super) fn last_epoch(&self) -> u64 {
        self.decided.back().map_or(0, |(epoch, _)| *epoch)
    }

    /// The epoch to be decided.
    pub(super) fn next_epoch(&self) -> u64 {
        self.last_epoch() + 1
    }

    pub(super) fn oldest_epoch(&self) -> u64 {
        self.decided.front().map_or(0, |(epoch, _)| *epoch)
    }

    pub(super) fn value(&self, epoch: u64) -> Option<&[u8]> {
        let place = epoch.checked_sub(self.oldest_epoch())?;
        self.decided.get(usize::try_from(place).ok()?).map(|(_, value)| value.as_slice())
    }

    /// A number that is, most likely, another one for every other value: FNV-1a with 64 bits. 0 when the value is not kept.
    pub(super) fn sum(&self, epoch: u64) -> u64 {
        let fold = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        self.value(epoch).map_or(0, |value| value.iter().fold(0xCBF2_9CE4_8422_2325, fold).max(1))
    }

    pub(super) fn compare(&self, taught: &Taught) -> Learned {
        let next = self.next_epoch();
        if taught.epoch < next {
            return match self.value(taught.epoch) {
                Some(known) if known != taught.value => Learned::Conflict { epoch: taught.epoch },
                _ => Learned::Known,
            };
        }
        if self.decided.is_empty() || taught.oldest > next {
            return Learned::New;
        }
        if taught.epoch > next {
            return Learned::Gap;
        }
        if taught.follows != 0 && taught.follows != self.sum(next - 1) {
            return Learned::Conflict { epoch: next - 1 };
        }
        Learned::New
    }

    /// Takes a value as the last one. What it does not follow without a gap is forgotten, and so is what is old.
    pub(super) fn push(&mut self, epoch: u64, value: Vec<u8>) {
        if epoch != self.next_epoch() {
            self.decided.clear();
        }
        if self.decided.len() == self.len_max {
            self.decided.pop_front();
        }
        self.decided.push_back((epoch, value));
    }
}
