"""When dead letters cause an alert. Pure: it depends on the counts in Redis and on the time.

Letters of groups that people have muted count for no alert, and those of resolved groups not for dead_total.

dead_new     a failure group without any dead letter for a month, or since it was resolved; sent once, ends with
             the last dead letter or in a day
dead_rate    at least dead_per_minute new dead letters a minute, averaged over five minutes
dead_total   at least dead_total dead letters are stored
dead_purged  dead letters were removed because of their age or number; sent once, shown for a day

The texts show the class of an error and not its text, which may quote the webhook.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from broker.dead_letters import DeadLetter, dimensions_of
from broker.monitoring.alerts import Alert
from worker.settings import AlertSettings

NEW, RATE, TOTAL, PURGED = "dead_new", "dead_rate", "dead_total", "dead_purged"
KINDS = (NEW, RATE, TOTAL, PURGED)

RATE_MINUTES = 5
SHOWN_MS = 86_400_000
NAMED = 5
"""New groups that a text names; further ones are counted."""

_MAX_CHARS = 80


class DeadFacts(Struct, frozen=True, kw_only=True):
    """The counts that decide on alerts."""

    letters: int
    """The number of dead letters that are stored now."""

    died: int
    """The number of dead letters that were created in the last RATE_MINUTES."""

    quiet_letters: int = 0
    """How many of `letters` are of muted or resolved groups."""

    quiet_died: int = 0
    """How many of `died` are of muted groups."""

    @property
    def counted_letters(self) -> int:
        """The number of letters that count for an alert."""
        return max(0, self.letters - self.quiet_letters)

    @property
    def counted_died(self) -> int:
        """The number of new letters that count for an alert."""
        return max(0, self.died - self.quiet_died)


class NewGroup(Struct, frozen=True):
    """A failure group without an alert so far."""

    fingerprint: str
    first: DeadLetter | None
    """The first dead letter of the group; None where that is deleted or cannot be read."""

    has_returned: bool = False
    """True if the group was resolved before."""


def count_alerts(facts: DeadFacts, settings: AlertSettings, now_ms: int) -> Iterator[Alert]:
    """The alerts that hold while the counts are as high as the settings say."""
    if settings.dead_per_minute and facts.counted_died >= settings.dead_per_minute * RATE_MINUTES:
        yield _rate(facts, settings, now_ms)
    if settings.dead_total and facts.counted_letters >= settings.dead_total:
        yield _total(facts, settings, now_ms)


def has_ended(alert: Alert, facts: DeadFacts, holding: Mapping[str, Alert]) -> bool:
    """Return whether the condition of an alert of these KINDS, which was raised, holds no longer."""
    if alert.kind == PURGED:
        return False
    return not facts.letters if alert.kind == NEW else alert.name not in holding


def end_text(alert: Alert, facts: DeadFacts) -> str:
    """The text of an alert whose condition holds no longer."""
    if alert.kind == RATE:
        return f"{_count(facts.counted_died)} in the last {RATE_MINUTES} minutes: no longer too many"
    if alert.kind == NEW:
        return "no dead letter is left"
    return f"{_count(facts.counted_letters)} left: no longer too many"


def new_groups_alert(groups: Sequence[NewGroup], now_ms: int) -> Alert:
    """The alert about new groups; the first NAMED of them must have their dead letters."""
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


def purged_alert(purged: int, now_ms: int) -> Alert:
    """The alert about purged dead letters; purged: their number."""
    were = "was" if purged == 1 else "were"
    return Alert(
        kind=PURGED,
        source="",
        since_ms=now_ms,
        text=f"{_count(purged)} {were} deleted because of the limits on age and number",
        data={"purged": purged},
        ends_ms=now_ms + SHOWN_MS,
    )


def _rate(facts: DeadFacts, settings: AlertSettings, now_ms: int) -> Alert:
    without = f", without {facts.quiet_died} of muted groups" if facts.quiet_died else ""
    text = (
        f"{_count(facts.counted_died)} in the last {RATE_MINUTES} minutes{without}; alerts.dead_per_minute is "
        f"{settings.dead_per_minute:g}. See hookline dead groups."
    )
    return Alert(kind=RATE, source="", since_ms=now_ms, text=text, data={"died": facts.counted_died})


def _total(facts: DeadFacts, settings: AlertSettings, now_ms: int) -> Alert:
    without = f", without {facts.quiet_letters} of muted and resolved groups" if facts.quiet_letters else ""
    text = (
        f"{_count(facts.counted_letters)} stored{without}; alerts.dead_total is {settings.dead_total}. "
        "See hookline dead groups."
    )
    return Alert(kind=TOTAL, source="", since_ms=now_ms, text=text, data={"letters": facts.counted_letters})


def _sentence(group: NewGroup) -> str:
    if group.first is None:
        return f"{group.fingerprint}, whose first dead letter is deleted"
    shown = {name: value for name, value in _facts(group).items() if value and name != "fingerprint"}
    text = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())
    return f"{text}, which has returned after it was resolved" if group.has_returned else text


def _record(group: NewGroup) -> dict[str, Any]:
    return {**_facts(group), "has_returned": group.has_returned}


def _facts(group: NewGroup) -> dict[str, Any]:
    if group.first is None:
        return {"fingerprint": group.fingerprint}
    dimensions = msgspec.structs.asdict(dimensions_of(group.first))
    del dimensions["attempts"]
    return {name: _short(value) for name, value in (dimensions | {"path": group.first.path}).items()}


def _short(text: str) -> str:
    """The value for a text. Event names come from outside, so they are shortened and escaped."""
    shown = "".join(char if char.isprintable() else "?" for char in text[: _MAX_CHARS + 1])
    return shown if len(shown) <= _MAX_CHARS else f"{shown[:_MAX_CHARS]}…"


def _count(letters: int) -> str:
    return "1 dead letter" if letters == 1 else f"{letters} dead letters"
