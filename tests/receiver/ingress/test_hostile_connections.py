"""Tests of clients that keep connections open: slow, silent, many, or not reading. Each is closed in time."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys

import pytest

from broker.redis.client import Client
from tests.receiver.raw import BODY, GOOD, LENGTH, Connection, connected, head, statuses
from tests.receiver.serving import Served, serving, stored
from tests.until import until

SLOW_BODY = head("Content-Length: 50000") + b"x" * 40_000


async def drip(connection: Connection, data: bytes) -> None:
    """Send a byte now and then, so that no single wait for the next one is long."""
    for byte in data:
        await connection.send(bytes([byte]))
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("comes", [GOOD[:30], b"\r\n"], ids=["a part", "a blank line"])
async def test_a_head_that_does_not_arrive_in_time_is_refused(redis: Client, comes: bytes) -> None:
    async with serving(redis, head_timeout_s=1.0, idle_timeout_s=60) as served, connected(served.port) as slow:
        await slow.send(comes)
        answer = await slow.until_closed()

    assert statuses(answer) == [408]
    assert b"\r\nConnection: close\r\n" in answer


async def test_a_head_that_arrives_too_slowly_is_refused(redis: Client) -> None:
    async with serving(redis, head_timeout_s=1.0, idle_timeout_s=60) as served, connected(served.port) as slow:
        dripping = asyncio.create_task(drip(slow, GOOD * 3))
        assert statuses(await slow.until_closed()) == [408]
        dripping.cancel()


async def test_a_later_head_that_arrives_too_slowly_is_refused(redis: Client) -> None:
    async with serving(redis, idle_timeout_s=3.0) as served, connected(served.port) as slow:
        await slow.send(GOOD)
        await slow.answers(1)
        dripping = asyncio.create_task(drip(slow, GOOD * 3))
        assert statuses(await slow.until_closed()) == [202, 408]
        dripping.cancel()


async def test_a_connection_that_sends_nothing_is_closed_without_an_answer(redis: Client) -> None:
    async with serving(redis, head_timeout_s=1.0, idle_timeout_s=60) as served, connected(served.port) as silent:
        assert await silent.until_closed() == b""


async def test_a_connection_is_kept_for_the_next_request_for_a_limited_time(redis: Client) -> None:
    async with serving(redis, head_timeout_s=2.0, idle_timeout_s=2.5) as served, connected(served.port) as kept:
        started_s = asyncio.get_running_loop().time()
        await kept.send(GOOD)
        await kept.answers(1)
        assert statuses(await kept.until_closed()) == [202]
        assert asyncio.get_running_loop().time() - started_s >= 2.5


async def test_a_body_that_arrives_too_slowly_is_refused(redis: Client) -> None:
    async with serving(redis, body_timeout_s=1.0) as served, connected(served.port) as slow:
        await slow.send(head("Content-Length: 1000"))
        dripping = asyncio.create_task(drip(slow, bytes(1000)))
        assert statuses(await slow.until_closed()) == [408]
        dripping.cancel()


async def test_a_client_that_does_not_read_its_answers_is_disconnected(redis: Client) -> None:
    async with serving(redis, body_timeout_s=0.2, idle_timeout_s=60) as served:
        _, deaf = await asyncio.open_connection("127.0.0.1", served.port, limit=1)

        async def ask() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    deaf.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
                    await deaf.drain()

        await asyncio.wait_for(ask(), 60)
        await until(lambda: not served.receiver._connections.busy)
        assert (await served.send()).status == 202
        deaf.transport.abort()


async def test_the_longest_idle_connection_is_closed_for_a_new_one(redis: Client) -> None:
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(serving(redis, max_connections=3))
        first, second, third = [await stack.enter_async_context(connected(served.port)) for _ in range(3)]
        for connection in (second, third, first):
            await connection.send(GOOD)
            assert await connection.answers(1) == [202]

        assert (await served.send()).status == 202
        assert statuses(await second.until_closed()) == [202]
        for connection in (third, first):
            await connection.send(GOOD)
            assert await connection.answers(2) == [202, 202]


async def test_a_new_connection_is_asked_to_retry_later_where_all_are_busy(redis: Client) -> None:
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(serving(redis, max_connections=2))
        busy = [await stack.enter_async_context(connected(served.port)) for _ in range(2)]
        for connection in busy:
            await connection.send(head(LENGTH) + BODY[:3])
        await until(lambda: len(served.receiver._connections.busy) == 2)

        reply = await served.send()
        assert reply.status == 503
        assert reply.headers["Retry-After"] == "5"
        assert reply.content == {"error": "too many connections"}

        for connection in busy:
            await connection.send(BODY[3:])
            assert await connection.answers(1) == [202]
        assert (await served.send()).status == 202


async def test_many_slow_bodies_use_bounded_memory_and_exclude_no_other_client(redis: Client) -> None:
    good = b"x" * 300_000  # too large to arrive in one piece with its head
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(
            serving(redis, max_pending_bytes=1_000_000, shutdown_timeout_s=0.3)
        )
        crowd = [await stack.enter_async_context(connected(served.port)) for _ in range(100)]
        bodies = served.receiver._webhooks._bodies
        for slow in crowd:
            await slow.send(SLOW_BODY)
            assert bodies.total_bytes <= 1_000_000
        await until(lambda: bodies.total_bytes > 900_000)

        assert (await served.send(good)).status == 202
        assert await crowd[0].answers(1) == [503]
        assert b"\r\nRetry-After: 5\r\n" in crowd[0].received
        assert bodies.total_bytes <= 1_000_000
        assert await stored(redis) == [good]
    await until(lambda: bodies.total_bytes == 0)


async def test_a_body_larger_than_the_limit_on_waiting_bytes_is_refused(redis: Client) -> None:
    async with serving(redis, max_pending_bytes=100_000) as served:
        assert (await served.send(b"x" * 300_000)).status == 503
        assert (await _small(served)) == 202


async def _small(served: Served) -> int:
    return (await served.send()).status


def test_no_more_connections_are_accepted_than_the_limit_on_open_files_allows() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300));"
        "from receiver.ingress.client_connections import affordable;"
        "print(affordable(50), affordable(100), affordable(10_000), resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout == "50 100 172 (300, 300)\n"
