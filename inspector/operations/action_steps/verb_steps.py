"""Applies the verb of a bulk action to dead letters of one partition. Every async function raises BrokerError."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from broker import dead_letters
from broker.dead_letters import DeadLetter, Note, StoredDeadLetter, Work, replay
from broker.dead_letters.action import Action, ActionRequest, FailureCause, Step
from broker.redis.client import Client
from inspector.operations.filters import Filter
from inspector.privacy.masking import Masking
from runtime.dry_run import DryRunResult

CHUNK = 64
"""Most dead letters of a partition whose bodies are in memory at the same time."""

_MAX_ERROR_CHARS = 500

DryRun = Callable[[StoredDeadLetter], DryRunResult]
"""Decodes, routes and renders a dead letter with the current code and configuration. Writes and sends nothing."""


def filter_of(order: ActionRequest) -> Filter:
    """The filter of a stored action."""
    return msgspec.convert(order.wanted, Filter)


async def process(
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
