"""Packs: how Redis stores events that wait in digests, so that those of several windows are compressed together.

A pack has events that one step added, and whose windows last as long. Windows name an event by its pack and its
place there. A pack stays until the last of its events is in a notification.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import zstandard

from broker.queue import batch
from broker.redis.scripting.scripts import BASE, Blobs, Part
from broker.steps import digests
from broker.steps.digests import Gathered
from runtime.ids import new_id

MAX_EVENTS = 64
"""The largest number of events in a pack. To close a window, each pack with an event of it is read as a whole."""


class PlannedPack(NamedTuple):
    """A pack as the scripts get it. `blob` and `digests` are indices of blobs."""

    id: str
    blob: int
    digests: int
    """The ids of the digests that the events join, one after another, `keys.DIGEST_ID_BYTES` each."""

    window_ms: int
    events: int


class PlannedPart(NamedTuple):
    """A `digests.Part` as the scripts get it."""

    event: int
    """Number of the event in its entry (starts at 1)."""

    pack: int
    """Number of the pack in the call (starts at 1)."""

    place: int
    """Place of the event in the pack (starts at 1)."""

    channels: int
    """How many channels the digest is sent to."""

    number: int
    """The place of the digest among those that the event joins: see `digests.Part`."""


WINDOWS = Part("steps/digests/windows", parts=(BASE,))
GATHERING = Part(
    "steps/digests/gathering",
    parts=(BASE, WINDOWS),
    keys=("digests_ends",),
    records={"PART": PlannedPart, "PACK": PlannedPack},
)
CLOSING = Part("steps/digests/closing", parts=(BASE, WINDOWS), records={"PACK": PlannedPack})


class UnreadablePackError(Exception):
    """The bytes are not a pack that this version can read."""


class _Packed:
    """The events of a pack that is not full."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.digests: list[str] = []
        self.events: list[Gathered] = []
        self.size = 0

    def is_full_for(self, event: Gathered) -> bool:
        return len(self.events) >= MAX_EVENTS or self.size + len(event.body.body) > batch.MAX_BYTES


class Packs:
    """The packs of one call; events are added until a pack is full."""

    def __init__(self) -> None:
        self._all: list[_Packed] = []
        self._open: dict[int, _Packed] = {}  # by the length of the window in ms

    def add(self, part: digests.Part) -> PlannedPart:
        """Put an event into a pack: up to 64 of them, or 256 KB of bodies, make one pack."""
        event = part.gathered
        pack = self._open.get(event.window_ms)
        if pack is None or pack.is_full_for(event):
            pack = self._open[event.window_ms] = _Packed(len(self._all) + 1)
            self._all.append(pack)
        pack.digests.append(part.digest)
        pack.events.append(event)
        pack.size += len(event.body.body)
        return PlannedPart(part.event + 1, pack.number, len(pack.events), len(event.channels), part.number)

    def planned(self, blobs: Blobs) -> list[PlannedPack]:
        """Return the packs as the scripts get them, each with a new id."""
        return [
            PlannedPack(
                new_id(),
                blobs.place(packed(pack.events)),
                blobs.place(bytes.fromhex("".join(pack.digests))),
                pack.events[0].window_ms,
                len(pack.events),
            )
            for pack in self._all
        ]


def packs_of(events: Iterable[Gathered], blobs: Blobs) -> list[PlannedPack]:
    """Return packs of events as the scripts get them, if no further event will join their windows."""
    packs = Packs()
    for event in events:
        packs.add(digests.Part(0, "", event))
    return packs.planned(blobs)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Gathered | None]).decode
_decode_one = msgspec.msgpack.Decoder(Gathered).decode


def packed(events: Sequence[Gathered | None]) -> bytes:
    """Return events in the form that Redis stores. None takes the place of an event that was removed."""
    return batch.compress(_encode(events))


def unpacked(blob: bytes) -> Sequence[Gathered | None]:
    """Return the events that `packed` encoded; () for b"". Raises UnreadablePackError and nothing else."""
    if not blob:
        return ()
    try:
        return _decode(batch.decompress(blob))
    except (ValueError, RecursionError, zstandard.ZstdError) as error:
        raise UnreadablePackError(str(error)) from None


def packed_alone(event: Gathered) -> bytes:
    """Return one event by itself, as earlier versions stored each, and as it moves to another partition."""
    return batch.compress(_encode(event))


def unpacked_alone(blob: bytes) -> Gathered:
    """Return the event that `packed_alone` encoded. Raises UnreadablePackError and nothing else."""
    try:
        return _decode_one(batch.decompress(blob))
    except (ValueError, RecursionError, zstandard.ZstdError) as error:
        raise UnreadablePackError(str(error)) from None
