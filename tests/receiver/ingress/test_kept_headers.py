"""Tests of the request headers that are stored beside the body."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from broker.queue import batch, stream
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.partitions import Partitions
from receiver.errors import KeptHeaderError
from receiver.ingress.kept_headers import MAX_BYTES, KeptHeaders, fault
from receiver.receiver import Receiver
from receiver.settings import Settings
from sources import KINDS
from tests.receiver.raw import BODY, GOOD, LENGTH, connected, head
from tests.receiver.serving import Served, batches, serving
from tests.redis_server import RedisServer
from tests.until import until

NAMES = ("content-type", "user-agent", "x-request-id")


@pytest.fixture
async def served(redis: Client) -> AsyncIterator[Served]:
    async with serving(redis, kept_headers=NAMES) as served:
        yield served


async def kept(served: Served, redis: Client, *lines: bytes) -> str:
    """Return what is stored of a request with these lines in its head."""
    first, _, rest = (head(LENGTH) + BODY).partition(b"\r\n")
    async with connected(served.port) as connection:
        await connection.send(b"\r\n".join([first, *lines, rest]))
        assert await connection.answers(1) == [202]
    [[body]] = await batches(redis)
    return body.headers


async def test_intake_reads_the_headers_as_they_were_sent(served: Served, redis: Client) -> None:
    await stream.create_group(redis)
    await served.send(headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "Sender/2.1 (x)"})
    await served.send(headers={"Content-Type": "text/plain", "User-Agent": "other", "X-Request-ID": "7"})
    entries = await stream.read(redis, "worker", count=10, block_ms=1)
    assert [body.headers for entry in entries for body in batch.decode(entry.blob)] == [
        "content-type: application/json; charset=utf-8\nuser-agent: Sender/2.1 (x)",
        "content-type: text/plain\nuser-agent: other\nx-request-id: 7",
    ]


async def test_headers_that_are_not_configured_are_not_stored(redis: Client) -> None:
    async with serving(redis) as served:
        secrets = {"Authorization": "Bearer x", "Cookie": "a=b", "X-Request-Id": "7", "User-Agent": "sender"}
        await served.send(headers=secrets | {"Content-Type": "application/json"})
    [[body]] = await batches(redis)
    assert body.headers == "content-type: application/json\nuser-agent: sender"


async def test_nothing_is_stored_where_no_header_is_sent_or_configured(redis: Client) -> None:
    async with serving(redis) as served, connected(served.port) as connection:
        await connection.send(GOOD)
        assert await connection.answers(1) == [202]
    async with serving(redis, kept_headers=()) as served:
        await served.send(headers={"User-Agent": "sender"})
    assert [body.headers for bodies in await batches(redis) for body in bodies] == ["", ""]


@pytest.mark.parametrize(
    ("lines", "stored"),
    [
        ([b"User-Agent: caf\xc3\xa9"], "user-agent: caf\u00e9"),
        ([b"User-Agent: caf\xe9"], "user-agent: caf\\udce9"),
        ([b"User-Agent: a\tb"], "user-agent: a\\tb"),
        ([b"User-Agent: \xe2\x80\xaeabc"], "user-agent: \\u202eabc"),
        (
            [b"X-Request-Id: one", b"User-Agent:", b"x-request-id: two"],
            "user-agent: \nx-request-id: one",
        ),
    ],
    ids=["UTF-8", "Latin-1", "tab", "turned around", "twice"],
)
async def test_unusual_values_are_escaped(served: Served, redis: Client, lines: list[bytes], stored: str) -> None:
    assert await kept(served, redis, *lines) == stored


async def test_a_long_value_and_too_many_values_are_cut_off(served: Served, redis: Client) -> None:
    stored = await kept(served, redis, b"User-Agent: " + b"x" * 8000, *[b"X-Request-Id: 1"] * 50)
    assert stored == "user-agent: " + "x" * (MAX_BYTES - 12 - 3) + "..."


async def test_headers_are_spilled_to_disk_too(own_redis: RedisServer, tmp_path: Path) -> None:
    client = connect(RedisSettings(url=own_redis.url))
    async with serving(client, spill_dir=str(tmp_path)) as served:
        own_redis.kill()
        assert (await served.send(headers={"User-Agent": "spilled"})).status == 202
        own_redis.start()
        await until(lambda: not any(tmp_path.iterdir()))
    [[body]] = await batches(client)
    assert "user-agent: spilled" in body.headers.splitlines()
    await client.aclose(close_connection_pool=True)


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "proxy-authorization",
        "cookie",
        "Set-Cookie",
        "webhook-signature",
        "x_hub_signature",
        "X-Api-Key",
        "x-auth-token",
        *(name for kind in KINDS.values() for name in kind.signature_headers),
    ],
)
async def test_a_header_that_carries_a_secret_is_refused(redis: Client, name: str) -> None:
    assert "secret" in fault(name)
    with pytest.raises(KeptHeaderError, match=rf"receiver\.kept_headers.*{name}"):
        Receiver(Settings(kept_headers=("via", name)), {}, Partitions([redis]))


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\n", "é"])
def test_an_invalid_name_of_a_header_is_refused(name: str) -> None:
    assert "no header" in fault(name)


@given(st.lists(st.tuples(st.sampled_from([*NAMES, "User-Agent", "cookie"]), st.text()), max_size=12))
def test_any_headers_become_a_bounded_text_of_lines_that_can_be_packed(given: list[tuple[str, str]]) -> None:
    text = KeptHeaders(("Content-Type", *NAMES)).of(CIMultiDict(given))
    assert len(text.encode()) <= MAX_BYTES
    assert text.replace("\n", "").isprintable()
    lines = text.split("\n") if text else []
    wanted = [kept for kept in NAMES if kept in {name.lower() for name, _ in given}]
    assert [line.partition(": ")[0] for line in lines] == wanted[: len(lines)]
    assert len(lines) == len(wanted) or text.endswith("...")
    body = RawBody(1, "voucherify", "", b"{}", text)
    assert batch.decode(batch.encode([body])) == [body]


def test_repeated_headers_take_almost_no_space() -> None:
    def size(headers: str) -> int:
        return len(batch.encode([RawBody(1, "voucherify", "", sample(number), headers) for number in range(64)]))

    def sample(number: int) -> bytes:
        return KINDS["voucherify"].sample(number, "customer.created")

    same = "content-type: application/json; charset=utf-8\nuser-agent: a sender with a long name/1.0"
    assert size(same) - size("") < 64 * 3
