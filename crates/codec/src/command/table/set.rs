//! Commands on sets.

use super::{ALL_KEYS, Command, MANY_KEYS, NO_KEY, ONE_KEY, Order, Rule, Shape, TWO_KEYS, command};
use crate::command::flags::{DENYOOM, FAST, MOVABLEKEYS, READONLY, WRITE};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    command("sadd", -3, WRITE | DENYOOM | FAST, ONE_KEY, "1.0.0", Rule::Sequenced, "Add one or more members to a set"),
    command("scard", 2, READONLY | FAST, ONE_KEY, "1.0.0", Rule::Read, "Get the number of members in a set"),
    command("sdiff", -2, READONLY, ALL_KEYS, "1.0.0", Rule::ReadOfOne, "Subtract multiple sets").order(Order::Any).shape(Shape::Set),
    command("sdiffstore", -3, WRITE | DENYOOM, ALL_KEYS, "1.0.0", Rule::Unsupported(MANY_KEYS), "Subtract multiple sets and store the resulting set in a key"),
    command("sinter", -2, READONLY, ALL_KEYS, "1.0.0", Rule::ReadOfOne, "Intersect multiple sets").order(Order::Any).shape(Shape::Set),
    command("sintercard", -3, READONLY | MOVABLEKEYS, NO_KEY, "7.0.0", Rule::Unsupported(MANY_KEYS), "Intersect multiple sets and return the cardinality of the result"),
    command("sinterstore", -3, WRITE | DENYOOM, ALL_KEYS, "1.0.0", Rule::Unsupported(MANY_KEYS), "Intersect multiple sets and store the resulting set in a key"),
    command("sismember", 3, READONLY | FAST, ONE_KEY, "1.0.0", Rule::Read, "Determine if a given value is a member of a set"),
    command("smembers", 2, READONLY, ONE_KEY, "1.0.0", Rule::Read, "Get all the members in a set").order(Order::Any).shape(Shape::Set),
    command("smismember", -3, READONLY | FAST, ONE_KEY, "6.2.0", Rule::Read, "Returns the membership associated with the given elements for a set"),
    command("smove", 4, WRITE | FAST, TWO_KEYS, "1.0.0", Rule::Unsupported(MANY_KEYS), "Move a member from one set to another"),
    command("spop", -2, WRITE | FAST, ONE_KEY, "1.0.0", Rule::Effect, "Remove and return one or multiple random members from a set").order(Order::Free).shape(Shape::SetIfCounted),
    command("srandmember", -2, READONLY, ONE_KEY, "1.0.0", Rule::Read, "Get one or multiple random members from a set").order(Order::Free),
    command("srem", -3, WRITE | FAST, ONE_KEY, "1.0.0", Rule::Sequenced, "Remove one or more members from a set"),
    command("sscan", -3, READONLY, ONE_KEY, "2.8.0", Rule::Read, "Incrementally iterate Set elements").order(Order::Free),
    command("sunion", -2, READONLY, ALL_KEYS, "1.0.0", Rule::ReadOfOne, "Add multiple sets").order(Order::Any).shape(Shape::Set),
    command("sunionstore", -3, WRITE | DENYOOM, ALL_KEYS, "1.0.0", Rule::Unsupported(MANY_KEYS), "Add multiple sets and store the resulting set in a key"),
];
