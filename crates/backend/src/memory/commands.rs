//! The commands, one module per family, and the table of them all.

use super::dispatch::{CommandTable, grows, reads};

mod counters;
mod expiry;
mod keys;
mod options;
mod scan;
mod server;
mod strings;
mod transfer;

/// Every command that the store knows; arities as in Redis 7.0.
pub(crate) static COMMANDS: CommandTable<51> = CommandTable::new([
    grows("append", 3, strings::append),
    grows("decr", 2, counters::decr),
    grows("decrby", 3, counters::decrby),
    reads("get", 2, strings::get),
    reads("getdel", 2, strings::getdel),
    reads("getex", -2, strings::getex),
    reads("getrange", 4, strings::getrange),
    grows("getset", 3, strings::getset),
    grows("incr", 2, counters::incr),
    grows("incrby", 3, counters::incrby),
    grows("incrbyfloat", 3, counters::incrbyfloat),
    reads("mget", -2, strings::mget),
    grows("mset", -3, strings::mset),
    grows("msetnx", -3, strings::msetnx),
    grows("psetex", 4, strings::psetex),
    grows("set", -3, strings::set),
    grows("setex", 4, strings::setex),
    grows("setnx", 3, strings::setnx),
    grows("setrange", 4, strings::setrange),
    reads("strlen", 2, strings::strlen),
    reads("substr", 4, strings::getrange),
    // Keys.
    grows("copy", -3, keys::copy),
    reads("del", -2, keys::del),
    reads("dump", 2, transfer::dump),
    reads("exists", -2, keys::exists),
    reads("expire", -3, expiry::expire),
    reads("expireat", -3, expiry::expireat),
    reads("expiretime", 2, expiry::expiretime),
    reads("keys", 2, keys::keys),
    reads("object", -2, keys::object),
    reads("persist", 2, expiry::persist),
    reads("pexpire", -3, expiry::pexpire),
    reads("pexpireat", -3, expiry::pexpireat),
    reads("pexpiretime", 2, expiry::pexpiretime),
    reads("pttl", 2, expiry::pttl),
    reads("randomkey", 1, keys::randomkey),
    reads("rename", 3, keys::rename),
    reads("renamenx", 3, keys::renamenx),
    grows("restore", -4, transfer::restore),
    reads("scan", -2, scan::scan),
    reads("touch", -2, keys::exists),
    reads("ttl", 2, expiry::ttl),
    reads("type", 2, keys::type_of),
    reads("unlink", -2, keys::del),
    // Server.
    reads("dbsize", 1, server::dbsize),
    reads("echo", 2, server::echo),
    reads("flushall", -1, server::flush),
    reads("flushdb", -1, server::flush),
    reads("info", -1, server::info),
    reads("ping", -1, server::ping),
    reads("time", 1, server::time),
]);
