"""Moves windows of digests: out in one step, and in, a few events at a time, each of them once.

A window arrives closed to further events: those open another one in the new home.
"""

from __future__ import annotations

from collections.abc import Sequence

from broker.dead_letters.packing import ADDING
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import COUNTERS, FULL, Blobs, Script
from broker.repartition import out
from broker.repartition.plan import Plan
from broker.repartition.state import MOVING, checked
from broker.steps import old_digests
from broker.steps.digest_packs import CLOSING, packed_alone, packs_of, unpacked_alone
from broker.steps.digest_windows import LEAVING, ClosedWindow, Leaving, Window
from broker.steps.window_reader import WindowReader, read_windows

_KIND = "digest:"
_EVENTS = 20
"""Events that are added in one step: their bodies may be large."""

_CHUNK = 200

_TAKE_WINDOW = Script(
    "repartition/take_window",
    parts=(FULL, COUNTERS, MOVING, ADDING, LEAVING),
    keys=("repartition_out", "repartition_digest:name"),
    args=(
        "layout",
        "name",
        "windows: packed",
        "packs: packed",
        "events: packed",
        "letters: packed",
        "changes: packed",
    ),
    rest="blobs",
)
_ADD_WINDOW = Script(
    "repartition/add_window",
    parts=(FULL, MOVING, CLOSING),
    keys=("digests_ends", "repartition_in"),
    args=(
        "layout",
        "name",
        "group",
        "digest",
        "before: number",
        "events: number",
        "is_last: number",
        "ends_ms",
        "channels: number",
        "packs: packed",
    ),
    rest="blobs",
)


async def to_move(plan: Plan, source: Client) -> list[Window]:
    """Return the windows whose home is another partition. Raises BrokerError."""
    return [
        window
        for window in await read_windows(source)
        if plan.new.number_for(window.digest.hex()) != source.partition
    ]


async def move(plan: Plan, source: Client) -> None:
    """Move all windows whose home is another partition. Safe to repeat. Raises BrokerError, NotMovingError."""

    await deliver(plan, source)  # what an interrupted run has left
    await old_digests.take_in_all(source)
    # A window with more events than one notification carries moves in several parts.
    while windows := await to_move(plan, source):
        for start in range(0, len(windows), _CHUNK):
            reader = WindowReader(source)
            for window in windows[start : start + _CHUNK]:
                await _take(plan, source, window, reader)
            await deliver(plan, source)


async def _take(plan: Plan, source: Client, window: Window, reader: WindowReader) -> None:
    reader.begin_step()
    contents, blobs = await reader.contents(window), Blobs()
    closed = ClosedWindow(window, contents.taken, 0, is_forgotten=contents.is_forgotten)
    leaving = Leaving.of([closed], reader.used, reader.unreadable, blobs)
    with translated():
        reply = await _TAKE_WINDOW(
            source,
            layout=plan.layout_of(source),
            name=_name_of(window),
            windows=leaving.windows,
            packs=leaving.packs,
            events=[blobs.place(packed_alone(event)) for event in contents.events],
            letters=leaving.letters,
            changes=leaving.changes,
            blobs=blobs.all,
        )
    if not checked(reply):
        reader.begin_step(forget=True)


def _name_of(window: Window) -> str:
    """Return a name that no other window has: a digest may have several."""
    pack, place = window.events[0] if window.events else (b"", 0)
    return f"{window.digest.hex()}.{pack.decode('utf-8', 'backslashreplace')}.{place + 1}"


async def deliver(plan: Plan, source: Client) -> None:
    """Add the windows that have left the partition to their new homes. Raises BrokerError, NotMovingError."""

    async for rows in out.read(source, _KIND, count=_CHUNK):
        for row in rows:
            await _add(plan, source, row.id, row.fields)
        await plan.confirm()
        await out.forget(source, _KIND, rows, also=[source.names.repartition_digest + row.id for row in rows])
        plan.report("digests", len(rows))


async def _add(plan: Plan, source: Client, name: str, fields: Sequence[bytes]) -> None:
    ends_ms, channels = fields
    digest, _, group = name.partition(".")
    target = plan.new[plan.new.number_for(digest)]
    waiting = source.names.repartition_digest + name
    with translated():
        size = await source.llen(waiting)  # type: ignore[misc]
        for start in range(0, size, _EVENTS):
            events = await source.lrange(waiting, start, start + _EVENTS - 1)  # type: ignore[misc]
            blobs = Blobs()
            reply = await _ADD_WINDOW(
                target,
                layout=plan.layout,
                name=name,
                group=group or name,
                digest=old_digests.id_of(digest),
                before=start,
                events=len(events),
                is_last=int(start + _EVENTS >= size),
                ends_ms=ends_ms,
                channels=channels,
                packs=packs_of(map(unpacked_alone, events), blobs),
                blobs=blobs.all,
            )
            checked(reply)
