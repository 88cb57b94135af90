"""A configured source, as the worker needs it."""

from __future__ import annotations

from msgspec import Struct

from sources.api import Settings as ApiSettings
from sources.provider import Provider


class WorkerSource(Struct, frozen=True):
    """The settings of a source that a worker needs."""

    kind: Provider
    dedupe_window_days: int
    api: ApiSettings | None = None
    max_event_age_s: float = 0.0
    expect_every_s: float = 0.0
