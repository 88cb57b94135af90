"""The metrics and the health of a worker process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.monitoring.series import LATENCY_S, QUEUE_AGE_S
from runtime.metrics.declaration import Metric, Sample, Samples
from worker.counters import ATTEMPT_S, Counters
from worker.delivery.capacity.job_room import JobRoom
from worker.health import Health
from worker.settings import Settings

if TYPE_CHECKING:
    from runtime.tracing.tracer import Tracer

BODIES = Metric(
    "hookline_worker_bodies_total",
    "counter",
    "Bodies that the process committed: processed, duplicate, dead_at_intake",
    ("outcome",),
)
QUEUE_AGE = Metric(
    "hookline_worker_queue_age_seconds",
    "histogram",
    "Seconds from the write of a body to Redis until intake reads it",
    bounds=QUEUE_AGE_S,
)
NOTIFICATIONS = Metric(
    "hookline_worker_notifications_total",
    "counter",
    "Notifications by outcome: sent, skipped, dead, and retry for each that is to be tried again",
    ("rule", "channel", "outcome"),
)
ATTEMPTS = Metric(
    "hookline_worker_attempt_duration_seconds",
    "histogram",
    "Seconds that an attempt took, with rendering and lookups; outcome: sent, retry, dead",
    ("channel", "outcome"),
    ATTEMPT_S,
)
LATENCY = Metric(
    "hookline_worker_delivery_latency_seconds",
    "histogram",
    "Seconds from the receipt of a webhook until its notification was sent, with all waits; no digests",
    ("channel",),
    LATENCY_S,
)
CHANNEL_OPEN = Metric(
    "hookline_worker_channel_open",
    "gauge",
    "1 if the process sends nothing or only probes: the breaker is open or half-open, or the channel is paused",
    ("channel",),
)
RUNNING_JOBS = Metric("hookline_worker_running_jobs", "gauge", "Jobs that the process runs")
PARTITIONS = Metric("hookline_worker_partitions", "gauge", "Partitions that the process reads")
METRICS = (
    BODIES,
    QUEUE_AGE,
    NOTIFICATIONS,
    ATTEMPTS,
    LATENCY,
    CHANNEL_OPEN,
    RUNNING_JOBS,
    PARTITIONS,
)


class Vitals:
    """The counters, the jobs and the health of one process. They exist before it is connected to Redis."""

    def __init__(self, settings: Settings, tracer: Tracer | None = None) -> None:
        """tracer: None without traces."""
        self.tracer = tracer
        self.counters = Counters()
        self.health = Health(settings)
        self.room = JobRoom(max_jobs=settings.max_jobs)

    async def reasons(self) -> list[str]:
        """Return why the process is not ready; empty if it is."""
        return self.health.reasons()

    def samples(self) -> Samples:
        """Return the values of all metrics."""
        counters, room = self.counters, self.room
        is_open: dict[str, bool] = {}
        for partition in room.partitions():
            for runtime in partition.channels.all():
                is_open[runtime.name] = is_open.get(runtime.name, False) or runtime.state != "closed"
        return {
            BODIES.name: [Sample(count, (outcome,)) for outcome, count in counters.bodies.items()],
            QUEUE_AGE.name: [counters.queue_age_s.sample()],
            NOTIFICATIONS.name: [Sample(count, labels) for labels, count in counters.notifications.items()],
            ATTEMPTS.name: [histogram.sample(*labels) for labels, histogram in counters.attempt_s.items()],
            LATENCY.name: [histogram.sample(channel) for channel, histogram in counters.latency_s.items()],
            CHANNEL_OPEN.name: [Sample(float(here), (channel,)) for channel, here in sorted(is_open.items())],
            RUNNING_JOBS.name: [Sample(room.running())],
            PARTITIONS.name: [Sample(len(room.partitions()))],
        }
