"""Checks of rules: every name is configured, and every template compiles."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping

from launcher.config.struct_reader import Check, did_you_mean, one_of
from worker.rules.rules import DigestSettings, QuietHours, Rule, seconds
from worker.templates.formats import Formats, locale_of, zone_of
from worker.templates.template import Expression, Template, fault

_GLOB = re.compile(r"[*?\[]")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_FORMATS = Formats("en", "UTC")


def rule_checks(sources: Collection[str], channels: Collection[str]) -> Mapping[tuple[type, str], Check]:
    """The checks of a rule's values, by struct and field; `sources` and `channels` are the configured names."""
    return {
        (Rule, "name"): _Unique(),
        (Rule, "events"): _events,
        (Rule, "channel"): lambda names: _channels(names, channels),
        (Rule, "sources"): lambda names: _sources(names, sources),
        (Rule, "text"): _template,
        (Rule, "subject"): _template,
        (Rule, "html"): _template,
        (Rule, "to"): _template,
        (Rule, "key"): _template,
        (Rule, "when"): _expression,
        (Rule, "latest_only"): _expression,
        (DigestSettings, "key"): lambda text: _expression(text) if text else (("", "it is needed"),),
        (DigestSettings, "window"): _parses(seconds),
        (Rule, "locale"): _parses(locale_of),
        (Rule, "timezone"): _parses(zone_of),
        (QuietHours, "from_"): _time,
        (QuietHours, "to"): _time,
        (QuietHours, "timezone"): _parses(zone_of),
    }


def contradictions(rules: tuple[Rule | None, ...], path: str) -> Iterator[tuple[str, str]]:
    """Yields (path, reason) for settings of a rule that contradict each other. `path`: the path of the rules."""
    for index, rule in enumerate(rules):
        if rule and rule.quiet_hours and rule.quiet_hours.from_ == rule.quiet_hours.to:
            yield (
                f"{path}[{index}].quiet_hours",
                "they end when they begin; to turn a rule off, set enabled = false",
            )
        if rule and rule.latest_only and rule.digest:
            yield (
                f"{path}[{index}].latest_only",
                "it cannot be used with a digest, which holds several events: remove one of the two",
            )


def known(what: str, name: str, configured: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yields ("", reason) for a name that is not configured."""
    if name not in configured:
        yield "", f"no such {what}" + (did_you_mean(name, configured) or f"; there is {one_of(configured)}")


class _Unique:
    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, name: str) -> Iterator[tuple[str, str]]:
        if not name:
            yield "", "a rule needs a name"
        elif name in self._seen:
            yield "", "another rule has this name"
        self._seen.add(name)


def _events(events: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if not events:
        yield "", 'a rule needs an event; "*" means every event'
    for index, event in enumerate(events):
        if event != event.strip() or not event:
            yield f"[{index}]", "no event has an empty name, or space around it"
        elif "[" in event and "]" not in event:
            yield f"[{index}]", 'this [ is never closed, so that it matches no event; write "[[]" for a literal ['


def _channels(names: str | tuple[str, ...], configured: Collection[str]) -> Iterator[tuple[str, str]]:
    if isinstance(names, str):
        yield from known("channel", names, configured)
        return
    if not names:
        yield "", "a rule needs a channel"
    for index, name in enumerate(names):
        yield from ((f"[{index}]", reason) for _, reason in known("channel", name, configured))
        if name in names[:index]:
            yield f"[{index}]", "it is already in this list"


def _sources(names: tuple[str, ...], configured: Collection[str]) -> Iterator[tuple[str, str]]:
    for index, name in enumerate(names):
        if not _GLOB.search(name):
            yield from ((f"[{index}]", reason) for _, reason in known("source", name, configured))


def _template(text: str) -> Iterator[tuple[str, str]]:
    reason = fault(lambda: Template("", text, _FORMATS))
    if reason:
        yield "", f"not a Jinja2 template: {reason}"


def _expression(text: str) -> Iterator[tuple[str, str]]:
    if not text:
        return
    reason = fault(lambda: Expression("", text, _FORMATS))
    if reason:
        yield "", f"not a Jinja2 expression: {reason}; write it without braces, as: balance.points > 100"


def _time(text: str) -> Iterator[tuple[str, str]]:
    if not _TIME.fullmatch(text):
        yield "", "not a time of day: write HH:MM, from 00:00 to 23:59"


def _parses(find: Callable[[str], object]) -> Check:
    def check(name: str) -> Iterator[tuple[str, str]]:
        try:
            find(name)
        except ValueError as error:
            yield "", str(error)

    return check
