"""Sends messages as the limits of their channel allow, and logs and counts what became of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from msgspec import structs

from broker.queue.jobs import Notification
from sources.errors import DecodeError
from worker.channels.channel import Channel
from worker.counters import Counters
from worker.delivery.failures.failure_log import FailureLog
from worker.delivery.message_builder import MessageBuilder, undeliverable
from worker.delivery.next_attempt import log_fields, with_attempt
from worker.delivery.running_job import RunningJob
from worker.delivery.subject_locks import SubjectLocks
from worker.outcome import Dead, LeftOpen, Outcome, Postponed, Retry, Sent, Skipped
from worker.rules.render import Message, Renderer, RenderError
from worker.worker_context import WorkerContext

if TYPE_CHECKING:
    from worker.delivery.sending.attempt_traces import AttemptTraces

log = logging.getLogger("hookline.worker")

AttemptResult = tuple[Notification, Outcome]
"""A notification with this attempt in its history, and the outcome."""

Build = Callable[[], Message]
"""Makes the message. Raises RenderError or DecodeError."""


class RecordingBehindError(Exception):
    """Nothing is sent now, since outcomes of this partition wait for Redis. The send is to be run again."""


class MessageSends:
    """Sends the messages of all jobs by one config."""

    def __init__(self, renderer: Renderer, builder: MessageBuilder, context: WorkerContext) -> None:
        self.locks = SubjectLocks(
            context.partitions, lease_s=context.settings.lease_s, replicas=context.durability.waits_for()
        )
        self.counters = context.vitals.counters
        self.failures = FailureLog()
        self._renderer = renderer
        self._builder = builder
        self._traces: AttemptTraces | None = None
        self._send: Callable[[RunningJob, Channel, Notification, Build], Coroutine[Any, Any, AttemptResult]] = (
            self._send_now
        )
        if context.vitals.tracer is not None:
            from worker.delivery.sending.attempt_traces import AttemptTraces  # noqa: PLC0415 - needs the extra otel

            self._traces = AttemptTraces(context.vitals.tracer)
            self._send = self._send_traced

    async def send_when_admitted(
        self, running: RunningJob, channel: Channel, index: int, build: Build
    ) -> AttemptResult:
        """Send when the channel's rate and breaker, and the recording of outcomes, allow it.

        Raises RecordingBehindError.
        """
        notification, pacer = running.job.notifications[index], running.runtime.channel.pacer
        if time.monotonic() >= running.deadline:
            return notification, Postponed(waits_for="rate_limit")
        if pacer.rate_per_s and (again_s := await pacer.wait_for_slot(running.deadline)) is not None:
            return notification, Postponed(again_s, "rate_limit")
        if running.partition.recorder.is_behind():
            raise RecordingBehindError
        if not running.may_send():
            return notification, LeftOpen()
        if self._renderer.latest_only(notification.rule):
            return await self._send_latest(running, channel, index, build)
        return await self._send(running, channel, notification, build)

    async def _send_latest(self, running: RunningJob, channel: Channel, index: int, build: Build) -> AttemptResult:
        """Send under the lock of its subject, unless a newer event of the subject was sent."""
        notification, subjects = running.job.notifications[index], running.subjects
        try:
            known = index in subjects.locks
            lock = subjects.locks[index] if known else self._builder.lock(notification, running.job.channel)
        except (RenderError, DecodeError) as error:
            return notification, undeliverable(error)
        unwanted = await self.locks.acquire(index, lock, running) if lock else None
        if unwanted is not None:
            return not_sent(running, notification, unwanted)
        if lock is None:
            return await self._send(running, channel, notification, build)
        notification, outcome = await self._send(running, channel, notification, build)
        if isinstance(outcome, Sent):
            subjects.newest[lock.subject] = max(lock.occurred_at_ms, subjects.newest.get(lock.subject, 0))
        return notification, outcome

    async def _send_traced(
        self, running: RunningJob, channel: Channel, notification: Notification, build: Build
    ) -> AttemptResult:
        span = self._traces.begin(running.job, notification) if self._traces else None
        if span is None:
            return await self._send_now(running, channel, notification, build)

        def build_traced() -> Message:
            return structs.replace(build(), traceparent=span.traceparent)

        notification, outcome = await self._send_now(running, channel, notification, build_traced)
        return span.end(notification, outcome), outcome

    async def _send_now(
        self, running: RunningJob, channel: Channel, notification: Notification, build: Build
    ) -> AttemptResult:
        started = time.monotonic()
        try:
            message = build()
        except (RenderError, DecodeError) as error:
            return notification, undeliverable(error)
        if not running.lease.is_held():
            return notification, LeftOpen()
        outcome: Outcome | None = None
        running.runtime.channel.start_send()
        try:
            outcome = await channel.send(message)
        except Exception as error:  # noqa: BLE001 - a defect of a channel is retried like other failures
            outcome = Retry(error=str(error), error_class=type(error).__name__)
        finally:
            running.runtime.end_send(outcome)
        return self.result(running, notification, outcome, started)

    def result(
        self, running: RunningJob, notification: Notification, outcome: Outcome, started: float
    ) -> AttemptResult:
        """Log and count an attempt that has ended. started: of the monotonic clock."""
        took_ms = int((time.monotonic() - started) * 1000)
        if isinstance(outcome, Sent):
            running.sent.append((notification, took_ms))
            return notification, Sent(outcome.status, took_ms)
        if isinstance(outcome, Retry | Dead):
            self.counters.note_failed(
                running.job.channel, "retry" if isinstance(outcome, Retry) else "dead", took_ms
            )
        if isinstance(outcome, Retry):
            fields = {**log_fields(running.job, notification), "took_ms": took_ms}
            level = self.failures.level(logging.WARNING, "retry", running.job.channel, outcome.error_class)
            log.log(level, "attempt failed: %s", outcome.error, extra={"action": "notification_failed", **fields})
        at_ms = running.partition.redis.clock.now_ms() - took_ms
        return with_attempt(notification, outcome, at_ms, took_ms), outcome


def note_sent(running: RunningJob, counters: Counters) -> None:
    """Count and log the notifications that were sent since the last call."""
    if running.sent:
        job = running.job
        counters.note_sent(job.channel, running.sent, running.partition.redis.clock.now_ms())
        if log.isEnabledFor(logging.DEBUG):
            each = [
                {**log_fields(job, notification), "took_ms": took_ms} for notification, took_ms in running.sent
            ]
            log.debug("notification sent", extra={"action": "notification_sent", "each": each})
        running.sent.clear()


def not_sent(running: RunningJob, notification: Notification, outcome: Outcome) -> AttemptResult:
    """Log a notification that is not sent."""
    if isinstance(outcome, Skipped):
        fields = log_fields(running.job, notification)
        log.debug("notification skipped", extra={"action": "notification_skipped", **fields})
    return notification, outcome
