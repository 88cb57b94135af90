"""Tests with many clients of a receiver process: it serves valid webhooks, and its memory is bounded."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest

from receiver.ingress.client_connections import affordable
from sources.voucherify import HEADER, sign
from tests.launcher.running import Running, environment
from tests.receiver.ingress.test_hostile_requests import BOMB, deviations
from tests.receiver.raw import GOOD, connected, head
from tests.receiver.serving import PATH, SECRET
from tests.redis_server import RedisServer

MIB = 1024 * 1024
ROUNDS = 3

pytestmark = pytest.mark.chaos


class Process:
    """A process of `hookline receiver` with its default settings."""

    def __init__(self, directory: Path, redis: RedisServer, **variables: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.running = Running(
            "-m",
            "launcher",
            "receiver",
            cwd=directory,
            env=environment(
                REDIS_URL=redis.url,
                HOOKLINE_RECEIVER_PORT=str(self.port),
                HOOKLINE_SOURCES_VOUCHERIFY_SECRETS=SECRET.reveal().decode(),
                **variables,
            ),
        )

    def memory_mib(self) -> float:
        [pid] = self.running.children() or [self.running.pid]
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    async def post(self, body: bytes = b'{"a":1}') -> int:
        url = f"http://127.0.0.1:{self.port}{PATH}"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers={HEADER: sign(body, SECRET)}) as answer,
        ):
            return answer.status


@pytest.fixture
async def process(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[Process]:
    process = Process(tmp_path, redis_server, HOOKLINE_RECEIVER_BODY_TIMEOUT_S="1")
    await process.running.says("receiver_started")
    assert await process.post() == 202
    yield process
    assert "Traceback" not in process.running.output
    process.running.kill()


def crowd(stack: ExitStack, port: int, size: int, sends: bytes) -> None:
    for _ in range(size):
        one = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        one.sendall(sends)


async def took_ms(process: Process) -> float:
    """Return the slowest time of some valid webhooks, each over its own connection."""
    slowest_s = 0.0
    for _ in range(20):
        started_s = time.perf_counter()
        assert await process.post() == 202
        slowest_s = max(slowest_s, time.perf_counter() - started_s)
    return slowest_s * 1000


@pytest.mark.parametrize(
    ("sends", "each_kib"),
    [(b"", 16), (GOOD[:60], 16), (GOOD[:60] + b": y\r\n" + (b"X: " + b"y" * 8000 + b"\r\n") * 3, 48)],
    ids=["silent", "with a part of a head", "with a long part of a head"],
)
async def test_valid_webhooks_are_served_besides_ten_thousand_idle_connections(
    process: Process, sends: bytes, each_kib: int
) -> None:
    before_mib = process.memory_mib()
    with ExitStack() as stack:
        size = affordable(10_000)
        await asyncio.to_thread(crowd, stack, process.port, size, sends)

        assert await took_ms(process) < 1000
        grown_kib = (process.memory_mib() - before_mib) * 1024
        assert grown_kib < size * each_kib
    assert await process.post() == 202


async def test_memory_stays_bounded_whatever_clients_send(process: Process) -> None:
    async def large(size: int) -> None:
        async with connected(process.port) as connection:
            await connection.send(head(f"Content-Length: {size + 1}") + bytes(size))
            await connection.answers(1)

    async def bomb() -> None:
        async with connected(process.port) as connection:
            await connection.send(head("Content-Encoding: gzip", f"Content-Length: {len(BOMB)}") + BOMB)
            assert await connection.answers(1) == [415]

    peaks_mib = []
    for _ in range(ROUNDS):
        assert await deviations(process.port, half_closed=False) == {}
        slow = [asyncio.create_task(large(MIB - 1)) for _ in range(200)]  # three times what may be in memory
        await asyncio.gather(*(bomb() for _ in range(50)))
        await asyncio.wait(slow, return_when=asyncio.FIRST_COMPLETED)
        peaks_mib.append(process.memory_mib())
        assert await took_ms(process) < 2000
        await asyncio.gather(*slow)
    assert max(peaks_mib) < 400
