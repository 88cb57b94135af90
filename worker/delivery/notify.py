"""Job -> messages sent: tries every open notification of a job and records what came of each."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from functools import partial

from msgspec import Struct, structs

from broker import dead_letters
from broker.queue import channel_state, jobs
from broker.queue.jobs import Claimed, Notification, NotifyJob, Packed, UnreadableJobError
from broker.steps.settle import Retry as RetryJob
from broker.steps.settle import Settled, dead_letter_job
from worker.delivery.job_leases import Lease
from worker.delivery.next_attempt import held_for, log_fields, retry_job, with_only
from worker.delivery.running_job import RunningJob
from worker.delivery.send_pool import SendPool, Work
from worker.delivery.sender import Sender, Tried, log_sent
from worker.delivery.unrecognized_jobs import UnrecognizedJobs
from worker.outcome import Dead, Left, Outcome, PutOff, Retry, Sent, Skipped
from worker.rules.retry import delay_s
from worker.worker_context import WorkerContext

log = logging.getLogger("hookline.worker")

BUDGET_S = 60.0
"""Seconds a job may start tries; what is left then goes into a new job."""

JOB_TIMEOUT_S = 7200.0
"""Seconds after which arq ends a job: longer than outcomes wait for a Redis that is away."""

_PUT_OFF_MS = 100
_GATHER_S = 0.01
"""Seconds that an outcome waits for others of its job, about as long as a job of 64 takes when all goes well: a
write for each would cost as much as the send."""

_LINGER_S = 1.0
"""Seconds that failures wait for others of their job to be recorded with."""

_Finished = tuple[int, Tried | Exception]
"""The index of a notification, and what came of the try; an exception is a fault of ours."""

_Retries = dict[tuple[int, int], list[tuple[int, Notification]]]


class Unfinished(Struct, frozen=True):
    """Some of a job stays open: it is to be given back."""

    delay_ms: int = 0


class Notifier:
    """Runs notify jobs; one a worker process."""

    def __init__(
        self, context: WorkerContext, sender: Sender, unrecognized: UnrecognizedJobs, *, rng: random.Random
    ) -> None:
        self._redis = context.redis
        self._owner = context.name
        self._max_starts = context.settings.max_deliveries
        self._recorder = context.recorder
        self._runtimes = context.runtimes
        self._sender = sender
        self._unrecognized = unrecognized
        self._rng = rng

    async def run(self, claimed: Claimed, packed: Packed, lease: Lease) -> Unfinished | None:
        """Run one job; None where all of it is settled. Raises BrokerError; what is open then runs again later."""
        try:
            job = jobs.decode_whole(claimed.id, packed)
        except UnreadableJobError as error:
            await self.dead_letter_job(claimed.id, str(error))
            return None
        runtime = self._runtimes.of(job.channel)
        admission = "go" if runtime.is_clear() else await channel_state.begin(self._redis, claimed.id, job.channel)
        todo = [index for index in range(len(job.notifications)) if index not in claimed.done]
        running = RunningJob(
            claimed.id,
            held_for(job, claimed.held_ms),
            lease,
            time.monotonic() + BUDGET_S,
            runtime,
            admission == "probe",
            [],
            {},
            {},
        )
        unknown = self._unrecognized.among(job, todo)
        if unknown and await self._defer(running, todo, unknown):
            return None
        if claimed.starts > self._max_starts:
            return await self._isolate(running, todo, claimed.starts)
        if not todo or not lease.holds():
            return await self._settle(running, [], [])
        if admission == "hold" or self._runtimes.is_full(runtime):
            return await self._hold(running)
        return await self._use_channel(running, self._sender.in_order(job, todo))

    async def _use_channel(self, running: RunningJob, todo: list[int]) -> Unfinished | None:
        runtime = running.runtime
        runtime.state = "half-open" if running.is_probe else "closed"
        runtime.begun[running.id] = time.monotonic()
        try:
            rest = await self._probe(running, todo) if running.is_probe else await self._try_all(running, todo)
        finally:
            del runtime.begun[running.id]
        return await self._hold(running) if rest and runtime.state != "closed" else rest

    async def _hold(self, running: RunningJob) -> Unfinished | None:
        """Put the job off as it is until its channel takes it: so there is nothing to give back."""
        await channel_state.hold(self._redis, self._owner, running.id, running.job.channel)
        return None

    async def _probe(self, running: RunningJob, todo: list[int]) -> Unfinished | None:
        """Try one, and the others once one has shown that the channel is well again."""
        for place, index in enumerate(todo):
            if running.runtime.state != "half-open":
                return await self._try_all(running, todo[place:]) if running.may_send() else Unfinished()
            rest = await self._try_all(running, [index])
        return rest

    async def _defer(self, running: RunningJob, todo: list[int], unknown: dict[int, str]) -> bool:
        """Leave what is unknown here to other workers, apart from the rest; False where nobody knew it in time."""
        if len(unknown) == len(todo):
            return await self._unrecognized.leave(running.id, unknown[todo[0]])
        parts = [[index for index in todo if index not in unknown], list(unknown)]
        job = running.job
        retries = [RetryJob(with_only(job, [job.notifications[i] for i in part]), 0, part) for part in parts]
        await self._settle(running, [Settled(index, "retry") for index in todo], retries)
        return True

    async def dead_letter_job(self, job_id: str, error: str) -> bool:
        """Make a job that no worker could run a dead letter, as it is.

        False where it is left to other workers: one of them may still understand it. Raises BrokerError.
        """
        if await self._unrecognized.leave(job_id, error):
            return False
        blob = await jobs.raw(self._redis, job_id)
        await dead_letter_job(self._redis, job_id, dead_letters.unreadable_job(job_id, blob, error))
        log.error("a job is unreadable: %s", error, extra={"action": "job_dead_lettered", "job": job_id})
        return True

    async def _isolate(self, running: RunningJob, todo: list[int], starts: int) -> Unfinished | None:
        """A job that keeps ending its workers: each notification for itself, and one alone is poison."""
        job = running.job
        if len(job.notifications) > 1:
            retries = [RetryJob(with_only(job, [job.notifications[i]]), 0, [i]) for i in todo]
            return await self._settle(running, [Settled(i, "retry") for i in todo], retries)
        error = f"{starts - 1} workers ran it and none came back"
        dying = Dead(reason="poison", error=error, error_class="Poison")
        return await self._settle(
            running, [self._as_dead_letter(job, job.notifications[i], i, dying) for i in todo], []
        )

    async def _try_all(self, running: RunningJob, todo: list[int]) -> Unfinished | None:
        finished: list[_Finished] = []
        news = asyncio.Event()
        ahead = self._sender.ahead(running.job, todo)
        looks_up = self._sender.looks_up(running.job)
        attempt = self._sender.attempt_looked_up if looks_up else self._sender.attempt
        works: dict[Work, int] = {partial(attempt, running, index, ahead): index for index in todo}

        def tell(work: Work, tried: Tried | Exception) -> None:
            finished.append((works[work], tried))
            news.set()

        pool = SendPool(len(todo)) if looks_up else running.runtime.pool
        pool.put(works, tell)
        try:
            return await self._record(running, len(todo), finished, news)
        except BaseException:
            await pool.withdraw(works)
            raise
        finally:
            log_sent(running)

    async def _record(
        self, running: RunningJob, expected: int, finished: list[_Finished], news: asyncio.Event
    ) -> Unfinished | None:
        """Settle outcomes as they come, all that came during one write with the next; failures a little later.

        Raises what a try raised.
        """
        draw = self._rng.random()  # one for the job, so that what failed together stays one job
        retries: _Retries = {}
        linger_until = 0.0
        rest: Unfinished | None = Unfinished()
        recorded = 0
        while recorded < expected:
            await _news(news, linger_until if retries else None)
            if recorded + len(finished) < expected and not running.runtime.is_failing():
                await asyncio.sleep(_GATHER_S)
            some, finished[:] = finished[:], []
            log_sent(running)
            recorded += len(some)
            if not retries:
                linger_until = time.monotonic() + _LINGER_S
            settled = self._sorted(running, some, retries, draw)
            if running.runtime.is_failing():
                linger_until = 0.0
            if retries and (recorded == expected or time.monotonic() >= linger_until):
                settled += [
                    Settled(index, "retry", lock=running.locks.get(notification.key))
                    for group in retries.values()
                    for index, notification in group
                ]
                new_jobs = [retry_job(running.job, when, group) for when, group in retries.items()]
                retries = {}
            else:
                new_jobs = []
            if settled:
                rest = await self._settle(running, settled, new_jobs)
        return rest

    def _sorted(self, running: RunningJob, some: list[_Finished], retries: _Retries, draw: float) -> list[Settled]:
        """What is done with; what is to be tried again goes to `retries`.

        Where the lease has lapsed, only what was sent counts: whoever has the job now tries the rest.
        """
        job, holds, settled = running.job, running.lease.holds(), []
        for index, tried in some:
            if isinstance(tried, Exception):
                raise tried
            notification, outcome = tried
            if isinstance(outcome, Sent):
                settled.append(Settled(index, "sent", lock=running.locks.get(notification.key)))
            elif isinstance(outcome, Skipped) and holds:
                settled.append(Settled(index, "skipped"))
            elif holds and not isinstance(outcome, Left):
                again = self._when_again(job, notification, outcome, draw)
                if again is None:
                    given_up = self._given_up(job, index, notification, outcome)
                    settled.append(structs.replace(given_up, lock=running.locks.get(notification.key)))
                else:
                    retries.setdefault(again, []).append((index, notification))
        return settled

    async def _settle(
        self, running: RunningJob, settled: list[Settled], retries: list[RetryJob]
    ) -> Unfinished | None:
        open_ = await self._recorder.record(running, settled, retries)
        return Unfinished() if open_ > 0 else None

    def _when_again(
        self, job: NotifyJob, notification: Notification, outcome: Outcome, draw: float
    ) -> tuple[int, int] | None:
        """(attempt number, delay in ms) of the next try; None where there is none."""
        if isinstance(outcome, PutOff):
            return job.attempt, max(_PUT_OFF_MS, int(outcome.delay_s * 1000))
        if not isinstance(outcome, Retry):
            return None
        delay = delay_s(
            self._sender.retry(notification.rule, job.channel),
            attempt=job.attempt,
            age_s=max(0, self._redis.clock.now_ms() - job.first_try_ms) / 1000,
            retry_after_s=outcome.retry_after_s,
            draw=draw,
        )
        return None if delay is None else (job.attempt + 1, int(delay * 1000))

    def _given_up(self, job: NotifyJob, index: int, notification: Notification, outcome: Outcome) -> Settled:
        match outcome:
            case Dead():
                return self._as_dead_letter(job, notification, index, outcome)
            case Retry(error=error, error_class=error_class):
                given_up = Dead(reason="exhausted", error=error, error_class=error_class)
                return self._as_dead_letter(job, notification, index, given_up)
            case _:
                raise AssertionError("what was sent, put off or left is not given up")

    def _as_dead_letter(self, job: NotifyJob, notification: Notification, index: int, outcome: Dead) -> Settled:
        stored_letter = dead_letters.died_at_notify(
            notification,
            job.channel,
            reason=outcome.reason,
            error=outcome.error,
            error_class=outcome.error_class,
            place=outcome.place,
            terms=self._sender.terms(notification),
        )
        log.error(
            "notification died: %s",
            _without_values(outcome),
            extra={
                "action": "notification_dead",
                "dead_letter": stored_letter.letter.id,
                **log_fields(job, notification),
            },
        )
        return Settled(index, "dead", stored_letter)


def _without_values(outcome: Dead) -> str:
    """What the log says of it: the error of a template may quote the payload, which only the dead letter keeps."""
    return f"{outcome.error_class} in {outcome.place}" if outcome.place else outcome.error


async def _news(news: asyncio.Event, until: float | None) -> None:
    """Wait for outcomes; at the latest until a moment of the monotonic clock."""
    if until is None:
        await news.wait()
    else:
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await news.wait()
        except TimeoutError:
            pass
    news.clear()
