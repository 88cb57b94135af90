"""Digests: closes their windows, and makes one notification a channel of the events in each."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from broker import dead_letters
from broker.dead_letters import StoredDeadLetter
from broker.queue.jobs import Notification, NotifyJob
from broker.redis.client import Client
from broker.redis.errors import Full, Unavailable
from broker.redis.outage import Outage, repeat
from broker.steps import digests
from broker.steps.digests import Gathered, UnreadableMemberError
from runtime.fault_log import Faults
from sources.provider import Provider
from worker.intake.history_rows import digest_row
from worker.rules.idempotency import idempotency_key

log = logging.getLogger("hookline.worker")

_CHECK_EVERY_S = 60.0
"""Seconds between two checks, unless a window ends earlier."""

_SOON_S = 0.5
"""Seconds until a check after a commit added events, or after a digest could not be closed."""

_SLACK_S = 0.02
"""Seconds by which a check may be later than the end of a window."""

_MAX_DUE = 100
"""Digests that are closed between two checks."""


def payloads_of(notification: Notification, kind: Provider) -> list[Mapping[str, Any]]:
    """The payload of the notification's event, or those of a digest's events in the order of their times.

    Raises DecodeError.
    """
    body = notification.body.body
    if not notification.digest:
        return [kind.view(body)]
    return [kind.view(member.original) for member in digests.members(body)]


class DigestCloser:
    """Closes the digests whose window has ended. Several workers may do so: only one closes each digest."""

    def __init__(self, redis: Client, on_jobs: Callable[[], None], *, writes_history: bool = False) -> None:
        """on_jobs: called when there are new jobs. writes_history: whether digests get rows for the history."""
        self.writes_history = writes_history
        self._redis = redis
        self._on_jobs = on_jobs
        self._wake = asyncio.Event()
        self._next_check = 0.0
        self._faults = Faults(log, "a digest was not closed", action="digest_failed")

    async def run(self) -> None:
        """Close due digests until cancelled. While Redis is not reachable, it waits."""

        async def step() -> float:
            if time.monotonic() >= self._next_check:
                await self._check()
            return self._next_check - time.monotonic()

        outage = Outage(log, "closing digests", redis=self._redis, is_secondary=True)
        await repeat(step, outage, self._faults, wake=self._wake)

    def check_in(self, seconds: float) -> None:
        """Close due digests in this many seconds, unless that is planned earlier."""
        at = time.monotonic() + seconds
        if at < self._next_check:
            self._next_check = at
            self._wake.set()

    def note_events(self) -> None:
        """Note that a commit added events to digests: one may have a new window, or be full."""
        self.check_in(_SOON_S)

    async def _check(self) -> None:
        self._next_check = time.monotonic() + _CHECK_EVERY_S
        try:
            self.check_in(await self._close_due())
        except BaseException:
            self._next_check = 0.0
            raise

    async def _close_due(self) -> float:
        """Close the digests that are due. Returns the seconds until the next check."""
        due = await digests.due(self._redis, count=_MAX_DUE)
        closed = sum([await self._try_to_close(digest) for digest in due.ids])
        if closed:
            self._on_jobs()
            return 0.0  # a digest with more events than one notification carries has a new window
        if due.ids:
            return _SOON_S
        return _CHECK_EVERY_S if due.next_s is None else max(_SLACK_S, due.next_s)

    async def _try_to_close(self, digest: str) -> bool:
        """Close a digest; an error with it does not keep the others open. Raises Unavailable, Full."""
        try:
            return await self._close(digest)
        except (Unavailable, Full):
            raise
        except Exception as error:  # noqa: BLE001 - logged
            self._faults.note(error)
            return False

    async def _close(self, digest: str) -> bool:
        blobs = await digests.gathered(self._redis, digest)
        if not blobs:  # another worker closed it, or another program wrote this name
            await digests.forget(self._redis, digest)
            return False
        members = _within_limit([_member(blob) for blob in blobs])
        events = [member for member in members if isinstance(member, Gathered)]
        letters = [member for member in members if isinstance(member, StoredDeadLetter)]
        jobs = jobs_of(events)
        closed = await digests.close(
            self._redis,
            digest,
            blobs[: len(members)],
            jobs,
            letters,
            window_ms=events[0].window_ms if events else 0,
            record=digest_row(events, jobs) if events and self.writes_history else None,
        )
        if closed:
            _log(events, letters)
        return closed


def _member(blob: bytes) -> Gathered | StoredDeadLetter:
    """An event of a digest; its dead letter where it cannot be read."""
    try:
        return digests.unpacked(blob)
    except UnreadableMemberError as error:
        return dead_letters.unreadable_member(blob, str(error))


def _within_limit(members: Sequence[Gathered | StoredDeadLetter]) -> Sequence[Gathered | StoredDeadLetter]:
    """The first members, as many as one notification can carry."""
    size = 0
    for place, member in enumerate(members):
        size += len(member.body if isinstance(member, StoredDeadLetter) else member.body.body)
        if size > digests.MAX_BYTES and place:
            return members[:place]
    return members


def _log(events: Sequence[Gathered], letters: Sequence[StoredDeadLetter]) -> None:
    if events:
        fields = {"action": "digest_closed", "rule": events[0].rule, "events": len(events)}
        log.info("a digest of %d events is closed", len(events), extra=fields)
    for stored_letter in letters:
        letter = stored_letter.letter
        log.error("%s", letter.error, extra={"action": "digest_event_dead", "dead_letter": letter.id})


def jobs_of(events: Sequence[Gathered]) -> list[NotifyJob]:
    """The jobs with the notification of a digest of these events, one for each channel; none without events."""
    if not events:
        return []
    first = events[0]
    body = digests.body_of(events)
    return [
        NotifyJob(
            channel,
            1,
            0,
            [Notification(_key(events, channel), first.rule, first.event, body, digest=True)],
        )
        for channel in first.channels
    ]


def _key(events: Sequence[Gathered], channel: str) -> str:
    """The idempotency key, which depends on the set of events alone."""
    # One step removes the events from the list and creates the job with this key. So when a worker dies or loses
    # the answer, either that step is done, or nothing was sent with its key.
    together = hashlib.blake2b("\x1f".join(sorted(event.key for event in events)).encode(), digest_size=16)
    return idempotency_key("digest", together.hexdigest(), channel)
