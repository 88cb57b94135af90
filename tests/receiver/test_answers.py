"""Tests of every answer of the receiver, over real HTTP."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

from broker.redis.client import Client
from runtime.clock import now_ms
from sources.secret import Secret
from sources.settings import Settings as SourceSettings
from sources.voucherify import HEADER, sign
from tests.receiver.serving import PATH, SECRET, Served, batches, serving, stored
from tests.until import until

VECTORS = {
    b'{"a":1}': "a17d2ac229d1ebbb5f10e839c7985c4818e5986eab297f7e5979196d4d7d3ed2",
    b'{\n  "a": 1\n}': "a17d2ac229d1ebbb5f10e839c7985c4818e5986eab297f7e5979196d4d7d3ed2",
    b'{"a\\"b":1}': "f7cf97814a03146abedb9793f56e1dec34f618f82d10395310d053f749483ffb",
    b'{\n  "a\\"b": 1\n}': "f7cf97814a03146abedb9793f56e1dec34f618f82d10395310d053f749483ffb",
    b"  message  ": "53ff92957e1427ce23ad5bda9d0c5f2f4ff384d0806b83eeacb510c842d3a358",
}


@pytest.fixture
async def served(redis: Client) -> AsyncIterator[Served]:
    async with serving(redis, max_body_bytes=10_000, body_timeout_s=0.3) as served:
        yield served


async def written(redis: Client) -> list[bytes]:
    """Return all keys except the one that probes whether Redis accepts writes."""
    return [key for key in await redis.keys() if key.decode() != redis.names.probe]


async def raw_exchange(port: int, *parts: bytes) -> bytes:
    """Write these bytes and read until the receiver closes or answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    answer = await asyncio.wait_for(reader.read(65536), 60)
    writer.close()
    return answer


@pytest.mark.parametrize("body", VECTORS, ids=repr)
async def test_the_published_signature_vectors_are_accepted(served: Served, redis: Client, body: bytes) -> None:
    reply = await served.send(body, headers={HEADER: VECTORS[body]})

    assert (reply.status, reply.content) == (202, {"status": "accepted"})
    assert reply.headers["Content-Type"].startswith("application/json")
    assert await stored(redis) == [body]  # unchanged, with all white space


async def test_an_accepted_webhook_is_in_redis_with_its_source_hint_and_time(
    served: Served, redis: Client
) -> None:
    before_ms = now_ms()
    await served.send(b"{}", path=f"{PATH}?event=customer.created&other=1")

    [[raw]] = await batches(redis)
    assert (raw.source, raw.event_hint, raw.body) == ("voucherify", "customer.created", b"{}")
    assert before_ms <= raw.received_at_ms <= now_ms()


async def test_a_chunked_body_is_accepted(served: Served, redis: Client) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"a"'
        yield b":1}"

    assert (await served.send(b'{"a":1}', data=chunks())).status == 202
    assert await stored(redis) == [b'{"a":1}']


async def test_a_client_that_waits_for_100_continue_gets_it(served: Served) -> None:
    assert (await served.send(b'{"a":1}', headers={"Expect": "100-continue"})).status == 202


async def test_both_secrets_verify_during_a_rotation(redis: Client) -> None:
    old, new = Secret("old"), Secret("new")
    async with serving(redis, {"voucherify": SourceSettings(secrets=(new, old))}) as served:
        assert (await served.send(secret=old)).status == 202
        assert (await served.send(secret=new)).status == 202
        assert (await served.send(secret=SECRET)).status == 401


REFUSED = {
    "unknown source": (404, {"path": "/webhooks/unknown"}),
    "unknown path": (404, {"path": "/"}),
    "path below a source": (404, {"path": PATH + "/more"}),
    "wrong method": (405, {"method": "PUT"}),
    "wrong signature": (401, {"headers": {HEADER: "0" * 64}}),
    "signature of another body": (401, {"body": b"{}", "data": b'{"a":2}'}),
    "empty signature": (401, {"headers": {HEADER: ""}}),
    "signature that is not ASCII": (401, {"headers": {HEADER: "é" * 64}}),
    "too large": (413, {"body": b"x" * 10_001}),
    "content encoding": (415, {"headers": {"Content-Encoding": "gzip"}, "data": gzip.compress(b"{}")}),
    "long event": (400, {"path": f"{PATH}?event={'x' * 201}"}),
    "event that is no text": (400, {"path": f"{PATH}?event=%00"}),
}


@pytest.mark.parametrize(("status", "webhook"), REFUSED.values(), ids=REFUSED)
async def test_a_refused_webhook_gets_the_reason_and_writes_nothing(
    served: Served, redis: Client, status: int, webhook: dict[str, object]
) -> None:
    reply = await served.send(**webhook)  # type: ignore[arg-type]

    assert reply.status == status
    assert list(reply.content) == ["error"]
    assert await written(redis) == []


async def test_a_wrong_method_is_answered_with_the_right_one(served: Served) -> None:
    assert (await served.send(method="DELETE")).headers["Allow"] == "POST"


async def test_an_unknown_source_is_reported_before_a_wrong_method(served: Served) -> None:
    assert (await served.send(method="GET", path="/webhooks/unknown")).status == 404


async def test_identity_is_not_a_content_encoding(served: Served) -> None:
    assert (await served.send(headers={"Content-Encoding": "identity"})).status == 202


async def test_a_chunked_body_beyond_the_limit_is_refused(served: Served, redis: Client) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 1000

    assert (await served.send(data=chunks())).status == 413
    assert await written(redis) == []


async def test_a_body_of_exactly_the_limit_is_accepted(served: Served) -> None:
    assert (await served.send(b"x" * 10_000)).status == 202


async def test_a_body_that_takes_too_long_is_refused(served: Served, redis: Client) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n".encode()

    answer = await raw_exchange(served.port, head, b'{"a"')

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert await written(redis) == []


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01 not http\r\n\r\n", b"POST / HTTP/1.1\r\nbad header\r\n\r\n"])
async def test_malformed_http_is_answered_in_json(served: Served, garbage: bytes) -> None:
    head, _, body = (await raw_exchange(served.port, garbage)).partition(b"\r\n\r\n")

    assert b" 400 " in head.splitlines()[0]
    assert b"application/json" in head
    assert body == b'{"error":"malformed HTTP"}'


@pytest.mark.parametrize("first", [b"", b"2\r\n{}\r\n"], ids=["as the first chunk", "later"])
async def test_a_malformed_chunk_is_refused(served: Served, redis: Client, first: bytes) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()

    answer = await raw_exchange(served.port, head + first, b"zz\r\n{}\r\n0\r\n\r\n")

    assert b" 400 " in answer.splitlines()[0]
    assert await written(redis) == []


async def test_a_client_that_disconnects_within_a_body_affects_no_other(served: Served, redis: Client) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{{".encode())
    await writer.drain()
    writer.transport.abort()

    await until(lambda: _has(served, 'status="400"'))
    assert await written(redis) == []
    assert (await served.send()).status == 202


@pytest.mark.parametrize("wish", ["", "Connection: keep-alive\r\n"], ids=["closing", "keep-alive"])
async def test_an_old_client_is_answered_and_closed(served: Served, wish: str) -> None:
    signature = sign(b'{"a":1}', SECRET)
    head = f"POST {PATH} HTTP/1.0\r\nContent-Length: 7\r\n{wish}{HEADER}: {signature}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(head.encode() + b'{"a":1}')

    answer = await asyncio.wait_for(reader.read(), 60)  # until the receiver closes
    writer.close()
    assert answer.startswith(b"HTTP/1.0 202 ")


async def test_only_the_addresses_of_the_source_may_send(redis: Client) -> None:
    sources = {
        "inside": SourceSettings(secrets=(SECRET,), addresses=("198.51.100.7", "127.0.0.0/8")),
        "outside": SourceSettings(secrets=(SECRET,), addresses=("198.51.100.7", "2001:db8::/32")),
    }
    async with serving(redis, sources) as served:
        assert (await served.send(path="/webhooks/inside")).status == 202
        assert (await served.send(path="/webhooks/outside")).status == 403
    assert len(await stored(redis)) == 1


async def _has(served: Served, words: str) -> bool:
    return words in await served.text("/metrics")
