"""Metrics of the whole installation, as Redis has them: queues, counters, channels, sources, alerts.

Only the inspector has them, so that the sum over replicas of receivers and workers counts nothing twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial

from broker.queue.channel_state import Channel
from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions
from inspector.http.app_context import Configured
from inspector.http.coalesced_read import CoalescedRead
from inspector.operations.status import Source, Status, read_status
from inspector.presentation.causes import counts_of
from runtime.metrics.declaration import Metric, Sample, Samples
from sources.retry_deadline import tries_left

_STATES = ("closed", "open", "half-open", "paused")
_RECENT_S = 1.0
"""Seconds for which what was read is used again, so that many scrapes cost as much as one."""


def _fleet(name: str, kind: str, text: str, *labels: str) -> Metric:
    return Metric(f"hookline_{name}", kind, text, labels, per_process=False)  # type: ignore[arg-type]


REDIS_UP = _fleet("redis_up", "gauge", "1 if Redis answered this scrape, with all partitions")
PARTITION_UP = _fleet(
    "partition_up", "gauge", "1 if the partition answered this scrape; only with several partitions", "partition"
)
CHANNEL_STATE = _fleet(
    "channel_state", "gauge", "1 for the state that the channel has, 0 for the others", "channel", "state"
)
CHANNEL_HELD = _fleet("channel_held_jobs", "gauge", "Jobs held until the channel is available", "channel")
CHANNEL_FAILURES = _fleet("channel_failures", "gauge", "Failed sends in a row", "channel")
SOURCE_ACCEPTED = _fleet(
    "source_last_accepted_timestamp_seconds", "gauge", "When a webhook was accepted last", "source"
)
SOURCE_FAILING = _fleet(
    "source_failing_seconds", "gauge", "Seconds since the first 5xx after the last 2xx; 0 without one", "source"
)
SOURCE_REFUSED = _fleet(
    "source_refused_seconds", "gauge", "Seconds since the first 4xx after the last 2xx; 0 without one", "source"
)
SOURCE_TRIES = _fleet(
    "source_tries_left", "gauge", "Retries that the provider has left before it gives up", "source"
)
WAITING_FOR = _fleet(
    "waiting_for_notifications", "gauge", "Waiting notifications by what they wait for; estimated if many", "cause"
)
ALERT = _fleet("alert", "gauge", "1 for each current alert", "kind", "source")
HANDLED = _fleet(
    "dead_letters_handled_total", "counter", "Dead letters by how they were handled; they are in died", "outcome"
)

_COUNTERS: tuple[tuple[Metric, Callable[[Status], float]], ...] = (
    (_fleet("bodies_accepted_total", "counter", "Bodies that are stored in Redis"), lambda s: s.totals.accepted),
    (
        _fleet("bodies_processed_total", "counter", "Bodies whose event was new"),
        lambda s: s.totals.processed,
    ),
    (
        _fleet("bodies_duplicate_total", "counter", "Bodies whose event was known"),
        lambda s: s.totals.duplicate,
    ),
    (
        _fleet("notifications_total", "counter", "Notifications that were created"),
        lambda s: s.totals.created,
    ),
    (_fleet("notifications_sent_total", "counter", "Notifications that were sent"), lambda s: s.totals.sent),
    (
        _fleet("notifications_skipped_total", "counter", "Notifications that were no longer wanted"),
        lambda s: s.totals.skipped,
    ),
    (
        _fleet("notifications_retried_total", "counter", "Attempts that failed and were followed by another"),
        lambda s: s.totals.retried,
    ),
    (
        _fleet("dead_letters_died_total", "counter", "Dead letters that ever arose"),
        lambda s: s.totals.died,
    ),
    (_fleet("alerts_total", "counter", "Alerts that were sent"), lambda s: s.totals.alerts),
    (
        _fleet("drift_total", "counter", "Deviations from the models, in samples of webhooks"),
        lambda s: s.totals.drift,
    ),
)
_GAUGES: tuple[tuple[Metric, Callable[[Status], float | None]], ...] = (
    (_fleet("queued_bodies", "gauge", "Bodies that wait for intake"), lambda s: s.totals.queued),
    (_fleet("queued_batches", "gauge", "Batches that wait for intake"), lambda s: s.backlog.entries),
    (
        _fleet("oldest_batch_age_seconds", "gauge", "Age of the oldest batch that waits; 0 for none"),
        lambda s: s.backlog.oldest_ms / 1000,
    ),
    (
        _fleet("waiting_notifications", "gauge", "Notifications that are neither sent, skipped nor dead yet"),
        lambda s: s.totals.waiting,
    ),
    (
        _fleet("due_notifications", "gauge", "Notifications that are due now"),
        lambda s: s.schedule.due_now,
    ),
    (
        _fleet("held_notifications", "gauge", "Notifications whose channel takes none now"),
        lambda s: s.schedule.held,
    ),
    (_fleet("jobs", "gauge", "Jobs in the queue, running ones included"), lambda s: s.backlog.jobs),
    (
        _fleet("oldest_due_job_age_seconds", "gauge", "For how long the first job has been due; 0 for none"),
        lambda s: s.backlog.overdue_ms / 1000,
    ),
    (_fleet("dead_letters", "gauge", "Dead letters that exist now"), lambda s: s.dead_letters),
    (_fleet("workers", "gauge", "Worker processes that are alive"), lambda s: s.workers),
    (
        _fleet("worker_configs", "gauge", "Different configs among them; more than 1 in a rollout only"),
        lambda s: s.configs,
    ),
    (
        _fleet("redis_memory_bytes", "gauge", "Memory that Redis uses, over all servers"),
        lambda s: s.redis.used_memory_bytes,
    ),
    (
        _fleet("redis_memory_limit_bytes", "gauge", "Limit on that memory (maxmemory); none without a limit"),
        lambda s: s.redis.max_memory_bytes or None,
    ),
)
_HANDLED = ("replayed", "edited", "retried_on_redelivery", "discarded", "purged", "forgotten")

METRICS = (
    REDIS_UP,
    PARTITION_UP,
    *(metric for metric, _ in _COUNTERS),
    HANDLED,
    *(metric for metric, _ in _GAUGES),
    WAITING_FOR,
    CHANNEL_STATE,
    CHANNEL_HELD,
    CHANNEL_FAILURES,
    SOURCE_ACCEPTED,
    SOURCE_FAILING,
    SOURCE_REFUSED,
    SOURCE_TRIES,
    ALERT,
)


def reader(partitions: Partitions, configured: Callable[[], Configured]) -> Callable[[], Awaitable[Samples]]:
    """Return a function that reads the samples of all metrics; while Redis is away there is only `redis_up`."""
    recent = CoalescedRead(partial(_read, partitions, configured), max_age_s=_RECENT_S)
    return recent.get


async def _read(partitions: Partitions, configured: Callable[[], Configured]) -> Samples:
    current = configured()
    try:
        status = await read_status(partitions, current.sources)
    except BrokerError:
        samples: Samples = {REDIS_UP.name: [Sample(0.0)]}
        if len(partitions) > 1:
            samples[PARTITION_UP.name] = [Sample(0.0, (str(number),)) for number in range(len(partitions))]
        return samples
    return samples_of(status, current.channels)


def samples_of(status: Status, channels: Iterable[str]) -> Samples:
    """Return the samples of a status. channels: the names of the configured channels."""
    is_complete = status.is_complete()
    samples: Samples = {REDIS_UP.name: [Sample(float(is_complete))], ALERT.name: []}
    if len(status.partitions) > 1:
        samples[PARTITION_UP.name] = [
            Sample(float(not partition.error), (str(partition.number),)) for partition in status.partitions
        ]
    if is_complete:  # without the part of one partition, the counters would seem to have been reset
        samples |= {metric.name: [Sample(value(status))] for metric, value in _COUNTERS}
        samples[HANDLED.name] = [Sample(getattr(status.totals, outcome), (outcome,)) for outcome in _HANDLED]
    for metric, value in _GAUGES:
        if (current := value(status)) is not None:
            samples[metric.name] = [Sample(current)]
    samples |= _of_channels({channel.name: channel for channel in status.channels}, channels, status.at_ms)
    samples |= _of_sources(status.sources, status.at_ms)
    samples[WAITING_FOR.name] = [Sample(count, (cause,)) for cause, count in counts_of(status.waiting.causes)]
    samples[ALERT.name] = [Sample(1.0, (alert.kind, alert.source)) for alert in status.alerts]
    return samples


def _of_channels(known: Mapping[str, Channel], configured: Iterable[str], at_ms: int) -> Samples:
    all_channels = [known.get(name) or Channel.closed(name) for name in sorted({*configured, *known})]
    return {
        CHANNEL_STATE.name: [
            Sample(float(channel.state(at_ms) == state), (channel.name, state))
            for channel in all_channels
            for state in _STATES
        ],
        CHANNEL_HELD.name: [Sample(channel.held, (channel.name,)) for channel in all_channels],
        CHANNEL_FAILURES.name: [Sample(channel.failures, (channel.name,)) for channel in all_channels],
    }


def _of_sources(sources: Mapping[str, Source], at_ms: int) -> Samples:
    def each() -> Iterator[tuple[Metric, Sample]]:
        for name, source in sources.items():
            facts = source.facts
            failing_s = _seconds_since(facts.failing_since_ms, at_ms)
            if facts.last_accepted_ms:
                yield SOURCE_ACCEPTED, Sample(facts.last_accepted_ms / 1000, (name,))
            yield SOURCE_FAILING, Sample(failing_s, (name,))
            yield SOURCE_REFUSED, Sample(_seconds_since(facts.refused_since_ms, at_ms), (name,))
            if schedule_s := source.kind.retry_schedule_s:
                yield SOURCE_TRIES, Sample(tries_left(schedule_s, failing_s), (name,))

    samples: Samples = {}
    for metric, sample in each():
        samples.setdefault(metric.name, []).append(sample)
    return samples


def _seconds_since(since_ms: int, now_ms: int) -> float:
    return max(0, now_ms - since_ms) / 1000 if since_ms else 0.0
