"""A dead letter as text: its history, what a replay would do now, its body."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from typer import style

from broker.dead_letters import StoredDeadLetter
from broker.queue.jobs import Attempt
from inspector.formatting import count_of, moment, one_line, printable, size, span
from inspector.presentation.error_location import BodyLine, locate_error
from inspector.privacy.masking import DEFAULT, Masking
from runtime.dry_run import DryRunNotification, DryRunResult

_MAX_TEXT = 2000


def page(
    stored_letter: StoredDeadLetter, *, group_letters: int, now_ms: int, reveal: bool, masking: Masking = DEFAULT
) -> RenderableType:
    """A dead letter with its history. `group_letters`: the size of its failure group, including this letter."""
    letter = stored_letter.letter
    shown = str if reveal else masking.texts_of(stored_letter.body)
    lines = _grid()
    for label, value in (
        ("id", letter.id),
        ("died", f"{moment(letter.died_at_ms)} ({span(now_ms - letter.died_at_ms)} ago)"),
        ("received", moment(letter.received_at_ms)),
        ("stage", letter.stage),
        ("reason", letter.reason),
        ("error", f"{letter.error_class}: {shown(letter.error)}"),
        ("path", shown(letter.path)),
        ("source", letter.source),
        ("event", shown(letter.event)),
        ("headers", shown(letter.headers)),
        ("rule", letter.rule),
        ("channel", letter.channel),
        ("key", letter.key),
        ("job", letter.job),
        (
            "group",
            letter.fingerprint
            and f"{letter.fingerprint}, {count_of(group_letters, 'letter')}: {_of_group(letter.fingerprint)}",
        ),
    ):
        if value:
            lines.add_row(label, Text(printable(value)))
    for note in stored_letter.notes:
        lines.add_row("note", Text(printable(f"{moment(note.at_ms)} {note.by}: {shown(note.text)}")))
    if letter.attempts:
        lines.add_row("attempts", Text(str(len(letter.attempts))))
        return Lines(lines, _attempts_table(letter.attempts, shown))
    return lines


def dry_run_text(result: DryRunResult) -> RenderableType:
    """The result of a dry run. It must be masked already."""
    lines = _grid()
    if not result.passes:
        error = f"{result.error} at {result.path}" if result.path else result.error
        outcome = Text("would fail", style="red").append(f": {one_line(f'{result.reason}: {error}', 500)}")
    elif result.notifications:
        outcome = Text("would pass", style="green").append(
            f", {count_of(len(result.notifications), 'notification')}"
        )
    else:
        outcome = Text("would pass", style="green").append(", and nothing would be sent: no rule matches")
    lines.add_row("replay", outcome)
    for notification in result.notifications:
        for label, text in _notification(notification):
            lines.add_row(label, Text(printable(text)))
    return lines


def body_text(stored_letter: StoredDeadLetter, *, reveal: bool, masking: Masking = DEFAULT) -> str:
    """The body, indented, after a line that describes it. An arrow marks the place of the error."""
    head = f"body, {size(len(stored_letter.body))}"
    body = locate_error(stored_letter.body, stored_letter.letter.path, masking=None if reveal else masking)
    if body.form == "hidden":
        return f"{head}: no JSON and no form, so personal data cannot be masked; use --reveal or --raw to show it"
    if body.form == "form":
        head += ", a form"
    if body.form == "text":
        head += ", not JSON"
    elif not reveal:
        head += ", personal data masked (--reveal shows it)"
    return "\n".join([f"{head}:", *_with_arrow(body.lines)])


def _of_group(fingerprint: str) -> str:
    return f"hookline dead list --group {fingerprint}"


def _grid() -> Table:
    lines = Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True, style="dim")
    lines.add_column(overflow="fold")
    return lines


def _notification(notification: DryRunNotification) -> Iterator[tuple[str, str]]:
    recipient = f", to {notification.to}" if notification.to else ""
    digest = ", in a digest" if notification.digest else ""
    yield (
        "  sent" if not notification.error else "  not sent",
        f"by rule {notification.rule} through {notification.channel}{recipient}{digest}",
    )
    if notification.error:
        yield "  error", notification.error
    for lookup in notification.looks_up:
        yield "  looks up", lookup
    if notification.needs:
        yield "  needs", notification.needs
    if notification.subject:
        yield "  subject", notification.subject
    if notification.text:
        yield (
            "  text",
            notification.text if len(notification.text) <= _MAX_TEXT else f"{notification.text[:_MAX_TEXT]}...",
        )
    if notification.html:
        yield "  html", f"{size(len(notification.html.encode('utf-8', 'replace')))}: use --json to see it"


def _with_arrow(lines: Sequence[BodyLine]) -> list[str]:
    """The lines; if one of them is marked, with a margin and an arrow."""
    if not any(line.is_marked for line in lines):
        return [line.text for line in lines]
    return [style(f"-> {line.text}", fg="red") if line.is_marked else f"   {line.text}" for line in lines]


def _attempts_table(attempts: tuple[Attempt, ...], shown: Callable[[str], str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("#", no_wrap=True, justify="right")
    table.add_column("at (UTC)", no_wrap=True)
    table.add_column("took", no_wrap=True, justify="right")
    table.add_column("outcome, error and answer", overflow="fold", ratio=1)
    for number, attempt in enumerate(attempts, start=1):
        texts = [attempt.outcome, *(shown(text) for text in (attempt.error, attempt.answer) if text)]
        at = moment(attempt.at_ms).removesuffix(" UTC")
        table.add_row(str(number), at, f"{attempt.took_ms} ms", Text("\n".join(printable(text) for text in texts)))
    return table
