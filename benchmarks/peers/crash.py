"""Kills the receiver and then the worker of a contender while webhooks flow, and looks for what is missing.

The sender behaves as a provider does: what has no 2xx is sent again, with the same body.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import aiohttp
from msgspec import Struct

from benchmarks.harness import sink
from benchmarks.peers.contenders import Contender
from benchmarks.peers.running import Running, running
from benchmarks.peers.traffic import Webhook, number_in

_EVENTS = 1000
"""The webhooks that are sent around each crash."""

_KILLS = 3
_CONNECTIONS = 50
_PAUSE_S = 0.2
_QUIET_S = 15.0
"""Seconds without an arrival after which the events that are missing count as lost."""

_WORKER_WITHIN_S = 60.0
"""How long to wait for the events that a killed worker had."""


class Survived(Struct, frozen=True):
    """The result for one contender."""

    name: str
    sent: int
    """The events around the crashes of the receiver."""

    lost: int
    """The events that got a 2xx, and whose notification did not arrive, although no worker was killed."""

    late: int
    """The events that had not arrived a minute after their worker was killed and started again."""

    late_s: float
    """The seconds from the start of the new worker to the last arrival, within that minute."""

    twice: int
    """The events that were notified more than once."""


async def crash(contender: Contender, events: list[Webhook]) -> Survived:
    """Run one contender, and count what it loses, delays and sends twice."""
    arrived: Counter[int] = Counter()
    last_s = [time.monotonic()]

    def take(body: bytes) -> None:
        arrived[number_in(body)] += 1
        last_s[0] = time.monotonic()

    listener, url = sink.listen()
    with listener, running(contender, url, contender.tunings[0]) as contestant:
        close = await sink.serve(listener, take)
        target = f"http://127.0.0.1:{contestant.port}{contender.path}"
        count = _EVENTS * _KILLS
        for start in range(0, count, _EVENTS):
            await _send(target, events[start : start + _EVENTS], contestant, "receiver")
        while len(arrived) < count and time.monotonic() - last_s[0] < _QUIET_S:  # noqa: ASYNC110 - the sink sets no event
            await asyncio.sleep(0.1)
        lost = count - len(arrived)
        after = events[count : count + _EVENTS]
        await _send(target, after, contestant, "worker")
        begin_s = time.monotonic()
        until_s = begin_s + _WORKER_WITHIN_S
        while len(arrived) < count - lost + _EVENTS and time.monotonic() < until_s:  # noqa: ASYNC110 - the sink sets no event
            await asyncio.sleep(0.1)
        await close()
    return Survived(
        name=contender.name,
        sent=count,
        lost=lost,
        late=count - lost + _EVENTS - len(arrived),
        late_s=max(0.0, last_s[0] - begin_s),
        twice=sum(times > 1 for times in arrived.values()),
    )


async def _send(url: str, events: list[Webhook], contestant: Running, killed: str) -> None:
    """Send webhooks until each has a 2xx, and kill a component when half of them are sent."""
    waiting = list(reversed(events))
    is_half_sent = asyncio.Event()

    async def send(session: aiohttp.ClientSession) -> None:
        while waiting:
            event = waiting.pop()
            if len(waiting) == len(events) // 2:
                is_half_sent.set()
            while not await _is_accepted(session, url, event):  # noqa: ASYNC110 - the receiver is away
                await asyncio.sleep(_PAUSE_S)

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for _ in range(_CONNECTIONS):
            group.create_task(send(session))
        await is_half_sent.wait()
        await asyncio.to_thread(contestant.kill_and_start, killed)


async def _is_accepted(session: aiohttp.ClientSession, url: str, event: Webhook) -> bool:
    headers = {"Content-Type": "application/json", "X-Voucherify-Signature": event.signature}
    try:
        async with session.post(url, data=event.body, headers=headers) as answer:
            await answer.read()
            return 200 <= answer.status < 300
    except aiohttp.ClientError:
        return False
