"""Failure groups: dead letters with the same cause. Every function raises BrokerError.

A parameter `away` is described in broker/merged/away.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from broker.dead_letters import Combination, DeadLetter, Dimensions
from broker.dead_letters.group_states import GroupState
from broker.merged import letters as all_letters
from broker.merged.away import Away
from broker.merged.group_states import read_states
from broker.redis.partitions import Partitions
from inspector.operations.filters import GroupFilter, StateFilter

UNDECIDED = GroupState()
_HOURS = 24
_HOUR_MS = 3_600_000


class Group(Struct, frozen=True, kw_only=True):
    """Dead letters with the same fingerprint."""

    fingerprint: str
    count: int
    first_ms: int
    last_ms: int
    dimensions: tuple[Dimensions, ...]
    """All combinations of dimensions in the group."""

    sample: DeadLetter
    """The newest letter of the group."""

    hours: tuple[int, ...]
    """How many letters died in each of the last 24 hours; the current hour is last."""

    state: GroupState
    """The decisions of people about the group."""


async def list_groups(
    partitions: Partitions,
    letter_filter: GroupFilter | None = None,
    *,
    limit: int = 50,
    away: Away | None = None,
) -> list[Group]:
    """Failure groups of the dead letters that match, most recent first. The search of a filter is ignored."""
    letter_filter = letter_filter or GroupFilter()
    since_ms, until_ms = letter_filter.since_ms, letter_filter.until_ms
    kinds = await all_letters.read_combinations(partitions, since_ms=since_ms, until_ms=until_ms, away=away)
    by_fingerprint: dict[str, list[Combination]] = {}
    for kind in kinds.combinations:
        if letter_filter.matches(kind.dimensions):
            by_fingerprint.setdefault(kind.dimensions.fingerprint, []).append(kind)
    states, now_ms = await read_states(partitions, by_fingerprint, away=away), partitions.control.clock.now_ms()
    chosen = [group for name, group in by_fingerprint.items() if _allows(letter_filter, states.get(name), now_ms)]
    shown = sorted(chosen, key=_last_ms, reverse=True)[:limit]
    samples = await all_letters.letters(
        partitions, [max(group, key=lambda kind: kind.last_ms).newest for group in shown], away=away
    )
    hours = await _hours(partitions, shown, away)
    return [
        Group(
            fingerprint=group[0].dimensions.fingerprint,
            count=sum(kind.count for kind in group),
            first_ms=min(kind.first_ms for kind in group),
            last_ms=_last_ms(group),
            dimensions=tuple(kind.dimensions for kind in group),
            sample=sample,
            hours=hours[index],
            state=states.get(group[0].dimensions.fingerprint, UNDECIDED),
        )
        for index, (group, sample) in enumerate(zip(shown, samples, strict=True))
        if sample is not None
    ]


async def find_group(partitions: Partitions, fingerprint: str, *, away: Away | None = None) -> Group | None:
    """The group with this fingerprint; None if no dead letter has it now."""
    found = await list_groups(partitions, GroupFilter(fingerprint=fingerprint), limit=1, away=away)
    return found[0] if found else None


async def assignees(partitions: Partitions, *, away: Away | None = None) -> dict[str, int]:
    """Whom groups are assigned to, and how many groups each."""
    states = await read_states(partitions, away=away)
    counts = Counter(state.assigned_to for state in states.values() if state.assigned_to)
    return dict(counts.most_common())


def _allows(letter_filter: GroupFilter, state: GroupState | None, now_ms: int) -> bool:
    return not isinstance(letter_filter, StateFilter) or letter_filter.allows(state or UNDECIDED, now_ms)


async def _hours(
    partitions: Partitions, groups: Sequence[Sequence[Combination]], away: Away | None
) -> list[tuple[int, ...]]:
    from_ms = (await all_letters.now_ms(partitions, away=away) // _HOUR_MS - _HOURS + 1) * _HOUR_MS
    kind_ids = [kind.id for group in groups for kind in group]
    counts = iter(
        await all_letters.hourly_counts(
            partitions, kind_ids, from_ms=from_ms, step_ms=_HOUR_MS, steps=_HOURS, away=away
        )
    )
    return [tuple(sum(hour) for hour in zip(*(next(counts) for _ in group), strict=True)) for group in groups]


def _last_ms(group: Sequence[Combination]) -> int:
    return max(kind.last_ms for kind in group)
