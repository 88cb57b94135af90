"""The rows of the history, and the blocks in which steps append them.

A block is zstd(msgpack([row, ...])), in the field `e` of its stream entry for events and in `o` for outcomes. Only
the Lua step knows which of the rows are true: whether an event was new, and whether another run of the step has
recorded the row before. Where they are not all new, the field `f` has one letter for each row: see `Fate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec
import zstandard
from msgspec import Struct

from broker.history.compression import compress, decompress
from broker.redis.scripting.scripts import BASE, Blobs, Part
from runtime.first_id import first_id

RECORDING = Part("history/recording", parts=(BASE,), keys=("history",))

Fate = Literal["n", "d", "r", "-", "x"]
"""The letter for what a step did with a row. n: it is new. d: its event is a duplicate. r: it is a duplicate that
caused dead notifications to be tried again. -: nothing, since an earlier run of the step has recorded it. x: it
was erased, because it was about a person who is forgotten."""

Kind = Literal["sent", "skipped", "dead", "retry", "later"]
"""How an attempt ended. `later`: it was not made yet, because it may not be sent now."""

MAX_ID = 80
"""Limit on the characters of an event's id in the history."""

MAX_TEXT = 120
"""Limit on the characters of the text of an outcome."""


class NotificationRecord(Struct, frozen=True, array_like=True, gc=False):
    """A notification that an event caused."""

    rule: str
    channel: str
    """The channel; "" where the event joined a digest of the rule."""

    key: str
    """The idempotency key; that of the event in a digest where it joined one."""


class EventRecord(Struct, frozen=True, array_like=True, gc=False):
    """An event as intake found it, or a digest that was closed."""

    received_at_ms: int
    source: str
    event: str
    """The name of the event; "" where the body could not be decoded."""

    id: str
    """The id that people know the event by, at most `MAX_ID` characters."""

    terms: Sequence[str]
    """The texts that find the event: its id, customer, voucher and others. Only the tail has them as they are."""

    notifications: Sequence[NotificationRecord] = ()
    letter: str = ""
    """The id of the dead letter that the body became at intake, or ""."""

    members: int = 0
    """How many events a digest has; 0 for an event."""


def about(event: EventRecord) -> str:
    """Return the id that a list shows beside that of an event; "" for none."""
    # The terms of a digest are the keys of its events.
    return "" if event.members else first_id(event.terms, beside=event.id)


class OutcomeRecord(Struct, frozen=True, array_like=True, gc=False):
    """How an attempt to send a notification ended."""

    key: str
    """The idempotency key of the notification."""

    kind: Kind
    at_ms: int
    took_ms: int = 0
    status: int = 0
    """The HTTP status of the answer; 0 where there was none."""

    text: str = ""
    """The error, or the reason why it was skipped; at most `MAX_TEXT` characters."""

    next_ms: int = 0
    """When the next attempt is due; 0 without one."""

    letter: str = ""
    """The id of the dead letter that the notification became, or ""."""


class Block(NamedTuple):
    """The rows that one step recorded. A row is None where the step did nothing with it."""

    events: Sequence[tuple[Fate, EventRecord] | None] = ()
    outcomes: Sequence[OutcomeRecord | None] = ()


class UnreadableBlockError(Exception):
    """The bytes are not a block that this version can read."""


_encode = msgspec.msgpack.Encoder().encode
_decode_events = msgspec.msgpack.Decoder(list[EventRecord]).decode
_decode_outcomes = msgspec.msgpack.Decoder(list[OutcomeRecord | None]).decode
_FATES: Mapping[str, Fate] = {"n": "n", "d": "d", "r": "r"}


def place(rows: Sequence[EventRecord] | Sequence[OutcomeRecord | None], blobs: Blobs) -> int:
    """Add the block of these rows to the blobs of a call. Returns its index there; 0 where there are no rows."""
    return blobs.place(packed(rows)) if rows else 0


def packed(rows: Sequence[EventRecord] | Sequence[OutcomeRecord | None]) -> bytes:
    """Return rows in the form that steps append."""
    return compress(_encode(rows))


def unpacked(fields: Mapping[bytes, bytes]) -> Block:
    """Return the rows of a stream entry. Raises UnreadableBlockError and nothing else."""
    try:
        fates = fields.get(b"f", b"").decode()
        if b"o" in fields:
            outcomes = _decode_outcomes(decompress(fields[b"o"]))
            if not fates:
                return Block(outcomes=outcomes)
            return Block(outcomes=[o if f == "n" else None for f, o in zip(fates, outcomes, strict=True)])
        events = _decode_events(decompress(fields[b"e"]))
        if not fates:
            return Block([("n", event) for event in events])
        return Block([(_FATES[f], e) if f in _FATES else None for f, e in zip(fates, events, strict=True)])
    except (KeyError, ValueError, RecursionError, zstandard.ZstdError) as error:
        raise UnreadableBlockError(str(error)) from None
