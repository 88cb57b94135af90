"""Tests of one channel that fails a fifth of the time, in every possible way, besides healthy channels.

`FAILING_EVENTS=2000 make chaos ARGS=tests/chaos/test_failing_channels.py` runs it smaller.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import uvloop

from tests.chaos.failing_channel import ATTEMPTS, HEALTHY, WITH, Report, run
from tests.chaos.failing_channel_table import table
from tests.chaos.sender import Pace
from tests.chaos.sinks import FAILING_CHANNEL, OK, WAYS

EVENTS = int(os.environ.get("FAILING_EVENTS", "20000"))
PER_S = float(os.environ.get("FAILING_PER_S", "250"))
PAIRS = 8


@pytest.fixture(scope="module")
def report() -> Report:
    with tempfile.TemporaryDirectory(prefix="hookline-chaos-") as directory:
        pace = Pace(per_s=PER_S, duplicates=0.0)
        report = uvloop.run(run(Path(directory), events=EVENTS, pairs=PAIRS, pace=pace))
    sys.stdout.write(table(report))
    return report


pytestmark = pytest.mark.chaos


def test_all_notifications_are_accounted_for(report: Report) -> None:
    totals = report.totals
    events, failing = report.events, len(report.numbers(WITH))
    healthy = sum(len(report.expected(channel)) for channel in HEALTHY)
    assert report.failures == []
    assert (totals.accepted, totals.processed, totals.created) == (events, events, healthy + failing)
    assert totals.bodies_add_up()
    assert totals.notifications_add_up()
    assert (totals.queued, totals.waiting, totals.skipped) == (0, 0, 0)
    assert totals.dead == len(report.letters)


@pytest.mark.parametrize("channel", HEALTHY)
def test_a_healthy_channel_gets_each_notification_once(report: Report, channel: str) -> None:
    assert report.accepted(channel) == Counter(report.expected(channel))


def test_the_failing_channel_accepts_each_key_once_or_the_notification_is_dead(report: Report) -> None:
    taken = report.accepted(FAILING_CHANNEL)
    assert set(taken.values()) == {1}
    assert taken.keys() ^ report.letters.keys() == report.numbers(WITH)
    assert not taken.keys() & report.letters.keys()


def test_keys_are_the_same_at_every_attempt_and_unique_to_a_notification(report: Report) -> None:
    keys: dict[tuple[str, int], set[str]] = {}
    for one in report.deliveries:
        if one.key != "-":
            keys.setdefault((one.channel, one.number), set()).add(one.key)
    assert {len(notification_keys) for notification_keys in keys.values()} == {1}
    assert len({key for notification_keys in keys.values() for key in notification_keys}) == len(keys)


def test_dead_letters_have_their_whole_history(report: Report) -> None:
    reached = Counter(delivery.number for delivery in report.deliveries if delivery.channel == FAILING_CHANNEL)
    assert {letter.reason for letter in report.letters.values()} <= {"permanent", "exhausted"}
    for number, letter in report.letters.items():
        outcomes = [attempt.outcome for attempt in letter.attempts]
        assert letter.channel == FAILING_CHANNEL
        assert reached[number] <= len(outcomes) <= ATTEMPTS
        assert set(outcomes[:-1]) <= {"retry"}
        if letter.reason == "permanent":
            assert (outcomes[-1], letter.attempts[-1].error) == ("permanent", "answered 400")
        else:
            assert (outcomes[-1], len(outcomes)) == ("retry", ATTEMPTS)


def test_the_channel_failed_in_every_way(report: Report) -> None:
    ways = Counter(delivery.how for delivery in report.deliveries if delivery.channel == FAILING_CHANNEL)
    assert ways.keys() == {OK, *WAYS}
    assert report.refused


@pytest.mark.parametrize("channel", HEALTHY)
def test_a_healthy_channel_is_not_slowed_down(report: Report, channel: str) -> None:
    assert report.ratio(channel) <= 2
