"""Which events notify whom, how."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from msgspec import Meta, Struct, field, structs

from worker.rules.retry import RetrySettings

DEFAULT_TEXT = (
    "{{ customer.name if customer else 'Somebody' }}: {{ balance.points }} points added, "
    "balance {{ balance.balance }}"
)


class QuietHours(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A rule's `quiet_hours` table."""

    from_: str = field(name="from")
    """When they begin, by the clocks of `timezone`: HH:MM."""

    to: str
    """When they end: HH:MM, on the next day where it is not after `from`."""

    timezone: str = "UTC"
    """Whose clocks count: a name as Europe/Berlin."""


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> float:
    """A duration such as 90s, 5m, 2h or 1d in seconds. Raises ValueError."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if found is None or not int(found[1]):
        raise ValueError("not a duration: write a number and s, m, h or d, as 5m")
    return float(int(found[1]) * _SECONDS[found[2]])


class DigestSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A rule's `digest` table: what comes within a window becomes one notification."""

    key: str
    """Expression over the payload: events for which it comes to the same go into one digest (data.customer.id)."""

    window: str
    """How long events are collected from the first on: 90s, 5m, 2h, 1d. 500 events end it early."""


class RetryOverride(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A rule's `retry` table: what is not given is as its channel has it."""

    attempts: Annotated[int, Meta(ge=1)] | None = None
    """Tries in all, the first included."""

    horizon_s: Annotated[float, Meta(gt=0)] | None = None
    """Seconds after the first try beyond which none is made."""

    base_s: Annotated[float, Meta(gt=0)] | None = None
    """Upper bound of the first delay; it doubles with each attempt."""

    cap_s: Annotated[float, Meta(gt=0)] | None = None
    """Upper bound of every delay that Hookline chooses itself."""

    max_retry_after_s: Annotated[float, Meta(ge=0)] | None = None
    """Longest wait that the other side can ask for, as with Retry-After."""


class Rule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A `[[rules]]` entry. Its templates are Jinja2 over the payload's keys: docs/rules.md."""

    name: str
    """Unique; part of every idempotency key, so renaming a rule makes its notifications new ones."""

    events: tuple[str, ...]
    """Event names or globs (`*.points_added`)."""

    channel: str | tuple[str, ...]
    """Name of the channel that carries it, or a list of them: each gets a notification of its own."""

    text: str = ""
    """Template of the text; empty leaves it out."""

    subject: str = ""
    """Template of the subject, one line, where the channel has such a thing; empty leaves it out."""

    html: str = ""
    """Template of the text as HTML, where the channel can send that: what it inserts is escaped."""

    to: str = ""
    """Template of whom it is for, one line, where the channel can address somebody; empty: as the channel says."""

    when: str = ""
    """Expression over the payload as it came, without braces; it notifies only where this is true."""

    key: str = ""
    """Template of what the idempotency key is made of, beside source, rule and channel; empty: of the event."""

    sources: tuple[str, ...] = ("*",)
    """Names or globs of the sources it is for."""

    enrich: tuple[str, ...] = ()
    """What to look up at the source's API, when the notification is made, and fill in where the payload lacks it
    (voucherify: customer). Needs the source's `api`."""

    enabled: bool = True
    """false leaves the rule out."""

    locale: str = "en"
    """How numbers and dates are written, where the template does not say: de, pt_BR."""

    timezone: str = "UTC"
    """Whose clocks the times are told by, where the template does not say: Europe/Berlin."""

    latest_only: str = ""
    """Expression over the payload: of events for which it comes to the same, one that is older than another that
    was notified is skipped (data.voucher.id)."""

    digest: DigestSettings | None = None
    quiet_hours: QuietHours | None = None
    retry: RetryOverride | None = None

    def channels(self) -> tuple[str, ...]:
        """Every channel's name."""
        return (self.channel,) if isinstance(self.channel, str) else self.channel

    def routes(self) -> Iterator[Route]:
        """One for each notification that it makes of an event."""
        several = len(self.channels()) > 1
        for channel in self.channels():
            yield Route(self.name, channel, f"{self.name}\x1f{channel}" if several else self.name)


DEFAULT_RULES = (
    Rule(
        name="points-added",
        events=("*voucher.loyalty_card.points_added",),
        channel="console",
        text=DEFAULT_TEXT,
    ),
)
"""What holds where the config has no `rules`."""


class Route(Struct, frozen=True):
    """One notification that a rule makes of an event."""

    rule: str
    channel: str
    label: str
    """What stands for the two in the idempotency key: the rule's name, and the channel's where it has several."""


class Matches(Struct, frozen=True):
    """The notifications that the rules make of an event."""

    routes: tuple[Route, ...]
    digests: tuple[Rule, ...]
    """The rules that collect it for a digest."""

    ask_payload: bool
    """Whether there is a `when`, a `key` or a digest, which need the payload."""


class RuleBook:
    """All rules, looked up by event: one dict access an event once a name was seen."""

    _MAX_REMEMBERED = 10_000

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = tuple(rule for rule in rules if rule.enabled)
        """Those that are not left out, in the order of the config."""

        self._matches: dict[tuple[str, str], Matches] = {}

    def matching(self, source: str, event: str) -> Matches:
        """What the rules make of this event name of this source, in the order of the config."""
        found = self._matches.get((source, event))
        if found is None:
            rules = [rule for rule in self.rules if not mismatches(rule, source, event)]
            found = Matches(
                tuple(route for rule in rules if not rule.digest for route in rule.routes()),
                tuple(rule for rule in rules if rule.digest),
                any(rule.when or rule.key or rule.digest for rule in rules),
            )
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


def retry_of(rule: Rule, channel: RetrySettings) -> RetrySettings:
    """The channel's retry settings, with what the rule says otherwise."""
    changes = {
        name: value for name, value in structs.asdict(rule.retry or RetryOverride()).items() if value is not None
    }
    return structs.replace(channel, **changes)
