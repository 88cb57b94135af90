"""The metrics of an installation with several partitions."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from broker.queue.channel_state import pause
from broker.redis.partitions import Partitions
from receiver.counters import Counters
from receiver.health.error_streaks import ErrorStreaks
from receiver.health.metrics import ScrapeData, render
from receiver.health.snapshot import SnapshotReader
from sources.voucherify import VOUCHERIFY
from tests.inspector.stack import accept, sample
from tests.redis_server import RedisServer


async def metrics(partitions: Partitions) -> dict[str, float]:
    """Return the samples of a scrape, each by its name and its labels."""
    reader = SnapshotReader(partitions, lambda: {"voucherify": VOUCHERIFY}, ErrorStreaks(partitions.control))
    data = ScrapeData(
        process=0,
        counters=Counters(),
        pending_bytes=0,
        queued_bytes=0,
        partitions={},
        spilled=None,
        shared=await reader.read(),
    )
    return {
        " ".join([one.name, *one.labels.values()]): one.value
        for family in text_string_to_metric_families(render(data).decode())
        for one in family.samples
    }


async def test_metrics_are_those_of_all_partitions(three_partitions: Partitions) -> None:
    await accept(three_partitions[0], sample(1))
    await accept(three_partitions[2], sample(2), sample(3))
    await pause(three_partitions[1], "crm", by="ann")
    found = await metrics(three_partitions)
    assert (found["hookline_bodies_total accepted"], found["hookline_queued_bodies"]) == (3, 3)
    assert found["hookline_channel_state crm paused"] == 1
    assert [found[f"hookline_partition_up {number}"] for number in range(3)] == [1, 1, 1]


async def test_a_single_partition_has_no_metric_of_its_own(partitions: Partitions) -> None:
    assert not [name for name in await metrics(partitions) if name.startswith("hookline_partition")]


async def test_metrics_name_a_partition_that_is_away_and_leave_out_counters(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    await accept(spread_partitions[2], sample(1))
    own_redis.freeze()
    try:
        found = await metrics(spread_partitions)
    finally:
        own_redis.thaw()
    assert [found[f"hookline_partition_up {number}"] for number in range(3)] == [1, 0, 1]
    assert (found["hookline_queued_bodies"], found["hookline_redis_up 0"]) == (1, 1)
    assert "hookline_bodies_total accepted" not in found, "a part of it would look like a counter that was reset"
