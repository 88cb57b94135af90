"""The channels as one worker process uses them: which may send now, and what the sends show of each channel."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from itertools import takewhile

from broker.queue.channel_state import CircuitState, release_held_jobs
from broker.redis.client import Client
from broker.redis.outage import Outage, repeat
from broker.steps.settle import ChannelFeedback
from runtime.fault_log import Faults
from worker.channels.settings import BreakerSettings, CommonSettings
from worker.delivery.rate_limit import Pacer
from worker.delivery.send_pool import SendPool
from worker.outcome import Dead, Outcome, Retry, Sent

log = logging.getLogger("hookline.worker")

_REFRESH_EVERY_S = 0.5
"""Seconds between two refreshes while a channel is paused, has failures or has held jobs."""

# Claims and heartbeats report the first such channel.
_REFRESH_RARELY_S = 60.0
"""Seconds between two refreshes while there is no such channel."""

# Held jobs are released a few at a time, since all of them together would go before the jobs of other channels.
_REFRESH_AGAIN_S = 0.05
"""Seconds between two refreshes while jobs of a healthy channel are still held."""

# Slow jobs do not count against max_jobs, so that the jobs of other channels can run.
_SLOW_S = 0.5
"""A channel is slow when none of its sends has ended for this long, and so is a job that has run for this long."""


class ChannelRuntime:
    """A channel in this process."""

    def __init__(self, name: str, pacer: Pacer) -> None:
        self.name = name
        self.pacer = pacer
        self.rate_per_s = 0.0
        self.pool = SendPool(1)
        """Runs the sends: one at a time until the channel's settings are known."""

        self.state: CircuitState = "closed"
        """The state of the channel's circuit breaker, as far as this process knows; set by the methods alone."""

        self._breaker = BreakerSettings()
        self._job_starts: dict[str, float] = {}  # by job, the oldest first, of the monotonic clock
        self._last_succeeded = False
        self._sends = 0
        self._last_change = 0.0
        self._succeeded = False
        self._failures = 0

    def reload(self, settings: CommonSettings) -> None:
        """Apply the channel's settings. Sends under way end in the pool in which they began."""
        self._breaker, self.rate_per_s = settings.breaker, settings.rate_per_s
        self.pool = SendPool(settings.concurrency)

    def set_state(self, state: CircuitState) -> None:
        """Take over the state that Redis has."""
        self.state = state

    def doubt(self) -> None:
        """Ask Redis before the next job starts: the state that this process knows may be old."""
        self._last_succeeded = False

    def start_job(self, job_id: str, *, is_probe: bool) -> None:
        """Note that a job starts, which Redis has admitted: as a probe where the breaker is half-open."""
        self.state = "half-open" if is_probe else "closed"
        self._job_starts[job_id] = time.monotonic()

    def end_job(self, job_id: str) -> None:
        """Note that a job has ended."""
        del self._job_starts[job_id]

    def is_healthy(self) -> bool:
        """Return whether a job may start without asking Redis: breaker closed, last send successful."""
        return self.state == "closed" and self._last_succeeded

    def start_send(self) -> None:
        """Note that a send begins."""
        if not self._sends:
            self._last_change = time.monotonic()
        self._sends += 1

    def end_send(self, outcome: Outcome | None) -> None:
        """Note that a send has ended; None: by an error that says nothing about the channel."""
        self._sends -= 1
        self._last_change = time.monotonic()
        match outcome:
            case Sent() | Dead(reason="permanent"):  # the receiver is reachable, and answers
                self._succeeded, self._last_succeeded, self._failures = True, True, 0
            case Retry() | Dead(reason="misconfigured"):
                self._last_succeeded = False
                self._failures += 1

    def is_failing(self) -> bool:
        """Return whether enough sends failed to open the breaker, and that is not recorded yet."""
        return self.state == "closed" and self._failures >= self._breaker.failures

    def is_slow(self) -> bool:
        """Return whether sends hang, or wait for the channel's rate."""
        hangs = bool(self._sends) and time.monotonic() - self._last_change > _SLOW_S
        return hangs or self.pacer.waiting > 0

    def jobs(self) -> int:
        """The number of jobs of this channel that this process runs."""
        return len(self._job_starts)

    def slow_jobs(self) -> int:
        """The number of slow jobs: all jobs of a slow channel, else those that started long ago."""
        if self.is_slow():
            return len(self._job_starts)
        since = time.monotonic() - _SLOW_S
        return sum(1 for _ in takewhile(lambda started: started < since, self._job_starts.values()))

    def feedback(self) -> ChannelFeedback | None:
        """The successes and failures since the last call, for the breaker in Redis; None where there are none."""
        if not (self._succeeded or self._failures):
            return None
        breaker = self._breaker
        feedback = ChannelFeedback(
            channel=self.name,
            open_after=breaker.failures,
            wait_ms=int(breaker.wait_s * 1000),
            max_wait_ms=int(breaker.max_wait_s * 1000),
            succeeded=self._succeeded,
            failures=self._failures,
        )
        self._succeeded, self._failures = False, 0
        return feedback


class ChannelRuntimes:
    """All channels of one worker process."""

    def __init__(self, redis: Client, *, max_jobs: int) -> None:
        self._redis = redis
        self._max_jobs = max_jobs
        self._max_slow = max(1, max_jobs // 2)
        self._runtimes: dict[str, ChannelRuntime] = {}
        self._refresh_every_s = _REFRESH_EVERY_S
        self._have_state = True  # whether a channel is paused, has failures or has held jobs
        self._refresh_now = asyncio.Event()

    def reload(self, channels: Mapping[str, CommonSettings]) -> None:
        """Apply the settings of these channels."""
        for name, settings in channels.items():
            self.of(name).reload(settings)

    def of(self, name: str) -> ChannelRuntime:
        """The runtime of a channel."""
        runtime = self._runtimes.get(name)
        if runtime is None:
            runtime = self._runtimes[name] = ChannelRuntime(name, Pacer(self._redis, name))
        return runtime

    def is_full(self, runtime: ChannelRuntime) -> bool:
        """Return whether this process runs as many slow jobs of a channel as it may."""
        return runtime.slow_jobs() >= self._max_slow

    def room(self, running: int) -> int:
        """The number of jobs that may start beside `running` ones: slow ones count only up to a limit."""
        slow = sum(runtime.slow_jobs() for runtime in self._runtimes.values() if runtime.jobs())
        return min(self._max_jobs - running + slow, 2 * self._max_jobs - running)

    def note_states(self, channels: int) -> None:
        """Note how many channels are paused, have failures or have held jobs, as Redis has just reported."""
        if channels and not self._have_state:
            self._have_state = True
            for runtime in self._runtimes.values():
                runtime.doubt()
            self._refresh_now.set()

    async def run(self, on_jobs: Callable[[], None]) -> None:
        """Refresh the channels' states from Redis until cancelled. While Redis is not reachable, it waits.

        on_jobs: called when held jobs may have been released.
        """
        faults = Faults(log, "the state of channels was not read", action="channels_unread")

        async def step() -> float:
            await self._refresh()
            if self._have_state:
                on_jobs()
            return self._refresh_every_s

        outage = Outage(log, "watching channels and releasing held jobs", is_secondary=True)
        await repeat(step, outage, faults, wake=self._refresh_now)

    async def _refresh(self) -> None:
        most = {name: max(0, self._max_slow - runtime.jobs()) for name, runtime in self._runtimes.items()}
        read = await release_held_jobs(self._redis, most)
        more = any(channel.held and channel.state(read.at_ms) == "closed" for channel in read.channels)
        self._have_state = bool(read.channels)
        self._refresh_every_s = _REFRESH_AGAIN_S if more else _REFRESH_EVERY_S
        if not self._have_state:
            self._refresh_every_s = _REFRESH_RARELY_S
        channels = {channel.name: channel for channel in read.channels}
        for name, runtime in self._runtimes.items():
            state = channels[name].state(read.at_ms) if name in channels else "closed"
            if state != runtime.state:
                log.warning(
                    "channel %s is %s",
                    name,
                    state,
                    extra={"action": "channel_state", "channel": name, "state": state},
                )
                runtime.set_state(state)
