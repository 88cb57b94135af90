"""Whether a load balancer should send webhooks here: every reason against it, in words.

Anybody may read them, so they name no host, user or directory; the log and `hookline check` do.
"""

from __future__ import annotations

import time

from msgspec import Struct

from broker.monitoring.spilled import Spilled
from receiver.storage.back_pressure import BackPressure
from receiver.storage.redis_writer import RedisWriter
from receiver.storage.spill.disk_fallback import DiskFallback
from receiver.storage.spill.spill import Spill
from receiver.storage.webhook_storage import WebhookStorage

_FULL_FROM = 0.8
"""Share of a bound that counts as nearly reached."""


class Readiness(Struct, frozen=True):
    """What /readyz tells."""

    reasons: list[str]
    """Against sending webhooks here; empty when ready."""

    notes: list[str]
    """What is not as it should be, though webhooks are taken and kept."""


class Process(Struct, frozen=True):
    """What a process knows of itself."""

    pending_bytes: int
    max_pending_bytes: int
    is_stopping: bool


def readiness(storage: WebhookStorage, process: Process) -> Readiness:
    """While either Redis or the disk takes webhooks, it is no reason against them that the other does not."""
    writer, fallback = storage.writer, storage.fallback
    reasons = ["the receiver is shutting down"] if process.is_stopping else []
    if writer.facts is not None:
        reasons += writer.facts.risks()
    if process.pending_bytes >= _FULL_FROM * process.max_pending_bytes:
        reasons.append(
            f"{process.pending_bytes} of {process.max_pending_bytes} bytes wait for Redis "
            "(receiver.max_pending_bytes)"
        )
    of_redis, lacks = _of_redis(writer, storage.pressure), _lacks_of_worker(writer)
    if fallback is None:
        return Readiness(of_redis + reasons, lacks)
    if fallback.redis_error and not writer.error:
        of_redis.insert(0, fallback.redis_error.brief)
    of_disk, lying_there = _of_disk(fallback), _lying_there(fallback.spill) + lacks
    if of_redis and of_disk:
        return Readiness(of_redis + of_disk + reasons, lying_there)
    return Readiness(reasons, of_redis + of_disk + lying_there)


def _of_redis(writer: RedisWriter, pressure: BackPressure) -> list[str]:
    found = [writer.error.brief] if writer.error else []
    if writer.facts is not None and writer.facts.memory_used() >= _FULL_FROM:
        found.append(f"Redis uses {writer.facts.memory_used():.0%} of its maxmemory: raise it, or add workers")
    if pressure.max_bytes and pressure.queued_bytes >= _FULL_FROM * pressure.max_bytes:
        found.append(
            f"{pressure.queued_bytes} of {pressure.max_bytes} bytes are queued in Redis "
            "(receiver.max_queued_bytes): add workers"
        )
    return found


def _lacks_of_worker(writer: RedisWriter) -> list[str]:
    if not writer.worker_lacks:
        return []
    commands = ", ".join(writer.worker_lacks)
    return [f"a worker with the same Redis user could not process webhooks: it may not run {commands}"]


def _of_disk(fallback: DiskFallback) -> list[str]:
    found = [_without_directory(fallback)] if fallback.fault else []
    taken, most = fallback.spill.seen.bytes, fallback.spill.max_bytes
    if taken >= _FULL_FROM * most:
        found.append(f"{taken} of {most} bytes are spilled to disk (receiver.spill_max_bytes)")
    return found


def _without_directory(fallback: DiskFallback) -> str:
    directory = str(fallback.spill.directory)
    named = fallback.fault.replace(f"receiver.spill_dir {directory}", "receiver.spill_dir")
    return named.replace(directory, "receiver.spill_dir")


def _lying_there(spill: Spill) -> list[str]:
    seen, found = spill.seen, []
    if seen.bodies:
        found.append(f"{seen.bodies} webhooks wait in receiver.spill_dir for Redis, {_oldest(seen)}")
    if seen.corrupt:
        found.append(f"{seen.corrupt} damaged segments are set aside in receiver.spill_dir")
    return found


def _oldest(seen: Spilled) -> str:
    return f"the oldest for {max(0, time.time_ns() // 1_000_000 - seen.oldest_ms) // 1000} s"
