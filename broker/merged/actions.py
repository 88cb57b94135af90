"""Bulk actions whose dead letters are in several partitions.

Each partition with letters of an action has a part of the action, with the same id, its own owner, lease, cursor
and counts: see broker/dead_letters/stored_actions.py. Each part has the action's whole number of letters by
partition, so a part that is missing in Redis or away is known. The first part that is changed has the audit entry.

All functions raise BrokerError. A parameter `away` is described in broker/merged/away.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct, structs

from broker.dead_letters import stored_actions
from broker.dead_letters.action import Action, ActionRequest, ActionState, FailureCause
from broker.merged.away import Away, ask, because
from broker.redis.errors import BrokerError, Unavailable
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions, named
from runtime.ids import new_id


class NewPart(Struct, frozen=True):
    """The part of a new action that is for the letters of one partition."""

    request: ActionRequest
    selected: int
    """How many letters of the partition it is for."""


async def start(partitions: Partitions, parts: Mapping[int, NewPart], *, owner: str, about: str) -> str:
    """Start an action that `owner` runs, and write an audit entry. Returns the id of the action.

    parts: by the number of the partition; at least one. about: as for `stored_actions.start`. Raises BrokerError,
    also if only some parts were written: these are run by the next process that looks for interrupted actions.
    """
    action, begun, away = new_id(), list[int](), Away()
    selected_in = {number: part.selected for number, part in parts.items()} if len(partitions) > 1 else {}
    for number, part in parts.items():
        try:
            await stored_actions.start(
                partitions[number],
                structs.replace(part.request, selected_in=selected_in),
                selected=part.selected,
                owner=owner,
                about=None if begun else about,
                action=action,
            )
        except BrokerError as error:
            away[number] = error
        else:
            begun.append(number)
    if not away:
        return action
    reason = next(iter(away.values()))
    if not begun:
        raise reason
    text = f"action {action} has begun in {named(begun)}, but not in {named(away)}"
    raise Unavailable(f"{text}, where nothing was done; repeat it there later ({reason})")


async def read_parts(partitions: Partitions, action: str) -> tuple[dict[int, Action], Away]:
    """Return the parts of an action by partition, and the partitions that are away and may have another."""
    away: Away = {}
    answers = await ask(partitions, lambda redis: stored_actions.read(redis, action), away)
    parts = {number: part for number, part in answers.items() if part}
    have_one = next(iter(parts.values())).request.selected_in if parts else away
    return parts, {number: error for number, error in away.items() if number in have_one}


async def read(partitions: Partitions, action: str, *, away: Away | None = None) -> Action | None:
    """Return one action, or None if it does not exist or cannot be read.

    Raises Unavailable if it may be in a partition that is away. `away` gets those that have a part of it.
    """
    parts, missing = await read_parts(partitions, action)
    if missing and (away is None or not parts):
        raise Unavailable(because(missing, "" if parts else ", and the action may be there"))
    if away is not None:
        away.update(missing)
    return merge(parts, missing) if parts else None


async def recent(partitions: Partitions, *, count: int = 50, away: Away | None = None) -> list[Action]:
    """Return up to `count` actions, newest first."""
    pages = await ask(partitions, lambda redis: stored_actions.recent(redis, count=count), away)
    if len(partitions) == 1:
        return pages[0]
    parts: dict[str, dict[int, Action]] = {}
    for number, page in pages.items():
        for part in page:
            parts.setdefault(part.id, {})[number] = part
    actions = [merge(of_one, away or {}) for of_one in parts.values()]
    return sorted(actions, key=lambda action: (action.began_ms, action.id), reverse=True)[:count]


def merge(parts: Mapping[int, Action], away: Collection[int]) -> Action:
    """Return an action of which these are the parts that are known. away: partitions whose parts are not known.

    While a part is away, the action is not done: it is interrupted if no other part runs.
    """
    each = list(parts.values())
    first = each[0]
    selected_in = first.request.selected_in
    missing = [selected for number, selected in selected_in.items() if number in away and number not in parts]
    if len(each) == 1 and not missing:
        return first
    running = [part for part in each if part.state == "running"]
    stopped = any(part.state == "stopped" for part in each)
    state: ActionState = "running" if running else "stopped" if stopped else "running" if missing else "done"
    return Action(
        id=first.id,
        request=structs.replace(first.request, ids=tuple(name for part in each for name in part.request.ids)),
        state=state,
        selected=sum(part.selected for part in each) + sum(missing),
        done=sum(part.done for part in each),
        passed=sum(part.passed for part in each),
        failed=sum(part.failed for part in each),
        causes=_sum_causes(cause for part in each for cause in part.causes),
        cursor="",
        began_ms=min(part.began_ms for part in each),
        ended_ms=max(part.ended_ms for part in each) if state == "done" else 0,
        lease_until_ms=max((part.lease_until_ms for part in running), default=0),
    )


async def interrupted(partitions: Partitions) -> list[str]:
    """Return the ids of the actions with an interrupted part in a partition that answers, the oldest first."""
    answers = await ask_all(partitions, stored_actions.interrupted)
    return sorted({action for actions in answers for action in actions})


async def take(partitions: Partitions, action: str, *, owner: str) -> bool:
    """Continue the interrupted parts of an action. Returns False if each has an owner or is not running.

    Raises Unavailable if only parts that are away may be left.
    """
    if len(partitions) == 1:
        return await stored_actions.take(partitions.control, action, owner=owner)
    parts, away = await read_parts(partitions, action)
    running = [number for number, part in parts.items() if part.state == "running"]
    taken = [number for number in running if await stored_actions.take(partitions[number], action, owner=owner)]
    if not taken and away and not any(part.state == "stopped" for part in parts.values()):
        raise Unavailable(because(away))
    return bool(taken)


async def resume(partitions: Partitions, action: str, *, owner: str, by: str) -> bool:
    """Continue the parts of an action that were stopped or interrupted, and write an audit entry.

    by: the name of the person. Returns False if each part has another owner or is done. Raises Unavailable if only
    parts that are away may be left.
    """
    parts, away = await read_parts(partitions, action)
    is_resumed = False
    for number in parts:
        said_by = "" if is_resumed else by
        is_resumed |= await stored_actions.resume(partitions[number], action, owner=owner, by=said_by)
    if away and not is_resumed:
        raise Unavailable(because(away))
    return is_resumed


async def stop(partitions: Partitions, action: str, *, by: str) -> bool:
    """Stop all parts of an action before their next steps, and write an audit entry.

    Returns False if none was running. Raises BrokerError, also if only some parts were stopped; it can then be
    repeated.
    """
    parts, away = await read_parts(partitions, action)
    is_stopped = False
    for number in parts:
        try:
            is_stopped |= await stored_actions.stop(partitions[number], action, by="" if is_stopped else by)
        except BrokerError as error:
            away[number] = error
    if away:
        reason = next(iter(away.values()))
        text = f"action {action} is stopped, but not in {named(away)}"
        raise Unavailable(f"{text}: repeat this when Redis is back there ({reason})") if parts else reason
    return is_stopped


async def release(partitions: Partitions, action: str, *, owner: str) -> None:
    """Give up all parts that `owner` runs, so that another process can continue them immediately."""
    await ask_all(partitions, lambda redis: stored_actions.release(redis, action, owner=owner))


def _sum_causes(causes: Iterable[FailureCause]) -> tuple[FailureCause, ...]:
    """Return each cause once, the most frequent first."""
    by_fingerprint: dict[str, FailureCause] = {}
    for cause in causes:
        known = by_fingerprint.get(cause.fingerprint)
        by_fingerprint[cause.fingerprint] = (
            structs.replace(known, count=known.count + cause.count) if known else cause
        )
    return tuple(sorted(by_fingerprint.values(), key=lambda cause: -cause.count))
