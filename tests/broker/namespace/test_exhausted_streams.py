"""Streams in which another program wrote the highest possible id, so that Redis refuses every further entry."""

from __future__ import annotations

import re

import pytest
from redis.exceptions import ResponseError

from broker.erasure.scripts import FORGET_ENTRY
from broker.monitoring import audit, stats
from broker.queue import batch, stream
from broker.queue.channel_state import pause, read_channels
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from broker.redis.errors import BrokerError
from broker.repartition.waiting_work import _ADD_ENTRY
from broker.steps.settle import JobOutcomes, Retry, Settled, settle
from tests.broker.claiming import claim
from tests.broker.history.test_recording import BODY, ME, NOW_MS, events, job, key_of, take_in
from tests.names import KEYS

HIGHEST = "18446744073709551615-18446744073709551615"


async def exhaust(redis: Client, key: str) -> None:
    await redis.xadd(key, {"theirs": "1"}, id=HIGHEST)
    await redis.xdel(key, HIGHEST)


async def set_aside(redis: Client) -> list[str]:
    """Return the keys that were set aside, without when."""
    names = await redis.zrange(KEYS.set_aside, 0, -1)
    return [re.sub(r"^[0-9]+:", "", name.decode().removeprefix(KEYS.set_aside_of)) for name in names]


async def test_a_history_that_takes_no_entries_is_set_aside_and_no_notification_is_lost(redis: Client) -> None:
    await take_in(redis, "a", "b")
    [job_id] = await claim(redis, ME)
    await exhaust(redis, KEYS.history)
    row = (key_of("b"), "retry", NOW_MS, 5, 503, "answered 503", NOW_MS + 1000, "")
    outcomes = [Settled(0, "sent"), Settled(1, "retry", record=row)]
    retry = Retry(job("b"), 1000, [1], "retry")
    [settled] = await settle(redis, ME, [JobOutcomes(job_id, outcomes, [retry])])
    assert settled.open == 0
    totals = await stats.read_totals(redis)
    assert (totals.sent, totals.waiting, await redis.zcard(KEYS.queue)) == (1, 1, 1)
    await take_in(redis, "c")
    assert [traced.event.id for traced in (await events(redis)).events] == ["c"]
    assert await set_aside(redis) == ["history"]


async def test_an_audit_log_that_takes_no_entries_is_set_aside_and_changes_are_recorded(redis: Client) -> None:
    await exhaust(redis, KEYS.audit)
    assert await pause(redis, "crm", by="ann")
    assert [(stored.audit_entry.by, stored.audit_entry.what) for stored in await audit.read(redis)] == [
        ("ann", "pause")
    ]
    assert [channel.name for channel in await read_channels(redis)] == ["crm"]
    assert await set_aside(redis) == ["audit"]


async def test_what_cannot_be_added_to_the_stream_of_webhooks_stays_where_it_is(redis: Client) -> None:
    await stream.create_group(redis)
    for _ in range(2):
        await stream.append(redis, [BODY, BODY], Confirmation())
    [read] = await stream.read(redis, ME, count=1, block_ms=1)
    [_, (unread, _)] = await redis.xrange(KEYS.stream)
    await exhaust(redis, KEYS.stream)
    await redis.set(KEYS.layout, "moving:2:1")

    with pytest.raises(BrokerError):
        await stream.split(redis, read, [[(0, BODY)], [(1, BODY)]])
    with pytest.raises(ResponseError):
        blob = batch.encode([BODY])
        await FORGET_ENTRY(redis, entry=unread, leaving=1, staying=1, blob=blob, any_age=0, origin=b"", places=b"")
    arriving = {"bodies": 1, "blob": blob, "any_age": "", "origin": "", "places": ""}
    for _ in range(2):
        with pytest.raises(ResponseError):
            await _ADD_ENTRY(redis, layout="moving:2:1", name="entry:1/1-1", **arriving)

    assert [entry.id for entry in [await stream.take_over(redis, ME, idle_ms=0)] if entry] == [read.id]
    assert [entry.id for entry in await stream.read(redis, ME, count=2, block_ms=1)] == [unread.decode()]
    assert (await stats.read_totals(redis)).queued == 4
