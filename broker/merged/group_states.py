"""The decisions of people about failure groups, whose letters are in all partitions.

All functions raise BrokerError. A parameter `away` is described in broker/merged/away.py.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec import structs

from broker.dead_letters import group_states
from broker.dead_letters.group_states import GroupChange, GroupState
from broker.merged import letters
from broker.merged.away import Away, ask, because, leave_out
from broker.redis.errors import BrokerError, Unavailable
from broker.redis.partitions import Partitions


async def read_states(
    partitions: Partitions, fingerprints: Collection[str] | None = None, *, away: Away | None = None
) -> dict[str, GroupState]:
    """Return the decisions about those of the groups that have any. Without the control partition, none.

    fingerprints: of these groups; the default is all.

    A group that has new letters since it was resolved is not resolved, also before a worker has noticed them.
    """
    # A partition that did not answer a moment ago is not asked again, so that a page does not wait twice.
    if away and partitions.control.partition in away:
        return {}
    try:
        states = await group_states.read(partitions.control, fingerprints)
    except BrokerError as error:
        if len(partitions) == 1:
            raise
        leave_out({partitions.control.partition: error}, away)
        return {}
    resolved = [name for name, state in states.items() if state.resolved_ms]
    if resolved:
        known = await ask(partitions, lambda redis: group_states.known(redis, resolved), away)
        for name in set[str]().union(*known.values()):
            states[name] = structs.replace(states[name], resolved_ms=0)
    return states


async def resolve(partitions: Partitions, fingerprint: str, wanted: GroupChange, *, by: str) -> bool:
    """Resolve a group: its next letter in any partition is news. wanted: the change in the control partition.

    Raises Unavailable if a partition is away; then the group is not resolved, and this can be repeated. Raises
    TooManyGroupsError.
    """
    # The control partition comes last and forgets the group in the same step. A process that dies before that step
    # leaves an open group, about which there may be one alert more.
    if len(partitions) > 1:
        away: Away = {}
        await ask(partitions, lambda redis: group_states.forget_known(redis, fingerprint), away)
        if away:
            raise Unavailable(
                because(away, f", so group {fingerprint} is not resolved: repeat this when it is back")
            )
    return await group_states.change(partitions.control, fingerprint, wanted, by=by)


async def keep_states(partitions: Partitions) -> None:
    """Keep the decisions about all groups that have letters, in the partitions that answer."""
    if not await group_states.read(partitions.control):
        return
    kinds = await letters.read_combinations(partitions, away={})
    await group_states.keep(partitions.control, {kind.dimensions.fingerprint for kind in kinds.combinations})
