"""Tests of webhooks that are taken directly from the parser, while Redis lets them wait."""

from __future__ import annotations

import asyncio
import re

import pytest

from broker.redis.client import Client
from tests.receiver.raw import BODY, GOOD, LENGTH, connected, head, statuses
from tests.receiver.serving import PATH, serving, stored
from tests.redis_server import RedisServer
from tests.until import until

REQUESTS = {
    "accepted": head(LENGTH),
    "with a query": head(LENGTH, start=f"POST {PATH}?event=customer.created HTTP/1.1"),
    "wrong signature": head(LENGTH, body=b"another"),
}


@pytest.mark.parametrize("request_head", REQUESTS.values(), ids=REQUESTS)
async def test_a_request_has_the_same_answer_whole_and_in_two_parts(redis: Client, request_head: bytes) -> None:
    answers = []
    async with serving(redis) as served:
        for parts in ([request_head + BODY], [request_head, BODY]):
            async with connected(served.port) as connection:
                await connection.send(parts[0])
                if parts[1:]:
                    await until(lambda: served.receiver._connections.busy)
                    await connection.send(parts[1])
                await connection.answers(1)
                answers.append(re.sub(rb"(Date|Server): [^\r]*\r\n", b"", connection.received))
    whole, in_parts = ({*answer.split(b"\r\n")} for answer in answers)
    assert whole == in_parts
    assert len(whole) >= 4


async def test_a_connection_is_not_idle_while_its_webhook_waits(
    own_redis: RedisServer, own_client: Client
) -> None:
    async with serving(own_client, head_timeout_s=0.5, flush_timeout_s=1.0) as served:
        own_redis.freeze()
        async with connected(served.port) as waiting:
            await waiting.send(GOOD)
            assert await waiting.answers(1) == [503]  # it was not closed after 0.5 s
            assert b"\r\nRetry-After: 5\r\n" in waiting.received
        own_redis.thaw()


async def test_a_request_behind_a_waiting_one_is_answered_after_it(
    own_redis: RedisServer, own_client: Client
) -> None:
    async with serving(own_client, flush_timeout_s=30.0) as served, connected(served.port) as connection:
        own_redis.freeze()
        await connection.send(GOOD)
        await until(lambda: served.receiver._commit.pending_bytes)
        await connection.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        async with connected(served.port) as other:
            await other.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await other.answers(1) == [200]
        assert connection.received == b""
        own_redis.thaw()
        assert await connection.answers(2) == [202, 200]


async def test_a_webhook_whose_client_is_gone_is_stored(own_redis: RedisServer, own_client: Client) -> None:
    async with serving(own_client, flush_timeout_s=30.0) as served:
        own_redis.freeze()
        async with connected(served.port) as gone:
            await gone.send(GOOD)
            await until(lambda: served.receiver._commit.pending_bytes)
        own_redis.thaw()
        await until(lambda: not served.receiver._connections.busy)
        assert await stored(own_client) == [BODY]
        assert (await served.send()).status == 202


async def test_a_webhook_that_waits_during_the_stop_is_answered_and_its_connection_closed(
    own_redis: RedisServer, own_client: Client
) -> None:
    async with serving(own_client, flush_timeout_s=30.0, shutdown_timeout_s=30.0) as served:
        async with connected(served.port) as waiting:
            own_redis.freeze()
            await waiting.send(GOOD)
            await until(lambda: served.receiver._commit.pending_bytes)
            stopping = asyncio.create_task(served.receiver.stop())
            await until(lambda: served.receiver._connections.is_stopping)
            own_redis.thaw()
            answer = await waiting.until_closed()
        await stopping
    assert statuses(answer) == [202]
    assert b"\r\nConnection: close\r\n" in answer
