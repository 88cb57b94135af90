"""Counts the dead letters that cause no alert, because people have muted or resolved their failure groups."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import structs

from broker.merged.away import Away
from broker.merged.group_states import read_states
from broker.merged.letters import read_combinations
from broker.redis.partitions import Partitions
from worker.monitoring.dead_letter_conditions import RATE_MINUTES, DeadFacts

_MINUTE_MS = 60_000


async def without_quiet(partitions: Partitions, facts: DeadFacts, now_ms: int) -> DeadFacts:
    """Return the facts with the letters of muted and resolved groups. Raises BrokerError.

    It reads all combinations of dimensions, and so is for counts that would cause an alert.
    """
    away: Away = {}
    states = await read_states(partitions, away=away)
    muted = {name for name, state in states.items() if state.is_muted(now_ms)}
    resolved = {name for name, state in states.items() if state.resolved_ms}
    since_ms = (now_ms // _MINUTE_MS - RATE_MINUTES + 1) * _MINUTE_MS
    return structs.replace(
        facts,
        quiet_letters=await _letters(partitions, muted | resolved, 0, away),
        quiet_died=await _letters(partitions, muted, since_ms, away),
    )


async def _letters(partitions: Partitions, groups: Collection[str], since_ms: int, away: Away) -> int:
    """Return how many letters of these groups there are since a time."""
    if not groups:
        return 0
    kinds = await read_combinations(partitions, since_ms=since_ms, away=away)
    return sum(kind.count for kind in kinds.combinations if kind.dimensions.fingerprint in groups)
