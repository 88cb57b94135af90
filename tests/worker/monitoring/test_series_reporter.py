"""Counts by channel and by source reach the plots, and a Redis that is away loses none of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from broker.monitoring import series
from broker.monitoring.series import LATENCY_S, QUEUE_AGE_S, Series, Span, share_within
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.errors import Unavailable
from broker.redis.partitions import Partitions
from tests.redis_server import RedisServer
from tests.until import until
from tests.worker.conftest import send, wait_until_idle, webhook
from tests.worker_process import WorkerProcess
from worker.counters import Counters
from worker.monitoring.series_reporter import SeriesReporter

BODIES = [RawBody(0, source, "", b"{}") for source in ("shop", "shop", "crm")]


async def newest(redis: Client, minutes: int = 1) -> dict[Series, int]:
    """Return the sums of the two newest spans: between a count and this, another may have begun."""
    spans: list[Span] = await series.read(redis, points=2, minutes=minutes)
    sums: dict[Series, int] = {}
    for span in spans:
        for one, count in span.counts.items():
            sums[one] = sums.get(one, 0) + count
    return sums


async def test_what_is_reported_is_what_was_counted_since_the_last_report(redis: Client) -> None:
    counters = Counters()
    reporter = SeriesReporter(redis, counters)
    for age_ms in (4, 700):
        counters.note_batch(age_ms, BODIES)
        counters.note_settled("rule", "mail:eu", "sent", 3)
        counters.note_settled("other rule", "mail:eu", "sent")
        counters.note_settled("rule", "mail:eu", "skipped")
        await reporter.report()
        await reporter.report()
    for minutes in series.KEPT_S:
        assert await newest(redis, minutes) == {
            Series("source", "age0", "shop"): 2,
            Series("source", "age7", "shop"): 2,
            Series("source", "age0", "crm"): 1,
            Series("source", "age7", "crm"): 1,
            Series("channel", "sent", "mail:eu"): 8,
        }
    async for key in redis.scan_iter(redis.names.series + "*"):
        assert 0 < await redis.ttl(key) <= 26 * 3600


async def test_counts_wait_while_redis_is_away(spread_partitions: Partitions, own_redis: RedisServer) -> None:
    counters = Counters()
    reporter = SeriesReporter(spread_partitions[1], counters)
    counters.note_settled("rule", "crm", "sent")
    own_redis.kill()
    with pytest.raises(Unavailable):
        await reporter.report()
    await reporter.finish()
    own_redis.start()
    counters.note_settled("rule", "crm", "sent")
    await until(lambda: _reported(reporter))
    assert (await newest(spread_partitions[1]))[Series("channel", "sent", "crm")] == 2


async def test_more_channels_than_a_plot_can_show_count_together(redis: Client) -> None:
    counters = Counters()
    for number in range(60):
        counters.note_settled("rule", f"channel-{number}", "dead")
    await SeriesReporter(redis, counters).report()
    found = await newest(redis)
    assert len(found) == 51
    assert found[Series("channel", "dead", "(other)")] == 10


async def test_a_worker_that_stops_has_reported_its_notifications(
    redis: Client, worker: Callable[..., WorkerProcess]
) -> None:
    await send(redis, webhook(1), webhook(2), b"{")
    process = worker()
    await wait_until_idle(redis)
    process.stop()
    found = await newest(redis)
    assert found[Series("channel", "sent", "sink")] == 2
    assert sum(count for one, count in found.items() if one.what.startswith("latency")) == 2
    assert sum(count for one, count in found.items() if one.what.startswith("age")) == 3


def test_the_time_within_which_a_share_is_lies_in_its_bucket() -> None:
    counts = [0] * (len(LATENCY_S) + 1)
    assert share_within(counts, LATENCY_S, 0.95) is None
    counts[3] = 100  # above 50 ms, up to 100 ms
    assert share_within(counts, LATENCY_S, 0.95) == pytest.approx(0.0975)
    counts[-1] = 100
    assert share_within(counts, LATENCY_S, 0.95) == LATENCY_S[-1]
    assert share_within([4], QUEUE_AGE_S, 0.5) == pytest.approx(0.0025)


async def _reported(reporter: SeriesReporter) -> bool:
    try:
        await reporter.report()
    except Unavailable:
        return False
    return True
