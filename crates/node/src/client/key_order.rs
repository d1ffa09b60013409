//! Which keys of a connection have commands in flight that later commands of the connection have to wait for.
//!
//! Reads, and overwrites at `DC_ONE`, go to the replicas directly; all other writes are run by their key's primary, which
//! may be another node, and reach the replicas from there. The two could overtake each other. And a read at a quorum may
//! ask a second replica for its value, which by then shows what was written after the read. An overwrite that a later
//! sequenced write overtakes on its way to a replica is refused there, as the primary has told the replica of newer ones.

use dynomite_codec::{Call, Class};
use dynomite_replication::Level;
use dynomite_ring::Token;
use hashbrown::HashMap;

/// How a command gets to the replicas of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A read, from the replicas.
    Read,
    /// An overwrite, directly to the replicas.
    Direct,
    /// A write by way of the primary.
    Primary,
}

impl Way {
    pub(crate) fn of(call: Call, level: Level) -> Self {
        match call.class {
            Class::Overwrite if level == Level::DcOne => Self::Direct,
            Class::Overwrite | Class::Sequenced | Class::Effect => Self::Primary,
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
    direct: u32,
    primary: u32,
}

impl KeyOrder {
    /// Whether a command on that token has to wait for one in flight.
    pub(crate) fn must_wait(&self, token: Token, way: Way) -> bool {
        let Some(in_flight) = self.tokens.get(&token) else { return false };
        match way {
            Way::Read => in_flight.primary > 0,
            Way::Direct => in_flight.reads > 0 || in_flight.primary > 0,
            Way::Primary => in_flight.reads > 0 || in_flight.direct > 0,
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
        if in_flight.reads + in_flight.direct + in_flight.primary == 0 {
            self.tokens.remove(&token);
        }
    }
}

impl InFlight {
    fn of(&mut self, way: Way) -> &mut u32 {
        match way {
            Way::Read => &mut self.reads,
            Way::Direct => &mut self.direct,
            Way::Primary => &mut self.primary,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_of_the_primary_holds_up_reads_and_direct_ones_until_all_of_them_are_answered() {
        let mut order = KeyOrder::default();
        order.begin(Token(1), Way::Primary);
        order.begin(Token(1), Way::Primary);
        for answered in [false, true] {
            assert!(order.must_wait(Token(1), Way::Read) && order.must_wait(Token(1), Way::Direct));
            assert!(!order.must_wait(Token(1), Way::Primary), "the primary keeps their order");
            assert!(!order.must_wait(Token(2), Way::Read), "another key");
            order.end(Token(1), Way::Primary);
            assert_eq!(order.must_wait(Token(1), Way::Read), !answered);
        }
    }

    #[test]
    fn a_read_holds_up_writes_and_no_reads() {
        let mut order = KeyOrder::default();
        order.begin(Token(1), Way::Read);
        assert!(order.must_wait(Token(1), Way::Primary) && order.must_wait(Token(1), Way::Direct));
        assert!(!order.must_wait(Token(1), Way::Read));
        order.end(Token(1), Way::Read);
        assert!(!order.must_wait(Token(1), Way::Primary));
    }

    #[test]
    fn a_direct_overwrite_holds_up_writes_of_the_primary_alone() {
        let mut order = KeyOrder::default();
        order.begin(Token(1), Way::Direct);
        assert!(!order.must_wait(Token(1), Way::Read) && !order.must_wait(Token(1), Way::Direct));
        assert!(order.must_wait(Token(1), Way::Primary));
        order.end(Token(1), Way::Direct);
        assert!(!order.must_wait(Token(1), Way::Primary));
    }
}
