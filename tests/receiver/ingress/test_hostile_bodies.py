"""Tests of bodies of every size: accepted whole within the limit, else refused, however they are sent."""

from __future__ import annotations

import io
import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.redis.client import Client
from receiver.settings import Settings
from tests.receiver.raw import connected, head
from tests.receiver.serving import serving, stored

MIB = 1024 * 1024


async def in_pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize("limit", [1, 100, 64 * 1024, 256 * 1024, Settings().max_body_bytes])
async def test_a_body_is_accepted_up_to_the_limit_and_refused_beyond(redis: Client, limit: int) -> None:
    sizes = sorted({0, 1, limit - 1, limit, limit + 1, limit + 2, 2 * limit, 3 * limit})
    async with serving(redis, max_body_bytes=limit, shutdown_timeout_s=0.3) as served:
        for size, is_chunked in itertools.product(sizes, (False, True)):
            body = b"x" * size
            data = in_pieces(body, max(1, size // 3)) if is_chunked else io.BytesIO(body)
            assert (await served.send(body, data=data)).status == (202 if size <= limit else 413), size
    assert sorted(map(len, await stored(redis))) == sorted(size for size in sizes if size <= limit for _ in "ab")


async def test_the_largest_limit_accepts_such_a_body_and_refuses_a_far_larger_one(redis: Client) -> None:
    async with serving(redis, max_body_bytes=32 * MIB, body_timeout_s=20, flush_timeout_s=20) as served:
        body = bytes(32 * MIB)
        assert (await served.send(body, data=io.BytesIO(body))).status == 202
        assert (await served.send(b"", data=in_pieces(body + b"x", MIB))).status == 413
        async with connected(served.port) as connection:
            await connection.send(head(f"Content-Length: {2**40}"))
            assert await connection.answers(1) == [413]


@settings(max_examples=25, suppress_health_check=[*HealthCheck])
@given(st.lists(st.binary(min_size=1, max_size=400), max_size=6), st.lists(st.integers(1, 500), max_size=8))
async def test_a_body_is_accepted_whole_however_it_is_cut_into_chunks_and_packets(
    redis: Client, pieces: list[bytes], cuts: list[int]
) -> None:
    body = b"".join(pieces)
    coded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    sent = head("Transfer-Encoding: chunked", body=body) + coded
    await redis.flushdb()
    async with serving(redis) as served, connected(served.port) as connection:
        for cut in cuts:
            await connection.send(sent[:cut])
            sent = sent[cut:]
        await connection.send(sent)
        assert await connection.answers(1) == [202]
    assert await stored(redis) == [body]
