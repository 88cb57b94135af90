"""Test of the whole way from spilled webhooks to their notifications."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from tests.receiver.serving import Reply, serving
from tests.redis_server import RedisServer
from tests.sink import running_sink
from tests.until import until
from tests.worker.conftest import wait_until_idle, webhook
from tests.worker_process import WorkerProcess


async def test_webhooks_that_arrived_while_redis_was_frozen_and_dead_are_notified_once(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    client = connect(RedisSettings(url=own_redis.url))
    async with running_sink() as sink, serving(client, spill_dir=str(tmp_path)) as served:
        worker = WorkerProcess(own_redis.url, sink.url, lease_s=15.0).start()
        try:
            await _send(served.send, range(50))
            await wait_until_idle(client)
            own_redis.freeze()
            await _send(served.send, range(50, 150))  # some of these may be written and spilled too
            own_redis.kill()
            await _send(served.send, range(150, 250))
            own_redis.start()
            await until(lambda: not any(tmp_path.iterdir()))
            await until(lambda: len(sink.times) == 250)
            totals = await wait_until_idle(client)
        finally:
            worker.stop()

    assert (totals.processed, totals.sent) == (250, 250)
    assert len({notification["key"] for notification in sink.got}) == len(sink.got) == 250
    await client.aclose(close_connection_pool=True)


async def _send(send: Callable[..., Awaitable[Reply]], numbers: range) -> None:
    replies = await asyncio.gather(*(send(webhook(number)) for number in numbers))
    assert {reply.status for reply in replies} == {202}
