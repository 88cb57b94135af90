"""Notifications as their channels would get them, as far as that shows without asking anybody. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from broker.queue.jobs import Notification
from sources.errors import DecodeError
from worker.channels.preflight import Refusal, refusal
from worker.channels.settings import ChannelSettings
from worker.delivery.message_builder import MessageBuilder, unfit
from worker.enrichment.enrich import Enriched, questions, unaskable
from worker.intake.digests import payloads_of
from worker.outcome import Dead, Skipped
from worker.rules.render import Message, Renderer, RenderError
from worker.rules.rules import Rule
from worker.worker_source import WorkerSource


class Draft(Struct, frozen=True):
    """What would be sent."""

    message: Message | None = None
    """None where it cannot be made of what the payload has."""

    looks_up: tuple[str, ...] = ()
    """What is asked of the source's API before it is sent: a method and a path each."""

    needs: str = ""
    """Why it cannot be made or sent without the answer; "" where it can."""


class Drafter:
    """Makes what one config makes of notifications. Templates are compiled once.

    To make one raises where a rule does not compile; a checked config has only rules that do.
    """

    def __init__(
        self,
        sources: Mapping[str, WorkerSource],
        rules: tuple[Rule, ...],
        channels: Mapping[str, ChannelSettings],
    ) -> None:
        self.renderer = Renderer(rules)
        self._sources = sources
        kinds = {name: source.kind for name, source in sources.items()}
        self._maker = MessageBuilder(kinds, self.renderer, max_future_s=0.0)  # no time is compared here
        self._asked = {rule.name: rule.enrich for rule in rules if rule.enrich}
        self._refusals = {name: refusal(settings) for name, settings in channels.items()}

    def draft(self, notification: Notification, channel: str) -> Draft | Skipped | Dead:
        """What notify would do with it at its first try, quiet hours and newer events aside. Never raises."""
        refuse = self._refusals.get(channel)
        if refuse is None:
            error = f"no channel named {channel!r} in this worker's config"
            return Dead(reason="unknown channel", error=error, error_class="UnknownChannel")
        try:
            if not self._maker.is_wanted(notification):
                return Skipped()
            if self.renderer.latest_only(notification.rule):
                self._maker.lock(notification, channel)
            return self._made(notification, refuse)
        except (RenderError, DecodeError) as error:
            return unfit(error)
        except Exception as error:  # noqa: BLE001 - one body that trips a fault of ours is told as others are
            return Dead(
                reason="failed", error=str(error) or type(error).__name__, error_class=type(error).__name__
            )

    def _made(self, notification: Notification, refuse: Refusal) -> Draft | Dead:
        asked = self._asked.get(notification.rule)
        if not asked:
            message = self._maker.message(notification, None, attempt=1)
            return refuse(message) or Draft(message)
        return self._made_without_answers(notification, asked, refuse)

    def _made_without_answers(
        self, notification: Notification, asked: tuple[str, ...], refuse: Refusal
    ) -> Draft | Dead:
        source = notification.body.source
        kind = self._maker.kind(source)
        if kind.api is None or self._sources[source].api is None:
            return unaskable(asked, source)
        payload = payloads_of(notification, kind)[-1]
        lookups, unknown = questions(asked, kind, payload)
        looks_up = tuple(f"GET {lookup.path}" for lookup in lookups)
        try:
            message = self._maker.message(notification, Enriched(payload, unknown), attempt=1)
        except RenderError as error:
            if not lookups:
                raise
            return Draft(looks_up=looks_up, needs=str(error))
        refused = refuse(message)
        if refused is None:
            return Draft(message, looks_up)
        return Draft(looks_up=looks_up, needs=refused.error) if lookups else refused
