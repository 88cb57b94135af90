"""Tables that fit the terminal, from 60 characters on. A wide terminal gets more columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from broker.dead_letters import DeadLetter
from broker.dead_letters.action import Action, FailureCause
from broker.monitoring.audit import StoredAuditEntry
from inspector.formatting import count_of, moment, one_line, span
from inspector.operations.action_steps.verb_steps import filter_of
from inspector.operations.filters import describe
from inspector.operations.groups.failure_groups import Group
from inspector.operations.search import Page
from inspector.operations.verbs import VERBS
from inspector.presentation.group_state import group_state_parts
from inspector.privacy.masking import DEFAULT, Masking

WIDE = 110
"""Terminal width in characters from which tables have more columns."""

NARROW = 80
"""Terminal width in characters below which the bar chart moves into the last column."""

_BLOCKS = "▁▂▃▄▅▆▇█"


def letters_table(page: Page, *, now_ms: int, width: int, masking: Masking = DEFAULT) -> Table:
    """Dead letters, one per row."""
    table = table_of_rows()
    table.add_column("id" if width >= WIDE else "id, group", no_wrap=True)
    if width >= WIDE:
        table.add_column("group", no_wrap=True, style="dim")
    table.add_column("age", no_wrap=True, justify="right")
    table.add_column("what", overflow="fold", ratio=2)
    if width >= WIDE:
        table.add_column("error", overflow="fold", ratio=3)
    for entry in page.entries:
        letter = entry.letter
        age = span(now_ms - letter.died_at_ms)
        if width >= WIDE:
            table.add_row(letter.id, letter.fingerprint, age, _what(letter, masking), _error(letter, masking))
        else:
            name = Text(letter.id).append(f"\n{letter.fingerprint}", style="dim")
            table.add_row(name, age, Text(f"{_what(letter, masking)}\n{_error(letter, masking)}"))
    return table


def groups_table(groups: Sequence[Group], *, now_ms: int, width: int, masking: Masking = DEFAULT) -> Table:
    """Failure groups, one per row, with a bar chart of the last 24 hours."""
    table = table_of_rows()
    table.add_column("group" if width < NARROW else "group, last 24 h", no_wrap=True)
    table.add_column("letters", no_wrap=True, justify="right")
    table.add_column("first" if width >= WIDE else "first,\nlast", no_wrap=True, justify="right")
    if width >= WIDE:
        table.add_column("last", no_wrap=True, justify="right")
    table.add_column("last 24 h, newest" if width < NARROW else "newest", overflow="fold", ratio=1)
    for group in groups:
        bars = Text(sparkline(group.hours), style="cyan")
        first, last = (span(now_ms - ms) for ms in (group.first_ms, group.last_ms))
        ages = [first, last] if width >= WIDE else [f"{first}\n{last}"]
        lines = [_what(group.sample, masking), _error(group.sample, masking), *_decided(group, now_ms)]
        name, newest = Text(group.fingerprint), Text("\n".join(lines))
        if width < NARROW:
            newest = Text("\n").join([bars, newest])
        else:
            name = Text("\n").join([name, bars])
        table.add_row(name, str(group.count), *ages, newest)
    return table


def _decided(group: Group, now_ms: int) -> list[str]:
    """A line with what people decided about a group; none if they decided nothing."""
    parts = group_state_parts(group.state, now_ms)
    return [f"[{'; '.join(parts)}]"] if parts else []


def sparkline(counts: Sequence[int]) -> str:
    """A bar chart of one line: the lowest bar for 0, the highest for the largest count."""
    most = max(counts, default=0)
    return "".join(_BLOCKS[-(-count * 7 // most) if most else 0] for count in counts)


def why_table(whys: Sequence[FailureCause]) -> Table:
    """Failures of an action, one cause per row."""
    table = table_of_rows()
    table.add_column("letters", no_wrap=True, justify="right")
    table.add_column("group", no_wrap=True)
    table.add_column("example of the error", overflow="fold", ratio=1)
    for why in whys:
        table.add_row(str(why.count), why.fingerprint or "others", Text(one_line(DEFAULT.text(why.error))))
    return table


def actions_table(actions: Sequence[Action], *, now_ms: int) -> Table:
    """Actions, one per row. `now_ms`: by the clock of Redis."""
    table = table_of_rows()
    table.add_column("id", no_wrap=True)
    table.add_column("age", no_wrap=True, justify="right")
    table.add_column("state", no_wrap=True)
    table.add_column("what", overflow="fold", ratio=1)
    for action in actions:
        what = f"{summary_of(action)}\n{progress_of(action)}, by {one_line(action.request.by)}"
        table.add_row(action.id, span(now_ms - action.began_ms), state_of(action, now_ms), Text(what))
    return table


def state_of(action: Action, now_ms: int) -> Text:
    """`running`, `interrupted`, `stopped`, `done`. `now_ms` by the clock of Redis."""
    if action.is_interrupted(now_ms):
        return Text("interrupted", style="red")
    return Text(action.state, style={"running": "cyan", "stopped": "yellow"}.get(action.state, ""))


def summary_of(action: Action) -> str:
    """`replay: dead letters for channel crm`. A search is masked, since it may be an e-mail address."""
    order = action.request
    verb = VERBS[order.verb].name.lower()
    if not order.ids:
        return f"{verb}: {one_line(DEFAULT.text(describe(filter_of(order), hide_personal=True)))}"
    ids = ", ".join(order.ids[:2])
    return f"{verb}: {ids}" + (f" and {len(order.ids) - 2} more" if len(order.ids) > 2 else "")


def progress_of(action: Action) -> str:
    """`64 of 412`, and for a dry run how many would pass and fail."""
    text = f"{action.done} of {action.selected}"
    if action.missing:
        text += f", {action.missing} no longer existed"
    if action.request.verb != "dry_run" and action.failed:
        text += f", {action.failed} cannot be read"
    if action.request.verb == "dry_run":
        text += f", {action.passed} would pass, {action.failed} would fail"
    return text


def action_page(action: Action, *, now_ms: int, masking: Masking = DEFAULT) -> Table:
    """All details of one action."""
    order = action.request
    lines = Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True, style="dim")
    lines.add_column(overflow="fold")
    rate = f"{order.rate_per_s:g}/s" if order.rate_per_s else ""
    for label, value in (
        ("id", action.id),
        ("what", summary_of(action)),
        ("by", one_line(order.by)),
        ("state", state_of(action, now_ms)),
        ("progress", progress_of(action)),
        ("rate", rate),
        ("note", one_line(masking.text(order.note))),
        ("began", f"{moment(action.began_ms)} ({span(now_ms - action.began_ms)} ago)"),
        ("ended", moment(action.ended_ms) if action.ended_ms else ""),
    ):
        if value:
            lines.add_row(label, value if isinstance(value, Text) else Text(value))
    return lines


def audit_table(audit_entries: Sequence[StoredAuditEntry], *, width: int) -> Table:
    """Audit entries, one per row."""
    table = table_of_rows()
    table.add_column("when (UTC)", no_wrap=True)
    if width >= WIDE:
        table.add_column("by", overflow="fold")
    table.add_column("what" if width >= WIDE else "by, what", overflow="fold", ratio=1)
    for recorded in audit_entries:
        audit_entry = recorded.audit_entry
        details = ", ".join(f"{name} {value}" for name, value in audit_entry.details.items())
        what = one_line(
            DEFAULT.text(f"{audit_entry.what} {audit_entry.about}" + (f" ({details})" if details else ""))
        )
        when, by = moment(recorded.at_ms).removesuffix(" UTC"), one_line(audit_entry.by)
        if width >= WIDE:
            table.add_row(when, Text(by), Text(what))
        else:
            table.add_row(when, Text(f"{by}\n{what}"))
    return table


def table_of_rows() -> Table:
    """An empty table in the style of all lists."""
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))


def _what(letter: DeadLetter, masking: Masking) -> str:
    event = masking.text(letter.event or letter.event_hint)
    where = f"{letter.rule} -> {letter.channel}" if letter.stage == "notify" and letter.rule else letter.source
    tries = f", {count_of(len(letter.attempts), 'attempt')}" if len(letter.attempts) > 1 else ""
    lines = [f"{letter.stage}: {letter.reason}{tries}" + (f" ({where})" if where else ""), event, letter.about]
    return "\n".join(one_line(line) for line in lines if line)


def _error(letter: DeadLetter, masking: Masking) -> str:
    error = f"{letter.error} at {letter.path}" if letter.path.strip("$") else letter.error
    return one_line(masking.text(error), 120)
