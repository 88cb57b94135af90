"""What is done to dead letters: replay, discard, annotate, dry run; to some by name or to all of a filter.

Each is an action in Redis (broker/dead_letters/stored_actions.py): whoever carries it out may be killed, and
another goes on from there. What a step does and the count of it are one step in Redis, so nothing is done, or
counted, twice. All raise BrokerError.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial

import msgspec
from msgspec import Struct

from broker import dead_letters
from broker.dead_letters import DeadLetter, Note, NotMineError, Position, StoredDeadLetter, Work, stored_actions
from broker.dead_letters import replay as replaying
from broker.dead_letters.stored_actions import Action, ActionRequest, FailureCause, Step, Verb
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from inspector.operations.search import Filter, count, cursor_of, place_of, walk
from inspector.privacy.masking import DEFAULT, Masking
from runtime.dry_run import DryRunResult

AT_A_TIME = 64
"""Dead letters whose bodies are in memory together."""

_ALIVE_EVERY_S = 2.0

DryRun = Callable[[StoredDeadLetter], DryRunResult]
"""What the code and config of now would make of a dead letter. Writes and sends nothing."""

_DryRunStep = Callable[[Sequence[StoredDeadLetter]], Awaitable[Step]]


class Selection(Struct, frozen=True):
    """The dead letters that a filter matched at one moment, and none that came later."""

    wanted: Filter
    until_ms: int
    count: int


class DryRunError(Exception):
    """Whoever carries the action out has no config for a dry run."""


async def select(redis: Client, wanted: Filter) -> Selection:
    """Count what matches now, to have something done to it: to that and nothing that dies from now on."""
    until_ms = await dead_letters.closed_ms(redis)
    if wanted.until_ms:
        until_ms = min(until_ms, wanted.until_ms)
    return Selection(wanted, until_ms, await count(redis, msgspec.structs.replace(wanted, until_ms=until_ms)))


async def begin(
    redis: Client,
    verb: Verb,
    chosen: Selection | Sequence[str],
    *,
    by: str,
    owner: str,
    rate_per_s: float = 0.0,
    note: str = "",
) -> str:
    """Order something in `by`'s name, to be carried out by `owner`; the id of the action. The audit log has it."""
    if isinstance(chosen, Selection):
        about, selected = told(chosen.wanted), chosen.count
        order = ActionRequest(
            verb=verb,
            by=by,
            wanted=chosen.wanted.given(),
            until_ms=chosen.until_ms,
            rate_per_s=rate_per_s,
            note=note,
        )
    else:
        ids = tuple(dict.fromkeys(chosen))
        about, selected = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else ""), len(ids)
        order = ActionRequest(verb=verb, by=by, ids=ids, rate_per_s=rate_per_s, note=note)
    return await stored_actions.start(redis, order, selected=selected, owner=owner, about=about)


async def carry_out(
    redis: Client, action_id: str, *, owner: str, dry_run: DryRun | None = None, masking: Masking = DEFAULT
) -> AsyncIterator[Action]:
    """Do what is left of an action that is `owner`'s; yields how it stands, as it goes and at the end.

    Ends early where the action was stopped, or another took it over. Raises DryRunError.
    """
    action = await stored_actions.read(redis, action_id)
    if action is None:
        return
    if action.request.verb == "dry_run" and dry_run is None:
        raise DryRunError
    dry_run_step = partial(_dry_run_step, dry_run=dry_run, masking=masking) if dry_run else None
    work, lost = Work(action_id, owner), asyncio.Event()
    pace = _Pace(action.request.rate_per_s, lost)
    alive = asyncio.create_task(_stay_alive(redis, work, lost))
    try:
        async for ids, cursor in _chunks(redis, action, pace.chunk):
            step = await _do(redis, action, ids, work, dry_run_step, masking)
            await stored_actions.step(redis, work, msgspec.structs.replace(step, cursor=cursor))
            yield await _now(redis, action)
            await pace.turn(len(ids))
        await stored_actions.step(redis, work, Step(is_last=True))
    except NotMineError:
        pass
    finally:
        lost.set()  # the client of Redis may swallow what cancels
        alive.cancel()
    yield await _now(redis, action)


async def _stay_alive(redis: Client, work: Work, lost: asyncio.Event) -> None:
    """Show life, however long a step or the way to the next letter takes, until the action is not `work`'s."""
    while not lost.is_set():
        await asyncio.sleep(_ALIVE_EVERY_S)
        try:
            await stored_actions.step(redis, work, Step())
        except NotMineError:
            lost.set()
        except BrokerError:
            continue  # the next step meets it too


def wanted_of(order: ActionRequest) -> Filter:
    """The filter of an order."""
    return msgspec.convert(order.wanted, Filter)


def told(wanted: Filter) -> str:
    """A filter as the audit log may tell it: what was searched for is somebody's e-mail address, perhaps."""
    shown = {name: "***" if name == "search" else value for name, value in wanted.given().items()}
    return ", ".join(f"{name}={value}" for name, value in shown.items()) or "all"


async def _do(
    redis: Client,
    action: Action,
    ids: Sequence[str],
    work: Work,
    dry_run_step: _DryRunStep | None,
    masking: Masking,
) -> Step:
    """Do it to some. What removes letters is counted as it is done; the rest with the cursor."""
    order = action.request
    match order.verb:
        case "replay":
            stored_letters = [
                stored_letter for stored_letter in await dead_letters.stored_letters(redis, ids) if stored_letter
            ]
            await replaying.replay(redis, stored_letters, work=work)
            return _left(
                [stored_letter.letter for stored_letter in stored_letters if stored_letter.letter.is_unreadable],
                masking,
            )
        case "discard":
            letters = [letter for letter in await dead_letters.letters(redis, ids) if letter]
            await dead_letters.discard(redis, letters, work=work)
        case "annotate":
            return Step(done=await dead_letters.annotate(redis, ids, Note(action.began_ms, order.by, order.note)))
        case "dry_run":
            assert dry_run_step is not None, "asked before"
            stored_letters = [
                stored_letter for stored_letter in await dead_letters.stored_letters(redis, ids) if stored_letter
            ]
            return await dry_run_step(stored_letters)
    return Step()


def _left(lost: Sequence[DeadLetter], masking: Masking) -> Step:
    """What a replay could not do: the letters stay, and are told of."""
    return Step(failed=(FailureCause(lost[0].reason, len(lost), masking.text(lost[0].error)),)) if lost else Step()


def dry_run_result(stored_letter: StoredDeadLetter, dry_run: DryRun) -> DryRunResult:
    """What would become of a dead letter; of one that cannot be read, nothing."""
    letter = stored_letter.letter
    if not letter.is_unreadable:
        return dry_run(stored_letter)
    return DryRunResult(
        passes=False,
        reason=letter.reason,
        error=letter.error,
        error_class=letter.error_class,
        stage=letter.stage,
        fingerprint=letter.reason,
    )


async def _dry_run_step(stored_letters: Sequence[StoredDeadLetter], *, dry_run: DryRun, masking: Masking) -> Step:
    failed: dict[str, FailureCause] = {}
    passed = 0
    for stored_letter in stored_letters:
        result = dry_run_result(stored_letter, dry_run)
        if result.passes:
            passed += 1
        else:
            known = failed.get(result.fingerprint)
            error = f"{result.error} at {result.path}" if result.path else result.error
            sofar = known.count if known else 0
            failed[result.fingerprint] = FailureCause(
                result.fingerprint, sofar + 1, masking.texts_of(stored_letter.body)(error)[:500]
            )
        await asyncio.sleep(0)
    return Step(done=len(stored_letters), passed=passed, failed=tuple(failed.values()))


async def _chunks(redis: Client, action: Action, size: int) -> AsyncIterator[tuple[list[str], str]]:
    """(ids, where the chunk after them begins), from the action's cursor on."""
    order = action.request
    if order.ids:
        for start in range(int(action.cursor or 0), len(order.ids), size):
            yield list(order.ids[start : start + size]), str(start + size)
        return
    wanted = msgspec.structs.replace(wanted_of(order), until_ms=order.until_ms)
    start_at = place_of(action.cursor) if action.cursor else Position(order.until_ms + 1, "")
    chunk: list[str] = []
    cursor = ""
    async for row in walk(redis, wanted, start_at):
        chunk.append(row.id)
        cursor = cursor_of(row)
        if len(chunk) == size:
            yield chunk, cursor
            chunk = []
    if chunk:
        yield chunk, cursor


class _Pace:
    """Keeps to a rate, until the action is lost."""

    def __init__(self, rate_per_s: float, lost: asyncio.Event) -> None:
        self.chunk = AT_A_TIME if not rate_per_s else max(1, min(AT_A_TIME, int(rate_per_s / 2)))
        self._rate_per_s = rate_per_s
        self._lost = lost
        self._next = time.monotonic()

    async def turn(self, count: int) -> None:
        """Wait for what `count` letters take. Raises NotMineError."""
        if not self._rate_per_s:
            return
        self._next = max(self._next, time.monotonic() - 1.0) + count / self._rate_per_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._next - time.monotonic()):
                await self._lost.wait()
                raise NotMineError


async def _now(redis: Client, action: Action) -> Action:
    return await stored_actions.read(redis, action.id) or action
