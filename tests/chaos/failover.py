"""Load on a running receiver whose Redis fails over, and the webhooks that were acknowledged meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import aiohttp

from sources import KINDS
from sources.secret import Secret
from sources.signed_request import SignedRequest
from tests.launcher.running import Running, environment
from tests.ports import free_port
from tests.sink import Sink
from tests.until import until

KIND = KINDS["voucherify"]
SECRET = "failover-secret"
EVENT = "customer.voucher.loyalty_card.points_added"

_CONFIG = """
[receiver]
durability = "replicated"
[worker]
lease_s = 3
takeover_s = 3
max_deliveries = 1000
[sources.voucherify]
[channels.crm]
kind = "http"
url = "{sink}"
allow_private = true
[[rules]]
name = "every-event"
events = ["*"]
channel = "crm"
"""
_PER_S = 300
_AGAIN_S = 0.25


class Load:
    """Send webhooks, and retry the refused ones until each is acknowledged, as a provider would."""

    def __init__(self, url: str) -> None:
        self.acknowledged: dict[int, float] = {}
        """Time of the acknowledgement, by the number of the webhook."""
        self.answers: Counter[int] = Counter()
        """Number of answers by HTTP status; 0 means no answer."""
        self._url = url
        self._stopping = False

    def start(self) -> None:
        self._running = asyncio.create_task(self._run())

    async def finish(self) -> None:
        """Start no more webhooks, and wait until all are acknowledged."""
        self._stopping = True
        await asyncio.wait_for(self._running, 60)

    async def _run(self) -> None:
        number = 0
        connector = aiohttp.TCPConnector(limit=256)
        timeout = aiohttp.ClientTimeout(total=10)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            while not self._stopping:
                group.create_task(self._deliver(session, number))
                number += 1
                await asyncio.sleep(1 / _PER_S)

    async def _deliver(self, session: aiohttp.ClientSession, number: int) -> None:
        body = KIND.sample(number, EVENT)
        headers = KIND.sign(SignedRequest(body, {}), Secret(SECRET))
        while True:
            try:
                async with session.post(self._url, data=body, headers=headers) as answer:
                    status = answer.status
            except (aiohttp.ClientError, TimeoutError):
                status = 0
            self.answers[status] += 1
            if status == 202:
                self.acknowledged[number] = time.monotonic()
                return
            await asyncio.sleep(_AGAIN_S)

    def since(self, moment: float) -> int:
        """Return how many webhooks were acknowledged after this moment."""
        return sum(at > moment for at in self.acknowledged.values())

    def longest_gap_s(self) -> float:
        """Return the longest time without an acknowledgement."""
        times = sorted(self.acknowledged.values())
        return max(later - earlier for earlier, later in pairwise(times))


def numbers(sink: Sink) -> list[int]:
    """Return the number of the webhook of each notification that the sink got."""
    return [int(sent["data"]["transaction"]["source_id"].removeprefix("order-")) for sent in sink.got]


@asynccontextmanager
async def loaded(url: str, sink: Sink, directory: Path, *, password: str = "") -> AsyncIterator[Load]:
    """Run a receiver and a worker on this Redis, and load on them. No output may show the password."""
    port = free_port()
    (directory / "hookline.toml").write_text(_CONFIG.format(sink=sink.url))
    env = environment(
        REDIS_URL=url,
        HOOKLINE_RECEIVER_PORT=str(port),
        HOOKLINE_SOURCES_VOUCHERIFY_SECRETS=SECRET,
    )
    commands = [Running("-m", "launcher", name, cwd=directory, env=env) for name in ("receiver", "worker")]
    load = Load(f"http://127.0.0.1:{port}/webhooks/voucherify")
    try:
        await commands[0].says("receiver_started")
        await commands[1].says("worker_started")
        load.start()
        await until(lambda: len(load.acknowledged) > _PER_S)
        yield load
        for command in commands:
            assert "Traceback" not in command.output
            assert not password or password not in command.output
    finally:
        for command in commands:
            command.kill()
