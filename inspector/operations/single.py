"""What is done to one dead letter: shown with personal data, replayed with another body. All raise BrokerError."""

from __future__ import annotations

from arq.connections import ArqRedis

from broker import audit, dead, replay
from broker.audit import Deed
from broker.dead import Grave


class EditError(ValueError):
    """What died is not a body that can be edited."""


async def reveal(redis: ArqRedis, letter_id: str, *, by: str) -> Grave | None:
    """One dead letter for eyes that may see personal data: it is written to the audit log first."""
    grave = await dead.get(redis, letter_id)
    if grave is not None:
        await audit.record(redis, Deed(by, "reveal", letter_id))
    return grave


async def replay_edited(redis: ArqRedis, letter_id: str, body: bytes, *, by: str) -> bool:
    """Hand back a copy of a dead letter with another body; the letter itself stays, with a note of it.

    The copy is one more webhook, or notification with the same key, in the sums. False where there is no such
    letter. Raises EditError.
    """
    grave = await dead.get(redis, letter_id)
    if grave is None:
        return False
    if grave.letter.reason == "unreadable" or grave.letter.digest:
        raise EditError("only a single webhook or its notification can be edited, not a batch, a job or a digest")
    if not await replay.replay_edited(redis, grave, body, by=by):
        return False
    await audit.record(redis, Deed(by, "edit", letter_id, {"bytes": str(len(body))}))
    return True
