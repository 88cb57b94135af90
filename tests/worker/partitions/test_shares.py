"""The share of the partitions that each worker reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.partitions.shares import are_first, share_of


@given(st.integers(1, 40), st.integers(1, 40))
def test_each_partition_has_a_reader_and_several_only_with_more_workers(workers: int, partitions: int) -> None:
    live = [f"worker-{n:02}" for n in range(workers)]
    shares = [share_of(worker, live, partitions) for worker in live]
    readers = [sum(number in share for share in shares) for number in range(partitions)]
    assert min(readers) >= 1
    assert max(readers) <= -(-workers // partitions)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert set().union(*shares) == set(range(partitions))


def test_a_worker_that_stands_by_reads_nothing() -> None:
    assert share_of("c", ["a", "b"], 5) == set()
    assert not are_first("c", ["a", "b"], 5)


@given(st.integers(1, 40), st.integers(1, 40))
def test_each_partition_has_one_first_reader(workers: int, partitions: int) -> None:
    active = [f"worker-{n:02}" for n in range(workers)]
    first = [worker for worker in active if are_first(worker, active, partitions)]
    shares = [number for worker in first for number in share_of(worker, active, partitions)]
    assert sorted(shares) == list(range(partitions))


@pytest.mark.parametrize(("worker", "share"), [("a", {0, 2, 4}), ("b", {1, 3})])
def test_the_partitions_are_dealt_in_turn(worker: str, share: set[int]) -> None:
    assert share_of(worker, ["a", "b"], 5) == share
