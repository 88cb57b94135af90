"""The first page: how things stand."""

from __future__ import annotations

from functools import partial

from aiohttp import web
from msgspec import Struct

from broker.monitoring.stats import Point, read_history
from broker.queue.channel_state import Channel
from inspector.http.app_context import AppContext
from inspector.http.principal import Principal
from inspector.http.routing import Answer, Route
from inspector.operations.status import Status, read_status
from inspector.presentation.channel_status import channel_line
from inspector.presentation.source_status import alert_line, source_line
from inspector.presentation.status_table import spilled_line
from inspector.web import plot
from inspector.web.coalesced_read import Recent
from inspector.web.pages import Pages

EVERY_S = 5
"""Between two looks of an open page."""

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
    """One number of a sum."""

    name: str
    title: str
    count: int


class Sum(Struct, frozen=True):
    """What came in, and what became of it."""

    title: str
    whole: Term
    parts: tuple[Term, ...]

    @property
    def off(self) -> int:
        """By how much it does not add up."""
        return self.whole.count - sum(part.count for part in self.parts)


class Notice(Struct, frozen=True):
    """Something that a person should look at."""

    level: str
    """bad, or only worth a look."""

    text: str
    link: str = ""
    """Where to look, "" where nothing more is to be seen."""


class Line(Struct, frozen=True):
    """How one channel or source does. `level`: good, warn or bad."""

    name: str
    level: str
    text: str


def overview_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The page at /."""
    status = Recent(partial(_status, context), lasts_s=_RECENT_S)
    histories = {
        name: Recent(partial(_history, context, chosen), lasts_s=_HISTORY_RECENT_S)
        for name, chosen in plot.RANGES.items()
    }

    async def overview(request: web.Request, principal: Principal) -> Answer:
        name = request.query.get("range", "1h")
        chosen = plot.RANGES.get(name, plot.RANGES["1h"])
        found, points = await status.get(), await histories[chosen.name].get()
        return pages.show(
            request,
            principal,
            "overview.html",
            status=200,
            every_s=EVERY_S,
            now=found,
            sums=sums(found),
            notices=notices(found),
            channels=channels(found, context.configured.channels),
            sources=sources(found),
            waits=waits(found),
            range=chosen,
            ranges=list(plot.RANGES.values()),
            plots=plot.plots(points, chosen),
            ticks=plot.ticks(points),
            rows=plot.rows(points),
            series=[title for _, title, _ in plot.SERIES],
            plot_size=(plot.WIDTH, plot.HEIGHT),
        )

    return [Route("GET", "/", overview)]


def sums(status: Status) -> list[Sum]:
    """Both."""
    return [
        _sum(status, "Webhooks", "accepted", ("processed", "duplicate", "dead_at_intake", "queued")),
        _sum(status, "Notifications", "created", ("sent", "skipped", "dead", "waiting")),
    ]


def notices(status: Status) -> list[Notice]:
    """All that is not well, the worst first."""
    bad = [f"{found.title}: the sum is off by {found.off:,}" for found in sums(status) if found.off]
    bad += status.risks()
    alerts = [
        Notice("bad", alert_line(alert, status.at_ms).plain, "/groups" if alert.kind.startswith("dead") else "")
        for alert in status.alerts
    ]
    odd = [spilled_line(place, seen, status.at_ms).plain for place, seen in status.spilled.items()]
    if not status.workers:
        bad.append("No worker is alive: webhooks are taken in, and wait")
    if status.redis.memory_used() > 0.8:
        bad.append(
            f"Redis uses {status.redis.memory_used():.0%} of its memory: it refuses writes when that is full"
        )
    return [*(Notice("bad", text) for text in bad), *alerts, *(Notice("warn", text) for text in odd)]


def channels(status: Status, configured: tuple[str, ...]) -> list[Line]:
    """Every channel that is configured, or of which something is known."""
    known = {one.name: one for one in status.channels}
    found = (known.get(name, Channel(name, 0, 0, 0, 0, 0)) for name in sorted({*configured, *known}))
    levels = {"closed": "good", "paused": "warn", "half-open": "warn", "open": "bad"}
    return [
        Line(one.name, levels[one.state(status.at_ms)], channel_line(one, status.at_ms).plain) for one in found
    ]


def sources(status: Status) -> list[Line]:
    """Every source that is configured."""
    return [
        Line(
            name,
            "bad" if one.facts.failing_since_ms else "warn" if one.facts.refused_since_ms else "good",
            source_line(one, status.at_ms).plain,
        )
        for name, one in status.sources.items()
    ]


def waits(status: Status) -> list[tuple[str, int]]:
    """Notifications by when they are tried next."""
    schedule = status.schedule
    return [
        ("now", schedule.due_now),
        ("within 1 min", schedule.within_1_min),
        ("within 10 min", schedule.within_10_min),
        ("within 1 h", schedule.within_1_h),
        ("within 1 d", schedule.within_1_d),
        ("later", schedule.later),
        ("when their channel takes them", schedule.held),
    ]


async def _status(context: AppContext) -> Status:
    configured = context.configured
    return await read_status(context.redis, configured.sources, configured.spilled())


async def _history(context: AppContext, chosen: plot.Range) -> list[Point]:
    return await read_history(context.redis, points=chosen.points, minutes=chosen.minutes)


def _sum(status: Status, title: str, whole: str, parts: tuple[str, ...]) -> Sum:
    return Sum(title, _term(status, whole), tuple(_term(status, part) for part in parts))


def _term(status: Status, name: str) -> Term:
    return Term(name, _TERMS[name], getattr(status.totals, name))
