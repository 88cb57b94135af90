"""Plan: decodes and matches the bodies of entries, and collects what one commit is to do. Pure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from broker import dead_letters
from broker.dead_letters import StoredDeadLetter
from broker.history.records import EventRow
from broker.queue import batch
from broker.queue.batch import MAX_BODIES, RawBody, UnreadableBatchError
from broker.queue.stream import Entry
from broker.steps.commit import NewEvent, Processed
from broker.steps.digests import Part
from worker.intake.decode import UnknownSourceError, dead_letter_of, decode_event
from worker.intake.history_rows import letter_row
from worker.intake.homes import Homes
from worker.intake.items import expanded
from worker.intake.match import MatchedEvent, RuleMatcher
from worker.intake.plan import LeavingPart, Plan, Split, UnrecognizedEntry
from worker.rules.event_times import is_future
from worker.rules.rules import RuleBook
from worker.search_terms import about_body
from worker.settings import Settings
from worker.worker_source import WorkerSource

if TYPE_CHECKING:
    from worker.intake.traces import IntakeTraces


class Planner:
    """Plans commits by the sources and rules of one config."""

    def __init__(
        self,
        sources: Mapping[str, WorkerSource],
        rules: RuleBook,
        *,
        max_deliveries: int,
        max_future_s: float = Settings().max_future_s,
        on_event: Callable[[str, str, bytes, bool], None] = lambda _source, _event, _body, _is_future: None,
        writes_history: bool = False,
    ) -> None:
        """on_event: called with (source, event name, body, whether its time is in the future) for each event.

        writes_history: whether events and dead letters get rows for the history.
        """
        self._sources = sources
        self._splitting = {name for name, source in sources.items() if source.kind.split}
        self._matcher = RuleMatcher(rules, writes_history=writes_history)
        self.writes_history = writes_history
        self._max_deliveries = max_deliveries
        self._max_future_s = max_future_s
        self._on_event = on_event
        self.on_batch: Callable[[Entry, Sequence[RawBody]], None] = lambda _entry, _bodies: None
        """Called with each entry and the bodies in it."""

        self.traces: IntakeTraces | None = None
        """Begins the spans of entries, if traces are switched on."""

    async def plans(self, entries: Sequence[Entry], homes: Homes | None = None) -> AsyncIterator[Plan]:
        """Yield the plans of one or more commits, in the order of the entries.

        homes: None if there is only one partition.
        """
        plan = Plan()
        for entry in entries:
            self._plan_entry(entry, plan, homes)
            await asyncio.sleep(0)  # let other tasks run
            if plan.is_full():
                yield plan
                plan = Plan()
        if plan.entry_ids():
            yield plan

    def plan_body(self, body: RawBody, *, any_age: bool = False) -> MatchedEvent | StoredDeadLetter:
        """Decode one body and match its event; its dead letter where that fails. Never raises.

        any_age: accept an event however old it is.
        """
        try:
            decoded = decode_event(body, self._sources, any_age=any_age)
            matched = self._matcher.match(decoded)
            event = decoded.event
            self._on_event(body.source, event.name, body.body, is_future(event, body, self._max_future_s))
        except Exception as error:  # noqa: BLE001 - a body that trips a defect must not take others with it
            return dead_letter_of(body, self._sources, error)
        return matched

    def _plan_entry(self, entry: Entry, plan: Plan, homes: Homes | None) -> None:
        try:
            bodies = batch.decode(entry.blob)
        except UnreadableBatchError as error:
            letter = dead_letters.unreadable_batch(entry.blob, entry.bodies, str(error))
            otherwise = self._of_letters(entry, [letter])
            plan.unrecognized.append(UnrecognizedEntry(entry, str(error), otherwise))
            return
        self.on_batch(entry, bodies)
        unknown = [body for body in bodies if body.source not in self._sources]
        if entry.deliveries > self._max_deliveries:
            self._isolate(entry, bodies, plan)
        elif not unknown:
            self._process_or_expand(entry, bodies, plan, homes)
        elif len(unknown) < len(bodies):
            placed = list(zip(places_of(entry, bodies), bodies, strict=True))
            known = [(place, body) for place, body in placed if body.source in self._sources]
            others = [(place, body) for place, body in placed if body.source not in self._sources]
            plan.split.append(Split(entry, [known, others]))
        else:
            errors = [UnknownSourceError(body.source) for body in bodies]
            letters = [
                dead_letter_of(body, self._sources, error) for body, error in zip(bodies, errors, strict=True)
            ]
            otherwise = self._of_letters(entry, letters)
            plan.unrecognized.append(UnrecognizedEntry(entry, str(errors[0]), otherwise))

    def _isolate(self, entry: Entry, bodies: list[RawBody], plan: Plan) -> None:
        """Split an entry that ended too many workers into single bodies; a single body is a dead letter."""
        if len(bodies) > 1:
            placed = zip(places_of(entry, bodies), bodies, strict=True)
            plan.split.append(Split(entry, [[each] for each in placed]))
            return
        [body] = bodies
        source = self._sources.get(body.source)
        letter = dead_letters.died_at_intake(
            body,
            reason="poison",
            error=f"{entry.deliveries - 1} workers took it and none came back",
            error_class="Poison",
            terms=source.kind.terms(body.body) if source else (),
        )
        letter = dead_letters.with_about(letter, about_body(body, source.kind) if source else "")
        plan.add_processed(self._of_letters(entry, [letter]), entry.bodies)

    def _of_letters(self, entry: Entry, letters: list[StoredDeadLetter]) -> Processed:
        """Return what a commit does with an entry of which only dead letters remain."""
        return Processed(entry.id, entry.bodies, [], letters, records=self._rows_of(letters))

    def _rows_of(self, letters: Sequence[StoredDeadLetter]) -> list[EventRow]:
        return [letter_row(letter) for letter in letters] if self.writes_history else []

    def _process_or_expand(self, entry: Entry, bodies: list[RawBody], plan: Plan, homes: Homes | None) -> None:
        """Process the bodies, or replace their entry by entries of the events that they hold."""
        if not (self._splitting and any(body.source in self._splitting for body in bodies)):
            self._process(entry, bodies, plan, homes)
            return
        items = expanded(list(zip(places_of(entry, bodies), bodies, strict=True)), self._sources)
        if len(items) == len(bodies):
            self._process(entry, [body for _, body in items], plan, homes)
            return
        # The entries of the items are read again at once. So no commit becomes too large, and an item that ends
        # workers is isolated as a body is.
        batches = [items[start : start + MAX_BODIES] for start in range(0, len(items), MAX_BODIES)]
        plan.split.append(Split(entry, batches, further=len(items) - len(bodies)))

    def _process(self, entry: Entry, bodies: list[RawBody], plan: Plan, homes: Homes | None) -> None:
        started_ns = time.time_ns()
        planned = [self.plan_body(body, any_age=entry.any_age) for body in bodies]
        if self.traces is not None:
            plan.spans += self.traces.begin(entry, bodies, planned, started_ns)
        events: list[NewEvent] = []
        letters: list[StoredDeadLetter] = []
        parts: list[Part] = []
        records: list[EventRow] = []
        elsewhere = 0
        for place, (body, matched) in enumerate(zip(bodies, planned, strict=True)):
            if isinstance(matched, StoredDeadLetter):
                letters.append(matched)
            # The events of an entry with an origin may have been processed before, at the same or at another home.
            elif homes is not None and (entry.places or _leaves(matched, homes)):
                _plan_elsewhere(entry, place, body, matched, plan, homes)
                elsewhere += 1
            else:
                parts += [Part(len(events), digest, gathered) for digest, gathered in matched.digest_events]
                events.append(plan.jobs.add_all(matched))
                if matched.record is not None:
                    records.append(matched.record)
        records += self._rows_of(letters)
        processed = Processed(entry.id, entry.bodies - elsewhere, events, letters, parts, records=records)
        plan.add_processed(processed, len(bodies))


def places_of(entry: Entry, bodies: Sequence[RawBody]) -> Sequence[int]:
    """Return the place of each body of an entry in the batch that it was received in."""
    return entry.places if len(entry.places) == len(bodies) else range(len(bodies))


def _leaves(matched: MatchedEvent, homes: Homes) -> bool:
    """Return whether an event, or a digest that it joins, is at home in another partition than its batch."""
    return homes.of_event(matched.mark) != homes.own or any(
        homes.of_digest(digest) != homes.own for digest, _ in matched.digest_events
    )


def _plan_elsewhere(
    entry: Entry, number: int, body: RawBody, matched: MatchedEvent, plan: Plan, homes: Homes
) -> None:
    """Plan an event that is processed at its home first. number: of its body in the entry."""
    home = homes.of_event(matched.mark)
    work = plan.home(home)
    batch_at_home = work.batch_of(entry)
    for place, (digest, gathered) in enumerate(matched.digest_events):
        part = Part(len(batch_at_home.events), digest, gathered, place)
        digest_home = homes.of_digest(digest)
        if digest_home == home:
            batch_at_home.parts.append(part)
        else:
            batch_at_home.leaving.append(LeavingPart(digest_home, part))
    batch_at_home.places.append(entry.places[number] if number < len(entry.places) else number)
    batch_at_home.bodies.append(body)
    batch_at_home.events.append(work.jobs.add_all(matched))
    if matched.record is not None:
        batch_at_home.records.append(matched.record)
