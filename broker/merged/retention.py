"""The dead letters of all partitions that are too old or too many."""

from __future__ import annotations

from msgspec import Struct

from broker import dead_letters
from broker.merged.away import Away, ask
from broker.merged.letters import group
from broker.redis.client import Client
from broker.redis.partitions import Partitions


class Due(Struct, frozen=True):
    """The dead letters that are too old or too many."""

    count: int
    letters: list[tuple[Client, str]]
    """The ids of the oldest ones, the oldest first, each with the client of its partition."""


async def due(partitions: Partitions, *, before_ms: int, stay: int, count: int, away: Away | None = None) -> Due:
    """Return the dead letters that are too old or too many. Raises BrokerError.

    before_ms: letters that died earlier are too old; 0 for no limit. stay: how many of the newest letters of all
    partitions that answer stay; 0 for no limit. count: how many letters to return. away: see
    broker/merged/away.py.
    """
    each = await ask(partitions, lambda redis: dead_letters.oldest(redis, before_ms=before_ms, count=count), away)
    too_many = sum(part.total for part in each.values()) - stay if stay else 0
    due_count = max(sum(part.too_old for part in each.values()), too_many)
    rows = sorted((at_ms, name, number) for number, part in each.items() for name, at_ms in part.letters)
    names = [(partitions[number], name) for _, name, number in rows[: min(count, due_count)]]
    ids = {
        redis: set(await dead_letters.without_unreadable(redis, of_one)) for redis, of_one in group(names).items()
    }
    return Due(due_count, [(redis, name) for redis, name in names if name in ids[redis]])
