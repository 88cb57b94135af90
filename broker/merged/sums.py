"""Counters and backlogs of all partitions, added up."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from broker.monitoring.stats import Point, Totals
from broker.queue.backlog import Backlog
from broker.queue.pending_by_due_time import Schedule
from broker.queue.waiting.counts import Waiting, sum_causes


def sum_totals(totals: Iterable[Totals]) -> Totals:
    """Return the sums of all counters.

    Both equations hold for each partition, so they hold for the sums, although the partitions were not read at one
    moment.
    """
    sums: dict[str, int] = {}
    refused: dict[str, int] = {}
    for partition in totals:
        counters = msgspec.structs.asdict(partition)
        for status, count in counters.pop("refused").items():
            refused[status] = refused.get(status, 0) + count
        for name, count in counters.items():
            sums[name] = sums.get(name, 0) + count
    return Totals(**sums, refused=refused)


def sum_backlogs(backlogs: Iterable[Backlog]) -> Backlog:
    """Return the sums, and the age of the oldest batch and the due times of jobs over all."""
    each = list(backlogs)
    return Backlog(
        entries=sum(backlog.entries for backlog in each),
        oldest_ms=max((backlog.oldest_ms for backlog in each), default=0),
        jobs=sum(backlog.jobs for backlog in each),
        jobs_due=sum(backlog.jobs_due for backlog in each),
        next_due_ms=min((b.next_due_ms for b in each if b.next_due_ms is not None), default=None),
        overdue_ms=max((backlog.overdue_ms for backlog in each), default=0),
    )


def sum_schedules(schedules: Iterable[Schedule]) -> Schedule:
    """Return the numbers of notifications of all partitions."""
    return Schedule(*map(sum, zip(*map(msgspec.structs.astuple, schedules), strict=True)))


def sum_waiting(waiting: Iterable[Waiting]) -> Waiting:
    """Return the sums; they are estimated if those of one partition are."""
    each = list(waiting)
    return Waiting(
        sum_totals(partition.totals for partition in each),
        sum_causes(partition.causes for partition in each),
        is_estimated=any(partition.is_estimated for partition in each),
    )


def sum_histories(histories: Iterable[list[Point]], *, points: int) -> list[Point]:
    """Return the last `points` spans of all partitions, oldest first, each with the sums of its counts."""
    spans: dict[int, list[Point]] = {}
    for history in histories:
        for point in history:
            spans.setdefault(point.at_ms, []).append(point)
    return [_sum_points(spans[at_ms]) for at_ms in sorted(spans)[-points:]]


def _sum_points(same_span: list[Point]) -> Point:
    return Point(
        at_ms=same_span[0].at_ms,
        seconds=max(point.seconds for point in same_span),
        accepted=sum(point.accepted for point in same_span),
        sent=sum(point.sent for point in same_span),
        duplicate=sum(point.duplicate for point in same_span),
        dead=sum(point.dead for point in same_span),
    )
