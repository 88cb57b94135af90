"""Plots of counters per minute, as the values that the SVG in a template needs. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log10

from msgspec import Struct

from broker.monitoring.stats import Point

WIDTH, HEIGHT = 600, 120
# A rate from the first seconds of a minute would jump, and would look as if the traffic had stopped.
_LEAST_S = 60
"""Fewest seconds of a span that are over when it is drawn."""

SERIES = (
    ("accepted", "Accepted", "webhooks answered 202"),
    ("sent", "Sent", "notifications sent"),
    ("duplicate", "Duplicate", "webhooks received before"),
    ("dead", "Dead", "webhooks and notifications that became dead letters"),
)
"""(counter, title, what it counts)."""


class Range(Struct, frozen=True):
    """A time range of the plots."""

    name: str
    title: str
    points: int
    minutes: int
    """Length of one point, in minutes."""


RANGES = {
    time_range.name: time_range
    for time_range in (
        Range("1h", "1 hour", 60, 1),
        Range("6h", "6 hours", 72, 5),
        Range("24h", "24 hours", 96, 15),
    )
}


class Plot(Struct, frozen=True):
    """The plot of one counter."""

    name: str
    title: str
    about: str
    line: str
    """The curve, as an SVG path."""

    area: str
    """The area below the curve, as an SVG path."""

    labels: tuple[str, str, str]
    """The rates per minute at the upper edge, in the middle and at the zero line."""

    newest: str
    total: int
    summary: str
    """The plot in a sentence, for screen readers."""


class TableRow(Struct, frozen=True):
    """A point in time, with the average rate per minute of each counter."""

    at_ms: int
    rates: tuple[str, ...]


def drawn(points: Sequence[Point]) -> list[Point]:
    """The points that plots and table show: all, except a span that began less than a minute ago."""
    return [point for point in points if point.seconds >= _LEAST_S]


def plots(points: Sequence[Point], time_range: Range) -> list[Plot]:
    """A plot for each counter."""
    return [_plot(*series, points, time_range) for series in SERIES]


def table_rows(points: Sequence[Point]) -> list[TableRow]:
    """The rows of a table with the values of all plots, newest first."""
    return [
        TableRow(point.at_ms, tuple(rate(_rate(point, name)) for name, *_ in SERIES)) for point in reversed(points)
    ]


def ticks(points: Sequence[Point], count: int = 5) -> list[int]:
    """The times below a plot in ms since 1970, evenly spread from its left to its right edge."""
    if not points:
        return []
    first, last = points[0].at_ms, points[-1].at_ms
    return [first + (last - first) * step // (count - 1) for step in range(count)]


def rate(value: float) -> str:
    """A rate per minute: an integer from 10 on, else one decimal place."""
    if value == 0 or value >= 10:
        return f"{round(value):,}"
    return f"{value:.1f}".removesuffix(".0") if value >= 0.1 else "< 0.1"


def axis_maximum(highest: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that is at least `highest`."""
    if highest <= 1:
        return 1.0
    magnitude = 10.0 ** (ceil(log10(highest)) - 1)
    return next(step * magnitude for step in (1, 2, 5, 10) if step * magnitude >= highest)


def _plot(name: str, title: str, about: str, points: Sequence[Point], time_range: Range) -> Plot:
    rates = [_rate(point, name) for point in points]
    highest = max(rates, default=0.0)
    top = axis_maximum(highest)
    line = " L".join(f"{x:.1f} {y:.1f}" for x, y in _coordinates(rates, top))
    total = sum(getattr(point, name) for point in points)
    newest = rates[-1] if rates else 0.0
    return Plot(
        name=name,
        title=title,
        about=about,
        line=f"M{line}" if line else "",
        area=f"M0 {HEIGHT} L{line} L{WIDTH} {HEIGHT} Z" if line else "",
        labels=(rate(top), rate(top / 2), "0"),
        newest=rate(newest),
        total=total,
        summary=f"{total:,} {about} in {time_range.title}: maximum {rate(highest)}, now {rate(newest)} a minute.",
    )


def _coordinates(rates: Sequence[float], top: float) -> list[tuple[float, float]]:
    """The SVG coordinates of each rate. A single rate becomes a horizontal line."""
    both = [*rates, *rates] if len(rates) == 1 else rates
    return [(WIDTH * i / (len(both) - 1), HEIGHT - HEIGHT * value / top) for i, value in enumerate(both)]


def _rate(point: Point, name: str) -> float:
    count: int = getattr(point, name)
    return 60 * count / point.seconds
