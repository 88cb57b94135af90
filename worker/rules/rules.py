"""The rules: which events notify whom, and how."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from msgspec import Meta, Struct, field, structs

from worker.rules.retry import RetrySettings

DEFAULT_TEXT = (
    "{{ customer.name if customer else 'A customer' }}: {{ balance.points }} points added, "
    "balance {{ balance.balance }}"
)


class QuietHours(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A rule's `quiet_hours` table."""

    from_: str = field(name="from")
    """Local time in `timezone` at which they begin: HH:MM."""

    to: str
    """Local time at which they end: HH:MM, on the next day where it is not after `from`."""

    timezone: str = "UTC"
    """Name of the time zone, such as Europe/Berlin. Defaults to UTC."""


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> float:
    """A duration such as 90s, 5m, 2h or 1d in seconds. Raises ValueError."""
    parts = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if parts is None or not int(parts[1]):
        raise ValueError("not a duration: write a number and s, m, h or d, for example 5m")
    return float(int(parts[1]) * _SECONDS[parts[2]])


class DigestSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A rule's `digest` table: the events of a time window become one notification."""

    key: str
    """Expression over the payload, such as data.customer.id. Events with the same value go into one digest."""

    window: str
    """Length of the window, which begins with its first event: 90s, 5m, 2h, 1d. It ends early with 500 events."""


class RetryOverride(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A rule's `retry` table. Settings that it leaves out are those of the channel."""

    attempts: Annotated[int, Meta(ge=1)] | None = None
    """Number of attempts, the first included."""

    horizon_s: Annotated[float, Meta(gt=0)] | None = None
    """Seconds after the first attempt in which retries may be made."""

    base_s: Annotated[float, Meta(gt=0)] | None = None
    """Upper bound in seconds of the first delay; it doubles with each attempt."""

    cap_s: Annotated[float, Meta(gt=0)] | None = None
    """Upper bound in seconds of every delay that Hookline chooses itself."""

    max_retry_after_s: Annotated[float, Meta(ge=0)] | None = None
    """Longest delay in seconds that a receiver can ask for, for example with Retry-After."""


class Rule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A `[[rules]]` entry. Its templates are Jinja2 over the payload's keys: docs/rules.md."""

    name: str
    """Unique name. It is part of every idempotency key: after a renaming, events that are replayed notify
    again."""

    events: tuple[str, ...]
    """Event names or globs, such as `*.points_added`."""

    channel: str | tuple[str, ...]
    """Name of the channel, or a list of names: each channel gets its own notification."""

    text: str = ""
    """Template of the text. Empty, the default, for no text."""

    subject: str = ""
    """Template of the subject, one line, for channels with subjects. Empty, the default, for no subject."""

    html: str = ""
    """Template of the text as HTML, for channels that can send it. Inserted values are escaped. Empty, the
    default, for no HTML."""

    to: str = ""
    """Template of the recipient, one line, for channels with recipients. Empty, the default, for the channel's
    own."""

    when: str = ""
    """Expression over the received payload, without braces. The rule notifies only where it is true; empty, the
    default, for always."""

    key: str = ""
    """Template of a text that the idempotency key depends on, beside source, rule and channel. Empty, the default,
    for the event's identity."""

    sources: tuple[str, ...] = ("*",)
    """Names or globs of the sources that the rule is for. Defaults to all."""

    enrich: tuple[str, ...] = ()
    """Objects to look up at the source's API before the notification is sent, which fill in what the payload lacks
    (voucherify: customer). Needs the source's `api`. Defaults to none."""

    enabled: bool = True
    """True if the rule is used. Defaults to true."""

    locale: str = "en"
    """Locale of numbers and dates where the template gives none, such as de or pt_BR. Defaults to en."""

    timezone: str = "UTC"
    """Time zone of dates and times where the template gives none, such as Europe/Berlin. Defaults to UTC."""

    latest_only: str = ""
    """Expression over the payload, such as data.voucher.id. Of events with the same value, one that is older than
    another that was already sent is skipped. Empty, the default, to send all."""

    digest: DigestSettings | None = None
    quiet_hours: QuietHours | None = None
    retry: RetryOverride | None = None

    def channels(self) -> tuple[str, ...]:
        """The names of the rule's channels."""
        return (self.channel,) if isinstance(self.channel, str) else self.channel

    def routes(self) -> Iterator[Route]:
        """The routes of the rule: one for each channel."""
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
"""The rules of a config without `rules`."""


class Route(Struct, frozen=True):
    """A notification that a rule makes of an event."""

    rule: str
    channel: str
    label: str
    """The part of the idempotency key for the route: the rule's name, and the channel's where the rule has
    several."""


class Matches(Struct, frozen=True):
    """The notifications that the rules make of an event."""

    routes: tuple[Route, ...]
    digests: tuple[Rule, ...]
    """The rules that collect it for a digest."""

    needs_payload: bool
    """True if one of the rules has a `when`, a `key` or a digest, which need the payload."""


class RuleBook:
    """All rules, looked up by event name: one dict access for an event name that was looked up before."""

    _MAX_REMEMBERED = 10_000

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = tuple(rule for rule in rules if rule.enabled)
        """The enabled rules, in the order of the config."""

        self._matches: dict[tuple[str, str], Matches] = {}

    def matching(self, source: str, event: str) -> Matches:
        """The routes and digests for an event name of a source, in the order of the config."""
        matches = self._matches.get((source, event))
        if matches is None:
            rules = [rule for rule in self.rules if not mismatches(rule, source, event)]
            matches = Matches(
                tuple(route for rule in rules if not rule.digest for route in rule.routes()),
                tuple(rule for rule in rules if rule.digest),
                any(rule.when or rule.key or rule.digest for rule in rules),
            )
            if len(self._matches) >= self._MAX_REMEMBERED:  # names come from outside: stay bounded
                self._matches.clear()
            self._matches[source, event] = matches
        return matches


class Mismatch(Struct, frozen=True):
    """Why a rule is not for an event."""

    what: Literal["event", "source"]
    name: str
    globs: tuple[str, ...]
    """The rule's globs, none of which matches `name`."""


def mismatches(rule: Rule, source: str, event: str) -> tuple[Mismatch, ...]:
    """Every reason why the rule does not match this event name of this source; empty where it matches."""
    reasons = (Mismatch("event", event, rule.events), Mismatch("source", source, rule.sources))
    return tuple(reason for reason in reasons if not any(fnmatchcase(reason.name, glob) for glob in reason.globs))


def retry_of(rule: Rule, channel: RetrySettings) -> RetrySettings:
    """The channel's retry settings with the rule's changes."""
    changes = {
        name: value for name, value in structs.asdict(rule.retry or RetryOverride()).items() if value is not None
    }
    return structs.replace(channel, **changes)
