"""Plots of counters by the minute, as the numbers that an SVG is drawn from. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil, log10

from msgspec import Struct

from broker.monitoring.stats import Point

WIDTH, HEIGHT = 600, 120
_LEAST_S = 20
"""A minute that has just begun is not extrapolated from less."""

SERIES = (
    ("accepted", "Accepted", "webhooks answered 202"),
    ("sent", "Sent", "notifications sent"),
    ("duplicate", "Duplicate", "webhooks that came before"),
    ("dead", "Dead", "webhooks and notifications given up on"),
)
"""Counter, title, what it counts."""


class Range(Struct, frozen=True):
    """How far back plots go."""

    name: str
    title: str
    points: int
    minutes: int
    """Of one point."""


RANGES = {
    found.name: found
    for found in (
        Range("1h", "1 hour", 60, 1),
        Range("6h", "6 hours", 72, 5),
        Range("24h", "24 hours", 96, 15),
    )
}


class Plot(Struct, frozen=True):
    """One counter over time."""

    name: str
    title: str
    about: str
    line: str
    """The curve, as an SVG path."""

    area: str
    """What is below it, likewise."""

    top: str
    """What the upper edge stands for, a minute."""

    newest: str
    total: int
    summary: str
    """The plot in a sentence, for those who do not see it."""


class Row(Struct, frozen=True):
    """One point of all plots, a minute's mean of each."""

    at: str
    rates: tuple[str, ...]


def plots(points: Sequence[Point], span: Range) -> list[Plot]:
    """One of each counter."""
    return [_plot(*series, points, span) for series in SERIES]


def rows(points: Sequence[Point]) -> list[Row]:
    """The same as a table, the newest first."""
    return [Row(clock(p.at_ms), tuple(rate(_rate(p, name)) for name, *_ in SERIES)) for p in reversed(points)]


def ticks(points: Sequence[Point], count: int = 5) -> list[str]:
    """Times below a plot, evenly spread from its left to its right edge."""
    if not points:
        return []
    first, last = points[0].at_ms, points[-1].at_ms
    return [clock(first + (last - first) * step // (count - 1)) for step in range(count)]


def clock(ms: int) -> str:
    """A time of the day in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M")


def rate(value: float) -> str:
    """A number a minute, as exact as it is of use."""
    if value == 0 or value >= 10:
        return f"{round(value):,}"
    return f"{value:.1f}".removesuffix(".0") if value >= 0.1 else "< 0.1"


def top_of(highest: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50, ... that is not below; 1 at least."""
    if highest <= 1:
        return 1.0
    magnitude = 10.0 ** (ceil(log10(highest)) - 1)
    return next(step * magnitude for step in (1, 2, 5, 10) if step * magnitude >= highest)


def _plot(name: str, title: str, about: str, points: Sequence[Point], span: Range) -> Plot:
    rates = [_rate(point, name) for point in points]
    highest = max(rates, default=0.0)
    top = top_of(highest)
    line = " L".join(f"{x:.1f} {y:.1f}" for x, y in _places(rates, top))
    total = sum(getattr(point, name) for point in points)
    newest = rates[-1] if rates else 0.0
    return Plot(
        name=name,
        title=title,
        about=about,
        line=f"M{line}" if line else "",
        area=f"M0 {HEIGHT} L{line} L{WIDTH} {HEIGHT} Z" if line else "",
        top=rate(top),
        newest=rate(newest),
        total=total,
        summary=f"{total:,} {about} within {span.title}: at most {rate(highest)} a minute, now {rate(newest)}.",
    )


def _places(rates: Sequence[float], top: float) -> list[tuple[float, float]]:
    """Where each rate lies in the plot; a single one is drawn as a level line."""
    both = [*rates, *rates] if len(rates) == 1 else rates
    return [(WIDTH * i / (len(both) - 1), HEIGHT - HEIGHT * value / top) for i, value in enumerate(both)]


def _rate(point: Point, name: str) -> float:
    count: int = getattr(point, name)
    return 60 * count / max(point.seconds, _LEAST_S)
