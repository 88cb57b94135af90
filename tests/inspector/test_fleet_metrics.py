"""The metrics that only the inspector has: those of the whole installation."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from broker import dead_letters
from broker.dead_letters import died_at_intake
from broker.dead_letters.replay import replay
from broker.monitoring.alerts import Alert, raise_alert
from broker.queue.batch import RawBody
from broker.queue.channel_state import pause
from broker.redis.client import Client
from broker.redis.connection import Settings
from broker.redis.partitions import Partitions, connect_all
from inspector import fleet_metrics
from inspector.http.app_context import Configured
from runtime.metrics.exposition import prometheus_text
from sources.settings import Settings as SourceSettings
from tests.inspector.stack import accept, add_stored, sample
from tests.redis_server import RedisServer

CONFIGURED = Configured(sources={"voucherify": SourceSettings()}, channels=("crm", "mail"))


async def metrics(partitions: Partitions) -> dict[str, float]:
    """Return the samples of a scrape, each by its name and its labels."""
    samples = await fleet_metrics.reader(partitions, lambda: CONFIGURED)()
    return {
        " ".join([one.name, *one.labels.values()]): one.value
        for family in text_string_to_metric_families(prometheus_text(fleet_metrics.METRICS, {}, samples).decode())
        for one in family.samples
    }


async def test_metrics_are_those_of_all_partitions(three_partitions: Partitions) -> None:
    await accept(three_partitions[0], sample(1))
    await accept(three_partitions[2], sample(2), sample(3))
    await pause(three_partitions[1], "crm", by="ann")
    found = await metrics(three_partitions)
    assert (found["hookline_bodies_accepted_total"], found["hookline_queued_bodies"]) == (3, 3)
    assert found["hookline_queued_batches"] == 2
    assert [found[f"hookline_partition_up {number}"] for number in range(3)] == [1, 1, 1]
    assert found["hookline_redis_up"] == 1
    assert found["hookline_redis_memory_bytes"] > 0


async def test_each_configured_channel_has_one_state(partitions: Partitions) -> None:
    await pause(partitions.control, "crm", by="ann")
    found = await metrics(partitions)
    states = ("closed", "open", "half-open", "paused")
    assert [found[f"hookline_channel_state crm {state}"] for state in states] == [0, 0, 0, 1]
    assert [found[f"hookline_channel_state mail {state}"] for state in states] == [1, 0, 0, 0]
    assert found["hookline_channel_held_jobs mail"] == 0


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
    assert (found["hookline_queued_bodies"], found["hookline_redis_up"]) == (1, 0)
    assert "hookline_bodies_accepted_total" not in found, "a part of it would look like a counter that was reset"


async def test_without_redis_only_that_is_said(own_redis: RedisServer) -> None:
    partitions = connect_all(Settings(url=own_redis.url), retries=0)
    own_redis.stop()
    try:
        assert await metrics(partitions) == {"hookline_redis_up": 0}
    finally:
        await partitions.aclose()


async def test_metrics_count_the_dead_letters_that_exist_and_all_that_ever_arose(
    redis: Client, partitions: Partitions
) -> None:
    body = RawBody(1, "shop", "order.created", b"{")
    stored_letters = [
        died_at_intake(body, reason="undecodable", error="cut off", error_class="DecodeError") for _ in range(5)
    ]
    await add_stored(redis, stored_letters)
    one, other, *_ = stored_letters
    await dead_letters.discard(redis, [one.letter], counter="purged")
    await dead_letters.discard(redis, [other.letter])
    assert await replay(redis, stored_letters[2:3]) == 1
    found = await metrics(partitions)

    assert found["hookline_dead_letters"] == 2
    assert found["hookline_dead_letters_died_total"] == 5
    handled = {name.split()[1]: count for name, count in found.items() if "_handled_total" in name}
    assert handled == {
        "replayed": 1,
        "edited": 0,
        "retried_on_redelivery": 0,
        "discarded": 1,
        "purged": 1,
        "forgotten": 0,
    }


async def test_the_ages_of_waiting_work_are_shown(redis: Client, partitions: Partitions) -> None:
    await accept(redis, sample(1))
    await redis.zadd(redis.names.queue, {"a-job.1": 1000})
    found = await metrics(partitions)
    assert 0 <= found["hookline_oldest_batch_age_seconds"] < 60
    assert found["hookline_oldest_due_job_age_seconds"] > 1_000_000


async def test_a_scrape_shows_the_current_alerts(redis: Client, partitions: Partitions) -> None:
    await raise_alert(redis, Alert(kind="silence", source="voucherify", since_ms=1, text="quiet"), mark_ms=1000)
    found = await metrics(partitions)
    assert found["hookline_alert silence voucherify"] == 1
    assert found["hookline_alerts_total"] == 1
