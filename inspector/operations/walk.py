"""Walks through dead letters, newest first, in pages: a million need no more memory than a hundred.

Every function that reads raises BrokerError. A parameter `away` is described in broker/merged/away.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from broker import dead_letters
from broker.dead_letters import MIXED, NEWEST, Combinations, DeadLetterRow, Position
from broker.merged import letters as all_letters
from broker.merged.away import Away
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from inspector.operations.filters import Filter, GroupFilter
from runtime.ids import is_id
from sources.search_terms import term

PAGE = 200
"""Rows that are read together, unless a caller needs fewer."""


class CursorError(ValueError):
    """The text is not a cursor of a page."""


def cursor_after(row: DeadLetterRow) -> str:
    """The cursor of the page that begins after a letter."""
    return f"{row.at_ms}-{row.id}"


def parse_cursor(cursor: str) -> Position:
    """The place that a cursor names; the newest letter for "". Raises CursorError."""
    if not cursor:
        return NEWEST
    at_ms, _, letter_id = cursor.partition("-")
    if not (at_ms.isascii() and at_ms.isdigit() and len(at_ms) < 16 and is_id(letter_id)):
        raise CursorError(f"{cursor!r} is not a cursor; use the one that a list returned")
    return Position(int(at_ms), letter_id)


async def walk(
    partitions: Partitions,
    letter_filter: Filter,
    start: Position,
    *,
    page: int = PAGE,
    away: Away | None = None,
) -> AsyncIterator[tuple[Client, DeadLetterRow]]:
    """All rows that match below a place, newest first, each with the client of its partition: see `walk_one`.

    page: how many rows the caller needs at first.
    """
    # A partition has about its share of a page. If it has more, it is asked again.
    of_one = page if len(partitions) == 1 else min(page, 2 * page // len(partitions) + 8)
    rows = all_letters.newest_first(
        partitions,
        lambda redis: walk_one(redis, letter_filter, start, page=of_one),
        by_id=bool(letter_filter.search),
        away=away,
    )
    async for row in rows:
        yield row


async def walk_one(
    redis: Client, letter_filter: Filter, start: Position, *, page: int = PAGE
) -> AsyncIterator[DeadLetterRow]:
    """All rows of one partition that match below a place, newest first, with their letters.

    A letter that cannot be read matches by the dimensions in the index or, if these are missing too, by time and
    id only.
    """
    read = _walk_search if letter_filter.search else _walk_by_age
    async for row in read(redis, letter_filter, start, page):
        if row.letter is not None and letter_filter.includes(row.at_ms):
            yield row


async def _walk_by_age(
    redis: Client, letter_filter: Filter, start: Position, page: int
) -> AsyncIterator[DeadLetterRow]:
    if letter_filter.until_ms and start.at_ms > letter_filter.until_ms:
        start = Position(letter_filter.until_ms + 1, "")
    kind_ids, matching = None, frozenset[str]()
    if letter_filter.criteria().keys() - {"since_ms", "until_ms"}:
        kinds = await kinds_of(redis, letter_filter)
        matching = frozenset(kind.id for kind in kinds.combinations if letter_filter.matches(kind.dimensions))
        kind_ids = [*matching] + [MIXED] * bool(kinds.mixed)
    while rows := await dead_letters.read_older(redis, start, count=page, kinds=kind_ids):
        for row in rows:
            if row.at_ms and row.at_ms < letter_filter.since_ms:
                return
            if kind_ids is None or row.dimensions_id in matching or _row_matches(row, letter_filter):
                yield row
        place = Position(rows[-1].at_ms or start.at_ms, rows[-1].id)
        # Another program wrote a time that does not order the letters, so no later page can be found.
        if (place.at_ms, place.id) >= (start.at_ms, start.id):
            return
        start = place


async def _walk_search(
    redis: Client, letter_filter: Filter, start: Position, page: int
) -> AsyncIterator[DeadLetterRow]:
    search_term, below = term(letter_filter.search), start.id
    if not search_term:
        return
    if is_id(search_term) and (not below or search_term < below):
        for row in await dead_letters.read_rows(redis, [search_term]):
            if _row_matches(row, letter_filter):
                yield row
        return
    while rows := await dead_letters.search(redis, search_term, below=below, count=page):
        for row in rows:
            if _row_matches(row, letter_filter):
                yield row
        if below and rows[-1].id >= below:
            return
        below = rows[-1].id


def _row_matches(row: DeadLetterRow, letter_filter: Filter) -> bool:
    return row.letter is not None and letter_filter.matches(dead_letters.dimensions_of(row.letter))


async def kinds_of(redis: Client, letter_filter: GroupFilter) -> Combinations:
    """The combinations of dimensions of one partition's letters in the time range of a filter."""
    return await dead_letters.read_combinations(
        redis, since_ms=letter_filter.since_ms, until_ms=letter_filter.until_ms
    )
