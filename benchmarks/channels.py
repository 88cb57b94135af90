"""Compares e-mails and calls of a user's function with bare loops that do the same.

E-mail: the bare loop sends prepared messages with aiosmtplib, over as many connections as the channel keeps, to
the same server. Python channel: the function POSTs the text to a sink, as a user's function might; the bare loop
calls it with prepared notifications. Hookline's side also claims jobs from Redis, decodes, renders, logs and
records the outcome. The sides take turns, and the CPU time of the client process counts, since the servers are
the limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import Callable, Coroutine, Iterator
from email.message import EmailMessage
from functools import partial
from statistics import median
from typing import Any

import aiohttp
import aiosmtpd.smtp
import redis
from aiosmtplib import SMTP

from benchmarks.harness import sink
from benchmarks.harness.backlog import EVENT, fill, sample_bodies
from benchmarks.harness.figures import Figure
from benchmarks.harness.processes import running
from benchmarks.harness.redis_server import running_redis
from benchmarks.harness.stopwatch import Prepare, Work, measure
from benchmarks.intake import prepare_intake
from benchmarks.notify import prepare_worker
from hookline import Notification
from runtime.listening_socket import listen
from sources import KINDS
from worker.channels.settings import ChannelSettings, EmailSettings, PythonSettings
from worker.rules.rules import DEFAULT_TEXT, Rule

_PAIRS = 7
_MAILS = 2_000
_CONNECTIONS = 8
_CALLS = 6_000
_CONCURRENCY = 64
_GOAL = 0.7
_SENDER, _RECIPIENT = "shop@example.com", "member@example.com"
_SINK_PORT = 18_472
"""The port of the sink, which the user's function knows without settings."""

_RULES = (
    Rule(
        name="points-added",
        events=("*.points_added",),
        channel="sink",
        to=_RECIPIENT,
        subject="Points added",
        text=DEFAULT_TEXT,
    ),
)


def figures() -> list[Figure]:
    """Run the benchmark. Raises RuntimeError if not all notifications were sent."""
    return [_mail(), _python()]


def _mail() -> Figure:
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    channel = EmailSettings(host="127.0.0.1", port=port, security="none", sender=_SENDER, concurrency=_CONNECTIONS)
    with running(partial(_serve_mail, listener)):
        return _compared(
            "notify by e-mail against a bare aiosmtplib loop", _MAILS, channel, partial(_prepare_mails, port)
        )


def _python() -> Figure:
    listener = listen("127.0.0.1", _SINK_PORT)
    channel = PythonSettings(target=f"{__name__}:post", concurrency=_CONCURRENCY)
    with running(partial(_serve_sink, listener)):
        return _compared("notify by a function against a bare loop of calls", _CALLS, channel, _prepare_calls)


def _compared(what: str, count: int, channel: ChannelSettings, prepare_bare: Prepare) -> Figure:
    bodies = sample_bodies(count)
    with running_redis() as url, contextlib.closing(redis.Redis.from_url(url)) as client:

        def hookline_us() -> float:
            client.flushall()
            fill(url, bodies)
            measure(partial(prepare_intake, url, _RULES))
            return measure(partial(prepare_worker, url, _RULES, channel)).cpu_s / count * 1e6

        def bare_us() -> float:
            return measure(prepare_bare).cpu_s / count * 1e6

        bare_us()
        pairs = [(bare_us(), hookline_us()) for _ in range(_PAIRS)]
    bare, hookline = (median(pair[side] for pair in pairs) for side in (0, 1))
    return Figure(
        what=what,
        measured=f"{hookline:.0f} us of CPU against {bare:.0f} us",
        value=median(bare / hookline for bare, hookline in pairs),
        goal=_GOAL,
    )


async def post(notification: Notification, key: str) -> None:
    """Send a notification as a user's function might. The worker and the bare loop call it."""
    session = _session(asyncio.get_running_loop())
    async with session.post(
        f"http://127.0.0.1:{_SINK_PORT}/notifications",
        json={"to": notification.to, "subject": notification.subject, "text": notification.text},
        headers={"Idempotency-Key": key},
    ) as answer:
        await answer.read()
        answer.raise_for_status()


@functools.cache
def _session(_: asyncio.AbstractEventLoop) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_CONCURRENCY))


async def _prepare_calls() -> tuple[Work, Work]:
    notifications = iter(list(_notifications()))

    async def call_on() -> None:
        for key, notification in notifications:
            await post(notification, key)

    return _at_once(call_on, _CONCURRENCY), _session(asyncio.get_running_loop()).close


def _notifications() -> Iterator[tuple[str, Notification]]:
    for number, body in enumerate(sample_bodies(_CALLS)):
        yield (
            f"key-{number}",
            Notification(
                event=EVENT,
                source="voucherify",
                rule=_RULES[0].name,
                model=None,
                data=KINDS["voucherify"].view(body),
                raw=body,
                text="Ada: 40 points added, balance 65",
                subject="Points added",
                to=_RECIPIENT,
                html="",
                attempt=1,
            ),
        )


async def _prepare_mails(port: int) -> tuple[Work, Work]:
    connections = [SMTP(hostname="127.0.0.1", port=port, start_tls=False) for _ in range(_CONNECTIONS)]
    for connection in connections:
        await connection.connect()
    mails = iter([_mail_bytes(number) for number in range(_MAILS)])
    idle = iter(connections)

    async def send_on() -> None:
        connection = next(idle)
        for mail in mails:
            await connection.sendmail(_SENDER, [_RECIPIENT], mail)

    async def close() -> None:
        for connection in connections:
            await connection.quit()

    return _at_once(send_on, _CONNECTIONS), close


def _mail_bytes(number: int) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = _SENDER, _RECIPIENT, "Points added"
    mail["Message-ID"] = f"<{number}@example.com>"
    mail.set_content("Ada: 40 points added, balance 65")
    return mail.as_bytes()


def _at_once(send_on: Callable[[], Coroutine[Any, Any, None]], count: int) -> Work:
    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(send_on())

    return work


async def _serve_sink(listener: socket.socket) -> None:
    await sink.serve(listener, lambda _: None)
    await asyncio.Event().wait()


class _Mailbox:
    """Accepts every e-mail, and keeps none."""

    async def handle_DATA(self, *_: object) -> str:  # noqa: N802 - aiosmtpd calls it
        return "250 OK"


async def _serve_mail(listener: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: aiosmtpd.smtp.SMTP(_Mailbox(), enable_SMTPUTF8=True), sock=listener
    )
    await server.serve_forever()
