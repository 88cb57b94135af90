"""Plots of rates and times, as the values that the SVG in a template needs. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from math import ceil, log10
from typing import Protocol, TypeVar

from msgspec import Struct

from broker.monitoring.stats import Point

WIDTH, HEIGHT = 600, 120
NO_VALUE = "\N{EN DASH}"
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


class Subject(Struct, frozen=True):
    """The values that a plot shows."""

    name: str
    """The name among the plots of a page."""

    kind: str
    """The kind of value, which determines the color."""

    title: str
    about: str
    """A few words about what is counted or timed."""


class Plot(Struct, frozen=True):
    """The plot of one kind of value."""

    name: str
    """The name among the plots of a page."""

    kind: str
    """The kind of value, which determines the color."""

    title: str
    heading: str
    """The title and a few words more, for screen readers."""

    line: str
    """The curve, as an SVG path; with gaps where there is no value."""

    area: str
    """The area below the curve, as an SVG path."""

    labels: tuple[str, str, str]
    """The values at the upper edge, in the middle and at the zero line."""

    newest: str
    unit: str
    """The words after a value: `per minute`."""

    texts: tuple[str, ...]
    """The value of each point."""

    summary: str
    """The plot in a sentence, for screen readers."""


class TableRow(Struct, frozen=True):
    """A point in time, with the value of each plot."""

    at_ms: int
    values: tuple[str, ...]


class Timed(Protocol):
    """A span of time with values."""

    @property
    def at_ms(self) -> int:
        """When the span began, in ms since 1970."""

    @property
    def seconds(self) -> int:
        """How many seconds of it are over."""


T = TypeVar("T", bound=Timed)


def drawn(points: Sequence[T]) -> list[T]:
    """The points that plots and table show: all, except a span that began less than a minute ago."""
    return [point for point in points if point.seconds >= _LEAST_S]


def plots(points: Sequence[Point], time_range: Range) -> list[Plot]:
    """A plot for each counter."""
    return [
        rate_plot(
            Subject(name, name, title, about),
            [_rate(point, name) for point in points],
            sum(getattr(point, name) for point in points),
            time_range,
        )
        for name, title, about in SERIES
    ]


def table_rows(points: Sequence[Timed], shown: Sequence[Plot]) -> list[TableRow]:
    """The rows of a table with the values of all plots, newest first."""
    rows = [
        TableRow(point.at_ms, tuple(plotted.texts[place] for plotted in shown))
        for place, point in enumerate(points)
    ]
    return rows[::-1]


def ticks(points: Sequence[Timed], count: int = 5) -> list[int]:
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


def rate_plot(subject: Subject, rates: Sequence[float], total: int, time_range: Range) -> Plot:
    """The plot of rates per minute. total: how many there were in the whole time range."""
    highest, newest = rate(max(rates, default=0.0)), rate(rates[-1] if rates else 0.0)
    summary = f"{total:,} {subject.about} in {time_range.title}: maximum {highest}, now {newest} a minute."
    return _plot(subject, rates, rate, unit="per minute", summary=summary)


def time_plot(subject: Subject, values: Sequence[float | None]) -> Plot:
    """The plot of times in ms that 95 % are within; None for a point without any."""
    known = [value for value in values if value is not None]
    summary = f"At most {duration(max(known))}, the newest {duration(known[-1])}." if known else "No values."
    return _plot(subject, values, duration, unit="or less for 95 %", summary=summary)


def duration(ms: float) -> str:
    """A time: `12 ms`, `1.5 s`, `40 s`, `3 min`, `2 h`."""
    seconds = ms / 1000
    if seconds < 1:
        return f"{ms:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f}".removesuffix(".0") + " s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"


def _plot(
    subject: Subject, values: Sequence[float | None], text: Callable[[float], str], *, unit: str, summary: str
) -> Plot:
    top = axis_maximum(max((value for value in values if value is not None), default=0.0))
    runs = list(_runs(values, top))
    texts = tuple(NO_VALUE if value is None else text(value) for value in values)
    return Plot(
        name=subject.name,
        kind=subject.kind,
        title=subject.title,
        heading=f"{subject.title}: {subject.about}, {unit}",
        line=" ".join(f"M{_joined(run)}" for run in runs),
        area=" ".join(f"M{run[0][0]:g} {HEIGHT} L{_joined(run)} L{run[-1][0]:g} {HEIGHT} Z" for run in runs),
        labels=(text(top), text(top / 2), "0"),
        newest=texts[-1] if texts else text(0.0),
        unit=unit,
        texts=texts,
        summary=summary,
    )


def _joined(run: Sequence[tuple[float, float]]) -> str:
    return " L".join(f"{x:.1f} {y:.1f}" for x, y in run)


def _runs(values: Sequence[float | None], top: float) -> Iterator[list[tuple[float, float]]]:
    """Yield the SVG coordinates of each run of values that no gap interrupts."""
    # A single point is a curve from edge to edge.
    both = [*values, *values] if len(values) == 1 else values
    places = [
        None if value is None else (WIDTH * at / (len(both) - 1), HEIGHT - HEIGHT * value / top)
        for at, value in enumerate(both)
    ]
    for is_run, group in groupby(places, key=lambda place: place is not None):
        if is_run:
            run = [place for place in group if place is not None]
            yield run if len(run) > 1 else run * 2


def _rate(point: Point, name: str) -> float:
    count: int = getattr(point, name)
    return 60 * count / point.seconds
