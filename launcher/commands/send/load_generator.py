"""Sends webhooks over HTTP, many at a time, and counts the responses."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterator

import aiohttp
from msgspec import Struct

from launcher.commands.send.delivery_plan import Delivery
from launcher.errors import LauncherError

TIMED_OUT = "timed out"
NO_ANSWER = "no answer"

_MAX_RETRY_DELAY_S = 30.0


class UnreachableError(LauncherError):
    """No server listens at the target address."""


class Target(Struct, frozen=True, kw_only=True):
    """The target address, and the limits of the load."""

    url: str
    concurrency: int = 1
    """Connections at a time. Defaults to 1."""

    rate_per_s: float | None = None
    """Webhooks per second; None sends as many as the target accepts."""

    timeout_s: float = 10.0
    """Seconds to wait for a response; then the webhook counts as timed out."""

    retries: int = 0
    """Further tries of a webhook that got 503 or no response. Defaults to 0."""


class Latencies:
    """Latencies in milliseconds, counted in buckets 1 % wide, so that memory does not grow with the run."""

    _SMALLEST_MS = 0.001
    _WIDTH = math.log(1.01)

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.max_ms = 0.0

    def add(self, ms: float) -> None:
        """Add one latency to the counts."""
        self.max_ms = max(self.max_ms, ms)
        self._buckets[int(math.log(max(ms, self._SMALLEST_MS) / self._SMALLEST_MS) / self._WIDTH)] += 1

    def percentile(self, share: float) -> float:
        """The milliseconds that this share (0 to 1) did not exceed, with an error of 1 %; 0 without a count."""
        missing = math.ceil(share * self._buckets.total())
        for bucket, count in sorted(self._buckets.items()):
            missing -= count
            if missing <= 0:
                return min(self.max_ms, self._SMALLEST_MS * math.exp((bucket + 0.5) * self._WIDTH))
        return 0.0


class Tally:
    """Counts webhooks and responses during the run."""

    def __init__(self, success: str = "202") -> None:
        """success: the status that the provider takes as success. Defaults to 202."""
        self._success = success
        self.started = time.perf_counter()
        self.seconds = 0.0
        self.answers: Counter[str] = Counter()
        """Webhooks by their last response: an HTTP status, `timed out` or `no answer`."""
        self.repeated = 0
        self.invalid = 0
        self.retried = 0
        self.unexpected = 0
        """Responses other than success for a right signature and 401 for a wrong one."""
        self.accepted_events = 0
        """Distinct bodies that were accepted."""
        self.latencies = Latencies()
        self.longest_without_202_s = 0.0
        """The longest time between two responses 202, in seconds."""
        self._last_202_s: float | None = None

    @property
    def sent(self) -> int:
        """Webhooks that got their last response."""
        return self.answers.total()

    @property
    def rate_per_s(self) -> float:
        """Webhooks per second so far."""
        return self.sent / self.seconds if self.seconds else 0.0

    def add(self, delivery: Delivery, answer: str) -> None:
        """Count a webhook's last response."""
        self.seconds = time.perf_counter() - self.started
        self.answers[answer] += 1
        self.repeated += delivery.repeated
        self.invalid += not delivery.valid
        self.unexpected += answer != (self._success if delivery.valid else "401")
        if answer == self._success:
            self._add_accepted(delivery)

    def _add_accepted(self, delivery: Delivery) -> None:
        if self._last_202_s is not None:
            self.longest_without_202_s = max(self.longest_without_202_s, self.seconds - self._last_202_s)
        self._last_202_s = self.seconds
        self.accepted_events += not delivery.content.accepted
        delivery.content.accepted = True


async def send_all(target: Target, deliveries: Iterator[Delivery], tally: Tally) -> None:
    """Send everything. `tally` has the responses, also if this is cancelled.

    Raises UnreachableError when the very first connections are refused.
    """
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=target.concurrency),
        timeout=aiohttp.ClientTimeout(total=target.timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": "application/json", "User-Agent": "hookline-send"},
        skip_auto_headers=("Accept", "Accept-Encoding"),
    )
    sender = _Sender(target, session, deliveries, tally)
    async with session:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(target.concurrency):
                    group.create_task(sender.run())
        except* UnreachableError as errors:
            raise errors.exceptions[0] from None


class _Sender:
    def __init__(
        self, target: Target, session: aiohttp.ClientSession, deliveries: Iterator[Delivery], tally: Tally
    ) -> None:
        self._target = target
        self._session = session
        self._deliveries = enumerate(deliveries)
        self._tally = tally

    async def run(self) -> None:
        for number, delivery in self._deliveries:  # shared by all tasks: each takes the next
            if self._target.rate_per_s:
                due = self._tally.started + number / self._target.rate_per_s
                await asyncio.sleep(due - time.perf_counter())
            self._tally.add(delivery, await self._deliver(delivery))

    async def _deliver(self, delivery: Delivery) -> str:
        for retry in range(self._target.retries + 1):
            answer, retry_after_s = await self._try(delivery)
            if answer not in ("503", TIMED_OUT, NO_ANSWER) or retry == self._target.retries:
                break
            self._tally.retried += 1
            await asyncio.sleep(min(2.0**retry if retry_after_s is None else retry_after_s, _MAX_RETRY_DELAY_S))
        return answer

    async def _try(self, delivery: Delivery) -> tuple[str, float | None]:
        started = time.perf_counter()
        try:
            async with self._session.post(
                self._target.url, data=delivery.content.body, headers=delivery.headers, allow_redirects=False
            ) as response:
                await response.read()
        except TimeoutError:
            return TIMED_OUT, None
        except aiohttp.ClientConnectorError as error:
            if not self._tally.answers and not self._target.retries:
                raise UnreachableError(
                    f"no server answers at {self._target.url}: {_reason(error.os_error)}"
                ) from None
            return NO_ANSWER, None
        except aiohttp.ClientError:
            return NO_ANSWER, None
        self._tally.latencies.add((time.perf_counter() - started) * 1000)
        return str(response.status), _seconds(response.headers.get("Retry-After", ""))


def _seconds(retry_after: str) -> float | None:
    return float(retry_after) if retry_after.isdecimal() else None


def _reason(error: OSError) -> str:
    return "connection refused" if isinstance(error, ConnectionRefusedError) else str(error)
