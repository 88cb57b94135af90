"""The locks of `latest_only` subjects, in whichever partition they are.

A notification asks for its lock together with those of the notifications that are sent after it. A lock that was
not used for some seconds is asked for again.

The lock of a subject, and the time of its newest event that was sent, are in the partition of the subject. If that
is the partition of the job, the step that settles the notification also stores the time and releases the lock.
Otherwise this is a step of its own, after the send and before the outcome is recorded:

- If the process dies in between, the job runs again. It sends the same event again with the same key, or finds
  that a newer one was sent, and skips. So no older event follows a newer one.
- If the partition of the subject goes away after the send, the time cannot be stored. An outcome that was recorded
  without it would let an older event follow once the lock has ended. So the notification stays open. This process
  tries again for as long as one lease. Then the job is given back, for a worker that may reach the partition. The
  lock lasts longer than that, and counts again from the return of its Redis on (subjects/acquire.lua), so that the
  next run of this job renews it before an older event gets it.
- With durability "replicated" it is the same if no replica confirms the time. A failover that undid only the time
  would leave the lock of a notification that nothing runs any more: newer events would wait until it ended, and
  then an older one could follow. A replica has the lock itself before the send.
- The outcome of a send that failed is recorded at once. A lock that could not be released ends by itself.
"""

from __future__ import annotations

import asyncio
import time

from broker.queue.latest_only import USABLE_S, SubjectLock, acquire_subject_locks, release_subject_lock
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions
from worker.delivery.running_job import AskedLock, RunningJob
from worker.outcome import Postponed, Skipped

_LOCKED_RETRY_S = 0.5
"""Seconds until a notification asks again, while another of its subject is being sent."""

_AWAY_RETRY_S = 2.0
"""Seconds until a notification asks again, if the partition of its subject does not answer."""

# A notification waits for the lock in the pool of its channel, where it must not hold up those of other
# partitions.
_ANSWERS_WITHIN_S = 1.0
"""Seconds that another partition may take to answer. After that it is not asked for as long again."""

_RELEASE_RETRY_S = 0.1
"""Seconds between two tries to store that an event was sent."""

# A round trip for each notification would cost as much as the send.
_TOGETHER = 32
"""How many locks are asked for together, if their notifications are sent soon."""

_NEWER_SENT = "a newer event was notified"


class SubjectLocks:
    """Acquires and releases the locks for the jobs of one process."""

    def __init__(self, partitions: Partitions, *, lease_s: float, replicas: int = 0) -> None:
        """replicas: how many should have a lock before the notification is sent."""
        self._partitions = partitions
        self._lease_s = lease_s
        self._replicas = replicas
        self._away_until: dict[int, float] = {}  # by partition, of the monotonic clock

    async def acquire(self, index: int, lock: SubjectLock, running: RunningJob) -> Skipped | Postponed | None:
        """Acquire a subject's lock for the notification of this index; None where it may be sent."""
        subjects = running.subjects
        # The notifications of a job start with the newest event. Each request may use a connection of its own, so
        # that without this queue an older notification could reach Redis first.
        async with subjects.acquiring.setdefault(lock.subject, asyncio.Lock()):
            if subjects.newest.get(lock.subject, 0) > lock.occurred_at_ms:
                return Skipped(_NEWER_SENT)
            asked = subjects.asked.pop(index, None)
            answer = await asked.answer if asked else ""
            if not asked or time.monotonic() > asked.until:
                answer = await self._ask_with_next(index, lock, running)
        match answer:
            case "go":
                return None
            case "stale":
                return Skipped(_NEWER_SENT)
            case "wait":
                return Postponed(_LOCKED_RETRY_S)
            case "away":
                return Postponed(_AWAY_RETRY_S)
        return Postponed()  # Redis gave no answer

    async def _ask_with_next(self, index: int, lock: SubjectLock, running: RunningJob) -> str:
        """Ask for the lock of a notification, and for those of the notifications that are sent next."""
        home, subjects = self._home(lock), running.subjects
        locks = {index: lock} | self._next_locks(index, home, running)
        until = time.monotonic() + USABLE_S
        for other in list(locks)[1:]:
            subjects.asked[other] = AskedLock(asyncio.get_running_loop().create_future(), until)
        waiting = [subjects.asked[other].answer for other in list(locks)[1:]]
        answers = ["unknown"] * len(locks)
        try:
            answers = await self._answers(home, list(locks.values()), running)
        finally:
            for answer, future in zip(answers[1:], waiting, strict=True):
                if not future.done():
                    future.set_result(answer)
        return answers[0]

    async def _answers(self, home: Client, locks: list[SubjectLock], running: RunningJob) -> list[str]:
        is_elsewhere = home is not running.partition.redis
        answers = await (self._ask_elsewhere(home, locks) if is_elsewhere else self._ask(home, locks))
        held = running.locks_elsewhere if is_elsewhere else running.locks
        held.update({lock.key: lock for lock, answer in zip(locks, answers, strict=True) if answer == "go"})
        return answers

    def _next_locks(self, index: int, home: Client, running: RunningJob) -> dict[int, SubjectLock]:
        """The locks of this partition for the notifications after this one, one for each further subject."""
        if running.runtime.channel.pacer.rate_per_s or running.is_probe:
            return {}  # they are sent later, and a newer event may arrive until then
        subjects, found, known = running.subjects, dict[int, SubjectLock](), set(running.subjects.acquiring)
        order = list(subjects.locks)
        for other in order[order.index(index) + 1 :]:
            lock = subjects.locks[other]
            if lock is None or lock.subject in known:
                continue
            known.add(lock.subject)
            if other not in subjects.asked and self._home(lock) is home:
                found[other] = lock
            if len(found) == _TOGETHER - 1:
                break
        return found

    async def release_elsewhere(self, lock: SubjectLock, running: RunningJob, *, is_sent: bool) -> bool:
        """Release a lock in another partition before the outcome is recorded, and store the time of a sent event.

        False where the event was sent and that could not be stored: then the notification must stay open.
        """
        home, until = self._home(lock), time.monotonic() + self._lease_s
        while True:
            try:
                await release_subject_lock(
                    home, lock, is_sent=is_sent, is_owner=running.lease.is_held(), replicas=self._replicas
                )
            except BrokerError:
                if not is_sent:
                    return True
                if time.monotonic() > until or not running.lease.is_held():
                    return False
                await asyncio.sleep(_RELEASE_RETRY_S)
            else:
                return True

    def _home(self, lock: SubjectLock) -> Client:
        return self._partitions[self._partitions.number_for(lock.subject)]

    async def _ask(self, home: Client, locks: list[SubjectLock]) -> list[str]:
        """Return "unknown" for each lock if Redis gives no answer."""
        try:
            return [*await acquire_subject_locks(home, locks, lease_s=self._lease_s, replicas=self._replicas)]
        except BrokerError:
            return ["unknown"] * len(locks)

    async def _ask_elsewhere(self, home: Client, locks: list[SubjectLock]) -> list[str]:
        """Return "away" for each lock if the partition does not answer in time."""
        if time.monotonic() < self._away_until.get(home.partition, 0.0):
            return ["away"] * len(locks)
        try:
            async with asyncio.timeout(_ANSWERS_WITHIN_S):
                return [*await acquire_subject_locks(home, locks, lease_s=self._lease_s, replicas=self._replicas)]
        except (BrokerError, TimeoutError):
            self._away_until[home.partition] = time.monotonic() + _ANSWERS_WITHIN_S
            return ["away"] * len(locks)
