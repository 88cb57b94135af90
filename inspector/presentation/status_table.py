"""The status as a table for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct
from rich import box
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from broker.monitoring.spilled import Spilled
from broker.monitoring.stats import Totals
from broker.queue.pending_by_due_time import Schedule
from inspector.formatting import age, count_of, printable, size, span
from inspector.operations.status import Status
from inspector.presentation.causes import causes_text
from inspector.presentation.channel_status import channel_line
from inspector.presentation.source_status import alert_line, source_line

_CONFIGS = "a config change is being rolled out, or another installation uses this namespace"
_SET_ASIDE_SHOWN = 10


class Rates(Struct, frozen=True):
    """Rates per second since the previous status."""

    accepted: float
    processed: float
    sent: float


def status_table(status: Status, rates: Rates | None = None) -> RenderableType:
    """The counters, then the queue, jobs, workers, dead letters, Redis, problems, sources, channels and alerts."""
    totals, backlog, redis = status.totals, status.backlog, status.redis
    lines = Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True, style="dim")
    lines.add_column(overflow="fold")
    if rates:
        lines.add_row(
            "per second",
            f"accepted {rates.accepted:.0f}, processed {rates.processed:.0f}, sent {rates.sent:.0f}",
        )
    entries = f"{backlog.entries} batch{'' if backlog.entries == 1 else 'es'}"
    lines.add_row("queue", f"{count_of(totals.queued, 'webhook')} in {entries}, oldest {span(backlog.oldest_ms)}")
    lines.add_row("jobs", _jobs(status))
    for name, text in _waiting(status):
        lines.add_row(name, text)
    lines.add_row("workers", Text(f"{status.workers} running", style="" if status.workers else "yellow"))
    lines.add_row(
        "dead letters",
        Text(
            f"{status.dead_letters} now; {totals.replayed} replayed, {totals.discarded} discarded so far",
            style="yellow" if status.dead_letters else "",
        ),
    )
    lines.add_row("refused", _refused(totals))
    limit = f" of {size(redis.max_memory_bytes)} ({redis.memory_used():.0%})" if redis.max_memory_bytes else ""
    used = "unknown" if redis.used_memory_bytes is None else size(redis.used_memory_bytes)
    lines.add_row("redis", f"{redis.name()}, memory {used}{limit}")
    for note in status.notes:
        lines.add_row("note", Text(note, style="yellow"))
    for name, problem in _problems(status):
        lines.add_row(name, Text(problem, style="red"))
    for place, seen in status.spilled.items():
        lines.add_row("on disk", spilled_line(place, seen, status.at_ms))
    for name, source in status.sources.items():
        lines.add_row(f"from {name}", source_line(source, status.at_ms))
    for channel in status.channels:
        lines.add_row(f"to {printable(channel.name)}", channel_line(channel, status.at_ms))
    for alert in status.alerts:
        lines.add_row("alert", alert_line(alert, status.at_ms))
    is_complete = status.is_complete()
    summed = (_body_sum(totals, is_complete=is_complete), _notification_sum(totals, is_complete=is_complete))
    return Lines(*summed, lines, *([_partition_table(status)] if len(status.partitions) > 1 else []))


def _partition_table(status: Status) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("partition", no_wrap=True, justify="right")
    table.add_column("node", overflow="fold")
    table.add_column("state", overflow="fold")
    for title in ("batches", "jobs", "waiting"):
        table.add_column(title, no_wrap=True, justify="right")
    for partition in status.partitions:
        counts = (partition.queue_entries, partition.jobs, partition.waiting)
        state = Text("away", style="red") if partition.error else Text("ok", style="green")
        shown = ["" if count is None else str(count) for count in counts]
        table.add_row(str(partition.number), Text(partition.node or "unknown"), state, *shown)
    return table


def spilled_line(place: str, seen: Spilled, now_ms: int) -> Text:
    """The webhooks that one receiver keeps on disk, and when that was last read."""
    line = Text(f"{place}: ")
    if seen.bodies:
        waiting = f"{count_of(seen.bodies, 'webhook')} ({size(seen.bytes)}) wait for Redis"
        line.append(f"{waiting}, the oldest for {age(now_ms - seen.oldest_ms)}", style="yellow")
    if seen.corrupt:
        line.append(f"{', ' if seen.bodies else ''}{count_of(seen.corrupt, 'damaged segment')}", style="red")
    return line.append(f", {age(now_ms - seen.at_ms)} ago", style="dim")


def _body_sum(totals: Totals, *, is_complete: bool) -> Text:
    parts = {name: getattr(totals, name) for name in ("processed", "duplicate", "dead_at_intake", "queued")}
    return _sum("accepted", totals.accepted, parts, is_complete=is_complete)


def _notification_sum(totals: Totals, *, is_complete: bool) -> Text:
    parts = {name: getattr(totals, name) for name in ("sent", "skipped", "dead", "waiting")}
    return _sum("created", totals.created, parts, is_complete=is_complete)


def _sum(name: str, total: int, parts: dict[str, int], *, is_complete: bool) -> Text:
    off = total - sum(parts.values())
    line = Text(f"{name} {total} = " + " + ".join(f"{part} {count}" for part, count in parts.items()) + "  ")
    if off:
        return line.append(f"off by {off}", style="bold red")
    return line.append("ok", style="green") if is_complete else line.append("incomplete", style="yellow")


def _jobs(status: Status) -> str:
    backlog = status.backlog
    text = f"{backlog.jobs} in the queue, {backlog.jobs_due} due"
    return f"{text}, next due in {span(backlog.next_due_ms)}" if backlog.next_due_ms else text


def _waiting(status: Status) -> Iterator[tuple[str, str]]:
    if causes := causes_text(status.waiting):
        yield "waiting", causes
    if any(msgspec.structs.astuple(status.schedule)):
        yield "due", _due(status.schedule)


def _due(schedule: Schedule) -> str:
    spans = (
        ("now", schedule.due_now),
        ("< 1 min", schedule.within_1_min),
        ("< 10 min", schedule.within_10_min),
        ("< 1 h", schedule.within_1_h),
        ("< 1 d", schedule.within_1_d),
        ("later", schedule.later),
        ("their channel", schedule.held),
    )
    return ", ".join(f"{name}: {count}" for name, count in spans if count)


def _problems(status: Status) -> Iterator[tuple[str, str]]:
    for text in status.away_texts():
        yield "away", text
    waiting = status.waiting
    if waiting.missing:
        counts = (
            f"{waiting.counted} notifications are counted as waiting and {waiting.causes.total()} are in Redis"
        )
        yield "missing", f"{counts}: another program removed or added jobs"
    if status.configs > 1:
        yield "configs", f"workers run with {status.configs} different configs: {_CONFIGS}"
    for clock in status.clocks:
        difference = (
            f"{clock.ahead_ms / 1000:+.1f} s from the clock of Redis: synchronize the host's clock with NTP"
        )
        yield "clock", f"{printable(clock.process)} differs by {difference}"
    for risk in status.risks:
        yield "risk", risk
    for key in status.set_aside[:_SET_ASIDE_SHOWN]:
        ago = span(status.at_ms - key.at_ms)
        yield "set aside", f"{printable(key.name)} ({key.type}), {ago} ago: inspect the key, then delete it"


def _refused(totals: Totals) -> str:
    by_status = ", ".join(f"{count} x {code}" for code, count in sorted(totals.refused.items()))
    return by_status or "none"
