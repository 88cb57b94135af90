"""What is done to one dead letter: shown with personal data, noted on, dry-run, replayed with another body.

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
from inspector.operations.bulk_actions import dry_run_result
from inspector.privacy.masking import MASK, Masking
from runtime.dry_run import DryRunNotification, DryRunResult

_SOME_ADDRESS = "masked@example.invalid"

_encode = msgspec.json.Encoder().encode


class EditError(ValueError):
    """What died is not a body that can be edited."""


async def reveal(redis: Client, letter_id: str, *, by: str) -> StoredDeadLetter | None:
    """One dead letter for eyes that may see personal data: it is written to the audit log first."""
    stored_letter = await dead_letters.get(redis, letter_id)
    if stored_letter is not None:
        await audit.record(redis, AuditEntry(by, "reveal", letter_id))
    return stored_letter


async def replay_edited(redis: Client, letter_id: str, body: bytes, *, by: str) -> bool:
    """Hand back a copy of a dead letter with another body; the letter itself stays, with a note of it.

    The copy is one more webhook, or notification with the same key, in the sums. False where there is no such
    letter. Raises EditError.
    """
    stored_letter = await dead_letters.get(redis, letter_id)
    if stored_letter is None:
        return False
    if stored_letter.letter.is_unreadable:
        raise EditError(stored_letter.letter.error)
    if stored_letter.letter.reason == "unreadable" or stored_letter.letter.digest:
        raise EditError("only a single webhook or its notification can be edited, not a batch, a job or a digest")
    return await replay.replay_edited(redis, stored_letter, body, by=by)


async def note_on(redis: Client, letter_id: str, text: str, *, by: str) -> bool:
    """Note something on one dead letter, at once; False where there is no such letter."""
    note = Note(await ask_ms(redis), by, text)
    return bool(
        await dead_letters.annotate(redis, [letter_id], note, audit_entry=AuditEntry(by, "annotate", letter_id))
    )


def editable(stored_letter: StoredDeadLetter) -> str:
    """The body to be edited as text, indented where it is JSON. Raises EditError where it is not."""
    if stored_letter.letter.is_unreadable:
        raise EditError(stored_letter.letter.error)
    try:
        return msgspec.json.format(stored_letter.body, indent=2).decode()
    except (ValueError, RecursionError):
        pass
    try:
        return stored_letter.body.decode()
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


def masked_dry_run(
    stored_letter: StoredDeadLetter,
    dry_run: Callable[[StoredDeadLetter], DryRunResult],
    *,
    masking: Masking | None,
) -> DryRunResult:
    """What would become of a dead letter; `masking` None shows it with personal data.

    Masked, the verdict is that of the letter, and what would be sent is told as of a body that is masked. What
    cannot be told so is "".
    """
    result = dry_run_result(stored_letter, dry_run)
    if masking is None or stored_letter.letter.is_unreadable:
        return result
    shown_text = masking.texts_of(stored_letter.body)
    try:
        body = _addressable(masking.body(stored_letter.body))
        copy = dry_run(StoredDeadLetter(stored_letter.letter, _encode(body))).notifications
    except (ValueError, RecursionError):
        copy = ()
    real = result.notifications
    is_alike = [(told.channel, told.rule) for told in copy] == [(told.channel, told.rule) for told in real]
    shown = copy if is_alike else [structs.replace(told, to="", subject="", text="", html="") for told in real]
    return structs.replace(
        result,
        error=shown_text(result.error),
        path=shown_text(result.path),
        notifications=tuple(_masked(*both, shown_text) for both in zip(real, shown, strict=True)),
    )


def _addressable(value: Any, key: str = "") -> Any:
    """A masked body in which masked e-mail addresses have the form of one, so that mails can be rendered."""
    if isinstance(value, dict):
        return {name: _addressable(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_addressable(inner, key) for inner in value]
    return _SOME_ADDRESS if value == MASK and key.lower().endswith("mail") else value


def _masked(
    told: DryRunNotification, copy: DryRunNotification, shown_text: Callable[[str], str]
) -> DryRunNotification:
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
