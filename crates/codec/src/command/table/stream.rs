//! Commands on streams.

use super::{Command, NO_KEY, ONE_KEY, Order, Rule, STREAMS, command, keys};
use crate::command::flags::{BLOCKING, DENYOOM, FAST, LOADING, MOVABLEKEYS, NONE, READONLY, STALE, WRITE};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    command("xack", -4, WRITE | FAST, ONE_KEY, "5.0.0", Rule::Unsupported(STREAMS), "Marks a pending message as correctly processed, effectively removing it from the pending entries list of the consumer group. Return value of the command is the number of messages successfully acknowledged, that is, the IDs we were actually able to resolve in the PEL."),
    command("xadd", -5, WRITE | DENYOOM | FAST, ONE_KEY, "5.0.0", Rule::Unsupported(STREAMS), "Appends a new entry to a stream").order(Order::Free),
    command("xautoclaim", -6, WRITE | FAST, ONE_KEY, "6.2.0", Rule::Unsupported(STREAMS), "Changes (or acquires) ownership of messages in a consumer group, as if the messages were delivered to the specified consumer.").order(Order::Free),
    command("xclaim", -6, WRITE | FAST, ONE_KEY, "5.0.0", Rule::Unsupported(STREAMS), "Changes (or acquires) ownership of a message in a consumer group, as if the message was delivered to the specified consumer.").order(Order::Free),
    command("xdel", -3, WRITE | FAST, ONE_KEY, "5.0.0", Rule::Unsupported(STREAMS), "Removes the specified entries from the stream. Returns the number of items actually deleted, that may be different from the number of IDs passed in case certain IDs do not exist."),
    command("xgroup", -2, NONE, NO_KEY, "5.0.0", Rule::Container, "A container for consumer groups commands"),
    command("xgroup|create", -5, WRITE | DENYOOM, keys(2, 2, 1), "5.0.0", Rule::Unsupported(STREAMS), "Create a consumer group."),
    command("xgroup|createconsumer", 5, WRITE | DENYOOM, keys(2, 2, 1), "6.2.0", Rule::Unsupported(STREAMS), "Create a consumer in a consumer group."),
    command("xgroup|delconsumer", 5, WRITE, keys(2, 2, 1), "5.0.0", Rule::Unsupported(STREAMS), "Delete a consumer from a consumer group."),
    command("xgroup|destroy", 4, WRITE, keys(2, 2, 1), "5.0.0", Rule::Unsupported(STREAMS), "Destroy a consumer group."),
    command("xgroup|help", 2, LOADING | STALE, NO_KEY, "5.0.0", Rule::Unsupported(STREAMS), "Show helpful text about the different subcommands"),
    command("xgroup|setid", -5, WRITE, keys(2, 2, 1), "5.0.0", Rule::Unsupported(STREAMS), "Set a consumer group to an arbitrary last delivered ID value."),
    command("xinfo", -2, NONE, NO_KEY, "5.0.0", Rule::Container, "A container for stream introspection commands"),
    command("xinfo|consumers", 4, READONLY, keys(2, 2, 1), "5.0.0", Rule::Unsupported(STREAMS), "List the consumers in a consumer group").order(Order::Free),
    command("xinfo|groups", 3, READONLY, keys(2, 2, 1), "5.0.0", Rule::Unsupported(STREAMS), "List the consumer groups of a stream"),
    command("xinfo|help", 2, LOADING | STALE, NO_KEY, "5.0.0", Rule::Unsupported(STREAMS), "Show helpful text about the different subcommands"),
    command("xinfo|stream", -3, READONLY, keys(2, 2, 1), "5.0.0", Rule::Unsupported(STREAMS), "Get information about a stream"),
    command("xlen", 2, READONLY | FAST, ONE_KEY, "5.0.0", Rule::Unsupported(STREAMS), "Return the number of entries in a stream"),
    command("xpending", -3, READONLY, ONE_KEY, "5.0.0", Rule::Unsupported(STREAMS), "Return information and entries from a stream consumer group pending entries list, that are messages fetched but never acknowledged.").order(Order::Free),
    command("xrange", -4, READONLY, ONE_KEY, "5.0.0", Rule::Unsupported(STREAMS), "Return a range of elements in a stream, with IDs matching the specified IDs interval"),
    command("xread", -4, READONLY | BLOCKING | MOVABLEKEYS, NO_KEY, "5.0.0", Rule::Unsupported(STREAMS), "Return never seen elements in multiple streams, with IDs greater than the ones reported by the caller for each stream. Can block."),
    command("xreadgroup", -7, WRITE | BLOCKING | MOVABLEKEYS, NO_KEY, "5.0.0", Rule::Unsupported(STREAMS), "Return new entries from a stream using a consumer group, or access the history of the pending entries for a given consumer. Can block."),
    command("xrevrange", -4, READONLY, ONE_KEY, "5.0.0", Rule::Unsupported(STREAMS), "Return a range of elements in a stream, with IDs matching the specified IDs interval, in reverse order (from greater to smaller IDs) compared to XRANGE"),
    command("xsetid", -3, WRITE | DENYOOM | FAST, ONE_KEY, "5.0.0", Rule::Unsupported(STREAMS), "An internal command for replicating stream values"),
    command("xtrim", -4, WRITE, ONE_KEY, "5.0.0", Rule::Unsupported(STREAMS), "Trims the stream to (approximately if '~' is passed) a certain size").order(Order::Free),
];
