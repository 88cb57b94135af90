"""Attempts the notifications of a running job, and settles their outcomes as they come."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from functools import partial

from msgspec import structs

from broker import dead_letters
from broker.history.records import OutcomeRow
from broker.queue.jobs import Notification
from broker.steps.settle import Retry as RetryJob
from broker.steps.settle import Settled
from worker.delivery.capacity.send_pool import Send, SendPool
from worker.delivery.job_sends import Finished, JobSends
from worker.delivery.next_attempt import NextAttempt, log_fields, retry_job
from worker.delivery.running_job import RunningJob, Unfinished
from worker.delivery.sender import Sender
from worker.delivery.sending.message_sends import note_sent
from worker.outcome import Dead, LeftOpen, Outcome, Postponed, Retry, Sent, Skipped, without_values
from worker.outcome_rows import outcome_row
from worker.rules.retry import delay_s

log = logging.getLogger("hookline.worker")

_MIN_POSTPONE_MS = 100

_SHORT_MS = 5_000
"""Milliseconds below which a postponed notification is not worth a row in the history."""

# Writing each outcome by itself would cost as much as the send, so an outcome waits for others of its job. A job
# of 64 notifications takes about this long when every send succeeds.
_GATHER_S = 0.01
"""Seconds that an outcome waits for others of its job before both are recorded."""

_LINGER_S = 1.0
"""Seconds that failures wait for other failures of their job, so that they stay one job."""

_Retries = dict[NextAttempt, list[tuple[int, Notification, OutcomeRow | None]]]
"""The notifications that are retried, by when, each with its index and its row for the history."""


class Attempts:
    """Makes the attempts of all jobs of one config."""

    def __init__(self, sender: Sender, *, rng: random.Random, writes_history: bool = False) -> None:
        """writes_history: whether the outcomes get rows for the history."""
        self._sender = sender
        self._writes_history = writes_history
        self._rng = rng

    async def make_all(self, running: RunningJob, todo: list[int]) -> Unfinished | None:
        """Attempt the notifications with these indices and settle them; None where all of the job is settled.

        Raises BrokerError, and the exception of an attempt that met a defect.
        """
        prerender = self._sender.prerender(running.job, todo)
        looks_up = self._sender.looks_up(running.job)
        attempt = self._sender.attempt_with_lookups if looks_up else self._sender.attempt
        sends: dict[Send, int] = {partial(attempt, running, index, prerender): index for index in todo}

        # Lookups wait outside of the channel's pool, so that other jobs can use it meanwhile.
        pool = SendPool(len(todo)) if looks_up else running.runtime.channel.pool
        job_sends = JobSends(running, pool, self._sender.sends.locks)
        job_sends.submit(sends)
        try:
            return await self._record_all(running, len(todo), job_sends)
        except BaseException:
            await job_sends.cancel()
            raise
        finally:
            note_sent(running, self._sender.sends.counters)

    async def settle(
        self, running: RunningJob, settled: list[Settled], retries: list[RetryJob]
    ) -> Unfinished | None:
        """Record outcomes; None where all of the job is settled. Raises BrokerError."""
        record = running.partition.recorder.record
        open_ = await record(running.id, running.runtime, settled, retries)
        return Unfinished() if open_ > 0 else None

    async def _record_all(self, running: RunningJob, expected: int, job_sends: JobSends) -> Unfinished | None:
        """Record outcomes as they come: those of one write with the next, failures up to a second later."""
        draw = self._rng.random()  # one for the whole job, so that notifications that failed together stay one job
        finished, news = job_sends.finished, job_sends.news
        retries: _Retries = {}
        linger_until = 0.0
        rest: Unfinished | None = Unfinished()
        recorded = 0
        while recorded < expected:
            await _wait_for_news(news, linger_until if retries else None)
            if recorded + len(finished) < expected and not running.runtime.is_failing():
                await asyncio.sleep(_GATHER_S)
            batch, finished[:] = finished[:], []
            note_sent(running, self._sender.sends.counters)
            recorded += len(batch)
            if not retries:
                linger_until = time.monotonic() + _LINGER_S
            settled = self._settled(running, batch, retries, draw)
            if running.runtime.is_failing():
                linger_until = 0.0
            if retries and (recorded == expected or time.monotonic() >= linger_until):
                settled += [
                    Settled(index, "retry", lock=running.locks.get(notification.key), record=record)
                    for group in retries.values()
                    for index, notification, record in group
                ]
                new_jobs = [
                    retry_job(running.job, when, [(index, notification) for index, notification, _ in group])
                    for when, group in retries.items()
                ]
                retries = {}
            else:
                new_jobs = []
            if settled:
                rest = await self.settle(running, settled, new_jobs)
        return rest

    def _settled(
        self, running: RunningJob, batch: list[Finished], retries: _Retries, draw: float
    ) -> list[Settled]:
        """The notifications that are settled; those to be retried are added to `retries`.

        Raises an attempt's error.
        """
        # Where the lease has lapsed, another worker may run the job and attempts the rest: only what was sent
        # counts.
        job, is_held, settled = running.job, running.lease.is_held(), []
        now_ms, writes_history = running.partition.redis.clock.now_ms(), self._writes_history
        for index, result in batch:
            if isinstance(result, Exception):
                raise result
            notification, outcome = result
            if isinstance(outcome, Sent):
                record = outcome_row(notification, outcome, now_ms) if writes_history else None
                settled.append(Settled(index, "sent", lock=running.locks.get(notification.key), record=record))
            elif isinstance(outcome, Skipped) and is_held:
                record = outcome_row(notification, outcome, now_ms) if writes_history else None
                settled.append(Settled(index, "skipped", lock=running.locks.get(notification.key), record=record))
                self._sender.sends.counters.note_settled(notification.rule, job.channel, "skipped")
            elif is_held and not isinstance(outcome, LeftOpen):
                when = self._next_attempt(running, notification, outcome, draw)
                if when is None:
                    dead = self._given_up(running, index, notification, outcome)
                    settled.append(structs.replace(dead, lock=running.locks.get(notification.key)))
                else:
                    record = self._retry_row(notification, outcome, now_ms, when.delay_ms)
                    retries.setdefault(when, []).append((index, notification, record))
                    if isinstance(outcome, Retry):
                        self._sender.sends.counters.note_settled(notification.rule, job.channel, "retry")
        return settled

    def _retry_row(
        self, notification: Notification, outcome: Outcome, now_ms: int, delay_ms: int
    ) -> OutcomeRow | None:
        """The row of a notification that is tried again; None if it waits for a moment, or for its channel."""
        if not self._writes_history:
            return None
        if isinstance(outcome, Postponed) and (delay_ms < _SHORT_MS or outcome.waits_for == "rate_limit"):
            return None
        return outcome_row(notification, outcome, now_ms, next_ms=now_ms + delay_ms)

    def _next_attempt(
        self, running: RunningJob, notification: Notification, outcome: Outcome, draw: float
    ) -> NextAttempt | None:
        """When the next attempt is made; None to give up."""
        job, clock = running.job, running.partition.redis.clock
        if isinstance(outcome, Postponed):
            delay_ms = max(_MIN_POSTPONE_MS, int(outcome.delay_s * 1000))
            return NextAttempt(job.attempt, delay_ms, outcome.waits_for)
        if not isinstance(outcome, Retry):
            return None
        delay = delay_s(
            self._sender.retry(notification.rule, job.channel),
            attempt=job.attempt,
            age_s=max(0, clock.now_ms() - job.first_try_ms) / 1000,
            retry_after_s=outcome.retry_after_s,
            draw=draw,
        )
        return None if delay is None else NextAttempt(job.attempt + 1, int(delay * 1000), "retry")

    def _given_up(self, running: RunningJob, index: int, notification: Notification, outcome: Outcome) -> Settled:
        match outcome:
            case Dead():
                return self.dead(running, index, notification, outcome)
            case Retry(error=error, error_class=error_class, status=status):
                exhausted = Dead(reason="exhausted", error=error, error_class=error_class, status=status)
                return self.dead(running, index, notification, exhausted)
            case _:
                raise AssertionError("a notification that was sent, postponed or left open is not given up")

    def dead(self, running: RunningJob, index: int, notification: Notification, outcome: Dead) -> Settled:
        """Make the dead letter of a notification, count and log it."""
        job, now_ms = running.job, running.partition.redis.clock.now_ms()
        self._sender.sends.counters.note_settled(notification.rule, job.channel, "dead")
        stored_letter = dead_letters.died_at_notify(
            notification,
            job.channel,
            reason=outcome.reason,
            error=outcome.error,
            error_class=outcome.error_class,
            place=outcome.place,
            terms=self._sender.terms(notification),
        )
        stored_letter = dead_letters.with_about(stored_letter, self._sender.about(notification))
        log.log(
            self._sender.sends.failures.level(logging.ERROR, outcome.reason, job.channel, outcome.error_class),
            "notification died: %s",
            without_values(outcome),
            extra={
                "action": "notification_dead",
                "dead_letter": stored_letter.letter.id,
                **log_fields(job, notification),
            },
        )
        record = None
        if self._writes_history:
            record = outcome_row(notification, outcome, now_ms, letter=stored_letter.letter.id)
        return Settled(index, "dead", stored_letter, record=record)


async def _wait_for_news(news: asyncio.Event, until: float | None) -> None:
    """Wait for outcomes, at most until a time of the monotonic clock."""
    if until is None:
        await news.wait()
    else:
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await news.wait()
        except TimeoutError:
            pass
    news.clear()
