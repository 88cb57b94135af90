"""Notifications and jobs after one attempt and before the next. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import structs

from broker.queue.jobs import Attempt, Notification, NotifyJob
from broker.queue.waiting.cause import Deferral
from broker.steps.settle import Retry as RetryJob
from runtime.tracing.context import trace_id_of
from worker.outcome import Dead, Outcome, Retry


def with_only(job: NotifyJob, notifications: list[Notification], attempt: int | None = None) -> NotifyJob:
    """The job with these notifications alone, at its own attempt number or another."""
    return NotifyJob(job.channel, attempt or job.attempt, job.first_try_ms, notifications)


def held_for(job: NotifyJob, ms: int) -> NotifyJob:
    """The job, its retry horizon extended by the time for which it was held."""
    return NotifyJob(job.channel, job.attempt, job.first_try_ms + ms, job.notifications) if ms else job


class NextAttempt(NamedTuple):
    """When the next attempt of a notification is made."""

    attempt: int
    """The number of the attempt (starts at 1)."""

    delay_ms: int
    waits_for: Deferral | None


def retry_job(job: NotifyJob, when: NextAttempt, group: list[tuple[int, Notification]]) -> RetryJob:
    """The job for a group's next attempt."""
    attempt, delay_ms, waits_for = when
    indices = [index for index, _ in group]
    again = with_only(job, [notification for _, notification in group], attempt)
    if attempt == job.attempt:  # it was postponed, which does not use up the horizon
        again = structs.replace(again, first_try_ms=job.first_try_ms + delay_ms)
    return RetryJob(again, delay_ms, indices, waits_for)


def with_attempt(notification: Notification, outcome: Outcome, at_ms: int, took_ms: int) -> Notification:
    """The notification with a failed attempt added to its history."""
    match outcome:
        case Retry(error=error, answer=answer):
            attempt = Attempt(at_ms, took_ms, "retry", error, answer)
        case Dead(reason=reason, error=error, answer=answer):
            attempt = Attempt(at_ms, took_ms, reason, error, answer)
        case _:
            return notification
    return structs.replace(notification, attempts=(*notification.attempts, attempt))


def log_fields(job: NotifyJob, notification: Notification) -> dict[str, Any]:
    """The fields of a notification in every log line."""
    fields: dict[str, Any] = {
        "rule": notification.rule,
        "channel": job.channel,
        "event": notification.event,
        "key": notification.key,
        "attempt": job.attempt,
    }
    if trace_id := trace_id_of(notification.body.headers):
        fields["trace_id"] = trace_id
    return fields
