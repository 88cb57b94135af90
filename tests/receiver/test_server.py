"""Tests of starting the receiver, and of stopping it without losing an answer."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest
from multidict import CIMultiDict

from broker.redis.client import Client
from broker.redis.partitions import Partitions
from receiver.errors import BadAddressError, BadKindError, NoSecretError, StartError
from receiver.ingress.source_verifier import source_verifiers
from receiver.server import serve
from receiver.settings import Settings
from runtime.listening_socket import listen
from sources.secret import Secret
from sources.settings import Settings as SourceSettings
from sources.voucherify import HEADER, sign
from tests.receiver.serving import PATH, SECRET, SOURCES, Reply, Served, serving, stored
from tests.until import until


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        (SourceSettings(), NoSecretError, ["HOOKLINE_SOURCES_SHOP_SECRETS", 'secrets = ["file:']),
        (SourceSettings(secrets=(SECRET, Secret(""))), NoSecretError, ["HOOKLINE_SOURCES_SHOP_SECRETS"]),
        (SourceSettings(secrets=(SECRET,), kind="pigeon"), BadKindError, ["pigeon", "voucherify"]),
        (SourceSettings(secrets=(SECRET,), addresses=("10.0.0.300",)), BadAddressError, ["10.0.0.300"]),
        (SourceSettings(secrets=(SECRET,), addresses=("10.0.0.1/8",)), BadAddressError, ["host bits set"]),
    ],
)
async def test_a_source_that_cannot_work_prevents_the_start_with_one_sentence(
    redis: Client, settings: SourceSettings, error: type[StartError], words: list[str]
) -> None:
    with listen("127.0.0.1", 0) as listener, pytest.raises(error) as raised:
        await serve(Settings(), {"shop": settings}, Partitions([redis]), listener)
    assert all(word in str(raised.value) for word in words)
    assert "\n" not in str(raised.value)


def test_an_ipv4_address_inside_ipv6_is_the_same_address() -> None:
    gate = source_verifiers({"shop": SourceSettings(secrets=(SECRET,), addresses=("192.0.2.7",))})["shop"]
    gate.check_address("::ffff:192.0.2.7", CIMultiDict())


async def test_a_signal_stops_it_and_every_202_is_in_redis(redis: Client) -> None:
    settings = Settings(port=0)
    listener = listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    serving = asyncio.create_task(serve(settings, SOURCES, Partitions([redis]), listener))
    answers: Counter[int | str] = Counter()
    accepted: list[bytes] = []
    stop = asyncio.Event()

    async def client(name: int, session: aiohttp.ClientSession) -> None:
        for number in range(1_000_000):
            body = b'{"client":%d,"number":%d}' % (name, number)
            try:
                status = await _post(session, port, body)
            except aiohttp.ClientConnectorError:
                return  # it no longer listens
            except aiohttp.ClientError as error:
                answers[type(error).__name__] += 1
                return
            answers[status] += 1
            if status == 202:
                accepted.append(body)
            if len(accepted) > 500:
                stop.set()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        clients = [asyncio.create_task(client(name, session)) for name in range(32)]
        await stop.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(serving, 60)
        await asyncio.gather(*clients)

    assert set(answers) == {202}  # no connection was closed during a request
    bodies = await stored(redis)
    assert set(accepted) <= set(bodies)
    assert len(bodies) == len(set(bodies)) == len(accepted)


async def _post(session: aiohttp.ClientSession, port: int, body: bytes) -> int:
    url = f"http://127.0.0.1:{port}{PATH}"
    async with session.post(url, data=body, headers={HEADER: sign(body, SECRET)}) as answer:
        await answer.read()
        return answer.status


async def test_a_half_read_body_is_still_accepted_during_the_stop(redis: Client) -> None:
    async with serving(redis) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        signature = sign(b'{"a":1}', SECRET)
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n{HEADER}: {signature}\r\n\r\n"
        writer.write(head.encode() + b'{"a"')
        await until(lambda: served.receiver._connections.busy)

        stopping = asyncio.create_task(served.receiver.stop())
        await until(lambda: served.receiver._connections.is_stopping)
        writer.write(b":1}")
        answer = await asyncio.wait_for(reader.read(), 60)
        await stopping

        assert answer.startswith(b"HTTP/1.1 202 ")
        assert b"\r\nConnection: close\r\n" in answer
        assert await stored(redis) == [b'{"a":1}']
        writer.close()


async def test_it_is_not_ready_while_it_stops(redis: Client) -> None:
    async with serving(redis) as served:
        assert (await served.get("/readyz")).status == 200  # opens a connection that is kept open
        stopping = asyncio.create_task(served.receiver.stop())
        await until(lambda: served.receiver._connections.is_stopping)
        reply: Reply = await served.get("/readyz")
        await stopping

    assert reply.status == 503
    assert reply.content["reasons"] == ["the receiver is shutting down"]


async def test_stopping_takes_a_bounded_time_whatever_the_clients_do(redis: Client) -> None:
    loop = asyncio.get_running_loop()
    async with serving(redis, shutdown_timeout_s=0.5, body_timeout_s=60) as served:
        writer = await _half_a_request(served)
        started_s = loop.time()
        await served.receiver.stop()
        assert loop.time() - started_s < 20
        writer.close()


async def _half_a_request(served: Served) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{{".encode())
    await until(lambda: served.receiver._connections.busy)
    return writer


async def test_a_change_of_its_source_does_not_affect_a_running_request(redis: Client) -> None:
    async with serving(redis) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        signature = sign(b'{"a":1}', SECRET)
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n{HEADER}: {signature}\r\n\r\n"
        writer.write(head.encode() + b'{"a"')
        await until(lambda: served.receiver._connections.busy)

        new = Secret("the-new-secret")
        served.receiver.reload(source_verifiers({"voucherify": SourceSettings(secrets=(new,))}))
        assert (await served.send()).status == 401
        assert (await served.send(secret=new)).status == 202
        writer.write(b":1}")

        assert (await asyncio.wait_for(reader.read(65536), 60)).startswith(b"HTTP/1.1 202 ")
        writer.close()


async def test_it_follows_changes_of_its_sources(redis: Client) -> None:
    updates: asyncio.Queue[dict[str, SourceSettings]] = asyncio.Queue()

    async def following() -> AsyncIterator[dict[str, SourceSettings]]:
        while True:
            yield await updates.get()

    settings = Settings(port=0)
    listener = listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    serving = asyncio.create_task(serve(settings, SOURCES, Partitions([redis]), listener, updates=following()))
    async with aiohttp.ClientSession() as session:
        assert await _post(session, port, b"{}") == 202
        await updates.put({"voucherify": SourceSettings(secrets=(Secret("another"),))})

        async def refused() -> bool:
            return await _post(session, port, b"{}") == 401

        await until(refused)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 60)
