"""Find, count and group dead letters. Every function raises BrokerError.

Long lists are read in pages, so a million dead letters need no more memory than a hundred.
A parameter `away` is described in broker/merged/away.py.
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
from broker.merged import letters as all_letters
from broker.merged.away import Away, ask
from broker.redis.client import Client
from broker.redis.partitions import Partitions
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


async def find(
    partitions: Partitions, letter_filter: Filter, *, limit: int = 50, cursor: str = "", away: Away | None = None
) -> Page:
    """Up to `limit` dead letters that match, newest first, starting at `cursor`. Raises CursorError."""
    entries: list[PageEntry] = []
    start, page = parse_cursor(cursor), min(_PAGE, limit + 1)
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
        kinds = await ask(partitions, lambda redis: _kinds_of(redis, letter_filter), away)
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


async def groups(
    partitions: Partitions,
    letter_filter: GroupFilter | None = None,
    *,
    limit: int = 50,
    away: Away | None = None,
) -> list[Group]:
    """Failure groups of the dead letters that match, most recent first. The search of a filter is ignored."""
    letter_filter = letter_filter or GroupFilter()
    since_ms, until_ms = letter_filter.since_ms, letter_filter.until_ms
    kinds = await all_letters.read_combinations(partitions, since_ms=since_ms, until_ms=until_ms, away=away)
    by_fingerprint: dict[str, list[Combination]] = {}
    for kind in kinds.combinations:
        if letter_filter.matches(kind.dimensions):
            by_fingerprint.setdefault(kind.dimensions.fingerprint, []).append(kind)
    shown = sorted(by_fingerprint.values(), key=_last_ms, reverse=True)[:limit]
    samples = await all_letters.letters(
        partitions, [max(group, key=lambda kind: kind.last_ms).newest for group in shown], away=away
    )
    hours = await _hours(partitions, shown, away)
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
    partitions: Partitions,
    letter_filter: Filter,
    start: Position,
    *,
    page: int = _PAGE,
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
    redis: Client, letter_filter: Filter, start: Position, *, page: int = _PAGE
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
        kinds = await _kinds_of(redis, letter_filter)
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


async def _kinds_of(redis: Client, letter_filter: GroupFilter) -> Combinations:
    return await dead_letters.read_combinations(
        redis, since_ms=letter_filter.since_ms, until_ms=letter_filter.until_ms
    )


async def _hours(
    partitions: Partitions, groups: Sequence[Sequence[Combination]], away: Away | None
) -> list[tuple[int, ...]]:
    from_ms = (await all_letters.now_ms(partitions, away=away) // _HOUR_MS - _HOURS + 1) * _HOUR_MS
    kind_ids = [kind.id for group in groups for kind in group]
    counts = iter(
        await all_letters.hourly_counts(
            partitions, kind_ids, from_ms=from_ms, step_ms=_HOUR_MS, steps=_HOURS, away=away
        )
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
