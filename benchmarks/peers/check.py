"""Checks what a contender promises: a signature, one notification an event, and another try after a failure."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import aiohttp
from msgspec import Struct

from benchmarks.harness import sink
from benchmarks.peers.contenders import Contender
from benchmarks.peers.running import running
from benchmarks.peers.traffic import Webhook, number_in

_EVENTS = 20
_REFUSED = (3, 11)
"""The events whose first notification is answered with 503."""

_WITHIN_S = 45.0
_SETTLE_S = 0.5


class Kept(Struct, frozen=True):
    """The promises that a contender has kept."""

    verifies: bool
    """True if a webhook with a wrong signature was refused, and not notified."""

    deduplicates: bool
    """True if each event was notified once, although it was sent twice."""

    retries: bool
    """True if a notification that was refused with 503 arrived later."""

    def faults(self) -> list[str]:
        """Return the promises that it has not kept, in words."""
        kept = {
            "took a wrong signature": self.verifies,
            "notified an event twice": self.deduplicates,
            "did not try again": self.retries,
        }
        return [fault for fault, is_kept in kept.items() if not is_kept]


async def check(contender: Contender, events: list[Webhook]) -> Kept:
    """Send 20 webhooks twice, one with a wrong signature, and refuse two notifications once."""
    tries: Counter[int] = Counter()
    taken: Counter[int] = Counter()

    def take(body: bytes) -> int | None:
        number = number_in(body)
        tries[number] += 1
        if number in _REFUSED and tries[number] == 1:
            return 503
        taken[number] += 1
        return None

    listener, url = sink.listen()
    with listener, running(contender, url, contender.tunings[0]) as contestant:
        close = await sink.serve(listener, take)
        target = f"http://127.0.0.1:{contestant.port}{contender.path}"
        async with aiohttp.ClientSession() as session:
            for _ in range(2):
                for event in events[:_EVENTS]:
                    await _post(session, target, event)
                await asyncio.sleep(_SETTLE_S)
            forged = Webhook(events[_EVENTS].body, events[_EVENTS + 1].signature)
            status = await _post(session, target, forged)
        deadline_s = time.monotonic() + _WITHIN_S
        while len(taken) < _EVENTS and time.monotonic() < deadline_s:  # noqa: ASYNC110 - the sink sets no event
            await asyncio.sleep(0.1)
        await asyncio.sleep(_SETTLE_S)
        await close()
    return Kept(
        verifies=400 <= status < 500 and _EVENTS not in taken,
        deduplicates=all(count == 1 for count in taken.values()),
        retries=all(taken[number] == 1 for number in _REFUSED),
    )


async def _post(session: aiohttp.ClientSession, url: str, event: Webhook) -> int:
    headers = {"Content-Type": "application/json", "X-Voucherify-Signature": event.signature}
    async with session.post(url, data=event.body, headers=headers) as answer:
        await answer.read()
        return answer.status
