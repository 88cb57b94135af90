"""Makes notifications wait for each cause, with a real worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from broker.queue import channel_state
from broker.queue.waiting.counts import read_waiting
from broker.redis.client import Client
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
