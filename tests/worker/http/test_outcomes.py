"""The outcome of each HTTP answer, and of a missing answer."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest
from msgspec import structs

from worker.channels.errors import ChannelError
from worker.channels.http import HttpChannel, outcome_of, posted
from worker.channels.settings import HttpSettings
from worker.http.responses import head_of, retry_after_s
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.rules.render import Message

MESSAGE = Message(key="k", rule="r", source="s", event="e", text="t", data={})

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_2xx_is_sent(status: int) -> None:
    assert outcome_of(status, {}, b"") == Sent(status)


@pytest.mark.parametrize("status", [408, 409, 421, 423, 425, 429, 500, 502, 503, 504, 507, 599])
def test_temporary_failures_are_retried(status: int) -> None:
    assert isinstance(outcome_of(status, {}, b""), Retry)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 410, 422])
def test_permanent_failures_are_not_retried(status: int) -> None:
    outcome = outcome_of(status, {}, b"why")
    assert isinstance(outcome, Dead)
    assert (outcome.reason, outcome.answer) == ("permanent", "why")


NOW = datetime(2026, 1, 1, tzinfo=UTC)


def asked_s(value: str, date: str = "", *, now: datetime = NOW) -> float:
    return retry_after_s({"Retry-After": value, "Date": date}, now_s=now.timestamp())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("2.5", 2.5),
        ("2.", 2),
        (".5", 0.5),
        ("0", 0),
        ("120, 120", 120),
        ("120,60", 120),
        ("1.5 , 60", 1.5),
        ("900000", 900_000),
    ],
)
def test_retry_after_is_seconds_with_decimals_and_of_a_list_the_first(value: str, seconds: float) -> None:
    assert asked_s(value) == seconds


@pytest.mark.parametrize(
    "value", ["", "soon", "-5", "1e9", "\u0663", "nan", "inf", "1.2.3", ",120", "Thu, 99 Foo 2026"]
)
def test_an_invalid_retry_after_is_ignored(value: str) -> None:
    assert asked_s(value) == 0


def test_a_number_of_any_length_is_read() -> None:
    assert asked_s("9" * 500) > 1e9


def http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


def test_a_date_in_retry_after_is_compared_with_the_date_of_its_answer() -> None:
    until = http_date(NOW + timedelta(minutes=2))
    assert asked_s(until) == 120
    assert asked_s(f"{until}, {until}") == 120
    assert asked_s(until, http_date(NOW)) == 120
    for skew in (timedelta(days=2), timedelta(days=-2)):
        theirs = NOW + skew
        assert asked_s(http_date(theirs + timedelta(seconds=90)), http_date(theirs)) == 90
    assert asked_s(until, "yesterday") == 120
    assert asked_s(until, http_date(NOW + timedelta(hours=1))) == 0


@pytest.mark.parametrize(
    ("received", "status"),
    [
        (b"HTTP/1.1 200 OK\r\n", 200),
        (b"HTTP/1.0 404\n", 404),
        (b"\r\nHTTP/1.1 503 Busy\r\nX", 503),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n\r\n", 201),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101),
    ],
)
def test_the_status_is_known_from_its_line_on(received: bytes, status: int) -> None:
    head = head_of(received)
    assert head is not None
    assert head.status == status


@pytest.mark.parametrize(
    "received",
    [
        b"",
        b"HTTP/1.1 20",
        b"HTTP/1.1 2000 OK\r\n",
        b"HTTP/1.1 000 No\r\n",
        b"HTTP/1.1 103 Early\r\n\r\n",
        b"200 OK\r\n",
    ],
)
def test_an_answer_without_a_status_line_has_no_status(received: bytes) -> None:
    assert head_of(received) is None


@pytest.fixture
async def answered_by() -> AsyncIterator[Callable[[Handler], Awaitable[Outcome]]]:
    """Send the message to a server with this handler."""
    servers: list[asyncio.Server] = []

    async def send(handler: Handler) -> Outcome:
        servers.append(await asyncio.start_server(handler, "127.0.0.1", 0))
        port = servers[-1].sockets[0].getsockname()[1]
        return await send_to(f"http://127.0.0.1:{port}/")

    yield send
    for server in servers:
        server.close()


async def send_to(url: str) -> Outcome:
    channel = HttpChannel(HttpSettings(url=url, timeout_s=0.3, allow_private=True))
    try:
        return await channel.send(MESSAGE)
    finally:
        await channel.close()


async def test_a_closed_port_is_tried_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        outcome = await send_to(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert isinstance(outcome, Retry)


async def test_silence_is_tried_again_after_the_time_out(
    answered_by: Callable[[Handler], Awaitable[Outcome]],
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    outcome = await answered_by(silent)
    assert outcome == Retry(error="no answer within 0.3 s", error_class="TimeoutError")


async def test_an_endless_answer_costs_bounded_time_and_memory(
    answered_by: Callable[[Handler], Awaitable[Outcome]],
) -> None:
    async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad\r\nContent-Length: 99999999999\r\n\r\n")
        for _ in range(100):
            writer.write(b"x" * 65536)
            await writer.drain()
        writer.close()

    outcome = await answered_by(endless)
    assert isinstance(outcome, Dead)
    assert len(outcome.answer) == 200


async def test_garbage_and_a_reset_are_tried_again(answered_by: Callable[[Handler], Awaitable[Outcome]]) -> None:
    async def garbage(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x01 what is this\r\n\r\n")
        writer.close()

    async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    assert isinstance(await answered_by(garbage), Retry)
    assert isinstance(await answered_by(reset), Retry)


async def test_an_impossible_url_is_reported_when_the_channel_is_opened() -> None:
    for url in ("http://[broken/", "http://", "http://:80/", "http://host:port/"):
        with pytest.raises(ChannelError) as caught:
            await send_to(url)
        assert caught.value.setting == "url"


def test_a_post_is_one_line_with_the_payload_as_received_if_available() -> None:
    for data_json in (b"", b'{"n": 1.0}', b'{\n"n": 1.0\n}'):
        message = structs.replace(MESSAGE, data={"n": 1.0}, data_json=data_json)
        assert b"\n" not in posted(message)
        assert msgspec.json.decode(posted(message)) == {
            "key": "k",
            "rule": "r",
            "source": "s",
            "event": "e",
            "attempt": 1,
            "text": "t",
            "data": {"n": 1.0},
        }
    assert b'{"n": 1.0}' in posted(structs.replace(MESSAGE, data_json=b'{"n": 1.0}'))


def test_to_and_subject_are_posted_where_the_rule_has_them() -> None:
    body = msgspec.json.decode(posted(structs.replace(MESSAGE, to="ada@example.com", subject="Points")))
    assert (body["to"], body["subject"]) == ("ada@example.com", "Points")
