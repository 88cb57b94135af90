"""Quiet hours in a time zone, also on days when its clocks change."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from worker.rules.quiet_hours import Quiet, QuietTimes
from worker.rules.rules import QuietHours, Rule

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(from_="22:00", to="07:00", timezone="Europe/Berlin")
LUNCH = QuietHours(from_="12:00", to="13:30", timezone="Europe/Berlin")


def left(hours: QuietHours, clock: str, *, fold: int = 0) -> tuple[float, str]:
    """Return the hours until the end of quiet hours, and the local time then."""
    now = datetime.fromisoformat(clock).replace(tzinfo=BERLIN, fold=fold).timestamp()
    seconds = Quiet(hours).left_s(now)
    return round(seconds / 3600, 2), datetime.fromtimestamp(now + seconds, BERLIN).strftime("%d. %H:%M")


@pytest.mark.parametrize(
    ("hours", "clock", "expected_s"),
    [
        (NIGHT, "2026-06-10 21:59:59", 0),
        (NIGHT, "2026-06-10 22:00:00", 9),
        (NIGHT, "2026-06-11 00:00:00", 7),
        (NIGHT, "2026-06-11 06:30:00", 0.5),
        (NIGHT, "2026-06-11 07:00:00", 0),
        (LUNCH, "2026-06-11 11:59:59", 0),
        (LUNCH, "2026-06-11 12:30:00", 1),
        (LUNCH, "2026-06-11 13:30:00", 0),
    ],
)
def test_quiet_hours_last_from_their_start_to_their_end(hours: QuietHours, clock: str, expected_s: float) -> None:
    assert left(hours, clock)[0] == expected_s


def test_the_night_in_which_the_clocks_go_forward_is_an_hour_shorter() -> None:
    assert left(NIGHT, "2026-03-28 22:00") == (8, "29. 07:00")


def test_the_night_in_which_the_clocks_go_back_is_an_hour_longer() -> None:
    assert left(NIGHT, "2026-10-24 22:00") == (10, "25. 07:00")


def test_an_hour_that_comes_twice_is_quiet_twice() -> None:
    until_half_past_two = QuietHours(from_="22:00", to="02:30", timezone="Europe/Berlin")
    assert left(until_half_past_two, "2026-10-25 02:15", fold=0) == (0.25, "25. 02:30")
    assert left(until_half_past_two, "2026-10-25 02:45", fold=0)[0] == 0
    assert left(until_half_past_two, "2026-10-25 02:15", fold=1) == (0.25, "25. 02:30")


def test_an_end_that_the_clocks_jump_over_comes_after_the_jump() -> None:
    until_half_past_two = QuietHours(from_="22:00", to="02:30", timezone="Europe/Berlin")
    assert left(until_half_past_two, "2026-03-29 01:30")[1] == "29. 03:30"


def test_quiet_hours_are_over_at_the_reported_end() -> None:
    quiet = Quiet(NIGHT)
    for tenth in range(0, 9 * 36_000, 997):
        now = datetime(2026, 6, 10, 22, tzinfo=BERLIN).timestamp() + tenth / 10
        assert quiet.left_s(now) > 0
        assert quiet.left_s(now + quiet.left_s(now)) == 0


def test_a_rule_without_quiet_hours_is_never_quiet() -> None:
    rules = [
        Rule(name=name, events=("*",), channel="c", quiet_hours=quiet)
        for name, quiet in (("a", NIGHT), ("b", None))
    ]
    night = datetime(2026, 6, 10, 23, tzinfo=BERLIN).timestamp()
    times = QuietTimes(rules)
    assert (times.left_s("a", night) > 0, times.left_s("b", night), times.left_s("gone", night)) == (True, 0, 0)
