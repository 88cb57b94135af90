"""What is done to one dead letter: shown with personal data, noted on, rehearsed, replayed with another body.

Those that ask Redis raise BrokerError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import structs

from broker import dead_letters
from broker.dead_letters import Note, StoredDeadLetter, replay
from broker.monitoring import audit
from broker.monitoring.audit import AuditEntry
from broker.redis.client import Client
from broker.redis.clock import ask_ms
from inspector.operations.bulk_actions import verdict_of
from inspector.privacy.masking import MASK, Masking
from runtime.dry_run import Rehearsed, Verdict

_SOME_ADDRESS = "masked@example.invalid"

_encode = msgspec.json.Encoder().encode


class EditError(ValueError):
    """What died is not a body that can be edited."""


async def reveal(redis: Client, letter_id: str, *, by: str) -> StoredDeadLetter | None:
    """One dead letter for eyes that may see personal data: it is written to the audit log first."""
    grave = await dead_letters.get(redis, letter_id)
    if grave is not None:
        await audit.record(redis, AuditEntry(by, "reveal", letter_id))
    return grave


async def replay_edited(redis: Client, letter_id: str, body: bytes, *, by: str) -> bool:
    """Hand back a copy of a dead letter with another body; the letter itself stays, with a note of it.

    The copy is one more webhook, or notification with the same key, in the sums. False where there is no such
    letter. Raises EditError.
    """
    grave = await dead_letters.get(redis, letter_id)
    if grave is None:
        return False
    if grave.letter.is_unreadable:
        raise EditError(grave.letter.error)
    if grave.letter.reason == "unreadable" or grave.letter.digest:
        raise EditError("only a single webhook or its notification can be edited, not a batch, a job or a digest")
    return await replay.replay_edited(redis, grave, body, by=by)


async def note_on(redis: Client, letter_id: str, text: str, *, by: str) -> bool:
    """Note something on one dead letter, at once; False where there is no such letter."""
    note = Note(await ask_ms(redis), by, text)
    return bool(await dead_letters.annotate(redis, [letter_id], note, deed=AuditEntry(by, "annotate", letter_id)))


def editable(grave: StoredDeadLetter) -> str:
    """The body to be edited as text, indented where it is JSON. Raises EditError where it is not."""
    if grave.letter.is_unreadable:
        raise EditError(grave.letter.error)
    try:
        return msgspec.json.format(grave.body, indent=2).decode()
    except (ValueError, RecursionError):
        pass
    try:
        return grave.body.decode()
    except UnicodeDecodeError:
        raise EditError("the body is not text, so it cannot be edited here") from None


def edited_body(text: str) -> bytes:
    """An edited text as a body. Raises EditError: what is wrong with it, and where."""
    body = text.encode("utf-8", "surrogatepass")
    try:
        msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise EditError(f"this is not JSON: {error}") from None
    return body


def rehearsed(
    grave: StoredDeadLetter, rehearse: Callable[[StoredDeadLetter], Verdict], *, masking: Masking | None
) -> Verdict:
    """What would become of a dead letter; `masking` None shows it with personal data.

    Masked, the verdict is that of the letter, and what would be sent is told as of a body that is masked. What
    cannot be told so is "".
    """
    verdict = verdict_of(grave, rehearse)
    if masking is None or grave.letter.is_unreadable:
        return verdict
    shown_text = masking.texts_of(grave.body)
    try:
        body = _addressable(masking.body(grave.body))
        copy = rehearse(StoredDeadLetter(grave.letter, _encode(body))).notifications
    except (ValueError, RecursionError):
        copy = ()
    real = verdict.notifications
    is_alike = [(told.channel, told.rule) for told in copy] == [(told.channel, told.rule) for told in real]
    shown = copy if is_alike else [structs.replace(told, to="", subject="", text="", html="") for told in real]
    return structs.replace(
        verdict,
        error=shown_text(verdict.error),
        path=shown_text(verdict.path),
        notifications=tuple(_masked(*both, shown_text) for both in zip(real, shown, strict=True)),
    )


def _addressable(value: Any, key: str = "") -> Any:
    """A masked body in which masked e-mail addresses have the form of one, so that mails can be rendered."""
    if isinstance(value, dict):
        return {name: _addressable(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_addressable(inner, key) for inner in value]
    return _SOME_ADDRESS if value == MASK and key.lower().endswith("mail") else value


def _masked(told: Rehearsed, copy: Rehearsed, shown_text: Callable[[str], str]) -> Rehearsed:
    return structs.replace(
        told,
        to=shown_text(copy.to),
        subject=shown_text(copy.subject),
        text=shown_text(copy.text),
        html=shown_text(copy.html),
        looks_up=tuple(shown_text(asked) for asked in copy.looks_up),
        needs=shown_text(told.needs),
        error=shown_text(told.error),
    )
