"""Spans of OpenTelemetry. Imported only if traces are switched on, because it needs the extra `otel`."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from runtime.tracing.context import LAST_ATTEMPT, TRACEPARENT, line

_CLOSES_WITHIN_S = 3.0
_SAMPLER = "OTEL_TRACES_SAMPLER"
_SERVICE = "OTEL_SERVICE_NAME"
_LINK = "hookline.link"
_MOST_LINKS = 16

_propagator = TraceContextTextMapPropagator()


def open_tracer(part: str, sample_ratio: float) -> Tracer:
    """Return a tracer that exports by OTLP over HTTP, as the standard variables OTEL_... say.

    part: receiver or worker. sample_ratio: share of the webhooks that are traced, 0 to 1, if they come without a
    trace context; OTEL_TRACES_SAMPLER wins over it. Must be called in the process that uses it, not before a fork.
    """
    return Tracer(part, BatchSpanProcessor(OTLPSpanExporter()), sample_ratio)


class Tracer:
    """Makes the spans of one process."""

    def __init__(self, part: str, processor: SpanProcessor, sample_ratio: float = 1.0) -> None:
        name = {} if os.environ.get(_SERVICE) else {"service.name": f"hookline-{part}"}
        resource = Resource.create({**name, "service.version": version("hookline")})
        sampler = None if os.environ.get(_SAMPLER) else ParentBased(TraceIdRatioBased(sample_ratio))
        self._provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("hookline")

    def close(self) -> None:
        """Export what is left; takes at most a few seconds, and loses it after that."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSES_WITHIN_S)

    def receive(self, source: str, incoming: str | None, started_ns: int) -> Span:
        """Begin the span of a request that is verified. incoming: its own traceparent, which is continued."""
        context = _propagator.extract({TRACEPARENT: incoming}) if incoming else None
        return self._tracer.start_span(
            f"POST /webhooks/{source}",
            context,
            SpanKind.SERVER,
            {"http.request.method": "POST", "hookline.source": source},
            start_time=started_ns,
        )

    def child(
        self,
        headers: str,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, str | int | bool],
        *,
        links: Sequence[Link] = (),
        started_ns: int | None = None,
    ) -> Span:
        """Begin a span in the trace of the body with these headers."""
        parent = _propagator.extract({TRACEPARENT: line(headers, TRACEPARENT)})
        return self._tracer.start_span(name, parent, kind, attributes, links, start_time=started_ns)


def traceparent(span: Span) -> str:
    """Return the context of a span as a header; "" if the span is not recorded."""
    if not span.is_recording():
        return ""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def span_id(span: Span) -> str:
    """Return the id of a span as 16 digits."""
    return f"{span.get_span_context().span_id:016x}"


def links_to(each_headers: Sequence[str], why: str) -> list[Link]:
    """Return links to the spans of the receiver for these bodies, of at most 16 that are traced."""
    contexts = (_context(line(headers, TRACEPARENT)) for headers in each_headers)
    return [Link(context, {_LINK: why}) for context in contexts if context][:_MOST_LINKS]


def link_to(span: Span, why: str) -> Link:
    """Return a link to a span of this process."""
    return Link(span.get_span_context(), {_LINK: why})


def link_to_last_attempt(headers: str, why: str) -> list[Link]:
    """Return a link to the last attempt that failed; nothing for the first attempt."""
    try:
        last = int(line(headers, LAST_ATTEMPT) or "0", 16)
    except ValueError:
        return []
    context = _context(line(headers, TRACEPARENT))
    if context is None or not 0 < last < 2**64:
        return []
    return [Link(SpanContext(context.trace_id, last, is_remote=True, trace_flags=TraceFlags(1)), {_LINK: why})]


def fail(span: Span, error: str) -> None:
    """Mark a span as failed, for this reason."""
    span.set_status(Status(StatusCode.ERROR, error))


def _context(parent: str) -> SpanContext | None:
    context = get_current_span(_propagator.extract({TRACEPARENT: parent})).get_span_context()
    return context if context.is_valid else None
