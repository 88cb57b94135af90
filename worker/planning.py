"""Entries -> what one commit is to do with them. Pure: nothing is written here."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from broker import batch, dead, dedupe
from broker.batch import RawBody, UnreadableBatchError
from broker.commit import NewEvent, Processed, Share
from broker.dead import Grave
from broker.jobs import MAX_NOTIFICATIONS, Notification, NotifyJob
from broker.stream import Entry
from sources.api import Settings as ApiSettings
from sources.errors import DecodeError
from sources.event import Event
from sources.kind import SourceKind
from worker.rules import RuleBook


class WorkerSource(Struct, frozen=True):
    """What a worker needs to know of a source."""

    kind: SourceKind
    dedupe_window_days: int
    api: ApiSettings | None = None
    max_event_age_s: float = 0.0
    expect_every_s: float = 0.0


class Plan(Struct, frozen=True):
    """What is to become of some entries."""

    processed: list[Processed]
    jobs: list[NotifyJob]
    split: list[tuple[str, list[RawBody]]]
    """Entries that killed too many workers: each becomes entries of one body."""

    def entry_ids(self) -> list[str]:
        """Every entry that the plan is about."""
        return [entry.entry_id for entry in self.processed] + [entry_id for entry_id, _ in self.split]


class Planner:
    """Decodes, deduplicates by mark, and evaluates rules."""

    def __init__(
        self,
        sources: Mapping[str, WorkerSource],
        rules: RuleBook,
        *,
        max_deliveries: int,
        on_event: Callable[[str, str, bytes], None] = lambda _source, _event, _body: None,
    ) -> None:
        """on_event: told (source, event name, body) of each event that was decoded."""
        self._sources = sources
        self._rules = rules
        self._max_deliveries = max_deliveries
        self._on_event = on_event

    async def plan(self, entries: Sequence[Entry]) -> Plan:
        """Plan one commit; between entries others on the event loop get their turn."""
        packer = _JobPacker()
        plan = Plan([], packer.jobs, [])
        for entry in entries:
            self._plan_entry(entry, plan, packer)
            await asyncio.sleep(0)
        return plan

    def _plan_entry(self, entry: Entry, plan: Plan, packer: _JobPacker) -> None:
        worn = entry.deliveries > self._max_deliveries
        try:
            bodies = batch.decode(entry.blob)
        except UnreadableBatchError as error:
            if worn:  # until then a newer worker, which may be able to read it, has its chance
                grave = dead.unreadable_batch(entry.blob, entry.bodies, str(error))
                plan.processed.append(Processed(entry.id, entry.bodies, [], [grave]))
            return
        if not worn:
            plan.processed.append(self._process(entry, bodies, packer))
        elif len(bodies) > 1:
            plan.split.append((entry.id, bodies))
        else:
            plan.processed.append(Processed(entry.id, entry.bodies, [], [_poison(bodies[0], entry.deliveries)]))

    def _process(self, entry: Entry, bodies: list[RawBody], packer: _JobPacker) -> Processed:
        events: list[NewEvent] = []
        graves: list[Grave] = []
        for body in bodies:
            found = self._event_or_grave(body, packer, any_age=entry.any_age)
            if isinstance(found, NewEvent):
                events.append(found)
            else:
                graves.append(found)
        return Processed(entry.id, entry.bodies, events, graves)

    def _event_or_grave(self, body: RawBody, packer: _JobPacker, *, any_age: bool) -> NewEvent | Grave:
        source = self._sources.get(body.source)
        if source is None:
            error = f"no source named {body.source!r} in this worker's config"
            return dead.died_at_intake(body, reason="unknown source", error=error, error_class="UnknownSource")
        try:
            event = source.kind.decode(body.body, body.event_hint)
            too_old = "" if any_age else staleness(event, body, source.max_event_age_s)
            if too_old:
                return dead.died_at_intake(
                    body, reason=dead.STALE, error=too_old, error_class="StaleEvent", event=event.name
                )
            mark = dedupe.mark(
                body.source,
                event.identity,
                occurred_at_ms=event.occurred_at_ms,
                received_at_ms=body.received_at_ms,
                window_days=source.dedupe_window_days,
            )
            rules = self._rules.matching(body.source, event.name)
            self._on_event(body.source, event.name, body.body)
        except DecodeError as error:
            return dead.died_at_intake(
                body, reason="undecodable", error=error.reason, error_class="DecodeError", path=error.path
            )
        except Exception as error:  # noqa: BLE001 - one body that trips a fault of ours never takes others along
            return dead.died_at_intake(
                body,
                reason="failed",
                error=str(error) or type(error).__name__,
                error_class=type(error).__name__,
            )
        shares = [
            packer.add(
                rule.channel,
                Notification(
                    key=idempotency_key(body.source, event.identity, rule.name),
                    rule=rule.name,
                    event=event.name,
                    body=body,
                ),
            )
            for rule in rules
        ]
        return NewEvent(mark, shares)


class _JobPacker:
    """Fills jobs of one channel each with up to 64 notifications or 256 KB of bodies."""

    def __init__(self) -> None:
        self.jobs: list[NotifyJob] = []
        self._open: dict[str, tuple[int, int]] = {}
        self._now_ms = time.time_ns() // 1_000_000

    def add(self, channel: str, notification: Notification) -> Share:
        size = len(notification.body.body)
        place, filled = self._open.get(channel, (0, 0))
        if (
            place == 0
            or len(self.jobs[place - 1].notifications) >= MAX_NOTIFICATIONS
            or filled + size > batch.MAX_BYTES
        ):
            self.jobs.append(NotifyJob(channel, 1, self._now_ms, []))
            place, filled = len(self.jobs), 0
        notifications = self.jobs[place - 1].notifications
        notifications.append(notification)
        self._open[channel] = (place, filled + size)
        return Share(place, len(notifications) - 1, 1)


def staleness(event: Event, body: RawBody, max_age_s: float) -> str:
    """Why an event was too old when it came, "" where it was not. One without a time of its own never is."""
    if not max_age_s or event.occurred_at_ms is None:
        return ""
    age_s = (body.received_at_ms - event.occurred_at_ms) / 1000
    if age_s <= max_age_s:
        return ""
    return f"it was {age_s:.0f} s old when it came, max_event_age_s is {max_age_s:g}"


def idempotency_key(source: str, identity: str, rule: str) -> str:
    """The same for the same event and rule, whatever happens in between."""
    text = f"{source}\x1f{identity}\x1f{rule}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _poison(body: RawBody, deliveries: int) -> Grave:
    error = f"{deliveries - 1} workers took it and none came back"
    return dead.died_at_intake(body, reason="poison", error=error, error_class="Poison")
