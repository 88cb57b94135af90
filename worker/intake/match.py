"""Match: an event becomes the notifications and digest events that the rules make of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

from msgspec import Struct

from broker.history.records import EventRow
from broker.queue import dedupe
from broker.queue.jobs import Notification
from broker.steps import digests
from broker.steps.digests import Gathered
from worker.intake.decode import DecodedEvent
from worker.intake.history_rows import event_row
from worker.rules.idempotency import idempotency_key
from worker.rules.payload import Views
from worker.rules.render import Renderer
from worker.rules.rules import Matches, Route, Rule, RuleBook, seconds
from worker.templates.template import RenderError, seen_by_templates

_KeyedRoute = tuple[Route, str]
"""A route, and the text that its idempotency key is made of."""

_DigestEvent = tuple[str, Gathered]
"""The id of a digest, and the event that joins it."""


class MatchedEvent(Struct, frozen=True):
    """The notifications and digest events of one body's event, if it is new."""

    mark: dedupe.Mark
    notifications: Sequence[tuple[str, Notification]]
    """The notifications of the event, each with its channel."""

    digest_events: Sequence[_DigestEvent]
    record: EventRow | None = None
    """The row of the event for the history; None without a history."""


class RuleMatcher:
    """Evaluates the rules of one config.

    Making one raises where a rule does not compile; a checked config has no such rule.
    """

    def __init__(self, rules: RuleBook, *, writes_history: bool = False) -> None:
        """writes_history: whether events get rows for the history."""
        self._writes_history = writes_history
        self._rules = rules
        self._renderer = Renderer(rules.rules)
        self._views = Views(self._renderer.condition_keys())

    def match(self, decoded: DecodedEvent) -> MatchedEvent:
        """Find the rules that match an event. Raises DecodeError where they need a payload that is unreadable."""
        body, event = decoded.body, decoded.event
        matches = self._rules.matching(body.source, event.name)
        routes: Iterable[_KeyedRoute] = zip(matches.routes, repeat(event.identity), strict=False)
        digest_events: Sequence[_DigestEvent] = ()
        if matches.needs_payload:
            routes, digest_events = self._match_payload(matches, decoded)
        notifications = [
            (
                route.channel,
                Notification(idempotency_key(body.source, identity, route.label), route.rule, event.name, body),
            )
            for route, identity in routes
        ]
        record = event_row(decoded, notifications, digest_events) if self._writes_history else None
        return MatchedEvent(decoded.mark, notifications, digest_events, record)

    def _match_payload(
        self, matches: Matches, decoded: DecodedEvent
    ) -> tuple[Sequence[_KeyedRoute], Sequence[_DigestEvent]]:
        """Evaluate each rule's `when`, `key` and digest key on the event's payload."""
        body, event = decoded.body, decoded.event
        view = self._views.read(body.source, decoded.kind, body.body)
        seen = seen_by_templates(view, event=event.name, source=body.source)
        routes = list(self._keyed_routes(matches.routes, seen, event.identity))
        digest_events = []
        for rule in matches.digests:
            try:
                if self._renderer.when_is_true(rule.name, seen):
                    digest_events.append(self._digest_event(rule, seen, decoded))
            except RenderError:
                # Delivery evaluates the rule again, fails again, and there it becomes a dead letter.
                routes += [(route, event.identity) for route in rule.routes()]
        return routes, digest_events

    def _keyed_routes(self, routes: Sequence[Route], seen: dict[str, Any], identity: str) -> Iterator[_KeyedRoute]:
        for route in routes:
            try:
                if not self._renderer.when_is_true(route.rule, seen):
                    continue
                key = self._renderer.key(route.rule, seen)
            except RenderError:
                # Delivery evaluates the rule again, fails again, and there it becomes a dead letter.
                key = ""
            yield route, f"key\x1f{key}" if key else identity

    def _digest_event(self, rule: Rule, seen: dict[str, Any], decoded: DecodedEvent) -> _DigestEvent:
        """The digest that the event belongs to, and what it adds to it. Raises RenderError."""
        assert rule.digest is not None
        body, event = decoded.body, decoded.event
        gathered = Gathered(
            key=idempotency_key(body.source, event.identity, rule.name),
            rule=rule.name,
            channels=rule.channels(),
            window_ms=int(seconds(rule.digest.window) * 1000),
            event=event.name,
            occurred_at_ms=event.occurred_at_ms,
            body=body,
        )
        return digests.digest_id(body.source, rule.name, self._renderer.digest_key(rule.name, seen)), gathered
