"""Job -> messages sent: tries every open notification of a job and records what came of each."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping

from arq.connections import ArqRedis

from broker import dead, jobs
from broker.errors import BrokerError
from broker.jobs import Notification, NotifyJob, Packed, UnreadableJobError
from broker.settle import Retry as RetryJob
from broker.settle import Settled, bury_job, settle
from sources.errors import DecodeError
from sources.kind import SourceKind
from worker.attempts import log_fields, retry_job, with_attempt, with_only
from worker.channels import Channel
from worker.enrich import Enriched, Enricher, UnknownError, text_of
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
        enricher: Enricher,
        *,
        max_starts: int,
        rng: random.Random,
    ) -> None:
        self._redis = redis
        self._kinds = kinds
        self._renderer = renderer
        self._channels = channels
        self._enricher = enricher
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
            retries = [RetryJob(with_only(job, [job.notifications[i]]), 0, [i]) for i in todo]
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
                [retry_job(job, when, group) for when, group in retries.items()],
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
        enriched = None
        if self._enricher.asks(notification.rule):
            at_ms, started = time.time_ns() // 1_000_000, time.monotonic()
            found = await self._enriched(notification, deadline)
            if not isinstance(found, Enriched):
                return self._tried(job, notification, found, at_ms, started), found
            enriched = found
        if not await _slot(channel, deadline):
            return notification, PutOff()
        at_ms, started = time.time_ns() // 1_000_000, time.monotonic()
        try:
            outcome = await channel.send(self._message(job, notification, enriched))
        except (RenderError, DecodeError) as error:
            return notification, _unfit(error)
        except Exception as error:  # noqa: BLE001 - a fault of a channel is an outcome like others, tried again
            outcome = Retry(error=str(error), error_class=type(error).__name__)
        finally:
            channel.slots.release()
        return self._tried(job, notification, outcome, at_ms, started), outcome

    def _tried(
        self, job: NotifyJob, notification: Notification, outcome: Outcome, at_ms: int, started: float
    ) -> Notification:
        took_ms = int((time.monotonic() - started) * 1000)
        self._log(job, notification, outcome, took_ms)
        return with_attempt(notification, outcome, at_ms, took_ms)

    async def _enriched(self, notification: Notification, deadline: float) -> Enriched | Retry | Dead | PutOff:
        """What the rule asks for, waited for outside the channel's slots: others send meanwhile."""
        body = notification.body
        try:
            kind = self._kind(body.source)
            payload = kind.view(body.body)
            left_s = deadline - time.monotonic()
            return await self._enricher.enrich(notification.rule, body.source, kind, payload, patience_s=left_s)
        except (RenderError, DecodeError) as error:
            return _unfit(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours takes no other notification along
            return Retry(error=f"looking up failed: {type(error).__name__}", error_class=type(error).__name__)

    def _kind(self, source: str) -> SourceKind:
        kind = self._kinds.get(source)
        if kind is None:
            raise RenderError(f"no source named {source!r} in this worker's config")
        return kind

    def _message(self, job: NotifyJob, notification: Notification, enriched: Enriched | None) -> Message:
        body = notification.body
        enriched = enriched or Enriched(self._kind(body.source).view(body.body))
        return Message(
            key=notification.key,
            rule=notification.rule,
            source=body.source,
            event=notification.event,
            text=text_of(self._renderer, notification.rule, enriched),
            data=enriched.payload,
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
                **log_fields(job, notification),
            },
        )
        return Settled(index, "dead", grave)

    def _log(self, job: NotifyJob, notification: Notification, outcome: Outcome, took_ms: int) -> None:
        fields = {**log_fields(job, notification), "took_ms": took_ms}
        if isinstance(outcome, Sent):
            log.info("notification sent", extra={"action": "notification_sent", **fields})
        elif isinstance(outcome, Retry):
            log.warning("try failed: %s", outcome.error, extra={"action": "notification_failed", **fields})


def _unfit(error: RenderError | DecodeError) -> Dead:
    """The end of a notification whose text cannot be made."""
    reason = "customer unknown" if isinstance(error, UnknownError) else "render"
    return Dead(reason=reason, error=str(error), error_class=type(error).__name__)


async def _slot(channel: Channel, deadline: float) -> bool:
    """Wait for the channel's turn until `deadline` (monotonic)."""
    if not channel.slots.locked():
        return await channel.slots.acquire()
    try:
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + deadline - time.monotonic()):
            return await channel.slots.acquire()
    except TimeoutError:
        return False
