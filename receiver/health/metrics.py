"""The metrics of the receiver. What all receivers share in Redis is among the metrics of the inspector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from broker.monitoring.spilled import Spilled
from receiver.counters import ACK_DURATION_S, BATCH_BODIES, Counters
from runtime.metrics.declaration import Metric, Sample, Samples

REQUESTS = Metric("hookline_receiver_requests_total", "counter", "Webhooks answered, by status", ("status",))
BODIES = Metric("hookline_receiver_bodies_total", "counter", "Bodies that were confirmed")
BODY_BYTES = Metric("hookline_receiver_body_bytes_total", "counter", "Bytes of the bodies that were confirmed")
BATCHES = Metric("hookline_receiver_batches_total", "counter", "Batches that were confirmed")
SPILLED_BODIES = Metric(
    "hookline_receiver_spilled_bodies_total", "counter", "Bodies that were written to the disk"
)
DRAINED_BODIES = Metric(
    "hookline_receiver_drained_bodies_total", "counter", "Bodies that were moved from the disk to Redis"
)
PENDING_BYTES = Metric("hookline_receiver_pending_bytes", "gauge", "Bytes of bodies that wait for Redis")
REDIS_UP = Metric("hookline_receiver_redis_up", "gauge", "1 if Redis takes the webhooks of this process")
PARTITION_READY = Metric(
    "hookline_receiver_partition_ready",
    "gauge",
    "1 if webhooks go to the partition, 0 if it is away or may lose them; only with several partitions",
    ("partition",),
)
SOURCE_FAILING = Metric(
    "hookline_receiver_source_failing_seconds",
    "gauge",
    "Seconds since the first 5xx that this process could not report to Redis yet; 0 without one",
    ("source",),
)
BATCH_SIZE = Metric(
    "hookline_receiver_batch_bodies", "histogram", "Bodies in a confirmed batch", bounds=BATCH_BODIES
)
ACK_DURATION = Metric(
    "hookline_receiver_ack_duration_seconds",
    "histogram",
    "Seconds from the verified body to its confirmation, after which the answer is sent",
    bounds=ACK_DURATION_S,
)
QUEUED_BYTES = Metric(
    "hookline_receiver_queued_bytes",
    "gauge",
    "Memory of the queue in Redis, the same for all receivers; only with receiver.max_queued_bytes",
    per_process=False,
)
_SPILL = "the same for all receivers that share receiver.spill_dir"
SPILL_BODIES = Metric(
    "hookline_receiver_spill_bodies", "gauge", f"Bodies on disk that wait for Redis; {_SPILL}", per_process=False
)
SPILL_BYTES = Metric(
    "hookline_receiver_spill_bytes", "gauge", f"Bytes that their segments take; {_SPILL}", per_process=False
)
SPILL_AGE = Metric(
    "hookline_receiver_spill_oldest_age_seconds",
    "gauge",
    f"Age of the oldest of them, 0 for none; {_SPILL}",
    per_process=False,
)
SPILL_CORRUPT = Metric(
    "hookline_receiver_spill_corrupt_segments",
    "gauge",
    f"Damaged segments that were set aside; {_SPILL}",
    per_process=False,
)
METRICS = (
    REQUESTS,
    BODIES,
    BODY_BYTES,
    BATCHES,
    SPILLED_BODIES,
    DRAINED_BODIES,
    PENDING_BYTES,
    REDIS_UP,
    PARTITION_READY,
    SOURCE_FAILING,
    BATCH_SIZE,
    ACK_DURATION,
    QUEUED_BYTES,
    SPILL_BODIES,
    SPILL_BYTES,
    SPILL_AGE,
    SPILL_CORRUPT,
)


def samples_of(
    counters: Counters,
    *,
    pending_bytes: int,
    is_redis_up: bool,
    partitions: Mapping[int, bool],
    failing_s: Iterable[tuple[str, float]],
) -> Samples:
    """Return the samples of one process.

    partitions: by number, whether it gets webhooks; empty if there is only one. failing_s: by source.
    """
    return {
        REQUESTS.name: [Sample(count, (str(status),)) for status, count in sorted(counters.responses.items())],
        BODIES.name: [Sample(counters.bodies)],
        BODY_BYTES.name: [Sample(counters.bytes)],
        BATCHES.name: [Sample(counters.batches)],
        SPILLED_BODIES.name: [Sample(counters.spilled)],
        DRAINED_BODIES.name: [Sample(counters.drained)],
        PENDING_BYTES.name: [Sample(pending_bytes)],
        REDIS_UP.name: [Sample(float(is_redis_up))],
        PARTITION_READY.name: [Sample(float(is_up), (str(number),)) for number, is_up in partitions.items()],
        SOURCE_FAILING.name: [Sample(seconds, (source,)) for source, seconds in failing_s],
        BATCH_SIZE.name: [counters.batch_bodies.sample()],
        ACK_DURATION.name: [counters.ack_duration_s.sample()],
    }


def shared_samples(queued_bytes: int, spilled: Spilled | None, now_ms: int) -> Samples:
    """Return the samples that all receivers share.

    queued_bytes: 0 if it is not measured. spilled: what is on disk; None without receiver.spill_dir.
    """
    samples: Samples = {}
    if queued_bytes:
        samples[QUEUED_BYTES.name] = [Sample(queued_bytes)]
    if spilled is not None:
        age_s = max(0, now_ms - spilled.oldest_ms) / 1000 if spilled.oldest_ms else 0.0
        for metric, value in (
            (SPILL_BODIES, spilled.bodies),
            (SPILL_BYTES, spilled.bytes),
            (SPILL_AGE, age_s),
            (SPILL_CORRUPT, spilled.corrupt),
        ):
            samples[metric.name] = [Sample(value)]
    return samples
