"""Actions: what people do to many dead letters, kept in Redis so that it can be watched, stopped and resumed.

    action:{id}   a         the order (msgpack)
                  state     running | stopped | done
                  selected  how many letters it is for
                  done      those it was done to, counted in the very step that did it
                  cursor    how far it has come through what its filter selects
                  owner, lease_until_ms   who works on it; another may where no sign of life came for the lease
                  began_ms, ended_ms
                  passed, failed, why:{fingerprint}, eg:{fingerprint}   what a dry run found; what a replay left

All raise BrokerError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from broker.dead_letters import NotMineError, Work
from broker.monitoring.audit import AuditEntry, packed
from broker.redis import scripts
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import whole
from runtime.ids import is_id, new_id

KEPT = 500
LEASE_MS = 10_000
"""Longer than a step takes, and short enough that nobody waits long for another to go on."""

Verb = Literal["replay", "discard", "annotate", "dry_run"]
ActionState = Literal["running", "stopped", "done"]


class Order(Struct, frozen=True, kw_only=True):
    """What is to be done, to which letters, for whom."""

    verb: Verb
    by: str
    """Who ordered it."""

    ids: tuple[str, ...] = ()
    """The letters by name; else what `wanted` selects."""

    wanted: Mapping[str, Any] = {}
    """A filter, as the inspector makes it."""

    until_ms: int = 0
    """Letters that were written later are not meant, by the clock of Redis."""

    rate_per_s: float = 0.0
    """At most so many a second; 0 for no bound."""

    note: str = ""
    """What is to be noted."""


class Why(Struct, frozen=True):
    """Letters that would fail for the same cause."""

    fingerprint: str
    """"" for all causes beyond the first 200."""

    count: int
    error: str
    """Of one of them."""


class Action(Struct, frozen=True, kw_only=True):
    """An order and how far it has come."""

    id: str
    order: Order
    state: ActionState
    selected: int
    done: int
    passed: int
    """Letters that a dry run let through."""

    failed: int
    """Letters that it did not let through; of a replay, those that cannot be read and so were left."""

    why: tuple[Why, ...]
    """Why those that failed did, the most frequent first."""

    cursor: str
    began_ms: int
    ended_ms: int
    lease_until_ms: int

    @property
    def gone(self) -> int:
        """Selected letters that were not there any more, known at the end."""
        left = 0 if self.order.verb == "dry_run" else self.failed
        return self.selected - self.done - left if self.state == "done" else 0

    def is_interrupted(self, now_ms: int) -> bool:
        """Whether it should go on and nobody works on it."""
        return self.state == "running" and self.lease_until_ms < now_ms


class Step(Struct, frozen=True, kw_only=True):
    """How far a piece of work brought an action, beyond what its own steps counted."""

    cursor: str = ""
    is_last: bool = False
    done: int = 0
    passed: int = 0
    failed: tuple[Why, ...] = ()


async def start(redis: Client, order: Order, *, selected: int, owner: str, about: str) -> str:
    """Begin an action in `owner`'s name; its id. The audit log has it, with what it is `about`."""
    action = new_id()
    audit_entry = packed(AuditEntry(order.by, order.verb, about, {"action": action, "letters": str(selected)}))
    encoded = msgspec.msgpack.encode(order)
    with translated():
        await scripts.START_ACTION(redis, action, encoded, selected, owner, LEASE_MS, KEPT, audit_entry)
    return action


async def take(redis: Client, action: str, *, owner: str) -> bool:
    """Go on with one whose owner shows no life; False where another has it, or it was stopped."""
    with translated():
        return bool(await scripts.TAKE_ACTION(redis, action, owner, LEASE_MS, ""))


async def resume(redis: Client, action: str, *, owner: str, by: str) -> bool:
    """The same for a person, even with one that was stopped. The audit log has it."""
    with translated():
        return bool(
            await scripts.TAKE_ACTION(redis, action, owner, LEASE_MS, packed(AuditEntry(by, "resume", action)))
        )


async def release(redis: Client, action: str, *, owner: str) -> bool:
    """Leave one's own action to whoever takes it next, at once; False where it was not going on in this name."""
    with translated():
        return bool(await scripts.RELEASE_ACTION(redis, action, owner))


async def interrupted(redis: Client) -> list[str]:
    """The actions that should go on and whose owner shows no life, the oldest first."""
    with translated():
        ids = _ids(await redis.zrange(redis.names.actions, 0, -1))
        async with redis.pipeline(transaction=False) as pipe:
            pipe.time()
            for name in ids:
                pipe.hmget(redis.names.action + name, ["state", "lease_until_ms"])
            (seconds, micros), *found = await pipe.execute()
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    rows = zip(ids, found, strict=True)
    return [name for name, (state, until) in rows if state == b"running" and whole(until) < now_ms]


async def step(redis: Client, work: Work, step: Step) -> None:
    """Record how far it has come, and that its owner lives. Raises NotMineError where it does not go on."""
    counters: list[str | int] = []
    for name, by in (("done", step.done), ("passed", step.passed), ("failed", sum(w.count for w in step.failed))):
        if by:
            counters += [name, by]
    for why in step.failed:
        counters += [f"why:{why.fingerprint}", why.count, why.error]
    last = "done" if step.is_last else ""
    with translated():
        if not await scripts.STEP_ACTION(redis, work.action, work.owner, LEASE_MS, step.cursor, last, *counters):
            raise NotMineError


async def stop(redis: Client, action: str, *, by: str) -> bool:
    """Stop it before its next step; False where it was not going on. The audit log has it."""
    with translated():
        return bool(await scripts.STOP_ACTION(redis, action, packed(AuditEntry(by, "stop", action))))


async def read(redis: Client, action: str) -> Action | None:
    """One action; None where there is none."""
    if not is_id(action):
        return None
    with translated():
        return _action(action, await redis.hgetall(redis.names.action + action))  # type: ignore[misc]


async def recent(redis: Client, *, count: int = 50) -> list[Action]:
    """The last actions, newest first."""
    with translated():
        ids = _ids(await redis.zrevrange(redis.names.actions, 0, count - 1))
        async with redis.pipeline(transaction=False) as pipe:
            for name in ids:
                pipe.hgetall(redis.names.action + name)
            found = await pipe.execute() if ids else []
    actions = (_action(name, fields) for name, fields in zip(ids, found, strict=True))
    return [action for action in actions if action is not None]


def _ids(names: Iterable[bytes]) -> list[str]:
    """Those that are ids of actions."""
    return [text for name in names if is_id(text := name.decode("utf-8", "replace"))]


def _action(name: str, fields: Mapping[bytes, bytes]) -> Action | None:
    """None where there is none, or one that cannot be read."""
    try:
        order = msgspec.msgpack.decode(fields[b"a"], type=Order)
        state = msgspec.convert(fields.get(b"state", b"done").decode(), ActionState)
    except (KeyError, ValueError, RecursionError):
        return None
    numbers = {key: whole(fields.get(key.encode())) for key in _NUMBERS}
    whys = [
        Why(_text(key[4:]), whole(count), _text(fields.get(b"eg:" + key[4:], b"")))
        for key, count in fields.items()
        if key.startswith(b"why:")
    ]
    return Action(
        id=name,
        order=order,
        state=state,
        why=tuple(sorted(whys, key=lambda why: -why.count)),
        cursor=_text(fields.get(b"cursor", b"")),
        **numbers,
    )


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


_NUMBERS = ("selected", "done", "passed", "failed", "began_ms", "ended_ms", "lease_until_ms")
