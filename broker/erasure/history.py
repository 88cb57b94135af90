"""Removes a person from the history of events. All functions raise BrokerError.

The tail is sealed first, since entries of a stream cannot be changed. An event of the person becomes an empty row,
and its entries leave the index. Where a text of another event names the person, only the name is replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct, structs

from broker.erasure import scripts
from broker.erasure.queued_work import Eraser
from broker.history import blocks, token_index
from broker.history.blocks import BLOCK_ROWS, SealedBlock, packed_outcomes, unpacked_outcomes
from broker.history.query import TracedEvent
from broker.history.records import EventRecord, OutcomeRecord, UnreadableBlockError
from broker.history.sealing import read_segments, seal
from broker.history.segments import SegmentInfo, packed_info
from broker.history.settings import HistorySettings
from broker.history.token_index import Tokens, read_tokens, short_key
from broker.redis.client import Client
from broker.redis.errors import translated

_NOW_MS = -3_600_000
"""An age below that of every block, also by a clock that is set back by up to an hour."""

# A worker removes segments by the age that its config gives, which is not known here.
_KEPT = HistorySettings(keep_days=365)

_TRIES = 3
"""How often a segment is read again because another process changed it meanwhile."""

_NOTHING = EventRecord(0, "", "", "")


class ErasedHistory(Struct):
    """The result: what was removed from the history of one partition."""

    events: int = 0
    redacted: int = 0
    """Events of other people that named the person in a text."""

    unreadable: list[str] = []
    """Segments that may hold data of the person and cannot be read."""


async def erase(redis: Client, terms: Collection[str], eraser: Eraser) -> ErasedHistory:
    """Remove a person. terms: the forms of the ids and addresses by which the person's events are found."""
    done = ErasedHistory(unreadable=[])
    while await seal(redis, _KEPT, age_ms=_NOW_MS):
        pass
    tokens, keys = await read_tokens(redis), set[str]()
    # The oldest first: outcomes that came late are in later segments than their events.
    for info in reversed(await read_segments(redis)):
        for _ in range(_TRIES):
            if await _erase_in(redis, info, terms, eraser, tokens, keys, done):
                break
        else:
            done.unreadable.append(f"segment {info.id} of the history")
        await _redact_names(redis, info, eraser)
    return done


async def _redact_names(redis: Client, info: SegmentInfo, eraser: Eraser) -> None:
    """Remove the person from the names of events in the description of a segment."""
    names = frozenset(map(eraser.event, info.names))
    if names != info.names:
        target = redis.names.history_segments
        with translated():
            before = await redis.hget(target, info.id) or b""  # type: ignore[misc]
            after = packed_info(structs.replace(info, names=names))
            await scripts.REPLACE_VALUE(redis, target=target, field=info.id, before=before, after=after)


async def _erase_in(
    redis: Client,
    info: SegmentInfo,
    terms: Collection[str],
    eraser: Eraser,
    tokens: Tokens | None,
    keys: set[str],
    done: ErasedHistory,
) -> bool:
    """Remove the person from one segment. Returns False if another process has changed it meanwhile.

    keys: of the notifications of erased events, which this adds to.
    """
    with translated():
        fields: dict[bytes, bytes] = await redis.hgetall(redis.names.history_segment + info.id)  # type: ignore[misc]
    erasure = _SegmentErasure(info, fields, eraser, keys)
    wanted = [tokens.of_term(term) for term in terms] if tokens else []
    try:
        erasure.run(wanted)
    except UnreadableBlockError:
        return False
    if erasure.changed:
        words = [word for name, blob in erasure.changed.items() for word in (name, blob)]
        with translated():
            if not await scripts.REPLACE_SEGMENT(
                redis, segment=info.id, version=fields.get(b"v", b""), blobs=words
            ):
                return False
    done.events += erasure.events
    done.redacted += erasure.redacted
    return True


class _SegmentErasure:
    """Makes the fields of one segment without the person. Pure."""

    def __init__(self, info: SegmentInfo, fields: Mapping[bytes, bytes], eraser: Eraser, keys: set[str]) -> None:
        self.changed: dict[bytes, bytes] = {}
        """The fields that change; an empty value removes one."""

        self.events = self.redacted = 0
        self._info = info
        self._fields = fields
        self._eraser = eraser
        self._keys = keys

    def run(self, tokens: Collection[int]) -> None:
        """Make the changes. Raises UnreadableBlockError."""
        numbers = self._numbers_of(tokens)
        for number in range(len(self._info.starts())):
            start = number * BLOCK_ROWS
            self._erase_block(b"b%d" % number, {n - start for n in numbers if start <= n < start + BLOCK_ROWS})
        if numbers:
            self._erase_index(numbers)
        self._erase_outcomes()

    def _numbers_of(self, tokens: Collection[int]) -> set[int]:
        numbers = set[int]()
        for token in tokens:
            blob = self._fields.get(b"t%d" % token_index.bucket_of(token, self._info.buckets))
            if blob:
                numbers.update(token_index.numbers_of(token, token_index.unpack_values(blob)))
        return numbers

    def _erase_block(self, field: bytes, rows: set[int]) -> None:
        blob = self._fields.get(field)
        if not blob:
            return
        block = SealedBlock(blob)
        texts = block.texts()
        # Most blocks name no one who is forgotten, and one look at all texts is faster than one at each.
        if not rows and self._eraser.event(self._eraser.text(texts)) == texts:
            return
        events = [self._erased(event) if row in rows else self._redacted(event) for row, event in enumerate(block)]
        if events != list(block):
            self.changed[field] = blocks.packed(events)

    def _erased(self, traced: TracedEvent) -> TracedEvent:
        self.events += traced.fate != "x"
        self._keys.update(each.key for each in traced.notifications)
        return TracedEvent(traced.position, "x", _NOTHING, ())

    def _redacted(self, traced: TracedEvent) -> TracedEvent:
        text, event = self._eraser.text, traced.event
        redacted = structs.replace(
            traced,
            event=structs.replace(event, event=self._eraser.event(event.event), id=text(event.id)),
            about=text(traced.about),
            notifications=[
                structs.replace(each, outcomes=[_without(outcome, self._eraser) for outcome in each.outcomes])
                for each in traced.notifications
            ],
        )
        self.redacted += redacted != traced
        return redacted

    def _erase_index(self, numbers: set[int]) -> None:
        for field, blob in self._fields.items():
            if field.startswith(b"t"):
                values = token_index.unpack_values(blob)
                left = [value for value in values if value & 0xFFFF not in numbers]
                if len(left) < len(values):
                    self.changed[field] = token_index.pack_values(left) if left else b""

    def _erase_outcomes(self) -> None:
        blob = self._fields.get(b"l")
        if not blob:
            return
        outcomes = unpacked_outcomes(blob)
        left = [
            _without(outcome, self._eraser)
            for outcome in outcomes
            if short_key(outcome.key).hex() not in self._keys
        ]
        if left != outcomes:
            self.changed[b"l"] = packed_outcomes(left)


def _without(outcome: OutcomeRecord, eraser: Eraser) -> OutcomeRecord:
    return structs.replace(outcome, text=eraser.text(outcome.text)) if outcome.text else outcome
