"""The dead letters of all partitions. Each partition has its own, with its own index. All functions raise
BrokerError.

A parameter `away` is described in broker/merged/away.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from broker import dead_letters
from broker.dead_letters import Combination, Combinations, DeadLetter, DeadLetterRow, StoredDeadLetter
from broker.merged.away import Away, ask, because, leave_out
from broker.redis.client import Client
from broker.redis.clock import ask_ms
from broker.redis.errors import BrokerError, Unavailable
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions

_CLOCKS_S = 0.5
"""For how many seconds `closed_ms` waits for the slowest clock."""


async def find(partitions: Partitions, letter_id: str) -> tuple[Client, StoredDeadLetter] | None:
    """Return a dead letter with its body and the client of its partition, or None if it does not exist.

    Raises Unavailable if it may be in a partition that is away.
    """
    away: Away = {}
    found = await ask(partitions, lambda redis: dead_letters.get(redis, letter_id), away)
    for number, stored_letter in found.items():
        if stored_letter is not None:
            return partitions[number], stored_letter
    if away:
        raise Unavailable(because(away, ", and the dead letter may be there"))
    return None


async def letters(
    partitions: Partitions, ids: Sequence[str], *, away: Away | None = None
) -> list[DeadLetter | None]:
    """Return dead letters without their bodies, in the order of the ids; None for each that does not exist."""
    pages = await ask(partitions, lambda redis: dead_letters.letters(redis, ids), away)
    return [next((letter for letter in each if letter), None) for each in zip(*pages.values(), strict=True)]


async def group_by_partition(
    partitions: Partitions, ids: Sequence[str], *, away: Away | None = None
) -> dict[int, list[str]]:
    """Return which of the ids each partition has, in their order, for each partition that has any."""
    there = await ask(partitions, lambda redis: dead_letters.existing(redis, ids), away)
    return {number: found for number, known in there.items() if (found := [name for name in ids if name in known])}


def group(letters: Iterable[tuple[Client, str]]) -> dict[Client, list[str]]:
    """Return ids by the client of their partition, in their order."""
    groups: dict[Client, list[str]] = {}
    for redis, letter_id in letters:
        groups.setdefault(redis, []).append(letter_id)
    return groups


async def newest_first(
    partitions: Partitions,
    walk: Callable[[Client], AsyncIterator[DeadLetterRow]],
    *,
    by_id: bool,
    away: Away | None = None,
) -> AsyncIterator[tuple[Client, DeadLetterRow]]:
    """Merge the dead letters of all partitions, each with the client of its partition.

    walk: reads those of one partition in falling order, which is by time and id, or only by id if `by_id` is True.
    """
    if len(partitions) == 1:
        async for row in walk(partitions.control):
            yield partitions.control, row
        return
    walks = {redis.partition: walk(redis) for redis in partitions}
    first = await ask_all(partitions, lambda redis: anext(walks[redis.partition], None))
    leave_out(first.away, away)
    heads = {number: row for number, row in first.by_partition.items() if row}
    while heads:
        number = max(heads, key=lambda number: (0 if by_id else heads[number].at_ms, heads[number].id))
        yield partitions[number], heads.pop(number)
        try:
            following = await anext(walks[number], None)
        except BrokerError as error:
            leave_out({number: error}, away)
        else:
            if following:
                heads[number] = following


async def read_combinations(
    partitions: Partitions, *, since_ms: int = 0, until_ms: int = 0, away: Away | None = None
) -> Combinations:
    """Return the combinations of dimensions of all dead letters of a time span, added up.

    since_ms, until_ms: as for `dead_letters.read_combinations`.
    """
    each = await ask(
        partitions,
        lambda redis: dead_letters.read_combinations(redis, since_ms=since_ms, until_ms=until_ms),
        away,
    )
    if len(each) == 1:
        return next(iter(each.values()))
    by_id: dict[str, list[Combination]] = {}
    for combinations in each.values():
        for combination in combinations.combinations:
            by_id.setdefault(combination.id, []).append(combination)
    return Combinations(
        [_sum(combinations) for combinations in by_id.values()],
        sum(combinations.mixed for combinations in each.values()),
    )


def _sum(combinations: Iterable[Combination]) -> Combination:
    each = list(combinations)
    last = max(each, key=lambda one: (one.last_ms, one.newest))
    return Combination(
        last.id,
        last.dimensions,
        sum(one.count for one in each),
        min(one.first_ms for one in each),
        last.last_ms,
        last.newest,
    )


async def hourly_counts(
    partitions: Partitions,
    kinds: Sequence[str],
    *,
    from_ms: int,
    step_ms: int,
    steps: int,
    away: Away | None = None,
) -> list[list[int]]:
    """Return how many letters died in each time span, added up: see `dead_letters.hourly_counts`."""
    each = await ask(
        partitions,
        lambda redis: dead_letters.hourly_counts(redis, kinds, from_ms=from_ms, step_ms=step_ms, steps=steps),
        away,
    )
    return [[sum(counts) for counts in zip(*rows, strict=True)] for rows in zip(*each.values(), strict=True)]


async def now_ms(partitions: Partitions, *, away: Away | None = None) -> int:
    """Return the time in ms since 1970 by the clock of the first partition that answers."""
    return next(iter((await ask(partitions, ask_ms, away)).values()))


async def closed_ms(partitions: Partitions, *, away: Away | None = None) -> int:
    """Return a time in ms since 1970 at or before which only an import can still add dead letters.

    Each partition has its own clock, so this waits until the slowest has passed the fastest. If that takes long,
    the time is that of the slowest: then the newest letters of other partitions are later than it.
    """
    if len(partitions) == 1:
        return await dead_letters.closed_ms(partitions.control)
    times = (await ask(partitions, ask_ms, away)).values()
    last, until_s = max(times), time.monotonic() + _CLOCKS_S
    while min(times) <= last and time.monotonic() < until_s:
        await asyncio.sleep(0.001)
        times = (await ask(partitions, ask_ms, away)).values()
    return min(last, min(times) - 1)
