//! Commands on hashes.

use super::{Command, ONE_KEY, Order, Rule, Shape, command};
use crate::command::flags::{DENYOOM, FAST, READONLY, WRITE};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    command("hdel", -3, WRITE | FAST, ONE_KEY, "2.0.0", Rule::Sequenced, "Delete one or more hash fields"),
    command("hexists", 3, READONLY | FAST, ONE_KEY, "2.0.0", Rule::Read, "Determine if a hash field exists"),
    command("hget", 3, READONLY | FAST, ONE_KEY, "2.0.0", Rule::Read, "Get the value of a hash field"),
    command("hgetall", 2, READONLY, ONE_KEY, "2.0.0", Rule::Read, "Get all the fields and values in a hash").order(Order::AnyPairs).shape(Shape::Map),
    command("hincrby", 4, WRITE | DENYOOM | FAST, ONE_KEY, "2.0.0", Rule::Sequenced, "Increment the integer value of a hash field by the given number"),
    command("hincrbyfloat", 4, WRITE | DENYOOM | FAST, ONE_KEY, "2.6.0", Rule::Effect, "Increment the float value of a hash field by the given amount"),
    command("hkeys", 2, READONLY, ONE_KEY, "2.0.0", Rule::Read, "Get all the fields in a hash").order(Order::Any),
    command("hlen", 2, READONLY | FAST, ONE_KEY, "2.0.0", Rule::Read, "Get the number of fields in a hash"),
    command("hmget", -3, READONLY | FAST, ONE_KEY, "2.0.0", Rule::Read, "Get the values of all the given hash fields"),
    command("hmset", -4, WRITE | DENYOOM | FAST, ONE_KEY, "2.0.0", Rule::Sequenced, "Set multiple hash fields to multiple values"),
    command("hrandfield", -2, READONLY, ONE_KEY, "6.2.0", Rule::Read, "Get one or multiple random fields from a hash").order(Order::Free).shape(Shape::ValuePairs),
    command("hscan", -3, READONLY, ONE_KEY, "2.8.0", Rule::Read, "Incrementally iterate hash fields and associated values").order(Order::Free),
    command("hset", -4, WRITE | DENYOOM | FAST, ONE_KEY, "2.0.0", Rule::Sequenced, "Set the string value of a hash field"),
    command("hsetnx", 4, WRITE | DENYOOM | FAST, ONE_KEY, "2.0.0", Rule::Sequenced, "Set the value of a hash field, only if the field does not exist"),
    command("hstrlen", 3, READONLY | FAST, ONE_KEY, "3.2.0", Rule::Read, "Get the length of the value of a hash field"),
    command("hvals", 2, READONLY, ONE_KEY, "2.0.0", Rule::Read, "Get all the values in a hash").order(Order::Any),
];
