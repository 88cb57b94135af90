from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.monitoring.series import Series, Span
from broker.monitoring.stats import Point
from inspector.web import plot, series_plots

HOUR = plot.RANGES["1h"]


def points(*accepted: int) -> list[Point]:
    return [Point(60_000 * i, 60, count, 0, 0, 0) for i, count in enumerate(accepted)]


def test_a_curve_goes_from_edge_to_edge_and_its_top_is_a_round_number() -> None:
    plotted = plot.plots(points(0, 300, 150), HOUR)[0]

    assert plotted.line == "M0.0 120.0 L300.0 48.0 L600.0 84.0"
    assert plotted.area == "M0 120 L0.0 120.0 L300.0 48.0 L600.0 84.0 L600 120 Z"
    assert (plotted.labels, plotted.newest, plotted.unit) == (("500", "250", "0"), "150", "per minute")
    assert plotted.texts == ("0", "300", "150")
    assert plotted.summary == "450 webhooks answered 202 in 1 hour: maximum 300, now 150 a minute."


def test_a_span_is_drawn_once_a_minute_of_it_is_over_with_the_rate_of_its_elapsed_time() -> None:
    running = [Point(0, 300, 3000, 0, 0, 0), Point(300_000, 90, 900, 0, 0, 0)]
    begun = Point(600_000, 59, 10, 0, 0, 0)

    assert plot.drawn([*running, begun]) == running
    rows = plot.table_rows(running, plot.plots(running, HOUR))
    assert [(row.at_ms, row.values[0]) for row in rows] == [(300_000, "600"), (0, "600")]


def test_a_plot_without_values_is_drawn() -> None:
    assert [curve.line for curve in plot.plots([], HOUR)] == [""] * 4
    assert plot.plots(points(3), HOUR)[0].line == "M0.0 48.0 L600.0 48.0"
    assert plot.ticks([]) == []


def test_a_time_without_values_is_a_gap() -> None:
    plotted = plot.time_plot(plot.Subject("age", "age", "Queue age", "waiting"), [20.0, 40.0, None, 1500.0, None])

    assert plotted.line == "M0.0 118.8 L150.0 117.6 M450.0 30.0 L450.0 30.0"
    assert plotted.area == "M0 120 L0.0 118.8 L150.0 117.6 L150 120 Z M450 120 L450.0 30.0 L450.0 30.0 L450 120 Z"
    assert plotted.texts == ("20 ms", "40 ms", plot.NO_VALUE, "1.5 s", plot.NO_VALUE)
    assert (plotted.labels, plotted.newest) == (("2 s", "1 s", "0"), plot.NO_VALUE)
    assert plotted.summary == "At most 1.5 s, the newest 1.5 s."
    assert plot.time_plot(plot.Subject("age", "age", "", ""), [None]).line == ""


@pytest.mark.parametrize(
    ("ms", "expected"),
    [
        (0.4, "0 ms"),
        (12.4, "12 ms"),
        (1000, "1 s"),
        (1540, "1.5 s"),
        (42_000, "42 s"),
        (180_000, "3 min"),
        (7.2e6, "2 h"),
    ],
)
def test_times_are_in_their_largest_unit(ms: float, expected: str) -> None:
    assert plot.duration(ms) == expected


def test_channels_are_plotted_by_name_and_the_busiest_of_many() -> None:
    counts = {
        Series("channel", "sent", "mail"): 60,
        Series("channel", "latency3", "mail"): 60,
        Series("channel", "dead", "crm"): 6,
        Series("source", "age0", "shop"): 30,
        Series("source", "age99", "shop"): 30,
    }
    spans = [Span(0, 60, {}), Span(60_000, 60, counts)]
    crm, mail = series_plots.groups("channel", spans, HOUR)[0]
    assert [plotted.title for plotted in mail.plots] == ["Sent", "Dead", "Latency"]
    assert [plotted.texts for plotted in mail.plots] == [("0", "60"), ("0", "0"), (plot.NO_VALUE, "98 ms")]
    assert [plotted.texts for plotted in crm.plots] == [("0", "0"), ("0", "6"), (plot.NO_VALUE, plot.NO_VALUE)]
    [shop] = series_plots.groups("source", spans, HOUR)[0]
    assert [plotted.texts[1] for plotted in shop.plots] == ["30", "5 ms"]
    latency, age = series_plots.times_together([0, 60_000, 120_000], spans)
    assert (latency.texts[1:], age.texts[1:]) == (("98 ms", plot.NO_VALUE), ("5 ms", plot.NO_VALUE))
    many = [Span(0, 60, {Series("channel", "sent", f"c{number}"): number for number in range(1, 20)})]
    groups, known = series_plots.groups("channel", many, HOUR)
    assert (len(groups), known) == (series_plots.MOST_NAMES, 19)
    assert "c1" not in {group.name for group in groups}


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
