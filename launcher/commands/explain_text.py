"""Formats an explanation for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from inspector.formatting import count_of, moment, printable, size, span
from sources.written_number import as_json
from worker.preview.explain import Decoded, Explanation, Fault, Notified, Post, RuleOutcome

_MAX_KEYS = 40
_MAX_INNER_KEYS = 16
_MAX_VALUE_CHARS = 60

_NAMED_BY = {
    "body": "named by the body",
    "header": "named by a header",
    "url": "named by the URL's ?event=",
    "nothing": "not named: add ?event=NAME to the target URL",
}


def page(explanation: Explanation) -> RenderableType:
    """The whole explanation, with the conclusion at the end."""
    return Group(*_parts(explanation))


def _parts(explanation: Explanation) -> Iterator[RenderableType]:
    yield _body(explanation)
    if explanation.fault:
        yield fault_lines(explanation.fault)
    if explanation.event:
        yield from _payload(explanation.event.payload)
    for outcome in explanation.rules:
        for notified in outcome.notifications:
            yield from matching(outcome, notified)
    yield from not_matching([outcome for outcome in explanation.rules if not outcome.notifications])
    yield Text()
    yield _conclusion(explanation)


def _body(explanation: Explanation) -> Table:
    lines = _lines()
    named = "" if explanation.source == explanation.source_kind else f" ({explanation.source_kind})"
    lines.add_row("body", Text(f"{size(explanation.bytes)} from {explanation.source}{named}"))
    if explanation.items > 1:
        lines.add_row("events", Text(f"{explanation.items} in this webhook; the first one is explained"))
    if explanation.event:
        _event(lines, explanation.event)
    return lines


def _event(lines: Table, event: Decoded) -> None:
    lines.add_row("kind", _plain(event.kind))
    lines.add_row("event", _plain(event.name, "bold"))
    lines.add_row("", Text(_NAMED_BY[event.named_by], "yellow" if event.named_by == "nothing" else "dim"))
    lines.add_row("identity", _plain(" + ".join(event.identity)))
    if event.identity_is_hash:
        lines.add_row(
            "", Text("a hash of the signed bytes, since nothing in the body identifies the event", "dim")
        )
    lines.add_row("remembered", Text(f"{_window(event.remembered_s)} from when it was last seen"))
    if event.occurred_at_ms is None:
        lines.add_row("time", Text("not in the body; the time of receipt is used", "dim"))
    else:
        lines.add_row("time", Text(moment(event.occurred_at_ms)))
    if event.typed is None:
        lines.add_row("payload", Text("generic: no fixed shape"))
    else:
        lines.add_row("payload", Text(f"{event.typed.name}: {', '.join(event.typed.fields)}"))


def _window(seconds: float) -> str:
    """A span in days from two days on, else in hours."""
    days = seconds / 86_400
    return f"{days:.0f} d" if days >= 2 else f"{seconds / 3600:.0f} h"


def fault_lines(fault: Fault) -> Table:
    """The reason why a body would become a dead letter."""
    lines = _lines()
    lines.add_row("reason", _plain(fault.reason, "bold red"))
    lines.add_row("error", _plain(fault.error, "red"))
    lines.add_row("path", _plain(fault.path, "red"))
    return lines


def _payload(payload: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield Text("\ntemplates see")
    lines = _lines("cyan")
    for key in list(payload)[:_MAX_KEYS]:
        lines.add_row(_plain(key), _plain(_glance(payload[key])))
    if len(payload) > _MAX_KEYS:
        lines.add_row("", Text(f"and {len(payload) - _MAX_KEYS} more keys; --json has them", "dim"))
    yield _indented(lines)


def _glance(value: Any) -> str:
    match value:
        case dict() if value:
            more = ", ..." if len(value) > _MAX_INNER_KEYS else ""
            return "{ " + ", ".join(list(value)[:_MAX_INNER_KEYS]) + more + " }"
        case list() if value:
            return f"[ {count_of(len(value), 'item')} ]"
        case _:
            shown = _json(value)
            return shown if len(shown) <= _MAX_VALUE_CHARS else shown[: _MAX_VALUE_CHARS - 3] + "..."


def matching(outcome: RuleOutcome, notified: Notified) -> Iterator[RenderableType]:
    """A notification of a rule that matches."""
    heading = Text("\nrule ").append(printable(outcome.rule), "bold").append(" matches", "green")
    yield heading.append(f" -> {notified.channel}")
    yield _indented(_notification(outcome, notified))


def not_matching(outcomes: list[RuleOutcome]) -> Iterator[RenderableType]:
    """The reasons why these rules do not match."""
    if not outcomes:
        return
    yield Text("\nrules that do not match")
    lines = _lines("bold")
    for outcome in outcomes:
        lines.add_row(_plain(outcome.rule), _plain("\n".join(_reasons(outcome)), "dim"))
    yield _indented(lines)


def _reasons(outcome: RuleOutcome) -> Iterator[str]:
    if not outcome.is_enabled:
        yield "enabled is false"
    for why in outcome.mismatches:
        yield f"{why.what} matches none of {', '.join(why.globs)}"
    if not outcome.is_met:
        yield f"when is not true: {outcome.when}"


def _notification(outcome: RuleOutcome, notified: Notified) -> Table:
    lines = _lines()
    lines.add_row("key", Text(notified.key))
    if outcome.when:
        lines.add_row("when", _plain(outcome.when))
    if outcome.quiet_s:
        lines.add_row("quiet", Text(f"hours end in {span(outcome.quiet_s * 1000)}; sent after that", "yellow"))
    for label, content in (("to", notified.to), ("subject", notified.subject)):
        if content:
            lines.add_row(label, _plain(content, "green"))
    for lookup in notified.looks_up:
        lines.add_row("looks up", _plain(f"{lookup}, and fills in what the payload lacks"))
    lines.add_row(*_text(notified))
    if notified.html:
        lines.add_row("html", _plain(notified.html, "green"))
    if notified.post:
        lines.add_row("POST", _post(notified.post))
    return lines


def _text(notified: Notified) -> tuple[str, Text]:
    if notified.needs:
        return "text", _plain(f"needs the looked-up data: {notified.needs}", "yellow")
    if notified.error:
        return "error", _plain(notified.error, "red")
    if notified.text:
        return "text", _plain(notified.text, "green")
    return "text", Text("none: the rule has no text", "dim")


def _post(post: Post) -> Text:
    """The JSON without `data`, which is the payload that is shown above."""
    shown = Text(f"to {post.host}, {size(len(bytes(post.body)))}\n{{\n")
    content = msgspec.json.decode(post.body)
    for key, value in content.items():
        shown.append(f"  {_json(key)}: ", "cyan")
        shown.append("{ as templates see it }\n" if key == "data" else f"{printable(_json(value))},\n")
    return shown.append("}")


def _conclusion(explanation: Explanation) -> Text:
    if explanation.refusal:
        return _plain(f"rejected with status 400: {explanation.refusal}", "bold red")
    if explanation.fault:
        return Text("dead letter: this body cannot be processed", "bold red")
    made = sum(len(outcome.notifications) for outcome in explanation.rules)
    if explanation.event and not made and all(outcome.mismatches for outcome in explanation.rules):
        wanted = _plain(f"events = [{_json(explanation.event.name)}]")
        return Text("processed, without a notification: a rule for this event has ", "bold yellow").append(wanted)
    if not made:
        return Text("processed, without a notification: see the rules above", "bold yellow")
    notifications = count_of(made, "notification")
    if not explanation.dead_letters:
        return Text(f"processed: {notifications}", "bold green")
    what = "a dead letter" if explanation.dead_letters == 1 else "dead letters"
    return Text(f"processed, but {explanation.dead_letters} of {notifications} would become {what}", "bold red")


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=as_json).decode()


def _plain(text: str, style: str = "") -> Text:
    return Text(printable(text), style)


def _indented(lines: Table) -> Padding:
    return Padding(lines, (0, 0, 0, 2), expand=False)


def _lines(label_style: str = "dim") -> Table:
    lines = Table.grid(padding=(0, 2))
    lines.add_column(overflow="fold", style=label_style, min_width=8, max_width=32)
    lines.add_column(overflow="fold")
    return lines
