"""Job -> messages sent: tries every open notification of a job and records what came of each."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping
from typing import Any

from arq.connections import ArqRedis

from broker import dead, jobs
from broker.errors import BrokerError
from broker.jobs import Attempt, Notification, NotifyJob, Packed, UnreadableJobError
from broker.settle import Retry as RetryJob
from broker.settle import Settled, bury_job, settle
from sources.errors import DecodeError
from sources.kind import SourceKind
from worker.channels import Channel
from worker.outcome import Dead, Outcome, PutOff, Retry, Sent
from worker.render import Message, Renderer, RenderError
from worker.retry import delay_s

log = logging.getLogger("hookline.worker")

BUDGET_S = 60.0
"""Seconds a job may start tries; what is left then goes into a new job. Half of JOB_TIMEOUT_S."""

JOB_TIMEOUT_S = 120.0

_SETTLE_PATIENCE_S = 40.0
_PUT_OFF_MS = 100


class Notifier:
    """Runs notify jobs; one a worker process."""

    def __init__(
        self,
        redis: ArqRedis,
        kinds: Mapping[str, SourceKind],
        renderer: Renderer,
        channels: Mapping[str, Channel],
        *,
        max_starts: int,
        rng: random.Random,
    ) -> None:
        self._redis = redis
        self._kinds = kinds
        self._renderer = renderer
        self._channels = channels
        self._max_starts = max_starts
        self._rng = rng

    async def run(self, job_id: str, packed: Packed, *, starts: int) -> None:
        """Run one job. What it leaves open (Redis away, cancelled) is run again later. Raises BrokerError.

        starts: how often the job was started, this time included.
        """
        try:
            job = jobs.decode(packed)
        except UnreadableJobError as error:
            await self.bury(job_id, str(error))
            return
        done = await jobs.settled_indices(self._redis, job_id)
        todo = [index for index in range(len(job.notifications)) if index not in done]
        if starts > self._max_starts:
            await self._isolate(job_id, job, todo, starts)
        else:
            await self._try_all(job_id, job, todo)

    async def bury(self, job_id: str, error: str) -> None:
        """Make a job that cannot be run a dead letter, as it is. Raises BrokerError."""
        blob = await jobs.raw(self._redis, job_id)
        await bury_job(self._redis, job_id, dead.unreadable_job(job_id, blob, error))
        log.error("a job is unreadable: %s", error, extra={"action": "job_buried", "job": job_id})

    async def _isolate(self, job_id: str, job: NotifyJob, todo: list[int], starts: int) -> None:
        """A job that keeps ending its workers: each notification for itself, and one alone is poison."""
        if len(job.notifications) > 1:
            retries = [RetryJob(_with(job, [job.notifications[i]]), 0, [i]) for i in todo]
            await settle(self._redis, job_id, [Settled(i, "retry") for i in todo], retries)
            return
        error = f"{starts - 1} workers ran it and none came back"
        dying = Dead(reason="poison", error=error, error_class="Poison")
        await settle(self._redis, job_id, [self._buried(job, job.notifications[i], i, dying) for i in todo])

    async def _try_all(self, job_id: str, job: NotifyJob, todo: list[int]) -> None:
        finished: list[tuple[int, Notification, Outcome]] = []
        news = asyncio.Event()
        deadline = time.monotonic() + BUDGET_S

        async def attempt(index: int) -> None:
            finished.append((index, *await self._attempt(job, job.notifications[index], deadline)))
            news.set()

        async with asyncio.TaskGroup() as group:
            for index in todo:
                group.create_task(attempt(index))
            await self._record(job_id, job, len(todo), finished, news)

    async def _record(
        self,
        job_id: str,
        job: NotifyJob,
        expected: int,
        finished: list[tuple[int, Notification, Outcome]],
        news: asyncio.Event,
    ) -> None:
        """Settle outcomes as they come, all that came during one write with the next; retries at the end."""
        draw = self._rng.random()  # one for the job, so that what failed together stays one job
        retries: dict[tuple[int, int], list[tuple[int, Notification]]] = {}
        recorded = 0
        while recorded < expected:
            await news.wait()
            news.clear()
            some, finished[:] = finished[:], []
            settled = []
            for index, notification, outcome in some:
                again = self._when_again(job, outcome, draw)
                if again is None:
                    settled.append(self._settled(job, index, notification, outcome))
                else:
                    retries.setdefault(again, []).append((index, notification))
            recorded += len(some)
            if settled:
                await self._settle(job_id, settled, [])
        if retries:
            await self._settle(
                job_id,
                [Settled(index, "retry") for group in retries.values() for index, _ in group],
                [_retry_job(job, when, group) for when, group in retries.items()],
            )

    async def _settle(self, job_id: str, settled: list[Settled], retries: list[RetryJob]) -> None:
        """Settle, waiting a while for a Redis that is away: what is not recorded is sent again."""
        deadline = time.monotonic() + _SETTLE_PATIENCE_S
        while True:
            try:
                await settle(self._redis, job_id, settled, retries)
            except BrokerError as error:
                if time.monotonic() > deadline:
                    raise
                log.warning("outcomes wait for Redis: %s", error, extra={"action": "redis_away"})
                await asyncio.sleep(0.5)
            else:
                return

    async def _attempt(
        self, job: NotifyJob, notification: Notification, deadline: float
    ) -> tuple[Notification, Outcome]:
        """Render and send; the notification comes back with this attempt in its history."""
        channel = self._channels.get(job.channel)
        if channel is None:
            error = f"no channel named {job.channel!r} in this worker's config"
            return notification, Dead(reason="unknown channel", error=error, error_class="UnknownChannel")
        if not await _slot(channel, deadline):
            return notification, PutOff()
        at_ms, started = time.time_ns() // 1_000_000, time.monotonic()
        try:
            outcome = await channel.send(self._message(job, notification))
        except (RenderError, DecodeError) as error:
            return notification, Dead(reason="render", error=str(error), error_class=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a fault of a channel is an outcome like others, tried again
            outcome = Retry(error=str(error), error_class=type(error).__name__)
        finally:
            channel.slots.release()
        took_ms = int((time.monotonic() - started) * 1000)
        self._log(job, notification, outcome, took_ms)
        return _with_attempt(notification, outcome, at_ms, took_ms), outcome

    def _message(self, job: NotifyJob, notification: Notification) -> Message:
        body = notification.body
        kind = self._kinds.get(body.source)
        if kind is None:
            raise RenderError(f"no source named {body.source!r} in this worker's config")
        payload = kind.view(body.body)
        return Message(
            key=notification.key,
            rule=notification.rule,
            source=body.source,
            event=notification.event,
            text=self._renderer.text(notification.rule, payload),
            data=payload,
            attempt=job.attempt,
        )

    def _when_again(self, job: NotifyJob, outcome: Outcome, draw: float) -> tuple[int, int] | None:
        """(attempt number, delay in ms) of the next try; None where there is none."""
        if isinstance(outcome, PutOff):
            return job.attempt, _PUT_OFF_MS
        if not isinstance(outcome, Retry):
            return None
        delay = delay_s(
            self._channels[job.channel].retry,
            attempt=job.attempt,
            age_s=time.time() - job.first_try_ms / 1000,
            retry_after_s=outcome.retry_after_s,
            draw=draw,
        )
        return None if delay is None else (job.attempt + 1, int(delay * 1000))

    def _settled(self, job: NotifyJob, index: int, notification: Notification, outcome: Outcome) -> Settled:
        match outcome:
            case Sent():
                return Settled(index, "sent")
            case Dead():
                return self._buried(job, notification, index, outcome)
            case Retry(error=error, error_class=error_class):
                given_up = Dead(reason="exhausted", error=error, error_class=error_class)
                return self._buried(job, notification, index, given_up)
            case PutOff():
                raise AssertionError("what was put off is tried again")

    def _buried(self, job: NotifyJob, notification: Notification, index: int, outcome: Dead) -> Settled:
        grave = dead.died_at_notify(
            notification,
            job.channel,
            reason=outcome.reason,
            error=outcome.error,
            error_class=outcome.error_class,
        )
        log.error(
            "notification died: %s",
            outcome.error,
            extra={
                "action": "notification_dead",
                "dead_letter": grave.letter.id,
                **_fields(job, notification),
            },
        )
        return Settled(index, "dead", grave)

    def _log(self, job: NotifyJob, notification: Notification, outcome: Outcome, took_ms: int) -> None:
        fields = {**_fields(job, notification), "took_ms": took_ms}
        if isinstance(outcome, Sent):
            log.info("notification sent", extra={"action": "notification_sent", **fields})
        elif isinstance(outcome, Retry):
            log.warning("try failed: %s", outcome.error, extra={"action": "notification_failed", **fields})


async def _slot(channel: Channel, deadline: float) -> bool:
    """Wait for the channel's turn until `deadline` (monotonic)."""
    if not channel.slots.locked():
        return await channel.slots.acquire()
    try:
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + deadline - time.monotonic()):
            return await channel.slots.acquire()
    except TimeoutError:
        return False


def _fields(job: NotifyJob, notification: Notification) -> dict[str, Any]:
    return {
        "rule": notification.rule,
        "channel": job.channel,
        "event": notification.event,
        "key": notification.key,
        "attempt": job.attempt,
    }


def _with(job: NotifyJob, notifications: list[Notification], attempt: int | None = None) -> NotifyJob:
    return NotifyJob(job.channel, attempt or job.attempt, job.first_try_ms, notifications)


def _retry_job(job: NotifyJob, when: tuple[int, int], group: list[tuple[int, Notification]]) -> RetryJob:
    attempt, delay_ms = when
    indices = [index for index, _ in group]
    return RetryJob(_with(job, [notification for _, notification in group], attempt), delay_ms, indices)


def _with_attempt(notification: Notification, outcome: Outcome, at_ms: int, took_ms: int) -> Notification:
    match outcome:
        case Retry(error=error, answer=answer):
            attempt = Attempt(at_ms, took_ms, "retry", error, answer)
        case Dead(reason=reason, error=error, answer=answer):
            attempt = Attempt(at_ms, took_ms, reason, error, answer)
        case _:
            return notification
    return Notification(
        notification.key,
        notification.rule,
        notification.event,
        notification.body,
        (*notification.attempts, attempt),
    )
