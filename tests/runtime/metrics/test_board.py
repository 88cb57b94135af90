"""The memory in which the processes of a group leave their reports."""

from __future__ import annotations

import os
import time

from runtime.metrics.board import Board, Report
from runtime.metrics.declaration import Histogram, Metric, Sample
from runtime.metrics.exposition import prometheus_text
from runtime.metrics.monitor import Monitor


def report(value: float, *, size: int = 1, at_s: float | None = None) -> Report:
    samples = {"hookline_it": [Sample(value, (str(number),)) for number in range(size)]}
    return Report(os.getpid(), time.monotonic() if at_s is None else at_s, [], samples)


async def ready() -> list[str]:
    return []


def monitor(board: Board, process: int = 0) -> Monitor:
    return Monitor("worker", (), samples=dict, reasons=ready, board=board, process=process)


def test_a_process_reads_what_its_forks_wrote() -> None:
    board = Board(3)
    for number in (0, 2):
        child = os.fork()
        if not child:
            board.publish(number, report(number))
            os._exit(0)
        os.waitpid(child, 0)
    assert {number: one.samples["hookline_it"][0].value for number, one in board.reports().items()} == {0: 0, 2: 2}


def test_a_report_is_never_read_in_part_while_another_process_replaces_it() -> None:
    board = Board(2)
    board.publish(1, report(0, size=2000))
    child = os.fork()
    if not child:
        for value in range(300):
            board.publish(1, report(value, size=2000))
        os._exit(0)
    seen = 0
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        found = board.reports().get(1)
        if found is not None:
            assert len({sample.value for sample in found.samples["hookline_it"]}) == 1
            seen += 1
    assert seen


def test_a_report_of_a_process_that_died_while_it_wrote_counts_as_missing() -> None:
    board = Board(1)
    board.publish(0, report(1))
    board._memory[10] ^= 1
    assert board.reports() == {}
    board.publish(0, report(2))
    assert board.reports()[0].samples["hookline_it"][0].value == 2


def test_a_report_that_does_not_fit_keeps_what_decides_readiness() -> None:
    board = Board(1)
    board.publish(0, report(1, size=500_000))
    assert board.reports()[0].samples == {}


async def test_a_process_that_does_not_report_makes_its_group_unready() -> None:
    board = Board(3)
    board.publish(1, report(1, at_s=time.monotonic() - 25))
    reasons = await monitor(board).reasons()
    assert reasons == [
        "process 1: it has not reported for 25 s: it hangs, or has ended",
        "process 2: it has not started",
    ]


async def test_metrics_are_those_of_all_processes_and_say_which_hangs() -> None:
    board = Board(2)
    board.publish(1, report(1, at_s=time.monotonic() - 25))
    text = (await monitor(board).metrics()).decode()
    assert 'hookline_ready{process="0"} 1.0' in text
    assert 'hookline_ready{process="1"} 0.0' in text
    assert 'process_start_time_seconds{process="1"}' in text


def test_a_histogram_is_shown_with_cumulative_buckets() -> None:
    histogram = Histogram((0.1, 1))
    for value, count in ((0.1, 2), (0.5, 1), (7, 3)):
        histogram.observe(value, count)
    metric = Metric("hookline_it_seconds", "histogram", "Seconds of it", bounds=(0.1, 1))
    text = prometheus_text([metric], {4: {metric.name: [histogram.sample()]}}, {}).decode()
    for line in (
        'hookline_it_seconds_bucket{le="0.1",process="4"} 2.0',
        'hookline_it_seconds_bucket{le="1.0",process="4"} 3.0',
        'hookline_it_seconds_bucket{le="+Inf",process="4"} 6.0',
        'hookline_it_seconds_count{process="4"} 6.0',
        'hookline_it_seconds_sum{process="4"} 21.7',
    ):
        assert line in text
