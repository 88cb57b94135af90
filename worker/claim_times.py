"""When a worker looks for due jobs: as seldom as it can, and without delay."""

from __future__ import annotations

import asyncio
import time

POLL_S = 0.1
"""Seconds between two claims while jobs run, since then nothing reports the jobs of other processes."""

_LONGEST_WAIT_S = 60.0
"""Seconds between two claims of an idle worker. Heartbeats report what is due earlier."""


class ClaimTimes:
    """The times of the next claims, of the monotonic clock."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        """Set when the loop that claims has to look at the times again."""

        self._next = 0.0
        self._next_poll = 0.0
        self._sleeps_until = 0.0

    def claim_now(self) -> None:
        """Claim as soon as possible."""
        self._next = 0.0
        self.wake.set()

    def begin_claim(self) -> None:
        """Note that a claim begins. What is called meanwhile plans another one."""
        now = time.monotonic()
        self._next_poll = now + POLL_S
        self._next = now + _LONGEST_WAIT_S

    def claim_in(self, seconds: float | None) -> None:
        """Claim in this many seconds, unless that is planned earlier; None: no job is known."""
        if seconds is None:
            return
        self._next = min(self._next, time.monotonic() + seconds)
        self._wake_before(self._next)

    def note_start(self) -> None:
        """Note that jobs start, so that others are looked for while they run."""
        self._wake_before(time.monotonic() + POLL_S)

    def is_due(self, *, jobs_run: bool) -> bool:
        """Return whether to claim now."""
        return time.monotonic() >= self._next_look(jobs_run)

    def pause_s(self, *, jobs_run: bool, at_most_until: float) -> float:
        """Seconds until the next claim, or until another time."""
        self._sleeps_until = min(self._next_look(jobs_run), at_most_until)
        return max(0.0, self._sleeps_until - time.monotonic())

    def _next_look(self, jobs_run: bool) -> float:
        return min(self._next, self._next_poll) if jobs_run else self._next

    def _wake_before(self, moment: float) -> None:
        if moment < self._sleeps_until:
            self.wake.set()
