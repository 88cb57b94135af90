"""Removes a person's data from bodies that wait for another partition. All functions raise BrokerError."""

from __future__ import annotations

from collections.abc import AsyncIterator

from msgspec import structs

from broker.erasure import scripts
from broker.erasure.queued_work import Eraser, ErasureResult, unpacked
from broker.queue import held_bodies
from broker.queue.batch import UnreadableBatchError
from broker.redis.client import Client
from broker.redis.errors import translated

_PAGE = 50


async def held(redis: Client, eraser: Eraser) -> AsyncIterator[ErasureResult]:
    """Remove the person from held bodies. Yields a result for each batch of them that contains the person.

    A batch that returns to the stream meanwhile is `busy`.
    """
    for home in range(redis.partitions):
        key = f"{redis.names.held_bodies}{home}"
        # From the end: batches leave at the beginning and come at the end, so none is missed meanwhile.
        last = -1
        while True:
            with translated():
                elements: list[bytes] = await redis.lrange(key, last - _PAGE + 1, last)  # type: ignore[misc]
            for element in reversed(elements):
                result, is_gone = await _of_element(redis, home, element, eraser)
                last += is_gone
                if result:
                    yield result
            if len(elements) < _PAGE:
                break
            last -= _PAGE


async def _of_element(
    redis: Client, home: int, element: bytes, eraser: Eraser
) -> tuple[ErasureResult | None, bool]:
    """Return the result, and whether the element was removed from the list."""
    name = f"held for partition {home}"
    try:
        before = held_bodies.unpacked(element, home)
    except UnreadableBatchError:
        is_in = eraser.is_in(element) or eraser.is_in(unpacked(element.partition(b"\n")[2]))
        return (ErasureResult("unreadable", name) if is_in else None), False
    left = [(eraser.body(body), place) for body, place in zip(before.bodies, before.places, strict=True)]
    stay = [(body, place) for body, place in left if body is not None]
    if [body for body, _ in stay] == list(before.bodies):
        return None, False
    gone = len(left) - len(stay)
    after = structs.replace(before, bodies=[body for body, _ in stay], places=[place for _, place in stay])
    with translated():
        is_done = await scripts.FORGET_HELD_BODIES(
            redis,
            home=str(home),
            leaving=gone,
            before=element,
            after=held_bodies.packed(after) if stay else b"",
        )
    if not is_done:
        return ErasureResult("busy", name), False
    redacted = sum(body != old for (body, _), old in zip(left, before.bodies, strict=True) if body is not None)
    return ErasureResult("removed", name, gone, redacted), not stay
