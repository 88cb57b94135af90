"""Makes real dead letters: webhooks in the stream, a real worker, and a real server that refuses or accepts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from aiohttp import web

from broker import dead_letters
from broker.dead_letters import DeadLetter, StoredDeadLetter
from broker.dead_letters.action import Action, Verb
from broker.monitoring import stats
from broker.monitoring.stats import Totals
from broker.queue import stream
from broker.queue.batch import RawBody
from broker.queue.stream import Confirmation
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.partitions import Partitions
from broker.steps.commit import Processed, commit
from inspector.operations import bulk_actions
from inspector.operations.bulk_actions import Selection
from sources import KINDS
from sources.voucherify import VOUCHERIFY
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.until import until
from worker.channels.settings import ChannelSettings, ConsoleSettings, HttpSettings
from worker.main import run
from worker.rules.retry import RetrySettings
from worker.rules.rules import Rule
from worker.settings import Settings
from worker.worker_source import WorkerSource

EVENT = "customer.voucher.loyalty_card.points_added"
BROKEN = b'{"customer":'
TO_CRM = (Rule(name="to-crm", events=("*",), channel="crm", text=""),)
NO_RULES: tuple[Rule, ...] = ()


# A sample has the time at which it was made, and its identity belongs to that day. A second call must return the
# same event even if the first one was before midnight UTC.
@cache
def sample(number: int) -> bytes:
    """Return the webhook of this number: the same bytes in each call."""
    return VOUCHERIFY.sample(number, EVENT)


async def accept(redis: Client, *bodies: bytes, source: str = "voucherify", hint: str = "") -> None:
    now_ms = time.time_ns() // 1_000_000
    await stream.append(redis, [RawBody(now_ms, source, hint, body) for body in bodies], Confirmation())


@asynccontextmanager
async def running_worker(
    server: RedisServer | RedisSettings,
    *,
    sources: tuple[str, ...] = ("voucherify",),
    rules: tuple[Rule, ...] = NO_RULES,
    channels: Mapping[str, ChannelSettings] | None = None,
) -> AsyncIterator[None]:
    """Run a worker in this process."""
    stop = asyncio.Event()
    worker_sources = {name: WorkerSource(KINDS["voucherify"], 7) for name in sources}
    redis = server if isinstance(server, RedisSettings) else RedisSettings(url=server.url)
    channels = {"console": ConsoleSettings(), **(channels or {})}
    task = asyncio.create_task(
        run(Settings(stop_grace_s=5, unrecognized_grace_s=0), worker_sources, rules, channels, redis, stop=stop)
    )
    try:
        yield
    finally:
        stop.set()
        await task


def crm(url: str, *, attempts: int = 1) -> dict[str, ChannelSettings]:
    retry = RetrySettings(attempts=attempts, base_s=0.01, cap_s=0.01)
    return {"crm": HttpSettings(url=url, allow_private=True, retry=retry)}


class Receiver:
    """An HTTP server that answers with `status` and keeps the notifications that it received."""

    def __init__(self) -> None:
        self.status = 200
        self.answer = "accepted"
        self.received: list[dict[str, Any]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.received.append(await request.json() | {"header": request.headers["Idempotency-Key"]})
        return web.Response(status=self.status, text=self.answer)


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/", receiver.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def wait_until_idle(redis: Client) -> Totals:
    """Wait until nothing is queued or waiting. Returns the totals."""

    async def idle() -> Totals | None:
        totals = await stats.read_totals(redis)
        return None if totals.queued or totals.waiting else totals

    return await until(idle)


async def all_letters(redis: Client) -> list[DeadLetter]:
    return await dead_letters.newest(redis, count=10_000)


async def make_dead_letters(
    server: RedisServer, redis: Client, *bodies: bytes, source: str = "absent", hint: str = ""
) -> None:
    """Make dead letters at intake, of bodies whose source does not exist or whose JSON is invalid."""
    await accept(redis, *bodies, source=source, hint=hint)
    async with running_worker(server):
        await wait_until_idle(redis)


async def action_progress(redis: Client, verb: Verb, chosen: Selection | Sequence[str]) -> AsyncIterator[Action]:
    """Run an action and yield its progress."""
    action = await bulk_actions.begin(Partitions([redis]), verb, chosen, by="ann", owner="me")
    async for step in bulk_actions.run(Partitions([redis]), action, owner="me"):
        yield step


async def run_action(redis: Client, verb: Verb, chosen: Selection | Sequence[str]) -> Action:
    """Run an action and return its final state."""
    return [step async for step in action_progress(redis, verb, chosen)][-1]


async def add_stored(redis: Client, stored_letters: Sequence[StoredDeadLetter]) -> None:
    """Add dead letters as a worker does that processed an entry with their bodies."""
    await stream.create_group(redis)
    await stream.append(redis, [RawBody(1, "voucherify", "", b"{}")] * len(stored_letters), Confirmation())
    [entry] = await stream.read(redis, "me", count=1, block_ms=100)
    await commit(redis, [Processed(entry.id, len(stored_letters), [], list(stored_letters))], [])


async def make_unreadable(redis: Client, *ids: str) -> None:
    """Change dead letters in Redis so that this version cannot read them."""
    for name in ids:
        packed = await redis.get(KEYS.dead + name)
        assert packed is not None
        await redis.set(KEYS.dead + name, packed.replace(b"\x28\xb5\x2f\xfd", b"none"))  # how zstd's frames begin
