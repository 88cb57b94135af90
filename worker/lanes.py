"""The channels as one worker process uses them: who may send now, and what the sends tell of each channel."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from arq.connections import ArqRedis

from broker.channels import State, let_go
from broker.errors import BrokerError
from broker.settle import Heard
from worker.channels.settings import BreakerSettings, CommonSettings
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.pacing import Pacer

log = logging.getLogger("hookline.worker")

_LOOK_EVERY_S = 0.5
_SLOW_S = 0.5
"""A channel of which no send has ended for so long is slow: its jobs leave room for those of others."""


class Lane:
    """One channel."""

    def __init__(self, name: str, pacer: Pacer) -> None:
        self.name = name
        self.state: State = "closed"
        self.jobs = 0
        """Jobs that this process runs."""

        self.pacer = pacer
        self.rate_per_s = 0.0
        self.breaker = BreakerSettings()
        self._under_way = 0
        self._moved = 0.0
        self._succeeded = False
        self._failures = 0

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
                self._succeeded, self._failures = True, 0
            case Retry() | Dead(reason="misconfigured"):
                self._failures += 1

    def is_failing(self) -> bool:
        """Whether enough sends failed to open the breaker, and it is not told yet."""
        return self.state == "closed" and self._failures >= self.breaker.failures

    def is_slow(self) -> bool:
        """Whether sends hang, or wait for the channel's rate."""
        hangs = bool(self._under_way) and time.monotonic() - self._moved > _SLOW_S
        return hangs or self.pacer.waiting > 0

    def heard(self) -> Heard | None:
        """What the sends told since the last call."""
        if not (self._succeeded or self._failures):
            return None
        breaker = self.breaker
        heard = Heard(
            channel=self.name,
            open_after=breaker.failures,
            wait_ms=int(breaker.wait_s * 1000),
            max_wait_ms=int(breaker.max_wait_s * 1000),
            succeeded=self._succeeded,
            failures=self._failures,
        )
        self._succeeded, self._failures = False, 0
        return heard


class Lanes:
    """All of them; one a worker process."""

    def __init__(self, redis: ArqRedis, *, max_jobs: int) -> None:
        self._redis = redis
        self._max_jobs = max_jobs
        self._most_slow = max(1, max_jobs // 2)
        self._lanes: dict[str, Lane] = {}

    def configure(self, channels: Mapping[str, CommonSettings]) -> None:
        """Take over the settings of the channels."""
        for name, settings in channels.items():
            lane = self.of(name)
            lane.breaker, lane.rate_per_s = settings.breaker, settings.rate_per_s

    def of(self, name: str) -> Lane:
        """A channel's lane."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(name, Pacer(self._redis, name))
        return lane

    def is_full(self, lane: Lane) -> bool:
        """Whether a slow channel has as many jobs here as it may have."""
        return lane.jobs >= self._most_slow and lane.is_slow()

    def room(self, running: int) -> int:
        """How many jobs may start beside `running` ones: up to a bound, those of slow channels take no room."""
        slow = sum(lane.jobs for lane in self._lanes.values() if lane.jobs and lane.is_slow())
        return min(self._max_jobs - running + slow, 2 * self._max_jobs - running)

    async def run(self, on_jobs: Callable[[], None]) -> None:
        """Follow what all workers know of the channels, until cancelled. Redis being away only makes it wait.

        on_jobs: called when there may be jobs that were held back.
        """
        while True:
            try:
                await self._look()
            except BrokerError:
                pass  # the queue tells of it
            else:
                on_jobs()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _look(self) -> None:
        most = {name: max(0, self._most_slow - lane.jobs) for name, lane in self._lanes.items() if lane.is_slow()}
        look = await let_go(self._redis, most)
        known = {channel.name: channel for channel in look.channels}
        for name, lane in self._lanes.items():
            state = known[name].state(look.at_ms) if name in known else "closed"
            if state != lane.state:
                log.warning(
                    "channel %s is %s",
                    name,
                    state,
                    extra={"action": "channel_state", "channel": name, "state": state},
                )
                lane.state = state
