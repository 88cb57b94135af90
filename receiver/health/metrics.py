"""GET /metrics: the counters of this process and the totals in Redis as Prometheus text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from broker.monitoring.alerts import Alert
from broker.monitoring.spilled import Spilled
from broker.monitoring.stats import Totals
from broker.queue.channel_state import Channel
from receiver.counters import Counters, Histogram
from receiver.health.snapshot import Snapshot, Source
from sources.retry_deadline import tries_left

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LABELS = ["process"]


class ScrapeData(Struct, frozen=True):
    """The data of one scrape."""

    process: int
    counters: Counters
    pending_bytes: int
    queued_bytes: int
    """Memory of the queued bodies in Redis; 0 without receiver.max_queued_bytes, since it is not measured then."""

    partitions: Mapping[int, bool]
    """True for each partition that gets webhooks, by its number; empty if there is only one partition."""

    spilled: Spilled | None
    """The webhooks on disk; None without receiver.spill_dir."""

    shared: Snapshot


def render(data: ScrapeData) -> bytes:
    """Return the metrics as Prometheus text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Scrape(data))
    return generate_latest(registry)


class _Scrape(Collector):
    def __init__(self, data: ScrapeData) -> None:
        self._data = data

    def collect(self) -> Iterator[Metric]:
        yield from _of_process(self._data)
        state = self._data.shared
        if self._data.queued_bytes:
            yield GaugeMetricFamily(
                "hookline_queued_bytes", "Memory of the queued bodies in Redis", value=self._data.queued_bytes
            )
        if self._data.spilled is not None:
            yield from _of_disk(self._data.spilled, state.at_ms)
        up = GaugeMetricFamily("hookline_redis_up", "1 if Redis answered this scrape", labels=_LABELS)
        up.add_metric([str(self._data.process)], float(state.totals is not None))
        yield up
        if state.partitions_up:
            yield _of_partitions(state.partitions_up)
        if state.totals is not None:
            yield from _waiting(state.totals, state.dead_letters)
        # Without the part of one partition, the counters would seem to have been reset.
        if state.totals is not None and state.is_complete():
            yield from _of_redis(state.totals)
            yield from _of_dead_letters(state.totals)
        yield from _of_sources(state.sources, state.at_ms)
        yield _of_alerts(state.alerts)
        yield from _of_channels(state.channels, state.at_ms)


def _of_process(data: ScrapeData) -> Iterator[Metric]:
    counters, process = data.counters, str(data.process)
    answers = CounterMetricFamily(
        "hookline_receiver_requests", "Webhooks answered, by status", labels=[*_LABELS, "status"]
    )
    for status, count in sorted(counters.responses.items()):
        answers.add_metric([process, str(status)], count)
    yield answers
    for name, text, value in (
        ("bodies", "Bodies that were confirmed", counters.bodies),
        ("body_bytes", "Bytes of the bodies that were confirmed", counters.bytes),
        ("batches", "Batches that were confirmed", counters.batches),
        ("spilled_bodies", "Bodies that were written to the disk", counters.spilled),
        ("drained_bodies", "Bodies that were moved from the disk to Redis", counters.drained),
    ):
        counter = CounterMetricFamily(f"hookline_receiver_{name}", text, labels=_LABELS)
        counter.add_metric([process], value)
        yield counter
    pending = GaugeMetricFamily("hookline_receiver_pending_bytes", "Bytes that wait for Redis", labels=_LABELS)
    pending.add_metric([process], data.pending_bytes)
    yield pending
    if data.partitions:
        ready = GaugeMetricFamily(
            "hookline_receiver_partition_ready",
            "1 if webhooks go to the partition, 0 if it is away or may lose them",
            labels=[*_LABELS, "partition"],
        )
        for number, is_ready in data.partitions.items():
            ready.add_metric([process, str(number)], float(is_ready))
        yield ready
    yield _histogram("batch_bodies", "Bodies in a confirmed batch", process, counters.batch_bodies)
    yield _histogram("accept_seconds", "From the verified body to its confirmation", process, counters.accept_s)


def _histogram(name: str, text: str, process: str, histogram: Histogram) -> Metric:
    family = HistogramMetricFamily(f"hookline_receiver_{name}", text, labels=_LABELS)
    buckets, so_far = [], 0
    for bound, count in zip((*map(floatToGoString, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        so_far += count
        buckets.append((bound, float(so_far)))
    family.add_metric([process], buckets, histogram.total)
    return family


def _of_disk(spilled: Spilled, now_ms: int) -> Iterator[Metric]:
    """Metrics of the spill directory. They are the same in all processes that share it."""
    age_s = _seconds_since(spilled.oldest_ms, now_ms)
    for name, text, value in (
        ("bodies", "Bodies on disk that wait for Redis", spilled.bodies),
        ("bytes", "Bytes that their segments take", spilled.bytes),
        ("oldest_seconds", "Age of the oldest of them, 0 for none", age_s),
        ("corrupt_segments", "Damaged segments that were set aside", spilled.corrupt),
    ):
        yield GaugeMetricFamily(f"hookline_spilled_{name}", text, value=value)


def _of_partitions(up: Mapping[int, bool]) -> Metric:
    metric = GaugeMetricFamily(
        "hookline_partition_up",
        "1 if the partition answered this scrape; the figures of one that did not are missing",
        labels=["partition"],
    )
    for number, is_up in up.items():
        metric.add_metric([str(number)], float(is_up))
    return metric


def _waiting(totals: Totals, dead_letters: int) -> Iterator[Metric]:
    """Gauges of what waits in Redis now, in the partitions that answered."""
    yield GaugeMetricFamily("hookline_queued_bodies", "Bodies that wait for a worker", value=totals.queued)
    yield GaugeMetricFamily(
        "hookline_waiting_notifications", "Notifications not settled yet", value=totals.waiting
    )
    yield GaugeMetricFamily("hookline_dead_letters", "Dead letters that exist now", value=dead_letters)


def _of_redis(totals: Totals) -> Iterator[Metric]:
    """Counters in Redis. They are the same in all processes."""
    bodies = CounterMetricFamily("hookline_bodies", "Bodies by outcome", labels=["outcome"])
    for outcome in ("accepted", "processed", "duplicate", "dead_at_intake"):
        bodies.add_metric([outcome], getattr(totals, outcome))
    yield bodies
    notifications = CounterMetricFamily("hookline_notifications", "Notifications by outcome", labels=["outcome"])
    for outcome in ("created", "sent", "skipped", "dead"):
        notifications.add_metric([outcome], getattr(totals, outcome))
    yield notifications
    yield CounterMetricFamily("hookline_alerts", "Alerts that were sent", value=totals.alerts)
    yield CounterMetricFamily("hookline_drift", "Deviations from the models, in samples", value=totals.drift)


def _of_dead_letters(totals: Totals) -> Iterator[Metric]:
    """Counters of dead letters. A replay reduces the outcomes dead_at_intake and dead, but not these counters."""
    yield CounterMetricFamily("hookline_dead_letters_died", "Dead letters that were created", value=totals.died)
    handled = CounterMetricFamily(
        "hookline_dead_letters_handled", "Dead letters by how they were handled", labels=["outcome"]
    )
    for outcome in ("replayed", "edited", "retried_on_redelivery", "discarded", "purged", "forgotten"):
        handled.add_metric([outcome], getattr(totals, outcome))
    yield handled


def _of_sources(sources: Mapping[str, Source], now_ms: int) -> Iterator[Metric]:
    """Metrics of the sources. While Redis is away they are only of this process."""
    accepted = GaugeMetricFamily(
        "hookline_source_last_accepted_timestamp_seconds", "When a webhook was accepted last", labels=["source"]
    )
    failing = GaugeMetricFamily(
        "hookline_source_failing_seconds",
        "Seconds since the first 5xx after the last 2xx; 0 without one",
        labels=["source"],
    )
    refused = GaugeMetricFamily(
        "hookline_source_refused_seconds",
        "Seconds since the first 4xx after the last 2xx; 0 without one",
        labels=["source"],
    )
    tries = GaugeMetricFamily(
        "hookline_source_tries_left",
        "Retries that the provider has left before it gives up",
        labels=["source"],
    )
    for name, (kind, facts) in sources.items():
        failing_s = _seconds_since(facts.failing_since_ms, now_ms)
        refused_s = _seconds_since(facts.refused_since_ms, now_ms)
        if facts.last_accepted_ms:
            accepted.add_metric([name], facts.last_accepted_ms / 1000)
        failing.add_metric([name], failing_s)
        refused.add_metric([name], refused_s)
        if kind.retry_schedule_s:
            tries.add_metric([name], tries_left(kind.retry_schedule_s, failing_s))
    yield from (accepted, failing, refused, tries)


def _seconds_since(since_ms: int, now_ms: int) -> float:
    return max(0, now_ms - since_ms) / 1000 if since_ms else 0.0


def _of_channels(channels: Iterable[Channel], now_ms: int) -> Iterator[Metric]:
    """Metrics of the channels that are not in their normal state; a closed one without failures has no line."""
    current = GaugeMetricFamily(
        "hookline_channel_state", "1 for the state: closed, open, half-open, paused", labels=["channel", "state"]
    )
    held = GaugeMetricFamily(
        "hookline_channel_held_jobs", "Jobs held until the channel is available", labels=["channel"]
    )
    failures = GaugeMetricFamily("hookline_channel_failures", "Failed sends in a row", labels=["channel"])
    for channel in channels:
        current.add_metric([channel.name, channel.state(now_ms)], 1)
        held.add_metric([channel.name], channel.held)
        failures.add_metric([channel.name], channel.failures)
    yield from (current, held, failures)


def _of_alerts(alerts: Iterable[Alert]) -> Metric:
    current = GaugeMetricFamily("hookline_alert", "1 for each current alert", labels=["kind", "source"])
    for alert in alerts:
        current.add_metric([alert.kind, alert.source], 1)
    return current
