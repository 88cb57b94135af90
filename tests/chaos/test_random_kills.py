"""Workers and Redis killed, frozen and restarted at random while events flow; then everything is accounted for.

EVENTS (default 1500) and SEED (default 1) come from the environment: `make chaos EVENTS=100000 SEED=7`.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Callable

from aiohttp import web

from broker import dead, stats
from broker.connection import Settings, connect
from tests.redis_server import RedisServer
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import rest, send, webhook
from tests.worker_process import WorkerProcess

EVENTS = int(os.environ.get("EVENTS", "1500"))
SEED = int(os.environ.get("SEED", "1"))
BATCH = 25
HARMS = 20


async def test_nothing_is_lost_or_doubled_while_workers_and_redis_die_at_random(
    own_redis: RedisServer, sink: Sink, worker: Callable[..., WorkerProcess]
) -> None:
    rng = random.Random(SEED)
    redis = connect(Settings(url=own_redis.url))
    sink.answer = lambda _n, times: web.Response(status=500 if times == 1 and rng.random() < 0.1 else 204)
    tormentor = Tormentor(rng, own_redis, worker)

    async def progress(since: int) -> bool:
        return (await stats.read_totals(redis)).sent > since

    for first in range(0, EVENTS, BATCH):
        numbers = range(first, min(first + BATCH, EVENTS))
        repeated = [rng.randrange(first + 1) for _ in range(2)]
        await send(redis, *(webhook(number) for number in (*numbers, *repeated)))
        if rng.random() < HARMS * BATCH / EVENTS:
            await tormentor.harm()
            if rng.random() < 0.7:  # let the next harm hit workers that are at work
                sent = (await stats.read_totals(redis)).sent
                await send(redis, webhook(first))
                await until(lambda sent=sent: progress(sent), seconds=60)  # type: ignore[misc]
    tormentor.thaw()
    totals = await rest(redis, seconds=120)

    letters = await dead.newest(redis)
    attempts = {(n["key"], n["attempt"]) for n in sink.got}
    again = len(sink.got) - len(attempts)
    sys.stdout.write(
        f"\nseed {SEED}: {EVENTS} events, {tormentor.kills} kills, {tormentor.freezes} freezes, "
        f"{tormentor.restarts} Redis restarts; {len(sink.times)} notified, {len(letters)} dead, "
        f"{again} sent again\n"
    )
    assert (totals.processed, totals.sent, totals.dead, letters) == (EVENTS, EVENTS, 0, [])
    assert len(sink.times) == EVENTS
    assert again <= 64 * (tormentor.kills + tormentor.freezes + tormentor.restarts)
    await redis.aclose(close_connection_pool=True)


class Tormentor:
    """Keeps two workers running and harms them, and Redis, at random."""

    def __init__(self, rng: random.Random, redis: RedisServer, worker: Callable[..., WorkerProcess]) -> None:
        self._rng = rng
        self._redis = redis
        # Workers die here, but no body is poison.
        self._start = lambda: worker(redis.url, max_deliveries=100)
        self._workers = [self._start(), self._start()]
        self._frozen: WorkerProcess | None = None
        self.kills = self.freezes = self.restarts = 0

    async def harm(self) -> None:
        """One harm; whoever was frozen by the last one goes on."""
        self.thaw()
        kind = self._rng.choice(["kill", "kill", "freeze", "restart"])
        if kind == "kill":
            place = self._rng.randrange(2)
            self._workers[place].kill()
            self._workers[place] = self._start()
            self.kills += 1
        elif kind == "freeze":
            self._frozen = self._rng.choice(self._workers)
            self._frozen.signal(signal.SIGSTOP)
            self.freezes += 1
        else:
            await asyncio.to_thread(self._redis.stop)
            self._redis.start()
            self.restarts += 1

    def thaw(self) -> None:
        if self._frozen is not None:
            self._frozen.signal(signal.SIGCONT)
            self._frozen = None
