"""Lists the notifications that wait in one partition, those that are due first at the beginning.

Reading changes nothing and takes no lock: a notification that is sent or put off meanwhile may be missing on the
next page, or be on both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from broker.queue import jobs
from broker.queue.jobs import UnreadableJobError
from broker.queue.waiting.cause import Cause, cause_of
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.waiting.digests import of_group
from broker.waiting.notification import FIRST, Place, Position, WaitingNotification
from broker.waiting.waiting_lists import Entry, end_of, next_entries, read_lists

_TOGETHER = 8
"""Jobs whose notifications are in memory at the same time: each may be large."""


class WaitingQuery(Struct, frozen=True, kw_only=True):
    """The notifications that are wanted."""

    cause: Cause | None = None
    """Only those that wait for this cause."""

    channel: str = ""
    """Only those of this channel; "" for all."""

    matches: Callable[[WaitingNotification], bool]
    """Returns whether a notification matches everything else."""

    limit: int
    budget_s: float
    """About how many seconds reading may take. After that the page has what was found until then."""

    def asks_for(self, waiting: WaitingNotification) -> bool:
        """Return whether a notification is wanted."""
        return (
            self.cause in (None, waiting.cause)
            and (not self.channel or self.channel in waiting.channels)
            and self.matches(waiting)
        )


class WaitingPage(Struct, frozen=True):
    """Some waiting notifications, those that are due first at the beginning."""

    notifications: Sequence[WaitingNotification]
    end: Position | None
    """The page has all that match up to here, this position included; None if nothing follows."""


async def read(redis: Client, query: WaitingQuery, *, after: Position = FIRST) -> WaitingPage:
    """Read the notifications that follow a position, at most the query's limit. Raises BrokerError."""
    until = time.monotonic() + query.budget_s
    found: list[WaitingNotification] = []
    lists = await read_lists(redis, cause=query.cause, channel=query.channel)
    while entries := await next_entries(redis, lists, after):
        wanted = await _of_cause(redis, entries, query.cause)
        for start in range(0, len(wanted), _TOGETHER):
            group = wanted[start : start + _TOGETHER]
            for waiting in await _load(redis, group):
                if waiting.position > after and query.asks_for(waiting):
                    found.append(waiting)
                    if len(found) == query.limit:
                        return WaitingPage(found, waiting.position)
            if time.monotonic() > until:
                return WaitingPage(found, end_of(redis, group[-1]))
            await asyncio.sleep(0)
        after = end_of(redis, entries[-1])
        if time.monotonic() > until:
            return WaitingPage(found, after)
    return WaitingPage(found, None)


async def read_one(redis: Client, place: Place) -> WaitingNotification | None:
    """Return the notification that waits in a place; None if it no longer waits there. Raises BrokerError."""
    for waiting_list in await read_lists(redis):
        with translated():
            score = await redis.zscore(waiting_list.key, place.job)
        if score is None:
            continue
        entry = Entry(parse_int(score), place.job, waiting_list.cause or cause_of(place.job))
        loaded = await _load(redis, [entry])
        return next((waiting for waiting in loaded if waiting.position.number == place.number), None)
    return None


async def _of_cause(redis: Client, entries: Sequence[Entry], cause: Cause | None) -> Sequence[Entry]:
    """The entries that may have a cause: its own, and for `queued` also those that a worker runs now."""
    if cause is None:
        return entries
    if cause != "queued":
        return [entry for entry in entries if entry.cause == cause]
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            for entry in entries:
                pipe.exists(redis.names.in_progress + entry.id)
            running = await pipe.execute()
    return [
        entry for entry, is_running in zip(entries, running, strict=True) if is_running or entry.cause == cause
    ]


async def _load(redis: Client, entries: Sequence[Entry]) -> list[WaitingNotification]:
    """Read the open notifications of jobs and digests, each with the cause that it has at this moment."""
    names, found = redis.names, list[WaitingNotification]()
    with translated():
        async with redis.pipeline(transaction=True) as pipe:
            for entry in entries:
                if entry.cause != "digest":
                    pipe.get(names.job + entry.id)
                    pipe.smembers(names.done + entry.id)
                    pipe.exists(names.in_progress + entry.id)
            replies = iter(await pipe.execute())
    for entry in entries:
        if entry.cause == "digest":
            found += await of_group(redis, entry)
        else:
            found += _of_job(redis.partition, entry, next(replies), set(map(int, next(replies))), next(replies))
    return found


def _of_job(
    partition: int, entry: Entry, blob: bytes | None, settled: set[int], running: int
) -> Iterator[WaitingNotification]:
    if blob is None:
        return
    cause: Cause = "queued" if running else entry.cause
    try:
        job = jobs.decode_whole(entry.id, jobs.argument_of(blob))
    except UnreadableJobError:
        position = Position(entry.due_ms, entry.id, partition, 0)
        yield WaitingNotification(position, cause, (), 0, 0, None, is_running=bool(running))
        return
    for index, notification in enumerate(job.notifications):
        if index not in settled:
            position = Position(entry.due_ms, entry.id, partition, index)
            yield WaitingNotification(
                position,
                cause,
                (job.channel,),
                job.attempt,
                job.first_try_ms,
                notification,
                is_running=bool(running),
            )
