"""Reads the history of one partition, newest first: the tail, and then the sealed segments."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from msgspec import structs

from broker.history import token_index
from broker.history.blocks import BLOCK_ROWS, SealedBlock, unpacked_outcomes
from broker.history.query import KEY_CHARS, HistoryPage, Position, Query, Traced, TracedEvent
from broker.history.records import OutcomeRecord, UnreadableBlockError
from broker.history.sealing import read_segments
from broker.history.segments import SegmentInfo
from broker.history.tail import Outcomes, read_tail
from broker.history.token_index import of_key, read_tokens
from broker.redis.client import Client
from broker.redis.errors import translated

_TOGETHER = 64
"""Segments whose indexes are read together."""

_Place = tuple[SegmentInfo, int]
"""A segment and the number of a block in it."""


async def read(redis: Client, query: Query, *, before: Position, limit: int, budget_s: float) -> HistoryPage:
    """Read up to `limit` events that match, before a position. Raises BrokerError.

    budget_s: about how many seconds it may take. After that the page has what was found until then.
    """
    until, outcomes = time.monotonic() + budget_s, Outcomes()
    tail = await read_tail(redis, query, before=before, limit=limit, outcomes=outcomes)
    if tail.is_full:
        return HistoryPage(tail.events, tail.events[-1].position)
    if tail.oldest is not None:
        before = min(before, tail.oldest)  # a block that was sealed meanwhile must not be shown twice
    segments = [
        info for info in await read_segments(redis) if not query.since_ms or info.last_ms >= query.since_ms
    ]
    reader = _SegmentReader(redis, query, before, limit, outcomes, until, tail.events)
    return await (reader.search(segments) if query.terms else reader.scan(segments))


class _SegmentReader:
    """Collects the events of one page from segments."""

    def __init__(
        self,
        redis: Client,
        query: Query,
        before: Position,
        limit: int,
        outcomes: Outcomes,
        until: float,
        events: list[TracedEvent],
    ) -> None:
        self._redis = redis
        self._query = query
        self._before = before
        self._limit = limit
        self._outcomes = outcomes
        self._until = until
        self._events = events

    async def scan(self, segments: Sequence[SegmentInfo]) -> HistoryPage:
        """Read block by block."""
        wanted = {self._query.source, self._query.event, self._query.rule, self._query.channel} - {""}
        for info in segments:
            await self._add_late(info)
            if not wanted <= info.names or not info.may_have(self._query.states):
                continue
            if info.first_ms > self._before.ms:
                continue
            starts = info.starts()
            for number in range(len(starts) - 1, -1, -1):
                start = Position(*starts[number], self._redis.partition)
                if start >= self._before or (self._query.until_ms and start.ms >= self._query.until_ms):
                    continue
                block = await self._block(info, number)
                if block is not None and self._take(reversed(block)):
                    return HistoryPage(self._events, self._events[-1].position)
                if time.monotonic() > self._until:
                    return HistoryPage(self._events, start)
        return HistoryPage(self._events, None)

    async def search(self, segments: Sequence[SegmentInfo]) -> HistoryPage:
        """Read the blocks that the index names."""
        tokens = await self._tokens()
        for first in range(0, len(segments), _TOGETHER):
            group = segments[first : first + _TOGETHER]
            for info, numbers in zip(group, await self._numbers(group, tokens), strict=True):
                await self._add_late(info)
                by_block: dict[int, list[int]] = {}
                for number in sorted(numbers, reverse=True):
                    by_block.setdefault(number // BLOCK_ROWS, []).append(number % BLOCK_ROWS)
                for number, rows in by_block.items():
                    block = await self._block(info, number)
                    if block is None:
                        continue
                    if self._take(block[row] for row in rows if row < len(block)):
                        return HistoryPage(self._events, self._events[-1].position)
                    if time.monotonic() > self._until:
                        return HistoryPage(self._events, Position(*info.starts()[number], self._redis.partition))
            if time.monotonic() > self._until and first + _TOGETHER < len(segments):
                return HistoryPage(self._events, Position(group[-1].first_ms, 0, 0, self._redis.partition))
        return HistoryPage(self._events, None)

    def _take(self, found: Iterator[TracedEvent]) -> bool:
        """Add the events that match. Returns whether the page is full."""
        try:
            return self._take_readable(found)
        except UnreadableBlockError:
            return False

    def _take_readable(self, found: Iterator[TracedEvent]) -> bool:
        query = self._query
        for traced in found:
            ms = traced.position.ms
            if traced.fate == "x":
                continue
            if traced.position >= self._before or (query.until_ms and ms >= query.until_ms) or ms < query.since_ms:
                continue
            complete = self._with_late(traced)
            if query.matches(complete):
                self._events.append(complete)
                if len(self._events) == self._limit:
                    return True
        return False

    def _with_late(self, traced: TracedEvent) -> TracedEvent:
        """The event with the outcomes that came after its segment was sealed."""
        if not self._outcomes:
            return traced
        later = [self._outcomes.of(each.key) for each in traced.notifications]
        if not any(later):
            return traced
        return structs.replace(
            traced,
            notifications=[
                structs.replace(each, outcomes=_joined(each, more))
                for each, more in zip(traced.notifications, later, strict=True)
            ],
        )

    async def _add_late(self, info: SegmentInfo) -> None:
        """Add the outcomes of earlier segments' events that a segment has."""
        if not info.late or time.monotonic() > self._until:
            return
        with translated():
            blob = await self._redis.hget(self._redis.names.history_segment + info.id, "l")  # type: ignore[misc]
        try:
            self._outcomes.add(unpacked_outcomes(blob or b""))
        except UnreadableBlockError:
            return

    async def _block(self, info: SegmentInfo, number: int) -> SealedBlock | None:
        """Read a block; None where it is gone or unreadable."""
        key = self._redis.names.history_segment + info.id
        with translated():
            blob = await self._redis.hget(key, f"b{number}")  # type: ignore[misc]
        try:
            return SealedBlock(blob) if blob else None
        except UnreadableBlockError:
            return None

    async def _tokens(self) -> list[int]:
        tokens = await read_tokens(self._redis)
        found = [tokens.of_term(term) for term in self._query.terms] if tokens else []
        return found + [of_key(term) for term in self._query.terms if len(term) in KEY_CHARS]

    async def _numbers(self, segments: Sequence[SegmentInfo], tokens: Sequence[int]) -> list[set[int]]:
        """For each segment the numbers of the events that have one of the tokens."""
        asked = [
            (place, token, f"t{token_index.bucket_of(token, info.buckets)}")
            for place, info in enumerate(segments)
            for token in tokens
        ]
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for place, _, field in asked:
                pipe.hget(self._redis.names.history_segment + segments[place].id, field)
            blobs = await pipe.execute()
        numbers: list[set[int]] = [set() for _ in segments]
        for (place, token, _), blob in zip(asked, blobs, strict=True):
            try:
                numbers[place].update(
                    token_index.numbers_of(token, token_index.unpack_values(blob)) if blob else ()
                )
            except UnreadableBlockError:
                continue
        return numbers


def _joined(notification: Traced, later: Sequence[OutcomeRecord]) -> list[OutcomeRecord]:
    # While a segment is sealed, an outcome may be read both in the tail and in the segment.
    known = {(outcome.kind, outcome.at_ms) for outcome in notification.outcomes}
    new = [outcome for outcome in later if (outcome.kind, outcome.at_ms) not in known]
    return sorted([*notification.outcomes, *new], key=lambda outcome: outcome.at_ms)
