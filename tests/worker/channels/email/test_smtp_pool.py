"""Connections to a real SMTP server: reuse, limits, lost connections and closing."""

from __future__ import annotations

import asyncio

import pytest

from tests.until import until
from tests.worker.channels.email.test_email import MESSAGE, assert_dead, assert_retry
from tests.worker.channels.servers import Open, smtp_server
from worker.channels.email.smtp_pool import Pool
from worker.channels.settings import EmailSettings
from worker.outcome import Sent


async def test_one_connection_carries_one_email_after_another(channel: Open) -> None:
    async with smtp_server() as server:
        opened = channel(server.port)
        for _ in range(3):
            assert await opened.send(MESSAGE) == Sent()
        assert (len(server.box.raw), len(server.box.connections)) == (3, 1)


async def test_several_at_a_time_have_a_connection_each_and_no_more(channel: Open) -> None:
    async with smtp_server() as server:
        opened = channel(server.port)
        for _ in range(2):
            assert await asyncio.gather(*(opened.send(MESSAGE) for _ in range(4))) == [Sent()] * 4
        assert (len(server.box.raw), len(server.box.connections)) == (8, 4)


@pytest.mark.parametrize("how", ["closed", "reported at the next command"])
async def test_a_connection_that_died_while_idle_costs_no_attempt(channel: Open, how: str) -> None:
    async with smtp_server() as server:
        opened = channel(server.port)
        await opened.send(MESSAGE)
        if how == "closed":
            server.box.connections[0].abort()
        else:
            server.box.once.append("421 closing")
        assert await opened.send(MESSAGE) == Sent()
        assert (len(server.box.raw), len(server.box.connections)) == (2, 2)


async def test_a_new_connection_that_the_server_closes_is_retried_later(channel: Open) -> None:
    async with smtp_server() as server:
        server.box.once.append("421 closing")
        assert_retry(await channel(server.port).send(MESSAGE))
        assert len(server.box.connections) == 1


async def test_a_refused_email_leaves_its_connection_usable(channel: Open) -> None:
    async with smtp_server() as server:
        opened = channel(server.port)
        for command in ("MAIL", "RCPT", "DATA"):
            server.box.answers[command] = "550 no"
            assert_dead(await opened.send(MESSAGE), "permanent")
            server.box.answers.clear()
        assert await opened.send(MESSAGE) == Sent()
        assert len(server.box.connections) == 1


async def test_an_unused_connection_is_closed_after_a_while() -> None:
    async with smtp_server() as server:
        settings = EmailSettings(host="127.0.0.1", port=server.port, security="none", sender="a@b.c")
        pool = Pool(settings, idle_s=0.1)
        for _ in range(2):
            connection, fresh = await pool.take()
            assert fresh
            pool.give_back(connection)
            await until(lambda: all(transport.is_closing() for transport in server.box.connections))
        assert len(server.box.connections) == 2
        await pool.close()
