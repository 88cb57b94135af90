"""Closes the windows of digests that have ended: their events become notifications, in jobs of up to 64."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence

from broker.history.records import EventRow
from broker.redis.client import Client
from broker.redis.errors import Full, Unavailable
from broker.redis.outage import Outage, repeat
from broker.steps import digest_windows, old_digests
from broker.steps.digest_windows import ClosedWindow, Window
from broker.steps.window_reader import WindowReader
from runtime.fault_log import Faults
from worker.intake.digests import notifications_of
from worker.intake.history_rows import digest_row
from worker.intake.plan import Jobs

log = logging.getLogger("hookline.worker")

_CHECK_EVERY_S = 60.0
"""Seconds between two checks, unless a window ends earlier."""

_SOON_S = 0.5
"""Seconds until a check after a commit added events, or if other workers close all windows that have ended."""

_SLACK_S = 0.02
"""Seconds by which a check may be later than the end of a window."""

_LEASE_MS = 5000
"""For how many ms other workers leave the windows of a claim to this one. Closing them takes much less."""

_MOST_CLAIMED = 256
"""Windows of one claim, or a few more: enough to make the round trip cheap, few enough to share with others."""

_MOST_WINDOWS = 64
_MOST_EVENTS = 1000
"""The limits of a step, so that it occupies Redis, and its notifications this process, for a few ms only."""

_MOST_OLD = 100
"""Windows of an older version that are taken in between two checks."""


class DigestCloser:
    """Closes windows for one worker process in one partition. Several workers share the windows out by claims."""

    def __init__(
        self, redis: Client, owner: str, on_jobs: Callable[[], None], *, writes_history: bool = False
    ) -> None:
        """on_jobs: called when there are new jobs. writes_history: whether digests get rows for the history."""
        self.writes_history = writes_history
        self._redis = redis
        self._owner = owner
        self._on_jobs = on_jobs
        self._wake = asyncio.Event()
        self._next_check = 0.0
        self._faults = Faults(log, "a digest was not closed", action="digest_failed")

    async def run(self) -> None:
        """Close due windows until cancelled. While Redis is not reachable, it waits."""

        async def step() -> float:
            if time.monotonic() >= self._next_check:
                await self._check()
            return self._next_check - time.monotonic()

        outage = Outage(log, "closing digests", redis=self._redis, is_secondary=True)
        await repeat(step, outage, self._faults, wake=self._wake)

    def check_in(self, seconds: float) -> None:
        """Close due windows in this many seconds, unless that is planned earlier."""
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
            self.check_in(await self.close_due())
        except BaseException:
            self._next_check = 0.0
            raise

    async def close_due(self) -> float:
        """Close windows that are due. Returns the seconds until the next check. Raises BrokerError."""
        claim = await digest_windows.claim(self._redis, self._owner, most=_MOST_CLAIMED, lease_ms=_LEASE_MS)
        if claim.has_old:
            await old_digests.take_in(self._redis, count=_MOST_OLD)
        reader, closed = WindowReader(self._redis), 0
        for windows in _steps_of(claim.windows):
            closed += await self._close(windows, reader)
        if closed or claim.has_old:
            return 0.0  # there may be more
        if claim.next_s is None:
            return _CHECK_EVERY_S
        return max(_SLACK_S, claim.next_s) if claim.next_s else _SOON_S

    async def _close(self, windows: Sequence[Window], reader: WindowReader) -> bool:
        """Close windows in one step. An error with one does not keep the others open. Raises Unavailable, Full."""
        reader.begin_step()
        step = _Step(reader, writes_history=self.writes_history)
        for window in windows:
            try:
                await step.add(window)
            except (Unavailable, Full):
                raise
            except Exception as error:  # noqa: BLE001 - logged
                self._faults.note(error)
        if not step.closed or not await step.run(self._redis):
            reader.begin_step(forget=True)
            return False
        self._on_jobs()
        step.log()
        return True


def _steps_of(windows: Sequence[Window]) -> Iterator[list[Window]]:
    """Yield the windows of each step."""
    some: list[Window] = []
    events = 0
    for window in windows:
        size = len(window.events)
        if some and (len(some) >= _MOST_WINDOWS or events + size > _MOST_EVENTS):
            yield some
            some, events = [], 0
        some.append(window)
        events += size
    if some:
        yield some


class _Step:
    """The windows that are closed in one step."""

    def __init__(self, reader: WindowReader, *, writes_history: bool) -> None:
        self.closed: list[ClosedWindow] = []
        self._reader = reader
        self._writes_history = writes_history
        self._jobs = Jobs()
        self._rows: list[EventRow] = []
        self._events = 0

    async def add(self, window: Window) -> None:
        """Add a window with its notifications. Raises BrokerError."""
        contents = await self._reader.contents(window)
        notifications = notifications_of(contents.events)
        row = digest_row(contents.events, notifications) if notifications and self._writes_history else None
        closed = ClosedWindow(window, contents.taken, len(notifications), is_forgotten=contents.is_forgotten)
        for channel, notification in notifications:
            self._jobs.add(channel, notification)
        if row is not None:
            self._rows.append(row)
        self.closed.append(closed)
        self._events += len(contents.events)

    async def run(self, redis: Client) -> bool:
        """Close the windows. False if one has changed, and nothing is done. Raises BrokerError."""
        reader = self._reader
        return await digest_windows.close(
            redis, self.closed, reader.used, self._jobs.all, reader.unreadable, self._rows
        )

    def log(self) -> None:
        """Log what was closed."""
        made = sum(each.notifications > 0 for each in self.closed)
        fields = {"action": "digests_closed", "digests": made, "events": self._events}
        log.debug("%d digests of %d events are closed", made, self._events, extra=fields)
        for stored_letter in self._reader.unreadable.values():
            letter = stored_letter.letter
            log.error("%s", letter.error, extra={"action": "digest_event_dead", "dead_letter": letter.id})
