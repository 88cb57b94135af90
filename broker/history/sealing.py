"""Seals the old end of the history into segments, and removes the oldest. All functions raise BrokerError.

Sealing makes the history small, and gives it an index. Only one worker needs to do it; if two do, or one does it
twice, the second changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from broker.history.records import UnreadableBlockError
from broker.history.segment_builder import SegmentBuilder
from broker.history.segments import MAX_ROWS, Segment, SegmentInfo, packed_info, unpacked_info
from broker.history.settings import HistorySettings
from broker.history.tail_blocks import Block, unpacked
from broker.history.token_index import create_tokens
from broker.redis import clock
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import FULL, Script

AGE_MS = 300_000
"""Milliseconds after which a block of the stream is sealed."""

MAX_BLOCKS = 1_024
"""Blocks in the stream from which on the oldest are sealed before that."""

# An outcome is kept with its event if both are in one segment, which takes less memory and is read faster.
_LEFT_BLOCKS = 256
"""The newest blocks, which stay in the stream then: many of their events have no outcome yet."""

_WORK_S, _PAUSE_S = 0.001, 0.004
"""Seconds of work, and of the pause after it. Without pauses, events that come meanwhile are sent 20 ms later."""

_READ = 128
_DAY_MS = 86_400_000

_SEAL = Script(
    "history/seal",
    parts=(FULL,),
    keys=("history", "history_segments", "history_segment:segment"),
    args=("segment", "after", "info", "ttl_s: number"),
    rest="blobs",
)
_DROP = Script("history/drop", parts=(FULL,), keys=("history_segments",), rest="segments")


async def seal(redis: Client, settings: HistorySettings, *, age_ms: int = AGE_MS) -> int:
    """Seal one segment of what is older than `age_ms`, or beyond `MAX_BLOCKS`. Returns its events and outcomes.

    0: there was nothing to seal, or another worker sealed it.
    """
    with translated():
        length = await redis.xlen(redis.names.history)
    if not length:
        return 0
    builder, pauses = SegmentBuilder(await create_tokens(redis), redis.partition), _Pauses()
    at_least = length - _LEFT_BLOCKS if length > MAX_BLOCKS else 0
    await _read_oldest(redis, builder, pauses, age_ms, at_least=at_least)
    if not builder.entries:
        return 0
    segment = await _built(builder, pauses)
    if not await write(redis, settings, segment, builder.last_id):
        return 0
    return builder.entries


class _Pauses:
    """The pauses in which other tasks run."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _WORK_S

    async def pause(self) -> None:
        """Pause if it has been working for long enough."""
        if time.monotonic() >= self._next:
            await asyncio.sleep(_PAUSE_S)
            self._next = time.monotonic() + _WORK_S


async def _built(builder: SegmentBuilder, pauses: _Pauses) -> Segment:
    for segment in builder.steps():
        if segment is not None:
            return segment
        await pauses.pause()
    raise AssertionError("the last step yields the segment")


async def _read_oldest(
    redis: Client, builder: SegmentBuilder, pauses: _Pauses, age_ms: int, *, at_least: int
) -> None:
    """Read the oldest entries, as many as one segment takes. at_least: how many do not need that age."""
    until_ms, after = await clock.now_ms(redis) - age_ms, "-"
    while True:
        with translated():
            entries = await redis.xrange(redis.names.history, after, "+", count=_READ)
        for entry_id, fields in entries:
            name = entry_id.decode()
            is_young = int(name.split("-")[0]) > until_ms and builder.entries >= at_least
            if is_young or builder.rows >= MAX_ROWS:
                return
            builder.add(name, _block(fields))
            await pauses.pause()
        if len(entries) < _READ:
            return
        after = f"({entries[-1][0].decode()}"


def _block(fields: dict[bytes, bytes]) -> Block:
    """The rows of an entry. One that this version cannot read is lost: nothing depends on the history."""
    try:
        return unpacked(fields)
    except UnreadableBlockError:
        return Block()


async def write(redis: Client, settings: HistorySettings, segment: Segment, last_id: str) -> bool:
    """Replace the entries up to `last_id` by a segment. Returns False if the first of them is gone."""
    ms, number = last_id.split("-")
    blobs = [part for name, blob in segment.fields.items() for part in (name, blob)]
    with translated():
        return bool(
            await _SEAL(
                redis,
                segment=segment.info.id,
                after=f"{ms}-{int(number) + 1}",
                info=packed_info(segment.info),
                ttl_s=int((settings.keep_days + 1) * 86_400),
                blobs=blobs,
            )
        )


async def read_segments(redis: Client) -> list[SegmentInfo]:
    """Return the descriptions of all segments, the newest first."""
    with translated():
        stored = await redis.hgetall(redis.names.history_segments)  # type: ignore[misc]
    segments = [info for blob in stored.values() if (info := unpacked_info(blob))]
    return sorted(segments, key=lambda info: (info.first_ms, info.id), reverse=True)


async def drop_old(redis: Client, settings: HistorySettings, *, partitions: int) -> int:
    """Remove the segments beyond `keep_days` and this partition's share of `max_mb`. Returns how many."""
    segments = await read_segments(redis)
    since_ms = await clock.now_ms(redis) - int(settings.keep_days * _DAY_MS)
    left = settings.max_mb * 1_000_000 // partitions
    old = []
    for info in segments:
        left -= info.size
        if info.last_ms < since_ms or left < 0:
            old.append(info.id)
    return await drop(redis, old)


async def drop(redis: Client, segments: Iterable[str]) -> int:
    """Remove segments. Returns how many there were."""
    segments = list(segments)
    if not segments:
        return 0
    with translated():
        return int(await _DROP(redis, segments=segments))
