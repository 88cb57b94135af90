"""The rows of the history that delivery writes: how attempts ended. Pure."""

from __future__ import annotations

from broker.history.records import MAX_TEXT, OutcomeRow
from broker.queue.jobs import Attempt, Notification
from worker.outcome import Dead, Outcome, Retry, Sent, Skipped, without_values


def outcome_row(
    notification: Notification, outcome: Outcome, now_ms: int, *, next_ms: int = 0, letter: str = ""
) -> OutcomeRow:
    """The row of an attempt that ended at `now_ms`. next_ms: when the next is due; letter: a dead letter's id."""
    key = notification.key
    # Most outcomes are this one, and `match` takes several times as long.
    if type(outcome) is Sent:
        return key, "sent", now_ms, outcome.took_ms, outcome.status, "", 0, ""
    match outcome:
        case Skipped(reason=reason):
            return key, "skipped", now_ms, 0, 0, reason, 0, ""
        case Retry(error=error, status=status):
            took_ms = _last_attempt(notification).took_ms
            return key, "retry", now_ms, took_ms, status, error[:MAX_TEXT], next_ms, ""
        case Dead(status=status):
            text = without_values(outcome)[:MAX_TEXT]
            return key, "dead", now_ms, _last_attempt(notification).took_ms, status, text, 0, letter
        case _:
            return key, "later", now_ms, 0, 0, "", next_ms, ""


def _last_attempt(notification: Notification) -> Attempt:
    """The attempt that just ended. A notification may die without one, for example of an unknown channel."""
    return notification.attempts[-1] if notification.attempts else Attempt(0, 0, "", "")
