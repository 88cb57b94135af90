"""The steps of a commit in other partitions, before the entries are committed in their own.

docs/architecture.md, "Partitions", says what each step leaves behind, and why each is safe to repeat.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from msgspec import Struct

from broker.queue.batch import RawBody
from broker.queue.confirmed_entries import are_confirmed
from broker.queue.held_bodies import HeldBodies
from broker.queue.stream import Entry, batch_id
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation, Durability, confirmation_for
from broker.redis.errors import BrokerError, Unavailable, WrongLayout
from broker.redis.partitions import Partitions
from broker.redis.server.facts import read_facts
from broker.redis.server.probe import probe
from broker.steps.apply import Applied, AppliedBatch, GatheredEvent, apply, gather, retry_redelivered
from worker.intake.plan import HomeBatch, HomeWork, Plan

log = logging.getLogger("hookline.worker")

T = TypeVar("T")

# A home that takes longer must not delay the events of others. If the step was done all the same, its marker
# shows that.
_STEP_S = 1.0
"""Seconds that a step in another partition may take; after that the partition counts as away."""

_CONFIRMED_S = 4.0
"""Seconds that a step may take which waits for disks or replicas. Redis may sync its disk once a second."""

_Waiting = dict[tuple[str, int], tuple[Entry, dict[int, RawBody]]]
"""(entry, partition that its bodies wait for) -> the bodies by their places."""


_ToGather = dict[int, list[tuple[HomeBatch, GatheredEvent]]]
"""By the home of a digest: the new events that join it."""

_ToRetry = dict[int, list[tuple[HomeBatch, int]]]
"""By the home of a digest: the events (by their numbers in a batch) that were seen before and join it."""


class HomeStepsResult(Struct, frozen=True):
    """The results of the steps in other partitions."""

    applied: list[Applied]
    held: dict[str, list[HeldBodies]]
    """By entry: the bodies that wait for a partition that is away."""

    retried_on_redelivery: int
    """How many redeliveries caused dead digests in other partitions than that of their event to be retried."""


class HomeSteps:
    """Processes events in the partitions where they are at home, for one reader of one partition."""

    # A step must be as durable as the webhooks. The batch is removed elsewhere after it, so a failover that
    # undoes only the step would lose its events.

    def __init__(self, redis: Client, partitions: Partitions, durability: Durability) -> None:
        """redis: the partition whose entries are read. durability: that of webhooks."""
        self.away: set[int] = set()
        """Partitions that did not take a step. They get none until `HeldBodiesRelease` finds that they answer."""

        self._redis = redis
        self._partitions = partitions
        self._durability = durability
        self._confirmations: dict[int, Confirmation] = {}
        self._committed: dict[int, list[str]] = {}

    async def run(self, plan: Plan) -> HomeStepsResult | None:
        """Process the events at their homes. Events of partitions that are away wait for them.

        None, and nothing is processed, if Redis does not have all of the entries any more: see `are_confirmed`.
        Safe to repeat. Raises WrongLayout, and BrokerError if nothing confirms the entries themselves.
        """
        if not await self._has_entries(plan):
            return None
        waiting: _Waiting = {}
        homes = list(plan.elsewhere.items())
        answers = await asyncio.gather(*(self._answer(home, self._apply(home, work)) for home, work in homes))
        to_gather: _ToGather = {}
        to_retry: _ToRetry = {}
        for (home, work), applied in zip(homes, answers, strict=True):
            for number, batch in enumerate(work.batches):
                if applied is None:
                    for place, body in zip(batch.places, batch.bodies, strict=True):
                        _hold(waiting, batch.entry, home, place, body)
                else:
                    self._collect(to_gather, to_retry, batch, applied.new[number])
        await self._gather_all(to_gather, waiting)
        retried = await self._retry_all(to_retry, waiting)
        held: dict[str, list[HeldBodies]] = {}
        for (entry_id, home), (entry, by_place) in waiting.items():
            bodies, places = list(by_place.values()), list(by_place)
            held.setdefault(entry_id, []).append(
                HeldBodies(home, batch_id(self._redis, entry), bodies, places, entry.any_age)
            )
        return HomeStepsResult([applied for applied in answers if applied], held, retried)

    def note_committed(self, plan: Plan, held: dict[str, list[HeldBodies]]) -> None:
        """Note that this worker has committed the entries: the markers of complete batches may end soon."""
        for home, work in plan.elsewhere.items():
            for batch in work.batches:
                # Bodies of a batch that was divided, or waits in part, may need its markers for longer.
                if batch.entry.origin or batch.entry.id in held:
                    continue
                for number in {home, *(part.home for part in batch.leaving)}:
                    self._committed.setdefault(number, []).append(batch_id(self._redis, batch.entry))

    async def _apply(self, home: int, work: HomeWork) -> Applied:
        batches = [
            AppliedBatch(
                batch_id(self._redis, batch.entry), batch.events, batch.places, batch.parts, batch.records
            )
            for batch in work.batches
        ]
        committed = self._committed.pop(home, [])
        return await apply(
            self._partitions[home],
            batches,
            work.jobs.all,
            committed=committed,
            confirmation=await self._confirmation(home),
        )

    async def _gather(self, home: int, events: Sequence[GatheredEvent]) -> int:
        return await gather(self._partitions[home], events, confirmation=await self._confirmation(home))

    async def _has_entries(self, plan: Plan) -> bool:
        """Wait until the entries are on as many replicas as webhooks have to be. Raises BrokerError.

        If a failover undid an entry whose events were processed elsewhere, `queued` would stay too low.
        """
        if self._durability.name != "replicated":
            return True
        own, entry_ids = self._redis.partition, [processed.entry_id for processed in plan.processed]
        with self._forgetting_confirmation(own):
            return await are_confirmed(self._redis, entry_ids, await self._confirmation(own))

    async def probe(self, home: int) -> None:
        """Try a write in a partition, which Redis confirms as it confirms a step. Raises BrokerError."""
        with self._forgetting_confirmation(home):
            await probe(self._partitions[home], await self._confirmation(home))

    @contextmanager
    def _forgetting_confirmation(self, home: int) -> Iterator[None]:
        """Forget how a partition confirms if it does not: the next write may reach another server."""
        try:
            yield
        except BrokerError:
            self._confirmations.pop(home, None)
            raise

    async def _confirmation(self, home: int) -> Confirmation:
        """Return how a partition confirms a step. Raises BrokerError."""
        if self._durability.name == "memory":
            return Confirmation()
        if home not in self._confirmations:
            facts = await read_facts(self._partitions[home])
            found = confirmation_for(facts, self._durability.name, self._durability.replicas)
            self._confirmations[home] = found
        return self._confirmations[home]

    def _collect(self, to_gather: _ToGather, to_retry: _ToRetry, batch: HomeBatch, new: Sequence[bool]) -> None:
        for leaving in batch.leaving:
            event = leaving.part.event
            if not new[event]:  # a digest of it may be dead
                to_retry.setdefault(leaving.home, []).append((batch, event))
            else:
                gathered = GatheredEvent(batch_id(self._redis, batch.entry), batch.places[event], leaving.part)
                to_gather.setdefault(leaving.home, []).append((batch, gathered))

    async def _retry_all(self, to_retry: _ToRetry, waiting: _Waiting) -> int:
        """Have dead digests of redelivered events retried. Returns for how many events there are some."""
        answers = await asyncio.gather(
            *(
                self._answer(
                    home,
                    retry_redelivered(
                        self._partitions[home], [batch.events[event].mark.member for batch, event in rows]
                    ),
                )
                for home, rows in to_retry.items()
            )
        )
        for (home, rows), retried in zip(to_retry.items(), answers, strict=True):
            if retried is None:
                for batch, event in rows:
                    _hold(waiting, batch.entry, home, batch.places[event], batch.bodies[event])
        return sum(retried or 0 for retried in answers)

    async def _gather_all(self, to_gather: _ToGather, waiting: _Waiting) -> None:
        answers = await asyncio.gather(
            *(
                self._answer(home, self._gather(home, [gathered for _, gathered in rows]))
                for home, rows in to_gather.items()
            )
        )
        for (home, rows), added in zip(to_gather.items(), answers, strict=True):
            if added is None:
                for batch, gathered in rows:
                    body = batch.bodies[gathered.part.event]
                    _hold(waiting, batch.entry, home, gathered.place, body)

    async def _answer(self, home: int, step: Awaitable[T]) -> T | None:
        """Return the answer of a step; None if the partition is away. Raises WrongLayout."""
        running = asyncio.ensure_future(step)
        if home in self.away:
            running.cancel()
            return None
        try:
            async with asyncio.timeout(self._step_s()):
                return await running
        except WrongLayout:
            raise
        except TimeoutError:
            self._note_away(home, Unavailable(f"no answer within {self._step_s():g} s"))
        except BrokerError as error:
            self._note_away(home, error)
        return None

    def _step_s(self) -> float:
        return _STEP_S if self._durability.name == "memory" else _CONFIRMED_S

    def _note_away(self, home: int, error: BrokerError) -> None:
        if home not in self.away:
            text = "events that are at home in partition %d wait for it: %s"
            log.warning(text, home, error, extra={"action": "partition_away", "partition": home})
        self.away.add(home)
        self._confirmations.pop(home, None)  # the next step may reach another server


def _hold(waiting: _Waiting, entry: Entry, home: int, place: int, body: RawBody) -> None:
    """Let a body wait for a partition, unless it waits for another one already."""
    if any(place in by_place for (entry_id, _), (_, by_place) in waiting.items() if entry_id == entry.id):
        return
    waiting.setdefault((entry.id, home), (entry, {}))[1][place] = body
