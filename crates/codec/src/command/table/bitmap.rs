//! Commands on the bits of a string.

use super::{Command, MANY_KEYS, ONE_KEY, Rule, command, keys};
use crate::command::flags::{DENYOOM, FAST, READONLY, WRITE};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    command("bitcount", -2, READONLY, ONE_KEY, "2.6.0", Rule::Read, "Count set bits in a string"),
    command("bitfield", -2, WRITE | DENYOOM, ONE_KEY, "3.2.0", Rule::Sequenced, "Perform arbitrary bitfield integer operations on strings"),
    command("bitfield_ro", -2, READONLY | FAST, ONE_KEY, "6.0.0", Rule::Read, "Perform arbitrary bitfield integer operations on strings. Read-only variant of BITFIELD"),
    command("bitop", -4, WRITE | DENYOOM, keys(2, -1, 1), "2.6.0", Rule::Unsupported(MANY_KEYS), "Perform bitwise operations between strings"),
    command("bitpos", -3, READONLY, ONE_KEY, "2.8.7", Rule::Read, "Find first bit set or clear in a string"),
    command("getbit", 3, READONLY | FAST, ONE_KEY, "2.2.0", Rule::Read, "Returns the bit value at offset in the string value stored at key"),
    command("setbit", 4, WRITE | DENYOOM, ONE_KEY, "2.2.0", Rule::Sequenced, "Sets or clears the bit at offset in the string value stored at key"),
];
