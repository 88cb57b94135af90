"""Waiting notifications as JSON and as texts for people. Times are ms since 1970."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from broker.queue.waiting.cause import Cause
from broker.waiting.notification import WaitingNotification
from inspector.formatting import age, count_of
from inspector.operations.waiting.change import Changed
from inspector.operations.waiting.find import WaitingListPage
from inspector.privacy.masking import DEFAULT, Masking

_TEXTS: Mapping[Cause, tuple[str, str]] = {
    "queued": ("tried again in {}", "due since {}"),
    "retry": ("attempt {attempt} in {}", "attempt {attempt} due since {}"),
    "quiet_hours": ("quiet hours end in {}", "quiet hours ended {} ago"),
    "rate_limit": ("waits for a slot of its channel", "waits for a slot of its channel since {}"),
    "paused": ("its channel is paused", "its channel is paused; held for {}"),
    "open": ("its channel has an open circuit breaker", "its channel has an open circuit breaker; held for {}"),
    "digest": ("{events} in a digest, window ends in {}", "{events} in a digest, window ended {} ago"),
}
"""For each cause the text before its time, and after it."""

UNREADABLE = "a newer version wrote it, so that this one cannot read it"


def waiting_page_record(page: WaitingListPage, *, masking: Masking = DEFAULT) -> dict[str, Any]:
    """A page of waiting notifications; `cursor` starts the next one, "" on the last page."""
    return {
        "notifications": [waiting_record(waiting, masking=masking) for waiting in page.notifications],
        "cursor": page.cursor,
        "searched_to_ms": page.searched_to_ms,
    }


def waiting_record(waiting: WaitingNotification, *, masking: Masking = DEFAULT) -> dict[str, Any]:
    """A notification that waits. Texts from outside are masked."""
    notification = waiting.notification
    return {
        "id": str(waiting.place),
        "cause": waiting.cause,
        "due_ms": waiting.position.due_ms,
        "channels": list(waiting.channels),
        "rule": notification.rule if notification else "",
        "source": notification.body.source if notification else "",
        "event": event_text(waiting, masking),
        "key": notification.key if notification else "",
        "received_at_ms": notification.body.received_at_ms if notification else 0,
        "attempt": waiting.attempt,
        "error": error_text(waiting, masking),
        "events_in_digest": waiting.events,
        "is_running": waiting.is_running,
    }


def changed_record(result: Changed) -> dict[str, Any]:
    """The result of a change for one notification."""
    return {"id": str(result.place), "outcome": result.outcome, "text": result.text}


def event_text(waiting: WaitingNotification, masking: Masking) -> str:
    """The name of the event, masked; that of the first one for a digest."""
    return masking.text(waiting.notification.event) if waiting.notification else ""


def error_text(waiting: WaitingNotification, masking: Masking) -> str:
    """Why the last attempt failed, masked; "" without one."""
    attempts = waiting.notification.attempts if waiting.notification else ()
    return masking.text(attempts[-1].error) if attempts else ""


def cause_text(waiting: WaitingNotification, now_ms: int) -> str:
    """Say for what it waits, and how long: `attempt 3 in 40 s`."""
    if waiting.is_running:
        return "is being sent now"
    in_ms = waiting.position.due_ms - now_ms
    before, after = _TEXTS[waiting.cause]
    return (before if in_ms > 0 else after).format(
        age(abs(in_ms)), attempt=waiting.attempt, events=count_of(waiting.events, "event")
    )
