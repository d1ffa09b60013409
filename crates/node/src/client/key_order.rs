//! Which keys of a connection have commands in flight that later commands of the connection have to wait for.
//!
//! Reads, and overwrites at `DC_ONE`, go to the replicas directly; all other writes are run by their key's primary, which
//! may be another node, and reach the replicas from there. The two could overtake each other. And a read at a quorum may
//! ask a second replica for its value, which by then shows what was written after the read. An overwrite that a later
//! sequenced write overtakes on its way to a replica is refused there, as the primary has told the replica of newer ones.

use std::collections::VecDeque;

use dynomite_codec::{Call, Class};
use dynomite_replication::{ClientCommand, Level};
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

/// Tokens with commands in flight, and the commands that wait for those. Commands of one way keep their order among
/// themselves, and whoever waits is overtaken by nobody on the same token.
#[derive(Debug, Default)]
pub(crate) struct KeyOrder {
    tokens: HashMap<Token, InFlight>,
    /// Tokens on which a command was answered while others waited.
    moved: Vec<Token>,
}

#[derive(Debug, Default)]
struct InFlight {
    reads: u32,
    direct: u32,
    primary: u32,
    parked: VecDeque<(Way, ClientCommand)>,
}

impl KeyOrder {
    /// A command that shall go out. Gives it back if it may; otherwise keeps it until [`KeyOrder::release`].
    pub(crate) fn enter(&mut self, way: Way, command: ClientCommand) -> Option<ClientCommand> {
        let in_flight = self.tokens.entry(command.token).or_default();
        if !in_flight.parked.is_empty() || in_flight.blocks(way) {
            in_flight.parked.push_back((way, command));
            return None;
        }
        *in_flight.of(way) += 1;
        Some(command)
    }

    /// A command that went out was answered.
    pub(crate) fn end(&mut self, token: Token, way: Way) {
        let Some(in_flight) = self.tokens.get_mut(&token) else { return };
        let count = in_flight.of(way);
        *count = count.saturating_sub(1);
        if !in_flight.parked.is_empty() {
            self.moved.push(token);
        } else if in_flight.is_idle() {
            self.tokens.remove(&token);
        }
    }

    /// Whether [`KeyOrder::release`] may have something.
    pub(crate) fn has_moved(&self) -> bool {
        !self.moved.is_empty()
    }

    /// The next command that waited and may go out now.
    pub(crate) fn release(&mut self) -> Option<ClientCommand> {
        while let Some(token) = self.moved.last() {
            if let Some(in_flight) = self.tokens.get_mut(token)
                && let Some((way, _)) = in_flight.parked.front()
                && !in_flight.blocks(*way)
                && let Some((way, command)) = in_flight.parked.pop_front()
            {
                *in_flight.of(way) += 1;
                return Some(command);
            }
            self.moved.pop();
        }
        None
    }
}

impl InFlight {
    /// Whether a command has to wait for one in flight.
    fn blocks(&self, way: Way) -> bool {
        match way {
            Way::Read => self.primary > 0,
            Way::Direct => self.reads > 0 || self.primary > 0,
            Way::Primary => self.reads > 0 || self.direct > 0,
        }
    }

    fn is_idle(&self) -> bool {
        self.reads + self.direct + self.primary == 0
    }

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
    use dynomite_codec::{Request, classify};
    use dynomite_replication::{KeyRequest, Ticket};

    use super::*;

    fn command(number: u64, token: u32) -> ClientCommand {
        let request = Request::from_args(["GET", "k"]);
        let call = classify(&request).unwrap();
        ClientCommand {
            ticket: Ticket(number),
            command: KeyRequest::new(call, request).unwrap(),
            token: Token(token),
            level: Level::DcOne,
            deadline_ms: 1,
        }
    }

    fn enters(order: &mut KeyOrder, way: Way, number: u64) -> bool {
        order.enter(way, command(number, 1)).is_some()
    }

    #[test]
    fn only_what_cannot_overtake_goes_together() {
        use Way::{Direct, Primary, Read};
        for first in [Read, Direct, Primary] {
            for second in [Read, Direct, Primary] {
                let mut order = KeyOrder::default();
                assert!(enters(&mut order, first, 1));
                let together = first == second || (first, second) == (Direct, Read);
                assert_eq!(enters(&mut order, second, 2), together, "{first:?} {second:?}");
                assert!(order.enter(second, command(3, 2)).is_some(), "another key");
            }
        }
    }

    #[test]
    fn what_waits_goes_out_in_order_as_soon_as_it_may() {
        let mut order = KeyOrder::default();
        assert!(enters(&mut order, Way::Primary, 1) && enters(&mut order, Way::Primary, 2));
        assert!(!enters(&mut order, Way::Read, 3) && !enters(&mut order, Way::Read, 4));
        assert!(!enters(&mut order, Way::Primary, 5), "nobody overtakes what waits");
        order.end(Token(1), Way::Primary);
        assert!(order.has_moved() && order.release().is_none());
        order.end(Token(1), Way::Primary);
        let released: Vec<_> =
            std::iter::from_fn(|| order.release()).map(|command| command.ticket.0).collect();
        assert_eq!(released, [3, 4]);
        order.end(Token(1), Way::Read);
        assert!(order.release().is_none());
        order.end(Token(1), Way::Read);
        assert_eq!(order.release().map(|command| command.ticket), Some(Ticket(5)));
        order.end(Token(1), Way::Primary);
        assert!(order.release().is_none() && !order.has_moved() && order.tokens.is_empty());
    }
}
