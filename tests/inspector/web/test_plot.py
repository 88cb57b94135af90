from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.monitoring.stats import Point
from inspector.web import plot

HOUR = plot.RANGES["1h"]


def points(*accepted: int) -> list[Point]:
    return [Point(60_000 * i, 60, count, 0, 0, 0) for i, count in enumerate(accepted)]


def test_a_curve_goes_from_edge_to_edge_and_its_top_is_a_round_number() -> None:
    plotted = plot.plots(points(0, 300, 150), HOUR)[0]

    assert plotted.line == "M0.0 120.0 L300.0 48.0 L600.0 84.0"
    assert plotted.area == "M0 120 L0.0 120.0 L300.0 48.0 L600.0 84.0 L600 120 Z"
    assert (plotted.labels, plotted.newest, plotted.total) == (("500", "250", "0"), "150", 450)
    assert plotted.summary == "450 webhooks answered 202 in 1 hour: maximum 300, now 150 a minute."


def test_a_span_is_drawn_once_a_minute_of_it_is_over_with_the_rate_of_its_elapsed_time() -> None:
    running = [Point(0, 300, 3000, 0, 0, 0), Point(300_000, 90, 900, 0, 0, 0)]
    begun = Point(600_000, 59, 10, 0, 0, 0)

    assert plot.drawn([*running, begun]) == running
    assert [row.rates[0] for row in plot.table_rows(running)] == ["600", "600"]


def test_a_plot_without_values_is_drawn() -> None:
    assert [curve.line for curve in plot.plots([], HOUR)] == [""] * 4
    assert plot.plots(points(3), HOUR)[0].line == "M0.0 48.0 L600.0 48.0"
    assert plot.ticks([]) == []


def test_ticks_are_times_from_the_first_point_to_the_last() -> None:
    assert plot.ticks(points(*range(61))) == [0, 900_000, 1_800_000, 2_700_000, 3_600_000]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0"), (0.05, "< 0.1"), (0.25, "0.2"), (1, "1"), (9.96, "10"), (12.4, "12"), (1234.5, "1,234")],
)
def test_rates_are_rounded_to_useful_digits(value: float, expected: str) -> None:
    assert plot.rate(value) == expected


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=100))
def test_no_curve_leaves_its_plot(counts: list[int]) -> None:
    plotted = plot.plots(points(*counts), HOUR)[0]

    places = [part.split() for part in plotted.line[1:].split(" L")]
    assert all(0 <= float(x) <= plot.WIDTH and 0 <= float(y) <= plot.HEIGHT for x, y in places)


@given(st.floats(0, 1e12))
def test_the_top_is_never_far_above_what_it_has_to_hold(highest: float) -> None:
    top = plot.axis_maximum(highest)

    assert highest <= top <= max(1.0, 2.5 * highest)
