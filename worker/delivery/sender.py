"""An attempt of one notification: look up, render, wait for the channel's rate, send."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from functools import partial

from broker.queue.jobs import Notification, NotifyJob
from broker.queue.latest_only import SubjectLock
from broker.queue.waiting.cause import deferral_of
from sources.errors import DecodeError
from sources.provider import Provider
from worker.channels.channel import Channel
from worker.delivery.message_builder import MessageBuilder, undeliverable, unknown_channel
from worker.delivery.prerender import Prerender
from worker.delivery.running_job import RunningJob
from worker.delivery.sending.message_sends import AttemptResult, MessageSends, not_sent
from worker.enrichment.enrich import Enriched, Enricher
from worker.intake.digests import payloads_of
from worker.outcome import Dead, Postponed, Retry, Skipped
from worker.rules.quiet_hours import QuietTimes
from worker.rules.render import Renderer, RenderError
from worker.rules.retry import RetrySettings
from worker.search_terms import about_of, terms_of
from worker.worker_context import WorkerContext


class Sender:
    """Makes the attempts of all jobs by one config."""

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
        self._kinds = kinds
        self._builder = MessageBuilder(kinds, renderer, max_future_s=context.settings.max_future_s)
        self.sends = MessageSends(renderer, self._builder, context)
        self._renderer = renderer
        self._enricher = enricher
        self._quiet = quiet
        self._prerendered = {rule for rule in renderer.names if not self._waits(rule)}
        self._unconditional = {rule for rule in self._prerendered if not renderer.needs_payload(rule)}

    def _waits(self, rule: str) -> bool:
        """Return whether a notification of this rule may have to wait before it is rendered."""
        return self._renderer.latest_only(rule) or self._enricher.looks_up(rule) or self._quiet.has(rule)

    def terms(self, notification: Notification) -> tuple[str, ...]:
        """The search terms of the notification's dead letter."""
        return terms_of(notification, self._kinds)

    def about(self, notification: Notification) -> str:
        """The id that lists show of a dead notification."""
        return about_of(notification, self._kinds)

    def retry(self, rule: str, channel: str) -> RetrySettings:
        """The retry settings for what this rule sends through this channel."""
        return self._renderer.retry(rule, self.channels[channel].retry)

    def in_order(self, running: RunningJob, todo: list[int]) -> list[int]:
        """The indices in the order of sending: with `latest_only`, the newest event comes first."""
        notifications, channel = running.job.notifications, running.job.channel
        locks: dict[int, SubjectLock | None] = {}
        for index in todo:
            if self._renderer.latest_only(notifications[index].rule):
                with suppress(RenderError, DecodeError):  # its own attempt reports the error
                    locks[index] = self._builder.lock(notifications[index], channel)
        times = {index: lock.occurred_at_ms for index, lock in locks.items() if lock}
        order = sorted(todo, key=lambda index: times.get(index, 0), reverse=True)
        running.subjects.locks = {index: locks[index] for index in order if index in locks}
        return order

    def looks_up(self, job: NotifyJob) -> bool:
        """Return whether the rule of one of the job's notifications looks anything up."""
        return any(map(self._enricher.looks_up, {notification.rule for notification in job.notifications}))

    def prerender(self, job: NotifyJob, todo: list[int]) -> Prerender:
        """Renders the messages of the notifications that wait for nothing."""
        notifications = job.notifications
        ready = ((index, notifications[index]) for index in todo if notifications[index].rule in self._prerendered)
        return Prerender(partial(self._builder.message_if_wanted, attempt=job.attempt), ready)

    def attempt(self, running: RunningJob, index: int, prerender: Prerender) -> Awaitable[AttemptResult]:
        """Render and send one notification of a job.

        Must run in the channel's pool, which bounds the number of its sends.
        """
        notification = running.job.notifications[index]
        channel = self.channels.get(running.job.channel)
        if channel is None:
            return _without_channel(running, notification)
        if notification.rule in self._unconditional:
            return self.sends.send_when_admitted(running, channel, index, partial(prerender.take, index))
        return self._attempt_if_wanted(running, channel, index, prerender)

    async def attempt_with_lookups(self, running: RunningJob, index: int, prerender: Prerender) -> AttemptResult:
        """Look up, render and send one notification.

        Runs outside of the channel's pool and uses it for the send.
        """
        notification, pool = running.job.notifications[index], running.runtime.channel.pool
        channel = self.channels.get(running.job.channel)
        if channel is None or not self._enricher.looks_up(notification.rule):
            return await pool.run(partial(self.attempt, running, index, prerender))
        unwanted = self._unwanted(running, notification)
        if unwanted is not None:
            return not_sent(running, notification, unwanted)
        started = time.monotonic()
        enriched = await self._look_up(notification, running.deadline)
        if not isinstance(enriched, Enriched):
            return self.sends.result(running, notification, enriched, started)
        build = partial(self._builder.message, notification, enriched, attempt=running.job.attempt)
        return await pool.run(partial(self.sends.send_when_admitted, running, channel, index, build))

    async def _attempt_if_wanted(
        self, running: RunningJob, channel: Channel, index: int, prerender: Prerender
    ) -> AttemptResult:
        notification = running.job.notifications[index]
        is_prerendered = notification.rule in self._prerendered
        unwanted = prerender.unwanted(index) if is_prerendered else self._unwanted(running, notification)
        if unwanted is not None:
            return not_sent(running, notification, unwanted)
        build = partial(prerender.take, index)
        if not is_prerendered:
            build = partial(self._builder.message, notification, None, attempt=running.job.attempt)
        return await self.sends.send_when_admitted(running, channel, index, build)

    def _unwanted(self, running: RunningJob, notification: Notification) -> Skipped | Postponed | Dead | None:
        """The outcome without sending, by the rule's `when`, `key` and quiet hours; None to send."""
        unwanted = self._builder.outcome_if_unwanted(notification)
        if unwanted is not None:
            return unwanted
        if deferral_of(running.id) == "sent_now":  # a person asked for this attempt
            return None
        left_s = self._quiet.left_s(notification.rule, running.partition.redis.clock.now_ms() / 1000)
        return Postponed(left_s, "quiet_hours") if left_s else None

    async def _look_up(self, notification: Notification, deadline: float) -> Enriched | Retry | Dead | Postponed:
        """The payload with what the rule looks up."""
        body = notification.body
        try:
            payload = payloads_of(notification, self._builder.kind(body.source))[-1]
            left_s = deadline - time.monotonic()
            return await self._enricher.enrich(notification.rule, body.source, payload, give_up_after_s=left_s)
        except (RenderError, DecodeError) as error:
            return undeliverable(error)
        except Exception as error:  # noqa: BLE001 - a defect must not take other notifications with it
            return Retry(error=f"looking up failed: {type(error).__name__}", error_class=type(error).__name__)


async def _without_channel(running: RunningJob, notification: Notification) -> AttemptResult:
    return notification, unknown_channel(running.job.channel)
