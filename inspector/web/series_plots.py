"""The plots of channels and of sources, one below the other. Pure, no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from broker.monitoring.series import LATENCY_S, QUEUE_AGE_S, Series, Span, share_within
from inspector.web.plot import Plot, Range, Subject, rate_plot, time_plot

MOST_NAMES = 12
SHARE = 0.95

VIEWS = {"": "Together", "channel": "By channel", "source": "By source"}

_LATENCY = "time from the receipt of a webhook until its notification was sent, without digests"
_AGE = "time for which a webhook waited in Redis until a worker read it"


class PlotGroup(Struct, frozen=True):
    """The plots of one channel or source; without a name, those of all together."""

    name: str
    plots: Sequence[Plot]


def times_together(at_ms: Sequence[int], spans: Sequence[Span]) -> list[Plot]:
    """The plots of latency and queue age of all channels and sources, for these points in time."""
    by_time = {span.at_ms: span for span in spans}
    each = [by_time.get(ms, Span(ms, 60, {})) for ms in at_ms]
    return [_latency("latency", each, None), _age("age", each, None)]


def groups(view: str, spans: Sequence[Span], time_range: Range) -> tuple[list[PlotGroup], int]:
    """The plots of the channels or sources with most work, by name, and how many have any. view: of `VIEWS`."""
    totals: Counter[str] = Counter()
    for span in spans:
        for series, count in span.counts.items():
            if series.kind == view:
                totals[series.name] += count
    busiest = sorted(name for name, _ in totals.most_common(MOST_NAMES))
    make = _of_channel if view == "channel" else _of_source
    return [make(number, name, spans, time_range) for number, name in enumerate(busiest)], len(totals)


def _of_channel(number: int, name: str, spans: Sequence[Span], time_range: Range) -> PlotGroup:
    sent = Subject(f"sent-{number}", "sent", "Sent", "notifications sent")
    dead = Subject(f"dead-{number}", "dead", "Dead", "notifications that became dead letters")
    rates = [
        _rate(
            subject,
            [span.counts.get(Series("channel", subject.kind, name), 0) for span in spans],
            spans,
            time_range,
        )
        for subject in (sent, dead)
    ]
    return PlotGroup(name, [*rates, _latency(f"latency-{number}", spans, name)])


def _of_source(number: int, name: str, spans: Sequence[Span], time_range: Range) -> PlotGroup:
    read = Subject(f"accepted-{number}", "accepted", "Read", "webhooks that workers read")
    counts = [sum(_buckets(span, "source", name, "age", QUEUE_AGE_S)) for span in spans]
    return PlotGroup(name, [_rate(read, counts, spans, time_range), _age(f"age-{number}", spans, name)])


def _rate(subject: Subject, counts: Sequence[int], spans: Sequence[Span], time_range: Range) -> Plot:
    rates = [60 * count / span.seconds for count, span in zip(counts, spans, strict=True)]
    return rate_plot(subject, rates, sum(counts), time_range)


def _latency(name: str, spans: Sequence[Span], channel: str | None) -> Plot:
    values = [_within(span, "channel", channel, "latency", LATENCY_S) for span in spans]
    return time_plot(Subject(name, "latency", "Latency", _LATENCY), values)


def _age(name: str, spans: Sequence[Span], source: str | None) -> Plot:
    values = [_within(span, "source", source, "age", QUEUE_AGE_S) for span in spans]
    return time_plot(Subject(name, "age", "Queue age", _AGE), values)


def _within(span: Span, kind: str, name: str | None, what: str, bounds: Sequence[float]) -> float | None:
    """The time in ms that SHARE of one name, or of all, are within."""
    seconds = share_within(_buckets(span, kind, name, what, bounds), bounds, SHARE)
    return None if seconds is None else seconds * 1000


def _buckets(span: Span, kind: str, name: str | None, what: str, bounds: Sequence[float]) -> list[int]:
    """How many values of one name, or of all, are in each bucket."""
    buckets = [0] * (len(bounds) + 1)
    for series, count in span.counts.items():
        place = series.what.removeprefix(what)
        if series.kind == kind and name in (None, series.name) and place.isdecimal() and int(place) < len(buckets):
            buckets[int(place)] += count
    return buckets
