"""Which dead letters there are: lists, counts, groups. All raise BrokerError."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence

from msgspec import Struct, structs

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
from runtime.ids import is_id
from sources.search_terms import term

_PAGE = 200
_HOURS = 24
_HOUR_MS = 3_600_000

EXACT = ("source", "stage", "reason", "error_class", "channel", "rule", "event", "fingerprint")
"""The fields of a filter that a letter must have as they are."""


class CursorError(ValueError):
    """The text is not a cursor that a page gave."""


class Filter(Struct, frozen=True, kw_only=True):
    """Which dead letters: those that match every field given here; an empty one matches all."""

    source: str = ""
    stage: str = ""
    reason: str = ""
    error_class: str = ""
    channel: str = ""
    rule: str = ""
    event: str = ""
    fingerprint: str = ""
    min_attempts: int = 0
    max_attempts: int = -1
    """-1 for no bound."""

    since_ms: int = 0
    """When they died, as ms since 1970; both ends count, 0 for none."""

    until_ms: int = 0
    search: str = ""
    """An id of a letter or in its body, an e-mail address, a phone number, a voucher's code; in any case."""

    def selects(self, dimensions: Dimensions) -> bool:
        """Whether letters of these dimensions match, as far as dimensions tell."""
        most = self.max_attempts
        return (
            all(getattr(self, name) in ("", getattr(dimensions, name)) for name in EXACT)
            and self.min_attempts <= dimensions.attempts
            and (most < 0 or dimensions.attempts <= most)
        )

    def spans(self, at_ms: int) -> bool:
        """Whether it died in the filter's time."""
        return self.since_ms <= at_ms and (not self.until_ms or at_ms <= self.until_ms)

    def given(self) -> dict[str, str | int]:
        """The fields that narrow it."""
        defaults = structs.asdict(Filter())
        return {name: value for name, value in structs.asdict(self).items() if value != defaults[name]}


class Found(Struct, frozen=True):
    """One dead letter of a page."""

    letter: DeadLetter
    cursor: str
    """Where the page after this letter begins."""

    at_ms: int
    """When it died, by the clock of Redis."""


class Page(Struct, frozen=True):
    """Dead letters, newest first."""

    found: list[Found]
    cursor: str
    """Where the next page begins, "" where there is none."""


class Group(Struct, frozen=True, kw_only=True):
    """Dead letters of one fingerprint."""

    fingerprint: str
    count: int
    first_ms: int
    last_ms: int
    dimensions: tuple[Dimensions, ...]
    """All there are among them."""

    sample: DeadLetter
    """The newest."""

    hours: tuple[int, ...]
    """How many of them died in each of the last 24 hours, the present one last."""


class Choices(Struct, frozen=True):
    """What can be filtered by: for each field the values there are, and how many letters have each."""

    by_field: Mapping[str, Mapping[str, int]]


async def find(redis: Client, wanted: Filter, *, limit: int = 50, cursor: str = "") -> Page:
    """Up to `limit` dead letters that match, newest first, from `cursor` on. Raises CursorError."""
    found: list[Found] = []
    async for row in walk(redis, wanted, place_of(cursor), page=min(_PAGE, limit + 1)):
        if row.letter is None:
            continue
        if len(found) == limit:
            return Page(found, found[-1].cursor)
        found.append(Found(row.letter, cursor_of(row), row.at_ms))
    return Page(found, "")


async def get(redis: Client, letter_id: str) -> StoredDeadLetter | None:
    """One dead letter with its body; None where there is none."""
    return await dead_letters.get(redis, letter_id)


async def named(redis: Client, ids: Sequence[str]) -> list[DeadLetter]:
    """Those of these ids that are there, each once, in their order."""
    found = await dead_letters.letters(redis, list(dict.fromkeys(ids)))
    return [letter for letter in found if letter is not None]


async def count(redis: Client, wanted: Filter) -> int:
    """How many match: exactly, and at once but for a search."""
    if not wanted.search:
        kinds = await _kinds(redis, wanted)
        if not kinds.mixed:
            return sum(kind.count for kind in kinds.combinations if wanted.selects(kind.dimensions))
    found = 0
    async for _ in walk(redis, wanted, NEWEST):
        found += 1
    return found


async def choices(redis: Client) -> Choices:
    """What there is to filter by now."""
    kinds = await dead_letters.read_combinations(redis)
    by_field: dict[str, Counter[str]] = {name: Counter() for name in EXACT}
    for kind in kinds.combinations:
        for name in EXACT:
            value = getattr(kind.dimensions, name)
            if value:
                by_field[name][value] += kind.count
    return Choices({name: dict(counts.most_common()) for name, counts in by_field.items()})


async def groups(redis: Client, wanted: Filter | None = None, *, limit: int = 50) -> list[Group]:
    """What died for the same cause, the group that grew last first. A filter's search does not count here."""
    wanted = wanted or Filter()
    kinds = await _kinds(redis, wanted)
    by_group: dict[str, list[Combination]] = {}
    for kind in kinds.combinations:
        if wanted.selects(kind.dimensions):
            by_group.setdefault(kind.dimensions.fingerprint, []).append(kind)
    shown = sorted(by_group.values(), key=_last_ms, reverse=True)[:limit]
    samples = await dead_letters.letters(
        redis, [max(some, key=lambda kind: kind.last_ms).newest for some in shown]
    )
    hours = await _hours(redis, shown)
    return [
        Group(
            fingerprint=some[0].dimensions.fingerprint,
            count=sum(kind.count for kind in some),
            first_ms=min(kind.first_ms for kind in some),
            last_ms=_last_ms(some),
            dimensions=tuple(kind.dimensions for kind in some),
            sample=sample,
            hours=hours[index],
        )
        for index, (some, sample) in enumerate(zip(shown, samples, strict=True))
        if sample is not None
    ]


async def walk(
    redis: Client, wanted: Filter, start: Position, *, page: int = _PAGE
) -> AsyncIterator[DeadLetterRow]:
    """The rows that match below a place, newest first, with their letters.

    A letter that cannot be read is found by what its kind tells of it, or else by time and id alone.
    """
    rows = _searched(redis, wanted, start, page) if wanted.search else _aged(redis, wanted, start, page)
    async for row in rows:
        if row.letter is not None and wanted.spans(row.at_ms):
            yield row


async def _aged(redis: Client, wanted: Filter, start: Position, page: int) -> AsyncIterator[DeadLetterRow]:
    if wanted.until_ms and start.at_ms > wanted.until_ms:
        start = Position(wanted.until_ms + 1, "")
    names, known = None, frozenset[str]()
    if wanted != Filter(since_ms=wanted.since_ms, until_ms=wanted.until_ms):
        kinds = await _kinds(redis, wanted)
        known = frozenset(kind.id for kind in kinds.combinations if wanted.selects(kind.dimensions))
        names = [*known] + [MIXED] * bool(kinds.mixed)
    while rows := await dead_letters.read_older(redis, start, count=page, kinds=names):
        for row in rows:
            if row.at_ms and row.at_ms < wanted.since_ms:
                return
            if names is None or row.dimensions_id in known or _is_selected(row, wanted):
                yield row
        place = Position(rows[-1].at_ms or start.at_ms, rows[-1].id)
        if (place.at_ms, place.id) >= (start.at_ms, start.id):
            return  # another hand gave it a time that no place can be told by
        start = place


async def _searched(redis: Client, wanted: Filter, start: Position, page: int) -> AsyncIterator[DeadLetterRow]:
    sought, below = term(wanted.search), start.id
    if not sought:
        return
    if is_id(sought) and (not below or sought < below):
        for row in await dead_letters.read_rows(redis, [sought]):
            if _is_selected(row, wanted):
                yield row
        return
    while rows := await dead_letters.search(redis, sought, below=below, count=page):
        for row in rows:
            if _is_selected(row, wanted):
                yield row
        if below and rows[-1].id >= below:
            return
        below = rows[-1].id


def _is_selected(row: DeadLetterRow, wanted: Filter) -> bool:
    return row.letter is not None and wanted.selects(dead_letters.dimensions_of(row.letter))


async def _kinds(redis: Client, wanted: Filter) -> Combinations:
    return await dead_letters.read_combinations(redis, since_ms=wanted.since_ms, until_ms=wanted.until_ms)


async def _hours(redis: Client, shown: Sequence[Sequence[Combination]]) -> list[tuple[int, ...]]:
    now_ms = await ask_ms(redis)
    from_ms = (now_ms // _HOUR_MS - _HOURS + 1) * _HOUR_MS
    names = [kind.id for some in shown for kind in some]
    counts = iter(await dead_letters.hourly_counts(redis, names, from_ms=from_ms, step_ms=_HOUR_MS, steps=_HOURS))
    return [tuple(sum(hour) for hour in zip(*(next(counts) for _ in some), strict=True)) for some in shown]


def _last_ms(some: Sequence[Combination]) -> int:
    return max(kind.last_ms for kind in some)


def cursor_of(row: DeadLetterRow) -> str:
    """Where the page after a letter begins."""
    return f"{row.at_ms}-{row.id}"


def place_of(cursor: str) -> Position:
    """The place that a cursor names; the newest for "". Raises CursorError."""
    if not cursor:
        return NEWEST
    at_ms, _, letter_id = cursor.partition("-")
    if not (at_ms.isascii() and at_ms.isdigit() and len(at_ms) < 16 and is_id(letter_id)):
        raise CursorError(f"{cursor!r} is not a cursor: take one that a list gave")
    return Position(int(at_ms), letter_id)
