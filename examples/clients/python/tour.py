#!/usr/bin/env python3
"""A tour of a Dynomite node with redis-py, which needs to know nothing of Dynomite.

    pip install redis
    python tour.py --host 127.0.0.1 --port 8102

Ends with status 0 and "all is well" when every answer was right. Its keys begin with "tour:".
"""

import argparse
import threading

import redis


def strings(client, prefix):
    assert client.ping()
    assert client.set(f"{prefix}:text", "value")
    assert client.get(f"{prefix}:text") == b"value"
    assert client.get(f"{prefix}:absent") is None
    assert client.append(f"{prefix}:text", "!") == 6
    assert client.strlen(f"{prefix}:text") == 6
    assert client.getrange(f"{prefix}:text", 0, 2) == b"val"
    assert client.incr(f"{prefix}:n") == 1
    assert client.incrby(f"{prefix}:n", 41) == 42
    assert client.incrbyfloat(f"{prefix}:f", 0.5) == 0.5
    assert client.set(f"{prefix}:once", "1", nx=True)
    assert client.set(f"{prefix}:once", "2", nx=True) is None
    assert client.set(f"{prefix}:once", "3", get=True) == b"1"
    assert client.getdel(f"{prefix}:once") == b"3"


def binary(client, prefix):
    every_byte = bytes(range(256))
    key = f"{prefix}:".encode() + every_byte
    value = every_byte * 1000
    assert client.set(key, value)
    assert client.get(key) == value
    assert client.exists(key) == 1
    assert client.set(f"{prefix}:empty", b"")
    assert client.get(f"{prefix}:empty") == b""


def expiry(client, prefix):
    assert client.set(f"{prefix}:short", "v", px=100)
    gone = threading.Event()
    for _ in range(100):
        if client.get(f"{prefix}:short") is None:
            break
        gone.wait(0.05)
    else:
        raise AssertionError("the key never expires")
    assert client.set(f"{prefix}:long", "v", ex=1000)
    assert 990 <= client.ttl(f"{prefix}:long") <= 1000
    assert client.persist(f"{prefix}:long")
    assert client.ttl(f"{prefix}:long") == -1
    assert client.expire(f"{prefix}:long", 500)
    assert 490_000 <= client.pttl(f"{prefix}:long") <= 500_000


def hashes(client, prefix):
    assert client.hset(f"{prefix}:hash", mapping={"a": "1", "b": "2"}) == 2
    assert client.hget(f"{prefix}:hash", "a") == b"1"
    assert client.hgetall(f"{prefix}:hash") == {b"a": b"1", b"b": b"2"}
    assert client.hincrby(f"{prefix}:hash", "a", 4) == 5
    assert client.hmget(f"{prefix}:hash", "a", "absent") == [b"5", None]
    assert client.hdel(f"{prefix}:hash", "b") == 1
    assert client.hlen(f"{prefix}:hash") == 1


def lists(client, prefix):
    assert client.rpush(f"{prefix}:list", "b", "c") == 2
    assert client.lpush(f"{prefix}:list", "a") == 3
    assert client.lrange(f"{prefix}:list", 0, -1) == [b"a", b"b", b"c"]
    assert client.lpop(f"{prefix}:list") == b"a"
    assert client.rpop(f"{prefix}:list", 2) == [b"c", b"b"]
    assert client.llen(f"{prefix}:list") == 0


def sets(client, prefix):
    assert client.sadd(f"{prefix}:set", "a", "b", "c") == 3
    assert client.smembers(f"{prefix}:set") == {b"a", b"b", b"c"}
    assert client.sismember(f"{prefix}:set", "a")
    popped = client.spop(f"{prefix}:set")
    assert popped in (b"a", b"b", b"c")
    assert client.scard(f"{prefix}:set") == 2
    assert not client.sismember(f"{prefix}:set", popped)


def sorted_sets(client, prefix):
    key = f"{prefix}:zset"
    assert client.zadd(key, {"low": 1, "middle": 2, "high": 3.5}) == 3
    assert client.zscore(key, "high") == 3.5
    assert client.zincrby(key, 10, "low") == 11.0
    assert client.zrange(key, 0, -1) == [b"middle", b"high", b"low"]
    with_scores = client.zrange(key, 0, 0, withscores=True)
    assert [tuple(pair) for pair in with_scores] == [(b"middle", 2.0)]
    assert client.zrank(key, "low") == 2
    assert client.zrem(key, "low") == 1


def many_keys(client, prefix):
    values = {f"{prefix}:many:{number}": str(number) for number in range(200)}
    assert client.mset(values)
    assert client.mget(list(values)) == [value.encode() for value in values.values()]
    assert client.exists(*values) == 200
    assert client.delete(*values) == 200


def pipelines(client, prefix):
    pipeline = client.pipeline(transaction=False)
    for number in range(1000):
        pipeline.set(f"{prefix}:p:{number}", number)
        pipeline.get(f"{prefix}:p:{number}")
    answers = pipeline.execute()
    assert answers[::2] == [True] * 1000
    assert answers[1::2] == [str(number).encode() for number in range(1000)]
    pipeline = client.pipeline(transaction=False)
    pipeline.set(f"{prefix}:text", "value").lpush(f"{prefix}:text", "x").get(f"{prefix}:text")
    answers = pipeline.execute(raise_on_error=False)
    assert isinstance(answers[1], redis.ResponseError) and answers[2] == b"value", answers


def errors(client, prefix):
    client.set(f"{prefix}:text", "value")
    expect_error("WRONGTYPE", client.lpush, f"{prefix}:text", "x")
    expect_error("not an integer", client.incr, f"{prefix}:text")
    expect_error("unknown command", client.execute_command, "NOSUCH")
    expect_error("wrong number of arguments", client.execute_command, "GET")
    # Transactions are not supported, and that is said.
    expect_error("not supported", client.execute_command, "MULTI")
    assert client.get(f"{prefix}:text") == b"value"


def server(client, _prefix):
    assert client.info("server")["redis_version"]
    assert client.client_id() > 0
    assert client.client_setname("tour")
    assert client.client_getname() in ("tour", b"tour")
    assert client.echo("text") == b"text"


def expect_error(text, function, *args):
    try:
        answer = function(*args)
    except redis.ResponseError as error:
        assert text in str(error), error
    else:
        raise AssertionError(f"{function} {args} gave {answer!r} and no error")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8102)
    arguments = parser.parse_args()
    steps = [server, strings, binary, expiry, hashes, lists, sets, sorted_sets, many_keys, pipelines, errors]
    for protocol in (2, 3):
        client = redis.Redis(arguments.host, arguments.port, protocol=protocol, socket_timeout=30)
        prefix = f"tour:{protocol}"
        kinds = ("text", "n", "f", "once", "hash", "list", "set", "zset")
        client.delete(*(f"{prefix}:{kind}" for kind in kinds))
        for step in steps:
            step(client, prefix)
            print(f"RESP{protocol}: {step.__name__.replace('_', ' ')}")
        client.close()
    print("all is well")


if __name__ == "__main__":
    main()
