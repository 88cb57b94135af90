"""The channels as one worker process uses them: who may send now, and what the sends tell of each channel."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from itertools import takewhile

from broker.queue.channel_state import CircuitState, release_held_jobs
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from broker.steps.settle import ChannelFeedback
from runtime.fault_log import Faults
from worker.channels.settings import BreakerSettings, CommonSettings
from worker.delivery.rate_limit import Pacer
from worker.delivery.send_pool import SendPool
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.permanent_errors import LastingFaults

log = logging.getLogger("hookline.worker")

_LOOK_EVERY_S = 0.5
_LOOK_AGAIN_S = 0.05
"""The same while jobs of a channel that is well are held: they come back few at a time, since all at once would
stand before everybody else's jobs."""

_SLOW_S = 0.5
"""A channel of which no send has ended for so long is slow, and so is a job that has run for so long: such jobs
leave room for those of others."""


class ChannelRuntime:
    """One channel."""

    def __init__(self, name: str, pacer: Pacer) -> None:
        self.name = name
        self.state: CircuitState = "closed"
        self.begun: dict[str, float] = {}
        """Jobs that this process runs, the oldest first: when each began, by the monotonic clock."""

        self.pacer = pacer
        self.rate_per_s = 0.0
        self.pool = SendPool(1)
        """Makes the sends: one at a time until the channel's settings are known."""

        self.breaker = BreakerSettings()
        self._went_well = False
        self._under_way = 0
        self._moved = 0.0
        self._succeeded = False
        self._failures = 0

    def is_clear(self) -> bool:
        """Whether a job may go without asking: the channel took all half a second ago, and went well since."""
        return self.state == "closed" and self._went_well

    def begin(self) -> None:
        """A send begins."""
        if not self._under_way:
            self._moved = time.monotonic()
        self._under_way += 1

    def end(self, outcome: Outcome | None) -> None:
        """A send has ended; None: by a fault that says nothing of the channel."""
        self._under_way -= 1
        self._moved = time.monotonic()
        match outcome:
            case Sent() | Dead(reason="permanent"):  # the other side is there, and answers
                self._succeeded, self._went_well, self._failures = True, True, 0
            case Retry() | Dead(reason="misconfigured"):
                self._went_well = False
                self._failures += 1

    def is_failing(self) -> bool:
        """Whether enough sends failed to open the breaker, and it is not told yet."""
        return self.state == "closed" and self._failures >= self.breaker.failures

    def is_slow(self) -> bool:
        """Whether sends hang, or wait for the channel's rate."""
        hangs = bool(self._under_way) and time.monotonic() - self._moved > _SLOW_S
        return hangs or self.pacer.waiting > 0

    def slow_jobs(self) -> int:
        """How many jobs take long: all of a slow channel, else those that wait for one of its sends."""
        if self.is_slow():
            return len(self.begun)
        since = time.monotonic() - _SLOW_S
        return sum(1 for _ in takewhile(lambda began: began < since, self.begun.values()))

    def feedback(self) -> ChannelFeedback | None:
        """What the sends told since the last call."""
        if not (self._succeeded or self._failures):
            return None
        breaker = self.breaker
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
    """All of them; one a worker process."""

    def __init__(self, redis: Client, *, max_jobs: int) -> None:
        self._redis = redis
        self._max_jobs = max_jobs
        self._most_slow = max(1, max_jobs // 2)
        self._runtimes: dict[str, ChannelRuntime] = {}
        self._look_every_s = _LOOK_EVERY_S

    def configure(self, channels: Mapping[str, CommonSettings]) -> None:
        """Take over the settings of the channels."""
        for name, settings in channels.items():
            runtime = self.of(name)
            runtime.breaker, runtime.rate_per_s = settings.breaker, settings.rate_per_s
            runtime.pool = SendPool(settings.concurrency)

    def of(self, name: str) -> ChannelRuntime:
        """A channel's lane."""
        runtime = self._runtimes.get(name)
        if runtime is None:
            runtime = self._runtimes[name] = ChannelRuntime(name, Pacer(self._redis, name))
        return runtime

    def is_full(self, runtime: ChannelRuntime) -> bool:
        """Whether a channel has as many slow jobs here as it may have."""
        return runtime.slow_jobs() >= self._most_slow

    def room(self, running: int) -> int:
        """How many jobs may start beside `running` ones: up to a bound, slow ones take no room."""
        slow = sum(runtime.slow_jobs() for runtime in self._runtimes.values() if runtime.begun)
        return min(self._max_jobs - running + slow, 2 * self._max_jobs - running)

    async def run(self, on_jobs: Callable[[], None]) -> None:
        """Follow what all workers know of the channels, until cancelled. Redis being away only makes it wait.

        on_jobs: called when there may be jobs that were held back.
        """
        lasting = LastingFaults("channels are not watched, so that held jobs stay held")
        faults = Faults(log, "the state of channels was not read", action="channels_unread")
        while True:
            try:
                await self._look()
            except BrokerError as error:
                lasting.note(error)  # the queue tells of what passes
            except Exception as error:  # noqa: BLE001 - logged
                faults.note(error)
            else:
                on_jobs()
            await asyncio.sleep(self._look_every_s)

    async def _look(self) -> None:
        most = {name: max(0, self._most_slow - len(runtime.begun)) for name, runtime in self._runtimes.items()}
        look = await release_held_jobs(self._redis, most)
        more = any(channel.held and channel.state(look.at_ms) == "closed" for channel in look.channels)
        self._look_every_s = _LOOK_AGAIN_S if more else _LOOK_EVERY_S
        known = {channel.name: channel for channel in look.channels}
        for name, runtime in self._runtimes.items():
            state = known[name].state(look.at_ms) if name in known else "closed"
            if state != runtime.state:
                log.warning(
                    "channel %s is %s",
                    name,
                    state,
                    extra={"action": "channel_state", "channel": name, "state": state},
                )
                runtime.state = state
