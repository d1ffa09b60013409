//! Commands on strings.

use super::{ALL_KEYS, Command, MANY_KEYS, ONE_KEY, Rule, Split, TWO_KEYS, command, keys};
use crate::command::flags::{DENYOOM, FAST, READONLY, WRITE};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    command("append", 3, WRITE | DENYOOM | FAST, ONE_KEY, "2.0.0", Rule::Sequenced, "Append a value to a key"),
    command("decr", 2, WRITE | DENYOOM | FAST, ONE_KEY, "1.0.0", Rule::Sequenced, "Decrement the integer value of a key by one"),
    command("decrby", 3, WRITE | DENYOOM | FAST, ONE_KEY, "1.0.0", Rule::Sequenced, "Decrement the integer value of a key by the given number"),
    command("get", 2, READONLY | FAST, ONE_KEY, "1.0.0", Rule::Read, "Get the value of a key"),
    command("getdel", 2, WRITE | FAST, ONE_KEY, "6.2.0", Rule::Sequenced, "Get the value of a key and delete the key"),
    command("getex", -2, WRITE | FAST, ONE_KEY, "6.2.0", Rule::GetExpiring, "Get the value of a key and optionally set its expiration"),
    command("getrange", 4, READONLY, ONE_KEY, "2.4.0", Rule::Read, "Get a substring of the string stored at a key"),
    command("getset", 3, WRITE | DENYOOM | FAST, ONE_KEY, "1.0.0", Rule::Sequenced, "Set the string value of a key and return its old value"),
    command("incr", 2, WRITE | DENYOOM | FAST, ONE_KEY, "1.0.0", Rule::Sequenced, "Increment the integer value of a key by one"),
    command("incrby", 3, WRITE | DENYOOM | FAST, ONE_KEY, "1.0.0", Rule::Sequenced, "Increment the integer value of a key by the given amount"),
    command("incrbyfloat", 3, WRITE | DENYOOM | FAST, ONE_KEY, "2.6.0", Rule::Effect, "Increment the float value of a key by the given amount"),
    command("lcs", -3, READONLY, TWO_KEYS, "7.0.0", Rule::Unsupported(MANY_KEYS), "Find longest common substring"),
    command("mget", -2, READONLY | FAST, ALL_KEYS, "1.0.0", Rule::Read, "Get the values of all the given keys").split(Split::Values),
    command("mset", -3, WRITE | DENYOOM, keys(1, -1, 2), "1.0.1", Rule::Overwrite, "Set multiple keys to multiple values").split(Split::Pairs),
    command("msetnx", -3, WRITE | DENYOOM, keys(1, -1, 2), "1.0.1", Rule::Unsupported(MANY_KEYS), "Set multiple keys to multiple values, only if none of the keys exist"),
    command("psetex", 4, WRITE | DENYOOM, ONE_KEY, "2.6.0", Rule::SetExpiring, "Set the value and expiration in milliseconds of a key"),
    command("set", -3, WRITE | DENYOOM, ONE_KEY, "1.0.0", Rule::Set, "Set the string value of a key"),
    command("setex", 4, WRITE | DENYOOM, ONE_KEY, "2.0.0", Rule::SetExpiring, "Set the value and expiration of a key"),
    command("setnx", 3, WRITE | DENYOOM | FAST, ONE_KEY, "1.0.0", Rule::Sequenced, "Set the value of a key, only if the key does not exist"),
    command("setrange", 4, WRITE | DENYOOM, ONE_KEY, "2.2.0", Rule::Sequenced, "Overwrite part of a string at key starting at the specified offset"),
    command("strlen", 2, READONLY | FAST, ONE_KEY, "2.2.0", Rule::Read, "Get the length of the value stored in a key"),
    command("substr", 4, READONLY, ONE_KEY, "1.0.0", Rule::Read, "Get a substring of the string stored at a key"),
];
