//! Commands on sorted sets.

use super::{Command, MANY_KEYS, NO_KEY, ONE_KEY, Order, Rule, Shape, TWO_KEYS, WAITS, command, keys};
use crate::command::flags::{BLOCKING, DENYOOM, FAST, MOVABLEKEYS, NOSCRIPT, READONLY, WRITE};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    command("bzmpop", -5, WRITE | BLOCKING | MOVABLEKEYS, NO_KEY, "7.0.0", Rule::Unsupported(WAITS), "Remove and return members with scores in a sorted set or block until one is available"),
    command("bzpopmax", -3, WRITE | NOSCRIPT | BLOCKING | FAST, keys(1, -2, 1), "5.0.0", Rule::Unsupported(WAITS), "Remove and return the member with the highest score from one or more sorted sets, or block until one is available"),
    command("bzpopmin", -3, WRITE | NOSCRIPT | BLOCKING | FAST, keys(1, -2, 1), "5.0.0", Rule::Unsupported(WAITS), "Remove and return the member with the lowest score from one or more sorted sets, or block until one is available"),
    command("zadd", -4, WRITE | DENYOOM | FAST, ONE_KEY, "1.2.0", Rule::Sequenced, "Add one or more members to a sorted set, or update its score if it already exists").shape(Shape::DoubleIfIncr),
    command("zcard", 2, READONLY | FAST, ONE_KEY, "1.2.0", Rule::Read, "Get the number of members in a sorted set"),
    command("zcount", 4, READONLY | FAST, ONE_KEY, "2.0.0", Rule::Read, "Count the members in a sorted set with scores within the given values"),
    command("zdiff", -3, READONLY | MOVABLEKEYS, NO_KEY, "6.2.0", Rule::Unsupported(MANY_KEYS), "Subtract multiple sorted sets"),
    command("zdiffstore", -4, WRITE | DENYOOM | MOVABLEKEYS, ONE_KEY, "6.2.0", Rule::Unsupported(MANY_KEYS), "Subtract multiple sorted sets and store the resulting sorted set in a new key"),
    command("zincrby", 4, WRITE | DENYOOM | FAST, ONE_KEY, "1.2.0", Rule::Sequenced, "Increment the score of a member in a sorted set").shape(Shape::Double),
    command("zinter", -3, READONLY | MOVABLEKEYS, NO_KEY, "6.2.0", Rule::Unsupported(MANY_KEYS), "Intersect multiple sorted sets"),
    command("zintercard", -3, READONLY | MOVABLEKEYS, NO_KEY, "7.0.0", Rule::Unsupported(MANY_KEYS), "Intersect multiple sorted sets and return the cardinality of the result"),
    command("zinterstore", -4, WRITE | DENYOOM | MOVABLEKEYS, ONE_KEY, "2.0.0", Rule::Unsupported(MANY_KEYS), "Intersect multiple sorted sets and store the resulting sorted set in a new key"),
    command("zlexcount", 4, READONLY | FAST, ONE_KEY, "2.8.9", Rule::Read, "Count the number of members in a sorted set between a given lexicographical range"),
    command("zmpop", -4, WRITE | MOVABLEKEYS, NO_KEY, "7.0.0", Rule::Unsupported(MANY_KEYS), "Remove and return members with scores in a sorted set"),
    command("zmscore", -3, READONLY | FAST, ONE_KEY, "6.2.0", Rule::Read, "Get the score associated with the given members in a sorted set").shape(Shape::Doubles),
    command("zpopmax", -2, WRITE | FAST, ONE_KEY, "5.0.0", Rule::Sequenced, "Remove and return members with the highest scores in a sorted set").shape(Shape::Popped),
    command("zpopmin", -2, WRITE | FAST, ONE_KEY, "5.0.0", Rule::Sequenced, "Remove and return members with the lowest scores in a sorted set").shape(Shape::Popped),
    command("zrandmember", -2, READONLY, ONE_KEY, "6.2.0", Rule::Read, "Get one or multiple random elements from a sorted set").order(Order::Free).shape(Shape::ScoredPairs),
    command("zrange", -4, READONLY, ONE_KEY, "1.2.0", Rule::Read, "Return a range of members in a sorted set").shape(Shape::ScoredPairs),
    command("zrangebylex", -4, READONLY, ONE_KEY, "2.8.9", Rule::Read, "Return a range of members in a sorted set, by lexicographical range"),
    command("zrangebyscore", -4, READONLY, ONE_KEY, "1.0.5", Rule::Read, "Return a range of members in a sorted set, by score").shape(Shape::ScoredPairs),
    command("zrangestore", -5, WRITE | DENYOOM, TWO_KEYS, "6.2.0", Rule::Unsupported(MANY_KEYS), "Store a range of members from sorted set into another key"),
    command("zrank", 3, READONLY | FAST, ONE_KEY, "2.0.0", Rule::Read, "Determine the index of a member in a sorted set"),
    command("zrem", -3, WRITE | FAST, ONE_KEY, "1.2.0", Rule::Sequenced, "Remove one or more members from a sorted set"),
    command("zremrangebylex", 4, WRITE, ONE_KEY, "2.8.9", Rule::Sequenced, "Remove all members in a sorted set between the given lexicographical range"),
    command("zremrangebyrank", 4, WRITE, ONE_KEY, "2.0.0", Rule::Sequenced, "Remove all members in a sorted set within the given indexes"),
    command("zremrangebyscore", 4, WRITE, ONE_KEY, "1.2.0", Rule::Sequenced, "Remove all members in a sorted set within the given scores"),
    command("zrevrange", -4, READONLY, ONE_KEY, "1.2.0", Rule::Read, "Return a range of members in a sorted set, by index, with scores ordered from high to low").shape(Shape::ScoredPairs),
    command("zrevrangebylex", -4, READONLY, ONE_KEY, "2.8.9", Rule::Read, "Return a range of members in a sorted set, by lexicographical range, ordered from higher to lower strings."),
    command("zrevrangebyscore", -4, READONLY, ONE_KEY, "2.2.0", Rule::Read, "Return a range of members in a sorted set, by score, with scores ordered from high to low").shape(Shape::ScoredPairs),
    command("zrevrank", 3, READONLY | FAST, ONE_KEY, "2.0.0", Rule::Read, "Determine the index of a member in a sorted set, with scores ordered from high to low"),
    command("zscan", -3, READONLY, ONE_KEY, "2.8.0", Rule::Read, "Incrementally iterate sorted sets elements and associated scores").order(Order::Free),
    command("zscore", 3, READONLY | FAST, ONE_KEY, "1.2.0", Rule::Read, "Get the score associated with the given member in a sorted set").shape(Shape::Double),
    command("zunion", -3, READONLY | MOVABLEKEYS, NO_KEY, "6.2.0", Rule::Unsupported(MANY_KEYS), "Add multiple sorted sets"),
    command("zunionstore", -4, WRITE | DENYOOM | MOVABLEKEYS, ONE_KEY, "2.0.0", Rule::Unsupported(MANY_KEYS), "Add multiple sorted sets and store the resulting sorted set in a new key"),
];
