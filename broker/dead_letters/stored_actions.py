"""Bulk actions on dead letters. Redis stores them, so that people can watch, stop and resume them.

    action:{id}   a         the request (msgpack)
                  state     running | stopped | done
                  selected  how many letters the action is for
                  done      how many letters are processed; the step that processes a letter counts it
                  cursor    the position in the list of letters that the filter selects
                  owner, lease_until_ms   the process that runs the action, and the end of its lease; another
                                          process may take over after that
                  began_ms, ended_ms
                  passed, failed          the results of a dry run; `failed` also counts what a replay skipped
                  why:{fingerprint}, eg:{fingerprint}   how many failed for one cause, and the error of one

With several partitions, each that has letters of an action has a part of it: such a hash, with the same id.
broker/merged/actions.py puts the parts together.

All functions raise BrokerError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from broker.dead_letters import NotMineError, Work
from broker.dead_letters.action import Action, ActionRequest, ActionState, FailureCause, Step
from broker.dead_letters.store import OWNERSHIP
from broker.monitoring.audit import AUDIT, AuditEntry, packed
from broker.redis.client import Client
from broker.redis.clock import time_reply_ms
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import FULL, Script, as_text
from runtime.ids import is_id, new_id

KEPT = 500
"""How many bulk actions Redis keeps. The oldest ones are removed."""

# A lease must be longer than a step takes, and short enough that people do not wait long for another process.
LEASE_MS = 10_000
"""For how long an owner may work on an action without a sign of life."""

_START = Script(
    "dead_letters/actions/start",
    parts=(FULL, AUDIT),
    keys=("actions", "action:action"),
    args=("action", "order", "selected: number", "owner", "lease_ms: number", "most: number", "audit_entry"),
)
_TAKE = Script(
    "dead_letters/actions/take",
    parts=(FULL, AUDIT),
    keys=("action:action",),
    args=("action", "owner", "lease_ms: number", "is_resumed: number", "audit_entry"),
)
_RELEASE = Script("dead_letters/actions/release", parts=(FULL,), keys=("action:action",), args=("action", "owner"))
_STEP = Script(
    "dead_letters/actions/step",
    parts=(FULL, OWNERSHIP),
    keys=("action:action",),
    args=(
        "action",
        "owner",
        "lease_ms: number",
        "cursor",
        "is_last: number",
        "counters: packed",
        "failures: packed",
    ),
)
_STOP = Script(
    "dead_letters/actions/stop", parts=(FULL, AUDIT), keys=("action:action",), args=("action", "audit_entry")
)


async def start(
    redis: Client, request: ActionRequest, *, selected: int, owner: str, about: str | None, action: str = ""
) -> str:
    """Start an action, or its part in one partition, that `owner` runs. Returns the id of the action.

    selected: how many letters of this partition it is for. about: a description of all its letters, for the audit
    entry; None if another part has the audit entry. action: the id of an action that has other parts.
    """
    action = action or new_id()
    letters = sum(request.selected_in.values()) or selected
    details = {"action": action, "letters": str(letters)}
    audit_entry = packed(AuditEntry(request.by, request.verb, about, details)) if about is not None else ""
    encoded = msgspec.msgpack.encode(request)
    with translated():
        await _START(
            redis,
            action=action,
            order=encoded,
            selected=selected,
            owner=owner,
            lease_ms=LEASE_MS,
            most=KEPT,
            audit_entry=audit_entry,
        )
    return action


async def take(redis: Client, action: str, *, owner: str) -> bool:
    """Continue a running action whose lease has ended. Returns False if it has an owner or is not running."""
    with translated():
        return bool(
            await _TAKE(redis, action=action, owner=owner, lease_ms=LEASE_MS, is_resumed=0, audit_entry="")
        )


async def resume(redis: Client, action: str, *, owner: str, by: str) -> bool:
    """Continue an action that was stopped, or whose owner's lease has ended, and write an audit entry.

    by: the name of the person; "" if another part of the action has the audit entry. Returns False if the action
    has another owner or is done.
    """
    audit_entry = packed(AuditEntry(by, "resume", action)) if by else ""
    with translated():
        return bool(
            await _TAKE(
                redis, action=action, owner=owner, lease_ms=LEASE_MS, is_resumed=1, audit_entry=audit_entry
            )
        )


async def release(redis: Client, action: str, *, owner: str) -> bool:
    """Give up the ownership of an action, so that another process can continue it immediately.

    Returns False if `owner` does not own it, or it is not running.
    """
    with translated():
        return bool(await _RELEASE(redis, action=action, owner=owner))


async def interrupted(redis: Client) -> list[str]:
    """Return the ids of the running actions whose owner's lease has ended, the oldest first."""
    with translated():
        ids = _ids(await redis.zrange(redis.names.actions, 0, -1))
        async with redis.pipeline(transaction=False) as pipe:
            pipe.time()
            for name in ids:
                pipe.hmget(redis.names.action + name, ["state", "lease_until_ms"])
            now, *states = await pipe.execute()
    now_ms = time_reply_ms(now)
    rows = zip(ids, states, strict=True)
    return [name for name, (state, until) in rows if state == b"running" and parse_int(until) < now_ms]


async def step(redis: Client, work: Work, step: Step) -> None:
    """Record the progress of an action and renew its lease. Raises NotMineError if `work` must not continue."""
    failed = sum(why.count for why in step.failed)
    counts = {"done": step.done, "passed": step.passed, "failed": failed}
    # An error may hold bytes that are not text.
    failures = [
        (why.fingerprint, why.count, as_text(why.error.encode("utf-8", "surrogateescape"))) for why in step.failed
    ]
    with translated():
        was_mine = await _STEP(
            redis,
            action=work.action,
            owner=work.owner,
            lease_ms=LEASE_MS,
            cursor=step.cursor,
            is_last=int(step.is_last),
            counters=[count for count in counts.items() if count[1]],
            failures=failures,
        )
    if not was_mine:
        raise NotMineError


async def stop(redis: Client, action: str, *, by: str) -> bool:
    """Stop an action before its next step, and write an audit entry. Returns False if it was not running.

    by: the name of the person; "" if another part of the action has the audit entry.
    """
    audit_entry = packed(AuditEntry(by, "stop", action)) if by else ""
    with translated():
        return bool(await _STOP(redis, action=action, audit_entry=audit_entry))


async def read(redis: Client, action: str) -> Action | None:
    """Return one action, or None if it does not exist or cannot be read."""
    if not is_id(action):
        return None
    with translated():
        return _action(action, await redis.hgetall(redis.names.action + action))  # type: ignore[misc]


async def recent(redis: Client, *, count: int = 50) -> list[Action]:
    """Return up to `count` actions, newest first."""
    with translated():
        ids = _ids(await redis.zrevrange(redis.names.actions, 0, count - 1))
        async with redis.pipeline(transaction=False) as pipe:
            for name in ids:
                pipe.hgetall(redis.names.action + name)
            hashes = await pipe.execute() if ids else []
    actions = (_action(name, fields) for name, fields in zip(ids, hashes, strict=True))
    return [action for action in actions if action is not None]


def _ids(names: Iterable[bytes]) -> list[str]:
    """Return the names that have the form of an id."""
    return [text for name in names if is_id(text := name.decode("utf-8", "replace"))]


def _action(name: str, fields: Mapping[bytes, bytes]) -> Action | None:
    """Return the action in a hash, or None if it is missing or cannot be read."""
    try:
        request = msgspec.msgpack.decode(fields[b"a"], type=ActionRequest)
        state = msgspec.convert(fields.get(b"state", b"done").decode(), ActionState)
    except (KeyError, ValueError, RecursionError):
        return None
    numbers = {key: parse_int(fields.get(key.encode())) for key in _NUMBERS}
    causes = [
        FailureCause(_text(key[4:]), parse_int(count), _text(fields.get(b"eg:" + key[4:], b"")))
        for key, count in fields.items()
        if key.startswith(b"why:")
    ]
    return Action(
        id=name,
        request=request,
        state=state,
        causes=tuple(sorted(causes, key=lambda cause: -cause.count)),
        cursor=_text(fields.get(b"cursor", b"")),
        **numbers,
    )


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


_NUMBERS = ("selected", "done", "passed", "failed", "began_ms", "ended_ms", "lease_until_ms")
