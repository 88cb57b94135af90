"""The health of a worker process: its loops go on, and Redis takes what they write."""

from __future__ import annotations

import time

from worker.settings import Settings

HEARTBEAT_S = 5.0
"""Longest time between two heartbeats to a partition."""

_MISSED = 3
"""Heartbeats that may fail in a row."""

_LEAST_S = 3.0


def heartbeat_s(settings: Settings) -> float:
    """Return the seconds between two heartbeats."""
    # Other workers count on a heartbeat in every third of a lease (absence.lua). Batches are taken over if a
    # heartbeat reports that some are pending.
    return min(HEARTBEAT_S, settings.lease_s / 3, settings.takeover_s / 6)


def limit_s(settings: Settings) -> float:
    """Return the seconds without a heartbeat after which a worker is not ready."""
    return max(_LEAST_S, _MISSED * heartbeat_s(settings))


class Pulse:
    """When the loops of one partition last went on, by the monotonic clock."""

    def __init__(self) -> None:
        self._intake_s = time.monotonic()
        self._heartbeat_s: float | None = None

    def note_intake(self) -> None:
        """Note that the loop that reads webhooks goes on."""
        self._intake_s = time.monotonic()

    def note_heartbeat(self) -> None:
        """Note that the loop that runs jobs goes on, and that Redis took its heartbeat, which is a write."""
        self._heartbeat_s = time.monotonic()

    def reasons(self, settings: Settings) -> list[str]:
        """Return why nothing can be expected of the partition's loops; empty if they go on."""
        now_s = time.monotonic()
        if self._heartbeat_s is None:
            return ["Redis has not taken a heartbeat yet"]
        silent_s = now_s - self._heartbeat_s
        if silent_s > limit_s(settings):
            return [f"Redis has taken no heartbeat for {silent_s:.0f} s"]
        idle_s = now_s - self._intake_s
        if idle_s > settings.stall_s:
            return [f"the loop that reads webhooks has stood still for {idle_s:.0f} s"]
        return []


class Health:
    """The state of one process, from its start until it ends. A worker that stands by reads no partition."""

    def __init__(self, settings: Settings) -> None:
        self.is_stopping = False
        self._settings = settings
        self._pulses: dict[int, Pulse] = {}
        self._registered_s: float | None = None

    def note_registered(self) -> None:
        """Note that Redis took the registration of this worker, which is a write."""
        self._registered_s = time.monotonic()

    def open(self, partition: int) -> Pulse:
        """Return the pulse of a partition that is read from now on."""
        pulse = self._pulses[partition] = Pulse()
        return pulse

    def close(self, partition: int) -> None:
        """Note that a partition is read no longer, or that it is left. May be repeated."""
        self._pulses.pop(partition, None)

    def reasons(self) -> list[str]:
        """Return why the process does not work as it should; empty if it does."""
        if self.is_stopping:
            return ["the worker is shutting down"]
        if not self._pulses:
            return self._unregistered()
        return [
            reason if len(self._pulses) == 1 else f"partition {number}: {reason}"
            for number, pulse in sorted(self._pulses.items())
            for reason in pulse.reasons(self._settings)
        ]

    def _unregistered(self) -> list[str]:
        """Return why a worker that reads no partition could not help others; empty if it stands by."""
        if self._registered_s is None:
            return ["it reads nothing yet: it waits for Redis"]
        silent_s = time.monotonic() - self._registered_s
        return (
            [f"Redis has taken no registration for {silent_s:.0f} s"] if silent_s > limit_s(self._settings) else []
        )
