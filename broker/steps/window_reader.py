"""Reads windows and their events.

Windows that end together have events of the same packs, so these are kept for a while, which saves round trips.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from broker import dead_letters
from broker.dead_letters import StoredDeadLetter
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.steps import digest_windows, digests
from broker.steps.digest_windows import EventPack, Window
from broker.steps.digests import Gathered

_READ = 16
"""Packs that are read together."""

_KEPT = 64
"""Packs that are kept for the next windows."""


async def read_windows(redis: Client) -> list[Window]:
    """Return all windows, open or not, also those that have ended. Raises BrokerError."""
    names, windows = redis.names, []
    for start, is_open in ((names.digests_open, True), (names.digests_closing, False)):
        with translated():
            async for key in redis.scan_iter(match=f"{start}*", count=1000):
                group = b"" if is_open else key[len(start) :]
                stored = await redis.hgetall(key)  # type: ignore[arg-type, misc]
                windows += [Window(group, digest, text) for digest, text in stored.items()]
    return windows


class Contents(Struct, frozen=True):
    """The first events of a window, as many as one notification can carry."""

    events: list[Gathered]
    taken: int
    """How many events of the window these are, with those that were removed or cannot be read."""

    is_forgotten: bool
    """True if each event was removed, as data of a person who was forgotten."""


class WindowReader:
    """Reads the windows of one step after another."""

    def __init__(self, redis: Client) -> None:
        self.used: dict[bytes, EventPack] = {}
        """The packs of the windows that were read in this step, by id."""

        self.unreadable: dict[bytes, StoredDeadLetter] = {}
        """The dead letters of those packs that cannot be read, by id of the pack."""

        self._redis = redis
        self._kept: dict[bytes, EventPack] = {}

    def begin_step(self, *, forget: bool = False) -> None:
        """Begin the windows of another step. forget: read all packs again, since some have changed."""
        self.used, self.unreadable = {}, {}
        if forget:
            self._kept.clear()

    async def contents(self, window: Window) -> Contents:
        """Return the events of a window. Raises BrokerError."""
        events: list[Gathered] = []
        places, size, removed = window.events, 0, 0
        for taken, (pack_id, place) in enumerate(places):
            if taken % _READ == 0:
                await self._load([pack for pack, _ in places[taken : taken + _READ]])
            pack = self._use(pack_id)
            if place >= len(pack.events):
                continue  # it cannot be read, or another program removed it
            event = pack.events[place]
            if event is None:
                removed += 1
                continue
            size += len(event.body.body)
            if size > digests.MAX_BYTES and events:
                return Contents(events, taken, is_forgotten=False)
            events.append(event)
        return Contents(events, len(places), is_forgotten=not events and removed > 0)

    async def _load(self, ids: Sequence[bytes]) -> None:
        wanted = list(dict.fromkeys(ids))
        missing = [pack_id for pack_id in wanted if pack_id not in self._kept]
        if missing and len(self._kept) >= _KEPT:
            self._kept = {pack_id: self._kept[pack_id] for pack_id in wanted if pack_id in self._kept}
        if missing:
            self._kept |= await digest_windows.read_packs(self._redis, missing)

    def _use(self, pack_id: bytes) -> EventPack:
        # The step checks one version of each pack. So a step uses a pack as it was read first.
        pack = self.used.setdefault(pack_id, self._kept[pack_id])
        if pack.error and pack_id not in self.unreadable:
            self.unreadable[pack_id] = dead_letters.unreadable_member(pack.blob, pack.error)
        return pack
