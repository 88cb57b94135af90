"""Measures many dead letters: their memory in Redis, and the response times of the inspector's pages.

All dead letters are refused notifications of 2.6 KB webhooks, in 21 failure groups and seven channels, with search
terms from their payloads. The inspector runs in its own process. A page is measured from the request to the last
byte, and the slowest of ten requests counts.

Then all letters are exported, one person is erased, and half of the letters are purged with an export to disk,
each by its own process. Meanwhile the list is requested again and again. Its 99th percentile counts, and the slow
log of Redis shows the longest command.

The variable HOOKLINE_BENCH_DEAD sets the number of letters. It defaults to 100,000; 1,000,000 take a quarter of an
hour. HOOKLINE_BENCH_DEAD_PARTITIONS divides them among so many partitions of the same Redis; it defaults to 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import resource
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import redis
import uvloop

from benchmarks.harness.backlog import EVENT
from benchmarks.harness.figures import Figure
from benchmarks.harness.processes import running
from benchmarks.harness.redis_server import running_redis
from benchmarks.memory import settled_memory
from broker import dead_letters
from broker.dead_letters import StoredDeadLetter
from broker.queue import stream
from broker.queue.batch import RawBody
from broker.queue.jobs import Attempt, Notification
from broker.queue.stream import Confirmation
from broker.redis.connection import Settings as RedisSettings
from broker.redis.partitions import Partitions, connect_all
from broker.steps.commit import Processed, commit
from inspector.http.app_context import Configured
from inspector.operations import retention, search
from inspector.operations.export.export import export_lines
from inspector.operations.filters import Filter
from inspector.operations.forget import forget_person
from inspector.privacy.person import Person
from inspector.settings import DeadSettings, Settings
from inspector.site import Site
from runtime.listening_socket import listen
from sources import KINDS
from worker.search_terms import terms_of

_LETTERS = int(os.environ.get("HOOKLINE_BENCH_DEAD", "100000"))
_PARTITIONS = int(os.environ.get("HOOKLINE_BENCH_DEAD_PARTITIONS", "1"))
_WRITERS = 2
_AT_A_TIME = 500
_TIMES = 10
_SLOWEST = 100_000
_GOAL_MS = 200
_KIND = KINDS["voucherify"]
_PAGES = {
    "list": "/dead",
    "list by channel and reason": "/dead?channel=crm3&reason=permanent",
    "list by what no letter has": "/dead?channel=crm3&reason=exhausted",
    "groups": "/groups",
    "search by e-mail": "/dead?search=member77@example.com",
}

_Work = Callable[[str], Coroutine[Any, Any, int]]
"""A function that gets the address of Redis, processes dead letters, and returns how many."""

_processes = multiprocessing.get_context("fork")


def figures() -> list[Figure]:
    """Run the benchmark. Raises RuntimeError if the status of a page was not 200."""
    with running_redis(appendonly="no") as url, contextlib.closing(redis.Redis.from_url(url)) as client:
        uvloop.run(_make_streams(url))
        before = settled_memory(client)
        writers = [
            _processes.Process(target=_write_letters, args=(url, part), daemon=True) for part in range(_WRITERS)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        each = (settled_memory(client) - before) / _LETTERS
        listener = listen("127.0.0.1", 0)
        with running(lambda: _serve(listener, url)):
            port = listener.getsockname()[1]
            took_ms = uvloop.run(_ask(port))
            works = [_done_meanwhile(work, url, port) for work in (_export, _forget, _purge)]
    letters = f"{_LETTERS:,} letters" + (f" in {_PARTITIONS} partitions" if _PARTITIONS > 1 else "")
    return [
        Figure("memory of a dead letter in a group of alike ones", letters, each, 1024, "B", at_most=True),
        *(
            Figure(f"inspector's page, {name}, slowest of {_TIMES}", letters, ms, _GOAL_MS, "ms", at_most=True)
            for name, ms in took_ms.items()
        ),
        *(figure for work in works for figure in work),
    ]


def _done_meanwhile(work: _Work, url: str, port: int) -> list[Figure]:
    """Measure the speed and the memory of a function in its own process, and the inspector's list meanwhile."""
    ours, theirs = _processes.Pipe()
    process = _processes.Process(target=lambda: theirs.send(_measured(work, url)), daemon=True)
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        client.config_set("slowlog-log-slower-than", 2000)
        client.config_set("slowlog-max-len", _SLOWEST)
        client.slowlog_reset()
        process.start()
        waits_ms = uvloop.run(_list_until(ours, port))
        name, count, took_s, grown = ours.recv()
        process.join()
        longest_ms = max([entry["duration"] / 1000 for entry in client.slowlog_get(_SLOWEST)], default=2.0)  # type: ignore[union-attr]
    amount = f"{count:,} letters in {took_s:.1f} s, memory of the process {grown / 1e6:+.0f} MB"
    p50, p99 = statistics.median(waits_ms), statistics.quantiles(waits_ms, n=100, method="inclusive")[-1]
    requests = f"{len(waits_ms)} requests, p50 {p50:.0f} ms, slowest {max(waits_ms):.0f} ms"
    return [
        Figure(f"{name} of dead letters", amount, count / took_s, None, "/s"),
        Figure(f"inspector's list meanwhile, p99: {name}", requests, p99, _GOAL_MS, "ms", at_most=True),
        Figure(f"Redis' longest command meanwhile: {name}", "", longest_ms, None, "ms"),
    ]


def _measured(work: _Work, url: str) -> tuple[str, int, float, int]:
    before, began = _memory(), time.perf_counter()
    count = uvloop.run(work(url))
    return work.__name__.strip("_"), count, time.perf_counter() - began, _memory() - before


def _memory() -> int:
    """Return the peak memory of this process in bytes (Linux: getrusage(2))."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def _list_until(done: Connection, port: int) -> list[float]:
    waits_ms = []
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        while not done.poll():
            waits_ms.append(await _page_ms(session, _PAGES["list"]))
            await asyncio.sleep(0.1)
    return waits_ms


async def _export(url: str) -> int:
    partitions = _connect(url)
    lines = 0
    with tempfile.TemporaryFile() as file:
        async for piece in export_lines(partitions, Filter(), by="benchmark"):
            file.write(piece)
            lines += piece.count(b"\n")
    await partitions.aclose()
    return lines - 1


async def _forget(url: str) -> int:
    partitions = _connect(url)
    person = Person([json.loads(_KIND.sample(77, EVENT))["data"]["customer"]["id"]], {"voucherify": _KIND})
    count = await search.count(partitions, Filter())
    await forget_person(partitions, person, lambda _: (), by="benchmark")
    await partitions.aclose()
    return count


async def _purge(url: str) -> int:
    partitions = _connect(url)
    with tempfile.TemporaryDirectory(prefix="hookline-benchmark-") as directory:
        settings = DeadSettings(keep_count=_LETTERS // 2, export_dir=directory)
        rounds = retention.purge(partitions, settings, by="benchmark")
        count = sum([purged.letters async for purged in rounds])
    await partitions.aclose()
    return count


def _connect(url: str) -> Partitions:
    return connect_all(RedisSettings(url=url, partitions=_PARTITIONS))


async def _make_streams(url: str) -> None:
    partitions = _connect(url)
    for client in partitions:
        await stream.create_group(client)
    await partitions.aclose()


def _write_letters(url: str, part: int) -> None:
    uvloop.run(_write_all(url, range(part, _LETTERS, _WRITERS), consumer=f"writer-{part}"))


async def _write_all(url: str, numbers: range, *, consumer: str) -> None:
    """Commit entries of which every body becomes a dead letter, as a worker does."""
    partitions = _connect(url)
    for turn, start in enumerate(range(0, len(numbers), _AT_A_TIME)):
        client = partitions[turn % len(partitions)]
        stored_letters = [_refused(number) for number in numbers[start : start + _AT_A_TIME]]
        await stream.append(client, [RawBody(1, "voucherify", "", b"{}")] * len(stored_letters), Confirmation())
        [entry] = await stream.read(client, consumer, count=1, block_ms=1000)
        await commit(client, [Processed(entry.id, len(stored_letters), [], stored_letters)], [])
    await partitions.aclose()


def _refused(number: int) -> StoredDeadLetter:
    now_ms = time.time_ns() // 1_000_000
    body = RawBody(now_ms, "voucherify", "", _KIND.sample(number, EVENT), "content-type: application/json")
    key = random.randbytes(16).hex()
    attempt = Attempt(now_ms, number % 400, "permanent", "answered 400", "no such customer")
    notification = Notification(key, "to-crm", EVENT, body, (attempt,))
    return dead_letters.died_at_notify(
        notification,
        f"crm{number % 7}",
        reason="permanent",
        error="answered 400",
        error_class=f"Http{400 + number % 3}",
        terms=terms_of(notification, {"voucherify": _KIND}),
    )


async def _serve(listener: socket.socket, url: str) -> None:
    partitions = _connect(url)
    site = Site(Settings(port=0), partitions, Configured(), lambda peer, _, __: peer or "")
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
            raise RuntimeError(f"{path} was answered with status {answer.status}")
    return (time.perf_counter() - began) * 1000
