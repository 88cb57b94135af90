"""Tests of what is read leniently because it has only one meaning, and of how a long head is refused."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest

from broker.monitoring.source_health import SourceFacts, read_sources
from broker.redis.client import Client
from receiver.ingress.http_protocol import MAX_HEADER_BYTES, MAX_REQUEST_LINE_BYTES
from runtime.listening_socket import listen
from tests.programs import THIS_MACHINE
from tests.receiver.raw import BODY, GOOD, LENGTH, connected, head, statuses
from tests.receiver.serving import PATH, Served, serving, stored
from tests.until import until


@pytest.fixture
async def served(redis: Client) -> AsyncIterator[Served]:
    async with serving(redis) as served:
        yield served


async def status_of(served: Served, data: bytes) -> int:
    async with connected(served.port) as connection:
        await connection.send(data)
        return (await connection.answers(1))[0]


def to(target: str) -> bytes:
    return head(LENGTH, start=f"POST {target} HTTP/1.1") + BODY


@pytest.mark.parametrize(
    "target",
    [
        f"{PATH}/",
        f"{PATH}//",
        f"/{PATH}",
        "//webhooks//voucherify",
        "///webhooks///voucherify///",
        f"{PATH}/?event=customer.created",
        "http://example.com//webhooks/voucherify/",
    ],
)
async def test_additional_slashes_still_name_the_source(served: Served, redis: Client, target: str) -> None:
    assert await status_of(served, to(target)) == 202
    assert await stored(redis) == [BODY]


@pytest.mark.parametrize(
    "target",
    [
        f"{PATH}/.",
        f"{PATH}/../voucherify",
        "/webhooks/./voucherify",
        f"{PATH}%2F",
        "/webhooks%2F%2Fvoucherify",
        f"{PATH}/%20",
        f"{PATH};/",
        "//webhooks//Voucherify/",
        "/webhooks//",
        "//",
        "\\webhooks\\voucherify",
    ],
)
async def test_no_other_difference_in_a_path_is_accepted(served: Served, redis: Client, target: str) -> None:
    assert await status_of(served, to(target)) in {400, 404}
    assert await stored(redis) == []


async def test_a_page_has_only_its_own_path(served: Served) -> None:
    for path in ("/readyz/", "//metrics", "//healthz/"):
        assert await status_of(served, head(start=f"GET {path} HTTP/1.1")) == 404


@pytest.mark.parametrize(
    "encoding",
    [
        *(
            "utf-8",
            "UTF-8",
            " utf8 ",
            "charset=utf-8",
            '"utf-8"',
            "ISO-8859-1",
            "us-ascii",
            "identity",
            "none",
            "",
        ),
        *("identity, utf-8", "8bit"),
    ],
)
async def test_a_charset_is_not_a_content_encoding(served: Served, redis: Client, encoding: str) -> None:
    assert await status_of(served, head(f"Content-Encoding: {encoding}", LENGTH) + BODY) == 202
    assert await stored(redis) == [BODY]


@pytest.mark.parametrize(
    "lines",
    [
        *(["Content-Encoding: gzip"], ["Content-Encoding: GZIP"], ["Content-Encoding: x-gzip"]),
        *(["Content-Encoding: br"], ["Content-Encoding: zstd"], ["Content-Encoding: deflate"]),
        *(["Content-Encoding: aws-chunked"], ["Content-Encoding: base64"], ["Content-Encoding: nonsense"]),
        *(["Content-Encoding: utf-8, gzip"], ["Content-Encoding: identity", "Content-Encoding: gzip"]),
    ],
)
async def test_an_encoding_that_changes_the_bytes_is_refused(
    served: Served, redis: Client, lines: list[str]
) -> None:
    assert await status_of(served, head(*lines, LENGTH) + BODY) == 415
    assert await stored(redis) == []


@pytest.mark.parametrize("size", [8_300, MAX_HEADER_BYTES])
async def test_a_long_header_of_a_load_balancer_is_read(served: Served, size: int) -> None:
    assert await status_of(served, head(f"X-Amzn-Oidc-Data: {'x' * size}", LENGTH) + BODY) == 202


LONG = {
    "a header": (
        head(f"X-Amzn-Oidc-Data: {'x' * (MAX_HEADER_BYTES + 1)}", LENGTH),
        f"a header is longer than {MAX_HEADER_BYTES} bytes",
    ),
    "a request line": (
        to(f"{PATH}?x={'x' * MAX_REQUEST_LINE_BYTES}"),
        f"the request line is longer than {MAX_REQUEST_LINE_BYTES} bytes",
    ),
    "a head": (head(*["X: " + "x" * 8000] * 125), "the head is larger than 32768 bytes"),
}


async def refused(redis: Client) -> SourceFacts | None:
    source = (await read_sources(redis, ["voucherify"]))["voucherify"]
    return source if source.refused_answers else None


@pytest.mark.parametrize("pieces", [1, 3], ids=["in one piece", "in pieces"])
@pytest.mark.parametrize(("data", "reason"), LONG.values(), ids=LONG)
async def test_a_head_that_is_too_long_is_answered_431_with_the_reason_and_counted_for_its_source(
    served: Served, redis: Client, data: bytes, reason: str, pieces: int
) -> None:
    async with connected(served.port) as connection:
        for start in (0, 5, 12) if pieces == 3 else (0,):
            await connection.send(data[start : {0: 5, 5: 12}.get(start) if pieces == 3 else None])
            await asyncio.sleep(0)
        answer = await connection.until_closed()

    assert statuses(answer) == [431]
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"error": reason}
    source = await until(lambda: refused(redis))
    assert (source.refused_status, source.refused_answers) == (431, 1)


async def test_a_bad_head_behind_a_good_request_is_counted_for_no_source(served: Served, redis: Client) -> None:
    async with connected(served.port) as connection:
        await connection.send(GOOD + head("X: " + "x" * 20_000, start="POST /elsewhere HTTP/1.1"))
        answer = await connection.until_closed()

    assert statuses(answer)[-1] == 431
    assert await refused(redis) is None


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason=f"{THIS_MACHINE}IPv6")
async def test_two_colons_listen_on_ipv4_and_ipv6(redis: Client) -> None:
    async with serving(redis, host="::") as served:
        for address in ("127.0.0.1", "::1"):
            reader, writer = await asyncio.open_connection(address, served.port)
            writer.write(GOOD)
            assert (await reader.readline()).startswith(b"HTTP/1.1 202 ")
            writer.close()
            await writer.wait_closed()


def test_a_single_ipv6_address_is_listened_on_alone() -> None:
    if not socket.has_ipv6:
        pytest.skip(f"{THIS_MACHINE}IPv6")
    with listen("::1", 0) as listener, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", listener.getsockname()[1]), timeout=5)
