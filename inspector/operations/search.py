"""Find and count dead letters. Every function raises BrokerError.

A parameter `away` is described in broker/merged/away.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from broker.dead_letters import NEWEST, DeadLetter, StoredDeadLetter
from broker.merged import letters as all_letters
from broker.merged.away import Away, ask
from broker.redis.partitions import Partitions
from inspector.operations.filters import Filter, dimension_names
from inspector.operations.walk import PAGE, cursor_after, kinds_of, parse_cursor, walk


class PageEntry(Struct, frozen=True):
    """A dead letter on a page of a list."""

    letter: DeadLetter
    cursor: str
    """Start of the page after this letter."""

    at_ms: int
    """When it died, by the clock of Redis."""


class Page(Struct, frozen=True):
    """Dead letters, newest first."""

    entries: list[PageEntry]
    cursor: str
    """Start of the next page; "" on the last page."""


class Choices(Struct, frozen=True):
    """For each dimension the values that exist, and how many dead letters have each."""

    by_field: Mapping[str, Mapping[str, int]]


async def find(
    partitions: Partitions, letter_filter: Filter, *, limit: int = 50, cursor: str = "", away: Away | None = None
) -> Page:
    """Up to `limit` dead letters that match, newest first, starting at `cursor`. Raises CursorError."""
    entries: list[PageEntry] = []
    start, page = parse_cursor(cursor), min(PAGE, limit + 1)
    async for _, row in walk(partitions, letter_filter, start, page=page, away=away):
        if row.letter is None:
            continue
        if len(entries) == limit:
            return Page(entries, entries[-1].cursor)
        entries.append(PageEntry(row.letter, cursor_after(row), row.at_ms))
    return Page(entries, "")


async def get(partitions: Partitions, letter_id: str) -> StoredDeadLetter | None:
    """A dead letter with its body; None if it does not exist."""
    found = await all_letters.find(partitions, letter_id)
    return found[1] if found else None


async def get_letters(partitions: Partitions, ids: Sequence[str], *, away: Away | None = None) -> list[DeadLetter]:
    """The dead letters with these ids that exist, in this order, without duplicates."""
    letters = await all_letters.letters(partitions, list(dict.fromkeys(ids)), away=away)
    return [letter for letter in letters if letter is not None]


async def count(partitions: Partitions, letter_filter: Filter, *, away: Away | None = None) -> int:
    """How many dead letters match, exactly. Fast, except for a search, which reads every match."""
    return sum((await count_by_partition(partitions, letter_filter, away=away)).values())


async def count_by_partition(
    partitions: Partitions, letter_filter: Filter, *, away: Away | None = None
) -> Mapping[int, int]:
    """How many dead letters of each partition match: see `count`."""
    if not letter_filter.search:
        kinds = await ask(partitions, lambda redis: kinds_of(redis, letter_filter), away)
        if not any(each.mixed for each in kinds.values()):
            return {
                number: sum(kind.count for kind in each.combinations if letter_filter.matches(kind.dimensions))
                for number, each in kinds.items()
            }
    counts: Counter[int] = Counter()
    async for redis, _ in walk(partitions, letter_filter, NEWEST, away=away):
        counts[redis.partition] += 1
    return counts


async def choices(partitions: Partitions, *, away: Away | None = None) -> Choices:
    """The values that dead letters have now."""
    kinds = await all_letters.read_combinations(partitions, away=away)
    by_field: dict[str, Counter[str]] = {name: Counter() for name in dimension_names()}
    for kind in kinds.combinations:
        for name, counts in by_field.items():
            value = getattr(kind.dimensions, name)
            if value:
                counts[value] += kind.count
    return Choices({name: dict(counts.most_common()) for name, counts in by_field.items()})
