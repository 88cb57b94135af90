"""The keys of the history of events."""

from __future__ import annotations

from typing import Annotated

from broker.redis.declared_keys.key import Key


class HistoryKeys:
    """A part of `broker.redis.keys.Names`."""

    history: Annotated[str, Key("history", "stream", "worker", expires="a month", bound="about 200,000 blocks")]
    """Records of steps with events and notifications, before they are sealed: see broker/history."""
    history_segments: Annotated[
        str, Key("history:segments", "hash", "worker", expires="history.keep_days + 1 day", bound="history.max_mb")
    ]
    """Descriptions of the sealed segments of the history: see broker/history/segments.py."""
    history_segment: Annotated[
        str,
        Key("history:segment:{id}", "hash", "worker", expires="history.keep_days + 1 day", bound="history.max_mb"),
    ]
    """The events of one sealed segment, and their index."""
    history_lease: Annotated[str, Key("history:lease", "string", "worker", expires="a minute")]
    """The lease of the worker that seals the history now."""
