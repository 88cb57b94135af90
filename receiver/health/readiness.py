"""Decides whether a load balancer should send webhooks here, with every reason against it.

/readyz is public, so the reasons name no host, user or directory; the log and `hookline check` name them.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from broker.monitoring.spilled import Spilled
from receiver.storage.back_pressure import BackPressure
from receiver.storage.partition_writers import PartitionWriters
from receiver.storage.redis_writer import Condition, RedisWriter
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
    """While a partition or the disk accepts webhooks, problems of the others are only notes."""
    writers, fallback = storage.writers, storage.fallback
    faults, risks = _by_partition(writers, _faults), _by_partition(writers, _risks)
    notes: list[str] = []
    if any(writer.condition == Condition.WELL and not _faults(writer) for writer in writers.all):
        faults, notes = [], faults
    if any(writer.condition == Condition.WELL for writer in writers.all):  # the others get no webhooks
        risks, notes = [], notes + risks
    notes += _missing_worker_permissions(writers) + _not_measured(storage.pressure)
    of_redis, reasons = faults + _of_queue(storage.pressure), _of_process(process, risks)
    if fallback is None:
        return Readiness(of_redis + reasons, notes)
    if fallback.redis_error and not writers.error:
        of_redis.insert(0, fallback.redis_error.brief)
    of_disk, disk_notes = _of_disk(fallback), _disk_notes(fallback.spill) + notes
    if of_redis and of_disk:
        return Readiness(of_redis + of_disk + reasons, disk_notes)
    return Readiness(reasons, of_redis + of_disk + disk_notes)


def _of_process(process: Process, risks: list[str]) -> list[str]:
    """Return the reasons that hold with a disk too. `risks`: of partitions that get webhooks."""
    reasons = ["the receiver is shutting down"] if process.is_stopping else []
    reasons += risks
    if process.pending_bytes >= _FULL_FROM * process.max_pending_bytes:
        reasons.append(
            f"{process.pending_bytes} of {process.max_pending_bytes} bytes wait for Redis "
            "(receiver.max_pending_bytes)"
        )
    return reasons


def _faults(writer: RedisWriter) -> list[str]:
    """Return why a partition accepts no webhooks, or soon will not."""
    problems = [writer.error.brief] if writer.error else []
    if writer.facts is not None and writer.facts.memory_used() >= _FULL_FROM:
        problems.append(f"Redis uses {writer.facts.memory_used():.0%} of its maxmemory: raise it, or add workers")
    return problems


def _risks(writer: RedisWriter) -> list[str]:
    """Return why a partition may lose the webhooks that it has confirmed."""
    return writer.facts.risks() if writer.facts is not None else []


def _by_partition(writers: PartitionWriters, problems: Callable[[RedisWriter], list[str]]) -> list[str]:
    """Return each problem once; if there are several partitions, with the numbers of those that have it."""
    numbers: dict[str, list[str]] = {}
    for writer in writers.all:
        for problem in problems(writer):
            numbers.setdefault(problem, []).append(str(writer.redis.partition))
    if len(writers.all) == 1:
        return list(numbers)
    return [
        f"partition{'s' if len(having) > 1 else ''} {', '.join(having)}: {problem}"
        for problem, having in numbers.items()
    ]


def _of_queue(pressure: BackPressure) -> list[str]:
    if not pressure.max_bytes or pressure.queued_bytes < _FULL_FROM * pressure.max_bytes:
        return []
    counted = f"{pressure.queued_bytes} of {pressure.max_bytes} bytes are queued in Redis"
    return [f"{counted} (receiver.max_queued_bytes): add workers"]


def _missing_worker_permissions(writers: PartitionWriters) -> list[str]:
    missing = dict.fromkeys(command for writer in writers.all for command in writer.worker_missing_commands)
    if not missing:
        return []
    commands = ", ".join(missing)
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
