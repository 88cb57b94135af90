"""Tests of the comparison of instruction counts. `make bench-check` itself runs after the tests."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks.instructions import recorded
from benchmarks.instructions.recorded import Recorded

BEFORE = Recorded({"Python": "3.11.7", "aiohttp": "3.14.5"}, {"intake": 100_000, "notify": 200_000})


def test_a_path_may_need_three_percent_more_instructions_than_recorded() -> None:
    assert list(recorded.too_many(BEFORE, {"intake": 103_000, "notify": 100_000})) == []


def test_a_path_that_needs_more_is_named_with_both_counts() -> None:
    [line] = recorded.too_many(BEFORE, {"intake": 105_000, "notify": 200_000})
    assert line == (
        "intake: 105,000 instructions for an event, 5.0% above the recorded 100,000; at most 3% are allowed"
    )


def test_a_path_without_a_recorded_count_is_a_fault() -> None:
    assert list(recorded.too_many(BEFORE, {"sealing": 1})) == ["sealing: nothing is recorded"]


def test_other_versions_are_named() -> None:
    running = {"Python": "3.11.7", "aiohttp": "3.14.6", "uvloop": "0.22"}
    assert list(recorded.differences(BEFORE, running)) == [
        "aiohttp is 3.14.6, recorded with 3.14.5",
        "uvloop is 0.22, recorded with none",
    ]


@pytest.mark.parametrize(
    ("version", "kept"), [("3.14.5", {"intake": 99, "notify": 200_000}), ("4", {"intake": 99})]
)
def test_recording_keeps_other_counts_of_the_same_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, kept: dict[str, int]
) -> None:
    monkeypatch.setattr(recorded, "FILE", tmp_path / "recorded.json")
    recorded.FILE.write_bytes(msgspec.json.encode({"2.7": BEFORE, recorded.python(): BEFORE}))
    now = {"Python": "3.11.7", "aiohttp": version}
    recorded.write({"intake": 99.4}, now)
    assert recorded.read() == {"2.7": BEFORE, recorded.python(): Recorded(now, kept)}
