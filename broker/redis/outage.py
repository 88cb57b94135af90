"""A policy for background loops while Redis is away, the same in every process.

A failed step is tried again after a wait that doubles, with jitter, until Redis answers. The outage is logged when
it begins, once a minute while it lasts, and when it is over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from broker.redis.client import Client
from broker.redis.errors import BrokerError, Misconfigured
from runtime.backoff import Backoff
from runtime.fault_log import Faults

T = TypeVar("T")

BACKOFF = Backoff(first_s=0.05, longest_s=2.0)
"""The waits of every loop that has no reason for others. Defaults to 0.05 s, doubling up to 2 s."""

LOG_EVERY_S = 60.0
"""Seconds after which an outage that lasts is logged again."""


class Outage:
    """The outages of Redis as one loop meets them: what it logs, and how long it waits."""

    def __init__(
        self,
        log: logging.Logger,
        work: str,
        *,
        redis: Client | None = None,
        is_secondary: bool = False,
        log_every_s: float = LOG_EVERY_S,
    ) -> None:
        """`work`: what the loop does, as the log line names it, for example "reading webhooks".

        `redis`: the client of the partition with which the loop works. The messages name it if there are several.
        `is_secondary`: log only errors that waiting does not fix. For loops beside one that reports the outage.
        """
        self._log = log
        self._work = work
        self._extra: dict[str, object] = {}
        if redis is not None and redis.partitions > 1:
            self._work = f"{work} in partition {redis.partition}"
            self._extra = {"partition": redis.partition}
        self._is_secondary = is_secondary
        self._log_every_s = log_every_s
        self._failures = 0
        self._logged: type[BrokerError] | None = None  # the kind of error that was logged last in this outage
        self._next_log_s = 0.0

    def note(self, error: BrokerError) -> None:
        """Log the first error of an outage, the first of each other class, and then one a minute."""
        is_lasting = isinstance(error, Misconfigured)
        now_s = time.monotonic()
        is_logged = self._logged is type(error) and now_s < self._next_log_s
        if is_logged or (self._is_secondary and not is_lasting):
            return
        self._logged, self._next_log_s = type(error), now_s + self._log_every_s
        if is_lasting:
            text, level, action = "Redis refuses %s: %s", logging.ERROR, "redis_refuses"
        else:
            text, level, action = "%s waits for Redis: %s", logging.WARNING, "redis_away"
        self._log.log(level, text, self._work, error, extra={"action": action, **self._extra})

    def end(self) -> None:
        """Redis did what the loop asked. Logs that the outage is over, if it was logged."""
        if self._logged:
            extra = {"action": "redis_back", **self._extra}
            self._log.info("Redis is back: %s continues", self._work, extra=extra)
        self._failures, self._logged = 0, None

    def next_delay_s(self) -> float:
        """Count one failure; returns the seconds to wait before the next try."""
        self._failures += 1
        return BACKOFF.jittered_s(self._failures)

    async def wait(self, error: BrokerError, stop: asyncio.Event | None = None) -> None:
        """Log the error where its time has come, and wait; the wait ends early when `stop` is set."""
        self.note(error)
        await pause(self.next_delay_s(), stop)


async def repeat(
    step: Callable[[], Awaitable[float]],
    outage: Outage,
    faults: Faults,
    *,
    stop: asyncio.Event | None = None,
    wake: asyncio.Event | None = None,
) -> None:
    """Run `step` again and again, until `stop` is set or the task is cancelled. No error of a step ends the loop.

    `step` returns the seconds until it runs again; setting `wake` shortens that wait. A loop with both events
    sets both to stop. What is no BrokerError is a defect, and logged by `faults`.
    """
    task = asyncio.current_task()
    assert task is not None
    # redis-py 5 can take a cancellation for the end of a wait of its own and continue: then only the task knows.
    while not task.cancelling() and not (stop and stop.is_set()):
        try:
            pause_s = await step()
        except BrokerError as error:
            await outage.wait(error, stop)
        except Exception as error:  # noqa: BLE001 - logged
            faults.note(error)
            await pause(outage.next_delay_s(), stop)
        else:
            outage.end()
            await pause(pause_s, wake or stop)
            if wake:
                wake.clear()


async def until_done(step: Callable[[], Awaitable[T]], outage: Outage) -> T:
    """Run `step` until Redis does it, and return its result. Raises what is no BrokerError."""
    while True:
        try:
            result = await step()
        except BrokerError as error:
            await outage.wait(error)
        else:
            outage.end()
            return result


async def pause(seconds: float, ends: asyncio.Event | None = None) -> None:
    """Wait, but no longer than until `ends` is set."""
    if seconds <= 0:
        return
    if ends is None:
        await asyncio.sleep(seconds)
        return
    try:
        async with asyncio.timeout(seconds):
            await ends.wait()
    except TimeoutError:
        return
