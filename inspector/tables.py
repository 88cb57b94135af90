"""What dead letters and status look like on a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct
from rich import box
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from typer import style

from broker.dead import DeadLetter, Grave
from broker.jobs import Attempt
from broker.schedule import Schedule
from broker.spilled import Spilled
from broker.stats import Totals
from inspector.channels import channel_line
from inspector.marking import Line, marked
from inspector.masking import DEFAULT, Masking
from inspector.operations import Group, Page, Status
from inspector.source_state import alert_line, source_line
from inspector.texts import count_of, moment, printable, size, span


class Rates(Struct, frozen=True):
    """Per second, since the status before."""

    accepted: float
    processed: float
    sent: float


def letters_table(page: Page, *, now_ms: int, masking: Masking = DEFAULT) -> Table:
    """Dead letters, a row each; id and group one above the other leave room for what happened."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("id, group", no_wrap=True)
    table.add_column("age", no_wrap=True, justify="right")
    table.add_column("what", overflow="fold")
    for found in page.found:
        letter = found.letter
        name = Text(letter.id).append(f"\n{letter.fingerprint}", style="dim")
        table.add_row(name, span(now_ms - letter.died_at_ms), _summary(letter, masking))
    return table


def groups_table(groups: list[Group], *, now_ms: int, masking: Masking = DEFAULT) -> Table:
    """Groups of dead letters, a row each."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("group", no_wrap=True)
    table.add_column("letters", no_wrap=True, justify="right")
    table.add_column("last", no_wrap=True, justify="right")
    table.add_column("newest", overflow="fold")
    for group in groups:
        age = span(now_ms - group.last_ms)
        table.add_row(group.fingerprint, str(group.count), age, _summary(group.sample, masking))
    return table


def letter_page(grave: Grave, *, now_ms: int, reveal: bool, masking: Masking = DEFAULT) -> RenderableType:
    """One dead letter with its history; its body comes after it."""
    letter = grave.letter
    shown = str if reveal else masking.text
    lines = Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True, style="dim")
    lines.add_column(overflow="fold")
    for label, value in (
        ("id", letter.id),
        ("died", f"{moment(letter.died_at_ms)} ({span(now_ms - letter.died_at_ms)} ago)"),
        ("received", moment(letter.received_at_ms)),
        ("stage", letter.stage),
        ("reason", letter.reason),
        ("error", f"{letter.error_class}: {shown(letter.error)}"),
        ("path", letter.path),
        ("source", letter.source),
        ("event", letter.event),
        ("headers", shown(letter.headers)),
        ("rule", letter.rule),
        ("channel", letter.channel),
        ("key", letter.key),
        ("job", letter.job),
        ("group", letter.fingerprint),
    ):
        if value:
            lines.add_row(label, Text(printable(value)))
    for note in grave.notes:
        lines.add_row("note", Text(printable(f"{moment(note.at_ms)} {note.by}: {shown(note.text)}")))
    if letter.attempts:
        lines.add_row("attempts", Text(str(len(letter.attempts))))
        return Lines(lines, _attempts_table(letter.attempts, shown))
    return lines


def body_text(grave: Grave, *, reveal: bool, masking: Masking = DEFAULT) -> str:
    """The body, indented, after a line that says what it is; an arrow where the dead letter's error is."""
    head = f"body, {size(len(grave.body))}"
    found = marked(grave.body, grave.letter.path, masking=None if reveal else masking)
    if found.form == "hidden":
        return f"{head}, is not JSON, so personal data cannot be masked: --reveal or --raw shows it"
    if found.form == "text":
        head += ", not JSON"
    elif not reveal:
        head += ", personal data masked (--reveal shows it)"
    return "\n".join([f"{head}:", *_with_arrow(found.lines)])


def _with_arrow(lines: Sequence[Line]) -> list[str]:
    """The lines, with a margin for the arrow where one of them is marked."""
    if not any(line.is_marked for line in lines):
        return [line.text for line in lines]
    return [style(f"-> {line.text}", fg="red") if line.is_marked else f"   {line.text}" for line in lines]


def status_table(status: Status, rates: Rates | None = None) -> RenderableType:
    """How things stand: both sums, then what waits, works and went wrong."""
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
    if any(msgspec.structs.astuple(status.schedule)):
        lines.add_row("waiting for", _waiting_for(status.schedule))
    lines.add_row("workers", Text(f"{status.workers} alive", style="" if status.workers else "yellow"))
    lines.add_row(
        "dead letters",
        Text(
            f"{status.dead_letters} now; {totals.replayed} replayed, {totals.discarded} discarded so far",
            style="yellow" if status.dead_letters else "",
        ),
    )
    lines.add_row("refused", _refused(totals))
    version = ".".join(str(part) for part in redis.version)
    limit = f" of {size(redis.max_memory_bytes)} ({redis.memory_used():.0%})" if redis.max_memory_bytes else ""
    lines.add_row("redis", f"{version}, memory {size(redis.used_memory_bytes)}{limit}")
    for risk in redis.risks():
        lines.add_row("risk", Text(risk, style="red"))
    for place, seen in status.spilled.items():
        lines.add_row("on disk", spilled_line(place, seen, status.at_ms))
    for name, source in status.sources.items():
        lines.add_row(f"from {name}", source_line(source, status.at_ms))
    for channel in status.channels:
        lines.add_row(f"to {printable(channel.name)}", channel_line(channel, status.at_ms))
    for alert in status.alerts:
        lines.add_row("alert", alert_line(alert, status.at_ms))
    return Lines(_body_sum(totals), _notification_sum(totals), lines)


def spilled_line(place: str, seen: Spilled, now_ms: int) -> Text:
    """What lies in one place and when that was seen."""
    line = Text(f"{place}: ")
    if seen.bodies:
        waiting = f"{count_of(seen.bodies, 'webhook')} ({size(seen.bytes)}) wait for Redis"
        line.append(f"{waiting}, the oldest for {span(now_ms - seen.oldest_ms)}", style="yellow")
    if seen.corrupt:
        line.append(f"{', ' if seen.bodies else ''}{count_of(seen.corrupt, 'damaged segment')}", style="red")
    return line.append(f", {span(now_ms - seen.at_ms)} ago", style="dim")


def _body_sum(totals: Totals) -> Text:
    parts = {name: getattr(totals, name) for name in ("processed", "duplicate", "buried", "queued")}
    return _sum("accepted", totals.accepted, parts)


def _notification_sum(totals: Totals) -> Text:
    return _sum(
        "created", totals.created, {name: getattr(totals, name) for name in ("sent", "skipped", "dead", "waiting")}
    )


def _sum(name: str, total: int, parts: dict[str, int]) -> Text:
    off = total - sum(parts.values())
    line = Text(f"{name} {total} = " + " + ".join(f"{part} {count}" for part, count in parts.items()) + "  ")
    return line.append(f"off by {off}", style="bold red") if off else line.append("ok", style="green")


def _jobs(status: Status) -> str:
    backlog = status.backlog
    text = f"{backlog.jobs} with {count_of(status.totals.waiting, 'notification')}, {backlog.jobs_due} due"
    return f"{text}, next due in {span(backlog.next_due_ms)}" if backlog.next_due_ms else text


def _waiting_for(schedule: Schedule) -> str:
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


def _refused(totals: Totals) -> str:
    by_status = ", ".join(f"{count} x {code}" for code, count in sorted(totals.refused.items()))
    return by_status or "none"


def _summary(letter: DeadLetter, masking: Masking) -> Text:
    about = letter.event or letter.event_hint
    where = letter.channel if letter.stage == "notify" else letter.source
    head = f"{letter.stage}: {letter.reason}" + (f" ({where})" if where else "")
    error = f"{letter.error} at {letter.path}" if letter.path else letter.error
    lines = [head, about, _shortened(masking.text(error))]
    return Text("\n".join(printable(line) for line in lines if line))


def _shortened(text: str, length: int = 120) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def _attempts_table(attempts: tuple[Attempt, ...], shown: Callable[[str], str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("#", no_wrap=True, justify="right")
    table.add_column("at", no_wrap=True)
    table.add_column("took", no_wrap=True, justify="right")
    table.add_column("outcome", no_wrap=True)
    table.add_column("error and answer", overflow="fold")
    for number, attempt in enumerate(attempts, start=1):
        told = "\n".join(printable(shown(text)) for text in (attempt.error, attempt.answer) if text)
        table.add_row(
            str(number), moment(attempt.at_ms), f"{attempt.took_ms} ms", Text(attempt.outcome), Text(told)
        )
    return table
