"""Makes the message of a notification before it is sent. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from broker.queue.batch import RawBody
from broker.queue.jobs import Notification
from broker.queue.latest_only import SubjectLock, subject_id
from sources.errors import DecodeError
from sources.provider import Provider
from worker.enrichment.enrich import Enriched, UnknownError, message_of
from worker.intake.digests import payloads_of
from worker.outcome import Dead, Skipped
from worker.rules.event_times import is_future
from worker.rules.payload import Payload, Views
from worker.rules.render import Message, Renderer, RenderError
from worker.templates.template import seen_by_templates


class MessageBuilder:
    """Makes messages by the rules and sources of one config. Methods raise RenderError and DecodeError."""

    def __init__(self, kinds: Mapping[str, Provider], renderer: Renderer, *, max_future_s: float) -> None:
        """kinds: by name of the source; max_future_s: see `[worker]`."""
        self._kinds = kinds
        self._max_future_s = max_future_s
        self._renderer = renderer
        self._views = Views(renderer.subject_keys())

    def kind(self, source: str) -> Provider:
        """The provider of a source."""
        kind = self._kinds.get(source)
        if kind is None:
            raise RenderError(f"no source named {source!r} in this worker's config")
        return kind

    def outcome_if_unwanted(
        self, notification: Notification, payload: Mapping[str, Any] | None = None
    ) -> Skipped | Dead | None:
        """Skipped where the rule's `when` is not true, Dead where the rule fails; None where it is to be sent.

        payload: that of the event, if it is known.
        """
        try:
            return None if self._is_wanted(notification, payload) else Skipped("its rule's when is not true")
        except (RenderError, DecodeError) as error:
            return undeliverable(error)

    def _is_wanted(self, notification: Notification, payload: Mapping[str, Any] | None) -> bool:
        """Return whether `when` is true. Raises also where a key fails, which intake leaves to delivery."""
        rule, body = notification.rule, notification.body
        if notification.digest or not self._renderer.needs_payload(rule):
            return True
        if payload is None:
            payload = self.kind(body.source).view(body.body)
        seen = seen_by_templates(self._renderer.read(rule, payload), event=notification.event, source=body.source)
        try:
            return self._renderer.is_wanted(rule, seen)
        except RenderError:
            seen = seen_by_templates(dict(payload), event=notification.event, source=body.source)
            return self._renderer.is_wanted(rule, seen)  # so that the error lists all keys

    def message_if_wanted(self, notification: Notification, *, attempt: int) -> Message | Skipped | Dead:
        """The message, or the outcome without sending: see `outcome_if_unwanted`."""
        body, payload = notification.body, None
        if not notification.digest:
            kind = self.kind(body.source)
            json = kind.payload_json(body.body)
            payload = Payload(json) if json else kind.view(body.body)
        unwanted = self.outcome_if_unwanted(notification, payload)
        return unwanted or self.message(notification, None, attempt=attempt, payload=payload)

    def _occurred_at_ms(self, body: RawBody) -> int | None:
        """The time of the event, which decides what is the latest; None where it has none."""
        event = self.kind(body.source).event(body.body, body.event_hint, body.headers)
        # A time too far in the future counts as the time of receipt: it would block its subject until then.
        return body.received_at_ms if is_future(event, body, self._max_future_s) else event.occurred_at_ms

    def lock(self, notification: Notification, channel: str) -> SubjectLock | None:
        """The lock of the subject that `latest_only` gives; None where the event has no time."""
        body = notification.body
        kind, occurred_at_ms = self.kind(body.source), self._occurred_at_ms(body)
        if occurred_at_ms is None:
            return None
        view = self._views.read(body.source, kind, body.body)
        seen = seen_by_templates(view, event=notification.event, source=body.source)
        try:
            key = self._renderer.subject(notification.rule, seen)
        except RenderError:
            seen = seen_by_templates(kind.view(body.body), event=notification.event, source=body.source)
            key = self._renderer.subject(notification.rule, seen)  # so that the error lists all keys
        subject = subject_id(body.source, notification.rule, channel, key)
        return SubjectLock(subject, notification.key, occurred_at_ms)

    def message(
        self,
        notification: Notification,
        enriched: Enriched | None,
        *,
        attempt: int,
        payload: Mapping[str, Any] | None = None,
    ) -> Message:
        """The message. enriched: the payload of its last event with what was looked up, None without lookups.

        payload: that of the event, if it is known.
        """
        body = notification.body
        kind = self.kind(body.source)
        if payload is None and not notification.digest and not enriched:
            json = kind.payload_json(body.body)
            payload = Payload(json) if json else None
        payloads = [payload] if payload is not None else payloads_of(notification, kind)
        last = enriched or Enriched(payloads[-1])
        return message_of(self._renderer, notification, last, payloads, attempt=attempt)


def unknown_channel(name: str) -> Dead:
    """The outcome of a notification for a channel that this worker's config does not have."""
    error = f"no channel named {name!r} in this worker's config"
    return Dead(reason="unknown channel", error=error, error_class="UnknownChannel")


def undeliverable(error: RenderError | DecodeError) -> Dead:
    """The outcome of a notification whose message cannot be made."""
    reason = "customer unknown" if isinstance(error, UnknownError) else "render"
    place = error.place if isinstance(error, RenderError) else ""
    return Dead(reason=reason, error=str(error), error_class=type(error).__name__, place=place)
