"""What people can do with dead letters, and how things stand: all the logic behind every face.

A filter of many is walked in pages, so that a million dead letters need no more memory than a hundred. All raise
BrokerError.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from arq.connections import ArqRedis
from msgspec import Struct

from broker import dead, stream
from broker import replay as replaying
from broker.alerts import Alert, current_alerts
from broker.backlog import Backlog, read_backlog
from broker.channels import Channel, read_channels
from broker.connection import Facts, read_facts
from broker.dead import DeadLetter, Grave, Group, Place
from broker.schedule import Schedule, read_schedule
from broker.sources import SourceFacts, read_sources
from broker.spilled import Spilled, read_spilled
from broker.stats import Totals, read_totals
from sources import KINDS
from sources.kind import SourceKind
from sources.settings import Settings as SourceSettings

_PAGE = 200
_AT_A_TIME = 16
"""Dead letters whose bodies are in memory together."""

_NEWEST = Place(2**53, "")


class CursorError(ValueError):
    """The text is not a cursor that a page gave."""


class Filter(Struct, frozen=True, kw_only=True):
    """Which dead letters: those that match every field given here; an empty one matches all."""

    source: str = ""
    stage: str = ""
    reason: str = ""
    channel: str = ""
    rule: str = ""
    event: str = ""
    fingerprint: str = ""

    def matches(self, letter: DeadLetter) -> bool:
        """Whether a dead letter is one of them."""
        return all(getattr(self, name) in ("", getattr(letter, name)) for name in self.__struct_fields__)


class Found(Struct, frozen=True):
    """One dead letter of a page."""

    letter: DeadLetter
    cursor: str
    """Where the page after this letter begins."""


class Page(Struct, frozen=True):
    """Dead letters, newest first."""

    found: list[Found]
    cursor: str
    """Where the next page begins, "" where there is none."""


class Selection(Struct, frozen=True):
    """The dead letters that a filter matched at one moment, and none that came later."""

    wanted: Filter
    until_ms: int
    count: int


class Progress(Struct, frozen=True):
    """How far a replay or discard of many has come."""

    selected: int
    done: int
    gone: int
    """Were not there any more: somebody else replayed or discarded them."""


class Source(Struct, frozen=True):
    """How one source does."""

    kind: SourceKind
    facts: SourceFacts


class Status(Struct, frozen=True):
    """How things stand. The totals are of one moment; the rest is of about the same."""

    totals: Totals
    backlog: Backlog
    workers: int
    """Worker processes that are alive."""

    dead_letters: int
    redis: Facts
    at_ms: int
    """When this was looked at."""

    sources: dict[str, Source]
    """By name, those that are configured."""

    alerts: list[Alert]
    """Those that hold, the oldest first."""

    channels: list[Channel]
    """Those of which there is something to tell: failures, an open breaker, a pause, jobs that are held."""

    schedule: Schedule

    spilled: dict[str, Spilled] = {}
    """What receivers keep on disk, by host:directory. Not in the sums: it is accepted when Redis gets it."""

    def adds_up(self) -> bool:
        """Whether both sums do."""
        return self.totals.bodies_add_up() and self.totals.notifications_add_up()


async def find(redis: ArqRedis, wanted: Filter, *, limit: int = 50, cursor: str = "") -> Page:
    """Up to `limit` dead letters that match, newest first, from `cursor` on. Raises CursorError."""
    found: list[Found] = []
    async for place, letter in _walk(redis, wanted, _place(cursor)):
        found.append(Found(letter, f"{place.at_ms}-{place.id}"))
        if len(found) == limit:
            return Page(found, found[-1].cursor)
    return Page(found, "")


async def get(redis: ArqRedis, letter_id: str) -> Grave | None:
    """One dead letter with its body; None where there is none."""
    return await dead.get(redis, letter_id)


async def groups(redis: ArqRedis, *, limit: int = 50) -> list[Group]:
    """What died for the same cause, the group that grew last first."""
    return await dead.groups(redis, count=limit)


async def select(redis: ArqRedis, wanted: Filter) -> Selection:
    """Count what matches now, to be replayed or discarded: that and nothing that dies from now on."""
    until_ms = await dead.closed_ms(redis)
    count = 0
    async for _ in _walk(redis, wanted, _after(until_ms)):
        count += 1
    return Selection(wanted, until_ms, count)


async def replay(redis: ArqRedis, chosen: Sequence[str] | Selection) -> AsyncIterator[Progress]:
    """Hand dead letters back, with full attempts and the same idempotency keys; yields as it goes, and at the end.

    A body goes through intake again, a notification to its channel. Two at the same letter replay it once.
    """
    async for progress in _each(redis, chosen, _replay_one):
        yield progress


async def discard(redis: ArqRedis, chosen: Sequence[str] | Selection) -> AsyncIterator[Progress]:
    """Throw dead letters away for good; yields as it goes, and at the end."""
    async for progress in _each(redis, chosen, _discard_one):
        yield progress


async def status(
    redis: ArqRedis,
    sources: Mapping[str, SourceSettings] | None = None,
    spilled_here: Mapping[str, Spilled] | None = None,
) -> Status:
    """Look at everything once. `sources`: those that are configured.

    `spilled_here`: what lies on this machine, which is newer than what its receivers told Redis.
    """
    configured = sources or {}
    facts = await read_sources(redis, configured)
    now_ms = time.time_ns() // 1_000_000
    return Status(
        totals=await read_totals(redis),
        backlog=await read_backlog(redis),
        workers=await stream.workers_alive(redis),
        dead_letters=await dead.how_many(redis),
        redis=await read_facts(redis),
        at_ms=now_ms,
        sources={name: Source(KINDS[source.kind], facts[name]) for name, source in configured.items()},
        alerts=await current_alerts(redis, now_ms=now_ms),
        channels=await read_channels(redis),
        schedule=await read_schedule(redis),
        spilled=something({**await read_spilled(redis), **(spilled_here or {})}),
    )


def something(spilled: Mapping[str, Spilled]) -> dict[str, Spilled]:
    """The places where there is anything to tell of."""
    return {place: seen for place, seen in sorted(spilled.items()) if not seen.is_nothing()}


async def _replay_one(redis: ArqRedis, letter_id: str) -> bool:
    grave = await dead.get(redis, letter_id)
    return grave is not None and await replaying.replay(redis, grave)


async def _discard_one(redis: ArqRedis, letter_id: str) -> bool:
    letter = await dead.letter(redis, letter_id)
    return letter is not None and await dead.discard(redis, letter)


async def _each(
    redis: ArqRedis, chosen: Sequence[str] | Selection, act: Callable[[ArqRedis, str], Awaitable[bool]]
) -> AsyncIterator[Progress]:
    selected = chosen.count if isinstance(chosen, Selection) else len(chosen)
    done = gone = 0
    async for ids in _chunks(redis, chosen):
        results = await asyncio.gather(*(act(redis, letter_id) for letter_id in ids), return_exceptions=True)
        done += results.count(True)
        gone += results.count(False)
        yield Progress(selected, done, gone)
        for error in results:
            if isinstance(error, BaseException):
                raise error
    yield Progress(selected, done, selected - done)


async def _chunks(redis: ArqRedis, chosen: Sequence[str] | Selection) -> AsyncIterator[list[str]]:
    if not isinstance(chosen, Selection):
        for start in range(0, len(chosen), _AT_A_TIME):
            yield list(chosen[start : start + _AT_A_TIME])
        return
    chunk: list[str] = []
    async for place, _ in _walk(redis, chosen.wanted, _after(chosen.until_ms)):
        chunk.append(place.id)
        if len(chunk) == _AT_A_TIME:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


async def _walk(redis: ArqRedis, wanted: Filter, start: Place) -> AsyncIterator[tuple[Place, DeadLetter]]:
    """What matches below a place, newest first."""
    while page := await dead.older(redis, start, count=_PAGE, group=wanted.fingerprint):
        for place, letter in page:
            if letter is not None and wanted.matches(letter):
                yield place, letter
        start = page[-1][0]


def _after(until_ms: int) -> Place:
    return Place(until_ms + 1, "")


def _place(cursor: str) -> Place:
    if not cursor:
        return _NEWEST
    at_ms, _, letter_id = cursor.partition("-")
    if not (at_ms.isascii() and at_ms.isdigit() and len(at_ms) < 16 and letter_id):
        raise CursorError(f"{cursor!r} is not a cursor: take one that `dead list` gave")
    return Place(int(at_ms), letter_id)
