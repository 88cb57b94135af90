"""The leases of the jobs that this process runs, and until when each is certain to be held.

A worker that was frozen, or that could not reach Redis, cannot know whether another worker has taken over its
jobs. So it measures each lease by its own monotonic clock, from before the request for it, and sends nothing after
that.
"""

from __future__ import annotations

import time

from broker.queue import claims, jobs
from broker.queue.claims import Claimant, Claims
from broker.redis.client import Client

# The clocks of two hosts do not run at exactly the same speed.
_MARGIN = 0.1
"""Share of a lease, at its end, in which no send begins."""


class Lease:
    """The temporary ownership of one job by this process."""

    __slots__ = ("_until", "lost")

    def __init__(self, until: float) -> None:
        """until: a time of the monotonic clock."""
        self.lost = False
        self._until = until

    def is_held(self) -> bool:
        """Return whether it is certain that no other worker runs the job now."""
        return time.monotonic() < self._until

    def left_s(self) -> float:
        """Seconds for which the lease is certain to be held; 0 where it may have ended."""
        return max(0.0, self._until - time.monotonic())

    def renew(self, until: float) -> None:
        """Hold the lease until a time of the monotonic clock; a lost lease stays lost."""
        if not self.lost:
            self._until = until

    def lose(self) -> None:
        """Note that other workers can run the job from now on."""
        self.lost = True
        self._until = 0.0


class Leases:
    """Takes, renews and gives back the leases of one worker process."""

    def __init__(self, redis: Client, owner: str, *, lease_s: float) -> None:
        self.owner = owner
        self._redis = redis
        self.lease_ms = int(lease_s * 1000)
        self._certain_s = lease_s * (1 - _MARGIN)
        self._held: dict[str, Lease] = {}

    def of(self, job_id: str) -> Lease:
        """The lease of a job that was claimed and not yet given back."""
        return self._held[job_id]

    def claimant(self, room: int) -> Claimant:
        """Return this process as the owner of as many full jobs as it has room for; see `claim`."""
        return Claimant(self.owner, self.lease_ms, -(-room // jobs.MAX_NOTIFICATIONS))

    async def claim(self, room: int) -> Claims:
        """Take due jobs that take about this much room: see `claims.counted_size`. Raises BrokerError."""
        asked, most = time.monotonic(), -(-room // claims.counted_size(0))
        claimed = await claims.claim(self._redis, self.owner, count=most, room=room, lease_ms=self.lease_ms)
        return self.taken(claimed, asked)

    def taken(self, claims: Claims, asked: float) -> Claims:
        """Note jobs that this process has taken. Returns those that it does not run already.

        asked: the time of the monotonic clock before the request.
        """
        fresh = []
        for job in claims.jobs:
            running = self._held.get(job.id)
            if running is None:
                self._held[job.id] = Lease(asked + self._certain_s)
                fresh.append(job)
            else:
                # The lease of a job that still runs here had lapsed, and another worker may have sent some of it:
                # this run ends, and a later one continues.
                running.lose()
        return claims._replace(jobs=fresh)

    async def extend(self) -> None:
        """Renew the leases that this process still has. Raises BrokerError."""
        held = {job_id: lease for job_id, lease in self._held.items() if not lease.lost}
        if not held:
            return
        asked = time.monotonic()
        lost = await claims.extend(self._redis, self.owner, list(held), lease_ms=self.lease_ms)
        for lease in held.values():
            lease.renew(asked + self._certain_s)
        for job_id in lost:
            held[job_id].lose()

    async def give_back(self, job_id: str, *, delay_ms: int, forget_start: bool) -> None:
        """Give a job back to the queue; see `claims.release`. Raises BrokerError."""
        await claims.release(self._redis, self.owner, job_id, delay_ms=delay_ms, forget_start=forget_start)

    def drop(self, job_id: str) -> None:
        """Forget the lease of a job that no longer runs here."""
        self._held.pop(job_id, None)
