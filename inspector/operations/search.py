"""Find, count and group dead letters. Every function raises BrokerError.

Long lists are read in pages, so a million dead letters need no more memory than a hundred.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence

from msgspec import Struct

from broker import dead_letters
from broker.dead_letters import (
    MIXED,
    NEWEST,
    Combination,
    Combinations,
    DeadLetter,
    DeadLetterRow,
    Dimensions,
    Position,
    StoredDeadLetter,
)
from broker.redis.client import Client
from broker.redis.clock import ask_ms
from inspector.operations.filters import Filter, GroupFilter, dimension_names
from runtime.ids import is_id
from sources.search_terms import term

_PAGE = 200
_HOURS = 24
_HOUR_MS = 3_600_000


class CursorError(ValueError):
    """The text is not a cursor of a page."""


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


class Group(Struct, frozen=True, kw_only=True):
    """Dead letters with the same fingerprint."""

    fingerprint: str
    count: int
    first_ms: int
    last_ms: int
    dimensions: tuple[Dimensions, ...]
    """All combinations of dimensions in the group."""

    sample: DeadLetter
    """The newest letter of the group."""

    hours: tuple[int, ...]
    """How many letters died in each of the last 24 hours; the current hour is last."""


class Choices(Struct, frozen=True):
    """For each dimension the values that exist, and how many dead letters have each."""

    by_field: Mapping[str, Mapping[str, int]]


async def find(redis: Client, letter_filter: Filter, *, limit: int = 50, cursor: str = "") -> Page:
    """Up to `limit` dead letters that match, newest first, starting at `cursor`. Raises CursorError."""
    entries: list[PageEntry] = []
    async for row in walk(redis, letter_filter, parse_cursor(cursor), page=min(_PAGE, limit + 1)):
        if row.letter is None:
            continue
        if len(entries) == limit:
            return Page(entries, entries[-1].cursor)
        entries.append(PageEntry(row.letter, cursor_after(row), row.at_ms))
    return Page(entries, "")


async def get(redis: Client, letter_id: str) -> StoredDeadLetter | None:
    """A dead letter with its body; None if it does not exist."""
    return await dead_letters.get(redis, letter_id)


async def get_letters(redis: Client, ids: Sequence[str]) -> list[DeadLetter]:
    """The dead letters with these ids that exist, in this order, without duplicates."""
    letters = await dead_letters.letters(redis, list(dict.fromkeys(ids)))
    return [letter for letter in letters if letter is not None]


async def count(redis: Client, letter_filter: Filter) -> int:
    """How many dead letters match, exactly. Fast, except for a search, which reads every match."""
    if not letter_filter.search:
        kinds = await _kinds(redis, letter_filter)
        if not kinds.mixed:
            return sum(kind.count for kind in kinds.combinations if letter_filter.matches(kind.dimensions))
    matches = 0
    async for _ in walk(redis, letter_filter, NEWEST):
        matches += 1
    return matches


async def choices(redis: Client) -> Choices:
    """The values that dead letters have now."""
    kinds = await dead_letters.read_combinations(redis)
    by_field: dict[str, Counter[str]] = {name: Counter() for name in dimension_names()}
    for kind in kinds.combinations:
        for name, counts in by_field.items():
            value = getattr(kind.dimensions, name)
            if value:
                counts[value] += kind.count
    return Choices({name: dict(counts.most_common()) for name, counts in by_field.items()})


async def groups(redis: Client, letter_filter: GroupFilter | None = None, *, limit: int = 50) -> list[Group]:
    """Failure groups of the dead letters that match, most recent first. The search of a filter is ignored."""
    letter_filter = letter_filter or GroupFilter()
    kinds = await _kinds(redis, letter_filter)
    by_fingerprint: dict[str, list[Combination]] = {}
    for kind in kinds.combinations:
        if letter_filter.matches(kind.dimensions):
            by_fingerprint.setdefault(kind.dimensions.fingerprint, []).append(kind)
    shown = sorted(by_fingerprint.values(), key=_last_ms, reverse=True)[:limit]
    samples = await dead_letters.letters(
        redis, [max(group, key=lambda kind: kind.last_ms).newest for group in shown]
    )
    hours = await _hours(redis, shown)
    return [
        Group(
            fingerprint=group[0].dimensions.fingerprint,
            count=sum(kind.count for kind in group),
            first_ms=min(kind.first_ms for kind in group),
            last_ms=_last_ms(group),
            dimensions=tuple(kind.dimensions for kind in group),
            sample=sample,
            hours=hours[index],
        )
        for index, (group, sample) in enumerate(zip(shown, samples, strict=True))
        if sample is not None
    ]


async def walk(
    redis: Client, letter_filter: Filter, start: Position, *, page: int = _PAGE
) -> AsyncIterator[DeadLetterRow]:
    """All rows that match below a place, newest first, with their letters.

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
        kinds = await _kinds(redis, letter_filter)
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


async def _kinds(redis: Client, letter_filter: GroupFilter) -> Combinations:
    return await dead_letters.read_combinations(
        redis, since_ms=letter_filter.since_ms, until_ms=letter_filter.until_ms
    )


async def _hours(redis: Client, groups: Sequence[Sequence[Combination]]) -> list[tuple[int, ...]]:
    now_ms = await ask_ms(redis)
    from_ms = (now_ms // _HOUR_MS - _HOURS + 1) * _HOUR_MS
    kind_ids = [kind.id for group in groups for kind in group]
    counts = iter(
        await dead_letters.hourly_counts(redis, kind_ids, from_ms=from_ms, step_ms=_HOUR_MS, steps=_HOURS)
    )
    return [tuple(sum(hour) for hour in zip(*(next(counts) for _ in group), strict=True)) for group in groups]


def _last_ms(group: Sequence[Combination]) -> int:
    return max(kind.last_ms for kind in group)


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
