"""The `[worker]` and `[alerts]` sections."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[worker]` section: how bodies become notifications."""

    processes: Count = 1
    """Number of worker processes. Defaults to 1."""

    port: Annotated[int, Meta(ge=0, le=65535)] | None = None
    """Port for /healthz, /readyz and /metrics, which need no login; 0 for any free port. All worker processes of
    one `hookline worker` share it. Not set, which is the default: they are not served."""

    host: str = "127.0.0.1"
    """Address to listen on for `port`: 0.0.0.0 for all IPv4 interfaces, :: for all interfaces."""

    max_jobs: Count = 16
    """Notify jobs that one process runs at a time, each with up to 64 notifications; eight small jobs count as
    one. Defaults to 16. Slow jobs do not count fully: a process may run up to twice as many, and one for each
    channel that hangs."""

    lease_s: Annotated[float, Meta(ge=1)] = 15.0
    """Seconds after which another worker runs the jobs of a dead one. Defaults to 15. Set it to at least three
    times the longest time for which a process may stall."""

    takeover_s: Annotated[float, Meta(ge=1)] = 30.0
    """Seconds after which another worker takes over the batches of a dead one. Defaults to 30."""

    max_deliveries: Count = 3
    """Deliveries without a commit after which a batch is split into single bodies, and a single body becomes a
    dead letter (poison). Defaults to 3."""

    unrecognized_grace_s: Annotated[float, Meta(ge=0)] = 900.0
    """Seconds for which a worker leaves a batch or job that it does not recognize to other workers: one of a newer
    version, or with a source, channel or rule that its config lacks. After that it is a dead letter. Defaults to
    900; with 0 it becomes a dead letter immediately."""

    max_waiting: Count = 1_000_000
    """Number of waiting notifications at which intake pauses. Defaults to 1,000,000. Webhooks beyond it wait in
    the stream, where they need as much memory."""

    max_future_s: Annotated[float, Meta(ge=0)] = 300.0
    """Seconds by which an event's own time may be later than its receipt. Defaults to 300. An event beyond that
    counts as of its receipt for `latest_only`, and `hookline drift` shows it."""

    drift_every: Count = 100
    """Share of events that are checked for schema drift: the first of each name, and then one in this many.
    Defaults to 100."""

    stop_grace_s: Seconds = 20.0
    """Seconds that running work may take to finish after SIGTERM; then it is left to other workers. Defaults to
    20. A second SIGTERM ends the process immediately."""

    stall_s: Seconds = 60.0
    """Seconds for which the event loop may be blocked. Defaults to 60. After that the process ends itself, and
    other workers take over its work."""


class AlertSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[alerts]` section: alerts about outages, silence, refused webhooks, schema drift and dead letters."""

    channel: str = ""
    """Name of the channel that sends alerts. Without one, which is the default, alerts only appear in the log, in
    `hookline status` and in /metrics."""

    period_s: Annotated[float, Meta(ge=1)] = 1800.0
    """Seconds until an alert that still holds is sent again. Defaults to 1800."""

    queue_age_s: Annotated[float, Meta(ge=0)] = 60.0
    """Seconds that a webhook may wait in the queue, and a due notification for a worker, before an alert is sent.
    Defaults to 60; 0 turns these two alerts off, and the one about late digests."""

    channel_failing_s: Annotated[float, Meta(ge=0)] = 60.0
    """Seconds for which every send through a channel may fail before an alert is sent. Defaults to 60; 0 turns
    this alert off."""

    channel_paused_s: Annotated[float, Meta(ge=0)] = 900.0
    """Seconds for which a person may pause a channel before an alert is sent. Defaults to 900; 0 turns this alert
    off."""

    memory_share: Annotated[float, Meta(ge=0, le=1)] = 0.8
    """Share of its memory limit that Redis may use before an alert is sent. Defaults to 0.8; 0 turns this alert
    off."""

    dead_new: bool = True
    """True if to send an alert when a failure group is new: one without any dead letter for a month. Defaults to
    true."""

    dead_per_minute: Annotated[float, Meta(ge=0)] = 0.0
    """Number of new dead letters a minute, averaged over five minutes, from which on an alert is sent. Defaults to
    0, which turns this alert off."""

    dead_total: Annotated[int, Meta(ge=0)] = 0
    """Number of stored dead letters from which on an alert is sent. Defaults to 0, which turns this alert off."""
