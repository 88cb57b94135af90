"""The channels for the jobs of one partition: which may send now, and what the sends show about them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from itertools import takewhile

from broker.queue.channel_state import MOST_OF_OTHERS, CircuitState, release_held_jobs
from broker.queue.claims import counted_size
from broker.queue.jobs import MAX_NOTIFICATIONS
from broker.redis.client import Client
from broker.redis.outage import Outage, repeat
from broker.steps.settle import ChannelFeedback
from runtime.fault_log import Faults
from worker.delivery.capacity.process_channels import SLOW_S, ProcessChannel, ProcessChannels
from worker.delivery.failures.failure_cause import failure_cause
from worker.outcome import Dead, Outcome, Retry, Sent

log = logging.getLogger("hookline.worker")

_REFRESH_EVERY_S = 0.5
"""Seconds between two refreshes while a channel is paused, has failures or has held jobs."""

# Claims and heartbeats report the first such channel.
_REFRESH_RARELY_S = 60.0
"""Seconds between two refreshes while there is no such channel."""

# Held jobs are released a few at a time, since all of them together would go before the jobs of other channels.
_REFRESH_AGAIN_S = 0.05
"""Seconds between two refreshes while jobs of a healthy channel are still held, and this process has room."""


class ChannelRuntime:
    """A channel as the jobs of one partition use it in this process."""

    def __init__(self, channel: ProcessChannel, on_job_end: Callable[[], None] = lambda: None) -> None:
        """on_job_end: called when a job has ended, so that there is room for another."""
        self.name = channel.name
        self._on_job_end = on_job_end
        self.channel = channel
        self.state: CircuitState = "closed"
        """The state of the channel's circuit breaker, as far as this process knows; set by the methods alone."""

        self.last_size = MAX_NOTIFICATIONS
        """The notifications of the job that started last."""

        # By job, the oldest first: when it started, of the monotonic clock, and the room that it takes.
        self._jobs: dict[str, tuple[float, int]] = {}
        self._room = 0
        self._last_succeeded = False
        self._succeeded = False
        self._failures = 0
        self._cause = ""

    def set_state(self, state: CircuitState) -> None:
        """Take over the state that Redis has."""
        self.state = state

    def doubt(self) -> None:
        """Ask Redis before the next job starts: the state that this process knows may be old."""
        self._last_succeeded = False

    def start_job(self, job_id: str, *, size: int = MAX_NOTIFICATIONS) -> None:
        """Note that a job of `size` notifications starts."""
        self.last_size = size
        room = counted_size(size)
        self._jobs[job_id] = (time.monotonic(), room)
        self._room += room

    def end_job(self, job_id: str) -> None:
        """Note that a job has ended."""
        _, room = self._jobs.pop(job_id)
        self._room -= room
        self.channel.end_job()
        self._on_job_end()

    def is_healthy(self) -> bool:
        """Return whether a job may start without asking Redis: breaker closed, last send successful."""
        return self.state == "closed" and self._last_succeeded

    def end_send(self, outcome: Outcome | None) -> None:
        """Note that a send has ended; None: by an error that says nothing about the channel."""
        self.channel.end_send()
        match outcome:
            case Sent() | Dead(reason="permanent"):  # the receiver is reachable, and answers
                self._succeeded, self._last_succeeded, self._failures = True, True, 0
            case Retry() | Dead(reason="misconfigured"):
                self._last_succeeded = False
                self._failures += 1
                self._cause = failure_cause(outcome)

    def is_failing(self) -> bool:
        """Return whether enough sends failed to open the breaker, and that is not recorded yet."""
        return self.state == "closed" and self._failures >= self.channel.breaker.failures

    def jobs(self) -> int:
        """The room that the jobs take which this process sends through the channel: see JobRoom."""
        return self._room

    def slow_jobs(self) -> int:
        """The room that slow jobs take: all jobs of a channel that may hang, else those that started long ago."""
        if not self._jobs or self.channel.may_hang():
            return self._room
        since = time.monotonic() - SLOW_S
        return sum(room for _, room in takewhile(lambda job: job[0] < since, self._jobs.values()))

    def feedback(self) -> ChannelFeedback | None:
        """The successes and failures since the last call, for the breaker in Redis; None where there are none."""
        if not (self._succeeded or self._failures):
            return None
        breaker = self.channel.breaker
        feedback = ChannelFeedback(
            channel=self.name,
            open_after=breaker.failures,
            wait_ms=int(breaker.wait_s * 1000),
            max_wait_ms=int(breaker.max_wait_s * 1000),
            succeeded=self._succeeded,
            failures=self._failures,
            cause=self._cause if self._failures else "",
        )
        self._succeeded, self._failures = False, 0
        return feedback


class ChannelRuntimes:
    """All channels as the jobs of one partition use them in this process."""

    def __init__(self, redis: Client, channels: ProcessChannels) -> None:
        self._redis = redis
        self._channels = channels
        self._runtimes: dict[str, ChannelRuntime] = {}
        self._refresh_every_s = _REFRESH_EVERY_S
        self._have_state = True  # whether a channel is paused, has failures or has held jobs
        self._refresh_now = asyncio.Event()
        self._held: list[str] = []  # the healthy channels of which jobs are held
        self._next_refresh = 0.0  # of the monotonic clock

    def of(self, name: str) -> ChannelRuntime:
        """The runtime of a channel."""
        runtime = self._runtimes.get(name)
        if runtime is None:
            runtime = self._runtimes[name] = ChannelRuntime(
                self._channels.of(name), partial(self._note_room, name)
            )
        return runtime

    def all(self) -> list[ChannelRuntime]:
        """The runtimes of the channels that had a job."""
        return list(self._runtimes.values())

    def slow_jobs(self) -> list[tuple[str, int]]:
        """The channels with slow jobs, each with the room that these take."""
        slow = ((name, runtime.slow_jobs()) for name, runtime in self._runtimes.items())
        return [(name, room) for name, room in slow if room]

    def note_states(self, channels: int) -> None:
        """Note how many channels are paused, have failures or have held jobs, as Redis has just reported."""
        if channels and not self._have_state:
            self._have_state = True
            for runtime in self._runtimes.values():
                runtime.doubt()
            self._refresh_now.set()

    async def run(self, on_jobs: Callable[[], None], room_for: Callable[[str], int]) -> None:
        """Refresh the channels' states from Redis until cancelled. While Redis is not reachable, it waits.

        on_jobs: called when held jobs may have been released. room_for: how many more jobs of a channel may start.
        """
        faults = Faults(log, "the state of channels was not read", action="channels_unread")

        async def step() -> float:
            await asyncio.sleep(max(0.0, self._next_refresh - time.monotonic()))
            await self._refresh(room_for)
            self._next_refresh = time.monotonic() + _REFRESH_AGAIN_S
            if self._have_state:
                on_jobs()
            return self._refresh_every_s

        outage = Outage(log, "watching channels and releasing held jobs", redis=self._redis, is_secondary=True)
        await repeat(step, outage, faults, wake=self._refresh_now)

    def _note_room(self, name: str) -> None:
        if name in self._held:
            self._refresh_now.set()

    async def _refresh(self, room_for: Callable[[str], int]) -> None:
        most = {name: room_for(name) for name in self._channels.names()}
        read = await release_held_jobs(self._redis, most)
        self._held = [
            channel.name for channel in read.channels if channel.held and channel.state(read.at_ms) == "closed"
        ]
        self._have_state = bool(read.channels)
        has_room = any(most.get(name, MOST_OF_OTHERS) for name in self._held)
        self._refresh_every_s = _REFRESH_AGAIN_S if has_room else _REFRESH_EVERY_S
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
