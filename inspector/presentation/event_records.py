"""Events of the history as JSON and as texts for people. Times are ms since 1970."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from broker.history.query import State, Traced, TracedEvent
from broker.history.records import OutcomeRecord
from inspector.formatting import span
from inspector.operations.history.events import EventPage
from inspector.privacy.masking import DEFAULT, Masking

_ATTEMPTS: Mapping[str, str] = {
    "sent": "sent",
    "skipped": "skipped",
    "dead": "died",
    "retry": "failed",
    "later": "waits",
}

MEANINGS: Mapping[State, str] = {
    "sent": "sent",
    "skipped": "skipped: no longer wanted",
    "dead": "dead letter",
    "retrying": "failed, will be tried again",
    "waiting": "waits, for example for the end of quiet hours",
    "queued": "queued",
    "held": "held: its channel sends nothing now",
    "digest": "joined a digest",
    "duplicate": "duplicate: nothing was sent for it again",
    "unmatched": "no rule matched",
}


def event_page_record(page: EventPage, *, masking: Masking = DEFAULT) -> dict[str, Any]:
    """A page of events; `cursor` starts the next one, "" on the last page."""
    return {
        "events": [event_record(traced, page.held, masking=masking) for traced in page.events],
        "cursor": page.cursor,
        "searched_to_ms": page.searched_to_ms,
    }


def event_record(traced: TracedEvent, held: Collection[str], *, masking: Masking = DEFAULT) -> dict[str, Any]:
    """An event with its notifications and their attempts. Texts of payloads are masked."""
    event = traced.event
    return {
        "position": str(traced.position),
        "at_ms": traced.position.ms,
        "received_at_ms": event.received_at_ms,
        "source": event.source,
        "event": masking.text(event.event),
        "id": masking.text(event.id),
        "about": masking.text(traced.about),
        "states": sorted(traced.states(held)),
        "events_in_digest": event.members,
        "dead_letter": event.letter,
        "notifications": [_notification_record(each, held, masking) for each in traced.notifications],
    }


def _notification_record(notification: Traced, held: Collection[str], masking: Masking) -> dict[str, Any]:
    return {
        "rule": notification.rule,
        "channel": notification.channel,
        "key": notification.key,
        "state": notification.state(held),
        "attempts": [_attempt_record(outcome, masking) for outcome in notification.outcomes],
    }


def _attempt_record(outcome: OutcomeRecord, masking: Masking) -> dict[str, Any]:
    return {
        "outcome": outcome.kind,
        "at_ms": outcome.at_ms,
        "took_ms": outcome.took_ms,
        "status": outcome.status,
        "text": masking.text(outcome.text),
        "next_ms": outcome.next_ms,
        "dead_letter": outcome.letter,
    }


def attempt_text(outcome: OutcomeRecord, *, now_ms: int, masking: Masking = DEFAULT) -> str:
    """One attempt for people: `failed in 12 ms: answered 503, next in 5 min`."""
    text = _ATTEMPTS.get(outcome.kind, outcome.kind)
    if outcome.kind in ("sent", "retry", "dead") and outcome.took_ms:
        text += f" in {span(outcome.took_ms)}"
    details = [masking.text(outcome.text)] if outcome.text else []
    if outcome.status and outcome.kind == "sent":
        details.append(f"answered {outcome.status}")
    if outcome.next_ms > now_ms:
        details.append(f"next in {span(outcome.next_ms - now_ms)}")
    if outcome.letter:
        details.append(f"dead letter {outcome.letter}")
    return f"{text}: {', '.join(details)}" if details else text


def state_text(traced: TracedEvent) -> str:
    """Say why an event has no notifications; "" for others."""
    if traced.event.letter:
        return f"dead letter {traced.event.letter}"
    if traced.fate == "r":
        return "redelivered: its dead notifications are tried again"
    if traced.fate == "d":
        return MEANINGS["duplicate"]
    return "" if traced.notifications else MEANINGS["unmatched"]
