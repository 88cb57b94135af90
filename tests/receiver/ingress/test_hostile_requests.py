"""Tests of bytes that are not HTTP, and of unusual HTTP: each has its status, and none is logged as an error."""

from __future__ import annotations

import gzip
import logging
from collections.abc import AsyncIterator

import pytest

from broker.redis.client import Client
from tests.receiver.raw import BODY, GOOD, LENGTH, connected, head, statuses
from tests.receiver.serving import PATH, Served, serving, stored

CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = b'3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n'
BOMB = gzip.compress(bytes(10_000_000))


@pytest.fixture
async def served(redis: Client, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Served]:
    async with serving(redis, max_body_bytes=100_000, body_timeout_s=0.5, head_timeout_s=5) as served:
        yield served
    defects = [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]
    assert defects == []


def to(target: str, *, method: str = "POST", version: str = "1.1") -> bytes:
    return head(LENGTH, start=f"{method} {target} HTTP/{version}") + BODY


ANSWERED: dict[str, tuple[list[int], bytes]] = {
    "chunked": ([202], head(CHUNKED) + CHUNKS),
    "chunked with extensions": ([202], head(CHUNKED) + b"7;a=b\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunked with a trailer": ([202], head(CHUNKED) + b"7\r\n" + BODY + b"\r\n0\r\nX-Sum: 1\r\n\r\n"),
    "chunked in HTTP/1.0": ([202], head(CHUNKED, start=f"POST {PATH} HTTP/1.0") + CHUNKS),
    "a chunk size that is no number": ([400], head(CHUNKED) + b"zz\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a negative chunk size": ([400], head(CHUNKED) + b"-7\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk size beyond 64 bits": ([400], head(CHUNKED) + b"f" * 17 + b"\r\n"),
    "a chunk without its end": ([400], head(CHUNKED) + b"7\r\n" + BODY + b"0\r\n\r\n"),
    "chunks with bare line feeds": ([400], head(CHUNKED) + b"7\n" + BODY + b"\n0\n\n"),
    "a thousand trailers": ([400], head(CHUNKED) + b"0\r\n" + b"X: y\r\n" * 1000 + b"\r\n"),
    "a length too short": ([400], head("Content-Length: 3") + BODY),
    "a negative length": ([400], head("Content-Length: -1") + BODY),
    "a length with a sign": ([400], head("Content-Length: +7") + BODY),
    "a length in hexadecimal": ([400], head("Content-Length: 0x7") + BODY),
    "a length beyond 64 bits": ([400], head(f"Content-Length: {10**30}") + BODY),
    "a length beyond the limit": ([413], head(f"Content-Length: {2**40}")),
    "two lengths": ([400], head(LENGTH, "Content-Length: 8") + BODY),
    "the same length twice": ([400], head(LENGTH, LENGTH) + BODY),
    "a list of lengths": ([400], head("Content-Length: 7, 7") + BODY),
    "a length and chunks": ([400], head(LENGTH, CHUNKED) + CHUNKS),
    "chunks and a length": ([400], head(CHUNKED, LENGTH) + CHUNKS),
    "chunked twice": ([400], head(CHUNKED, CHUNKED) + CHUNKS),
    "nearly chunked": ([400], head("Transfer-Encoding: xchunked") + CHUNKS),
    "a space before the colon": ([400], head("Transfer-Encoding : chunked") + CHUNKS),
    "no length at all": ([401, 400], head() + BODY),
    "gzip bomb": ([415], head("Content-Encoding: gzip", f"Content-Length: {len(BOMB)}", body=BOMB) + BOMB),
    "gzip bomb in the transfer": ([400], head("Transfer-Encoding: gzip") + BOMB),
    "a long target": ([431], to("/" + "x" * 9000)),
    "a long header": ([431], head("X: " + "x" * 20_000)),
    "too many headers": ([400], head(*["X: y"] * 200)),
    "a megabyte of headers": ([431], head(*["X: " + "x" * 8000] * 125)),
    "a megabyte of blank lines": ([431], b"\r\n" * 500_000),
    "a header without a colon": ([400], head("nonsense")),
    "a header without a name": ([400], head(": x")),
    "a header on two lines": ([400], head("X: a\r\n b")),
    "a NUL in a header": ([400], head("X: a\0b")),
    "no host": ([400], GOOD.replace(b"Host: x\r\n", b"")),
    "two hosts": ([400], head("Host: y", LENGTH) + BODY),
    "headers that are no text": ([202], head("X: \xff\xfe", LENGTH) + BODY),
    "bare line feeds": ([400], GOOD.replace(b"\r\n", b"\n")),
    "blank lines before a request": ([202], b"\r\n\r\n" + GOOD),
    "HTTP/1.2": ([400], to(PATH, version="1.2")),
    "HTTP/2 by its first line": ([400], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/2 by an upgrade": ([202], head("Connection: Upgrade", "Upgrade: h2c", LENGTH) + BODY),
    "a web socket": ([202, 202], head("Connection: Upgrade", "Upgrade: websocket", LENGTH) + BODY + GOOD),
    "TLS": ([400], bytes.fromhex("16030100c8010000c40303") + bytes(190)),
    "garbage": ([400], bytes(range(256))),
    "a NUL in the path": ([400], to(f"{PATH}\0")),
    "a path that is no text": ([400], to(f"{PATH}\xff\xfe")),
    "a path that is badly quoted": ([404], to(f"{PATH}%zz%ff")),
    "a query that is badly quoted": ([400], to(f"{PATH}?event=%zz%ff")),
    "a query with half a character": ([400], to(f"{PATH}?event=%ed%a0%80")),
    "a query of ampersands": ([202], to(f"{PATH}?{'&' * 4000}")),
    "a whole URL": ([202], to(f"http://example.com{PATH}")),
    "a whole URL with a bad host": ([400], to(f"http://[::1{PATH}")),
    "a whole URL with a bad port": ([400], to(f"http://x:99999999{PATH}")),
    "two slashes": ([404], to(f"//[{PATH}")),
    "no slash": ([400], to("webhooks/voucherify")),
    "CONNECT": ([404], head(start="CONNECT example.com:443 HTTP/1.1")),
    "CONNECT to nowhere": ([404], head(start="CONNECT [::: HTTP/1.1")),
    "OPTIONS *": ([404], head(start="OPTIONS * HTTP/1.1")),
    "an unknown method": ([400], to(PATH, method="FOO")),
    "a method in lower case": ([400], to(PATH, method="post")),
    "an expectation of something else": ([202], head("Expect: 200-maybe", LENGTH) + BODY),
    "a broken cookie": ([202], head('Cookie: ";;=', LENGTH) + BODY),
}


async def deviations(port: int, *, half_closed: bool) -> dict[str, list[int]]:
    """Return the statuses of the requests whose answer differs from ANSWERED."""
    wrong = {}
    for name, (expected, data) in ANSWERED.items():
        async with connected(port) as connection:
            await connection.send(data)
            if half_closed:
                connection.end()
                await connection.until_closed()
            statuses_received = await connection.answers(len(expected))
        if statuses_received not in (
            expected,
            expected[-1:],
        ):  # bad HTTP after a request is one answer if both are read together
            wrong[name] = statuses_received
    return wrong


@pytest.mark.parametrize("half_closed", [False, True], ids=["open", "half-closed"])
async def test_every_request_has_its_status_and_good_ones_are_served_after_it(
    served: Served, half_closed: bool
) -> None:
    assert await deviations(served.port, half_closed=half_closed) == {}
    assert (await served.send()).status == 202


async def test_malformed_http_is_answered_in_http_1_1(served: Served) -> None:
    for data in (bytes(range(256)), to(PATH, version="1.2")):
        async with connected(served.port) as connection:
            await connection.send(data)
            answer = await connection.until_closed()
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"\r\nConnection: close\r\n" in answer
        assert answer.endswith(b'\r\n\r\n{"error":"malformed HTTP"}')


@pytest.mark.parametrize("half_closed", [False, True], ids=["open", "half-closed"])
async def test_pipelined_requests_are_answered_in_order(served: Served, redis: Client, half_closed: bool) -> None:
    bodies = [b'{"number":%d}' % number for number in range(200)]
    expected = [401 if number % 7 == 3 else 202 for number in range(200)]
    async with connected(served.port) as connection:
        await connection.send(
            b"".join(
                head(f"Content-Length: {len(body)}", body=body if status == 202 else b"another") + body
                for body, status in zip(bodies, expected, strict=True)
            )
        )
        if half_closed:
            connection.end()
        assert await connection.answers(200) == expected

    taken = [body for body, status in zip(bodies, expected, strict=True) if status == 202]
    assert await stored(redis) == taken


async def test_a_client_that_closes_its_sending_half_gets_its_answer_and_is_closed(served: Served) -> None:
    async with connected(served.port) as connection:
        await connection.send(GOOD)
        connection.end()
        assert statuses(await connection.until_closed()) == [202]


@pytest.mark.parametrize(
    "begun", [head(LENGTH) + BODY[:3], head(CHUNKED) + CHUNKS[:4], GOOD + head(LENGTH) + BODY[:3]]
)
async def test_a_client_that_closes_its_sending_half_within_a_body_is_refused_immediately(
    redis: Client, begun: bytes
) -> None:
    async with serving(redis, body_timeout_s=60) as served, connected(served.port) as connection:
        await connection.send(begun)
        connection.end()
        assert statuses(await connection.until_closed())[-1] == 400


async def test_a_client_that_closes_its_sending_half_within_a_head_is_closed(served: Served) -> None:
    async with connected(served.port) as connection:
        await connection.send(head(LENGTH)[:40])
        connection.end()
        assert await connection.until_closed() == b""
