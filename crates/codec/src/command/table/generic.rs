//! Commands on keys of any type.

use super::{
    ALL_KEYS, Command, MANY_KEYS, NO_KEY, ONE_KEY, Order, Rule, Split, TWO_KEYS, WAITS, WHOLE_STORE, command,
    keys,
};
use crate::command::flags::{DENYOOM, FAST, LOADING, MOVABLEKEYS, NONE, NOSCRIPT, READONLY, STALE, WRITE};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    command("copy", -3, WRITE | DENYOOM, TWO_KEYS, "6.2.0", Rule::Unsupported(MANY_KEYS), "Copy a key"),
    command("del", -2, WRITE, ALL_KEYS, "1.0.0", Rule::Overwrite, "Delete a key").split(Split::Sum),
    command("dump", 2, READONLY, ONE_KEY, "2.6.0", Rule::Read, "Return a serialized version of the value stored at the specified key.").order(Order::Free),
    command("exists", -2, READONLY | FAST, ALL_KEYS, "1.0.0", Rule::Read, "Determine if a key exists").split(Split::Sum),
    command("expire", -3, WRITE | FAST, ONE_KEY, "1.0.0", Rule::Sequenced, "Set a key's time to live in seconds"),
    command("expireat", -3, WRITE | FAST, ONE_KEY, "1.2.0", Rule::Sequenced, "Set the expiration for a key as a UNIX timestamp"),
    command("expiretime", 2, READONLY | FAST, ONE_KEY, "7.0.0", Rule::Read, "Get the expiration Unix timestamp for a key"),
    command("keys", 2, READONLY, NO_KEY, "1.0.0", Rule::Unsupported(WHOLE_STORE), "Find all keys matching the given pattern").order(Order::Any),
    command("migrate", -6, WRITE | MOVABLEKEYS, keys(3, 3, 1), "2.6.0", Rule::Unsupported(MANY_KEYS), "Atomically transfer a key from a Redis instance to another one.").order(Order::Free),
    command("move", 3, WRITE | FAST, ONE_KEY, "1.0.0", Rule::Unsupported(MANY_KEYS), "Move a key to another database"),
    command("object", -2, NONE, NO_KEY, "2.2.3", Rule::Container, "A container for object introspection commands"),
    command("object|encoding", 3, READONLY, keys(2, 2, 1), "2.2.3", Rule::Read, "Inspect the internal encoding of a Redis object").order(Order::Free),
    command("object|freq", 3, READONLY, keys(2, 2, 1), "4.0.0", Rule::Read, "Get the logarithmic access frequency counter of a Redis object").order(Order::Free),
    command("object|help", 2, LOADING | STALE, NO_KEY, "6.2.0", Rule::Node, "Show helpful text about the different subcommands"),
    command("object|idletime", 3, READONLY, keys(2, 2, 1), "2.2.3", Rule::Read, "Get the time since a Redis object was last accessed").order(Order::Free),
    command("object|refcount", 3, READONLY, keys(2, 2, 1), "2.2.3", Rule::Read, "Get the number of references to the value of the key").order(Order::Free),
    command("persist", 2, WRITE | FAST, ONE_KEY, "2.2.0", Rule::Sequenced, "Remove the expiration from a key"),
    command("pexpire", -3, WRITE | FAST, ONE_KEY, "2.6.0", Rule::Sequenced, "Set a key's time to live in milliseconds"),
    command("pexpireat", -3, WRITE | FAST, ONE_KEY, "2.6.0", Rule::Sequenced, "Set the expiration for a key as a UNIX timestamp specified in milliseconds"),
    command("pexpiretime", 2, READONLY | FAST, ONE_KEY, "7.0.0", Rule::Read, "Get the expiration Unix timestamp for a key in milliseconds"),
    command("pttl", 2, READONLY | FAST, ONE_KEY, "2.6.0", Rule::Read, "Get the time to live for a key in milliseconds").order(Order::Free),
    command("randomkey", 1, READONLY, NO_KEY, "1.0.0", Rule::Unsupported(WHOLE_STORE), "Return a random key from the keyspace").order(Order::Free),
    command("rename", 3, WRITE, TWO_KEYS, "1.0.0", Rule::Unsupported(MANY_KEYS), "Rename a key"),
    command("renamenx", 3, WRITE | FAST, TWO_KEYS, "1.0.0", Rule::Unsupported(MANY_KEYS), "Rename a key, only if the new key does not exist"),
    command("restore", -4, WRITE | DENYOOM, ONE_KEY, "2.6.0", Rule::Sequenced, "Create a key using the provided serialized value, previously obtained using DUMP."),
    command("scan", -2, READONLY, NO_KEY, "2.8.0", Rule::Unsupported(WHOLE_STORE), "Incrementally iterate the keys space").order(Order::Free),
    command("sort", -2, WRITE | DENYOOM | MOVABLEKEYS, ONE_KEY, "1.0.0", Rule::Sort, "Sort the elements in a list, set or sorted set"),
    command("sort_ro", -2, READONLY | MOVABLEKEYS, ONE_KEY, "7.0.0", Rule::Sort, "Sort the elements in a list, set or sorted set. Read-only variant of SORT."),
    command("touch", -2, READONLY | FAST, ALL_KEYS, "3.2.1", Rule::Read, "Alters the last access time of a key(s). Returns the number of existing keys specified.").split(Split::Sum),
    command("ttl", 2, READONLY | FAST, ONE_KEY, "1.0.0", Rule::Read, "Get the time to live for a key in seconds").order(Order::Free),
    command("type", 2, READONLY | FAST, ONE_KEY, "1.0.0", Rule::Read, "Determine the type stored at key"),
    command("unlink", -2, WRITE | FAST, ALL_KEYS, "4.0.0", Rule::Overwrite, "Delete a key asynchronously in another thread. Otherwise it is just as DEL, but non blocking.").split(Split::Sum),
    command("wait", 3, NOSCRIPT, NO_KEY, "3.0.0", Rule::Unsupported(WAITS), "Wait for the synchronous replication of all the write commands sent in the context of the current connection"),
];
