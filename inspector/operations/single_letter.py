"""Operations on one dead letter: reveal it, add a note, dry-run it, replay it with an edited body.

The async functions raise BrokerError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import structs

from broker import dead_letters
from broker.dead_letters import Note, StoredDeadLetter, replay
from broker.merged import letters as all_letters
from broker.monitoring import audit
from broker.monitoring.audit import AuditEntry
from broker.redis.clock import ask_ms
from broker.redis.partitions import Partitions
from inspector.operations.action_steps.verb_steps import dry_run_result
from inspector.privacy.masking import MASK, Masking
from inspector.privacy.readable_body import as_written, is_form
from runtime.dry_run import DryRunNotification, DryRunResult

# Emails can only be rendered for a valid address.
_MASKED_ADDRESS = "masked@example.invalid"


class EditError(ValueError):
    """The body of a dead letter, or the edited text, cannot be used. The message says why."""


async def reveal(partitions: Partitions, letter_id: str, *, by: str) -> StoredDeadLetter | None:
    """A dead letter for a user who sees personal data. An audit entry is written first."""
    found = await all_letters.find(partitions, letter_id)
    if found is None:
        return None
    redis, stored_letter = found
    await audit.record(redis, AuditEntry(by, "reveal", letter_id))
    return stored_letter


async def replay_edited(partitions: Partitions, letter_id: str, body: bytes, *, by: str) -> bool:
    """Replay a copy of a dead letter with another body. The letter itself stays and gets a note about it.

    The counters count the copy as one more webhook, or as one more notification with the same idempotency key.
    Returns False if the letter does not exist. Raises EditError.
    """
    found = await all_letters.find(partitions, letter_id)
    if found is None:
        return False
    redis, stored_letter = found
    if stored_letter.letter.is_unreadable:
        raise EditError(stored_letter.letter.error)
    if stored_letter.letter.reason == "unreadable" or stored_letter.letter.digest:
        raise EditError("only a single webhook or its notification can be edited, not a batch, a job or a digest")
    return await replay.replay_edited(redis, stored_letter, body, by=by)


async def add_note(partitions: Partitions, letter_id: str, text: str, *, by: str) -> bool:
    """Add a note to one dead letter. Returns False if the letter does not exist."""
    found = await all_letters.find(partitions, letter_id)
    if found is None:
        return False
    redis, _ = found
    note = Note(await ask_ms(redis), by, text)
    return bool(
        await dead_letters.annotate(redis, [letter_id], note, audit_entry=AuditEntry(by, "annotate", letter_id))
    )


def editable_text(stored_letter: StoredDeadLetter) -> str:
    """The body as text for an editor, indented if it is JSON. Raises EditError if it is not text."""
    if stored_letter.letter.is_unreadable:
        raise EditError(stored_letter.letter.error)
    try:
        return msgspec.json.format(stored_letter.body, indent=2).decode()
    except (ValueError, RecursionError):
        pass
    try:
        return stored_letter.body.decode()
    except UnicodeDecodeError:
        raise EditError("the body is not text, so it cannot be edited") from None


def parse_edited_body(text: str) -> bytes:
    """An edited text as a body: JSON, or a form. Raises EditError with the place of the mistake in JSON."""
    body = text.encode("utf-8", "surrogatepass")
    if is_form(form := body.strip()):  # an editor adds a line break
        return form
    try:
        msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise EditError(f"the edited body is not JSON: {error}") from None
    return body


def masked_dry_run(
    stored_letter: StoredDeadLetter,
    dry_run: Callable[[StoredDeadLetter], DryRunResult],
    *,
    masking: Masking | None,
) -> DryRunResult:
    """Dry-run a dead letter. With `masking` None the result shows personal data.

    With masking, whether it passes and why not is the result for the real body. The messages are rendered from a
    masked body instead; a text that cannot be rendered from it is "".
    """
    result = dry_run_result(stored_letter, dry_run)
    if masking is None or stored_letter.letter.is_unreadable:
        return result
    shown_text = masking.texts_of(stored_letter.body)
    try:
        body = _with_valid_addresses(masking.body(stored_letter.body))
        written = as_written(body, stored_letter.body)
        masked = dry_run(StoredDeadLetter(stored_letter.letter, written)).notifications
    except (ValueError, RecursionError):
        masked = ()
    real = result.notifications
    # A rule may match on a value that is masked, and then the two dry runs send different notifications.
    if [(item.channel, item.rule) for item in masked] != [(item.channel, item.rule) for item in real]:
        masked = tuple(structs.replace(item, to="", subject="", text="", html="") for item in real)
    return structs.replace(
        result,
        error=shown_text(result.error),
        path=shown_text(result.path),
        notifications=tuple(_masked(*pair, shown_text) for pair in zip(real, masked, strict=True)),
    )


def _with_valid_addresses(value: Any, key: str = "") -> Any:
    """A masked body in which masked e-mail addresses are valid addresses."""
    if isinstance(value, dict):
        return {name: _with_valid_addresses(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_valid_addresses(inner, key) for inner in value]
    return _MASKED_ADDRESS if value == MASK and key.lower().endswith("mail") else value


def _masked(
    real: DryRunNotification, masked: DryRunNotification, shown_text: Callable[[str], str]
) -> DryRunNotification:
    return structs.replace(
        real,
        to=shown_text(masked.to),
        subject=shown_text(masked.subject),
        text=shown_text(masked.text),
        html=shown_text(masked.html),
        looks_up=tuple(shown_text(lookup) for lookup in masked.looks_up),
        needs=shown_text(real.needs),
        error=shown_text(real.error),
    )
