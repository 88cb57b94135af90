"""Tests that a failover under load loses nothing that was acknowledged with `durability = "replicated"`."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from broker import dead_letters
from broker.monitoring import stats
from broker.redis.client import Client
from broker.redis.connection import Settings, connect, forget_primary
from broker.redis.errors import BrokerError, Unavailable, translated
from tests.chaos.failover import Load, loaded, numbers
from tests.sentinels import Node, Sentineled, sentineled
from tests.sink import running_sink
from tests.until import until

pytestmark = pytest.mark.chaos


@pytest.fixture
async def group() -> AsyncIterator[Sentineled]:
    with (
        tempfile.TemporaryDirectory(prefix="hookline-") as directory,
        sentineled(Path(directory), password="failover-password") as sentinels,
    ):
        yield await sentinels.start()


@asynccontextmanager
async def reading(group: Sentineled) -> AsyncIterator[Client]:
    client = connect(Settings(url=group.url))
    try:
        yield client
    finally:
        await client.aclose()


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_a_failover_under_load_loses_nothing_that_was_acknowledged(
    group: Sentineled, fault: str, tmp_path: Path
) -> None:
    async with running_sink() as sink, reading(group) as redis:
        async with loaded(group.url, sink, tmp_path, password=group.password) as load:
            old = group.primary()
            failed_at = time.monotonic()
            before = len(load.acknowledged)
            _stop(old, fault)
            await until(lambda: group.primaries() == {str(_other(group, old).port)})
            named_s = time.monotonic() - failed_at
            _repair(old, fault)
            recovered_s = time.monotonic()
            await until(lambda: load.since(recovered_s) > 600, seconds=60)
            await load.finish()
            await until(lambda: _at_rest(redis), seconds=30)

        totals = await stats.read_totals(redis)
        notified = numbers(sink)
        dead = await dead_letters.newest(redis)
        lost = set(load.acknowledged) - set(notified)
        sys.stdout.write(
            f"\n{fault}: acknowledged {len(load.acknowledged)} ({before} before), lost {len(lost)}, "
            f"dead {len(dead)}, sent again {len(notified) - len(set(notified))}; "
            f"new primary after {named_s:.1f} s, longest time without a 202 {load.longest_gap_s():.1f} s; "
            f"answers {_shown(load)}\n"
        )
        assert (lost, dead) == (set(), [])
        assert max(sink.times.values()) <= 3
        assert len(sink.times) == len(set(notified))  # a repeated notification has the same key as before
        assert totals.bodies_add_up()
        assert totals.notifications_add_up()
        assert totals.sent == totals.processed == len(load.acknowledged)


async def test_a_client_follows_a_planned_failover(group: Sentineled) -> None:
    first = group.primary().port
    client = connect(Settings(url=group.url))
    assert set(await asyncio.gather(*(_port(client) for _ in range(7)))) == {first}

    await group.failover()

    second = group.primary().port
    assert second != first
    await until(lambda: _writes(client, second))
    assert set(await asyncio.gather(*(_port(client) for _ in range(7)))) == {second}
    await client.aclose()


async def test_a_sentinel_that_hangs_or_knows_only_an_old_primary_does_not_mislead_a_client(
    group: Sentineled,
) -> None:
    late, *others = group.sentinels
    late.signal(signal.SIGSTOP)
    await group.failover(without=(late,))
    [second] = group.primaries(others)
    client = connect(Settings(url=group.url, connect_timeout_s=0.5))
    assert await _port(client) == int(second)

    others[0].signal(signal.SIGSTOP)  # two of three hang: the third one is believed after the time-out
    forget_primary(client)
    assert await _port(client) == int(second)

    others[1].signal(signal.SIGSTOP)
    forget_primary(client)
    with pytest.raises(Unavailable), translated():
        await _port(client)
    await client.aclose()


def _stop(node: Node, fault: str) -> None:
    node.kill() if fault == "killed" else node.signal(signal.SIGSTOP)


def _repair(node: Node, fault: str) -> None:
    """Start the node as the primary that it was, until the sentinels make it a replica."""
    node.start() if fault == "killed" else node.signal(signal.SIGCONT)


def _other(group: Sentineled, node: Node) -> Node:
    [other] = [other for other in group.nodes if other is not node]
    return other


async def _at_rest(redis: Client) -> bool:
    try:
        totals = await stats.read_totals(redis)
    except BrokerError:
        return False
    return totals.queued == 0 == totals.waiting


async def _port(client: Client) -> int:
    return int((await client.info("server"))["tcp_port"])


async def _writes(client: Client, port: int) -> bool:
    try:
        with translated():
            await client.set("a", "b")
            return await _port(client) == port
    except Unavailable:
        return False


def _shown(load: Load) -> str:
    return ", ".join(f"{count} x {status or 'none'}" for status, count in sorted(load.answers.items()))
