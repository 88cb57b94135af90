"""Makes notifications wait: for each cause with a real worker, or many retries without one."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from broker.queue import channel_state, jobs
from broker.queue.batch import RawBody
from broker.queue.jobs import Attempt, Notification, NotifyJob
from broker.queue.waiting.counts import read_waiting
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from tests.inspector.stack import Receiver, accept, running_receiver, running_worker, sample
from tests.redis_server import RedisServer
from tests.until import until
from worker.channels.settings import HttpSettings
from worker.rules.retry import RetrySettings
from worker.rules.rules import DigestSettings, QuietHours, Rule


def rules_that_wait() -> tuple[Rule, ...]:
    """Return a rule for each cause: paused, retry, quiet_hours and digest."""
    now = datetime.now(UTC)
    quiet = QuietHours(from_=f"{now - timedelta(hours=2):%H:%M}", to=f"{now + timedelta(hours=2):%H:%M}")
    daily = DigestSettings(window="1d", key="source")
    return (
        Rule(name="held", events=("*",), channel="paused", text="x"),
        Rule(name="failing", events=("*",), channel="crm", text="x"),
        Rule(name="night", events=("*",), channel="crm", text="x", quiet_hours=quiet),
        Rule(name="daily", events=("*",), channel="crm", text="x", digest=daily),
    )


@asynccontextmanager
async def worker_with_waiting(server: RedisServer, redis: Client, *numbers: int) -> AsyncIterator[Receiver]:
    """Run a worker until the samples of these numbers wait for each cause, and until the end of the block.

    Yields the receiver of the notifications, which answers 503 until its status is changed.
    """
    await channel_state.pause(redis, "paused", by="ann")
    await accept(redis, *map(sample, numbers))
    async with running_receiver() as receiver:
        receiver.status = 503
        http = HttpSettings(url=receiver.url, allow_private=True, retry=RetrySettings(base_s=3000, cap_s=3000))

        async def all_wait() -> bool:
            causes = (await read_waiting(redis)).causes
            return causes.paused == causes.retry == causes.quiet_hours == len(numbers)

        async with running_worker(server, rules=rules_that_wait(), channels={"crm": http, "paused": http}):
            await until(all_wait)
            yield receiver


async def add_retries(
    partitions: Partitions, count: int, size: int, *, rule: str = "rule", body: bytes = b"{}"
) -> list[str]:
    """Add jobs of retries to one partition after the other, two due at one time. Returns all keys in order."""
    now_ms, keys = int(time.time() * 1000), list[str]()
    for number in range(count):
        redis = partitions[number % len(partitions)]
        names = [f"{number:02}-{place}".ljust(32, "0") for place in range(size)]
        attempts = (Attempt(now_ms, 5, "retry", "answered 503"),)
        raw = RawBody(now_ms, "voucherify", "", body)
        retries = [Notification(name, rule, "customer.created", raw, attempts) for name in names]
        job_id = jobs.new_job_id(size, "retry")
        await redis.set(redis.names.job + job_id, jobs.encode(NotifyJob("crm", 2, now_ms, retries)))
        await redis.zadd(redis.names.queue, {job_id: now_ms + 60_000 * (1 + number // 2)})
        await redis.hincrby(redis.names.stats_total, "waiting", size)  # type: ignore[misc]
        keys += names
    return keys
