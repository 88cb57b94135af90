"""Bulk actions: replay, discard, annotate or dry-run dead letters, selected by id or by a filter.

Lifecycle: `select` counts what a filter matches now, `begin` stores the action in Redis, `run` carries it out and
yields its progress. If the process is killed, another process can `run` the same action from where it stopped: a
step and its count are one step in Redis, so nothing is done or counted twice. Every function raises BrokerError.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from msgspec import Struct, structs

from broker.dead_letters import Work
from broker.dead_letters.action import Action, ActionRequest, Verb
from broker.merged import actions
from broker.merged import letters as all_letters
from broker.merged.actions import NewPart
from broker.merged.away import Away, because
from broker.merged.side_by_side import run_side_by_side
from broker.redis.errors import Unavailable
from broker.redis.partitions import Partitions
from inspector.operations import search
from inspector.operations.action_steps.part_run import PartRun
from inspector.operations.action_steps.verb_steps import DryRun
from inspector.operations.filters import Filter, describe_for_audit
from inspector.privacy.masking import DEFAULT, Masking

_CHUNKS_AT_A_TIME = 4
"""The number of partitions of an action whose letters are processed at the same time."""


class Selection(Struct, frozen=True):
    """The dead letters that a filter matched at one moment. Letters that died later are not in it."""

    letter_filter: Filter
    until_ms: int
    counts: Mapping[int, int]
    """How many letters each partition has, by its number."""

    @property
    def count(self) -> int:
        """How many letters there are in all partitions."""
        return sum(self.counts.values())


class DryRunError(Exception):
    """A dry run is not possible, since this process has no rules."""


async def select(partitions: Partitions, letter_filter: Filter, *, away: Away | None = None) -> Selection:
    """Count the dead letters that match now. An action on the selection leaves letters that die later alone.

    `away` gets the partitions that do not answer: their letters are not selected.
    """
    until_ms = await all_letters.closed_ms(partitions, away=away)
    if letter_filter.until_ms:
        until_ms = min(until_ms, letter_filter.until_ms)
    closed = structs.replace(letter_filter, until_ms=until_ms)
    return Selection(letter_filter, until_ms, await search.count_by_partition(partitions, closed, away=away))


async def begin(
    partitions: Partitions,
    verb: Verb,
    target: Selection | Sequence[str],
    *,
    by: str,
    owner: str,
    rate_per_s: float = 0.0,
    note: str = "",
) -> str:
    """Store an action, with its audit entry, and return its id.

    `target`: a selection, or the ids of letters. `by`: the user. `owner`: the process that will run it, which
    holds the lease from now on. `rate_per_s`: most letters per second; 0 for no limit. Raises Unavailable, before
    anything is stored, if one of the ids may be in a partition that is away.
    """
    request = ActionRequest(verb=verb, by=by, rate_per_s=rate_per_s, note=note)
    if isinstance(target, Selection):
        about = describe_for_audit(target.letter_filter)
        request = structs.replace(request, wanted=target.letter_filter.criteria(), until_ms=target.until_ms)
        counts = {number: count for number, count in target.counts.items() if count} or dict.fromkeys(
            list(target.counts)[:1] or [0], 0
        )
        parts = {number: NewPart(request, count) for number, count in counts.items()}
    else:
        ids = tuple(dict.fromkeys(target))
        about = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
        parts = {
            number: NewPart(structs.replace(request, ids=tuple(of_one)), len(of_one))
            for number, of_one in (await _by_partition(partitions, ids)).items()
        }
    return await actions.start(partitions, parts, owner=owner, about=about)


async def _by_partition(partitions: Partitions, ids: Sequence[str]) -> dict[int, list[str]]:
    """The ids by the number of their partition. Ids of letters that do not exist are in the first one."""
    if len(partitions) == 1:
        return {0: list(ids)}
    away: Away = {}
    groups = await all_letters.group_by_partition(partitions, ids, away=away)
    known = {letter_id for group in groups.values() for letter_id in group}
    unknown = [letter_id for letter_id in ids if letter_id not in known]
    if unknown and away:
        raise Unavailable(because(away, f", and {len(unknown)} of the letters may be there; nothing was done"))
    if unknown:
        groups.setdefault(min(groups, default=0), []).extend(unknown)
    return groups


async def run(
    partitions: Partitions,
    action_id: str,
    *,
    owner: str,
    dry_run: DryRun | None = None,
    masking: Masking = DEFAULT,
) -> AsyncIterator[Action]:
    """Do what is left of an action; yield its state after each chunk and at the end.

    `owner` must hold the lease. Ends early if the action is stopped or another process takes it over. Of several
    parts, those run that `owner` has; if some fail, this raises after the others have ended. Raises DryRunError if
    the action is a dry run and `dry_run` is None.
    """
    parts, away = await actions.read_parts(partitions, action_id)
    if not parts:
        for error in away.values():
            raise error
        return
    if next(iter(parts.values())).request.verb == "dry_run" and dry_run is None:
        raise DryRunError
    slots, work = asyncio.Semaphore(_CHUNKS_AT_A_TIME), Work(action_id, owner)
    running = [number for number, part in parts.items() if len(parts) == 1 or part.state == "running"]
    runs = {
        number: PartRun(partitions[number], parts[number], work, dry_run, masking, slots, place).steps()
        for place, number in enumerate(running)
    }
    if len(partitions) == 1:
        async for action in runs[0]:
            yield action
        return
    if not runs:
        yield actions.merge(parts, away)
    async for number, part in run_side_by_side(runs):
        parts[number] = part
        yield actions.merge(parts, away)
    if away:
        raise Unavailable(because(away, ", so the action is not complete"))
