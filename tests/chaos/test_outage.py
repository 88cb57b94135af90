"""Tests of an outage of Redis for a minute under load, without and with spilling to disk."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest
import uvloop

from tests.chaos import disruptions
from tests.chaos.disruptions import Disruption
from tests.chaos.run import Report, run
from tests.chaos.sender import Pace
from tests.chaos.table import table

pytestmark = pytest.mark.chaos

GONE_S = float(os.environ.get("GONE_S", "60"))
PER_S = 500


def outage(*, spill: bool) -> Report:
    """Run five seconds of load, the outage, and load until the first webhook after it is notified."""
    gone = Disruption(5 * PER_S, disruptions.KILL_REDIS, GONE_S, 0, kills_too=False)
    # Voucherify's first retry is a minute after the first attempt: sixty times as fast would be a load of its own.
    pace = Pace(per_s=PER_S, first_retry_s=10.0, longest_retry_s=20.0, in_flight=10_000, duplicates=0.0)
    with tempfile.TemporaryDirectory(prefix="hookline-chaos-") as name:
        spill_dir = str(Path(name) / "spill") if spill else ""
        report = uvloop.run(
            run(Path(name), seed=1, events=10 * PER_S, pace=pace, schedule=[gone], spill_dir=spill_dir)
        )
    sys.stdout.write(table(report))
    return report


def test_without_spill_all_are_refused_in_time_and_accepted_with_the_senders_retries() -> None:
    report = outage(spill=False)
    assert set(report.answers) == {202, 503}
    assert report.slowest_s < 10
    assert report.faults() == []


def test_with_spill_all_are_accepted_immediately_and_notified_once_afterwards() -> None:
    report = outage(spill=True)
    assert set(report.answers) == {202}
    assert report.ack_percentile_s(0.99) < 1
    assert report.audit.resends == {}
    assert report.faults() == []
