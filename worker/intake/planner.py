"""Entries -> what one commit is to do with them. Pure: nothing is written here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from broker import dead_letters
from broker.dead_letters import StoredDeadLetter
from broker.queue import batch, dedupe
from broker.queue.batch import RawBody, UnreadableBatchError
from broker.queue.jobs import MAX_NOTIFICATIONS, Notification, NotifyJob
from broker.queue.stream import Entry
from broker.steps.commit import NewEvent, Processed, Share
from broker.steps.digests import Gathered, Part
from sources.errors import DecodeError
from sources.event import Event
from sources.provider import Provider
from worker.intake.digests import gathered_of
from worker.rules.event_times import is_future, staleness, window_ms
from worker.rules.idempotency import idempotency_key
from worker.rules.render import Renderer
from worker.rules.rules import Matches, Route, RuleBook
from worker.settings import Settings
from worker.templates.template import RenderError, seen_by_templates
from worker.worker_source import WorkerSource

_MOST_DEAD_LETTERS = 100
"""Dead letters of one commit, or a few more: each keeps Redis from all else for 0.1 ms."""


class Split(Struct, frozen=True):
    """An entry that becomes several."""

    entry: Entry
    batches: list[list[RawBody]]


class UnrecognizedEntry(Struct, frozen=True):
    """An entry that this worker does not understand, and another may."""

    entry: Entry
    why: str


class Plan(Struct, frozen=True):
    """What is to become of some entries."""

    processed: list[Processed]
    jobs: list[NotifyJob]
    split: list[Split]
    """Those that killed too many workers, into single bodies; those with unknown sources among known ones."""

    unrecognized: list[UnrecognizedEntry]

    def entry_ids(self) -> list[str]:
        """The entries that the plan is about."""
        others = [split.entry.id for split in self.split] + [
            unrecognized.entry.id for unrecognized in self.unrecognized
        ]
        return [entry.entry_id for entry in self.processed] + others


class _Decided(NamedTuple):
    """What rules make of an event."""

    routes: list[tuple[Route, str]]
    """Each with what its key is made of."""

    gathered: Sequence[tuple[str, Gathered]] = ()
    """What it adds to which digest."""


class Taken(NamedTuple):
    """What is to become of one body's event, if it is new."""

    mark: dedupe.Mark
    notifications: list[tuple[str, Notification]]
    """Each with its channel."""

    gathered: Sequence[tuple[str, Gathered]]
    """What it adds to which digest."""


class Planner:
    """Decodes, deduplicates by mark, and evaluates rules."""

    def __init__(
        self,
        sources: Mapping[str, WorkerSource],
        rules: RuleBook,
        *,
        max_deliveries: int,
        max_future_s: float = Settings().max_future_s,
        on_event: Callable[[str, str, bytes, bool], None] = lambda _source, _event, _body, _is_future: None,
    ) -> None:
        """on_event: called with (source, event name, body, whether its time lies too far ahead) of each event."""
        self._sources = sources
        self._rules = rules
        self._renderer = Renderer(rules.rules)
        self._max_deliveries = max_deliveries
        self._max_future_s = max_future_s
        self._on_event = on_event

    async def plan(self, entries: Sequence[Entry], *, nobody_knows: bool = False) -> Plan:
        """Plan one commit, of all or, where many die, the first of them; others on the event loop get their turn.

        nobody_knows: what is not understood here no other worker understood either.
        """
        packer, dead_at_intake = _JobPacker(), 0
        plan = Plan([], packer.jobs, [], [])
        for entry in entries:
            planned = len(plan.processed)
            try:
                bodies = batch.decode(entry.blob)
            except UnreadableBatchError as error:
                if nobody_knows:
                    stored_letter = dead_letters.unreadable_batch(entry.blob, entry.bodies, str(error))
                    plan.processed.append(Processed(entry.id, entry.bodies, [], [stored_letter]))
                else:
                    plan.unrecognized.append(UnrecognizedEntry(entry, str(error)))
            else:
                unknown = [] if nobody_knows else [body for body in bodies if body.source not in self._sources]
                self._plan_entry(entry, bodies, unknown, plan, packer)
            await asyncio.sleep(0)
            dead_at_intake += sum(len(done.stored_letters) for done in plan.processed[planned:])
            if dead_at_intake >= _MOST_DEAD_LETTERS:
                break
        return plan

    def _plan_entry(
        self, entry: Entry, bodies: list[RawBody], unknown: list[RawBody], plan: Plan, packer: _JobPacker
    ) -> None:
        """unknown: those of the bodies whose source this worker does not know, and another may."""
        if entry.deliveries > self._max_deliveries:
            if len(bodies) > 1:
                plan.split.append(Split(entry, [[body] for body in bodies]))
            else:
                source = self._sources.get(bodies[0].source)
                terms = source.kind.terms(bodies[0].body) if source else ()
                stored_letter = _poison(bodies[0], entry.deliveries, terms)
                plan.processed.append(Processed(entry.id, entry.bodies, [], [stored_letter]))
        elif not unknown:
            plan.processed.append(self._process(entry, bodies, packer))
        elif len(unknown) < len(bodies):
            known = [body for body in bodies if body.source in self._sources]
            plan.split.append(Split(entry, [known, unknown]))
        else:
            plan.unrecognized.append(UnrecognizedEntry(entry, _no_source(unknown[0].source)))

    def _process(self, entry: Entry, bodies: list[RawBody], packer: _JobPacker) -> Processed:
        events: list[NewEvent] = []
        stored_letters: list[StoredDeadLetter] = []
        parts: list[Part] = []
        for body in bodies:
            found = self.taken(body, any_age=entry.any_age)
            if isinstance(found, StoredDeadLetter):
                stored_letters.append(found)
                continue
            parts += [Part(len(events), digest, gathered) for digest, gathered in found.gathered]
            shares = [packer.add(channel, notification) for channel, notification in found.notifications]
            events.append(NewEvent(found.mark, shares))
        return Processed(entry.id, entry.bodies, events, stored_letters, parts)

    def taken(self, body: RawBody, *, any_age: bool = False) -> Taken | StoredDeadLetter:
        """What becomes of one body; its dead letter, where it dies. any_age: it may be too old. Never raises."""
        source = self._sources.get(body.source)
        if source is None:
            error = _no_source(body.source)
            return dead_letters.died_at_intake(
                body, reason="unknown source", error=error, error_class="UnknownSource"
            )
        try:
            event = source.kind.decode(body.body, body.event_hint)
            too_old = "" if any_age else staleness(event, body, source.max_event_age_s)
            if too_old:
                return dead_letters.died_at_intake(
                    body,
                    reason=dead_letters.STALE,
                    error=too_old,
                    error_class="StaleEvent",
                    event=event.name,
                    terms=source.kind.terms(body.body),
                )
            mark = dedupe.mark(
                body.source,
                event.identity,
                occurred_at_ms=event.occurred_at_ms,
                window_ms=window_ms(source.dedupe_window_days, event),
            )
            matches = self._rules.matching(body.source, event.name)
            decided = (
                self._decided(matches, source.kind, body, event)
                if matches.ask_payload
                else _Decided([(route, event.identity) for route in matches.routes])
            )
            is_ahead = is_future(event, body, self._max_future_s)
            self._on_event(body.source, event.name, body.body, is_ahead)
        except DecodeError as error:
            return dead_letters.died_at_intake(
                body,
                reason="undecodable",
                error=error.reason,
                error_class="DecodeError",
                path=error.path,
                terms=source.kind.terms(body.body),
            )
        except Exception as error:  # noqa: BLE001 - one body that trips a fault of ours never takes others along
            return dead_letters.died_at_intake(
                body,
                reason="failed",
                error=str(error) or type(error).__name__,
                error_class=type(error).__name__,
                terms=source.kind.terms(body.body),
            )
        notifications = [
            (
                route.channel,
                Notification(idempotency_key(body.source, identity, route.label), route.rule, event.name, body),
            )
            for route, identity in decided.routes
        ]
        return Taken(mark, notifications, decided.gathered)

    def _decided(self, matches: Matches, kind: Provider, body: RawBody, event: Event) -> _Decided:
        """What the rules whose `when` holds make of the event."""
        seen = seen_by_templates(kind.view(body.body), event=event.name, source=body.source)
        routes = list(decided(self._renderer, matches.routes, seen, event.identity))
        gathered = []
        for rule in matches.digests:
            try:
                if self._renderer.holds(rule.name, seen):
                    gathered.append(gathered_of(self._renderer, rule, seen, body, event))
            except RenderError:  # fails once more when it is to be sent, and there it becomes a dead letter
                routes += [(route, event.identity) for route in rule.routes()]
        return _Decided(routes, gathered)


class _JobPacker:
    """Fills jobs of one channel each with up to 64 notifications or 256 KB of bodies."""

    def __init__(self) -> None:
        self.jobs: list[NotifyJob] = []
        self._open: dict[str, tuple[int, int]] = {}

    def add(self, channel: str, notification: Notification) -> Share:
        size = len(notification.body.body)
        place, filled = self._open.get(channel, (0, 0))
        is_full = place == 0 or len(self.jobs[place - 1].notifications) >= MAX_NOTIFICATIONS
        if is_full or filled + size > batch.MAX_BYTES:
            self.jobs.append(NotifyJob(channel, 1, 0, []))
            place, filled = len(self.jobs), 0
        notifications = self.jobs[place - 1].notifications
        notifications.append(notification)
        self._open[channel] = (place, filled + size)
        return Share(place, len(notifications) - 1, 1)


def decided(
    renderer: Renderer, routes: Sequence[Route], seen: Mapping[str, Any], identity: str
) -> Iterator[tuple[Route, str]]:
    """Yields (route, what its key is made of) where the rule's `when` holds.

    What fails here fails once more when the notification is made, and there it can become a dead letter.
    """
    for route in routes:
        try:
            if not renderer.holds(route.rule, seen):
                continue
            key = renderer.key(route.rule, seen)
        except RenderError:
            key = ""
        yield route, f"key\x1f{key}" if key else identity


def _no_source(name: str) -> str:
    return f"no source named {name!r} in this worker's config"


def _poison(body: RawBody, deliveries: int, terms: Sequence[str]) -> StoredDeadLetter:
    error = f"{deliveries - 1} workers took it and none came back"
    return dead_letters.died_at_intake(body, reason="poison", error=error, error_class="Poison", terms=terms)
