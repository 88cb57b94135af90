"""The blocks of the stream `history`, which steps append: one for the rows of each step.

A block is msgpack(columns), in the field `ec` of its stream entry for events and in `oc` for outcomes
(columns.py). Only the Lua step knows which of the rows are true: whether an event was new, and whether another run
of the step has recorded the row before. Where they are not all new, the field `f` has one letter for each row: see
`Fate`.

Earlier versions wrote zstd(msgpack([row, ...])) in the fields `e` and `o`, which is read too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import zstandard

from broker.history.columns import (
    FATES,
    NUMBER_OF_FATE,
    EventColumns,
    OutcomeColumns,
    chosen_events,
    chosen_outcomes,
    events_of,
    outcomes_of,
)
from broker.history.records import EventRow, Fate, OutcomeRow, UnreadableBlockError
from broker.queue.batch import decompress
from broker.redis.scripting.scripts import Blobs

EVENTS, OUTCOMES = b"ec", b"oc"
"""The fields of a stream entry. broker/steps/lua names them too."""

_encode = msgspec.msgpack.Encoder().encode
_decode_events = msgspec.msgpack.Decoder(EventColumns).decode
_decode_outcomes = msgspec.msgpack.Decoder(OutcomeColumns).decode
_decode_event_rows = msgspec.msgpack.Decoder(list[EventRow]).decode
_decode_outcome_rows = msgspec.msgpack.Decoder(list[OutcomeRow | None]).decode


class Block(NamedTuple):
    """The rows that one step recorded: events, or outcomes."""

    events: EventColumns | None = None
    fates: str = ""
    """The letter of each event; "" if all of them are new."""

    outcomes: OutcomeColumns | None = None

    def fate(self, place: int) -> Fate:
        """Return what the step did with an event."""
        return FATES[NUMBER_OF_FATE[self.fates[place]]] if self.fates else "n"


def place_events(rows: Sequence[EventRow], blobs: Blobs) -> int:
    """Add the block of these events to the blobs of a call. Returns its index there; 0 where there are none."""
    return blobs.place(packed_events(rows)) if rows else 0


def place_outcomes(rows: Sequence[OutcomeRow | None], blobs: Blobs) -> int:
    """Add the block of these outcomes. Returns its index, 0 where there are none. None: an outcome without row."""
    return blobs.place(packed_outcomes(rows)) if any(rows) else 0


def packed_events(rows: Sequence[EventRow]) -> bytes:
    """Return the block of events, at least one."""
    return _encode(events_of(rows))


def packed_outcomes(rows: Sequence[OutcomeRow | None]) -> bytes:
    """Return the block of outcomes, at least one."""
    return _encode(_columns_of(rows))


def _columns_of(rows: Sequence[OutcomeRow | None]) -> OutcomeColumns:
    if None not in rows:
        return outcomes_of(rows)  # type: ignore[arg-type]
    columns = outcomes_of([row for row in rows if row is not None])
    columns.without = [place for place, row in enumerate(rows) if row is None]
    return columns


def unpacked(fields: Mapping[bytes, bytes]) -> Block:
    """Return the rows of a stream entry. Raises UnreadableBlockError and nothing else."""
    try:
        fates = fields.get(b"f", b"").decode()
        if blob := fields.get(OUTCOMES):
            return _outcomes(_decode_outcomes(blob), fates)
        if blob := fields.get(EVENTS):
            return _events(_decode_events(blob), fates)
        if blob := fields.get(b"o"):
            return _outcomes(_columns_of(_decode_outcome_rows(decompress(blob))), fates)
        return _events(events_of(_decode_event_rows(decompress(fields[b"e"]))), fates)
    except (KeyError, ValueError, IndexError, RecursionError, zstandard.ZstdError) as error:
        raise UnreadableBlockError(str(error)) from None


def _events(columns: EventColumns, fates: str) -> Block:
    """The block of these events. Raises ValueError."""
    columns.check()
    if not fates:
        return Block(columns)
    return Block(*chosen_events(columns, fates))


def _outcomes(columns: OutcomeColumns, fates: str) -> Block:
    """The block of these outcomes. Raises ValueError."""
    columns.check()
    if not fates:
        return Block(outcomes=columns)
    without = {*columns.without}
    is_new = [fate == "n" for place, fate in enumerate(fates) if place not in without]
    return Block(outcomes=chosen_outcomes(columns, is_new))
