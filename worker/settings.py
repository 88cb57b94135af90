"""The `[worker]` and `[alerts]` sections."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How bodies become notifications."""

    processes: Count = 1
    """Worker processes."""

    max_jobs: Count = 16
    """Notify jobs that one process runs at a time; each carries up to 64 notifications."""

    lease_s: Annotated[float, Meta(ge=1)] = 15.0
    """Seconds after which the jobs of a dead worker are run by another. At least three times the longest stall."""

    takeover_s: Annotated[float, Meta(ge=1)] = 30.0
    """Seconds after which the batches of a dead worker are taken over."""

    max_deliveries: Count = 3
    """Deliveries without a commit after which a batch is split; a single body becomes a dead letter (poison)."""

    unrecognized_grace_s: Annotated[float, Meta(ge=0)] = 900.0
    """Seconds for which what a worker does not understand (a newer version's batch or job, a source, channel or
    rule that its config lacks) is left to other workers; then it is a dead letter. 0 makes it one at once."""

    max_waiting: Count = 1_000_000
    """Waiting notifications at which intake pauses; the webhooks then wait in the stream, at the same cost."""

    max_future_s: Annotated[float, Meta(ge=0)] = 300.0
    """Seconds by which an event's own time may be ahead of its receipt. One further ahead counts as of its receipt
    for `latest_only`, and `hookline drift` shows it."""

    drift_every: Count = 100
    """One event in so many of each name is looked at for schema drift, and the first of each name."""

    stop_grace_s: Seconds = 20.0
    """Seconds that work under way gets to finish on SIGTERM. A second SIGTERM ends at once."""

    stall_s: Seconds = 60.0
    """A process whose event loop stands still for longer ends itself, so that others take its work over."""


class AlertSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How people are told what they should look at: an outage, silence, refused webhooks, drift, dead letters."""

    channel: str = ""
    """Name of the channel that carries alerts; without one they stand in the log, `status` and /metrics only."""

    period_s: Annotated[float, Meta(ge=1)] = 1800.0
    """Seconds before people are told again of the same alert about the same source."""

    dead_new: bool = True
    """Whether to tell of a new group of dead letters: of one that nothing died with for a month."""

    dead_per_minute: Annotated[float, Meta(ge=0)] = 0.0
    """Dead letters a minute, on average of the last five, from which on they are told. 0 for never."""

    dead_total: Annotated[int, Meta(ge=0)] = 0
    """Dead letters that lie there at a time, from which on they are told. 0 for never."""
