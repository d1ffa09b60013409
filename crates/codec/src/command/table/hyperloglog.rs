//! Commands on HyperLogLog counters.

use super::{ADMINISTRATION, ALL_KEYS, Command, MANY_KEYS, NO_KEY, ONE_KEY, Rule, command, keys};
use crate::command::flags::{ADMIN, DENYOOM, FAST, READONLY, WRITE};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    command("pfadd", -2, WRITE | DENYOOM | FAST, ONE_KEY, "2.8.9", Rule::Sequenced, "Adds the specified elements to the specified HyperLogLog."),
    command("pfcount", -2, READONLY, ALL_KEYS, "2.8.9", Rule::ReadOfOne, "Return the approximated cardinality of the set(s) observed by the HyperLogLog at key(s)."),
    command("pfdebug", 3, WRITE | DENYOOM | ADMIN, keys(2, 2, 1), "2.8.9", Rule::Unsupported(ADMINISTRATION), "Internal commands for debugging HyperLogLog values"),
    command("pfmerge", -2, WRITE | DENYOOM, ALL_KEYS, "2.8.9", Rule::Unsupported(MANY_KEYS), "Merge N different HyperLogLogs into a single one."),
    command("pfselftest", 1, ADMIN, NO_KEY, "2.8.9", Rule::Unsupported(ADMINISTRATION), "An internal command for testing HyperLogLog values"),
];
