"""Notifications as their channels would get them, as far as that is known without any request. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from broker.queue.jobs import Notification
from sources.errors import DecodeError
from worker.channels.settings import ChannelSettings
from worker.delivery.message_builder import MessageBuilder, undeliverable, unknown_channel
from worker.enrichment.enrich import Enriched, LookUps
from worker.intake import digests
from worker.intake.digests import payloads_of
from worker.intake.match import MatchedEvent
from worker.outcome import Dead, Skipped
from worker.preview.preflight import Refusal, refusal
from worker.rules.render import Message, Renderer, RenderError
from worker.rules.rules import Rule
from worker.worker_source import WorkerSource


class Preview(Struct, frozen=True):
    """The message that would be sent."""

    message: Message | None = None
    """The message; None where the payload alone is not enough to make it."""

    looks_up: tuple[str, ...] = ()
    """The requests to the source's API before it is sent: a method and a path each."""

    needs: str = ""
    """Why it cannot be made or sent without the API's answer; "" where it can."""

    def fields(self) -> dict[str, Any]:
        """The values that reports show, by name."""
        names = ("to", "subject", "text", "html") if self.message else ()
        return {
            **{name: getattr(self.message, name) for name in names},
            "looks_up": self.looks_up,
            "needs": self.needs,
        }


class Previewer:
    """Makes the messages of one config. Templates are compiled once.

    Creating one raises where a rule does not compile; a checked config has no such rule.
    """

    def __init__(
        self,
        sources: Mapping[str, WorkerSource],
        rules: tuple[Rule, ...],
        channels: Mapping[str, ChannelSettings],
    ) -> None:
        self._renderer = Renderer(rules)
        kinds = {name: source.kind for name, source in sources.items()}
        # The time limit only matters for the order of events, and here each is the only one.
        self._builder = MessageBuilder(kinds, self._renderer, max_future_s=0.0)
        self._lookups = LookUps(rules, sources)
        self._refusals = {name: refusal(settings) for name, settings in channels.items()}

    def preview(self, notification: Notification, channel: str) -> Preview | Skipped | Dead:
        """The outcome of the first attempt, apart from quiet hours and newer events. Never raises."""
        refuse = self._refusals.get(channel)
        if refuse is None:
            return unknown_channel(channel)
        try:
            unwanted = self._builder.outcome_if_unwanted(notification)
            if unwanted is not None:
                return unwanted
            if self._renderer.latest_only(notification.rule):
                self._builder.lock(notification, channel)
            return self._message(notification, refuse)
        except (RenderError, DecodeError) as error:
            return undeliverable(error)
        except Exception as error:  # noqa: BLE001 - a body that trips a defect must not end the report on others
            name = type(error).__name__
            return Dead(reason="failed", error=str(error) or name, error_class=name)

    def _message(self, notification: Notification, refuse: Refusal) -> Preview | Dead:
        if self._lookups.has(notification.rule):
            return self._message_before_lookups(notification, refuse)
        message = self._builder.message(notification, None, attempt=1)
        return refuse(message) or Preview(message)

    def _message_before_lookups(self, notification: Notification, refuse: Refusal) -> Preview | Dead:
        source = notification.body.source
        payload = payloads_of(notification, self._builder.kind(source))[-1]
        requests = self._lookups.requests(notification.rule, source, payload)
        if isinstance(requests, Dead):
            return requests
        lookups, unknown = requests
        looks_up = tuple(f"GET {lookup.path}" for lookup in lookups)
        try:
            message = self._builder.message(notification, Enriched(payload, unknown), attempt=1)
        except RenderError as error:
            if not lookups:
                raise
            return Preview(looks_up=looks_up, needs=str(error))
        refused = refuse(message)
        if refused is None:
            return Preview(message, looks_up)
        return Preview(looks_up=looks_up, needs=refused.error) if lookups else refused


def notifications_of(matched: MatchedEvent) -> Iterator[tuple[str, Notification]]:
    """An event's notifications with their channels; those of each digest as if the event were alone in it."""
    yield from matched.notifications
    for _, gathered in matched.digest_events:
        yield from digests.notifications_of([gathered])
