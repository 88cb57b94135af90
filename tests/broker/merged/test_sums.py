"""Counters and backlogs of several partitions are added up."""

from __future__ import annotations

from broker.merged import sums
from broker.monitoring import stats
from broker.monitoring.stats import Point, Totals
from broker.queue.backlog import Backlog
from broker.queue.pending_by_due_time import Schedule
from broker.queue.waiting.cause import Causes
from broker.queue.waiting.counts import Waiting
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions


async def test_totals_add_up_although_one_partition_has_less_queued_than_nothing(
    three_partitions: Partitions,
) -> None:
    for redis, counters in zip(
        three_partitions,
        (
            {"accepted": 5, "queued": 5},
            {"processed": 3, "queued": -3},
            {"refused:401": 2, "sent": 1, "created": 1},
        ),
        strict=True,
    ):
        await redis.hset(redis.names.stats_total, mapping=counters)
    totals = sums.sum_totals(await ask_all(three_partitions, stats.read_totals))
    assert (totals.accepted, totals.processed, totals.queued) == (5, 3, 2)
    assert totals.refused == {"401": 2}
    assert totals.bodies_add_up() and totals.notifications_add_up()


def test_refused_requests_of_one_status_are_added_up() -> None:
    totals = sums.sum_totals([Totals(refused={"401": 2, "413": 1}), Totals(refused={"401": 3})])
    assert totals.refused == {"401": 5, "413": 1}


def test_backlogs_have_the_oldest_batch_and_the_next_job_of_all() -> None:
    one, other = Backlog(1, 500, 2, 1, 90), Backlog(2, 700, 3, 0, None)
    assert sums.sum_backlogs([one, other]) == Backlog(3, 700, 5, 1, 90)
    assert sums.sum_backlogs([other]).next_due_ms is None


def test_schedules_are_added_up() -> None:
    assert sums.sum_schedules([Schedule(1, 2, 3, 4, 5, 6, 7)] * 2) == Schedule(2, 4, 6, 8, 10, 12, 14)


def test_waiting_notifications_are_added_up_by_cause() -> None:
    one = Waiting(Totals(waiting=3), Causes(queued=1, retry=1, retries_overdue=1))
    other = Waiting(Totals(waiting=5), Causes(retry=5, next_retry_ms=90))
    both = sums.sum_waiting([one, other])
    assert (both.counted, both.missing, both.is_estimated) == (8, 1, False)
    assert both.causes == Causes(queued=1, retry=6, retries_overdue=1, next_retry_ms=90)


def test_histories_are_added_up_by_their_minutes() -> None:
    early, late = Point(60_000, 60, 1, 2, 3, 4), Point(120_000, 30, 1, 1, 1, 1)
    later = Point(180_000, 5, 7, 7, 7, 7)  # the clock of this partition's Redis is ahead
    merged = sums.sum_histories([[early, late], [late, later]], points=2)
    assert merged == [Point(120_000, 30, 2, 2, 2, 2), later]
