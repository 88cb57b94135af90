"""Items: the bodies of events in a body that holds several, and their places. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import structs

from broker.queue.batch import RawBody
from sources.errors import DecodeError
from sources.provider import Provider
from worker.worker_source import WorkerSource

MAX_ITEMS = 10_000
"""Events in one body; a body with more becomes a dead letter."""

# Larger than any place in a received batch. So places of items are never those of bodies, and are the same
# whenever the batch is read again: with them, markers in other partitions name the events that were processed.
_PLACES_OF_ITEM = 1 << 20

Placed = tuple[int, RawBody]
"""A body, and its place in the batch that it was received in."""


def expanded(placed: Sequence[Placed], sources: Mapping[str, WorkerSource]) -> list[Placed]:
    """Replace each body that holds several events by a body for each of them.

    A body that cannot be split stays as it is, and `decode_event` finds the error.
    """
    items: list[Placed] = []
    for place, body in placed:
        source = sources.get(body.source)
        try:
            bodies = _items_of(source.kind, body.body) if source else (body.body,)
        except Exception:  # noqa: BLE001 - decoding the body meets it again, and makes it a dead letter
            bodies = (body.body,)
        if len(bodies) == 1:
            items.append((place, structs.replace(body, body=bodies[0])))
            continue
        for number, item in enumerate(bodies, start=1):
            items.append((place + number * _PLACES_OF_ITEM, structs.replace(body, body=item)))
    return items


def check_single(kind: Provider, body: bytes) -> None:
    """Raises DecodeError unless a body is one event, and not a list of events."""
    if list(_items_of(kind, body)) != [body]:
        raise DecodeError("a list of events, of which each is an event of its own")


def _items_of(kind: Provider, body: bytes) -> Sequence[bytes]:
    """The bodies of the events in a body. Raises DecodeError."""
    if kind.split is None:
        return (body,)
    items = kind.split(body)
    if not items:
        raise DecodeError("a list without events")
    if len(items) > MAX_ITEMS:
        raise DecodeError(f"a list of {len(items)} events: at most {MAX_ITEMS} are accepted in one body")
    if len(items) > 1 or items[0] != body:
        # An item that could be split again would get another place when it is read again.
        for number, item in enumerate(items):
            if list(kind.split(item)) != [item]:
                raise DecodeError("a list of events inside a list of events", path=f"$[{number}]")
    return items
