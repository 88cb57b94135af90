"""Jobs that this worker does not understand: a newer version's, or about what its config lacks.

While a new version or config is rolled out, old and new workers run side by side. What one does not understand it
leaves to the others for `worker.unrecognized_grace_s`; what nobody understood then is a dead letter.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from msgspec import Struct

from broker.queue import jobs
from broker.queue.jobs import NotifyJob
from broker.redis.client import Client

log = logging.getLogger("hookline.worker")


class Known(Struct, frozen=True):
    """Names in this worker's config."""

    sources: Collection[str]
    rules: Collection[str]
    channels: Collection[str]


class UnrecognizedJobs:
    """Tells what one worker process does not understand, and leaves it to others."""

    def __init__(self, redis: Client, owner: str, known: Known, *, unrecognized_grace_s: float) -> None:
        self._redis = redis
        self._owner = owner
        self._known = known
        self._for_ms = int(unrecognized_grace_s * 1000)

    def among(self, job: NotifyJob, todo: Sequence[int]) -> dict[int, str]:
        """The notifications of a job, by index, that another worker may be able to make, each with the reason."""
        known = self._known
        if job.channel not in known.channels:
            return dict.fromkeys(todo, f"no channel named {job.channel!r} in this worker's config")
        found = {}
        for index in todo:
            notification = job.notifications[index]
            if notification.rule not in known.rules:
                found[index] = f"no rule named {notification.rule!r} in this worker's config"
            elif notification.body.source not in known.sources:
                found[index] = f"no source named {notification.body.source!r} in this worker's config"
        return found

    async def leave(self, job_id: str, why: str) -> bool:
        """Leave a claimed job to other workers; False where none understood it in time. Raises BrokerError."""
        if not await jobs.defer(self._redis, self._owner, job_id, for_ms=self._for_ms):
            return False
        log.warning("a job is left to other workers: %s", why, extra={"action": "job_deferred", "job": job_id})
        return True
