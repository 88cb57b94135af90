"""A receiver on a real socket, and signed webhooks to send to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from msgspec import Struct
from multidict import CIMultiDict

from broker.queue import batch
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from receiver.ingress.source_verifier import source_verifiers
from receiver.receiver import Receiver
from receiver.settings import Settings
from runtime.listening_socket import listen
from sources.secret import Secret
from sources.settings import Settings as SourceSettings
from sources.voucherify import HEADER, sign
from tests.names import KEYS

SECRET = Secret("secretKey")
SOURCES = {"voucherify": SourceSettings(secrets=(SECRET,))}
PATH = "/webhooks/voucherify"


class Reply(Struct):
    status: int
    content: dict[str, Any]
    headers: Mapping[str, str]


class Served:
    def __init__(self, receiver: Receiver, port: int, session: aiohttp.ClientSession, redis: Client) -> None:
        self.redis = redis
        self.receiver = receiver
        self.port = port
        self.session = session

    async def send(
        self,
        body: bytes = b'{"a":1}',
        *,
        method: str = "POST",
        path: str = PATH,
        secret: Secret = SECRET,
        headers: Mapping[str, str] | None = None,
        data: Any = None,
    ) -> Reply:
        """Send a signed webhook; `headers` are added, `data` replaces what is sent (not what is signed)."""
        all_headers: CIMultiDict[str] = CIMultiDict(headers or {})
        all_headers.setdefault(HEADER, sign(body, secret))
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.request(method, url, data=data or body, headers=all_headers) as answer:
            return Reply(answer.status, await answer.json(), answer.headers)

    async def get(self, path: str) -> Reply:
        async with self.session.get(f"http://127.0.0.1:{self.port}{path}") as answer:
            return Reply(answer.status, await answer.json(), answer.headers)

    async def text(self, path: str) -> str:
        async with self.session.get(f"http://127.0.0.1:{self.port}{path}") as answer:
            assert answer.status == 200
            return await answer.text()


@asynccontextmanager
async def serving(
    redis: Client | Partitions, sources: Mapping[str, SourceSettings] = SOURCES, **settings: Any
) -> AsyncIterator[Served]:
    """Run a receiver. `redis`: all partitions, or the client of the only one."""
    partitions = redis if isinstance(redis, Partitions) else Partitions([redis])
    chosen = Settings(**({"port": 0, "shutdown_timeout_s": 2.0} | settings))
    verifiers = source_verifiers(sources, chosen.trusted_proxies, public_url=chosen.public_url)
    receiver = Receiver(chosen, verifiers, partitions, process=3)
    listener = listen(chosen.host, chosen.port)
    port = listener.getsockname()[1]
    await receiver.start(listener)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            yield Served(receiver, port, session, partitions.control)
    finally:
        await receiver.stop()


async def sync_to_disk(redis: Client) -> None:
    """Wait until all that Redis has accepted so far is in its append-only file.

    With `durability = "memory"` a 202 says nothing about the disk: under load Redis writes its file later,
    and loses what was written last when it is killed.
    """
    async with redis.pipeline(transaction=False) as pipe:
        pipe.set("synced", 1)
        pipe.execute_command("WAITAOF", 1, 0, 10_000)
        await pipe.execute()


async def batches(redis: Client) -> list[list[RawBody]]:
    """Return every batch in the stream, decoded."""
    return [batch.decode(fields[b"z"]) for _, fields in await redis.xrange(KEYS.stream)]


async def stored(redis: Client) -> list[bytes]:
    """Return every body in the stream."""
    return [raw.body for bodies in await batches(redis) for raw in bodies]
