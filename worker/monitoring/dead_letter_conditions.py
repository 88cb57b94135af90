"""When dead letters are a cause for an alert: pure, from what Redis knows of them and the time.

dead_new     a group that nothing died with for a month: told once, over with the last dead letter, or after a day
dead_rate    as many a minute as dead_per_minute, on average of five
dead_total   as many at a time as dead_total
dead_purged  some were removed because of their age or number: told once, shown for a day

The texts name no error, only its class: an error may quote the webhook.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from broker.dead_letters import DeadLetter, Unreported, dimensions_of
from broker.monitoring.alerts import Alert
from worker.settings import AlertSettings

NEW, RATE, TOTAL, PURGED = "dead_new", "dead_rate", "dead_total", "dead_purged"
KINDS = (NEW, RATE, TOTAL, PURGED)

RATE_MINUTES = 5
SHOWN_MS = 86_400_000
NAMED = 5
"""New groups that a text names; the others are counted."""

_MOST_CHARS = 80


class DeadFacts(Struct, frozen=True, kw_only=True):
    """What there is of dead letters."""

    letters: int
    """Those that lie there now."""

    died: int
    """Those that arose in the last RATE_MINUTES."""


class NewGroup(Struct, frozen=True):
    """A group that people were not told of yet."""

    fingerprint: str
    first: DeadLetter | None
    """None where it has gone, or cannot be read."""


def dead_causes(facts: DeadFacts, settings: AlertSettings, now_ms: int) -> Iterator[Alert]:
    """The alerts that hold as long as there are so many."""
    if settings.dead_per_minute and facts.died >= settings.dead_per_minute * RATE_MINUTES:
        yield _rate(facts, settings, now_ms)
    if settings.dead_total and facts.letters >= settings.dead_total:
        yield _total(facts, settings, now_ms)


def is_over(alert: Alert, facts: DeadFacts, holding: Mapping[str, Alert]) -> bool:
    """Whether an alert of ours that was raised holds no longer."""
    if alert.kind == PURGED:
        return False
    return not facts.letters if alert.kind == NEW else alert.name not in holding


def over(alert: Alert, facts: DeadFacts) -> str:
    """What to tell of an alert that holds no longer."""
    if alert.kind == RATE:
        return f"{_count(facts.died)} arose in the last {RATE_MINUTES} minutes: no longer too many"
    if alert.kind == NEW:
        return "no dead letter is left"
    return f"{_count(facts.letters)} left: no longer too many"


def news(groups: Sequence[NewGroup], now_ms: int) -> Alert:
    """The alert that tells of new groups; the first NAMED of them have their letters."""
    named = groups[:NAMED]
    more = f"; and {len(groups) - len(named)} more" if len(groups) > len(named) else ""
    what = "a new group of dead letters" if len(groups) == 1 else f"{len(groups)} new groups of dead letters"
    return Alert(
        kind=NEW,
        source="",
        since_ms=now_ms,
        text=f"{what}: {'; '.join(map(_sentence, named))}{more}. See hookline dead groups.",
        data={"new": len(groups), "groups": [_record(group) for group in named]},
        ends_ms=now_ms + SHOWN_MS,
    )


def purges(unreported: Unreported, now_ms: int) -> Alert:
    """The alert that tells of purged letters."""
    purged = unreported.purged - unreported.purged_before
    were = "was" if purged == 1 else "were"
    return Alert(
        kind=PURGED,
        source="",
        since_ms=now_ms,
        text=f"{_count(purged)} {were} removed for good, because of their age or number",
        data={"purged": purged},
        ends_ms=now_ms + SHOWN_MS,
    )


def _rate(facts: DeadFacts, settings: AlertSettings, now_ms: int) -> Alert:
    text = (
        f"{_count(facts.died)} arose in the last {RATE_MINUTES} minutes; alerts.dead_per_minute is "
        f"{settings.dead_per_minute:g}. See hookline dead groups."
    )
    return Alert(kind=RATE, source="", since_ms=now_ms, text=text, data={"died": facts.died})


def _total(facts: DeadFacts, settings: AlertSettings, now_ms: int) -> Alert:
    text = (
        f"{_count(facts.letters)} there now; alerts.dead_total is {settings.dead_total}. See hookline dead groups."
    )
    return Alert(kind=TOTAL, source="", since_ms=now_ms, text=text, data={"letters": facts.letters})


def _sentence(group: NewGroup) -> str:
    if group.first is None:
        return f"{group.fingerprint}, whose first letter has gone"
    shown = {name: value for name, value in _record(group).items() if value and name != "fingerprint"}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())


def _record(group: NewGroup) -> dict[str, Any]:
    if group.first is None:
        return {"fingerprint": group.fingerprint}
    dimensions = msgspec.structs.asdict(dimensions_of(group.first))
    del dimensions["attempts"]
    return {name: _short(value) for name, value in (dimensions | {"path": group.first.path}).items()}


def _short(text: str) -> str:
    """Names of events come from outside."""
    shown = "".join(char if char.isprintable() else "?" for char in text[: _MOST_CHARS + 1])
    return shown if len(shown) <= _MOST_CHARS else f"{shown[:_MOST_CHARS]}…"


def _count(letters: int) -> str:
    return "1 dead letter" if letters == 1 else f"{letters} dead letters"
