"""The spans of intake: one for each batch that has traced bodies, and one for each of these bodies.

Only imported if traces are switched on, because it needs the extra `otel`.
"""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.trace import Span, SpanKind

from broker.dead_letters import StoredDeadLetter
from broker.queue.batch import RawBody
from broker.queue.stream import Entry
from runtime.tracing import tracer
from runtime.tracing.context import TRACEPARENT
from runtime.tracing.tracer import Tracer
from worker.intake.match import MatchedEvent


class IntakeTraces:
    """Begins the spans of batches. The span of a batch is in the trace of its first traced body."""

    def __init__(self, spans: Tracer) -> None:
        self._tracer = spans

    def begin(
        self,
        entry: Entry,
        bodies: Sequence[RawBody],
        planned: Sequence[MatchedEvent | StoredDeadLetter],
        started_ns: int,
    ) -> list[Span]:
        """Return the spans of an entry; nothing if none of its bodies is traced. planned: the result of each."""
        traced = [(body, plan) for body, plan in zip(bodies, planned, strict=True) if TRACEPARENT in body.headers]
        if not traced:
            return []
        batch = self._tracer.child(
            traced[0][0].headers,
            "intake of a batch",
            SpanKind.CONSUMER,
            {"hookline.batch": entry.id, "messaging.batch.message_count": len(bodies)},
            links=tracer.links_to([body.headers for body, _ in traced], "batch"),
            started_ns=started_ns,
        )
        spans: list[Span] = [batch]
        for body, plan in traced:
            links = [tracer.link_to(batch, "batch")]
            if entry.any_age:
                links += tracer.links_to([body.headers], "replay")
            span = self._tracer.child(
                body.headers,
                f"intake {body.source}",
                SpanKind.CONSUMER,
                {"hookline.source": body.source, "hookline.batch": entry.id},
                links=links,
                started_ns=started_ns,
            )
            if isinstance(plan, StoredDeadLetter):
                span.set_attribute("hookline.dead_letter", plan.letter.id)
                tracer.fail(span, plan.letter.reason)
            else:
                span.set_attribute("hookline.notifications", len(plan.notifications))
            spans.append(span)
        return spans
