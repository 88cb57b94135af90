"""Tests of a client on `redis+sentinel://`, with real sentinels."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from broker.queue import stream
from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from broker.redis.errors import BrokerError, Unavailable, translated
from broker.redis.primary.sentinels import Sentinels
from tests.sentinels import NAME, Sentineled, sentineled
from tests.until import until

PASSWORD = "data-secret"
SENTINEL_PASSWORD = "sentinel-secret"


@pytest.fixture(scope="module")
def shared() -> Iterator[Sentineled]:
    with (
        tempfile.TemporaryDirectory(prefix="hookline-") as directory,
        sentineled(Path(directory), password=PASSWORD, sentinel_password=SENTINEL_PASSWORD) as servers,
    ):
        yield asyncio.run(servers.start())


@pytest.fixture
async def group(shared: Sentineled) -> AsyncIterator[Sentineled]:
    """Wait until all servers are up and in sync, whichever server is the primary."""
    await until(shared.is_whole)
    yield shared
    for node in shared.nodes:
        node.signal(signal.SIGCONT)


async def port_of(client: Client) -> str:
    return str((await client.info("server"))["tcp_port"])


async def moved(client: Client, port: str) -> bool:
    try:
        with translated():
            return await port_of(client) == port
    except Unavailable:
        return False


async def writes(client: Client) -> bool:
    try:
        with translated():
            await stream.APPEND(client, bodies=1, blob=b"batch", sources=[])
    except Unavailable:
        return False
    return True


async def test_errors_of_sentinels_show_no_password(group: Sentineled) -> None:
    async def error(url: str) -> str:
        client = connect(Settings(url=url), retries=0)
        try:
            with pytest.raises(BrokerError) as caught, translated():
                await client.set("a", "b")
        finally:
            await client.aclose()
        assert "secret" not in str(caught.value)
        return str(caught.value)

    assert "No such master" in await error(group.url.replace(NAME, "other"))
    assert "Authentication required" in await error(group.url.partition("?")[0])
    assert "Redis refuses the login" in await error(group.url.replace(PASSWORD, "no-secret"))
    assert "invalid username-password pair" in await error(group.url.replace(SENTINEL_PASSWORD, "no-secret"))


async def test_queries_to_sentinels_leave_no_connections_open(group: Sentineled) -> None:
    hosts = tuple(("127.0.0.1", sentinel.port) for sentinel in group.sentinels)
    sentinels = Sentinels(hosts, NAME, timeout_s=2, options={"password": SENTINEL_PASSWORD})
    with group.sentinels[0].client() as one:

        def connections() -> int:
            return sum(not client["name"] for client in one.client_list("normal"))

        before = connections()
        for _ in range(5):
            assert await sentinels.find() == ("127.0.0.1", group.primary().port)
        asking = [asyncio.create_task(sentinels.find()) for _ in range(5)]
        await asyncio.sleep(0)
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
        await until(lambda: connections() == before)


async def test_a_client_follows_when_the_primary_stops_answering(group: Sentineled) -> None:
    old = group.primary()
    [new] = [node for node in group.nodes if node is not old]
    client = connect(Settings(url=group.url, max_connections=8, socket_timeout_s=1.0))
    assert set(await asyncio.gather(*(port_of(client) for _ in range(7)))) == {str(old.port)}

    old.signal(signal.SIGSTOP)

    await until(lambda: moved(client, str(new.port)))
    assert await writes(client)
    assert set(await asyncio.gather(*(port_of(client) for _ in range(7)))) == {str(new.port)}
    await client.aclose()
