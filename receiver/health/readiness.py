"""Decides whether a load balancer should send webhooks here, with every reason against it.

/readyz is public, so the reasons name no host, user or directory; the log and `hookline check` name them.
"""

from __future__ import annotations

from msgspec import Struct

from broker.monitoring.spilled import Spilled
from receiver.storage.back_pressure import BackPressure
from receiver.storage.redis_writer import RedisWriter
from receiver.storage.spill.disk_fallback import DiskFallback
from receiver.storage.spill.spill import Spill
from receiver.storage.webhook_storage import WebhookStorage
from runtime.clock import now_ms

_FULL_FROM = 0.8
"""Share of a limit from which it counts as nearly reached."""


class Readiness(Struct, frozen=True):
    """The content of /readyz."""

    reasons: list[str]
    """Reasons against sending webhooks here; empty when ready."""

    notes: list[str]
    """Problems that do not keep webhooks from being accepted and stored."""


class Process(Struct, frozen=True):
    """The state of a process that is not about its storage."""

    pending_bytes: int
    max_pending_bytes: int
    is_stopping: bool


def readiness(storage: WebhookStorage, process: Process) -> Readiness:
    """While Redis or the disk accepts webhooks, problems of the other one are only notes."""
    writer, fallback = storage.writer, storage.fallback
    reasons = ["the receiver is shutting down"] if process.is_stopping else []
    if writer.facts is not None:
        reasons += writer.facts.risks()
    if process.pending_bytes >= _FULL_FROM * process.max_pending_bytes:
        reasons.append(
            f"{process.pending_bytes} of {process.max_pending_bytes} bytes wait for Redis "
            "(receiver.max_pending_bytes)"
        )
    of_redis = _of_redis(writer, storage.pressure)
    redis_notes = _missing_worker_permissions(writer) + _not_measured(storage.pressure)
    if fallback is None:
        return Readiness(of_redis + reasons, redis_notes)
    if fallback.redis_error and not writer.error:
        of_redis.insert(0, fallback.redis_error.brief)
    of_disk, disk_notes = _of_disk(fallback), _disk_notes(fallback.spill) + redis_notes
    if of_redis and of_disk:
        return Readiness(of_redis + of_disk + reasons, disk_notes)
    return Readiness(reasons, of_redis + of_disk + disk_notes)


def _of_redis(writer: RedisWriter, pressure: BackPressure) -> list[str]:
    problems = [writer.error.brief] if writer.error else []
    if writer.facts is not None and writer.facts.memory_used() >= _FULL_FROM:
        problems.append(f"Redis uses {writer.facts.memory_used():.0%} of its maxmemory: raise it, or add workers")
    if pressure.max_bytes and pressure.queued_bytes >= _FULL_FROM * pressure.max_bytes:
        problems.append(
            f"{pressure.queued_bytes} of {pressure.max_bytes} bytes are queued in Redis "
            "(receiver.max_queued_bytes): add workers"
        )
    return problems


def _missing_worker_permissions(writer: RedisWriter) -> list[str]:
    if not writer.worker_missing_commands:
        return []
    commands = ", ".join(writer.worker_missing_commands)
    return [f"a worker with the same Redis user could not process webhooks: it may not run {commands}"]


def _not_measured(pressure: BackPressure) -> list[str]:
    return [pressure.refusal] if pressure.refusal else []


def _of_disk(fallback: DiskFallback) -> list[str]:
    problems = [_fault_without_directory(fallback)] if fallback.fault else []
    used, limit = fallback.spill.on_disk.bytes, fallback.spill.max_bytes
    if used >= _FULL_FROM * limit:
        problems.append(f"{used} of {limit} bytes are spilled to disk (receiver.spill_max_bytes)")
    return problems


def _fault_without_directory(fallback: DiskFallback) -> str:
    directory = str(fallback.spill.directory)
    named = fallback.fault.replace(f"receiver.spill_dir {directory}", "receiver.spill_dir")
    return named.replace(directory, "receiver.spill_dir")


def _disk_notes(spill: Spill) -> list[str]:
    spilled, notes = spill.on_disk, []
    if spilled.bodies:
        notes.append(f"{spilled.bodies} webhooks wait in receiver.spill_dir for Redis, {_oldest(spilled)}")
    if spilled.corrupt:
        notes.append(f"{spilled.corrupt} damaged segments are set aside in receiver.spill_dir")
    return notes


def _oldest(spilled: Spilled) -> str:
    return f"the oldest for {max(0, now_ms() - spilled.oldest_ms) // 1000} s"
