"""Dead letters and status as JSON. Scripts may rely on the field names. Times are ms since 1970."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, cast

import msgspec

from broker.dead_letters import DeadLetter, StoredDeadLetter
from broker.dead_letters.action import Action
from broker.dead_letters.group_states import GroupState
from broker.monitoring.audit import StoredAuditEntry
from broker.queue.jobs import Attempt
from inspector.operations.action_steps.verb_steps import filter_of
from inspector.operations.filters import fields
from inspector.operations.groups.failure_groups import Group
from inspector.operations.search import Page, PageEntry
from inspector.operations.status import Status
from inspector.presentation.causes import counts_of
from inspector.presentation.channel_status import channel_records
from inspector.presentation.source_status import alert_records, source_records
from inspector.privacy.masking import DEFAULT, MASK, Masking
from inspector.privacy.readable_body import value_of
from runtime.dry_run import DryRunResult

MAX_LEVELS = 100
"""Limit on the levels of a body that is shown as JSON: many programs cannot read a value that is nested deeper."""

_PERSONAL = frozenset(field.name for field in fields() if field.is_personal)


def letter_record(letter: DeadLetter, *, shown: Callable[[str], str] = DEFAULT.text) -> dict[str, Any]:
    """Every field of a dead letter; `shown` masks personal data in texts from outside."""
    return {
        **msgspec.to_builtins(letter),
        "event": shown(letter.event),
        "event_hint": shown(letter.event_hint),
        "about": shown(letter.about),
        "error": shown(letter.error),
        "path": shown(letter.path),
        "headers": shown(letter.headers),
        "attempts": [_attempt_record(attempt, shown) for attempt in letter.attempts],
    }


def page_entry_record(entry: PageEntry, *, masking: Masking = DEFAULT) -> dict[str, Any]:
    """Return one letter of a list. `cursor` is the position where the next page begins."""
    return {**letter_record(entry.letter, shown=masking.text), "cursor": entry.cursor}


def page_record(page: Page, *, masking: Masking = DEFAULT) -> list[dict[str, Any]]:
    """A page as one array."""
    return [page_entry_record(entry, masking=masking) for entry in page.entries]


def stored_letter_record(
    stored_letter: StoredDeadLetter, *, reveal: bool = False, masking: Masking = DEFAULT
) -> dict[str, Any]:
    """A dead letter with its body. `body` is null if it is neither JSON nor a form, or has more than `MAX_LEVELS`
    levels; `body_base64` has the exact bytes if revealed."""
    shown = str if reveal else masking.texts_of(stored_letter.body)
    letter = letter_record(stored_letter.letter, shown=shown)
    notes = [{"at_ms": note.at_ms, "by": note.by, "text": shown(note.text)} for note in stored_letter.notes]
    record = {**letter, "notes": notes, "body_bytes": len(stored_letter.body), "body": None}
    try:
        body = value_of(stored_letter.body) if reveal else masking.body(stored_letter.body)
    except (ValueError, RecursionError):
        body = None
    record["body"] = body if _is_within(MAX_LEVELS, body) else None
    if reveal:
        record["body_base64"] = base64.b64encode(stored_letter.body).decode()
    return record


def _is_within(levels: int, value: Any) -> bool:
    """Return whether a JSON value is nested at most `levels` deep."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_within(levels - 1, each) for each in inner)


def group_state_record(state: GroupState, *, now_ms: int, masking: Masking = DEFAULT) -> dict[str, Any]:
    """The decisions of people about a failure group."""
    decisions = msgspec.structs.asdict(state)
    return {"name": state.name(now_ms), **decisions, "note": masking.text(state.note)}


def group_record(group: Group, *, now_ms: int, masking: Masking = DEFAULT) -> dict[str, Any]:
    """A failure group, one of its letters, and what people decided about it. now_ms: by the clock of Redis."""
    return {
        "fingerprint": group.fingerprint,
        "count": group.count,
        "first_seen_ms": group.first_ms,
        "last_seen_ms": group.last_ms,
        "last_24_hours": list(group.hours),
        "sample": letter_record(group.sample, shown=masking.text),
        "state": group_state_record(group.state, now_ms=now_ms, masking=masking),
    }


def action_record(action: Action, *, now_ms: int = 0, masking: Masking = DEFAULT) -> dict[str, Any]:
    """A bulk action and its progress. A search is masked, since it may be an e-mail address.

    `state`: running, stopped, done or interrupted. Interrupted needs `now_ms`, by the clock of Redis.
    """
    order, criteria = action.request, filter_of(action.request).criteria()
    return {
        "id": action.id,
        "verb": order.verb,
        "by": order.by,
        "state": "interrupted" if action.is_interrupted(now_ms) else action.state,
        "selected": action.selected,
        "done": action.done,
        "missing": action.missing,
        "passed": action.passed,
        "failed": action.failed,
        "why": [{**msgspec.to_builtins(why), "error": masking.text(why.error)} for why in action.causes],
        "ids": list(order.ids),
        "filter": {name: _filter_value(name, value, masking) for name, value in criteria.items()},
        "rate_per_s": order.rate_per_s,
        "note": masking.text(order.note),
        "began_ms": action.began_ms,
        "ended_ms": action.ended_ms,
    }


def dry_run_record(result: DryRunResult) -> dict[str, Any]:
    """The result of a dry run: `passes`, or the `reason`, `error` and so on of the dead letter that would result.

    `notifications`: those that would be sent, and those that would fail, each with its `error`. Nothing is masked
    here, so the result must be masked already.
    """
    return cast("dict[str, Any]", msgspec.to_builtins(result))


def audit_entry_record(recorded: StoredAuditEntry, *, masking: Masking = DEFAULT) -> dict[str, Any]:
    """An audit entry. `id` is where the page after it begins."""
    audit_entry = recorded.audit_entry
    return {
        "id": recorded.id,
        "at_ms": recorded.at_ms,
        "by": audit_entry.by,
        "what": audit_entry.what,
        "about": masking.text(audit_entry.about),
        "details": {name: masking.text(value) for name, value in audit_entry.details.items()},
    }


def status_record(status: Status) -> dict[str, Any]:
    """The whole status in one object. Only sources, alerts, channels and other lists are nested."""
    totals, backlog, redis = status.totals, status.backlog, status.redis
    counters = msgspec.to_builtins(totals)
    refused = counters.pop("refused")
    return {
        **counters,
        "bodies_add_up": totals.bodies_add_up(),
        "notifications_add_up": status.notifications_add_up(),
        "waiting_missing": status.waiting.missing,
        **{f"waiting_for_{cause}": count for cause, count in counts_of(status.waiting.causes)},
        "waiting_is_estimated": status.waiting.is_estimated,
        "retries_overdue": status.waiting.causes.retries_overdue,
        "retries_next_due_ms": status.waiting.causes.next_retry_ms,
        "refused": sum(refused.values()),
        **{f"refused_{code}": count for code, count in sorted(refused.items())},
        "queue_entries": backlog.entries,
        "queue_bodies": totals.queued,
        "queue_oldest_ms": backlog.oldest_ms,
        "jobs": backlog.jobs,
        "jobs_due": backlog.jobs_due,
        "jobs_next_due_ms": backlog.next_due_ms,
        **{f"waiting_{when}": count for when, count in msgspec.structs.asdict(status.schedule).items()},
        "workers": status.workers,
        "worker_configs": status.configs,
        "dead_letters": status.dead_letters,
        "redis_version": redis.version_text(),
        "redis_persistence": redis.persistence,
        "redis_memory_bytes": redis.used_memory_bytes,
        "redis_memory_limit_bytes": redis.max_memory_bytes,
        "redis_risks": status.risks,
        "spilled_bodies": sum(seen.bodies for seen in status.spilled.values()),
        "spilled": [{"place": place, **msgspec.to_builtins(seen)} for place, seen in status.spilled.items()],
        "set_aside": [msgspec.to_builtins(key) for key in status.set_aside],
        "sources": source_records(status),
        "alerts_now": alert_records(status),
        "channels": channel_records(status.channels, status.at_ms),
        "is_complete": status.is_complete(),
        "partitions": [msgspec.to_builtins(partition) for partition in status.partitions],
        "clocks_off": [msgspec.to_builtins(one) for one in status.clocks],
    }


def _filter_value(name: str, value: Any, masking: Masking) -> Any:
    """A field of a filter. What may be personal data, such as a search for an e-mail address, is masked."""
    if name in _PERSONAL:
        return MASK
    return masking.text(value) if isinstance(value, str) else value


def _attempt_record(attempt: Attempt, shown: Callable[[str], str]) -> dict[str, Any]:
    return {
        "at_ms": attempt.at_ms,
        "took_ms": attempt.took_ms,
        "outcome": attempt.outcome,
        "error": shown(attempt.error),
        "answer": shown(attempt.answer),
    }
