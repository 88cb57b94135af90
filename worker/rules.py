"""Which events notify whom, how."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct

DEFAULT_TEXT = (
    "{{ customer.name if customer else 'Somebody' }}: {{ balance.points }} points added, "
    "balance {{ balance.balance }}"
)


class Rule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A `[[rules]]` entry."""

    name: str
    """Unique; part of every idempotency key, so renaming a rule makes its notifications new ones."""

    events: tuple[str, ...]
    """Event names or globs (`*.points_added`)."""

    channel: str
    """Name of the channel that carries it."""

    text: str = ""
    """Jinja2 template over the payload's keys; empty leaves the text out."""

    sources: tuple[str, ...] = ("*",)
    """Names or globs of the sources it is for."""

    enrich: tuple[str, ...] = ()
    """What to look up at the source's API, when the notification is made, and fill in where the payload lacks it
    (voucherify: customer). Needs the source's `api`."""


DEFAULT_RULES = (
    Rule(
        name="points-added",
        events=("*voucher.loyalty_card.points_added",),
        channel="console",
        text=DEFAULT_TEXT,
    ),
)
"""What holds where the config has no `rules`."""


class RuleBook:
    """All rules, looked up by event: one dict access an event once a name was seen."""

    _MAX_REMEMBERED = 10_000

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules
        self._matches: dict[tuple[str, str], tuple[Rule, ...]] = {}

    def matching(self, source: str, event: str) -> tuple[Rule, ...]:
        """The rules for this event name of this source, in the order of the config."""
        found = self._matches.get((source, event))
        if found is None:
            found = tuple(rule for rule in self._rules if not mismatches(rule, source, event))
            if len(self._matches) >= self._MAX_REMEMBERED:  # names come from outside: stay bounded
                self._matches.clear()
            self._matches[source, event] = found
        return found


class Mismatch(Struct, frozen=True):
    """Why a rule is not for an event."""

    what: Literal["event", "source"]
    name: str
    globs: tuple[str, ...]
    """What the rule asks for; none of it fits `name`."""


def mismatches(rule: Rule, source: str, event: str) -> tuple[Mismatch, ...]:
    """Every reason why the rule is not for this event name of this source; none where it is."""
    asked = (Mismatch("event", event, rule.events), Mismatch("source", source, rule.sources))
    return tuple(reason for reason in asked if not any(fnmatchcase(reason.name, glob) for glob in reason.globs))
