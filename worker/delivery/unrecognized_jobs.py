"""Jobs that this worker does not recognize: of a newer version, or of a config with names that its own lacks.

While a new version or config is rolled out, old and new workers run side by side. A job that one of them does not
recognize is left to the others for `worker.unrecognized_grace_s`; then it is a dead letter.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from msgspec import Struct

from broker.queue import claims
from broker.queue.jobs import NotifyJob
from worker.delivery.partition import Partition

log = logging.getLogger("hookline.worker")


class ConfiguredNames(Struct, frozen=True):
    """The names in this worker's config."""

    sources: Collection[str]
    rules: Collection[str]
    channels: Collection[str]


class UnrecognizedJobs:
    """Finds the jobs that one worker process does not recognize, and leaves them to other workers."""

    def __init__(self, configured: ConfiguredNames, *, unrecognized_grace_s: float) -> None:
        self._configured = configured
        self._grace_ms = int(unrecognized_grace_s * 1000)

    def among(self, job: NotifyJob, todo: Sequence[int]) -> dict[int, str]:
        """The notifications of a job that this worker does not recognize: the reason, by index."""
        configured = self._configured
        if job.channel not in configured.channels:
            return dict.fromkeys(todo, f"no channel named {job.channel!r} in this worker's config")
        reasons = {}
        for index in todo:
            notification = job.notifications[index]
            if notification.rule not in configured.rules:
                reasons[index] = f"no rule named {notification.rule!r} in this worker's config"
            elif notification.body.source not in configured.sources:
                reasons[index] = f"no source named {notification.body.source!r} in this worker's config"
        return reasons

    async def leave(self, partition: Partition, job_id: str, why: str) -> bool:
        """Leave a claimed job to other workers; False where the grace period is over. Raises BrokerError."""
        if not await claims.defer(partition.redis, partition.owner, job_id, for_ms=self._grace_ms):
            return False
        log.warning("a job is left to other workers: %s", why, extra={"action": "job_deferred", "job": job_id})
        return True
