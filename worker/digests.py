"""Digests: events on their way into one, and the end of its window, when it becomes a notification a channel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from broker import digests
from broker.batch import RawBody
from broker.client import Client
from broker.digests import Gathered
from broker.errors import BrokerError
from broker.jobs import Notification, NotifyJob
from sources.event import Event
from sources.kind import SourceKind
from worker.idempotency import idempotency_key
from worker.lasting_faults import LastingFaults
from worker.render import Renderer
from worker.rules import Rule, seconds

log = logging.getLogger("hookline.worker")

_LOOK_EVERY_S = 0.5
_AT_A_TIME = 100


def gathered_of(
    renderer: Renderer, rule: Rule, seen: Mapping[str, Any], body: RawBody, event: Event
) -> tuple[str, Gathered]:
    """The digest that an event belongs to by a rule, and what it adds to it. Raises RenderError."""
    assert rule.digest is not None
    gathered = Gathered(
        key=idempotency_key(body.source, event.identity, rule.name),
        rule=rule.name,
        channels=rule.channels(),
        window_ms=int(seconds(rule.digest.window) * 1000),
        event=event.name,
        occurred_at_ms=event.occurred_at_ms,
        body=body,
    )
    return digests.digest_id(body.source, rule.name, renderer.digest_key(rule.name, seen)), gathered


def payloads_of(notification: Notification, kind: SourceKind) -> list[Mapping[str, Any]]:
    """The payload of its event, or those of a digest's events in the order of their own times.

    Raises DecodeError.
    """
    body = notification.body.body
    if not notification.digest:
        return [kind.view(body)]
    return [kind.view(bytes(member.body)) for member in digests.members(body)]


class Digests:
    """Looks for windows that have ended; one a worker process. That many look does no harm: one closes each."""

    def __init__(self, redis: Client, on_jobs: Callable[[], None]) -> None:
        """on_jobs: called when there are new jobs."""
        self._redis = redis
        self._on_jobs = on_jobs

    async def run(self) -> None:
        """Close what is due, until cancelled. Redis being away only makes it wait."""
        faults = LastingFaults("digests are not closed")
        while True:
            try:
                closed = await self._close_due()
            except BrokerError as error:
                faults.note(error)
                closed = 0  # intake and the queue tell of what passes
            if closed:
                self._on_jobs()
            if closed < _AT_A_TIME:
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _close_due(self) -> int:
        due = await digests.due(self._redis, count=_AT_A_TIME)
        return sum([await self._close(digest) for digest in due])

    async def _close(self, digest: str) -> bool:
        blobs = await digests.gathered(self._redis, digest)
        if not blobs:
            return False  # another worker closed it
        events = _fitting([digests.unpacked(blob) for blob in blobs])
        first = events[0]
        closed = await digests.close(
            self._redis, digest, blobs[: len(events)], jobs_of(events), window_ms=first.window_ms
        )
        if closed:
            fields = {"action": "digest_closed", "rule": first.rule, "events": len(events)}
            log.info("a digest of %d events", len(events), extra=fields)
        return closed


def _fitting(events: Sequence[Gathered]) -> Sequence[Gathered]:
    size = 0
    for place, event in enumerate(events):
        size += len(event.body.body)
        if size > digests.MAX_BYTES and place:
            return events[:place]
    return events


def jobs_of(events: Sequence[Gathered]) -> list[NotifyJob]:
    """The notification of a digest of these events, one job a channel."""
    first = events[0]
    body = digests.body_of(events)
    return [
        NotifyJob(
            channel,
            1,
            0,
            [Notification(_key(first, channel), first.rule, first.event, body, digest=True)],
        )
        for channel in first.channels
    ]


def _key(first: Gathered, channel: str) -> str:
    """The same however often the window is closed, as its first event stays the same."""
    return idempotency_key("digest", first.key, channel)
