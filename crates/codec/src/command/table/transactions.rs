//! Transactions.

use super::{ALL_KEYS, Command, NO_KEY, Rule, TRANSACTIONS, command};
use crate::command::flags::{ALLOW_BUSY, FAST, LOADING, NOSCRIPT, SKIP_SLOWLOG, STALE};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    command("discard", 1, NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY, NO_KEY, "2.0.0", Rule::Unsupported(TRANSACTIONS), "Discard all commands issued after MULTI"),
    command("exec", 1, NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG, NO_KEY, "1.2.0", Rule::Unsupported(TRANSACTIONS), "Execute all commands issued after MULTI"),
    command("multi", 1, NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY, NO_KEY, "1.2.0", Rule::Unsupported(TRANSACTIONS), "Mark the start of a transaction block"),
    command("unwatch", 1, NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY, NO_KEY, "2.2.0", Rule::Unsupported(TRANSACTIONS), "Forget about all watched keys"),
    command("watch", -2, NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY, ALL_KEYS, "2.2.0", Rule::Unsupported(TRANSACTIONS), "Watch the given keys to determine execution of the MULTI/EXEC block"),
];
