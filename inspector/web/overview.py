"""The overview page: counters, queue, workers, Redis, sources, channels and problems."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from aiohttp import web
from msgspec import Struct

from broker.merged.sums import sum_histories
from broker.monitoring import series
from broker.monitoring.alerts import Alert
from broker.monitoring.series import Span
from broker.monitoring.stats import Point, read_history
from broker.queue.channel_state import Channel
from broker.redis.errors import BrokerError
from broker.redis.fan_out import ask_all
from inspector.http.app_context import AppContext
from inspector.http.coalesced_read import CoalescedRead
from inspector.http.principal import Principal
from inspector.http.routing import Answer, Route
from inspector.operations.status import Status, read_status
from inspector.presentation.causes import cause_text, counts_of
from inspector.presentation.channel_status import channel_line
from inspector.presentation.source_status import alert_line, source_line
from inspector.presentation.status_table import spilled_line
from inspector.web import plot, series_plots
from inspector.web.pages import Pages
from inspector.web.series_plots import PlotGroup

EVERY_S = 5
"""Seconds between two refreshes of an open page."""

_RECENT_S = 1.0
_HISTORY_RECENT_S = 4.0

_TERMS = {
    "accepted": "accepted",
    "processed": "processed",
    "duplicate": "duplicate",
    "dead_at_intake": "dead at intake",
    "queued": "queued",
    "created": "created",
    "sent": "sent",
    "skipped": "skipped",
    "dead": "dead",
    "waiting": "waiting",
}


class Term(Struct, frozen=True):
    """A counter and its title."""

    name: str
    title: str
    count: int


class Sum(Struct, frozen=True):
    """A counter of what came in, and the counters of what happened to it, which must add up to the first one."""

    title: str
    whole: Term
    parts: tuple[Term, ...]

    @property
    def off(self) -> int:
        """The total minus the sum of its parts; 0 if all is accounted for."""
        return self.whole.count - sum(part.count for part in self.parts)


class Notice(Struct, frozen=True):
    """A problem that an operator should look at."""

    level: str
    """Severity: bad or warn."""

    text: str
    link: str = ""
    """Page with details of the problem, or ""."""


class StatusLine(Struct, frozen=True):
    """The state of a channel or source."""

    name: str
    level: str
    """good, warn or bad."""

    text: str


class PlotsView(Struct, frozen=True):
    """The plots of a page, and the table with their values."""

    view: str
    range: plot.Range
    groups: Sequence[PlotGroup]
    known: int
    """How many channels or sources had work in the time range."""

    ticks: Sequence[int]
    headings: Sequence[str]
    rows: Sequence[plot.TableRow]


def overview_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The page at /."""
    status = CoalescedRead(partial(_status, context), max_age_s=_RECENT_S)
    histories = {
        name: CoalescedRead(partial(_history, context, chosen), max_age_s=_HISTORY_RECENT_S)
        for name, chosen in plot.RANGES.items()
    }

    spans = {
        name: CoalescedRead(partial(_spans, context, chosen), max_age_s=_HISTORY_RECENT_S)
        for name, chosen in plot.RANGES.items()
    }

    async def overview(request: web.Request, principal: Principal) -> Answer:
        name = request.query.get("range", "1h")
        chosen = plot.RANGES.get(name, plot.RANGES["1h"])
        view = request.query.get("by", "")
        view = view if view in series_plots.VIEWS else ""
        now, points = await status.get(), plot.drawn(await histories[chosen.name].get())
        return pages.show(
            request,
            principal,
            "overview.html",
            status=200,
            every_s=EVERY_S,
            now=now,
            sums=sums(now),
            notices=notices(now),
            channels=channels(now, context.configured.channels),
            sources=sources(now),
            causes=waiting_causes(now),
            waits=waits(now),
            ranges=list(plot.RANGES.values()),
            views=series_plots.VIEWS,
            plots=plots(view, chosen, points, plot.drawn(await spans[chosen.name].get())),
            plot_size=(plot.WIDTH, plot.HEIGHT),
        )

    return [Route("GET", "/", overview)]


def plots(view: str, chosen: plot.Range, points: Sequence[Point], spans: Sequence[Span]) -> PlotsView:
    """The plots of a view, for each of these points in time."""
    if view:
        shown, known = series_plots.groups(view, spans, chosen)
        times: Sequence[plot.Timed] = spans
    else:
        counters = plot.plots(points, chosen)
        together = series_plots.times_together([point.at_ms for point in points], spans)
        shown, known, times = [PlotGroup("", [*counters, *together])], 1, points
    each = [plotted for group in shown for plotted in group.plots]
    headings = [
        f"{group.name}: {one.title}" if group.name else one.title for group in shown for one in group.plots
    ]
    return PlotsView(view, chosen, shown, known, plot.ticks(times), headings, plot.table_rows(times, each))


def sums(status: Status) -> list[Sum]:
    """The counters of webhooks and of notifications."""
    return [
        _sum(status, "Webhooks", "accepted", ("processed", "duplicate", "dead_at_intake", "queued")),
        _sum(status, "Notifications", "created", ("sent", "skipped", "dead", "waiting")),
    ]


def notices(status: Status) -> list[Notice]:
    """All problems, the most severe first."""
    bad = status.away_texts()
    bad += [f"{counters.title}: counters are off by {counters.off:,}" for counters in sums(status) if counters.off]
    bad += status.risks
    alerts = [Notice("bad", alert_line(alert, status.at_ms).plain, _link(alert)) for alert in status.alerts]
    notes = [Notice("warn", text) for text in status.notes]
    spilled = [spilled_line(place, seen, status.at_ms).plain for place, seen in status.spilled.items()]
    shown = {alert.name for alert in status.alerts}
    if not status.workers and "workers:" not in shown:
        bad.append("No worker is running: webhooks are accepted, but wait in the queue")
    if "memory:" not in shown:
        bad += status.nearly_full
    unsent = [
        Notice("warn", f"Channel {channel.name}: {channel_line(channel, status.at_ms).plain}", "/channels")
        for channel in status.channels
        if channel.state(status.at_ms) != "closed"
        and not shown & {f"channel_failing:{channel.name}", f"channel_paused:{channel.name}"}
    ]
    return [
        *(Notice("bad", text) for text in bad),
        *alerts,
        *unsent,
        *notes,
        *(Notice("warn", text) for text in spilled),
    ]


def channels(status: Status, configured: tuple[str, ...]) -> list[StatusLine]:
    """The state of each channel that is configured or has a state in Redis."""
    stored = {channel.name: channel for channel in status.channels}
    names = sorted({*configured, *stored})
    levels = {"closed": "good", "paused": "warn", "half-open": "warn", "open": "bad"}
    return [
        StatusLine(name, levels[channel.state(status.at_ms)], channel_line(channel, status.at_ms).plain)
        for name in names
        for channel in [stored.get(name, Channel.closed(name))]
    ]


def sources(status: Status) -> list[StatusLine]:
    """The state of each configured source."""
    return [
        StatusLine(
            name,
            "bad" if source.facts.failing_since_ms else "warn" if source.facts.refused_since_ms else "good",
            source_line(source, status.at_ms).plain,
        )
        for name, source in status.sources.items()
    ]


def waiting_causes(status: Status) -> list[tuple[str, int]]:
    """The causes for which notifications wait, with their numbers."""
    causes = status.waiting.causes
    return [(cause_text(cause, causes), count) for cause, count in counts_of(causes)]


def waits(status: Status) -> list[tuple[str, int]]:
    """Numbers of waiting notifications by the time of their next attempt."""
    schedule = status.schedule
    return [
        ("now", schedule.due_now),
        ("within 1 min", schedule.within_1_min),
        ("within 10 min", schedule.within_10_min),
        ("within 1 h", schedule.within_1_h),
        ("within 1 d", schedule.within_1_d),
        ("later", schedule.later),
        ("held by their channel", schedule.held),
    ]


async def _status(context: AppContext) -> Status:
    configured = context.configured
    return await read_status(context.partitions, configured.sources, configured.spilled())


async def _spans(context: AppContext, chosen: plot.Range) -> list[Span]:
    """The counts by channel and source; none while the control partition is away."""
    try:
        return await series.read(context.partitions.control, points=chosen.points, minutes=chosen.minutes)
    except BrokerError:
        return []


async def _history(context: AppContext, chosen: plot.Range) -> list[Point]:
    answers = await ask_all(
        context.partitions, lambda redis: read_history(redis, points=chosen.points, minutes=chosen.minutes)
    )
    return sum_histories(answers, points=chosen.points)


def _link(alert: Alert) -> str:
    """Return the page with details of an alert, or ""."""
    if alert.kind.startswith("dead"):
        return "/groups"
    return "/channels" if alert.kind.startswith("channel") else ""


def _sum(status: Status, title: str, whole: str, parts: tuple[str, ...]) -> Sum:
    return Sum(title, _term(status, whole), tuple(_term(status, part) for part in parts))


def _term(status: Status, name: str) -> Term:
    return Term(name, _TERMS[name], getattr(status.totals, name))
