"""The span of a webhook at the receiver, whose context is stored with the body.

Only imported if traces are switched on, because it needs the extra `otel`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import structs

from broker.queue.batch import RawBody
from receiver.errors import RejectedError
from runtime.tracing.context import TRACEPARENT, with_line
from runtime.tracing.tracer import Tracer, fail, traceparent

_STATUS = "http.response.status_code"


class ReceiveTraces:
    """Makes the spans of verified webhooks. Others have none: only a sender with the secret may cause traces."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    async def store(
        self, body: RawBody, incoming: str | None, started_ns: int, store: Callable[[RawBody], Awaitable[None]]
    ) -> None:
        """Store a body by `store`, with the context of its span if the webhook is sampled.

        incoming: the traceparent of the request. started_ns: when the request was read, in ns since 1970. Raises
        RejectedError.
        """
        span = self._tracer.receive(body.source, incoming, started_ns)
        try:
            headers = with_line(body.headers, TRACEPARENT, traceparent(span))
            await store(structs.replace(body, headers=headers))
        except RejectedError as rejection:
            span.set_attribute(_STATUS, rejection.status)
            fail(span, rejection.reason)
            raise
        else:
            span.set_attribute(_STATUS, 202)
        finally:
            span.end()
