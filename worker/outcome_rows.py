"""The rows of the history that delivery writes: how attempts ended. Pure."""

from __future__ import annotations

from broker.history.records import MAX_TEXT, OutcomeRecord
from broker.queue.jobs import Attempt, Notification
from worker.outcome import Dead, Outcome, Retry, Sent, Skipped, without_values


def outcome_row(
    notification: Notification, outcome: Outcome, now_ms: int, *, next_ms: int = 0, letter: str = ""
) -> OutcomeRecord:
    """The row of an attempt that ended at `now_ms`. next_ms: when the next is due; letter: a dead letter's id."""
    key = notification.key
    match outcome:
        case Sent(status=status, took_ms=took_ms):
            return OutcomeRecord(key, "sent", now_ms, took_ms, status)
        case Skipped(reason=reason):
            return OutcomeRecord(key, "skipped", now_ms, 0, 0, reason)
        case Retry(error=error, status=status):
            attempt = _last_attempt(notification)
            return OutcomeRecord(key, "retry", now_ms, attempt.took_ms, status, error[:MAX_TEXT], next_ms)
        case Dead(status=status):
            attempt = _last_attempt(notification)
            text = without_values(outcome)[:MAX_TEXT]
            return OutcomeRecord(key, "dead", now_ms, attempt.took_ms, status, text, letter=letter)
        case _:
            return OutcomeRecord(key, "later", now_ms, next_ms=next_ms)


def _last_attempt(notification: Notification) -> Attempt:
    """The attempt that just ended. A notification may die without one, for example of an unknown channel."""
    return notification.attempts[-1] if notification.attempts else Attempt(0, 0, "", "")
