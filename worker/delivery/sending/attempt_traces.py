"""The span of an attempt, in the trace of the webhook. A retry or a replay is linked to the attempt before it.

Only imported if traces are switched on, because it needs the extra `otel`.
"""

from __future__ import annotations

from msgspec import structs
from opentelemetry.trace import Link, Span, SpanKind

from broker.queue.jobs import Notification, NotifyJob
from broker.steps import digests
from runtime.tracing import tracer
from runtime.tracing.context import LAST_ATTEMPT, TRACEPARENT, with_line
from runtime.tracing.tracer import Tracer
from worker.outcome import Dead, Outcome, Retry


class AttemptSpan:
    """The span of one attempt, until its outcome is known."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.traceparent = tracer.traceparent(span)
        """The context for the target of the notification; "" if the span is not recorded."""

    def end(self, notification: Notification, outcome: Outcome) -> Notification:
        """End the span. Returns the notification, to whose next attempt this one is linked if it failed."""
        self._span.set_attribute("hookline.outcome", type(outcome).__name__.lower())
        if not isinstance(outcome, Retry | Dead):
            self._span.end()
            return notification
        self._span.set_attribute("error.type", outcome.error_class)
        tracer.fail(self._span, outcome.error_class)
        self._span.end()
        headers = with_line(notification.body.headers, LAST_ATTEMPT, tracer.span_id(self._span))
        return structs.replace(notification, body=structs.replace(notification.body, headers=headers))


class AttemptTraces:
    """Begins the spans of attempts."""

    def __init__(self, spans: Tracer) -> None:
        self._tracer = spans

    def begin(self, job: NotifyJob, notification: Notification) -> AttemptSpan | None:
        """Begin the span of an attempt; None if the webhook is not traced."""
        headers = notification.body.headers
        if TRACEPARENT not in headers:
            return None
        attributes: dict[str, str | int | bool] = {
            "hookline.source": notification.body.source,
            "hookline.event": notification.event,
            "hookline.rule": notification.rule,
            "hookline.channel": job.channel,
            "hookline.attempt": job.attempt,
            "hookline.key": notification.key,
        }
        links = tracer.link_to_last_attempt(headers, "retry" if job.attempt > 1 else "replay")
        links += _digested(notification)
        name = f"notify {job.channel}"
        return AttemptSpan(self._tracer.child(headers, name, SpanKind.CLIENT, attributes, links=links))


def _digested(notification: Notification) -> list[Link]:
    """Return links to the webhooks of a digest, whose own trace is that of its first event."""
    if not notification.digest:
        return []
    members = digests.members(notification.body.body)
    return tracer.links_to([member.headers for member in members], "digest")
