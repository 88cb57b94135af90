"""The trace context of a body. It travels as a line among the kept headers of the request.

`traceparent` is the context that the W3C defines: the receiver writes the one of its own span, which is the parent
of everything that follows. `hookline-attempt` is the id of the span of the last attempt that failed, to which a
retry or a replay is linked. A body without a traceparent is not traced.
"""

from __future__ import annotations

TRACEPARENT = "traceparent"
LAST_ATTEMPT = "hookline-attempt"


def line(headers: str, name: str) -> str:
    """Return the value of a header in lines of `name: value`; "" without it."""
    if name not in headers:
        return ""
    start = f"{name}: "
    return next((text[len(start) :] for text in headers.split("\n") if text.startswith(start)), "")


def with_line(headers: str, name: str, value: str) -> str:
    """Return the lines with this value for a header; "" removes it."""
    kept = [text for text in headers.split("\n") if text and not text.startswith(f"{name}: ")]
    return "\n".join([*kept, f"{name}: {value}"] if value else kept)


def trace_id_of(headers: str) -> str:
    """Return the id of the trace of a body, as 32 digits; "" if it is not traced."""
    parts = line(headers, TRACEPARENT).split("-")
    return parts[1] if len(parts) == 4 else ""
