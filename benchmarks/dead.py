"""Dead letters by the hundred thousand: what Redis holds of each, and how long the inspector's pages take.

All are refused notifications of 2.6 KB webhooks, in 21 groups over seven channels, each found by what its payload
tells. A page is timed from its request to its last byte, at a site in a process of its own; the slowest of ten
counts.

HOOKLINE_BENCH_DEAD sets how many (default 100,000; 1,000,000 takes minutes to bury).
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import socket
import time

import aiohttp
import redis
import uvloop

from benchmarks.backlog import EVENT
from benchmarks.figures import Figure
from benchmarks.memory import settled_memory
from benchmarks.processes import running
from benchmarks.redis_server import running_redis
from broker import dead, stream
from broker.batch import RawBody
from broker.commit import Processed, commit
from broker.connection import Settings as RedisSettings
from broker.connection import connect
from broker.dead import Grave
from broker.jobs import Attempt, Notification
from broker.stream import Confirmation
from inspector.settings import Settings
from inspector.web.desk import Configured
from inspector.web.server import listen
from inspector.web.site import Site
from sources import KINDS
from worker.terms import terms_of

_LETTERS = int(os.environ.get("HOOKLINE_BENCH_DEAD", "100000"))
_BURIERS = 2
_AT_A_TIME = 500
_TIMES = 10
_GOAL_MS = 200
_KIND = KINDS["voucherify"]
_PAGES = {
    "list": "/dead",
    "list by channel and reason": "/dead?channel=crm3&reason=permanent",
    "list by what no letter has": "/dead?channel=crm3&reason=exhausted",
    "groups": "/groups",
    "search by e-mail": "/dead?search=member77@example.com",
}

_processes = multiprocessing.get_context("fork")


def figures() -> list[Figure]:
    """Measure. Raises RuntimeError where a page was not answered with 200."""
    with running_redis(appendonly="no") as url, contextlib.closing(redis.Redis.from_url(url)) as client:
        uvloop.run(_make_stream(url))
        before = settled_memory(client)
        buriers = [_processes.Process(target=_bury, args=(url, part), daemon=True) for part in range(_BURIERS)]
        for burier in buriers:
            burier.start()
        for burier in buriers:
            burier.join()
        each = (settled_memory(client) - before) / _LETTERS
        listener = listen(Settings(port=0))
        with running(lambda: _serve(listener, url)):
            took_ms = uvloop.run(_ask(listener.getsockname()[1]))
    letters = f"{_LETTERS:,} letters"
    return [
        Figure("memory of a dead letter in a group of alike ones", letters, each, 1024, "B", at_most=True),
        *(
            Figure(f"inspector's page, {name}, slowest of {_TIMES}", letters, ms, _GOAL_MS, "ms", at_most=True)
            for name, ms in took_ms.items()
        ),
    ]


async def _make_stream(url: str) -> None:
    client = connect(RedisSettings(url=url))
    await stream.create_group(client)
    await client.aclose()


def _bury(url: str, part: int) -> None:
    uvloop.run(_bury_all(url, range(part, _LETTERS, _BURIERS), consumer=f"burier-{part}"))


async def _bury_all(url: str, numbers: range, *, consumer: str) -> None:
    """As a worker does that commits entries of which every body dies."""
    client = connect(RedisSettings(url=url))
    for start in range(0, len(numbers), _AT_A_TIME):
        graves = [_refused(number) for number in numbers[start : start + _AT_A_TIME]]
        await stream.append(client, [RawBody(1, "voucherify", "", b"{}")] * len(graves), Confirmation())
        [entry] = await stream.read(client, consumer, count=1, block_ms=1000)
        await commit(client, [Processed(entry.id, len(graves), [], graves)], [])
    await client.aclose()


def _refused(number: int) -> Grave:
    now_ms = time.time_ns() // 1_000_000
    body = RawBody(now_ms, "voucherify", "", _KIND.sample(number, EVENT), "content-type: application/json")
    key = random.randbytes(16).hex()
    attempt = Attempt(now_ms, number % 400, "permanent", "answered 400", "no such customer")
    notification = Notification(key, "to-crm", EVENT, body, (attempt,))
    return dead.died_at_notify(
        notification,
        f"crm{number % 7}",
        reason="permanent",
        error="answered 400",
        error_class=f"Http{400 + number % 3}",
        terms=terms_of(notification, {"voucherify": _KIND}),
    )


async def _serve(listener: socket.socket, url: str) -> None:
    client = connect(RedisSettings(url=url))
    site = Site(Settings(port=0), client, Configured(), lambda peer, _, __: peer or "")
    await site.start(listener)
    await asyncio.Event().wait()


async def _ask(port: int) -> dict[str, float]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        return {name: max([await _page_ms(session, path) for _ in range(_TIMES)]) for name, path in _PAGES.items()}


async def _page_ms(session: aiohttp.ClientSession, path: str) -> float:
    began = time.perf_counter()
    async with session.get(path) as answer:
        await answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} was answered {answer.status}")
    return (time.perf_counter() - began) * 1000
