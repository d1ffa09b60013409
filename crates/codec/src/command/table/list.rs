//! Commands on lists.

use super::{Command, MANY_KEYS, NO_KEY, ONE_KEY, Rule, TWO_KEYS, WAITS, command, keys};
use crate::command::flags::{BLOCKING, DENYOOM, FAST, MOVABLEKEYS, NOSCRIPT, READONLY, WRITE};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    command("blmove", 6, WRITE | DENYOOM | NOSCRIPT | BLOCKING, TWO_KEYS, "6.2.0", Rule::Unsupported(WAITS), "Pop an element from a list, push it to another list and return it; or block until one is available"),
    command("blmpop", -5, WRITE | BLOCKING | MOVABLEKEYS, NO_KEY, "7.0.0", Rule::Unsupported(WAITS), "Pop elements from a list, or block until one is available"),
    command("blpop", -3, WRITE | NOSCRIPT | BLOCKING, keys(1, -2, 1), "2.0.0", Rule::Unsupported(WAITS), "Remove and get the first element in a list, or block until one is available"),
    command("brpop", -3, WRITE | NOSCRIPT | BLOCKING, keys(1, -2, 1), "2.0.0", Rule::Unsupported(WAITS), "Remove and get the last element in a list, or block until one is available"),
    command("brpoplpush", 4, WRITE | DENYOOM | NOSCRIPT | BLOCKING, TWO_KEYS, "2.2.0", Rule::Unsupported(WAITS), "Pop an element from a list, push it to another list and return it; or block until one is available"),
    command("lindex", 3, READONLY, ONE_KEY, "1.0.0", Rule::Read, "Get an element from a list by its index"),
    command("linsert", 5, WRITE | DENYOOM, ONE_KEY, "2.2.0", Rule::Sequenced, "Insert an element before or after another element in a list"),
    command("llen", 2, READONLY | FAST, ONE_KEY, "1.0.0", Rule::Read, "Get the length of a list"),
    command("lmove", 5, WRITE | DENYOOM, TWO_KEYS, "6.2.0", Rule::Unsupported(MANY_KEYS), "Pop an element from a list, push it to another list and return it"),
    command("lmpop", -4, WRITE | MOVABLEKEYS, NO_KEY, "7.0.0", Rule::Unsupported(MANY_KEYS), "Pop elements from a list"),
    command("lpop", -2, WRITE | FAST, ONE_KEY, "1.0.0", Rule::Sequenced, "Remove and get the first elements in a list"),
    command("lpos", -3, READONLY, ONE_KEY, "6.0.6", Rule::Read, "Return the index of matching elements on a list"),
    command("lpush", -3, WRITE | DENYOOM | FAST, ONE_KEY, "1.0.0", Rule::Sequenced, "Prepend one or multiple elements to a list"),
    command("lpushx", -3, WRITE | DENYOOM | FAST, ONE_KEY, "2.2.0", Rule::Sequenced, "Prepend an element to a list, only if the list exists"),
    command("lrange", 4, READONLY, ONE_KEY, "1.0.0", Rule::Read, "Get a range of elements from a list"),
    command("lrem", 4, WRITE, ONE_KEY, "1.0.0", Rule::Sequenced, "Remove elements from a list"),
    command("lset", 4, WRITE | DENYOOM, ONE_KEY, "1.0.0", Rule::Sequenced, "Set the value of an element in a list by its index"),
    command("ltrim", 4, WRITE, ONE_KEY, "1.0.0", Rule::Sequenced, "Trim a list to the specified range"),
    command("rpop", -2, WRITE | FAST, ONE_KEY, "1.0.0", Rule::Sequenced, "Remove and get the last elements in a list"),
    command("rpoplpush", 3, WRITE | DENYOOM, TWO_KEYS, "1.2.0", Rule::Unsupported(MANY_KEYS), "Remove the last element in a list, prepend it to another list and return it"),
    command("rpush", -3, WRITE | DENYOOM | FAST, ONE_KEY, "1.0.0", Rule::Sequenced, "Append one or multiple elements to a list"),
    command("rpushx", -3, WRITE | DENYOOM | FAST, ONE_KEY, "2.2.0", Rule::Sequenced, "Append an element to a list, only if the list exists"),
];
