"""Malformed and incomplete HTTP answers: the status counts as soon as it is known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import structs

from worker.channels.http import HttpChannel
from worker.channels.settings import HttpSettings
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.rules.render import Message

MESSAGE = Message(key="k", rule="r", source="s", event="e", text="t", data={})
LONG = b"a" * 12_000


class Answers:
    """Answers each POST with the same pieces of bytes; `then`: what follows the last one."""

    def __init__(self, *pieces: bytes, then: str = "keep") -> None:
        self.pieces = pieces
        self.then = then
        self.url = ""
        self.writers: list[asyncio.StreamWriter] = []
        self.requests: list[bytes] = []
        self._over = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while True:
                await self._read(reader)
                for piece in self.pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if self.then == "endless":
                    while True:
                        writer.write(b"x" * 65536)
                        await writer.drain()
                if self.then in {"hang", "unread"}:
                    await self._over.wait()
                if self.then == "reset":
                    writer.transport.abort()
                if self.then in {"close", "reset"}:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        if self.then != "unread":
            await reader.readexactly(int(length.partition(b":")[2]))
        self.requests.append(head)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Answers]:
        server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        try:
            yield self
        finally:
            self._over.set()
            server.close()


async def outcome_by(answers: Answers, times: int = 1, message: Message = MESSAGE, **settings: Any) -> Outcome:
    async with answers.running():
        settings = {"url": answers.url, "timeout_s": 5.0, "allow_private": True} | settings
        channel = HttpChannel(HttpSettings(**settings))
        try:
            for _ in range(times):
                outcome = await channel.send(message)
        finally:
            await channel.close()
    return outcome


def head(status: str, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


ODD = [
    ("two equal lengths", (head("200 OK", "Content-Length: 2", "Content-Length: 2"), b"ok")),
    ("length and chunks", (head("200 OK", "Content-Length: 2", "Transfer-Encoding: chunked"), b"2\r\nok\r\n")),
    ("a body behind 204", (head("204 No Content") + b"null",)),
    ("a body behind 204, late", (head("204 No Content"), b"null")),
    ("more than its length", (head("200 OK", "Content-Length: 2") + b"okay, and more",)),
    ("a long header", (head("200 OK", "Content-Length: 2", f"Content-Security-Policy: {LONG.decode()}") + b"ok",)),
    ("a very long header", (head("200 OK", "Content-Length: 2", f"X-Cookies: {'a' * 300_000}") + b"ok",)),
    ("many headers", (head("200 OK", "Content-Length: 2", *["X-A: b"] * 5000) + b"ok",)),
    ("a long reason", (head(f"200 {LONG.decode()}", "Content-Length: 2") + b"ok",)),
    ("a blank in a name", (head("200 OK", "Content-Length: 2", "X-Bad Header : a", "Set-Cookie: \x01") + b"ok",)),
    ("NUL in a header", (head("200 OK", "Content-Length: 2", "X-Bad: a\x00b") + b"ok",)),
    ("bytes in a header", (head("200 OK", "Content-Length: 2", "X-City: S\u00e3o Paulo") + b"ok",)),
    ("a line without colon", (head("200 OK", "Content-Length: 2", "nonsense") + b"ok",)),
    ("an invalid length", (head("200 OK", "Content-Length: two") + b"ok",)),
    ("a negative length", (head("200 OK", "Content-Length: -1") + b"ok",)),
    ("line feeds alone", (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",)),
    ("no reason", (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",)),
    ("another version", (b"HTTP/2 200\r\ncontent-length: 2\r\n\r\nok",)),
    ("no such encoding", (head("200 OK", "Content-Encoding: gzip", "Content-Length: 2") + b"ok",)),
    ("early hints", (head("103 Early Hints", "Link: <a>"), head("200 OK", "Content-Length: 2") + b"ok")),
    ("early hints and oddities", (head("103 Early Hints"), head("200 OK", "Content-Length: x") + b"ok")),
    ("bad chunks", (head("200 OK", "Transfer-Encoding: chunked"), b"zz\r\nhello\r\n")),
    ("bad chunks immediately", (head("200 OK", "Transfer-Encoding: chunked") + b"zz\r\nhello\r\n",)),
]  # fmt: skip


@pytest.mark.parametrize("pieces", [pieces for _, pieces in ODD], ids=[name for name, _ in ODD])
async def test_an_odd_answer_counts_by_its_status(pieces: tuple[bytes, ...]) -> None:
    sent = Answers(*pieces, then="close")
    assert isinstance(await outcome_by(sent), Sent)
    refused = Answers(
        *[piece.replace(b" 200", b" 410").replace(b" 204", b" 410") for piece in pieces], then="close"
    )
    outcome = await outcome_by(refused)
    assert isinstance(outcome, Dead)
    assert (outcome.reason, outcome.error) == ("permanent", "answered 410")
    assert (len(sent.requests), len(refused.requests)) == (1, 1)


@pytest.mark.parametrize("then", ["close", "reset", "hang", "endless"])
@pytest.mark.parametrize("body", ["Content-Length: 999999999", "Transfer-Encoding: chunked", "Connection: close"])
async def test_the_fate_of_the_answers_body_does_not_matter(then: str, body: str) -> None:
    for status, end in (("200 OK", Sent), ("202 Accepted", Sent), ("410 Gone", Dead), ("503 Busy", Retry)):
        outcome = await outcome_by(Answers(head(status, body), then=then), timeout_s=0.3)
        assert isinstance(outcome, end), status
        if not isinstance(outcome, Sent):
            assert outcome.error == f"answered {status[:3]}"
            assert len(outcome.answer) <= 200


async def test_a_slow_body_is_not_waited_for_as_long_as_the_time_out() -> None:
    began = time.monotonic()
    assert await outcome_by(Answers(head("202 Accepted", "Connection: close"), then="hang"), timeout_s=60) == Sent(
        202
    )
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("then", ["close", "reset", "hang"])
async def test_a_head_that_never_ends_counts_by_its_status_line(then: str) -> None:
    assert await outcome_by(Answers(b"HTTP/1.1 201 Created\r\nX-A: ", then=then), timeout_s=0.3) == Sent(201)
    busy = Answers(b"HTTP/1.1 429 Busy\r\nRetry-After: 7\r\nX-A: ", then=then)
    outcome = await outcome_by(busy, timeout_s=0.3)
    assert isinstance(outcome, Retry)
    assert (outcome.error, outcome.retry_after_s) == ("answered 429", 7)


async def test_retry_after_counts_in_an_odd_answer_too() -> None:
    outcome = await outcome_by(Answers(head("503 Busy", "retry-after: 30", "Content-Length: x")))
    assert isinstance(outcome, Retry)
    assert outcome.retry_after_s == 30


@pytest.mark.parametrize(
    "garbage",
    [b"\x00\x01 what is this\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b"<html>502 Bad Gateway</html>\r\n\r\n"],
)
async def test_an_answer_that_is_not_http_is_not_reported_as_400(garbage: bytes) -> None:
    outcome = await outcome_by(Answers(garbage, then="close"))
    assert isinstance(outcome, Retry)
    assert outcome.error.startswith("the answer is not HTTP: ")
    assert outcome.error_class == "NotHttp"
    assert "400" not in outcome.error
    assert "\n" not in outcome.error


@pytest.mark.parametrize("cut", [b"", b"HT", b"HTTP/1.1 20", b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"])
async def test_an_answer_cut_before_its_status_is_tried_again(cut: bytes) -> None:
    outcome = await outcome_by(Answers(cut, then="close"))
    assert isinstance(outcome, Retry)
    assert "answered" not in outcome.error


async def test_a_body_that_comes_in_pieces_keeps_its_connection_and_is_shown() -> None:
    pieces = Answers(head("422 No", "Content-Length: 10"), b"first", b"-last")
    outcome = await outcome_by(pieces, times=3)
    assert isinstance(outcome, Dead)
    assert outcome.answer == "first-last"
    assert (len(pieces.requests), len(pieces.writers)) == (3, 1)


@pytest.mark.parametrize("status", [409, 421, 423])
async def test_a_key_that_is_still_being_processed_is_retried(status: int) -> None:
    outcome = await outcome_by(Answers(head(f"{status} Later", "Content-Length: 0")))
    assert isinstance(outcome, Retry)
    assert outcome.error_class == f"Http{status}"


async def test_an_answer_that_no_request_asked_for_is_not_the_answer_of_the_next() -> None:
    answers = Answers(head("400 Bad Request", "Content-Length: 0"))
    async with answers.running():
        settings = HttpSettings(url=answers.url, timeout_s=5.0, allow_private=True)
        channel, other = HttpChannel(settings), HttpChannel(settings)
        outcomes = [await channel.send(MESSAGE)]
        answers.writers[0].write(head("200 OK", "Content-Length: 0"))
        outcomes.append(await other.send(MESSAGE))  # when this is answered, the first channel has those bytes
        outcomes.append(await channel.send(MESSAGE))
        await asyncio.gather(channel.close(), other.close())
    assert [type(outcome) for outcome in outcomes] == [Dead, Dead, Dead]
    assert len(answers.writers) == 3


async def test_a_connection_whose_server_did_not_read_the_request_is_not_used_again() -> None:
    answers = Answers(head("200 OK", "Content-Length: 0"), then="unread")
    large = structs.replace(MESSAGE, text="a" * 32_000_000)
    assert await outcome_by(answers, times=2, message=large) == Sent(200)
    assert len(answers.writers) == 2


async def test_a_header_that_would_break_the_head_is_not_sent() -> None:
    answers = Answers(head("200 OK", "Content-Length: 0"))
    for settings in ({"headers": {"X-A": "a\r\nX-B: b"}}, {"headers": {"X-A\r\nX-B": "b"}}):
        with pytest.raises(ValueError, match="line break"):
            await outcome_by(answers, **settings)
    with pytest.raises(ValueError, match="line break"):
        await outcome_by(answers, message=structs.replace(MESSAGE, key="k\r\nX-B: b"))
    assert not answers.requests
