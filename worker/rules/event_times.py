"""Rules about the time of an event: too far in the future, too old, and how long it is remembered. Pure."""

from __future__ import annotations

from broker.queue.batch import RawBody
from sources.event import Event


def is_future(event: Event, body: RawBody, max_future_s: float) -> bool:
    """Return whether an event's time is later than its receipt by more than clocks may differ."""
    return event.occurred_at_ms is not None and event.occurred_at_ms > body.received_at_ms + max_future_s * 1000


def staleness(event: Event, body: RawBody, max_age_s: float) -> str:
    """Why an event was too old when it was received; "" where it was not, or has no time."""
    if not max_age_s or event.occurred_at_ms is None:
        return ""
    age_s = (body.received_at_ms - event.occurred_at_ms) / 1000
    if age_s <= max_age_s:
        return ""
    return f"it was {age_s:.0f} s old when it was received, max_event_age_s is {max_age_s:g}"


def window_ms(dedupe_window_days: int, event: Event) -> int:
    """The time in ms for which deduplication remembers an event of a source with this window."""
    window_s = dedupe_window_days * 86_400.0
    return int(min(window_s, event.remember_s or window_s) * 1000)
