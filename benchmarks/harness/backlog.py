"""Sample webhooks, and functions that fill the stream with them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import uvloop

from broker.queue import stream
from broker.queue.batch import RawBody
from broker.queue.stream import Confirmation
from broker.redis.connection import Settings, connect
from sources import KINDS

EVENT = "customer.voucher.loyalty_card.points_added"
BATCH = 64
HEADERS = "content-type: application/json\nuser-agent: sender/1.0"


def sample_bodies(count: int, *, first: int = 0) -> list[bytes]:
    """Return `count` different events as bodies of about 2.6 KB each. first: the number of the first event."""
    sample = KINDS["voucherify"].sample
    return [sample(number, EVENT) for number in range(first, first + count)]


def batches(bodies: Sequence[bytes], size: int = BATCH) -> Iterator[list[RawBody]]:
    """Yield the bodies in batches, as the receiver would queue them now. size: bodies in a batch."""
    now_ms = time.time_ns() // 1_000_000
    for start in range(0, len(bodies), size):
        yield [RawBody(now_ms, "voucherify", "", body, HEADERS) for body in bodies[start : start + size]]


def fill(url: str, bodies: Sequence[bytes], *, size: int = BATCH) -> None:
    """Append the bodies to the stream in batches of `size`. url: the address of Redis."""

    async def append() -> None:
        client = connect(Settings(url=url))
        for batch in batches(bodies, size):
            await stream.append(client, batch, Confirmation())
        await client.aclose()

    uvloop.run(append())
