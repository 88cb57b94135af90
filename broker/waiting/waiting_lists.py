"""The sorted sets in which notifications wait: the queue, the held jobs of each channel, and the digests."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import merge
from itertools import islice
from typing import NamedTuple

from broker.queue.channel_state import Channel, read_channels
from broker.queue.waiting.cause import Cause, cause_of
from broker.redis.client import Client
from broker.redis.clock import ask_ms
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.waiting.notification import Position, is_known

_MAX_NUMBER = 999_999_999
_CHUNK = 500
"""Jobs of a list that are read together."""


class WaitingList(NamedTuple):
    """A sorted set of jobs, or of groups of windows that end together."""

    key: str
    cause: Cause | None
    """The cause of all jobs in it; None for the queue, in which each id says it."""


class Entry(NamedTuple):
    """A job, or a group of windows, in one of the lists. Entries are ordered as positions are."""

    due_ms: int
    id: str
    cause: Cause


async def read_lists(redis: Client, *, cause: Cause | None = None, channel: str = "") -> list[WaitingList]:
    """Return the lists that have anything of a cause and a channel. Raises BrokerError."""
    now_ms, held = await ask_ms(redis), [state for state in await read_channels(redis) if state.held]
    names = redis.names
    lists = [WaitingList(names.queue, None)]
    lists += [
        WaitingList(names.held_jobs + state.name, _cause_of_held(state, now_ms))
        for state in held
        if channel in ("", state.name)
    ]
    lists.append(WaitingList(names.digests_ends, "digest"))
    return [each for each in lists if cause is None or each.cause == cause or _may_be_queued(each, cause)]


async def next_entries(redis: Client, lists: Sequence[WaitingList], after: Position) -> list[Entry]:
    """Return the entries with notifications after a position, in all lists together; none at the end.

    Raises BrokerError.
    """
    pages = [await _read_after(redis, each, after) for each in lists]
    if not any(pages):
        return []
    # Beyond the end of a full page, its list may have more entries that come first.
    ends = [page[-1] for page in pages if len(page) >= _CHUNK]
    entries = list(islice(merge(*pages), _CHUNK))
    return [entry for entry in entries if not ends or entry <= min(ends)]


def end_of(redis: Client, entry: Entry) -> Position:
    """Return the position after the last notification of an entry."""
    return Position(entry.due_ms, entry.id, redis.partition, _MAX_NUMBER)


async def _read_after(redis: Client, waiting_list: WaitingList, after: Position) -> list[Entry]:
    entries: list[Entry] = []
    with translated():
        start = int(await redis.zcount(waiting_list.key, "-inf", f"({after.due_ms}"))
        while len(entries) < _CHUNK:
            rows = await redis.zrange(waiting_list.key, start, start + _CHUNK - 1, withscores=True)
            for name, score in rows:
                job = name.decode("utf-8", "replace")
                entry = Entry(parse_int(score), job, waiting_list.cause or cause_of(job))
                if is_known(job) and end_of(redis, entry) > after:
                    entries.append(entry)
            if len(rows) < _CHUNK:
                break
            start += _CHUNK
    return sorted(entries)


def _cause_of_held(state: Channel, now_ms: int) -> Cause:
    match state.state(now_ms):
        case "paused":
            return "paused"
        case "closed":
            return "rate_limit"
        case _:
            return "open"


def _may_be_queued(waiting_list: WaitingList, cause: Cause) -> bool:
    return waiting_list.cause is None and cause not in ("paused", "open", "digest")
