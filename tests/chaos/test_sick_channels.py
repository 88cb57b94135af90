"""One channel fails a fifth of the time, in every way there is, beside others that are well.

`SICK_EVENTS=2000 make chaos ARGS=tests/chaos/test_sick_channels.py` runs it smaller.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import uvloop

from tests.chaos.sender import Pace
from tests.chaos.sick_channel import ATTEMPTS, WELL, WITH, Report, run
from tests.chaos.sick_table import table
from tests.chaos.sinks import OK, SICK, WAYS

EVENTS = int(os.environ.get("SICK_EVENTS", "20000"))
PER_S = float(os.environ.get("SICK_PER_S", "250"))
PAIRS = 8


@pytest.fixture(scope="module")
def report() -> Report:
    with tempfile.TemporaryDirectory(prefix="hookline-chaos-") as directory:
        pace = Pace(per_s=PER_S, duplicates=0.0)
        report = uvloop.run(run(Path(directory), events=EVENTS, pairs=PAIRS, pace=pace))
    sys.stdout.write(table(report))
    return report


pytestmark = pytest.mark.chaos


def test_everything_is_accounted_for(report: Report) -> None:
    totals = report.totals
    events, sick = report.events, len(report.numbers(WITH))
    told = sum(len(report.expected(channel)) for channel in WELL)
    assert report.failures == []
    assert (totals.accepted, totals.processed, totals.created) == (events, events, told + sick)
    assert totals.bodies_add_up()
    assert totals.notifications_add_up()
    assert (totals.queued, totals.waiting, totals.skipped) == (0, 0, 0)
    assert totals.dead == len(report.letters)


@pytest.mark.parametrize("channel", WELL)
def test_a_channel_that_is_well_gets_each_notification_once(report: Report, channel: str) -> None:
    assert report.accepted(channel) == Counter(report.expected(channel))


def test_the_sick_one_takes_each_once_by_its_key_or_it_is_dead(report: Report) -> None:
    taken = report.accepted(SICK)
    assert set(taken.values()) == {1}
    assert taken.keys() ^ report.letters.keys() == report.numbers(WITH)
    assert not taken.keys() & report.letters.keys()


def test_keys_stay_the_same_at_every_try_and_no_two_notifications_share_one(report: Report) -> None:
    keys: dict[tuple[str, int], set[str]] = {}
    for one in report.deliveries:
        if one.key != "-":
            keys.setdefault((one.channel, one.number), set()).add(one.key)
    assert {len(known) for known in keys.values()} == {1}
    assert len({key for known in keys.values() for key in known}) == len(keys)


def test_the_dead_have_their_whole_history(report: Report) -> None:
    reached = Counter(one.number for one in report.deliveries if one.channel == SICK)
    assert {letter.reason for letter in report.letters.values()} <= {"permanent", "exhausted"}
    for number, letter in report.letters.items():
        outcomes = [attempt.outcome for attempt in letter.attempts]
        assert letter.channel == SICK
        assert reached[number] <= len(outcomes) <= ATTEMPTS
        assert set(outcomes[:-1]) <= {"retry"}
        if letter.reason == "permanent":
            assert (outcomes[-1], letter.attempts[-1].error) == ("permanent", "answered 400")
        else:
            assert (outcomes[-1], len(outcomes)) == ("retry", ATTEMPTS)


def test_it_failed_in_every_way(report: Report) -> None:
    ways = Counter(one.how for one in report.deliveries if one.channel == SICK)
    assert ways.keys() == {OK, *WAYS}
    assert report.refused


@pytest.mark.parametrize("channel", WELL)
def test_a_channel_that_is_well_is_not_slowed(report: Report, channel: str) -> None:
    assert report.ratio(channel) <= 2
