"""The windows of digests after their end: workers claim them, read their events, and turn them into jobs.

Workers claim groups of windows, each with a lease, so that no two close the same. The step that creates the jobs
checks that windows and packs are as they were read. So an event is in exactly one digest, also if a lease ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Raw, Struct

from broker import dead_letters
from broker.dead_letters import StoredDeadLetter
from broker.dead_letters.packing import ADDING, PackedLetter
from broker.history.records import RECORDING, EventRow
from broker.history.tail_blocks import place_events
from broker.queue.heartbeat import seconds_of
from broker.queue.jobs import NotifyJob
from broker.queue.parts import JOBS, NEXT_DUE
from broker.redis import clock
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.keys import PACK_ID_BYTES
from broker.redis.scripting.scripts import BASE, COUNTERS, FULL, LEASE, PAIRS, Blobs, Part, Script, as_text
from broker.steps.digest_packs import WINDOWS, UnreadablePackError, packed, unpacked
from broker.steps.digests import Gathered
from broker.steps.new_events import QueuedJob, queued_jobs

_HEAD_BYTES = 2
_EVENT_BYTES = PACK_ID_BYTES + 1


class Window(NamedTuple):
    """A window as Redis has it: see broker/steps/lua/digests/windows.lua."""

    group: bytes
    """The group that it is closed with; b"" for an open window."""

    digest: bytes
    text: bytes

    @property
    def channels(self) -> int:
        """For how many notifications the window counts as created and waiting."""
        return int.from_bytes(self.text[:_HEAD_BYTES])

    @property
    def events(self) -> list[tuple[bytes, int]]:
        """The pack of each event, and its place there (starts at 0)."""
        places = range(_HEAD_BYTES + PACK_ID_BYTES, len(self.text), _EVENT_BYTES)
        return [(self.text[place - PACK_ID_BYTES : place], self.text[place]) for place in places]

    def without(self, events: int) -> bytes:
        """Return the text of the window without its first events; b"" if none is left."""
        if events >= len(self.events):
            return b""
        return self.text[:_HEAD_BYTES] + self.text[_HEAD_BYTES + events * _EVENT_BYTES :]


class Claim(NamedTuple):
    """The result of a claim."""

    windows: list[Window]
    next_s: float | None
    """Seconds until the next windows end: 0 if some have ended, None without windows."""

    has_old: bool
    """True if there are windows of an earlier version: see broker/steps/old_digests.py."""


class EventPack(NamedTuple):
    """A pack as Redis has it."""

    version: bytes
    """A number that changes with the events; b"" if the pack is gone."""

    blob: bytes
    events: Sequence[Gathered | None]
    """None for an event that was removed."""

    error: str
    """Why the events cannot be read, or ""."""


class ClosedWindow(Struct, frozen=True):
    """The result of closing a window, or its first events."""

    window: Window
    taken: int
    """How many of its events are closed. The others stay, and are due."""

    notifications: int
    is_forgotten: bool = False
    """True if there is no notification because each event was removed, as data of a person who was forgotten."""


class PlannedWindow(NamedTuple):
    """A `ClosedWindow` as the scripts get it. All but the group are indices of blobs; `rest` may be 0 for none."""

    group: Raw
    digest: int
    text: int
    rest: int


class ReadPack(NamedTuple):
    """An `EventPack` as the scripts get it."""

    id: Raw
    version: Raw
    events: int
    """How many of its events are closed."""

    is_unreadable: bool


LEAVING = Part(
    "steps/digests/leaving",
    parts=(BASE, WINDOWS),
    keys=("digests_ends",),
    records={"WINDOW": PlannedWindow, "READ": ReadPack},
)
_CLAIM_WINDOWS = Script(
    "steps/digests/claim_windows",
    parts=(FULL, LEASE, NEXT_DUE, PAIRS, WINDOWS),
    keys=("digests_ends", "digests"),
    args=("owner", "most: number", "lease_ms: number"),
)
_READ_GROUP = Script(
    "steps/digests/read_group",
    parts=(WINDOWS,),
    keys=("digests_closing:group", "digests_events:group"),
    args=("group",),
)
_READ_PACKS = Script(
    "steps/digests/read_packs", parts=(WINDOWS,), keys=("digests_events:first",), args=("first",), rest="ids"
)
_REPLACE_PACK = Script(
    "steps/digests/replace_pack",
    parts=(FULL, WINDOWS),
    keys=("digests_events:pack",),
    args=("pack", "version", "blob"),
)
_CLOSE_WINDOWS = Script(
    "steps/digests/close_windows",
    parts=(FULL, COUNTERS, JOBS, ADDING, RECORDING, LEAVING),
    keys=("queue",),
    args=(
        "history: number",
        "rows: number",
        "windows: packed",
        "packs: packed",
        "jobs: packed",
        "letters: packed",
        "changes: packed",
    ),
    rest="blobs",
    records={"JOB": QueuedJob},
)


async def claim(redis: Client, owner: str, *, most: int, lease_ms: int) -> Claim:
    """Lease windows that have ended to `owner` for `lease_ms`, about `most` of them. Raises BrokerError."""
    with translated():
        groups, next_ms, old = await _CLAIM_WINDOWS(redis, owner=owner, most=most, lease_ms=lease_ms)
    windows = [
        Window(group, digest, text)
        for group, found in groups
        for digest, text in zip(found[::2], found[1::2], strict=True)
    ]
    return Claim(windows, seconds_of(next_ms), old > 0)


async def read_group(redis: Client, group: bytes) -> list[Window]:
    """Return the windows of a group, open or not. Raises BrokerError."""
    with translated():
        is_open, found = await _READ_GROUP(redis, group=_text(group))
    name = b"" if is_open else group
    return [Window(name, digest, text) for digest, text in zip(found[::2], found[1::2], strict=True)]


async def read_packs(redis: Client, ids: Sequence[bytes]) -> dict[bytes, EventPack]:
    """Return packs by their ids, of which there is at least one. Raises BrokerError."""
    with translated():
        found = await _READ_PACKS(redis, first=_text(ids[0]), ids=ids)
    return {pack_id: _pack(version, blob) for pack_id, (version, blob) in zip(ids, found, strict=True)}


def _text(pack_id: bytes) -> str:
    """Decode an id so that the driver encodes it to the same bytes again, even if another program wrote it."""
    return pack_id.decode("utf-8", "surrogateescape")


def _pack(version: bytes, blob: bytes) -> EventPack:
    try:
        return EventPack(version, blob, unpacked(blob), "")
    except UnreadablePackError as error:
        return EventPack(version, blob, (), str(error))


async def replace_pack(redis: Client, pack_id: bytes, version: bytes, events: Sequence[Gathered | None]) -> bool:
    """Replace the events of a pack; None removes one. False if the pack has changed since it had this version.

    Safe to repeat. Raises BrokerError.
    """
    with translated():
        return bool(await _REPLACE_PACK(redis, pack=_text(pack_id), version=version, blob=packed(events)))


async def close(
    redis: Client,
    closed: Sequence[ClosedWindow],
    packs: Mapping[bytes, EventPack],
    new_jobs: Sequence[NotifyJob],
    unreadable: Mapping[bytes, StoredDeadLetter],
    rows: Sequence[EventRow] = (),
) -> bool:
    """Turn windows into jobs. False, and nothing is done, if a window or a pack has changed since it was read.

    packs: those of the windows' events, as they were read. new_jobs: the notifications of all these windows.
    unreadable: by id, the dead letters of those packs that cannot be read. rows: of the digests, for the history.
    Safe to repeat. Raises BrokerError.
    """
    blobs, now_ms = Blobs(), await clock.now_ms(redis)
    leaving = Leaving.of(closed, packs, unreadable, blobs)
    queued = queued_jobs(new_jobs, blobs, now_ms)
    with translated():
        return bool(
            await _CLOSE_WINDOWS(
                redis,
                history=place_events(rows, blobs),
                rows=len(rows),
                windows=leaving.windows,
                packs=leaving.packs,
                jobs=queued,
                letters=leaving.letters,
                changes=leaving.changes,
                blobs=blobs.all,
            )
        )


class Leaving(NamedTuple):
    """The windows and packs of closed events as the scripts get them: see broker/steps/lua/digests/leaving.lua."""

    windows: list[PlannedWindow]
    packs: list[ReadPack]
    letters: list[PackedLetter]
    changes: dict[str, int]
    """By how much counters change."""

    @classmethod
    def of(
        cls,
        closed: Sequence[ClosedWindow],
        packs: Mapping[bytes, EventPack],
        unreadable: Mapping[bytes, StoredDeadLetter],
        blobs: Blobs,
    ) -> Leaving:
        """Return the arguments for these windows: see `close`."""
        left = Counter(pack_id for each in closed for pack_id, _ in each.window.events[: each.taken])
        return cls(
            [_planned(each, blobs) for each in closed],
            [
                ReadPack(as_text(pack_id), as_text(packs[pack_id].version), count, pack_id in unreadable)
                for pack_id, count in left.items()
            ],
            [dead_letters.packed(letter, blobs.place) for letter in unreadable.values()],
            _changes(closed, len(unreadable)),
        )


def _planned(closed: ClosedWindow, blobs: Blobs) -> PlannedWindow:
    window, rest = closed.window, closed.window.without(closed.taken)
    return PlannedWindow(
        as_text(window.group),
        blobs.place(window.digest),
        blobs.place(window.text),
        blobs.place(rest) if rest else 0,
    )


def _changes(closed: Sequence[ClosedWindow], letters: int) -> dict[str, int]:
    created = forgotten = 0
    for each in closed:
        rest = each.window.channels if each.window.without(each.taken) else 0
        if each.is_forgotten and not rest:
            forgotten += each.window.channels
        else:
            created += each.notifications + rest - each.window.channels
    return {
        "created": created + letters,
        "waiting": created - forgotten,
        "dead": letters + forgotten,
        "forgotten": forgotten,
    }
