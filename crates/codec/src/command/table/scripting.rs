//! Scripts and functions.

use super::{Command, NO_KEY, Order, Rule, SCRIPTS, command};
use crate::command::flags::{
    ALLOW_BUSY, DENYOOM, LOADING, MOVABLEKEYS, NO_MANDATORY_KEYS, NONE, NOSCRIPT, READONLY, SKIP_MONITOR,
    STALE, WRITE,
};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    command("eval", -3, NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MOVABLEKEYS, NO_KEY, "2.6.0", Rule::Unsupported(SCRIPTS), "Execute a Lua script server side"),
    command("eval_ro", -3, READONLY | NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MOVABLEKEYS, NO_KEY, "7.0.0", Rule::Unsupported(SCRIPTS), "Execute a read-only Lua script server side"),
    command("evalsha", -3, NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MOVABLEKEYS, NO_KEY, "2.6.0", Rule::Unsupported(SCRIPTS), "Execute a Lua script server side"),
    command("evalsha_ro", -3, READONLY | NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MOVABLEKEYS, NO_KEY, "7.0.0", Rule::Unsupported(SCRIPTS), "Execute a read-only Lua script server side"),
    command("fcall", -3, NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MOVABLEKEYS, NO_KEY, "7.0.0", Rule::Unsupported(SCRIPTS), "Invoke a function"),
    command("fcall_ro", -3, READONLY | NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MOVABLEKEYS, NO_KEY, "7.0.0", Rule::Unsupported(SCRIPTS), "Invoke a read-only function"),
    command("function", -2, NONE, NO_KEY, "7.0.0", Rule::Container, "A container for function commands"),
    command("function|delete", 3, WRITE | NOSCRIPT, NO_KEY, "7.0.0", Rule::Unsupported(SCRIPTS), "Delete a function by name"),
    command("function|dump", 2, NOSCRIPT, NO_KEY, "7.0.0", Rule::Unsupported(SCRIPTS), "Dump all functions into a serialized binary payload"),
    command("function|flush", -2, WRITE | NOSCRIPT, NO_KEY, "7.0.0", Rule::Unsupported(SCRIPTS), "Deleting all functions"),
    command("function|help", 2, LOADING | STALE, NO_KEY, "7.0.0", Rule::Unsupported(SCRIPTS), "Show helpful text about the different subcommands"),
    command("function|kill", 2, NOSCRIPT | ALLOW_BUSY, NO_KEY, "7.0.0", Rule::Unsupported(SCRIPTS), "Kill the function currently in execution."),
    command("function|list", -2, NOSCRIPT, NO_KEY, "7.0.0", Rule::Unsupported(SCRIPTS), "List information about all the functions").order(Order::Any),
    command("function|load", -3, WRITE | DENYOOM | NOSCRIPT, NO_KEY, "7.0.0", Rule::Unsupported(SCRIPTS), "Create a function with the given arguments (name, code, description)"),
    command("function|restore", -3, WRITE | DENYOOM | NOSCRIPT, NO_KEY, "7.0.0", Rule::Unsupported(SCRIPTS), "Restore all the functions on the given payload"),
    command("function|stats", 2, NOSCRIPT | ALLOW_BUSY, NO_KEY, "7.0.0", Rule::Unsupported(SCRIPTS), "Return information about the function currently running (name, description, duration)").order(Order::Free),
    command("script", -2, NONE, NO_KEY, "2.6.0", Rule::Container, "A container for Lua scripts management commands"),
    command("script|debug", 3, NOSCRIPT, NO_KEY, "3.2.0", Rule::Unsupported(SCRIPTS), "Set the debug mode for executed scripts."),
    command("script|exists", -3, NOSCRIPT, NO_KEY, "2.6.0", Rule::Unsupported(SCRIPTS), "Check existence of scripts in the script cache."),
    command("script|flush", -2, NOSCRIPT, NO_KEY, "2.6.0", Rule::Unsupported(SCRIPTS), "Remove all the scripts from the script cache."),
    command("script|help", 2, LOADING | STALE, NO_KEY, "5.0.0", Rule::Unsupported(SCRIPTS), "Show helpful text about the different subcommands"),
    command("script|kill", 2, NOSCRIPT | ALLOW_BUSY, NO_KEY, "2.6.0", Rule::Unsupported(SCRIPTS), "Kill the script currently in execution."),
    command("script|load", 3, NOSCRIPT | STALE, NO_KEY, "2.6.0", Rule::Unsupported(SCRIPTS), "Load the specified Lua script into the script cache."),
];
