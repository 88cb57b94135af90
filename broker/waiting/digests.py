"""The digests that wait: those of the windows that end together."""

from __future__ import annotations

from broker.queue.jobs import Notification
from broker.redis.client import Client
from broker.steps import digest_windows
from broker.steps.digest_windows import EventPack, Window
from broker.waiting.notification import Position, WaitingNotification
from broker.waiting.waiting_lists import Entry


async def of_group(redis: Client, entry: Entry) -> list[WaitingNotification]:
    """Return the digests of a group of windows, ordered by their numbers. Raises BrokerError."""
    group = entry.id.encode()
    windows = sorted(await digest_windows.read_group(redis, group), key=lambda window: _number(window, group))
    first = list(dict.fromkeys(window.events[0][0] for window in windows if window.events))
    packs = await digest_windows.read_packs(redis, first) if first else {}
    return [
        _digest(window, packs, Position(entry.due_ms, entry.id, redis.partition, _number(window, group)))
        for window in windows
        if window.events
    ]


def _number(window: Window, group: bytes) -> int:
    """The place of the first event in its pack: other windows of the group begin with other events of it."""
    pack, place = window.events[0] if window.events else (b"", 0)
    return place if pack == group else 0


def _digest(window: Window, packs: dict[bytes, EventPack], position: Position) -> WaitingNotification:
    pack_id, place = window.events[0]
    events, count = packs[pack_id].events, len(window.events)
    first = events[place] if place < len(events) else None
    if first is None:  # it was forgotten, or cannot be read
        return WaitingNotification(position, "digest", (), 1, 0, None, events=count)
    notification = Notification(first.key, first.rule, first.event, first.body)
    return WaitingNotification(position, "digest", first.channels, 1, 0, notification, events=count)
