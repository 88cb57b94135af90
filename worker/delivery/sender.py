"""One try of one notification: look up, render, wait for the channel's turn, send."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from broker.queue.jobs import Notification, NotifyJob
from broker.queue.latest_only import SubjectLock, acquire_subject_lock
from broker.redis.errors import BrokerError
from sources.errors import DecodeError
from sources.provider import Provider
from worker.channels import Channel
from worker.delivery.message_builder import MessageBuilder, undeliverable, unknown_channel
from worker.delivery.next_attempt import log_fields, with_attempt
from worker.delivery.prerender import Prerender
from worker.delivery.running_job import RunningJob
from worker.delivery.search_terms import terms_of
from worker.enrichment.enrich import Enriched, Enricher
from worker.intake.digests import payloads_of
from worker.outcome import Dead, Left, Outcome, PutOff, Retry, Sent, Skipped
from worker.rules.quiet_hours import QuietTimes
from worker.rules.render import Message, Renderer, RenderError
from worker.rules.retry import RetrySettings
from worker.worker_context import WorkerContext

log = logging.getLogger("hookline.worker")

Tried = tuple[Notification, Outcome]
"""A notification with this try in its history, and what came of it."""

_TURN_AGAIN_S = 0.5
"""Seconds until a notification asks again, while another of its subject is under way."""

_Make = Callable[[], Message]
"""Raises RenderError or DecodeError."""


class Sender:
    """Makes tries for every job of a worker process."""

    def __init__(
        self,
        kinds: Mapping[str, Provider],
        renderer: Renderer,
        channels: Mapping[str, Channel],
        enricher: Enricher,
        quiet: QuietTimes,
        context: WorkerContext,
    ) -> None:
        self.channels = channels
        self._redis = context.redis
        self._lease_s = context.settings.lease_s
        self._kinds = kinds
        self._maker = MessageBuilder(kinds, renderer, max_future_s=context.settings.max_future_s)
        self._renderer = renderer
        self._enricher = enricher
        self._recorder = context.recorder
        self._quiet = quiet
        self._plain = {rule for rule in renderer.names if not self._asks(rule)}

    def _asks(self, rule: str) -> bool:
        """Whether anything is to be found out before a notification of this rule is made."""
        return (
            self._renderer.asks_payload(rule)
            or self._renderer.latest_only(rule)
            or self._enricher.looks_up(rule)
            or self._quiet.has(rule)
        )

    def terms(self, notification: Notification) -> tuple[str, ...]:
        """What the dead letter of a notification is found by."""
        return terms_of(notification, self._kinds)

    def retry(self, rule: str, channel: str) -> RetrySettings:
        """When what this rule sends through this channel is tried again."""
        return self._renderer.retry(rule, self.channels[channel].retry)

    def in_order(self, job: NotifyJob, todo: list[int]) -> list[int]:
        """As they came, or the newest event first where only the latest counts: then the older need not go out."""
        if not any(map(self._renderer.latest_only, {job.notifications[index].rule for index in todo})):
            return todo
        return sorted(todo, key=lambda index: self._occurred_at_ms(job.notifications[index]), reverse=True)

    def _occurred_at_ms(self, notification: Notification) -> int:
        body = notification.body
        try:
            return self._maker.occurred_at_ms(body) or 0
        except (RenderError, DecodeError):
            return 0  # told when it is tried

    def looks_up(self, job: NotifyJob) -> bool:
        """Whether anything is to be looked up for one of a job's notifications."""
        return any(map(self._enricher.looks_up, {notification.rule for notification in job.notifications}))

    def ahead(self, job: NotifyJob, todo: list[int]) -> Prerender:
        """Makes the messages of those that nothing is asked of before they are sent."""
        notifications = job.notifications
        plain = ((index, notifications[index]) for index in todo if notifications[index].rule in self._plain)
        return Prerender(partial(self._maker.message, enriched=None, attempt=job.attempt), plain)

    def attempt(self, running: RunningJob, index: int, ahead: Prerender) -> Awaitable[Tried]:
        """Render and send; the notification comes back with this attempt in its history.

        To be made by the channel's crew, which holds no more sends at a time than the channel may have.
        """
        notification = running.job.notifications[index]
        channel = self.channels.get(running.job.channel)
        if channel is None:
            return _without_channel(running, notification)
        if notification.rule in self._plain:
            return self._send_now(running, channel, notification, partial(ahead.take, index))
        return self._attempt_if_wanted(running, channel, notification)

    async def attempt_looked_up(self, running: RunningJob, index: int, ahead: Prerender) -> Tried:
        """The same from outside of the channel's crew, which gets what is to be sent once it is looked up."""
        notification, pool = running.job.notifications[index], running.runtime.pool
        channel = self.channels.get(running.job.channel)
        if channel is None or not self._enricher.looks_up(notification.rule):
            return await pool.make(partial(self.attempt, running, index, ahead))
        unwanted = self._unwanted(notification)
        if unwanted is not None:
            return _untried(running, notification, unwanted)
        started = time.monotonic()
        found = await self._enriched(notification, running.deadline)
        if not isinstance(found, Enriched):
            return self._tried(running, notification, found, started)
        make = partial(self._maker.message, notification, found, attempt=running.job.attempt)
        return await pool.make(partial(self._send_now, running, channel, notification, make))

    async def _attempt_if_wanted(self, running: RunningJob, channel: Channel, notification: Notification) -> Tried:
        unwanted = self._unwanted(notification)
        if unwanted is not None:
            return _untried(running, notification, unwanted)
        make = partial(self._maker.message, notification, None, attempt=running.job.attempt)
        return await self._send_now(running, channel, notification, make)

    async def _send_now(
        self, running: RunningJob, channel: Channel, notification: Notification, make: _Make
    ) -> Tried:
        """Send when the channel has a moment for it, and takes anything."""
        runtime, recorder, lease = running.runtime, self._recorder, running.lease
        if time.monotonic() >= running.deadline or (
            runtime.rate_per_s and not await runtime.pacer.wait_for_slot(runtime.rate_per_s, running.deadline)
        ):
            return notification, PutOff()
        if (recorder.is_behind() and not await recorder.keeps_up(lease)) or not running.may_send():
            return notification, Left()
        if self._renderer.latest_only(notification.rule):
            return await self._send_latest(running, channel, notification, make)
        return await self._send(running, channel, notification, make)

    async def _send_latest(
        self, running: RunningJob, channel: Channel, notification: Notification, make: _Make
    ) -> Tried:
        """Send unless something newer of the same subject was sent, and not while something of it is under way."""
        try:
            lock = self._maker.lock(notification, running.job.channel)
            unwanted = await self._wait_for(lock, running) if lock else None
        except (RenderError, DecodeError) as error:
            return notification, undeliverable(error)
        except BrokerError:
            return notification, PutOff()
        if unwanted is not None:
            return _untried(running, notification, unwanted)
        if lock is None:
            return await self._send(running, channel, notification, make)
        running.locks[lock.key] = lock  # ends with what is recorded of it
        tried, outcome = await self._send(running, channel, notification, make)
        if isinstance(outcome, Sent):
            running.newest[lock.subject] = max(lock.occurred_at_ms, running.newest.get(lock.subject, 0))
        return tried, outcome

    async def _wait_for(self, lock: SubjectLock, running: RunningJob) -> Skipped | PutOff | None:
        """Whether its turn has come: None, and then it has taken it. Raises BrokerError."""
        if running.newest.get(lock.subject, 0) > lock.occurred_at_ms:
            return Skipped()
        answer = await acquire_subject_lock(self._redis, lock, lease_s=self._lease_s)
        if answer == "stale":
            return Skipped()
        return PutOff(_TURN_AGAIN_S) if answer == "wait" else None

    def _unwanted(self, notification: Notification) -> Skipped | PutOff | Dead | None:
        """The outcome without sending, by the rule's `when`, `key` and quiet hours; None to send."""
        unwanted = self._maker.outcome_if_unwanted(notification)
        if unwanted is not None:
            return unwanted
        left_s = self._quiet.left_s(notification.rule, self._redis.clock.now_ms() / 1000)
        return PutOff(left_s) if left_s else None

    async def _send(self, running: RunningJob, channel: Channel, notification: Notification, make: _Make) -> Tried:
        started = time.monotonic()
        try:
            message = make()
        except (RenderError, DecodeError) as error:
            return notification, undeliverable(error)
        if not running.lease.holds():
            return notification, Left()
        outcome: Outcome | None = None
        running.runtime.begin()
        try:
            outcome = await channel.send(message)
        except Exception as error:  # noqa: BLE001 - a fault of a channel is an outcome like others, tried again
            outcome = Retry(error=str(error), error_class=type(error).__name__)
        finally:
            running.runtime.end(outcome)
        return self._tried(running, notification, outcome, started)

    def _tried(self, running: RunningJob, notification: Notification, outcome: Outcome, started: float) -> Tried:
        took_ms = int((time.monotonic() - started) * 1000)
        if isinstance(outcome, Sent):
            running.sent.append((notification, took_ms))
            return notification, outcome
        _log(running, notification, outcome, took_ms)
        return with_attempt(notification, outcome, self._redis.clock.now_ms() - took_ms, took_ms), outcome

    async def _enriched(self, notification: Notification, deadline: float) -> Enriched | Retry | Dead | PutOff:
        """What the rule asks for, waited for outside of the channel's crew: others send meanwhile."""
        body = notification.body
        try:
            kind = self._maker.kind(body.source)
            payload = payloads_of(notification, kind)[-1]
            left_s = deadline - time.monotonic()
            return await self._enricher.enrich(notification.rule, body.source, payload, give_up_after_s=left_s)
        except (RenderError, DecodeError) as error:
            return undeliverable(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours takes no other notification along
            return Retry(error=f"looking up failed: {type(error).__name__}", error_class=type(error).__name__)


def log_sent(running: RunningJob) -> None:
    """Tell what was sent since the last call."""
    if running.sent:
        job = running.job
        each = [{**log_fields(job, notification), "took_ms": took_ms} for notification, took_ms in running.sent]
        log.info("notification sent", extra={"action": "notification_sent", "each": each})
        running.sent.clear()


async def _without_channel(running: RunningJob, notification: Notification) -> Tried:
    return notification, unknown_channel(running.job.channel)


def _untried(running: RunningJob, notification: Notification, outcome: Outcome) -> Tried:
    _log(running, notification, outcome, 0)
    return notification, outcome


def _log(running: RunningJob, notification: Notification, outcome: Outcome, took_ms: int) -> None:
    fields = {**log_fields(running.job, notification), "took_ms": took_ms}
    if isinstance(outcome, Skipped):
        log.info("notification skipped", extra={"action": "notification_skipped", **fields})
    elif isinstance(outcome, Retry):
        log.warning("try failed: %s", outcome.error, extra={"action": "notification_failed", **fields})
