"""Bulk actions: replay, discard, annotate or dry-run dead letters, selected by id or by a filter.

Lifecycle: `select` counts what a filter matches now, `begin` stores the action in Redis, `run` carries it out and
yields its progress. If the process is killed, another process can `run` the same action from where it stopped: a
step and its count are one step in Redis, so nothing is done or counted twice. Every function raises BrokerError.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
from msgspec import Struct, structs

from broker import dead_letters
from broker.dead_letters import (
    DeadLetter,
    Note,
    NotMineError,
    Position,
    StoredDeadLetter,
    Work,
    replay,
    stored_actions,
)
from broker.dead_letters.stored_actions import Action, ActionRequest, FailureCause, Step, Verb
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from inspector.operations import search
from inspector.operations.filters import Filter, describe_for_audit
from inspector.privacy.masking import DEFAULT, Masking
from runtime.dry_run import DryRunResult

CHUNK = 64
"""Most dead letters whose bodies are in memory at the same time."""

_EXTEND_EVERY_S = 2.0
_MAX_ERROR_CHARS = 500

DryRun = Callable[[StoredDeadLetter], DryRunResult]
"""Decodes, routes and renders a dead letter with the current code and configuration. Writes and sends nothing."""


class Selection(Struct, frozen=True):
    """The dead letters that a filter matched at one moment. Letters that died later are not in it."""

    letter_filter: Filter
    until_ms: int
    count: int


class DryRunError(Exception):
    """A dry run is not possible, since this process has no rules."""


async def select(redis: Client, letter_filter: Filter) -> Selection:
    """Count the dead letters that match now. An action on the selection leaves letters that die later alone."""
    until_ms = await dead_letters.closed_ms(redis)
    if letter_filter.until_ms:
        until_ms = min(until_ms, letter_filter.until_ms)
    count = await search.count(redis, structs.replace(letter_filter, until_ms=until_ms))
    return Selection(letter_filter, until_ms, count)


async def begin(
    redis: Client,
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
    holds the lease from now on. `rate_per_s`: most letters per second; 0 for no limit.
    """
    if isinstance(target, Selection):
        about, selected = describe_for_audit(target.letter_filter), target.count
        order = ActionRequest(
            verb=verb,
            by=by,
            wanted=target.letter_filter.criteria(),
            until_ms=target.until_ms,
            rate_per_s=rate_per_s,
            note=note,
        )
    else:
        ids = tuple(dict.fromkeys(target))
        about, selected = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else ""), len(ids)
        order = ActionRequest(verb=verb, by=by, ids=ids, rate_per_s=rate_per_s, note=note)
    return await stored_actions.start(redis, order, selected=selected, owner=owner, about=about)


def filter_of(order: ActionRequest) -> Filter:
    """The filter of a stored action."""
    return msgspec.convert(order.wanted, Filter)


async def run(
    redis: Client, action_id: str, *, owner: str, dry_run: DryRun | None = None, masking: Masking = DEFAULT
) -> AsyncIterator[Action]:
    """Do what is left of an action; yield its state after each chunk and at the end.

    `owner` must hold the lease. Ends early if the action is stopped or another process takes it over. Raises
    DryRunError if the action is a dry run and `dry_run` is None.
    """
    action = await stored_actions.read(redis, action_id)
    if action is None:
        return
    if action.request.verb == "dry_run" and dry_run is None:
        raise DryRunError
    work, lost = Work(action_id, owner), asyncio.Event()
    limiter = _RateLimiter(action.request.rate_per_s, lost)
    lease = asyncio.create_task(_extend_lease(redis, work, lost))
    try:
        async for ids, cursor in _chunks(redis, action, limiter.chunk):
            step = await _process(redis, action, ids, work, dry_run, masking)
            await stored_actions.step(redis, work, structs.replace(step, cursor=cursor))
            yield await _current(redis, action)
            await limiter.wait(len(ids))
        await stored_actions.step(redis, work, Step(is_last=True))
    except NotMineError:
        pass
    finally:
        lost.set()  # The Redis client may swallow a cancellation, so the task also ends by this event.
        lease.cancel()
    yield await _current(redis, action)


async def _extend_lease(redis: Client, work: Work, lost: asyncio.Event) -> None:
    """Extend the lease while a chunk or the search for the next letter takes long, until the action is lost."""
    while not lost.is_set():
        await asyncio.sleep(_EXTEND_EVERY_S)
        try:
            await stored_actions.step(redis, work, Step())
        except NotMineError:
            lost.set()
        except BrokerError:
            continue  # run() meets the same error in its next step.


async def _chunks(redis: Client, action: Action, size: int) -> AsyncIterator[tuple[list[str], str]]:
    """(ids of a chunk, the cursor after it), starting at the action's cursor."""
    order = action.request
    if order.ids:
        for start in range(int(action.cursor or 0), len(order.ids), size):
            yield list(order.ids[start : start + size]), str(start + size)
        return
    letter_filter = structs.replace(filter_of(order), until_ms=order.until_ms)
    start_at = search.parse_cursor(action.cursor) if action.cursor else Position(order.until_ms + 1, "")
    chunk: list[str] = []
    cursor = ""
    async for row in search.walk(redis, letter_filter, start_at):
        chunk.append(row.id)
        cursor = search.cursor_after(row)
        if len(chunk) == size:
            yield chunk, cursor
            chunk = []
    if chunk:
        yield chunk, cursor


async def _process(
    redis: Client, action: Action, ids: Sequence[str], work: Work, dry_run: DryRun | None, masking: Masking
) -> Step:
    """Apply the action's verb to a chunk, and return what to add to its counters.

    Replay and discard count the letters themselves, in the step that removes them.
    """
    order = action.request
    match order.verb:
        case "replay":
            stored_letters = await _stored_letters(redis, ids)
            await replay.replay(redis, stored_letters, work=work)
            return _unreadable(
                [stored.letter for stored in stored_letters if stored.letter.is_unreadable], masking
            )
        case "discard":
            letters = [letter for letter in await dead_letters.letters(redis, ids) if letter]
            await dead_letters.discard(redis, letters, work=work)
        case "annotate":
            return Step(done=await dead_letters.annotate(redis, ids, Note(action.began_ms, order.by, order.note)))
        case "dry_run":
            assert dry_run is not None, "run() checks this"
            return await _dry_run_step(await _stored_letters(redis, ids), dry_run, masking)
    return Step()


async def _stored_letters(redis: Client, ids: Sequence[str]) -> list[StoredDeadLetter]:
    return [stored for stored in await dead_letters.stored_letters(redis, ids) if stored]


def _unreadable(letters: Sequence[DeadLetter], masking: Masking) -> Step:
    """Report letters that a replay cannot read. They stay where they are."""
    if not letters:
        return Step()
    return Step(failed=(FailureCause(letters[0].reason, len(letters), masking.text(letters[0].error)),))


def dry_run_result(stored_letter: StoredDeadLetter, dry_run: DryRun) -> DryRunResult:
    """The dry run of a dead letter. A letter that cannot be read fails for that reason."""
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


async def _dry_run_step(stored_letters: Sequence[StoredDeadLetter], dry_run: DryRun, masking: Masking) -> Step:
    failed: dict[str, FailureCause] = {}
    passed = 0
    for stored_letter in stored_letters:
        result = dry_run_result(stored_letter, dry_run)
        if result.passes:
            passed += 1
        else:
            error = f"{result.error} at {result.path}" if result.path else result.error
            masked = masking.texts_of(stored_letter.body)(error)[:_MAX_ERROR_CHARS]
            earlier = failed.get(result.fingerprint)
            count = earlier.count if earlier else 0
            failed[result.fingerprint] = FailureCause(result.fingerprint, count + 1, masked)
        # Rendering may take long; other tasks of this process get their turn between letters.
        await asyncio.sleep(0)
    return Step(done=len(stored_letters), passed=passed, failed=tuple(failed.values()))


class _RateLimiter:
    """Waits between chunks so that the action keeps its rate. Stops waiting when the action is lost."""

    def __init__(self, rate_per_s: float, lost: asyncio.Event) -> None:
        # About two chunks a second, so that a slow action shows progress.
        self.chunk = CHUNK if not rate_per_s else max(1, min(CHUNK, int(rate_per_s / 2)))
        self._rate_per_s = rate_per_s
        self._lost = lost
        self._next = time.monotonic()

    async def wait(self, count: int) -> None:
        """Wait as long as `count` letters take at this rate. Raises NotMineError when the action is lost."""
        if not self._rate_per_s:
            return
        # A slow chunk is made up for by at most one second's worth of letters.
        self._next = max(self._next, time.monotonic() - 1.0) + count / self._rate_per_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._next - time.monotonic()):
                await self._lost.wait()
                raise NotMineError


async def _current(redis: Client, action: Action) -> Action:
    return await stored_actions.read(redis, action.id) or action
