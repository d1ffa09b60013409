//! Which keys of a connection have commands in flight that later commands of the connection have to wait for.
//!
//! Reads and overwrites go to the replicas directly; a sequenced write is run by its key's primary, which may be another
//! node, and reaches the replicas from there. The two could overtake each other. And a read at a quorum may ask a
//! second replica for its value, which by then shows what was written after the read. An overwrite that a later
//! sequenced write overtakes on its way to a replica is refused there, as the primary has told the replica of newer ones.

use dynomite_codec::{Call, Class};
use dynomite_ring::Token;
use hashbrown::HashMap;

/// How a command gets to the replicas of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Read,
    Overwrite,
    Sequenced,
}

impl Way {
    pub(crate) fn of(call: Call) -> Self {
        match call.class {
            Class::Overwrite => Self::Overwrite,
            Class::Sequenced | Class::Effect => Self::Sequenced,
            Class::Read | Class::Connection => Self::Read,
        }
    }
}

/// Tokens with commands in flight. Those of one way keep their order among themselves.
#[derive(Debug, Default)]
pub(crate) struct KeyOrder {
    tokens: HashMap<Token, InFlight>,
}

#[derive(Debug, Default)]
struct InFlight {
    reads: u32,
    overwrites: u32,
    sequenced: u32,
}

impl KeyOrder {
    /// Whether a command on that token has to wait for one in flight.
    pub(crate) fn must_wait(&self, token: Token, way: Way) -> bool {
        let Some(in_flight) = self.tokens.get(&token) else { return false };
        match way {
            Way::Read => in_flight.sequenced > 0,
            Way::Overwrite => in_flight.reads > 0 || in_flight.sequenced > 0,
            Way::Sequenced => in_flight.reads > 0 || in_flight.overwrites > 0,
        }
    }

    /// A command went out; [`KeyOrder::end`] is to be called when it is answered.
    pub(crate) fn begin(&mut self, token: Token, way: Way) {
        *self.tokens.entry(token).or_default().of(way) += 1;
    }

    /// A command was answered.
    pub(crate) fn end(&mut self, token: Token, way: Way) {
        let Some(in_flight) = self.tokens.get_mut(&token) else { return };
        let count = in_flight.of(way);
        *count = count.saturating_sub(1);
        if in_flight.reads + in_flight.overwrites + in_flight.sequenced == 0 {
            self.tokens.remove(&token);
        }
    }
}

impl InFlight {
    fn of(&mut self, way: Way) -> &mut u32 {
        match way {
            Way::Read => &mut self.reads,
            Way::Overwrite => &mut self.overwrites,
            Way::Sequenced => &mut self.sequenced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequenced_write_holds_up_reads_and_overwrites_until_all_of_them_are_answered() {
        let mut order = KeyOrder::default();
        order.begin(Token(1), Way::Sequenced);
        order.begin(Token(1), Way::Sequenced);
        for answered in [false, true] {
            assert!(order.must_wait(Token(1), Way::Read) && order.must_wait(Token(1), Way::Overwrite));
            assert!(!order.must_wait(Token(1), Way::Sequenced), "the primary keeps their order");
            assert!(!order.must_wait(Token(2), Way::Read), "another key");
            order.end(Token(1), Way::Sequenced);
            assert_eq!(order.must_wait(Token(1), Way::Read), !answered);
        }
    }

    #[test]
    fn a_read_holds_up_writes_and_no_reads() {
        let mut order = KeyOrder::default();
        order.begin(Token(1), Way::Read);
        assert!(order.must_wait(Token(1), Way::Sequenced) && order.must_wait(Token(1), Way::Overwrite));
        assert!(!order.must_wait(Token(1), Way::Read));
        order.end(Token(1), Way::Read);
        assert!(!order.must_wait(Token(1), Way::Sequenced));
    }

    #[test]
    fn an_overwrite_holds_up_sequenced_writes_alone() {
        let mut order = KeyOrder::default();
        order.begin(Token(1), Way::Overwrite);
        assert!(!order.must_wait(Token(1), Way::Read) && !order.must_wait(Token(1), Way::Overwrite));
        assert!(order.must_wait(Token(1), Way::Sequenced));
        order.end(Token(1), Way::Overwrite);
        assert!(!order.must_wait(Token(1), Way::Sequenced));
    }
}
