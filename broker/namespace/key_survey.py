"""Looks through the keys of a partition for those that Hookline does not write, or that nothing removes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from functools import cache

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.keys import DECLARED, Names

MOST_STEPS = 200
"""How many steps of SCAN a survey makes, at most. The server looks at about 1,000 keys in each."""

_COUNT = 1000

EXPIRING = frozenset(field for field, key in DECLARED.items() if key.expires)
"""The fields of `Names` whose keys always expire."""

_OWNED_BY_JOB = ("done", "held_ms")
_EXAMINED = {"", "job", *EXPIRING, *_OWNED_BY_JOB}
_IDS = {"dead": re.compile(r"[^:]+"), "stats_minute": re.compile(r"\d+")}
"""The rest of names whose beginning others share."""


class KeySurvey(Struct, frozen=True, kw_only=True):
    """The keys of one partition that need attention, as full names."""

    examined: int = 0
    """How many keys of the partition were looked at."""

    is_complete: bool = True
    """False if the survey ended at MOST_STEPS, so that it did not see all keys."""

    unexplained: tuple[bytes, ...] = ()
    """Keys that no name of broker/redis/keys.py explains."""

    endless: tuple[bytes, ...] = ()
    """Keys without an expiry that should have one."""

    ownerless: tuple[bytes, ...] = ()
    """Keys that belong to a job that is gone, so that nothing removes them."""

    job_ids: tuple[bytes, ...] = ()
    """The ids of all jobs that have a key."""


def kind_of(names: Names, key: str) -> str:
    """Return the field of `Names` that explains a key; "" for a key that none explains."""
    fields = _fields(names.prefix)
    if not key.endswith(":") and key in fields:
        return fields[key]
    end = key.rfind(":")
    while end >= 0:
        field, rest = fields.get(key[: end + 1]), key[end + 1 :]
        if field and (_IDS[field].fullmatch(rest) if field in _IDS else rest):
            return field
        end = key.rfind(":", 0, end)
    return ""


@cache
def _fields(prefix: str) -> dict[str, str]:
    """Return the field of each name."""
    return {prefix + key.name: field for field, key in DECLARED.items()}


async def survey_keys(redis: Client, *, most_steps: int = MOST_STEPS) -> KeySurvey:
    """Look through the keys of a partition with SCAN, and change nothing.

    most_steps: how many steps to make. Raises BrokerError.
    """
    with translated():
        kinds, examined, is_complete = await _scan(redis, most_steps)
        expiring = sorted(name for kind, found in kinds.items() if kind in EXPIRING for name in found)
        # One that another process makes now may get its expiry right after.
        endless = await _endless(redis, await _endless(redis, expiring))
        ownerless: list[bytes] = []
        for kind in _OWNED_BY_JOB:
            prefix_bytes = len(vars(redis.names)[kind])
            ownerless += await _ownerless(redis, prefix_bytes, sorted(kinds.get(kind, ())))
    return KeySurvey(
        examined=examined,
        is_complete=is_complete,
        unexplained=tuple(sorted(kinds.get("", ()))),
        endless=tuple(endless),
        ownerless=tuple(ownerless),
        job_ids=tuple(sorted(name[len(redis.names.job) :] for name in kinds.get("job", ()))),
    )


async def _scan(redis: Client, most_steps: int) -> tuple[dict[str, set[bytes]], int, bool]:
    """Return the names that need a second look by their kind, how many there were, and whether it saw all."""
    kinds: dict[str, set[bytes]] = {}
    examined = 0
    async with aclosing(redis.scan_steps(f"{redis.names.prefix}*", _COUNT)) as steps:
        for _ in range(most_steps):
            names = await anext(steps, None)
            if names is None:
                return kinds, examined, True
            examined += len(names)
            for name in names:
                kind = kind_of(redis.names, name.decode("utf-8", "surrogateescape"))
                if kind in _EXAMINED:
                    kinds.setdefault(kind, set()).add(name)
        return kinds, examined, await anext(steps, None) is None


async def _endless(redis: Client, names: Sequence[bytes]) -> list[bytes]:
    endless: list[bytes] = []
    for chunk in _chunks(names):
        async with redis.pipeline(transaction=False) as pipe:
            for name in chunk:
                pipe.pttl(name)
            endless += [name for name, ttl_ms in zip(chunk, await pipe.execute(), strict=True) if ttl_ms == -1]
    return endless


async def _ownerless(redis: Client, prefix_bytes: int, names: Sequence[bytes]) -> list[bytes]:
    ownerless: list[bytes] = []
    for chunk in _chunks(names):
        # All of one moment: a job and what belongs to it are removed in one step too.
        async with redis.pipeline(transaction=True) as pipe:
            for name in chunk:
                pipe.exists(name)
                pipe.exists(redis.names.job.encode() + name[prefix_bytes:])
            replies = iter(await pipe.execute())
        rows = zip(chunk, replies, replies, strict=True)
        ownerless += [name for name, is_there, has_job in rows if is_there and not has_job]
    return ownerless


def _chunks(names: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    return (names[start : start + _COUNT] for start in range(0, len(names), _COUNT))
