"""Apprise's `json://` service with a real server, and the outcome of each failure."""

from __future__ import annotations

import asyncio
import io
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sources.secret import Secret
from tests.until import until
from tests.worker.channels.servers import closed_port, garbage, reset, serving, silence
from tests.worker.channels.test_http import server
from worker.channels.apprise import AppriseChannel
from worker.channels.errors import ChannelError
from worker.channels.settings import AppriseSettings
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.rules.render import Message

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Apprise imports imghdr and others

TOKEN = "s3cret-token"


def channel(port: int, path: str = "", **settings: Any) -> AppriseChannel:
    url = Secret(f"json://user:{TOKEN}@127.0.0.1:{port}/{path}")
    return AppriseChannel(AppriseSettings(url=url, **({"timeout_s": 20.0} | settings)))


def message(to: str = "", text: str = "40 points <b>added</b>", subject: str = "Points") -> Message:
    return Message(key="k", rule="r", source="s", event="e", text=text, data={}, to=to, subject=subject)


def port_of(url: str) -> int:
    return int(url.rstrip("/").rpartition(":")[2])


def assert_retry(outcome: Outcome, error_class: str) -> None:
    assert isinstance(outcome, Retry), outcome
    assert outcome.error_class == error_class
    assert TOKEN not in str(outcome)


async def test_text_and_subject_reach_the_service() -> None:
    async with server() as taken:
        assert await channel(port_of(taken.url)).send(message()) == Sent()
    ((_, body),) = taken.posts
    assert b'"title": "Points"' in body
    assert b"40 points <b>added</b>" in body


async def test_the_recipient_of_the_rule_replaces_only_its_place_in_the_url() -> None:
    lines = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(await reader.readuntil(b"\r\n"))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    async with serving(take) as port:
        opened = channel(port, "{to}")
        assert await opened.send(message(to=" 170 ")) == Sent()
        for to in ("", "+49170,+49171", "a\nb", "170?method=PUT"):
            outcome = await opened.send(message(to=to))
            assert isinstance(outcome, Dead)
            assert outcome.reason == "permanent"
    (line,) = lines
    assert line.startswith(b"POST /170 ")


async def test_an_empty_message_is_permanent() -> None:
    outcome = await channel(closed_port()).send(message(text="", subject=""))
    assert isinstance(outcome, Dead)
    assert outcome.reason == "permanent"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """The log at level debug, without the lines of aiohttp, which here come from the test server."""
    root, text = logging.getLogger(), io.StringIO()
    handler, level = logging.StreamHandler(text), root.level
    handler.addFilter(lambda record: not record.name.startswith("aiohttp"))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


async def test_every_failure_is_tried_again_and_shows_no_token(logged: io.StringIO) -> None:
    async with server(500) as taken:
        assert_retry(await channel(port_of(taken.url), TOKEN).send(message()), "Http500")
    async with server(404) as taken:
        assert_retry(await channel(port_of(taken.url), TOKEN).send(message()), "Http404")
    assert_retry(await channel(closed_port()).send(message()), "AppriseFailure")
    for handler in (garbage, reset):
        async with serving(handler) as port:
            assert_retry(await channel(port).send(message()), "AppriseFailure")
    assert TOKEN not in logged.getvalue()
    logging.getLogger("urllib3").warning("a line that is logged")
    assert "a line that is logged" in logged.getvalue()


async def test_a_service_that_hangs_costs_a_time_out_and_stays_counted() -> None:
    async with serving(silence) as port:
        opened = channel(port, "?rto=1", timeout_s=0.1, concurrency=1)
        assert_retry(await opened.send(message()), "TimeoutError")
        assert_retry(await opened.send(message()), "TimeoutError")
        (thread,) = hanging()
        assert thread.daemon
        await until(lambda: not hanging())


def hanging() -> list[Any]:
    return [thread for thread in threading.enumerate() if thread.name == "hookline-channel"]


@pytest.mark.parametrize("url", [f"slack://{TOKEN}", f"nonsense://{TOKEN}", TOKEN, "json://"])
def test_a_url_that_apprise_refuses_is_reported_without_showing_it(url: str) -> None:
    with pytest.raises(ChannelError) as caught:
        AppriseChannel(AppriseSettings(url=Secret(url)))
    assert caught.value.setting == "url"
    assert TOKEN not in str(caught.value)
