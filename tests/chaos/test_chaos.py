"""The whole stack under kill -9, frozen, full, read-only and cut-off parts, then audited: see tests/chaos/run.py.

`make chaos EVENTS=200000 SEED=7` runs it at full size.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import uvloop

from tests.chaos import harms
from tests.chaos.harms import Harm
from tests.chaos.run import Report, run
from tests.chaos.sender import Pace
from tests.chaos.table import table

EVENTS = int(os.environ.get("EVENTS", "200000"))
SEED = int(os.environ.get("SEED", "1"))
EVENTS_A_HARM = 5500

QUICK = (harms.KILL_RECEIVER, harms.KILL_WORKER, harms.KILL_REDIS, harms.SINK_500)


def torment(events: int, pace: Pace, schedule: Sequence[Harm], *, neighbours: bool = False) -> Report:
    with tempfile.TemporaryDirectory(prefix="hookline-chaos-") as directory:
        running = run(
            Path(directory), seed=SEED, events=events, pace=pace, schedule=schedule, neighbours=neighbours
        )
        report = uvloop.run(running)
    sys.stdout.write(table(report))
    return report


def test_a_few_deaths_lose_nothing() -> None:
    pace = Pace(per_s=300, first_retry_s=0.3, longest_retry_s=1.0)
    report = torment(1000, pace, harms.schedule(SEED, 1000, len(QUICK), QUICK, length=0.25))
    # Of so few, those that one kill leaves unrecorded are a large share.
    assert [fault for fault in report.faults() if not fault.endswith("were sent again")] == []


@pytest.mark.chaos
def test_nothing_is_lost_and_next_to_nothing_doubled_whatever_happens_to_the_stack() -> None:
    schedule = harms.schedule(SEED, EVENTS, max(4, EVENTS // EVENTS_A_HARM))
    report = torment(EVENTS, Pace(per_s=500), schedule, neighbours=True)
    assert report.faults() == []
