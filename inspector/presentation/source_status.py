"""The state of a source, for terminals, pages and as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.text import Text

from broker.monitoring.alerts import Alert
from inspector.formatting import age, count_of, moment, printable
from inspector.operations.status import Source, Status
from inspector.privacy.masking import DEFAULT
from sources.retry_deadline import disabled_at_ms, is_past_the_last_try, tries_left, warning


def source_line(source: Source, now_ms: int) -> Text:
    """The time of the last webhook, and what has failed since."""
    facts = source.facts
    line = Text(_last_accepted(facts.last_accepted_ms, now_ms))
    if facts.failing_since_ms:
        failures = _failures(facts.failing_answers, "error", facts.failing_since_ms, facts.failing_status)
        deadline = warning(source.kind, facts.failing_since_ms, now_ms)
        line.append(f"\n{failures}" + (f": {deadline}" if deadline else ""), style="red")
    elif facts.outage_since_ms:
        lasted = age(facts.outage_until_ms - facts.outage_since_ms)
        line.append(f"\nlast outage {moment(facts.outage_since_ms)}, for {lasted}", style="dim")
        if is_past_the_last_try(source.kind, facts.outage_since_ms, facts.outage_until_ms):
            line.append(f": {source.kind.disabled_advice}", style="yellow")
    if facts.refused_since_ms:
        rejections = _failures(facts.refused_answers, "rejection", facts.refused_since_ms, facts.refused_status)
        line.append(f"\n{rejections}", style="yellow")
    return line


def alert_line(alert: Alert, now_ms: int) -> Text:
    """An active alert, with personal data masked."""
    text = printable(DEFAULT.text(alert.text))
    return Text(f"{text} ({alert.kind}, for {age(now_ms - alert.since_ms)})", style="red")


def source_records(status: Status) -> list[dict[str, Any]]:
    """Every field of each source; tries_left and disabled_at_ms are null while no webhook fails."""
    return [
        {"name": name, **msgspec.to_builtins(source.facts), **_deadline(source, status.at_ms)}
        for name, source in status.sources.items()
    ]


def alert_records(status: Status) -> list[dict[str, Any]]:
    """The active alerts, with personal data masked."""
    return [
        {
            **msgspec.to_builtins(alert),
            "text": DEFAULT.text(alert.text),
            "data": {name: DEFAULT.text(v) if isinstance(v, str) else v for name, v in alert.data.items()},
        }
        for alert in status.alerts
    ]


def _deadline(source: Source, now_ms: int) -> dict[str, int | None]:
    schedule_s, since_ms = source.kind.retry_schedule_s, source.facts.failing_since_ms
    if not since_ms or not schedule_s:
        return {"tries_left": None, "disabled_at_ms": None}
    return {
        "tries_left": tries_left(schedule_s, (now_ms - since_ms) / 1000),
        "disabled_at_ms": disabled_at_ms(schedule_s, since_ms),
    }


def _last_accepted(last_ms: int, now_ms: int) -> str:
    return f"last webhook {age(now_ms - last_ms)} ago" if last_ms else "no webhook yet"


def _failures(answers: int, thing: str, since_ms: int, status: int) -> str:
    return f"{count_of(answers, thing)} since {moment(since_ms)}, no webhook accepted since, last status {status}"
