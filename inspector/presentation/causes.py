"""The causes for which notifications wait, in words and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from broker.queue.waiting.cause import CAUSES, Cause, Causes
from broker.queue.waiting.counts import Waiting
from inspector.formatting import span

MEANINGS: Mapping[Cause, str] = {
    "queued": "queued or being sent",
    "retry": "for another attempt",
    "quiet_hours": "for the end of quiet hours",
    "rate_limit": "for a rate limit or a slow channel",
    "paused": "for a paused channel",
    "open": "for an open circuit breaker",
    "digest": "for the end of a digest window",
}
"""The meaning of each cause, to be read after a number of notifications."""


def counts_of(causes: Causes) -> Iterator[tuple[Cause, int]]:
    """Yield each cause with its number of notifications."""
    return ((cause, getattr(causes, cause)) for cause in CAUSES)


def causes_text(waiting: Waiting) -> str:
    """The causes that notifications wait for, with their numbers, the largest first; "" if none waits."""
    counts = sorted(counts_of(waiting.causes), key=lambda each: -each[1])
    text = ", ".join(f"{count} {cause_text(cause, waiting.causes)}" for cause, count in counts if count)
    return f"{text} (estimated)" if text and waiting.is_estimated else text


def cause_text(cause: Cause, causes: Causes) -> str:
    """A cause after the number of its notifications; for retries with how many are overdue, or when one is due."""
    details = []
    if cause == "retry" and causes.retries_overdue:
        details.append(f"{causes.retries_overdue} overdue")
    if cause == "retry" and causes.next_retry_ms is not None:
        details.append(f"next in {span(causes.next_retry_ms)}")
    return f"{MEANINGS[cause]} ({', '.join(details)})" if details else MEANINGS[cause]
