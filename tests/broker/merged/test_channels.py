"""Channels that have a state in each of several partitions."""

from __future__ import annotations

import pytest

from broker.merged import audit, channels
from broker.queue import channel_state
from broker.queue.channel_state import Channel, ChannelStates
from broker.redis.errors import Unavailable
from broker.redis.partitions import Partitions
from tests.redis_server import RedisServer

NOW = 1_000_000


def states(*each: list[Channel]) -> dict[int, ChannelStates]:
    return {number: ChannelStates(NOW, some) for number, some in enumerate(each)}


def channel(failures: int = 0, open_until_ms: int = 0, paused_since_ms: int = 0, held: int = 0) -> Channel:
    return Channel("crm", failures, 1, open_until_ms, paused_since_ms, held)


async def paused_in(partitions: Partitions) -> list[int]:
    return [
        redis.partition
        for redis in partitions
        if any(one.paused_since_ms for one in await channel_state.read_channels(redis))
    ]


async def records(partitions: Partitions) -> list[str]:
    return [entry.audit_entry.what for entry in (await audit.read(partitions)).entries]


def test_a_channel_has_its_worst_state_and_names_the_partitions_that_have_it() -> None:
    [merged] = channels.merge_channels(
        states([channel(failures=2, held=3)], [channel(failures=5, open_until_ms=NOW + 9, held=4)], [])
    )
    assert merged.state(NOW) == "open"
    assert (merged.failures, merged.held, merged.open_until_ms) == (5, 7, NOW + 9)
    assert merged.only_in_partitions == (1,)


def test_a_channel_that_has_one_state_everywhere_names_no_partition() -> None:
    [merged] = channels.merge_channels(states([channel(paused_since_ms=7)], [channel(paused_since_ms=5)]))
    assert merged.state(NOW) == "paused"
    assert (merged.paused_since_ms, merged.only_in_partitions) == (5, ())


async def test_a_pause_holds_in_all_partitions_and_is_one_audit_entry(three_partitions: Partitions) -> None:
    assert await channels.pause(three_partitions, "crm", by="ann")
    assert await paused_in(three_partitions) == [0, 1, 2]
    assert not await channels.pause(three_partitions, "crm", by="ann")
    assert await channels.resume(three_partitions, "crm", by="ann")
    assert await paused_in(three_partitions) == []
    assert await records(three_partitions) == ["resume", "pause"]


async def test_a_pause_that_missed_a_partition_names_it_and_can_be_repeated(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    own_redis.kill()
    with pytest.raises(Unavailable, match="channel crm is paused, but not in partition 1: repeat this"):
        await channels.pause(spread_partitions, "crm", by="ann")
    own_redis.start()
    spread_partitions.away.clear()
    assert await channels.pause(spread_partitions, "crm", by="ann")
    assert await paused_in(spread_partitions) == [0, 1, 2]
    assert await records(spread_partitions) == ["pause", "pause"], "the second one changed partition 1"
