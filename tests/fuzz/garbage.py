"""Garbage for Redis: every key of the namespace, every type, random bytes and values that are almost right."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import redis
from redis.client import Pipeline as Pipe

from broker.queue import batch, jobs
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification, NotifyJob
from runtime.ids import new_id
from tests.names import KEYS

TYPES = ("string", "list", "hash", "set", "zset", "stream")

_LEFT = ("prefix", "set_aside", "set_aside_of", "dedupe")
NAMES = {name: key for name, key in vars(KEYS).items() if name not in _LEFT}
"""Every key of broker/redis/keys.py, except those that list what was set aside, and the identities of events.

An event whose identity is lost may be notified again.
"""

_KNOWN = {
    "digest": ("voucherify",),
    "channel": ("sink", "other"),
    "held_jobs": ("sink", "other"),
    "rate": ("sink",),
    "source": ("voucherify",),
    "alert": ("silence:voucherify",),
    "drift": ("voucherify",),
    "stats_minute": (str(int(time.time() // 60)), "x"),
    "dead_by": ("mixed", "abcdef0123"),
}
"""Names of instances that the stack uses, besides those in Redis."""

_FIELDS = (
    "failures",
    "opened",
    "open_until_ms",
    "probe_until_ms",
    "probe_job",
    "at",
    "by",
    "until",
    "a",
    "selected",
    "state",
    "done",
    "cursor",
    "owner",
    "lease_until_ms",
    "began_ms",
    "why:x",
    "eg:x",
    "watched_since_ms",
    "last_accepted_ms",
    "failing_since_ms",
    "failing_answers",
    "outage_since_ms",
    "outage_until_ms",
    "outage_answers",
    "accepted",
    "processed",
    "queued",
    "created",
    "sent",
    "waiting",
    "purged",
    "alerts",
    "died",
    "drift",
    "last_ms",
    "moment_ends_ms",
    "d",
    "n",
    "z",
    "refused:503",
    "hash:/dir",
)

_NUMBERS = (
    b"0",
    b"-1",
    b"1",
    b"1e9",
    b"999999999999999",
    b"1" + b"0" * 400,
    b"nan",
    b"inf",
    b"-inf",
    b"1.5",
    b" 7",
    b"0x10",
)


class Garbage:
    """Write garbage. The seed and the keys in Redis decide what is written next."""

    def __init__(self, client: redis.Redis, seed: int) -> None:
        self._client = client
        self._rng = random.Random(seed)
        self._names = list(NAMES.items())
        self._turns = self._every_turn()
        self.written: list[str] = []

    def write(self) -> None:
        """Write one piece of garbage to some key."""
        name, kind = next(self._turns)
        key = self._key(name)
        with self._client.pipeline(transaction=True) as pipe:
            if self._rng.random() < 0.7:  # else the garbage is added to the value in Redis, if that has its type
                pipe.delete(key)
            getattr(self, f"_{kind}")(pipe, key)
            pipe.execute(raise_on_error=False)
        self.written.append(f"{kind} in {key!r}")

    def _every_turn(self) -> Iterator[tuple[str, str]]:
        """Yield each name with each type, in a random order, again and again."""
        while True:
            turns = [(name, kind) for name, _ in self._names for kind in TYPES]
            self._rng.shuffle(turns)
            yield from turns

    def _key(self, name: str) -> bytes:
        """Return a key; a name that ends in a colon gets an existing instance, a possible one, or random bytes."""
        prefix = NAMES[name]
        if not prefix.endswith(":"):
            return prefix.encode()
        there = sorted(self._client.scan_iter(match=f"{prefix}*", count=1000))
        possible = [f"{prefix}{one}".encode() for one in (*_KNOWN.get(name, ()), new_id(), f"{new_id()}.3")]
        wild = [prefix.encode() + self._rng.randbytes(3), prefix.encode()]
        return self._rng.choice([self._rng.choice(pool) for pool in (there, possible, wild) if pool])

    def _value(self) -> bytes:
        return self._rng.choice(
            [
                lambda: self._rng.randbytes(self._rng.randrange(0, 60)),
                lambda: self._rng.choice(_NUMBERS),
                lambda: self._rng.choice(
                    (b"", b"running", b"stopped", b"sink", b"voucherify", b"1", b"{}", b"[]")
                ),
                lambda: b"1" + b'{"kind":1}',
                lambda: batch.compress(self._rng.randbytes(20)),
                lambda: batch.encode([RawBody(1, "nowhere", "", b"{}")]),
                lambda: _job("nowhere", 1),
                lambda: _job("sink", 2),
                lambda: b"x" * 100_000,
                lambda: new_id().encode(),
                f"{new_id()}.2".encode,
                self._some_name,
            ]
        )()

    def _some_name(self) -> bytes:
        """Return the name of an existing instance, so that an index refers to it."""
        key = self._client.randomkey()
        return key.rpartition(b":")[2] if key else b"x"

    def _field(self) -> bytes:
        return self._rng.choice((self._rng.choice(_FIELDS).encode(), self._value()[:200]))

    def _many(self, make: Callable[[], bytes]) -> list[bytes]:
        return [make() for _ in range(self._rng.randrange(1, 4))]

    def _string(self, pipe: Pipe, key: bytes) -> None:
        pipe.set(key, self._value())

    def _list(self, pipe: Pipe, key: bytes) -> None:
        pipe.rpush(key, *self._many(self._value))

    def _hash(self, pipe: Pipe, key: bytes) -> None:
        pipe.hset(key, mapping={field: self._value() for field in self._many(self._field)})

    def _set(self, pipe: Pipe, key: bytes) -> None:
        pipe.sadd(key, *self._many(self._value))

    def _zset(self, pipe: Pipe, key: bytes) -> None:
        now_ms = time.time_ns() // 1_000_000
        scores = (0.0, -1.0, 1.5, float(now_ms), float(now_ms + 10**9), float("inf"), float("-inf"), 1e300)
        pipe.zadd(key, {member: self._rng.choice(scores) for member in self._many(self._value)})

    def _stream(self, pipe: Pipe, key: bytes) -> None:
        for fields in ({b"n": self._value(), b"z": self._value()}, {self._field(): self._value()}):
            pipe.xadd(key, fields)


def _job(channel: str, count: int) -> bytes:
    body = RawBody(1, "voucherify", "", b"{}")
    notification = Notification(new_id(), "plain", "x", body)
    return jobs.encode(NotifyJob(channel, 1, 1, [notification] * count))
