"""Digests: the notification of the events in a window, and the payloads in it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from broker.queue.jobs import Notification
from broker.steps import digests
from broker.steps.digests import Gathered
from sources.provider import Provider
from worker.rules.idempotency import idempotency_key


def payloads_of(notification: Notification, kind: Provider) -> list[Mapping[str, Any]]:
    """The payload of the notification's event, or those of a digest's events in the order of their times.

    Raises DecodeError.
    """
    body = notification.body.body
    if not notification.digest:
        return [kind.view(body)]
    return [kind.view(member.original) for member in digests.members(body)]


def notifications_of(events: Sequence[Gathered]) -> list[tuple[str, Notification]]:
    """The notifications of a digest, one for each channel, which is beside it; none without events."""
    if not events:
        return []
    first, body, keys = events[0], digests.body_of(events), _keys(events)
    return [
        (
            channel,
            Notification(idempotency_key("digest", keys, channel), first.rule, first.event, body, digest=True),
        )
        for channel in first.channels
    ]


def _keys(events: Sequence[Gathered]) -> str:
    """A hash of the keys of the events, so that the key of the digest depends on the set of events alone."""
    # One step removes the events from their window and creates the job with this key. So when a worker dies or
    # loses the answer, either that step is done, or nothing was sent with its key.
    together = "\x1f".join(sorted(event.key for event in events))
    return hashlib.blake2b(together.encode(), digest_size=16).hexdigest()
