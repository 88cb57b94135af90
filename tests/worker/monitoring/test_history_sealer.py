"""Workers seal the history of their partitions, one worker at a time."""

from __future__ import annotations

import pytest

from broker.history import sealing
from broker.history.sealing import read_segments
from broker.history.settings import HistorySettings
from broker.redis.client import Client
from broker.redis.leases import take_lease
from broker.redis.partitions import Partitions
from tests.broker.history.test_recording import events, states, take_in
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.until import until
from worker.monitoring.history_sealer import HistorySealer

DAY = HistorySettings()


@pytest.fixture(autouse=True)
def few_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seal all but the newest block, however young they are."""
    monkeypatch.setattr(sealing, "MAX_BLOCKS", 1)
    monkeypatch.setattr(sealing, "_LEFT_BLOCKS", 1)


def sealer(partitions: Partitions, name: str, settings: HistorySettings = DAY) -> HistorySealer:
    return HistorySealer(partitions, settings, name, lambda: [0])


async def test_a_worker_seals_what_is_there(redis: Client, partitions: Partitions) -> None:
    for name in "abc":
        await take_in(redis, name)
    await sealer(partitions, "one").check(redis)
    assert (len(await read_segments(redis)), await redis.xlen(KEYS.history)) == (1, 1)
    assert list(states(await events(redis))) == ["c", "b", "a"]


async def test_another_worker_seals_when_the_lease_of_a_dead_one_has_ended(
    redis: Client, partitions: Partitions
) -> None:
    for name in "ab":
        await take_in(redis, name)
    assert await take_lease(redis, KEYS.history_lease, owner="dead", lasts_ms=60_000)
    two = sealer(partitions, "two")
    await two.check(redis)
    assert not await read_segments(redis)
    await redis.pexpire(KEYS.history_lease, 1)

    async def has_ended() -> bool:
        return not await redis.exists(KEYS.history_lease)

    await until(has_ended)
    await two.check(redis)
    assert len(await read_segments(redis)) == 1


async def test_old_segments_are_removed_also_when_nothing_new_comes(redis: Client, partitions: Partitions) -> None:
    for name in "ab":
        await take_in(redis, name)
    await sealer(partitions, "one").check(redis)
    a_day_later = HistorySettings(keep_days=-1)
    await sealer(partitions, "one", a_day_later).check(redis)
    assert not await read_segments(redis)


async def test_a_partition_that_is_away_does_not_end_the_sealer(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    own_redis.kill()
    for name in "ab":
        await take_in(spread_partitions[2], name)
    both = HistorySealer(spread_partitions, DAY, "one", lambda: [1, 2])
    await both.check_all()
    assert len(await read_segments(spread_partitions[2])) == 1
