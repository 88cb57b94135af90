"""`hookline size`: computes what a deployment needs for a rate, a size of bodies and an outage."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from math import ceil
from typing import Annotated, TypeVar

import msgspec
import typer
from msgspec import Struct

from broker.history.settings import HistorySettings
from inspector.formatting import size as bytes_of
from inspector.formatting import span
from inspector.presentation.parse_time import parse_duration_s, parse_rate
from launcher.commands.size import figures
from launcher.commands.size.figures import Figure
from launcher.commands.size.needs import (
    AOF_COPIES,
    CATCH_UP,
    LOAD,
    MEMORY_LOAD,
    Asked,
    Needs,
    compute,
    has_large_sets,
    history_bytes,
    identity_bytes,
    queued_bytes_each,
)

T = TypeVar("T")

_LARGEST_SPILL_BYTES = 8 * 1024**3
_DAY_MS = 86_400_000
_LARGEST_BODY = 32 * 1024 * 1024


class Report(Struct, frozen=True):
    """The result of the computation."""

    asked: Asked
    needs: Needs
    notes: tuple[str, ...]
    """Limits that this load reaches, and what to measure oneself."""

    figures: tuple[Figure, ...]
    """The measured values that it was computed with."""


def _finite(value: float) -> float:
    """Return the value. Raises BadParameter for `nan`, which is within any range for some versions of Click."""
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number of notifications")
    return value


def size(  # noqa: PLR0913 - an argument for each option
    *,
    rate: Annotated[
        str, typer.Option(metavar="2000/s", help="Webhooks per second (2000/s), minute (600/min) or hour.")
    ],
    body: Annotated[int, typer.Option(min=1, max=_LARGEST_BODY, metavar="BYTES", help="Average size of a body.")],
    outage: Annotated[
        str, typer.Option(metavar="6h", help="How long workers may be away: 90s, 15m, 6h, 3d.")
    ] = "1h",
    notifications: Annotated[
        float,
        typer.Option(min=0, max=100, callback=_finite, help="Notifications for each webhook, on average."),
    ] = 1.0,
    dedupe_days: Annotated[int, typer.Option(min=1, max=366, help="sources.NAME.dedupe_window_days.")] = 7,
    batch: Annotated[
        int, typer.Option(min=1, max=100_000, help="Webhooks in a batch; 1 needs the most memory.")
    ] = 1,
    history_mb: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="history.max_mb; 0 without a history.")
    ] = HistorySettings().max_mb,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with the figures it was computed with.")
    ] = False,
) -> None:
    """Compute what a deployment needs: memory of Redis, receivers, workers, disk and network.

    It computes with figures that were measured on one machine, and plans with half of them. It reads no config and
    needs no Redis. The last lines say what to measure yourself.

    Example: hookline size --rate 2000 --body 2600 --outage 6h
    """
    asked = Asked(
        rate_per_s=_parsed(parse_rate, rate, "--rate"),
        body_bytes=body,
        outage_s=_parsed(parse_duration_s, outage, "--outage"),
        notifications=notifications,
        dedupe_days=dedupe_days,
        batch=batch,
        history_mb=history_mb,
    )
    report = report_for(asked)
    typer.echo(msgspec.json.encode(report) if as_json else as_text(report))


def report_for(asked: Asked) -> Report:
    """Compute what this load needs, with the limits that it reaches."""
    needs = compute(asked)
    return Report(asked, needs, (*_limits(asked, needs), *_TO_MEASURE), _used(asked))


def as_text(report: Report) -> str:
    """The report as a plain table."""
    rows = list(_rows(report.asked, report.needs))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f"{name:{widths[0]}}  {value:>{widths[1]}}  {basis}".rstrip() for name, value, basis in rows]
    return "\n".join([*lines, "", *(f"note  {note}" for note in report.notes)])


def _rows(asked: Asked, needs: Needs) -> Iterator[tuple[str, str, str]]:
    cpu_us = f"{figures.EVENT.value:.0f} us of CPU an event"
    half = f"{LOAD:.0%} busy"
    queued, each = f"{needs.queued:,} webhooks", f"{queued_bytes_each(asked):,.0f} B"
    yield "Redis memory, queued", bytes_of(needs.queued_bytes), f"{queued} of {each} (batches of {asked.batch})"
    yield (
        "Redis memory, identities",
        bytes_of(needs.identities_bytes),
        f"{needs.identities:,} of {identity_bytes(asked):.1f} B (window {asked.dedupe_days} d, and a day)",
    )
    yield (
        "Redis memory, waiting",
        bytes_of(needs.waiting_bytes),
        f"at most {asked.max_waiting:,} (worker.max_waiting)",
    )
    yield "Redis memory, history", bytes_of(needs.history_bytes), _history(asked)
    yield "maxmemory", bytes_of(needs.maxmemory_bytes), f"{MEMORY_LOAD:.0%} full, all primaries together"
    kind = "one Redis" if needs.primaries == 1 else "Redis Cluster"
    yield "Redis primaries", str(needs.primaries), f"{kind}, redis.partitions = {needs.partitions}, {half}"
    yield "receiver cores", str(needs.receivers), f"one process each, {half}, one of them is spare"
    yield "worker cores", str(needs.workers), f"one process each, {half} at {CATCH_UP:.0f} x the rate, {cpu_us}"
    yield "disk, append-only file", bytes_of(needs.aof_disk_bytes), f"{AOF_COPIES} x the data"
    yield "disk, spill", bytes_of(needs.spill_disk_bytes), "of all receivers, if Redis is away for as long"
    yield "network, in", f"{bytes_of(needs.network_in_bytes_per_s)}/s", "bodies alone"
    redis = f"{bytes_of(needs.network_redis_bytes_per_s)}/s"
    yield "network, Redis", redis, "to and from it, batches alone, and once more for each replica"


def _history(asked: Asked) -> str:
    if not asked.history_mb:
        return "none"
    days = HistorySettings().keep_days * min(1.0, asked.history_mb * 1e6 / max(1.0, history_bytes(asked)))
    return f"of {span(int(days * _DAY_MS))}, at most {asked.history_mb} MB (history.max_mb)"


def _limits(asked: Asked, needs: Needs) -> Iterator[str]:
    """Return what the operator must set because of this load."""
    if has_large_sets(asked):
        yield (
            f"more than {figures.COMPACT_A_DAY:,} identities a day of one source make sets that are not compact: "
            "several sources, or a larger set-max-intset-entries, need a fourth of this memory; measure its speed"
        )
    if 0 < asked.history_mb * 1e6 < history_bytes(asked):
        days, needed = HistorySettings().keep_days, ceil(history_bytes(asked) / 1e6)
        yield f"a history of {days:g} days (history.keep_days) needs history.max_mb = {needed}"
    if needs.spill_disk_bytes > _LARGEST_SPILL_BYTES:
        most = bytes_of(_LARGEST_SPILL_BYTES)
        yield f"receiver.spill_max_bytes is at most {most} for each directory: use receivers on several machines"
    if needs.primaries > 3:
        yield "more than three primaries were not measured"


_TO_MEASURE = (
    "batches: the webhooks in the queue by the batches there (`hookline status`) are the value for --batch",
    "memory: bodies that differ more than the samples take more; MEMORY USAGE of the stream says how much",
    f"dead letters are not included: a million take {bytes_of(int(figures.DEAD_LETTER.value * 1_000_000))}",
    "speed: `make bench` on your machine; slow targets need more connections, not more cores",
)


def _used(asked: Asked) -> tuple[Figure, ...]:
    batch = max(size for size in figures.QUEUED if size <= asked.batch)
    named = [value for value in vars(figures).values() if isinstance(value, Figure)]
    return (figures.QUEUED[batch], *named)


def _parsed(parse: Callable[[str], T], text: str, option: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
