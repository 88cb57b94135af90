"""Tests of the whole stack with killed, frozen, full, read-only and disconnected parts, then audited: see run.py.

`make chaos EVENTS=200000 SEED=7` runs it at full size. PARTITIONS=16 divides the data, and CLUSTER=1 uses a Redis
Cluster, with its own disruptions and without the neighbours.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import uvloop

from tests.chaos import disruptions
from tests.chaos.disruptions import Disruption
from tests.chaos.run import Report, run
from tests.chaos.sender import Pace
from tests.chaos.table import table

EVENTS = int(os.environ.get("EVENTS", "200000"))
SEED = int(os.environ.get("SEED", "1"))
PARTITIONS = int(os.environ.get("PARTITIONS", "1"))
ON_CLUSTER = os.environ.get("CLUSTER", "0") == "1"
EVENTS_A_DISRUPTION = 5500

QUICK = (disruptions.KILL_RECEIVER, disruptions.KILL_WORKER, disruptions.KILL_REDIS, disruptions.SINK_500)


def run_with_disruptions(events: int, pace: Pace, schedule: Sequence[Disruption], *, full: bool = False) -> Report:
    with tempfile.TemporaryDirectory(prefix="hookline-chaos-") as directory:
        running = run(
            Path(directory),
            seed=SEED,
            events=events,
            pace=pace,
            schedule=schedule,
            neighbours=full and not ON_CLUSTER,
            partitions=PARTITIONS if full else 1,
            on_cluster=full and ON_CLUSTER,
        )
        report = uvloop.run(running)
    sys.stdout.write(table(report))
    return report


def test_a_few_kills_lose_nothing() -> None:
    pace = Pace(per_s=300, first_retry_s=0.3, longest_retry_s=1.0)
    report = run_with_disruptions(1000, pace, disruptions.schedule(SEED, 1000, len(QUICK), QUICK, length=0.25))
    # Of so few notifications, those that one kill leaves unrecorded are a large share.
    assert [fault for fault in report.faults() if not fault.endswith("were sent again")] == []


@pytest.mark.chaos
def test_nothing_is_lost_and_almost_nothing_doubled_during_disruptions() -> None:
    kinds = disruptions.ON_CLUSTER if ON_CLUSTER else disruptions.ALL
    schedule = disruptions.schedule(SEED, EVENTS, max(4, EVENTS // EVENTS_A_DISRUPTION), kinds)
    report = run_with_disruptions(EVENTS, Pace(per_s=500), schedule, full=True)
    assert report.faults() == []
